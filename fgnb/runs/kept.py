"""The runs of a sweep in the order of its inputs: in memory, and beyond a number in the history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from fgnb.runs.run import Run

if TYPE_CHECKING:
    from fgnb.runs.history import History

IN_MEMORY = 50_000  # runs of one sweep that are kept as they are, some 2 to 4 kB each


class Kept:
    """Collects what became of each input; a run whose record says all of it need not stay in memory."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._entries: list[Run | int | None] = []  # by input: the run, its row in the history, or nothing yet
        self._held = 0

    def run(self, position: int, run: Run, row: int | None) -> None:
        """Keep a run; `row` is that of its record if the record holds it unchanged."""
        if row is not None and self._held >= IN_MEMORY:
            self._put(position, row)
        else:
            self._held += 1
            self._put(position, run)

    def record(self, position: int, row: int) -> None:
        """Keep the place of a record that was there before."""
        self._put(position, row)

    def _put(self, position: int, entry: Run | int) -> None:
        if position >= len(self._entries):
            self._entries.extend([None] * (position + 1 - len(self._entries)))
        self._entries[position] = entry

    def runs(self) -> Sequence[Run]:
        """Return those that there are by now."""
        found = [entry for entry in self._entries if entry is not None]
        return _Runs(found, self._history) if any(isinstance(entry, int) for entry in found) else tuple(found)  # type: ignore[arg-type]

    def fresh(self, seen: set[int], most: int) -> Sequence[Run]:
        """Return up to `most` runs at places that are not in `seen`, and put these there."""
        new = [place for place, entry in enumerate(self._entries) if entry is not None and place not in seen][:most]
        seen.update(new)
        return list(_Runs([self._entries[place] for place in new], self._history))  # type: ignore[misc]  # none is None


class _Runs(Sequence[Run]):
    """Runs of which some are read from the history when they are asked for."""

    def __init__(self, entries: list[Run | int], history: History | None) -> None:
        self._entries = entries
        self._history = history

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return _Runs(self._entries[key], self._history)
        return next(self._read([self._entries[key]]))

    def __iter__(self) -> Iterator[Run]:
        return self._read(self._entries)

    def _read(self, entries: Sequence[Run | int]) -> Iterator[Run]:
        for stored, group in groupby(entries, key=lambda entry: isinstance(entry, int)):
            if stored:
                assert self._history is not None  # noqa: S101  # rows are its own
                yield from self._history.stored([entry for entry in group if isinstance(entry, int)])
            else:
                yield from (entry for entry in group if isinstance(entry, Run))
