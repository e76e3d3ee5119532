"""Where JSON values differ: walked side by side, exactly or with tolerances, lists by position or by a key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import zip_longest
from typing import Any, Literal

from fgnb.errors import InputError, did_you_mean
from fgnb.paths import Item, Path, Pattern, Wild, format_path, parse_path, parse_pattern
from fgnb.values import json_type

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>"})()
"""Stands where a value has nothing at a path; null is a value."""

ROOTS = ("status", "elapsed", "input", "output", "error")
Kind = Literal["changed", "added", "removed", "type"]

_EXACT = 2**53  # up to here floats hold every integer


@dataclass(frozen=True, slots=True)
class Rules:
    """What counts as a difference.

    Attributes:
        rtol, atol: numbers are equal if they differ by at most ``max(rtol * larger, atol)``.
        ignore: what is left out, with all below it.
        keys: lists whose items are known by a member, and the path of that.
    """

    rtol: float = 0.0
    atol: float = 0.0
    ignore: tuple[Pattern, ...] = ()
    keys: tuple[tuple[Pattern, Path], ...] = ()

    @classmethod
    def of(
        cls,
        rtol: float = 0.0,
        atol: float = 0.0,
        ignore: str | Iterable[str] = (),
        key: Mapping[str, str] | None = None,
    ) -> Rules:
        """Check and read the options of `fgnb.compare`.

        Raises:
            InputError: one is wrong.
        """
        for name, value in (("rtol", rtol), ("atol", atol)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise InputError(f"{name} must be a number that is not negative, not {value!r}")
        ignored = [ignore] if isinstance(ignore, str) else list(ignore)
        keys = [(_pattern(path), parse_path(member)) for path, member in (key or {}).items()]
        return cls(float(rtol), float(atol), tuple(_pattern(text) for text in ignored), tuple(keys))


def _pattern(text: str) -> Pattern:
    if not isinstance(text, str):
        raise InputError(f"a path is a text such as output.total, not {text!r}")
    pattern = parse_pattern(text)
    if pattern[0] not in ROOTS:
        hint = did_you_mean(str(pattern[0]), ROOTS)
        raise InputError(f"'{text}' leads nowhere: a path begins with one of {', '.join(ROOTS)}{hint}")
    return pattern


def kind_of(before: Any, after: Any) -> Kind:
    """Return how two values that are not equal differ."""
    if before is MISSING:
        return "added"
    if after is MISSING:
        return "removed"
    return "changed" if json_type(before) is json_type(after) else "type"


def same(one: Any, other: Any) -> bool:
    """Whether JSON values are equal: numbers by value, true is not 1, keys in any order."""
    told = _same_at_once(one, other)
    return next(differences([one, other], (), Rules(), {}), None) is None if told is None else told


def _same_at_once(one: Any, other: Any) -> bool | None:
    """Return whether values are equal, None if they nest too deeply for Python to say."""
    if one is other:
        return True
    try:
        if one != other:
            return False
        if not isinstance(one, (dict, list)):
            return isinstance(one, bool) == isinstance(other, bool)
        return repr(one) == repr(other) or _same_types(one, other)  # equal to Python, to which True is 1
    except RecursionError:
        return None


def _same_types(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return all(_same_types(member, other[key]) for key, member in one.items())
    if isinstance(one, list):
        return all(map(_same_types, one, other))
    return isinstance(one, bool) == isinstance(other, bool)


def canonical(value: Any) -> str:
    """Return a text that is the same for the same JSON value, whatever the order of keys; 1 and 1.0 are two."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


_Scope = tuple[tuple[Pattern, ...], tuple[tuple[Pattern, Path], ...]]
_NOTHING: _Scope = ((), ())


def differences(
    sides: Sequence[Any],
    root: Path,
    rules: Rules,
    notes: dict[str, str],
    *,
    baseline: int = 0,
    keep_equal: bool = False,
) -> Iterator[tuple[Path, tuple[Any, ...]]]:
    """Yield the paths at which values differ, each with the values that stand there.

    Objects and lists are gone into where all that have something at a path have some that are not empty;
    else their values are given whole, such as an empty list beside a filled one.

    Args:
        sides: JSON values, or `MISSING`.
        root: the path at which they stand.
        rules: what counts.
        notes: gets, by path, why a list could not be compared by its key.
        baseline: the side that the others are measured by.
        keep_equal: whether to yield also where all are equal.
    """
    scope: _Scope = (rules.ignore, rules.keys)
    for step in root:
        scope = _below(scope, step)
    waiting: list[tuple[Path, Sequence[Any], _Scope]] = [(root, sides, scope)]  # not recursive: values may nest deeply
    while waiting:
        path, values, scope = waiting.pop()
        ignore, keys = scope
        if () in ignore:
            continue
        if not keep_equal and all(_same_at_once(values[baseline], value) for value in values):
            continue
        there = [value for value in values if value is not MISSING]
        filled = all(there) or len(path) == len(root)  # an empty object at the root has no paths
        if filled and all(isinstance(value, dict) for value in there):
            steps: Iterable[tuple[Any, tuple[Any, ...]]] = _members(values, there)
        elif all(there) and all(isinstance(value, list) for value in there):
            steps = _items(values, there, path, keys, notes)
        else:
            values = [_without(value, ignore) for value in values] if ignore else values
            if keep_equal or not all(_close(values[baseline], value, rules) for value in values):
                yield path, tuple(values)
            continue
        free = scope == _NOTHING
        waiting += [((*path, step), below, scope if free else _below(scope, step)) for step, below in steps][::-1]


