"""What a field of a sweep takes: lists and ranges, written as people write them."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.notebook.places import with_member
from fgnb.paths import Path

MOST = 100_000  # values of one field

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_RANGE = re.compile(rf"\s*({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+step\s+({_NUMBER}))?\s*")
_PART = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[^,\n]*)\s*(?:[,\n]|$)')


def values_of(text: str, read: Callable[[str], Any], *, numbers: bool) -> list[Any]:
    """Return the values that a text lists: ``1..50 step 5``, ``A, B, C``, ``1..3, 10``, ``["A", "B"]``.

    Args:
        text: what was written; values are parted by commas or line ends, one with a comma stands in
            double quotes.
        read: reads one value as its field does.
        numbers: whether ``..`` makes a range; in a field for texts it is part of a text.

    Raises:
        InputError: it lists nothing, or what the field can't read; each value at most once.
    """
    if text.strip()[:1] == "[":
        value = jsontext.loads(text)
        found = value if isinstance(value, list) else [value]
    else:
        found = []
        for part in _parts(text):
            spread = _RANGE.fullmatch(part) if numbers else None
            found += _spread(*spread.groups()) if spread else [read(part)]
            if len(found) > MOST:
                raise InputError(f"more than {MOST:,} values")
    if not found:
        raise InputError("which values? such as 1..50 step 5, or A, B, C")
    return found


def _parts(text: str) -> Iterator[str]:
    for found in _PART.finditer(text):
        if found[1].strip():
            yield found[1].strip()


def _spread(first: str, last: str, step: str | None) -> list[int | float]:
    """Return a range with its ends, exactly: in decimal, so that 0.1 added ten times is 1."""
    low, high = Decimal(first), Decimal(last)
    by = Decimal(step) if step is not None else Decimal(1 if low <= high else -1)
    if by == 0:
        raise InputError("a step of 0 leads nowhere")
    if step is not None and (high - low) * by < 0:
        by = -by
    count = int((high - low) / by) + 1
    if count > MOST:
        raise InputError(f"{count:,} values, more than {MOST:,}")
    whole = "." not in first + last + (step or "")
    numbers = [low + by * number for number in range(count)]
    return [int(number) if whole else float(number) for number in numbers]


class Grid(Sequence[Any]):
    """Every combination of values at some places of a value, made one by one; the last place changes fastest."""

    def __init__(self, base: Any, values: Mapping[Path, Sequence[Any]]) -> None:
        self._base = base
        self._places = list(values)
        self._values = [list(one) for one in values.values()]
        for one, other in itertools.permutations(self._places, 2):
            if other[: len(one)] == one:
                raise InputError("a field and one in it can't both be varied")

    def __len__(self) -> int:
        return math.prod(map(len, self._values))

    def __getitem__(self, at: Any) -> Any:
        if not 0 <= at < len(self):
            raise IndexError(at)
        value = self._base
        for place, values in zip(reversed(self._places), reversed(self._values), strict=True):
            at, number = divmod(at, len(values))
            value = with_member(value, place, values[number])
        return value
