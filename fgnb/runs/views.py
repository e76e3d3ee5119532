"""What is under way and shows itself live: a run in the background, a sweep."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Any, Protocol

from fgnb import wiring
from fgnb.wiring import Shown

_log = logging.getLogger("fgnb.display")


class View(Protocol):
    """A place where something is shown; `from_any_thread` says who may update it."""

    from_any_thread: bool

    def update(self, state: Any) -> None:
        """Show a state."""

    def close(self, state: Any) -> None:
        """Show it for the last time."""


class Watched(Shown, ABC):
    """Something under way, and the places where it is shown.

    A place that fails, such as in a notebook that is gone, is left out from then on: it must not end
    what it only shows.
    """

    def __init__(self) -> None:
        self.views: list[View] = []

    @property
    @abstractmethod
    def done(self) -> bool:
        """Whether it has ended."""

    @abstractmethod
    def state(self) -> Any:
        """Return what there is to show."""

    def watch(self) -> None:
        """Have its places painted from now on, if that is not done anyway."""

    def show_in(self, view: View | None) -> None:
        """Show it in a further place."""
        if view is not None:
            self.views.append(view)
            self.watch()

    def paint(self, *, here: bool = True, last: bool = False) -> None:
        """Show the state everywhere; with ``here=False`` only where any thread may."""
        if not self.views:
            return
        state = self.state()
        for view in list(self.views):
            if not (here or view.from_any_thread):
                continue
            try:
                (view.close if last else view.update)(state)
            except Exception:
                _log.debug("a display failed, and is left out from now on", exc_info=True)
                self.views.remove(view)

    def _ipython_display_(self) -> None:
        wiring.call("show live", self)