def _members(values: Sequence[Any], there: Sequence[Any]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for key in dict.fromkeys(key for value in there for key in value):
        yield key, tuple(MISSING if value is MISSING else value.get(key, MISSING) for value in values)


def _items(
    values: Sequence[Any],
    there: Sequence[Any],
    path: Path,
    keys: tuple[tuple[Pattern, Path], ...],
    notes: dict[str, str],
) -> Iterable[tuple[str | int, tuple[Any, ...]]]:
    member = next((member for pattern, member in keys if not pattern), None)
    if member is not None:
        known: list[dict[Item, Any]] = []
        for value in values:
            items, why = _by_key([] if value is MISSING else value, member)
            if why:
                notes[format_path(path)] = why
                break
            known.append(items)
        else:
            steps = dict.fromkeys(step for items in known for step in items)
            return [(step, tuple(items.get(step, MISSING) for items in known)) for step in steps]
    lists = (() if value is MISSING else value for value in values)
    return enumerate(zip_longest(*lists, fillvalue=MISSING))


def _by_key(items: Sequence[Any], member: Path) -> tuple[dict[Item, Any], str]:
    """Return a list's items by a member of each, or why that can't be."""
    known: dict[Item, Any] = {}
    name = format_path(member)
    for item in items:
        value = value_at(item, member)
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            return {}, f"an item has no text or number at '{name}'"
        step = Item.of(name, value)
        if step in known:
            return {}, f"two items have the same '{name}': {value}"
        known[step] = item
    return known, ""


def value_at(value: Any, path: Path) -> Any:
    """Return what stands at a path in a JSON value, or `MISSING`."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return MISSING
            value = value[step]
        elif isinstance(value, dict) and step in value:
            value = value[step]
        else:
            return MISSING
    return value


def _below(scope: _Scope, step: str | int | Item) -> _Scope:
    ignore, keys = scope
    return (
        tuple(pattern[1:] for pattern in ignore if _leads(pattern, step)),
        tuple((pattern[1:], member) for pattern, member in keys if _leads(pattern, step)),
    )


def _leads(pattern: Pattern, step: str | int | Item) -> bool:
    if not pattern:
        return False
    if pattern[0] is Wild.ITEM:
        return isinstance(step, (int, Item))
    if pattern[0] is Wild.KEY:
        return isinstance(step, str) and not isinstance(step, Item)
    return pattern[0] == step and isinstance(pattern[0], int) == isinstance(step, int)


def _without(value: Any, ignore: tuple[Pattern, ...]) -> Any:
    """Return a value without what is ignored in it."""
    steps: Iterable[tuple[str | int, Any]]
    if isinstance(value, dict):
        steps = value.items()
    elif isinstance(value, list):
        steps = enumerate(value)
    else:
        return value
    kept: dict[str | int, Any] = {}
    for step, member in steps:
        below = tuple(pattern[1:] for pattern in ignore if _leads(pattern, step))
        if () not in below:
            kept[step] = _without(member, below) if below else member
    return kept if isinstance(value, dict) else list(kept.values())


def _close(one: Any, other: Any, rules: Rules) -> bool:
    if same(one, other):
        return True
    if not (rules.rtol or rules.atol) or not (_is_number(one) and _is_number(other)):
        return False
    if max(abs(one), abs(other)) <= _EXACT:
        return math.isclose(one, other, rel_tol=rules.rtol, abs_tol=rules.atol)
    if math.inf in (abs(one), abs(other)):
        return False
    one, other = Fraction(one), Fraction(other)  # beyond what floats can tell apart
    allowed = max(Fraction(rules.rtol) * max(abs(one), abs(other)), Fraction(rules.atol))
    return bool(abs(one - other) <= allowed)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
