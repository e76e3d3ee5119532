"""HTML that is safe and looks right everywhere: escaped here and nowhere else.

Untrusted notebooks strip ``<style>``, scripts and inline SVG, so styles stand inline; colours are
those of the theme where it has names for them, and transparent shades elsewhere, so that light and
dark both work. GitHub strips all styles, so what is bold, marked or apart is so by its elements, too.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence

from fgnb.visible import visible

MUTED = "opacity:.72"  # of the theme's own colour, whatever that is
LINE = "1px solid rgba(128,128,128,.25)"
MONO = "font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace)"
FONT = (
    "font-family:var(--jp-ui-font-family,system-ui,-apple-system,'Segoe UI',sans-serif);font-size:13px;line-height:1.45"
)
CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 4px"  # each cell carries it
CHANGED = "background:rgba(255,180,0,.22)"

# White text on them has a contrast of 4.9 or more, and so do they on white; 3.2 on JupyterLab's dark ground.
STATUS_COLOURS: Mapping[str, str] = {
    "success": "#1d7f4a",
    "fail": "#cc3333",
    "timeout": "#a85e08",
    "rejected": "#cc3333",
    "unsent": "#646b75",
    "unknown": "#8447bd",
    "cancelled": "#646b75",
}
OTHER_COLOUR = "#646b75"


def status_colour(status: str) -> str:
    """Return the colour of a status, also of one that is not known."""
    return STATUS_COLOURS.get(status, OTHER_COLOUR)


SHRUNK = 0.75  # of its width that a picture keeps, so that its text can be read
_NO_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}
_MATH = re.compile(r"[$\\]")


def escape(text: str) -> str:
    """Return `text` as HTML content; control characters become visible.

    ``$`` and backslash get elements of their own, since notebooks typeset what stands between two
    of them in one text as mathematics: ``$.sku, $.qty`` would be unreadable.
    """
    return _MATH.sub(r"<span>\g<0></span>", html.escape(visible(text), quote=True))


def attribute(text: str) -> str:
    """Return `text` as the value of an attribute, or as text in SVG; control characters become visible.

    What XML has no place for at all becomes a mark that something was there.
    """
    return html.escape(visible(text), quote=True).translate(_NO_XML)


def image(svg: str, text: str, width: float, *, widest: float) -> str:
    """Return a picture that survives an untrusted notebook: SVG in the address of an image.

    Args:
        svg: the picture.
        text: what it shows, for those who don't see it.
        width: of the picture, in pixels.
        widest: up to this width it shrinks with the page, though not by more than its text stands.
            Wider ones keep their size; what does not fit can be scrolled.
    """
    address = f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"
    if width > widest:
        style = f"width:{width:.0f}px;max-width:none"
    else:
        style = f"max-width:100%;min-width:{width * SHRUNK:.0f}px;height:auto"
    shown = f'<img src="{address}" alt="{attribute(text)}" style="{style}">'
    return f'<div style="overflow-x:auto;max-width:100%">{shown}</div>'


def span(text: str, style: str) -> str:
    """Return escaped text in a style."""
    return f'<span style="{style}">{escape(text)}</span>'


def words(text: str, style: str = "") -> str:
    """Return escaped text of people: in its own direction, broken where it must be, its lines kept."""
    style = f";{style}" if style else ""
    return f'<span dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere{style}">{escape(text)}</span>'


def one_line(text: str, style: str = "") -> str:
    """Return escaped text of people on one line: a table of such lines is scrolled where it is too wide."""
    return f'<span dir="auto" style="white-space:nowrap{";" + style if style else ""}">{escape(text)}</span>'


def strong(text: str, style: str = "") -> str:
    """Return escaped text that stands out."""
    return f'<strong style="font-weight:600{";" + style if style else ""}">{escape(text)}</strong>'


def heading(text: str) -> str:
    """Return escaped text as the title of what follows."""
    return f"<div>{strong(text)}</div>"


def marked(content: str) -> str:
    """Return the content (HTML) of a cell of `table` in the style `CHANGED`, so that it is bold where that is lost.

    A ``<mark>`` is black in untrusted notebooks, on dark ground, too: they let no colour be inherited.
    """
    return f'<strong style="font-weight:normal">{content}</strong>'


def pill(text: str, colour: str) -> str:
    """Return escaped text on a coloured ground: readable whatever the theme's own ground is."""
    return strong(text, f"background:{colour};color:#fff;padding:0 8px;border-radius:9px;white-space:nowrap")


def status(status: str) -> str:
    """Return a status as a pill, for a row of many: a plain word if all is well, so that the others stand out."""
    return escape(status) if status == "success" else pill(status, status_colour(status))


def muted(text: str) -> str:
    """Return escaped text in the theme's quieter colour."""
    return span(text, MUTED)


def table(
    rows: Iterable[Sequence[str]],
    *,
    head: Sequence[str] | None = None,
    styles: Mapping[tuple[int, int], str] | None = None,
) -> str:
    """Return a table of cells that are HTML already.

    Args:
        rows: the cells, row by row; the first of each is its heading.
        head: the column headings, plain text.
        styles: further styles of cells, by row and column.
    """
    parts = ['<table style="border-collapse:collapse;border:none;margin:2px 0;font-size:13px;color:inherit">']
    if head is not None:
        style = f"{CELL};{MUTED};font-weight:normal;border-bottom:{LINE}"
        cells = "".join(f'<th scope="col" style="{style}">{escape(text)}</th>' for text in head)
        parts.append(f'<thead><tr style="background:none">{cells}</tr></thead>')
    parts.append("<tbody>")
    for number, row in enumerate(rows):
        cells = ""
        for column, cell in enumerate(row):
            tag = 'th scope="row"' if column == 0 else "td"
            extra = (styles or {}).get((number, column), "")
            weight = ";font-weight:normal" if column == 0 else ""
            cells += f'<{tag} style="{CELL}{weight}{";" + extra if extra else ""}">{cell}</{tag.split()[0]}>'
        parts.append(f'<tr style="background:none">{cells}</tr>')  # front ends stripe rows, and nested ones badly
    parts.append("</tbody></table>")
    return "".join(parts)


def folded(summary: str, content: str) -> str:
    """Return content (HTML) that opens at a click on `summary` (text)."""
    head = f'<summary style="cursor:pointer;{MUTED}">{escape(summary)}</summary>'
    return f'<details style="margin:2px 0">{head}{content}</details>'


def preformatted(text: str) -> str:
    """Return text as a block that keeps its lines."""
    style = f"{MONO};font-size:12px;white-space:pre-wrap;overflow-wrap:anywhere;margin:2px 0;background:transparent"
    return f'<pre style="{style}">{escape(text)}</pre>'


def section(title: str, content: str) -> str:
    """Return content (HTML) under a small heading."""
    return f'<div style="margin-top:6px"><div style="{MUTED};font-size:12px">{escape(title)}</div>{content}</div>'


def frame_box(content: str, colour: str) -> str:
    """Return a card: content (HTML) beside a coloured line."""
    style = f"border-left:3px solid {colour};padding:2px 0 4px 12px;margin:4px 0;{FONT};overflow-x:auto;max-width:100%"
    return f'<div style="{style}">{content}</div>'
