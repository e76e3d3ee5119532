"""What plots of runs are made of: axes, labels that stay as they are, bars and shares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fgnb import jsontext
from fgnb.errors import ConfigError
from fgnb.render.html import OTHER_COLOUR, STATUS_COLOURS, status_colour
from fgnb.render.text import cut, one_line

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BINS = 40
MANY = 200  # values of a number that have a bar each
GONE = -0.12  # where a line passes an axis on which it has no value, of an axis from 0 to 1
GROUPS = 8  # that are told apart by colour
LABELS = 30  # along an axis of categories
LABEL = 24  # characters of one
FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "SimHei", "Arial Unicode MS")
# Besides the colour, which not everybody sees
MARKERS: Mapping[str, str] = {"success": "o", "fail": "X", "timeout": "v", "rejected": "s", "unknown": "D"}
HATCHES: Mapping[str, str] = {"success": "", "fail": "////", "timeout": "\\\\\\\\", "unknown": "xxxx"}


def axes_or_new(ax: Axes | None) -> Axes:
    """Return the axes that are given, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise ConfigError("plots take a package more: pip install 'fgnb[plot]'") from None
    axes: Axes = pyplot.subplots(layout="constrained")[1]
    return axes


def legend_beside(ax: Axes, title: str | None = None) -> None:
    """Put the legend beside a plot that fills its axes; what is faint there, because it is many, is not in it."""
    legend = ax.legend(title=title, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    for handle in filter(None, legend.legend_handles):
        handle.set_alpha(1)


def readable(ax: Axes) -> Axes:
    """Give labels with characters that the usual font may lack a font of this machine that has them."""
    from matplotlib.font_manager import get_font_names
    from matplotlib.text import Text

    others = [text for text in ax.findobj(Text) if isinstance(text, Text) and not text.get_text().isascii()]
    if others:
        there = set(get_font_names())
        fonts = [name for name in FONTS if name in there]
        for text in others:
            text.set_fontfamily([*text.get_fontfamily(), *fonts])
    return ax


def nothing(ax: Axes) -> Axes:
    """Say that there are no runs."""
    ax.text(0.5, 0.5, "no runs", ha="center", va="center", transform=ax.transAxes)
    ax.set(xticks=[], yticks=[])
    return ax


def plain(text: object, width: int = LABEL) -> str:
    """Return a label as it is: matplotlib would typeset what stands between dollars."""
    return cut(one_line(str(text)), width).replace("$", r"\$")


def cell_label(value: Any) -> str:
    """Return a cell as a label."""
    import pandas as pd

    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return jsontext.dumps(value).decode()
    return "missing" if value is pd.NA or value != value else str(value)


def grouped(column: pd.Series) -> dict[str, list[int]]:
    """Return the places of the rows by value; the rarest values of many together."""
    groups: dict[str, list[int]] = {}
    for place, value in enumerate(column):
        groups.setdefault(cell_label(value), []).append(place)
    if len(groups) <= GROUPS:
        return groups
    ranked = sorted(groups, key=lambda name: -len(groups[name]))
    kept = {name: groups[name] for name in groups if name in ranked[: GROUPS - 1]}
    kept["others"] = sorted(place for name in ranked[GROUPS - 1 :] for place in groups[name])
    return kept


def colours_of(names: Iterable[str]) -> list[str]:
    """Return a colour for each group: of a status its own."""
    return [STATUS_COLOURS.get(name) or (OTHER_COLOUR if name == "others" else f"C{n}") for n, name in enumerate(names)]


def is_whole(column: pd.Series) -> bool:
    """Whether a column holds integers alone."""
    import pandas as pd

    return pd.api.types.is_integer_dtype(column)


def count_on(axis: Any) -> None:
    """Let the ticks of an axis be integers: between two of them there is nothing."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def is_numeric(column: pd.Series) -> bool:
    """Whether a column holds numbers alone."""
    import pandas as pd

    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def numbers(column: pd.Series) -> Any:
    """Return a column of numbers as floats, NaN where one is missing."""
    return column.to_numpy(dtype="float64", na_value=float("nan"))


def places_of(column: pd.Series) -> tuple[Any, list[str] | None]:
    """Return where a column's cells stand on an axis, and the categories if it is one of those."""
    import numpy as np

    if is_numeric(column):
        return numbers(column), None
    labels = [cell_label(value) for value in column]
    names = {name: place for place, name in enumerate(dict.fromkeys(labels))}
    return np.array([names[label] for label in labels], dtype="float64"), list(names)


def name_ticks(axis: Any, names: Sequence[str] | None) -> None:
    """Name the places of categories along an axis, as many as there is room for."""
    if names is None:
        return
    step = -(-len(names) // LABELS)
    places = range(0, len(names), step)
    axis.set_ticks(list(places), [plain(names[place]) for place in places])
    if axis.axis_name == "x" and (len(names) > 8 or max(map(len, names)) > 8):
        axis.set_tick_params(rotation=60)


def scatter(ax: Axes, across: pd.Series, up: pd.Series, statuses: pd.Series) -> None:
    """Draw a mark per run, by status; without a value along the lower edge, below a line."""
    x, names = places_of(across)
    y = numbers(up)
    for status, places in grouped(statuses).items():
        colour, marker = status_colour(status), MARKERS.get(status, "P")
        label = f"{plain(status)} ({len(places):,})"
        heights = y[places]
        gone = heights != heights
        look: dict[str, Any] = {"s": 18, "color": colour, "marker": marker}
        if not gone.all():
            ax.scatter(x[places][~gone], heights[~gone], alpha=max(0.15, min(0.8, 400 / len(x))), label=label, **look)
        if gone.any():  # without a value, along the lower edge
            label = label if gone.all() else "_"  # which matplotlib leaves out of a legend
            ax.scatter(
                x[places][gone], [0.02] * int(gone.sum()), transform=ax.get_xaxis_transform(), label=label, **look
            )
    name_ticks(ax.xaxis, names)
    for axis, column in ((ax.xaxis, across), (ax.yaxis, up)):
        if is_whole(column):
            count_on(axis)
    if (y != y).any():
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.05 * (high - low))
        ax.axhline(low, color="gray", linewidth=0.8, linestyle=":")
        ax.text(1.01, 0.02, "missing", transform=ax.transAxes, va="center", fontsize="small", fontstyle="italic")
    legend_beside(ax)


def share_of_values(ax: Axes, across: pd.Series, statuses: pd.Series) -> None:
    """Draw which share of the runs succeeded for each value, or part of the range."""
    import numpy as np

    x, names = places_of(across)
    success = (statuses == "success").to_numpy()[x == x]
    x = x[x == x]
    values, groups = np.unique(x, return_inverse=True)
    width = 0.8 if names is not None or len(values) < 2 else 0.9 * float(np.diff(values).min())
    if names is None and len(values) > MANY:  # parts of the range
        edges = np.linspace(values[0], values[-1], BINS + 1)
        groups = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, BINS - 1)
        values, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    counts = np.maximum(np.bincount(groups, minlength=len(values)), 1)
    good = np.bincount(groups, weights=success, minlength=len(values)) / counts
    bad = np.bincount(groups, weights=~success, minlength=len(values)) / counts
    told = ((good, 0.0, "success", int(success.sum())), (bad, good, "fail", int((~success).sum())))
    for share, below, status, count in told:
        ax.bar(
            values, share, width, bottom=below, color=STATUS_COLOURS[status], hatch=HATCHES[status],
            label=f"{'success' if status == 'success' else 'other'} ({count:,})",
        )  # fmt: skip
    name_ticks(ax.xaxis, names)
    if is_whole(across):
        count_on(ax.xaxis)
    ax.set_ylabel("share of runs")
    legend_beside(ax)


