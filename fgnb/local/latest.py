"""Keeps the latest of many values, within a number and a budget of bytes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from sys import getsizeof
from typing import Any, Generic, TypeVar

from fgnb.background import forget_in_child
from fgnb.local.execution import Visit

BUDGET = 64 * 1024 * 1024  # bytes
_VISIT = 400  # bytes of a visit besides what came in and went out
_CONTAINER = 64  # bytes of an object or an array besides its members
_MEMBER = 100  # bytes of a member besides its text: its name, its place, a number

T = TypeVar("T")


class Latest(Generic[T]):
    """Values by id; those that were put in first go first. The newest stays, whatever its size.

    Args:
        count: how many are kept.
        budget: bytes that they may hold together.
    """

    def __init__(self, count: int, budget: int = BUDGET) -> None:
        self.count = count
        self.budget = budget
        self._values: dict[str, tuple[T, int]] = {}
        self._held = 0
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Take a lock of this process's own; the values stay."""
        self._lock = threading.Lock()

    def put(self, id: str, value: T, size: int) -> None:
        """Keep a value, and let go of the oldest ones that there is no more room for."""
        with self._lock:
            self._remove(id)
            self._values[id] = (value, size)
            self._held += size
            while len(self._values) > self.count or (self._held > self.budget and len(self._values) > 1):
                self._remove(next(iter(self._values)))

    def pop(self, id: str) -> None:
        """Let go of a value, if it is there."""
        with self._lock:
            self._remove(id)

    def _remove(self, id: str) -> None:
        _, size = self._values.pop(id, (None, 0))
        self._held -= size

    def get(self, id: str) -> T | None:
        """Return a value, or None if it is not, or no longer, there."""
        found = self._values.get(id)
        return None if found is None else found[0]

    def values(self) -> list[T]:
        """Return all values, the oldest first."""
        with self._lock:
            return [value for value, _ in self._values.values()]


def footprint(visits: Iterable[Visit], *values: Any, limit: int = BUDGET) -> int:
    """Return how many bytes visits and JSON values hold, roughly; what they share counts once.

    It does not count beyond `limit`.
    """
    size = 0
    pending = list(values)
    for visit in visits:
        size += _VISIT
        pending.append(visit.input)
        pending.append(visit.output)
    seen: set[int] = set()
    while pending and size <= limit:
        value = pending.pop()
        if not isinstance(value, (dict, list)):
            size += getsizeof(value)
        elif id(value) not in seen:
            seen.add(id(value))
            size += _CONTAINER + _MEMBER * len(value)
            for member in value.values() if isinstance(value, dict) else value:
                kind = type(member)
                if kind is str:
                    size += getsizeof(member)
                elif kind is dict or kind is list:
                    pending.append(member)
    return size
