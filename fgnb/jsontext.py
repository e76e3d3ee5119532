"""JSON texts, exactly: integers of any size, no silently lost key, no NaN.

Integers may have as many digits as Python reads (4,300 unless ``sys.set_int_max_str_digits`` says
otherwise); a number beyond a double's range is refused instead of becoming infinite.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

import msgspec

from fgnb.errors import InputError, SyntaxProblem
from fgnb.paths import format_path, leaves

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_WRITE = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode
_WRITE_ASCII = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
DIGITS = "an integer has more digits than Python reads; see sys.set_int_max_str_digits"


_INF = float("inf")


class _Refused:
    """Stands in a parsed value for something JSON does not allow, until its path is known.

    `key` is the duplicate one where it stands for an object.
    """

    def __init__(self, message: str, *, key: str | None = None) -> None:
        self.message = message
        self.key = key


class _Doubtful(Exception):
    """The text needs a closer look, which tells the place of what is wrong."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Doubtful
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if value in (_INF, -_INF):
        raise _Doubtful
    return value


def _constant(name: str) -> Any:
    raise _Doubtful


_READ = json.JSONDecoder(object_pairs_hook=_members, parse_float=_number, parse_constant=_constant).decode


def loads(text: str) -> Any:
    """Read a JSON text that a person wrote.

    Raises:
        SyntaxProblem: it is not JSON; with line and column.
        InputError: a duplicate key, NaN, or a number beyond a double's range; with its path.
    """
    try:
        return _READ(text)  # made once: a decoder with hooks costs more than most texts
    except (_Doubtful, ValueError, RecursionError):
        _refuse(text)


def _refuse(text: str) -> NoReturn:
    """Read a JSON text that `loads` can't once more, and raise with the place of what is wrong."""

    def number(digits: str) -> float | _Refused:
        value = float(digits)
        return _Refused(f"{digits} is beyond the range of a number") if value in (_INF, -_INF) else value

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
        value = dict(pairs)
        if len(value) == len(pairs):
            return value
        seen: set[str] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        return _Refused(f"duplicate key '{again}'", key=again)

    try:
        value = json.loads(
            text,
            object_pairs_hook=members,
            parse_float=number,
            parse_constant=lambda name: _Refused(f"{name} is not a JSON value"),
        )
    except json.JSONDecodeError as error:
        raise SyntaxProblem(
            f"not JSON: {_plain(error.msg)}", source=text, line=error.lineno, column=error.colno
        ) from None
    except RecursionError:
        raise InputError("the JSON text is nested too deeply") from None
    except ValueError:
        raise InputError(DIGITS) from None
    # One that is refused is in the value: what is below a duplicate key is gone, but then that key is there.
    path, bad = next((path, leaf) for path, leaf in leaves(value) if isinstance(leaf, _Refused))
    raise InputError(bad.message, path=format_path(path if bad.key is None else (*path, bad.key)) or None)


def _plain(message: str) -> str:
    return message[0].lower() + message[1:]


def loads_answer(text: bytes | str) -> Any:
    """Read a JSON text that a program wrote; the last of duplicate keys wins.

    Raises:
        ValueError: it is not JSON, or holds a number beyond a double's range.
    """
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    try:
        # msgspec refuses lone surrogates, which JSON allows; the standard library reads them.
        return json.loads(text, parse_float=_finite, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (_INF, -_INF):
        raise ValueError(f"{digits} is beyond the range of a number")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def dumps(value: Any) -> bytes:
    """Write a JSON value (as `fgnb.values.to_json` gives it) as compact UTF-8 text.

    Raises:
        InputError: it is nested too deeply, or an integer has too many digits.
    """
    try:
        return _WRITE(value).encode()
    except UnicodeEncodeError:  # lone surrogates have no UTF-8 form, but an escaped one
        return _WRITE_ASCII(value).encode()
    except RecursionError:
        raise InputError("the value is nested too deeply") from None
    except ValueError:
        raise InputError(DIGITS) from None


def copied(value: Any) -> tuple[Any, int]:
    """Return a copy of a JSON value, and its size in bytes as compact UTF-8 text.

    Args:
        value: what was read as JSON; anything else, such as NaN, would be changed silently.

    Raises:
        InputError: it is nested too deeply.
    """
    try:
        text = _ENCODER.encode(value)
    except (UnicodeEncodeError, RecursionError):
        text = dumps(value)
    try:
        return loads_answer(text), len(text)
    except ValueError:  # as deeply as it can be written, but not read
        raise InputError("the value is nested too deeply") from None
