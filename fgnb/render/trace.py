"""A trace as a table: the states in the order in which they began, with what went in and out."""

from __future__ import annotations

from fgnb.counted import counted
from fgnb.local.execution import Visit
from fgnb.render import html
from fgnb.render.listing import Table, listing
from fgnb.render.text import cut
from fgnb.render.value import compact
from fgnb.runs.trace import Trace, place_of, status_of

ROWS = 60
CELL = 70  # characters of a value
_HEAD = ("state", "at", "attempt", "status", "ms", "input", "output or error")


def show(trace: Trace) -> dict[str, str]:
    """Return the trace as a MIME bundle."""
    count = len(trace)
    title = f"execution {trace.execution_id}, {counted(count, 'attempt')} at states"
    shown = trace.visits[:ROWS]
    rows = [_cells(visit) for visit in shown]
    cells = [
        (
            html.strong(row[0]),
            *map(html.escape, row[1:3]),
            html.status(row[3]),
            html.escape(row[4]),
            *(html.span(text, html.MONO) for text in row[5:]),
        )
        for row in rows
    ]
    more = f"… {count - len(shown):,} more; see .frame" if count > len(shown) else ""
    return listing(title, Table(head=_HEAD, rows=rows, cells=cells, more=more))


def _cells(visit: Visit) -> tuple[str, ...]:
    elapsed = "" if visit.end is None else f"{(visit.end - visit.begin) * 1000:,.1f}"
    place, attempt = place_of(visit), str(visit.attempt)
    return visit.step.id, place, attempt, status_of(visit), elapsed, compact(visit.input, CELL), _result(visit)


def _result(visit: Visit) -> str:
    if visit.end is None or visit.cancelled:
        return ""
    if visit.failure is None or visit.output is not None:  # a result that was refused says more than that it was
        return compact(visit.output, CELL)
    return cut(str(visit.failure["errorMessage"]), CELL)
