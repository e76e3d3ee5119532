"""A comparison as a table: a row per path, a column per run, what differs from the baseline marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.listing import Table, listing
from fgnb.render.messages import told_at
from fgnb.render.run import elapsed_text
from fgnb.render.text import cut, one_line
from fgnb.render.textdiff import is_long, marked_html, marked_text
from fgnb.render.value import compact, is_hidden_path
from fgnb.runs.compare import RunComparison
from fgnb.runs.differences import MISSING
from fgnb.runs.explain import token
from fgnb.secret import HIDDEN

ROWS = 40
SIDE_BY_SIDE = 6  # runs that have a column each; of more, the most frequent values are told
VALUES = 4  # of them


def show(comparison: RunComparison) -> dict[str, str]:
    """Return the comparison as a MIME bundle."""
    shown = list(comparison.rows)[:ROWS]
    more = f"… {counted(len(comparison) - ROWS, 'more path')}; see .frame" if len(comparison) > ROWS else ""
    few = len(comparison.runs) <= SIDE_BY_SIDE
    table = _by_run(comparison, shown, more) if few else _by_value(comparison, shown, more)
    return listing(_title(comparison), table, notes=comparison.notes)


def _title(comparison: RunComparison) -> str:
    names = list(dict.fromkeys(run.workflow for run in comparison.runs))
    what = f"{counted(len(comparison.runs), 'run')} of {' and '.join(names)}"
    count = len(comparison.changed)
    return f"{what} differ in {counted(count, 'path')}" if count else f"{what} do not differ"


def _by_run(comparison: RunComparison, shown: Sequence[str], more: str) -> Table:
    rows, cells, styles = [], [], {}
    if any(told := _tags(comparison)):
        rows.append(["tags", *told])
        cells.append([html.muted("tags"), *map(html.muted, told)])
    for number, path in enumerate(shown, start=len(rows)):
        values = [told_at(path, value) for value in comparison.rows[path]]
        marked = () if path == "elapsed" else comparison.marked(path)
        base = values[comparison.baseline]
        row, html_row = [path], [html.span(path, html.MONO)]
        for place, value in enumerate(values):
            # Colour is not there in plain text: what differs carries a mark.
            row.append(("* " if place in marked else "") + _cell(path, value, base if place in marked else value))
            cell = _html_cell(path, value, base if place in marked else value)
            html_row.append(html.marked(cell) if place in marked else cell)
            if place in marked:
                styles[number, place + 1] = html.CHANGED
        rows.append(row)
        cells.append(html_row)
    heads = [
        run.run_id + (" (baseline)" if place == comparison.baseline and place > 0 else "")
        for place, run in enumerate(comparison.runs)
    ]
    return Table(head=["path", *heads], rows=rows, cells=cells, more=more, styles=styles)


def _tags(comparison: RunComparison) -> list[str]:
    """Return for each run the tags in which they differ: they say more to a reader than ids do."""
    names = dict.fromkeys(name for run in comparison.runs for name in run.tags)
    values = {name: [run.tags.get(name, MISSING) for run in comparison.runs] for name in names}
    differing = {name: each for name, each in values.items() if len(set(map(token, each))) > 1}
    told = []
    for place in range(len(comparison.runs)):
        parts = [
            f"{one_line(name)}: {HIDDEN if is_hidden_path(f'tags.{name}') else cell_text(each[place], 24)}"
            for name, each in differing.items()
            if each[place] is not MISSING
        ]
        told.append(cut(", ".join(parts), 120))
    return told


def _by_value(comparison: RunComparison, shown: Sequence[str], more: str) -> Table:
    """Return the paths with their most frequent values: of hundreds of runs nobody reads a column each."""
    rows = []
    for path in shown:
        values = [told_at(path, value) for value in comparison.rows[path]]
        if path == "elapsed":
            rows.append((path, "", f"{elapsed_text(min(values))} to {elapsed_text(max(values))}"))
            continue
        if is_hidden_path(path):
            rows.append((path, f"{len(set(map(token, values))):,}", HIDDEN))
            continue
        tokens = [token(value) for value in values]
        counts = Counter(tokens)
        told = [
            f"{cell_text(values[tokens.index(each)], 30)} ({count:,})" for each, count in counts.most_common(VALUES)
        ]
        rows.append((path, f"{len(counts):,}", ", ".join(told) + (", …" if len(counts) > VALUES else "")))
    cells = [(html.span(path, html.MONO), *map(html.escape, rest)) for path, *rest in rows]
    by = '.by("input.<path>") tells which inputs go with which values; .frame has a column per run'
    return Table(head=["path", "values", "most frequent"], rows=rows, cells=cells, more=more or by)


def cell_text(value: Any, width: int) -> str:
    """Return a value on one line of at most `width` cells; what is missing is a dash."""
    return "—" if value is MISSING else compact(value, width)


def _cell(path: str, value: Any, base: Any) -> str:
    if path == "elapsed":
        return elapsed_text(value)
    if value is not MISSING and is_hidden_path(path):
        return HIDDEN
    if value is not base and is_long(base, value):
        return marked_text(base, value)
    return cell_text(value, 40)


def _html_cell(path: str, value: Any, base: Any) -> str:
    if path == "elapsed":
        return html.escape(elapsed_text(value))
    if value is not MISSING and is_hidden_path(path):
        return html.muted(HIDDEN)
    return html_value(value) if value is base or not is_long(base, value) else marked_html(base, value)


def html_value(value: Any) -> str:
    """Return a value as the HTML of one cell; what is missing is a dash."""
    return html.muted("—") if value is MISSING else html.escape(cell_text(value, 160))
