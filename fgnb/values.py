"""Python values to JSON values: what a notebook holds, made sendable without guessing.

Numbers (NumPy's and Decimal too), text, dates as ISO 8601, sequences, mappings, dataclasses,
pydantic models, DataFrames as records, a Series as an object if its labels are texts and else as a
list. Anything else, NaN among it, is an error that names the type and the path.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from fgnb.errors import InputError
from fgnb.jsontext import DIGITS
from fgnb.paths import format_path


class _Refused(Exception):
    def __init__(self, message: str) -> None:
        self.message = message
        self.steps: list[str | int] = []


def to_json(value: Any, *, root: str = "") -> Any:
    """Return `value` as a fresh JSON value: None, bool, int, float, str, list, dict.

    Args:
        value: any Python value.
        root: what error paths start with, e.g. ``input``.

    Raises:
        InputError: something in it has no JSON form; with its path.

    >>> to_json({"day": datetime(2026, 11, 22), "n": (1, Decimal("0.5"))})
    {'day': '2026-11-22T00:00:00', 'n': [1, 0.5]}
    """
    try:
        return _convert(value)
    except _Refused as refused:
        path = format_path(tuple(reversed(refused.steps)), root)
        raise InputError(refused.message, path=path or None) from None
    except RecursionError:
        raise InputError("the value is nested too deeply, or holds itself", path=root or None) from None


def json_type(value: Any) -> type:
    """Return a type that is the same for values of one JSON type: there is one of numbers."""
    return float if type(value) is int else type(value)


def _convert(value: Any) -> Any:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return _finite(value)
    if kind is dict:
        return _members(value)
    if kind is list or kind is tuple:
        return _items(value)
    return _convert_other(value)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise _Refused(f"{value} is not a JSON value")
    return value


def _members(value: Mapping[Any, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, member in value.items():
        if not isinstance(key, str):
            raise _Refused(f"a key must be a text, not {type(key).__name__} {key!r}")
        try:
            result[_text(key)] = _convert(member)
        except _Refused as refused:
            refused.steps.append(key)
            raise
    return result


def _text(value: str) -> str:
    return str.__str__(value)  # not str(value): a class of its own, such as an Enum, may say something else


def _items(value: Any) -> list[Any]:
    result: list[Any] = []
    for position, item in enumerate(value):
        try:
            result.append(_convert(item))
        except _Refused as refused:
            refused.steps.append(position)
            raise
    return result


def _convert_other(value: Any) -> Any:
    pandas = sys.modules.get("pandas")  # never imported here: a DataFrame proves that it is loaded
    if pandas is not None:
        if isinstance(value, pandas.DataFrame):
            if value.columns.has_duplicates:
                raise _Refused("a DataFrame with duplicate column names has no records")
            return _items(value.to_dict("records"))
        if isinstance(value, pandas.Series) and value.index.inferred_type == "string":
            if value.index.has_duplicates:
                raise _Refused("a Series with duplicate labels has no JSON form")
            return _members(value.to_dict())
        if isinstance(value, (pandas.Series, pandas.Index)):
            return _items(value.tolist())
        if value is pandas.NA or value is pandas.NaT:
            raise _Refused(f"{value} is not a JSON value; use None for null")
    if isinstance(value, Enum):
        return _convert(value.value)
    if isinstance(value, (bool, int)):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value))
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, (list, tuple, range)):
        return _items(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _members({field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    if callable(dump := getattr(type(value), "model_dump", None)):  # a pydantic model
        return _members(dump(value, mode="json"))
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _numpy(value, numpy)
    raise _Refused(f"a {type(value).__name__} has no JSON form")


def _numpy(value: Any, numpy: Any) -> Any:
    if isinstance(value, numpy.datetime64) and not numpy.isnat(value):
        return str(value)
    if value.dtype.kind in "biufUO" and not isinstance(item := value.tolist(), numpy.generic):
        return _convert(item)
    raise _Refused(f"NumPy's {value.dtype} has no JSON form")


def _decimal(value: Decimal) -> int | float:
    if not value.is_finite():
        raise _Refused(f"{value} is not a JSON value")
    if value.adjusted() >= sys.int_info.default_max_str_digits:
        raise _Refused(DIGITS)
    if value == value.to_integral_value():
        return int(value)
    return _finite(float(value))
