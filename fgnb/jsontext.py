"""JSON texts, exactly: integers of any size, no silently lost key, no NaN.

Integers may have as many digits as Python reads (4,300 unless ``sys.set_int_max_str_digits`` says
otherwise); a number beyond a double's range is refused instead of becoming infinite.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from fgnb.errors import InputError, SyntaxProblem
from fgnb.paths import Path, format_path

_DECODER = msgspec.json.Decoder()
DIGITS = "an integer has more digits than Python reads; see sys.set_int_max_str_digits"


class _Refused:
    """Stands in a parsed value for something JSON does not allow, until its path is known."""

    def __init__(self, message: str) -> None:
        self.message = message


def loads(text: str) -> Any:
    """Read a JSON text that a person wrote.

    Raises:
        SyntaxProblem: it is not JSON; with line and column.
        InputError: a duplicate key, NaN, or a number beyond a double's range; with its path.
    """
    refused: list[_Refused] = []
    duplicates: dict[int, str] = {}

    def refuse(message: str) -> _Refused:
        refused.append(_Refused(message))
        return refused[-1]

    def number(digits: str) -> float | _Refused:
        value = float(digits)
        return refuse(f"{digits} is beyond the range of a number") if value in (_INF, -_INF) else value

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            seen: set[str] = set()
            again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
            value = {"": refuse(f"duplicate key '{again}'")}
            duplicates[id(value)] = again
        return value

    try:
        value = json.loads(
            text,
            object_pairs_hook=members,
            parse_float=number,
            parse_constant=lambda name: refuse(f"{name} is not a JSON value"),
        )
    except json.JSONDecodeError as error:
        raise SyntaxProblem(
            f"not JSON: {_plain(error.msg)}", source=text, line=error.lineno, column=error.colno
        ) from None
    except RecursionError:
        raise InputError("the JSON text is nested too deeply") from None
    except ValueError:
        raise InputError(DIGITS) from None
    for bad in refused:
        # A refused value below a duplicate key is gone; the duplicate is reported for it.
        path = _find(value, bad)
        if path is not None:
            raise InputError(bad.message, path=format_path(_at_key(value, path, duplicates)) or None)
    return value


_INF = float("inf")


def _plain(message: str) -> str:
    return message[0].lower() + message[1:]


def _find(value: Any, wanted: object, path: Path = ()) -> Path | None:
    if value is wanted:
        return path
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for step, child in children:
        if (found := _find(child, wanted, (*path, step))) is not None:
            return found
    return None


def _at_key(value: Any, path: Path, duplicates: dict[int, str]) -> Path:
    for step in path[:-1]:
        value = value[step]
    again = duplicates.get(id(value))
    return path if again is None else (*path[:-1], again)


def loads_answer(data: bytes) -> Any:
    """Read a JSON text that a program wrote; the last of duplicate keys wins.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # msgspec refuses lone surrogates, which JSON allows; the standard library reads them.
        return json.loads(data, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def dumps(value: Any) -> bytes:
    """Write a JSON value (as `fgnb.values.to_json` gives it) as compact UTF-8 text."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        return text.encode()
    except UnicodeEncodeError:  # lone surrogates have no UTF-8 form, but an escaped one
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except RecursionError:
        raise InputError("the value is nested too deeply") from None


def pretty(value: Any) -> str:
    """Write a JSON value for a person: indented, with every character as itself."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
