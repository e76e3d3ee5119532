"""Reads what requests carry: bodies, queries and headers; what does not fit is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs

import msgspec

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.local.refusals import invalid
from fgnb.wire import Request, parse

T = TypeVar("T")

_DECODER = msgspec.json.Decoder()
_ENCODER = msgspec.json.Encoder()
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}")
_SHOWN = 40  # characters of a wrong value that a message repeats


def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object that is the body; as exactly as `fgnb.jsontext.loads` reads it."""
    value = _read(request.body)
    if not isinstance(value, dict):
        raise invalid("the body must be a JSON object")
    return value


def read_body(request: Request, kind: type[T]) -> T:
    """Return the body as a typed value."""
    try:
        return parse(read_object(request), kind)
    except ValueError as error:
        raise invalid(str(error)) from None


def _read(body: bytes) -> Any:
    if (value := _read_fast(body)) is not None:
        return value
    try:
        return jsontext.loads(body.decode())
    except UnicodeDecodeError:
        raise invalid("the body is not UTF-8") from None
    except InputError as error:
        raise invalid(str(error).splitlines()[0]) from None


def _read_fast(body: bytes) -> Any:
    """Return the value of a JSON text if msgspec alone can tell that nothing in it gets lost, else None.

    msgspec keeps the last of duplicate keys and says nothing. Where no escape hides a colon, a key
    that got lost is missed when the value is written again: its colon is.
    """
    if b"\\" in body:
        return None
    try:
        value = _DECODER.decode(body)
        again = _ENCODER.encode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if again.count(b":") == body.count(b":") else None


class Query:
    """The query of a request; of a parameter that is given twice, the last counts."""

    def __init__(self, request: Request) -> None:
        query = request.path.partition("?")[2]
        self._values = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}

    def text(self, name: str, *, longest: int | None = None) -> str:
        """Return a parameter as it is; "" if it is not there."""
        text = self._values.get(name, "")
        if longest is not None and len(text) > longest:
            raise invalid(f"{name} must have at most {longest} characters")
        return text

    def choice(self, name: str, *allowed: str) -> str:
        """Return a parameter that is one of some words, or "" if it is empty or not there."""
        text = self.text(name)
        if text and text not in allowed:
            raise invalid(f"{name} must be {', '.join(allowed[:-1])} or {allowed[-1]}, not '{text[:_SHOWN]}'")
        return text

    def number(
        self, name: str, default: int | None = None, *, least: int | None = None, most: int | None = None
    ) -> int:
        """Return a parameter that is a whole number; without a default it must be there."""
        text = self._values.get(name)
        if text is None:
            if default is None:
                raise invalid(f"{name} is missing")
            return default
        if not _NUMBER.fullmatch(text):
            raise invalid(f"{name} must be a whole number, not '{text[:_SHOWN]}'")
        number = int(text)
        if least is not None and number < least:
            raise invalid(f"{name} must be at least {least}")
        if most is not None and number > most:
            raise invalid(f"{name} must be at most {most}")
        return number

    def time(self, name: str) -> float | None:
        """Return a ``YYYY-MM-DD hh:mm:ss`` in UTC as seconds since the epoch; None if it is not there."""
        text = self._values.get(name)
        if text is None:
            return None
        try:
            if _TIME.fullmatch(text):
                return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
        except ValueError:  # there is no such day or hour
            pass
        raise invalid(f"{name} must be a time YYYY-MM-DD hh:mm:ss, not '{text[:_SHOWN]}'")


def header(headers: Mapping[str, str], name: str) -> str | None:
    """Return a header's value, whatever the case of its name; None if it is not there."""
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)


def flag(headers: Mapping[str, str], name: str) -> bool | None:
    """Return a header that is true or false; None if it is not there."""
    text = header(headers, name)
    if text is None:
        return None
    if (word := text.strip().lower()) not in ("true", "false"):
        raise invalid(f"{name} must be true or false, not '{text[:_SHOWN]}'")
    return word == "true"
