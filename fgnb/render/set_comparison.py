"""What changed between two sets of runs: counts first, then what fails now, the paths, and the inputs they go with."""

from __future__ import annotations

from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.comparison import cell_text, html_value
from fgnb.render.listing import Table, listing
from fgnb.render.messages import message_line, told_at
from fgnb.render.run import elapsed_text
from fgnb.render.text import cut
from fgnb.render.textdiff import is_long, marked_html, marked_text
from fgnb.render.value import is_hidden_path
from fgnb.runs.compare_sets import Difference, SetComparison
from fgnb.secret import HIDDEN

FLIPS = 5
PATHS = 12
GROUPS = 6
TELLING = 0.5  # from which share of its effect an input is worth a table


def show(comparison: SetComparison) -> dict[str, str]:
    """Return the comparison as a MIME bundle."""
    counts = comparison.counts
    names = list(dict.fromkeys(run.workflow for runs in (comparison.before, comparison.after) for run in runs))
    told = [f"{counts[name]:,} {name}" for name in ("equal", "changed")]
    told += [counted(counts["regressions"], "regression")] if counts["regressions"] else []
    told += [counted(counts["fixes"], "fix", "fixes")] if counts["fixes"] else []
    told += [f"{counts['unmatched']:,} unmatched"] if counts["unmatched"] else []
    title = f"{counted(counts['pairs'], 'pair')} of runs of {' and '.join(names)}: {', '.join(told)}"
    tables = [_flipped(comparison), _paths(comparison)]
    if comparison.differences:
        tables.append(_groups(comparison))
    return listing(title, *tables, notes=[*_timing(comparison), *comparison.notes])


def _timing(comparison: SetComparison) -> list[str]:
    timing = comparison.timing
    if timing["before"].isna().any():
        return []
    parts = [f"{name} {_change(row['before'], row['after'])} (×{row['ratio']:.2f})" for name, row in timing.iterrows()]
    return [f"elapsed: {', '.join(parts)}"]


def _change(before: float, after: float) -> str:
    """Return two durations in one unit, so that they can be compared by eye."""
    if max(before, after) < 0.9995:
        return f"{before * 1000:.3g} → {after * 1000:.3g} ms"
    return f"{elapsed_text(before)} → {elapsed_text(after)}"


def _flipped(comparison: SetComparison) -> Table:
    found = comparison.regressions
    rows = [
        (key, f"{before} → {after}", node or "", kind or "", message_line(message or "", 60))
        for key, before, after, node, kind, message in found.iloc[:FLIPS, :6]
        .astype(object)
        .where(found.notna(), None)
        .to_numpy()
    ]
    more = f"… {len(found) - FLIPS:,} more; see .regressions" if len(found) > FLIPS else ""
    cells = [(html.escape(key), _flip(flip), *map(html.escape, rest)) for key, flip, *rest in rows]
    head = ["input", "status", "node", "type", "message"]
    return Table(title="regressions", head=head, rows=rows, cells=cells, more=more)


def _flip(flip: str) -> str:
    before, _, after = flip.rpartition(" ")
    return f'<span style="white-space:nowrap">{html.escape(before)} {html.status(after)}</span>'


def _paths(comparison: SetComparison) -> Table:
    """Return the paths that differ in pairs of one status: of a run that fails now, all the output is gone."""
    kept: dict[str, list[Difference]] = {}
    for change in comparison.differences:
        one, other = comparison.pairs[change.pair]
        if one.ok == other.ok:
            kept.setdefault(change.path, []).append(change)
    ordered = sorted(kept.items(), key=lambda entry: -len(entry[1]))
    rows, cells = [], []
    for path, found in ordered[:PATHS]:
        first = found[0]
        before, after = told_at(path, first.before), told_at(path, first.after)
        example = cut(comparison.key_of(first.pair), 30)
        head = (f"{len(found):,}", example)
        if is_hidden_path(path):
            plain = shown = f"{HIDDEN} → {HIDDEN}"
        elif is_long(before, after):
            plain, shown = marked_text(before, after), marked_html(before, after)
        else:
            plain = f"{cell_text(before, 24)} → {cell_text(after, 24)}"
            shown = f"{html_value(before)} → {html_value(after)}"
        rows.append((path, *head, plain))
        cells.append((html.span(path, html.MONO), *map(html.escape, head), shown))
    more = f"… {len(ordered) - PATHS:,} more; see .frame" if len(ordered) > PATHS else ""
    styles = {(number, 3): html.CHANGED for number in range(len(rows))}
    heads = ["path", "pairs", "for example", "before → after"]
    return Table(title="changed paths", head=heads, rows=rows, cells=cells, more=more, styles=styles)


def _groups(comparison: SetComparison) -> Table:
    """Return the input that tells best what changed, if one does."""
    ranks = comparison.by()["explained"]
    if ranks.empty or ranks.iloc[0] < TELLING:
        return Table(head=(), rows=(), cells=())
    path = str(ranks.index[0])
    groups = comparison.by(path)
    groups = groups[groups["changed"] > 0].sort_values("share", ascending=False, kind="stable")
    hidden = is_hidden_path(path)
    rows = [
        (
            HIDDEN if hidden else cell_text(value, 40),
            f"{row['changed']:,} of {row['pairs']:,}",
            f"{row['regressions']:,}",
            str(row["path"]),
        )
        for value, row in groups.iloc[:GROUPS].iterrows()
    ]
    cells = [(*map(html.escape, row[:3]), html.span(row[3], html.MONO)) for row in rows]
    more = f"… {len(groups) - GROUPS:,} more; see .by({path!r})" if len(groups) > GROUPS else ""
    title = f"where it changed: {path}"
    return Table(title=title, head=[path, "changed", "regressions", "most in"], rows=rows, cells=cells, more=more)
