"""A comparison as a table: a row per path, a column per run, what differs from the first marked."""

from __future__ import annotations

from typing import Any

from fgnb.render import html
from fgnb.render.listing import listing
from fgnb.render.run import elapsed_text
from fgnb.render.value import compact
from fgnb.runs.compare import MISSING, Comparison, all_equal

ROWS = 100


def show(comparison: Comparison) -> dict[str, str]:
    """Return the comparison as a MIME bundle."""
    shown = list(comparison.rows.items())[:ROWS]
    return listing(
        _title(comparison),
        ["path", *(run.run_id for run in comparison.runs)],
        [(path, *_marked_cells(path, values)) for path, values in shown],
        [(html.span(path, html.MONO), *(_html_cell(path, value) for value in values)) for path, values in shown],
        more=f"… {len(comparison) - ROWS:,} more paths" if len(comparison) > ROWS else "",
        styles={
            (number, column + 1): html.CHANGED
            for number, (path, values) in enumerate(shown)
            for column, value in enumerate(values)
            if path != "elapsed" and not all_equal((values[0], value))
        },
    )


def _title(comparison: Comparison) -> str:
    count = sum(1 for path, values in comparison.rows.items() if path != "elapsed" and not all_equal(values))
    names = list(dict.fromkeys(run.workflow for run in comparison.runs))
    what = f"{len(comparison.runs)} runs of {' and '.join(names)}"
    return f"{what} differ in {count} {'path' if count == 1 else 'paths'}" if count else f"{what} do not differ"


def _cell(path: str, value: Any, width: int) -> str:
    if value is MISSING:
        return "—"
    return elapsed_text(value) if path == "elapsed" else compact(value, width)


def _html_cell(path: str, value: Any) -> str:
    cell = _cell(path, value, 160)
    return html.muted(cell) if value is MISSING else html.escape(cell)


def _marked_cells(path: str, values: tuple[Any, ...]) -> list[str]:
    # Colour is not there in plain text: what differs from the first run carries a mark.
    return [
        ("" if path == "elapsed" or all_equal((values[0], value)) else "* ") + _cell(path, value, 40)
        for value in values
    ]
