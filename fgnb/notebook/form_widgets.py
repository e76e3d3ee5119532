"""A form's dealings with ipywidgets and the kernel: its widgets, messages, clicks, and the cell that runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import ipywidgets

from fgnb.notebook.kernel import kernel_shell

DOUBLE = 0.5  # seconds in which a second click belongs to the first


def widgets_in(things: Any) -> Iterator[Any]:
    """Yield all widgets in things, each once: children, layouts and styles too."""
    stack, seen = [*things], set()
    while stack:
        one = stack.pop()
        if isinstance(one, (list, tuple)):
            stack.extend(one)
        elif isinstance(one, dict):
            stack.extend(one.values())
        elif isinstance(one, ipywidgets.Widget) and id(one) not in seen:
            seen.add(id(one))
            stack.extend(getattr(one, name, ()) for name in ("children", "layout", "style"))
            yield one


class Once:
    """Takes the first of two clicks that are one double click, also if what it started has ended by then."""

    def __init__(self) -> None:
        self._last = -DOUBLE
        self._about: Any = None

    def taken(self, about: Any = None) -> bool:
        """Whether a click that comes now counts; one that is about something else than the last is no second one."""
        now = time.monotonic()
        counts = now - self._last >= DOUBLE or about != self._about
        if counts:
            self._last, self._about = now, about
        return counts


def running_cell() -> tuple[str, str] | None:
    """Return the cell that runs (its id, or its text where the front end tells none) and the id of its run."""
    shell = kernel_shell()
    parent = shell.get_parent() if shell is not None else None
    if not isinstance(parent, dict):
        return None
    header = parent.get("header") or {}
    if header.get("msg_type") != "execute_request":  # not a cell, but a callback
        return None
    run = header.get("msg_id")
    cell = parent.get("metadata", {}).get("cellId") or parent.get("content", {}).get("code")
    return (cell, run) if isinstance(cell, str) and isinstance(run, str) else None
