"""A titled table, as text and HTML: what sets of runs, comparisons and workflows are shown as."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fgnb.render import html
from fgnb.render.text import WIDTH, columns, cut, one_line

KEEP = 36  # cells that the first column keeps: ids and paths are there to be copied


def listing(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    cells: Sequence[Sequence[str]],
    *,
    more: str = "",
    styles: Mapping[tuple[int, int], str] | None = None,
) -> dict[str, str]:
    """Return a MIME bundle.

    Args:
        title: plain text.
        head: the column headings, plain text.
        rows: the cells as plain text.
        cells: the same cells as HTML.
        more: a note of what is not shown.
        styles: further styles of HTML cells, by row and column.
    """
    lines = [cut(one_line(title), WIDTH), *columns([head, *rows] if rows else [], indent="  ", keep=KEEP)]
    content = f'<div style="font-weight:600">{html.escape(title)}</div>'
    if rows:
        content += html.table(cells, head=head, styles=styles)
    if more:
        lines.append(f"  {more}")
        content += f"<div>{html.muted(more)}</div>"
    return {"text/plain": "\n".join(lines), "text/html": html.frame_box(content, html.OTHER_COLOUR)}