def share_of_pairs(ax: Axes, across: pd.Series, up: pd.Series, statuses: pd.Series) -> None:
    """Draw which share of the runs succeeded for each pair of values."""
    import numpy as np

    ticks, codes = [], []
    for column in (across, up):
        ordered = column.dropna().sort_values() if is_numeric(column) else column
        names = list(dict.fromkeys(cell_label(value) for value in [*ordered, *column]))
        index = {name: place for place, name in enumerate(names)}
        ticks.append(names)
        codes.append(np.array([index[cell_label(value)] for value in column]))
    shape = (len(ticks[1]), len(ticks[0]))
    counts, good = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (codes[1], codes[0]), 1)
    np.add.at(good, (codes[1], codes[0]), (statuses == "success").to_numpy())
    with np.errstate(invalid="ignore"):
        share = good / counts
    mesh = ax.pcolormesh(share, cmap="RdYlGn", vmin=0, vmax=1, edgecolors="face")
    if counts.size <= 150:  # what colour alone would say
        for row, column_ in zip(*np.nonzero(counts > good), strict=True):
            text = f"{share[row, column_]:.0%}"
            ax.text(column_ + 0.5, row + 0.5, text, ha="center", va="center", fontsize="x-small", color="black")
    for axis, names in ((ax.xaxis, ticks[0]), (ax.yaxis, ticks[1])):
        name_ticks(axis, names)
        axis.set_ticks(
            [tick + 0.5 for tick in axis.get_ticklocs()], [label.get_text() for label in axis.get_ticklabels()]
        )
    ax.figure.colorbar(mesh, ax=ax, label="share of success", format=lambda value, _: f"{value:.0%}")


