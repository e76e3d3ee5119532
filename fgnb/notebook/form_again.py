"""The rule by which an old form makes room: a cell that runs again closes the forms it made before.

Widgets live until they are closed, so that each run of a cell would leave hundreds behind. What a cell
showed is gone when it runs again, and so are, with the first form that it then makes for the same
workflow, the widgets of those that it made for that workflow in an earlier run; a form of another cell
stays. A closed form keeps its value and its runs, and a run under way goes on.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any

from fgnb.notebook.form_widgets import running_cell

Place = tuple[str, str]

_made: dict[Place, tuple[str, weakref.WeakSet[Any]]] = {}  # by cell and workflow: the cell's run, and its forms
_lock = threading.Lock()


def make_room(form: Any, workflow: str) -> None:
    """Remember a form as made by the cell that runs, and close those of the cell's earlier runs."""
    cell = running_cell()
    if cell is None:
        return
    place, run = (cell[0], workflow), cell[1]
    with _lock:
        known = _made.get(place)
        if known is not None and known[0] == run:
            known[1].add(form)
            return
        _made[place] = (run, weakref.WeakSet([form]))
    for old in list(known[1]) if known is not None else ():
        old.close()
