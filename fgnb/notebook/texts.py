"""JSON values as texts that people edit, exactly: what is shown reads back as the same value."""

from __future__ import annotations

import json
from typing import Any, Literal

from fgnb import jsontext
from fgnb.errors import InputError, SyntaxProblem
from fgnb.local.expressions import MISSING
from fgnb.notebook.node import TYPES, Kind, Node

Reading = Literal["text", "integer", "number", "boolean", "json", "any"]

_NAMES = {str: "text", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}


def json_type(value: Any) -> str:
    """Return the name of a JSON value's type: text, integer, number, boolean, null, array, object."""
    return _NAMES.get(type(value), "object")


def fits(kind: Kind, value: Any) -> bool:
    """Whether a field of this kind can read this JSON value."""
    return type(value) in TYPES.get(kind, (type(value),))


def reading(node: Node) -> Reading:
    """Return how the text of a node's field is read.

    Where the kind is a guess, any value may be written; but a text is not mistaken for a number.
    """
    if node.kind == "text":
        return "text"
    if node.kind == "choice" or (node.kind != "json" and not node.strict and node.kind in _PLAIN):
        return "any"
    return _PLAIN.get(node.kind, "json")


_PLAIN: dict[Kind, Reading] = {"integer": "integer", "number": "number", "boolean": "boolean", "any": "any"}


def read(kind: Reading, text: str, *, nullable: bool = False) -> Any:
    """Return what a field's text means; MISSING if it is empty.

    A ``text`` field gives exactly that text, ``00123`` too, but for line ends at its end; a JSON
    string in double quotes is the string it stands for, so that ``""`` is the empty text.

    Args:
        kind: how it is read.
        text: what was written.
        nullable: whether ``null`` may be written for an integer, a number or a boolean.

    Raises:
        InputError: the text means nothing in a field of this kind.
    """
    if kind == "text":
        return _unquoted(text.rstrip("\n")) if text.rstrip("\n") else MISSING
    if not text.strip():
        return MISSING
    try:
        value = jsontext.loads(text)
    except SyntaxProblem as problem:
        if kind == "any":
            return text.rstrip("\n")
        if kind == "json":
            raise
        raise InputError(f"not {_WANTED[kind]}") from problem
    except InputError as error:
        if kind == "any":
            raise InputError(f"{error}; in double quotes it is a text") from None
        raise
    if not fits(kind, value) and not (nullable and value is None):
        raise InputError(f"not {_WANTED[kind]}")
    return value


_WANTED = {"integer": "an integer", "number": "a number", "boolean": "true or false"}


def _unquoted(text: str) -> str:
    if text.startswith('"') and text.endswith('"'):
        try:
            value = jsontext.loads(text)
        except InputError:
            return text
        return value if isinstance(value, str) else text
    return text


def show(kind: Reading, value: Any) -> str:
    """Return the text that `read` gives this value back for; empty if it is MISSING.

    A value that does not fit the kind, which `read` would refuse, is shown as JSON.
    """
    if value is MISSING:
        return ""
    return value if isinstance(value, str) and _is_plain(kind, value) else written(value)


def _is_plain(kind: Reading, text: str) -> bool:
    """Whether a text shows as it is, survives being edited in a text area, and means itself."""
    if text != text.strip() or not _encodable(text) or any(char < " " and char not in "\n\t" for char in text):
        return False
    try:
        return kind in ("text", "any") and bool(read(kind, text) == text)
    except InputError:
        return False


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def written(value: Any, *, indent: int | None = None) -> str:
    """Return a JSON value as a text that can be shown.

    Raises:
        InputError: it is nested too deeply, or an integer has more digits than Python writes.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
        return text if _encodable(text) else json.dumps(value, allow_nan=False, indent=indent)
    except RecursionError:
        raise InputError("the value is nested too deeply") from None
    except ValueError:
        raise InputError(jsontext.DIGITS) from None


def read_input(text: str) -> dict[str, Any]:
    """Return the input that a JSON text stands for; an empty text is an empty object.

    Raises:
        InputError: it is not JSON, or not an object, which the service requires.
    """
    value = jsontext.loads(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise InputError(f"the input must be a JSON object, not {written(value)[:40]}")
    return value
