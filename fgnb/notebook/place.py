"""The place of a cell where a run shows its elapsed time, and which becomes its card.

Since that is shown already, the cell's value, which is the run, is not shown once more.
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from fgnb.notebook.progress import Cell, Terminal, open_display

if TYPE_CHECKING:
    from fgnb.runs.pending import PendingRun
    from fgnb.runs.views import View

_log = logging.getLogger("fgnb.display")

SOON = 0.3  # seconds after which a run shows its elapsed time
EVERY = 0.2  # seconds between two paintings of it


class Place:
    """Where a run that takes a while shows its elapsed time, and then what the cell gives."""

    def __init__(self, pending: PendingRun, shell: InteractiveShell) -> None:
        self._pending = pending
        self._shell = shell
        self._view: View | None = None
        self._next = time.monotonic() + SOON

    def tick(self) -> None:
        """Paint the elapsed time, if it is time; in this thread, so that all front ends show it."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        try:
            state = self._pending.waiting
            if self._view is None:
                self._view = open_display(state)
            self._view.update(state)
        except Exception:
            _log.debug("the display failed; the run goes on without", exc_info=True)
            self._view, self._next = None, math.inf

    def show(self, value: Any) -> None:
        """Show a value in this place, or if there is none yet, as a display of its own."""
        if isinstance(self._view, Cell):
            self._view.put_value(value)
        else:
            self.leave()
            display(value)  # type: ignore[no-untyped-call]

    def end(self) -> None:
        """Show what became of it, if anything was shown before."""
        if isinstance(self._view, Cell):
            self._view.update(self._pending.state())
        self.leave()

    def leave(self) -> None:
        """Leave a terminal's line as it was; a cell keeps what it shows."""
        if isinstance(self._view, Terminal):
            self._view.erase()

    def becomes(self, value: Any) -> Any:
        """Return a value that the cell is going to show: here, if there is a place already."""
        if isinstance(self._view, Cell):
            self._view.put_value(value)
            ShownAlready.of(self._shell).add(value)
        self.leave()
        return value


class ShownAlready:
    """Values that IPython does not show at the end of this cell; ``Out`` and ``_`` have them all the same."""

    _now: ClassVar[ShownAlready | None] = None  # those of the cell that is running

    def __init__(self, shell: InteractiveShell) -> None:
        self._formatter: Any = shell.display_formatter.ipython_display_formatter  # type: ignore[union-attr]
        self._events: Any = shell.events
        self._values: list[Any] = []
        self._before: dict[type[Any], Any] = {}  # what showed values of a type, if anything did
        self._events.register("post_run_cell", self._end)

    @classmethod
    def of(cls, shell: InteractiveShell) -> ShownAlready:
        """Return those of the cell that is running."""
        if cls._now is None or cls._now._events is not shell.events:
            cls._now = cls(shell)
        return cls._now

    def add(self, value: Any) -> None:
        """Have this value not shown, once."""
        kind = type(value)
        if kind not in self._before:
            self._before[kind] = self._formatter.for_type(kind, lambda shown: self._show(shown, kind))
        self._values.append(value)

    def _show(self, shown: Any, kind: type[Any]) -> None:
        for number, value in enumerate(self._values):
            if value is shown:
                del self._values[number]
                return
        if self._before[kind] is None:
            raise NotImplementedError  # IPython takes it as: show it as ever
        self._before[kind](shown)

    def _end(self, *_: Any) -> None:
        self._events.unregister("post_run_cell", self._end)
        for kind, before in self._before.items():
            self._formatter.pop(kind, None)
            if before is not None:
                self._formatter.for_type(kind, before)
        ShownAlready._now = None
