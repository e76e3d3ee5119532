"""Plain text: aligned columns, cut to a width, with control characters made visible."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from fgnb.visible import visible

WIDTH = 100  # columns of a plain text display, at most
NARROW = 40  # columns below which nothing is readable anyway


def room() -> int:
    """Return the columns that a plain text display has: `WIDTH`, or fewer in a narrower terminal."""
    if not sys.stdout.isatty():
        return WIDTH
    return max(NARROW, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))


def one_line(text: str) -> str:
    """Return `text` on one line, white space folded, control characters visible."""
    return visible(" ".join(text.split()))


def cut(text: str, width: int) -> str:
    """Return `text` cut to `width` terminal cells, with an ellipsis where something is missing."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def broken(text: str, width: int) -> list[str]:
    """Return the lines of `text`, control characters visible; what is wider than `width` goes on on the next line."""
    lines = visible(text).split("\n")
    return [part for line in lines for part in (chop_cells(line, width) if cell_len(line) > width else [line])]


def columns(rows: Sequence[Sequence[str]], *, indent: str = "", width: int = WIDTH, keep: int = 0) -> list[str]:
    """Return rows as aligned lines of at most `width` cells; the widest columns give way.

    The first column keeps up to `keep` cells. Each cell is put on one line, its control characters visible.
    """
    if not rows:
        return []
    rows = [[one_line(cell) for cell in row] for row in rows]
    natural = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    room = width - len(indent) - 2 * (len(natural) - 1)
    kept = [natural[0]] if natural[0] <= min(keep, room // 2) else []
    widths = kept + (_fitted(natural[len(kept) :], room - sum(kept)) if natural[len(kept) :] else [])
    lines = []
    for row in rows:
        cells = (set_cell_size(cut(cell, size), size) for cell, size in zip(row, widths, strict=True))
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def _fitted(natural: list[int], room: int) -> list[int]:
    """Cap the widest columns so that all fit into `room`; none gets less than 4 cells."""
    cap = max(natural)
    while cap > 4 and sum(min(size, cap) for size in natural) > room:
        cap -= 1
    spare = room - sum(min(size, cap) for size in natural)
    widths = []
    for size in natural:  # what rounding left over goes to the first capped columns
        extra = 1 if size > cap and spare > 0 else 0
        spare -= extra
        widths.append(min(size, cap) + extra)
    return widths


def wrapped(text: str, *, indent: str, width: int = WIDTH, lines: int = 4) -> list[str]:
    """Return text broken at spaces into at most `lines` lines; the last is cut if more is left."""
    found = textwrap.wrap(one_line(text), width - len(indent), break_on_hyphens=False)
    if len(found) > lines:
        found = [*found[: lines - 1], cut(" ".join(found[lines - 1 :]), width - len(indent))]
    return [cut(indent + line, width) for line in found]
