"""Paths into JSON values: ``a.b[0].c``, and ``['odd.key']`` where a key is not a plain name.

A plain name is RFC 9535's member-name shorthand: letters, digits, ``_`` and everything beyond
ASCII, not starting with a digit. A path is a tuple of keys (str) and positions (int). A pattern has
besides ``*`` for any key and ``[*]`` for any item of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from fgnb.errors import InputError

Path = tuple[str | int, ...]


class Wild(Enum):
    """A step of a pattern that stands for many."""

    KEY = "*"
    ITEM = "[*]"


Pattern = tuple[str | int | Wild, ...]


class Item(str):
    """A step to an item of a list that is known by a member, as it is written: ``[sku=A]``."""

    __slots__ = ()

    @classmethod
    def of(cls, name: str, value: str | float) -> Item:
        """Return the step to the item whose member `name` (a path) has a value; numbers count by value."""
        if isinstance(value, str):
            plain = _PLAIN.fullmatch(value) is not None and value not in ("true", "false", "null")
            written = value if plain else _quoted(value)
        else:
            written = str(int(value) if value == int(value) else value)
        return cls(f"[{name}={written}]")


_PLAIN = re.compile(r"[A-Za-z_\u0080-\U0010FFFF][0-9A-Za-z_\u0080-\U0010FFFF]*")
_STEP = re.compile(
    r"(?P<name>[^.\[\]]+)|\[(?P<position>[0-9]{1,1000})\]|\[(?P<item>\*)\]|\['(?P<quoted>(?:[^'\\]|\\.)*)'\]", re.DOTALL
)
_ESCAPES = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_UNESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def format_path(path: Path, root: str = "") -> str:
    """Write a path as text, below `root` if given: ``('a', 0, 'b c')`` is ``a[0]['b c']``."""
    parts = [root]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif isinstance(step, Item):
            parts.append(step)
        elif _PLAIN.fullmatch(step):
            parts.append(f".{step}" if parts != [""] else step)
        else:
            parts.append(f"[{_quoted(step)}]")
    return "".join(parts)


def _quoted(text: str) -> str:
    return "'" + "".join(_ESCAPES.get(char, char) for char in text) + "'"


def parse_path(text: str) -> Path:
    """Read a path as `format_path` writes it; keys such as ``order-id`` may stand unquoted.

    Raises:
        InputError: the text is not a path.
    """
    steps = parse_pattern(text)
    if Wild.ITEM in steps:
        raise InputError(f"'{text}' is not a path to one value: [*] stands for many")
    return tuple("*" if isinstance(step, Wild) else step for step in steps)


def parse_pattern(text: str) -> Pattern:
    """Read a path in which ``*`` stands for any key and ``[*]`` for any item of a list.

    Raises:
        InputError: the text is not a path.
    """
    steps: list[str | int | Wild] = []
    at = 0
    while at < len(text) or not steps:
        dotted = at > 0 and text[at] == "."
        found = _STEP.match(text, at + dotted)
        if found is None or (dotted and not found["name"]) or (found["name"] and at and not dotted):
            raise InputError(f"'{text}' is not a path such as a.b[0]['odd key']: see position {at + 1}")
        at = found.end()
        if found["item"] is not None:
            steps.append(Wild.ITEM)
        elif found["name"] == "*":
            steps.append(Wild.KEY)
        elif found["position"] is not None:
            steps.append(int(found["position"]))
        elif found["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", _unescape, found["quoted"], flags=re.DOTALL))
        else:
            steps.append(found["name"])
    return tuple(steps)


def _unescape(found: re.Match[str]) -> str:
    return _UNESCAPES.get(found[1], found[1])


def leaves(value: Any, path: Path = (), *, lists: bool = True) -> Iterator[tuple[Path, Any]]:
    """Yield every leaf of a JSON value with its path, in document order.

    An empty object or list is a leaf. With ``lists=False`` a list is a leaf as a whole.
    """
    waiting: list[tuple[Path, Any]] = [(path, value)]  # not recursive: answers may be nested deeply
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting.extend(((*path, key), member) for key, member in reversed(value.items()))
        elif lists and isinstance(value, list) and value:
            waiting.extend(((*path, position), value[position]) for position in reversed(range(len(value))))
        else:
            yield path, value


def assign(target: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return a copy of `target` with `value` at `path`; objects on the way are made or copied.

    Raises:
        InputError: the path leads through something that is not an object.
    """
    copy = inner = dict(target)
    for depth, key in enumerate(path):
        here = format_path(path[: depth + 1])
        if not isinstance(key, str):
            raise InputError("only keys of objects can be set, not positions of lists", path=here)
        if depth == len(path) - 1:
            inner[key] = value
        else:
            below = inner.get(key, {})
            if not isinstance(below, dict):
                raise InputError(f"a key can't be set below a {type(below).__name__}", path=here)
            inner[key] = dict(below)
            inner = inner[key]
    return copy
