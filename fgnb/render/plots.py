"""Plots of a set of runs, by matplotlib: how long they took, when they ran, where they fail, what goes with what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.render.drawing import (
    BINS,
    GONE,
    HATCHES,
    axes_or_new,
    bars,
    colours_of,
    count_on,
    grouped,
    is_numeric,
    legend_beside,
    nothing,
    plain,
    readable,
    scaled,
    scatter,
    share_of_pairs,
    share_of_values,
    under_way_over_time,
    varying,
)
from fgnb.runs.frames import column_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from fgnb.runs.runset import RunSet

DASHED = 40  # lines up to which the dashes tell them from others, too, not colour alone
ROW = 60  # characters for which there is room below the axes
BARS = 200  # runs that a timeline shows one by one
WIDE = 20.0  # from this ratio of longest to shortest on, the axis of a distribution is logarithmic


class Plots:
    """The plots of a set of runs: ``runs.plot``. Each takes an `ax` to draw in, and returns it.

    Columns are those of the runs frame, such as ``input.qty`` or ``tags.version``.
    """

    def __init__(self, runs: RunSet) -> None:
        self._runs = runs

    def __repr__(self) -> str:
        names = [name for name, member in vars(type(self)).items() if callable(member) and not name.startswith("_")]
        return f"<plots of {counted(len(self._runs), 'run')}: .{'(), .'.join(names)}()>"

    @property
    def _frame(self) -> pd.DataFrame:
        return self._runs.frame

    def elapsed(self, by: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the distribution of the elapsed time, its median and 95th percentile.

        Args:
            by: a column whose values have colours of their own; the status by default.
            ax: where to draw; a new figure by default.

        Raises:
            InputError: there is no such column.
            ConfigError: matplotlib is not installed.
        """
        frame, ax = self._frame, axes_or_new(ax)
        if frame.empty:
            return nothing(ax)
        import numpy as np

        elapsed = frame["elapsed"].to_numpy()
        groups = grouped(column_of(frame, by or "status"))
        shortest, longest = max(float(elapsed.min()), 1e-6), max(float(elapsed.max()), 2e-6)
        is_wide = longest / shortest > WIDE
        edges = np.geomspace(shortest, longest, BINS + 1) if is_wide else np.linspace(0.0, longest, BINS + 1)
        below = np.zeros(BINS)
        for (name, places), colour in zip(groups.items(), colours_of(groups), strict=True):
            counts, _ = np.histogram(np.maximum(elapsed[places], shortest), bins=edges)
            ax.bar(
                edges[:-1], counts, np.diff(edges), bottom=below, align="edge", color=colour,
                hatch=HATCHES.get(name, "") if by is None else "", label=f"{plain(name)} ({len(places):,})",
            )  # fmt: skip
            below += counts
        for share, style in ((0.5, "--"), (0.95, ":")):
            at = float(np.quantile(elapsed, share))
            name = "median" if share == 0.5 else "p95"
            ax.axvline(at, linestyle=style, color="gray", label=f"{name} {at:.3g} s")
        if is_wide:
            from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

            ax.set_xscale("log")
            ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if longest / shortest < 1000 else (1,)))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            ax.xaxis.set_minor_formatter(NullFormatter())
        count_on(ax.yaxis)
        ax.set(xlabel="elapsed, seconds", ylabel="runs", title=self._title())
        ax.legend(title=None if by is None else plain(by))
        return readable(ax)

    def timeline(self, *, ax: Axes | None = None) -> Axes:
        """Draw the runs over time: a bar for each, or of many runs how many were under way, and failures.

        Args:
            ax: where to draw; a new figure by default.

        Raises:
            ConfigError: matplotlib is not installed.
        """
        frame, ax = self._frame, axes_or_new(ax)
        if frame.empty:
            return nothing(ax)
        begin = (frame["submitted_at"] - frame["submitted_at"].min()).dt.total_seconds().to_numpy()
        end = begin + frame["elapsed"].to_numpy()
        statuses = frame["status"].astype(str).to_numpy()
        (bars if len(frame) <= BARS else under_way_over_time)(ax, begin, end, statuses)
        first = frame["submitted_at"].min()
        ax.set(xlabel=f"seconds since {first:%Y-%m-%d %H:%M:%S} UTC", title=self._title())
        if len(frame) <= BARS:
            legend_beside(ax)
        else:
            ax.legend(loc="upper left")  # beside the axes are the ticks of those that did not succeed
        return readable(ax)

    def outcomes(self, x: str, y: str | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw where runs fail, or how a value varies over an input.

        Args:
            x: a column, such as ``input.qty``.
            y: a column of numbers, such as ``output.total``: a mark per run, by status; any other: the share of
                success for each pair of values; without it, for each value of `x`.
            ax: where to draw; a new figure by default.

        Raises:
            InputError: there is no such column.
            ConfigError: matplotlib is not installed.
        """
        frame, ax = self._frame, axes_or_new(ax)
        across = column_of(frame, x)
        up = None if y is None else column_of(frame, y)
        if frame.empty:
            return nothing(ax)
        if up is None:
            share_of_values(ax, across, frame["status"])
        elif is_numeric(up) and y is not None and not y.startswith(("input", "tags")):
            scatter(ax, across, up, frame["status"].astype(str))
            ax.set_ylabel(plain(y))
        else:
            share_of_pairs(ax, across, up, frame["status"])
            ax.set_ylabel(plain(y or ""))
        ax.set(xlabel=plain(x), title=self._title())
        return readable(ax)

    def parallel(
        self, columns: Sequence[str] | None = None, *, color: str | None = None, ax: Axes | None = None
    ) -> Axes:
        """Draw each run as a line over several columns (parallel coordinates).

        Args:
            columns: two or more; by default the inputs that vary, the elapsed time and the status.
            color: a column whose values have colours of their own; the status by default.
            ax: where to draw; a new figure by default.

        Raises:
            InputError: there is no such column, or there are fewer than two.
            ConfigError: matplotlib is not installed.
        """
        frame, ax = self._frame, axes_or_new(ax)
        names = list(columns) if columns is not None else varying(frame)
        found = [column_of(frame, name) for name in names]
        groups_by = column_of(frame, color or "status")
        if frame.empty:
            return nothing(ax)
        if len(names) < 2:
            raise InputError("parallel coordinates take two columns or more")
        from matplotlib.collections import LineCollection

        lanes = [scaled(column) for column in found]
        groups = grouped(groups_by)
        for (name, places), colour in zip(groups.items(), colours_of(groups), strict=True):
            lines = [[(number, heights[place]) for number, (heights, _) in enumerate(lanes)] for place in places]
            strong = name != "success" and color is None
            width, alpha = (1.2, 40 / len(places)) if strong else (0.8, 40 / len(frame))
            alpha = max(0.04, min(0.9 if strong else 0.7, alpha))  # of thousands, none may cover all others
            style = "--" if strong and len(places) <= DASHED else "-"  # the dashes of many make patterns of their own
            label = f"{plain(name)} ({len(places):,})"
            ax.add_collection(
                LineCollection(
                    lines, colors=colour, linewidths=width, linestyles=style, alpha=alpha, label=label,
                    zorder=3 if strong else 2,
                )
            )  # fmt: skip
        for number, (_, ticks) in enumerate(lanes):
            ax.plot([number, number], [0, 1], color="gray", linewidth=0.8)
            for height, text in ticks:
                # On a ground of its own, for the lines run behind it
                ground = {"boxstyle": "square,pad=0.1", "facecolor": ax.get_facecolor(), "alpha": 0.75, "linewidth": 0}
                ax.annotate(
                    plain(text), (number, height), xytext=(5, 0), textcoords="offset points", fontsize="small",
                    va="center", zorder=4, bbox=ground, fontstyle="italic" if height == GONE else "normal",
                )  # fmt: skip
        labels = [plain(name) for name in names]
        ax.set_xticks(range(len(names)), labels)
        if max(map(len, labels)) * len(labels) > ROW:
            for tick in ax.get_xticklabels():
                tick.set(rotation=20, ha="right")
        bottom = min(height for heights, _ in lanes for height in heights)
        ax.set(xlim=(-0.1, 1.11 * len(names) - 1), ylim=(bottom - 0.05, 1.05), yticks=[], title=self._title())
        legend_beside(ax, None if color is None else plain(color))
        return readable(ax)

    def _title(self) -> str:
        names = self._frame["workflow"].unique().tolist()
        return plain(f"{counted(len(self._runs), 'run')} of {', '.join(names[:3])}", 80)
