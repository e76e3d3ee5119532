"""The cell that code stands in, for stack traces: its file's name, a number of ipykernel's, tells nobody anything."""

from __future__ import annotations

import sys


def cell_name(filename: str) -> str | None:
    """Return the cell of a file's name in this process, such as ``cell [3]``; None if it is not a cell's."""
    ipython = sys.modules.get("IPython")  # never imported here: without it there is no cell
    shell = ipython.get_ipython() if ipython is not None else None
    found = shell.compile.format_code_name(filename) if shell is not None else None
    return f"cell {found[1].removeprefix('In')}" if found else None
