"""Titled tables, as text and HTML: what sets of runs, comparisons and workflows are shown as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fgnb.render import html
from fgnb.render.text import columns, cut, one_line, room

KEEP = 36  # cells that the first column keeps: ids and paths are there to be copied


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of a listing.

    Attributes:
        head: the column headings, plain text.
        rows: the cells as plain text.
        cells: the same cells as HTML.
        title: what stands above it, plain text.
        more: a note of what is not shown.
        styles: further styles of HTML cells, by row and column.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    cells: Sequence[Sequence[str]]
    title: str = ""
    more: str = ""
    styles: Mapping[tuple[int, int], str] = field(default_factory=dict)


def listing(title: str, *tables: Table, notes: Sequence[str] = (), picture: str = "") -> dict[str, str]:
    """Return a MIME bundle of a title, tables, of which those without rows are left out, and notes, plain text.

    A picture (HTML) stands above the tables; text does without.
    """
    width = room()
    lines = [cut(one_line(title), width)]
    content = [html.heading(title)]
    for note in notes:
        lines.append(cut(f"  {one_line(note)}", width))
        content.append(f"<div>{html.muted(note)}</div>")
    if picture:
        content.append(f'<div style="margin:4px 0">{picture}</div>')
    for table in tables:
        shown = html.table(table.cells, head=table.head, styles=table.styles) if table.rows else ""
        indent = "  "
        if table.rows and table.title:
            lines.append(f"  {one_line(table.title)}")
            shown = html.section(table.title, shown)
            indent = "    "
        lines += columns([table.head, *table.rows] if table.rows else [], indent=indent, width=width, keep=KEEP)
        if table.more:
            lines.append(f"{indent}{table.more}")
            shown += f"<div>{html.muted(table.more)}</div>"
        content.append(shown)
    return {"text/plain": "\n".join(lines), "text/html": html.frame_box("".join(content), html.OTHER_COLOUR)}
