"""Shows how far a sweep is: in the cell that started it, on the last line of a terminal, or now and then in a log."""

from __future__ import annotations

import shutil
import sys
from typing import Any, Protocol

from rich.cells import cell_len

from fgnb.render.progress import line, show
from fgnb.runs.progress import Progress

FIRST, EVERY = 10.0, 30.0  # seconds until the first line in a log, and between two


class ProgressDisplay(Protocol):
    """Where progress is shown; `from_any_thread` says who may update it."""

    from_any_thread: bool

    def update(self, progress: Progress) -> None:
        """Show it."""

    def close(self, progress: Progress) -> None:
        """Show it for the last time."""


def open_display(progress: Progress) -> ProgressDisplay:
    """Return where a sweep shows its progress: the cell, the terminal, or, if there is neither, standard error."""
    ipython = sys.modules.get("IPython")  # never imported here: without it there is no cell
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is not None:
        return _Cell(progress)
    return _Terminal() if sys.stderr.isatty() else _Log()


class _Cell:
    """One display of the cell, whose content is replaced, also while another cell runs."""

    from_any_thread = True

    def __init__(self, progress: Progress) -> None:
        from IPython.display import display

        self._shown = show(progress)
        self._handle: Any = display(self._shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def update(self, progress: Progress) -> None:
        shown = show(progress)
        if shown != self._shown:
            self._shown = shown
            self._handle.update(shown, raw=True)

    close = update


class _Terminal:
    """The last line of a terminal, written over."""

    from_any_thread = False

    def __init__(self) -> None:
        self._width = 0

    def update(self, progress: Progress) -> None:
        shown = line(progress, shutil.get_terminal_size((100, 24)).columns - 1)
        print(f"\r{shown}{' ' * (self._width - cell_len(shown))}", end="", file=sys.stderr, flush=True)  # noqa: T201
        self._width = cell_len(shown)

    def close(self, progress: Progress) -> None:
        self.update(progress)
        print(file=sys.stderr)  # noqa: T201


class _Log:
    """Lines in a file or a pipe: none for a short sweep, of a long one every half minute and the last."""

    from_any_thread = True

    def __init__(self) -> None:
        self._next = FIRST

    def update(self, progress: Progress) -> None:
        if progress.elapsed >= self._next:
            self._next = progress.elapsed + EVERY
            print(line(progress), file=sys.stderr, flush=True)  # noqa: T201

    def close(self, progress: Progress) -> None:
        if progress.elapsed >= FIRST:
            print(line(progress), file=sys.stderr, flush=True)  # noqa: T201
