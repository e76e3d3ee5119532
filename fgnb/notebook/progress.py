"""Shows what is under way: in the cell, on the last line of a terminal, or now and then in a log.

What is shown is a sweep's `Progress`, or a run that is `Waiting` and becomes a `Run`.
"""

from __future__ import annotations

import shutil
import sys
from typing import Any

from rich.cells import cell_len

from fgnb.notebook.kernel import kernel_shell
from fgnb.render import progress as of_sweep
from fgnb.render import waiting as of_run
from fgnb.runs.pending import Waiting
from fgnb.runs.progress import Progress
from fgnb.runs.views import View, Watched

FIRST, EVERY = 10.0, 30.0  # seconds until the first line in a log, and between two


def open_display(state: Any) -> View:
    """Return where something under way is shown: the cell, the terminal, or, if there is neither, standard error."""
    if kernel_shell() is not None:
        return Cell(bundle_of(state))
    return Terminal() if sys.stderr.isatty() else _Log()


def bundle_of(state: Any) -> dict[str, str]:
    """Return a state as a MIME bundle."""
    return of_sweep.show(state) if isinstance(state, Progress) else of_run.show_state(state)


def show_live(watched: Watched) -> None:
    """Show something under way at the end of a cell, live; not twice in the cell that began it."""
    if kernel_shell() is None:
        print(bundle_of(watched.state())["text/plain"])  # noqa: T201  # a terminal has no display to update
    elif not any(isinstance(view, Cell) and view.place == _place() for view in watched.views):
        cell = Cell(bundle_of(watched.state()))
        watched.show_in(cell)
        if watched.done:  # by now: who paints it may not have seen this place any more
            cell.update(watched.state())


def _place() -> Any:
    """Return what tells the cell that is running from others."""
    header: Any = kernel_shell().get_parent().get("header", {})
    return header.get("msg_id")


class Cell:
    """One display of the cell, whose content is replaced, also while another cell runs."""

    from_any_thread = True

    def __init__(self, bundle: dict[str, str]) -> None:
        from IPython.display import display

        self._shown = bundle
        self.place = _place()
        self._handle: Any = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]

    def update(self, state: Any) -> None:
        """Show a state."""
        self.put(bundle_of(state))

    def close(self, state: Any) -> None:
        """Show it for the last time, even if another thread did so: nbclient drops what a cell that has ended shows."""
        self._shown = {}
        self.update(state)

    def put(self, bundle: dict[str, str]) -> None:
        """Show a MIME bundle."""
        if bundle != self._shown:
            self._shown = bundle
            self._handle.update(bundle, raw=True)

    def put_value(self, value: Any) -> None:
        """Show any value, as a cell does; nothing here if the user has a function that shows it by itself."""
        bundle, metadata = kernel_shell().display_formatter.format(value)
        self._handle.update(bundle or {"text/plain": ""}, metadata=metadata, raw=True)


class Terminal:
    """The last line of a terminal, written over."""

    from_any_thread = False

    def __init__(self) -> None:
        self._width = 0

    def update(self, state: Any) -> None:
        """Show a state."""
        self._write(line_of(state, shutil.get_terminal_size((100, 24)).columns - 1))

    def close(self, state: Any) -> None:
        """Show it for the last time."""
        self.update(state)
        print(file=sys.stderr)  # noqa: T201

    def erase(self) -> None:
        """Leave nothing."""
        self._write("")

    def _write(self, text: str) -> None:
        print(f"\r{text}{' ' * (self._width - cell_len(text))}", end="" if text else "\r", file=sys.stderr, flush=True)  # noqa: T201
        self._width = cell_len(text)


class _Log:
    """Lines in a file or a pipe: none of what is short, of what takes long one every half minute and the last."""

    from_any_thread = True

    def __init__(self) -> None:
        self._next = FIRST

    def update(self, state: Any) -> None:
        """Show a state."""
        if state.elapsed >= self._next:
            self._next = state.elapsed + EVERY
            print(line_of(state), file=sys.stderr, flush=True)  # noqa: T201

    def close(self, state: Any) -> None:
        """Show it for the last time."""
        if state.elapsed >= FIRST:
            print(line_of(state), file=sys.stderr, flush=True)  # noqa: T201


def line_of(state: Progress | Waiting, width: int = 100) -> str:
    """Return what is under way on one line of at most `width` cells."""
    if isinstance(state, Progress):
        return of_sweep.line(state, width)
    return of_run.line(state, width)
