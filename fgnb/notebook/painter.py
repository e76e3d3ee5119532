"""Paints what takes a while in a thread of its own; of what is asked for meanwhile, only the latest."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable

from fgnb.background import SLICE


class Painter:
    """A thread that is there while there is something to paint.

    Clicks come faster than a plot of 10,000 runs is drawn: what was asked for first and is not begun yet
    is left out once the same place is asked for again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: dict[str, Callable[[], None]] = {}
        self._busy = False

    def ask(self, place: str, paint: Callable[[], None]) -> None:
        """Have `paint` called soon; it must not raise."""
        context = contextvars.copy_context()  # so that it belongs to the cell that asked
        with self._lock:
            self._wanted[place] = lambda: context.run(paint)
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._work, name="fgnb-painter", daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._busy = False
                    return
                paint = self._wanted.pop(next(iter(self._wanted)))
            paint()

    def wait(self, until: float) -> None:
        """Wait until all is painted; can be interrupted.

        Raises:
            TimeoutError: it is not by `until`, a time of ``time.monotonic``.
        """
        while self._busy:
            if time.monotonic() >= until:
                raise TimeoutError("not all is painted yet; it goes on")
            time.sleep(SLICE / 10)