def bars(ax: Axes, begin: Any, end: Any, statuses: Any) -> None:
    """Draw a bar per run, in as many lanes as ran at once."""
    free: list[float] = []  # when each lane is free again
    lanes = []
    for place in begin.argsort(kind="stable"):
        lane = next((number for number, until in enumerate(free) if until <= begin[place]), len(free))
        free[lane : lane + 1] = [end[place]]
        lanes.append((place, lane))
    lane_of = dict(lanes)
    for status in dict.fromkeys(statuses):
        places = [place for place in range(len(begin)) if statuses[place] == status]
        ax.barh(
            [lane_of[place] for place in places], [end[place] - begin[place] for place in places], height=0.8,
            left=[begin[place] for place in places], color=status_colour(status),
            hatch=HATCHES.get(status, ".."), edgecolor="white", linewidth=0.3,
            label=f"{plain(status)} ({len(places):,})",
        )  # fmt: skip
    ax.set(ylabel="at once", yticks=[])
    ax.invert_yaxis()


def under_way_over_time(ax: Axes, begin: Any, end: Any, statuses: Any) -> None:
    """Draw how many runs were under way, and when others than successes ended."""
    import numpy as np

    edges = np.linspace(0.0, max(float(end.max()), 1e-6), 201)
    at_once = np.searchsorted(np.sort(begin), edges, side="right") - np.searchsorted(np.sort(end), edges, side="right")
    ax.step(edges, at_once, where="post", color="gray", label="under way")
    ax.set_ylabel("runs under way")
    count_on(ax.yaxis)
    bad = {status: end[statuses == status] for status in dict.fromkeys(statuses) if status != "success"}
    if bad:
        other = ax.twinx()
        other.hist(
            list(bad.values()), bins=edges[::4].tolist(), stacked=True, alpha=0.7,
            color=[status_colour(status) for status in bad],
        )  # fmt: skip
        other.set_ylabel("runs that did not succeed, by their end")
        count_on(other.yaxis)
        for status, ends in bad.items():
            colour = status_colour(status)
            ax.plot([], [], "s", color=colour, label=f"{plain(status)} ({len(ends):,})")


def varying(frame: pd.DataFrame) -> list[str]:
    """Return the inputs that vary, the elapsed time and the status."""
    inputs = [name for name in frame.columns if name.startswith("input")]
    chosen = [name for name in inputs if len({cell_label(value) for value in frame[name]}) > 1]
    return [*chosen[:6], "elapsed", "status"]


def scaled(column: pd.Series) -> tuple[Any, list[tuple[float, str]]]:
    """Return a column's cells between 0 and 1, and labels of that axis; of numbers, missing ones stand at `GONE`."""
    import numpy as np

    x, names = places_of(column)
    if names is not None:
        top = max(len(names) - 1, 1)
        step = -(-len(names) // 12)
        return x / top, [(place / top, names[place]) for place in range(0, len(names), step)]
    known = x[np.isfinite(x)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    span = (high - low) or 1.0
    values = whole_ticks(low, high) if is_whole(column) else np.linspace(low, high, 5 if high > low else 1).tolist()
    ticks = [((value - low) / span, f"{value:.{4 if value % 1 or abs(value) >= 1e6 else 6}g}") for value in values]
    heights = np.clip((x - low) / span, 0.0, 1.0)
    gone = np.isnan(heights)
    if gone.any():  # at the bottom they would look like the least value
        heights[gone] = GONE
        ticks = [(GONE, "missing"), *(ticks if len(known) else [])]
    return heights, ticks


def whole_ticks(low: float, high: float) -> list[float]:
    """Return some integers from `low` to `high`, both among them.

    >>> whole_ticks(1.0, 4.0), whole_ticks(0.0, 23.0)
    ([1.0, 2.0, 3.0, 4.0], [0.0, 4.0, 8.0, 12.0, 16.0, 20.0, 23.0])
    """
    from matplotlib.ticker import MaxNLocator

    found = map(float, MaxNLocator(nbins=6, integer=True).tick_values(low, high))
    near = 0.08 * (high - low)
    return [low, *(value for value in found if low + near < value < high - near), *([high] if high > low else [])]
