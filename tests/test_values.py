"""Python values to JSON values: values.py."""

import dataclasses
import subprocess
import sys
from collections import OrderedDict, namedtuple
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.values import to_json


class Kind(Enum):
    A = "a"
    NESTED = (1, 2)


class Level(IntEnum):
    HIGH = 3


class Text(str, Enum):  # noqa: UP042  # as people write it for Python 3.10
    A = "a"


class Count(int):
    pass


class Loud(str):
    __slots__ = ()

    def __str__(self):
        return "LOUD"


@dataclasses.dataclass
class Order:
    sku: str
    sizes: tuple


class Model:
    """What a pydantic model looks like from outside."""

    def model_dump(self, *, mode):
        return {"mode": mode}


Point = namedtuple("Point", "x y")


def exact(value):
    if isinstance(value, dict):
        return [(type(key), key, exact(member)) for key, member in value.items()]
    if isinstance(value, list):
        return [exact(item) for item in value]
    return (type(value), repr(value))


@pytest.mark.parametrize(
    ("value", "result"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (2**70, 2**70),
        (0.5, 0.5),
        ("text", "text"),
        ((1, [2, (3,)]), [1, [2, [3]]]),
        (range(3), [0, 1, 2]),
        (Point(1, 2), [1, 2]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (Kind.A, "a"),
        (Kind.NESTED, [1, 2]),
        (Level.HIGH, 3),
        (Text.A, "a"),
        ({Text.A: Text.A}, {"a": "a"}),
        ({Loud("quiet"): Loud("quiet")}, {"quiet": "quiet"}),
        (Decimal("3"), 3),
        (Decimal("3.00"), 3),
        (Decimal("0.5"), 0.5),
        (Decimal(2**70), 2**70),
        (datetime(2026, 11, 22, 8, 30), "2026-11-22T08:30:00"),  # noqa: DTZ001
        (datetime(2026, 11, 22, tzinfo=timezone(timedelta(hours=8))), "2026-11-22T00:00:00+08:00"),
        (date(2026, 11, 22), "2026-11-22"),
        (time(8, 30), "08:30:00"),
        (Order("A", (1, 2)), {"sku": "A", "sizes": [1, 2]}),
        (Model(), {"mode": "json"}),
        (np.int64(5), 5),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.float32(0.5), 0.5),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        (np.str_("x"), "x"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(["a", 1, None], dtype=object), ["a", 1, None]),
        (np.array(5), 5),
        (Count(5), 5),
        (np.datetime64("2026-11-22"), "2026-11-22"),
        (pd.Timestamp("2026-11-22T08:30:00Z"), "2026-11-22T08:30:00+00:00"),
        (pd.Series([1, 2], index=["x", "y"]), {"x": 1, "y": 2}),
        (pd.DataFrame({"sku": ["A"], "qty": [2]}).iloc[0], {"sku": "A", "qty": 2}),
        (pd.Series([1, 2], dtype="Int64"), [1, 2]),
        (pd.Series([1, 2, 3])[[0, 2]], [1, 3]),
        (pd.Index(["a", "b"]), ["a", "b"]),
        (pd.DataFrame({"a": [1, 2], "b": ["x", None]}, dtype="object"), [{"a": 1, "b": "x"}, {"a": 2, "b": None}]),
        ({"df": pd.DataFrame({"a": [0.5], "when": [pd.Timestamp("2026-11-22")]})},
         {"df": [{"a": 0.5, "when": "2026-11-22T00:00:00"}]}),
    ],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
def test_what_becomes_what(value, result):
    assert exact(to_json(value)) == exact(result)


def test_values_are_read_without_pandas_as_well(monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas")
    assert to_json({"n": Count(5), "d": Decimal("0.5")}) == {"n": 5, "d": 0.5}


HOLDS_ITSELF: list = []
HOLDS_ITSELF.append(HOLDS_ITSELF)


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        (float("nan"), "input", "nan is not a JSON value"),
        ({"a": [1, float("inf")]}, "input.a[1]", "inf"),
        ({"a b": {"c": {1, 2}}}, "input['a b'].c", "a set has no JSON form"),
        ({"a": b"bytes"}, "input.a", "a bytes has no JSON form"),
        ({"a": Path("x")}, "input.a", "PosixPath has no JSON form"),
        ({"a": timedelta(1)}, "input.a", "timedelta"),
        ({"a": ...}, "input.a", "ellipsis"),
        ({"a": len}, "input.a", "builtin_function_or_method"),
        ({"a": Order}, "input.a", "type"),
        ({"a": 1j}, "input.a", "complex"),
        ({"a": (n for n in [1])}, "input.a", "generator"),
        ({1: "a"}, "input", "a key must be a text, not int 1"),
        ({"x": {None: 1}}, "input.x", "a key must be a text, not NoneType None"),
        (Decimal("NaN"), "input", "NaN"),
        (Decimal("-Infinity"), "input", "-Infinity"),
        (Decimal("1E+999999999"), "input", "digits"),
        (np.float64("nan"), "input", "nan"),
        (np.array([1.0, np.inf]), "input[1]", "inf"),
        (np.array([1 + 2j]), "input", "complex128"),
        (np.array(["2026"], dtype="datetime64[s]"), "input", "datetime64"),
        (np.datetime64("NaT", "s"), "input", "datetime64"),
        (np.longdouble(1), "input", "longdouble|float128"),
        (pd.Series([1, 2], index=["x", "x"]), "input", "duplicate labels"),
        ({"a": pd.NA}, "input.a", "<NA> is not a JSON value; use None"),
        ({"a": pd.NaT}, "input.a", "NaT is not a JSON value; use None"),
        ([pd.Series([1, None])], "input[0][1]", "nan"),
        (pd.DataFrame({"a": [1, None]}), "input[1].a", "nan"),
        (pd.DataFrame({0: [1]}), "input[0]", "a key must be a text"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "input", "duplicate column"),
        (HOLDS_ITSELF, "input", "holds itself"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_has_no_json_form_is_refused_with_its_path(value, path, words):
    with pytest.raises(InputError, match=words) as caught:
        to_json(value, root="input")
    assert caught.value.path == path


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_a_json_value_stays_as_it_is_but_fresh(value):
    result = to_json(value)
    assert exact(result) == exact(value)
    if value and isinstance(value, (dict, list)):
        assert result is not value


def test_nothing_is_imported_to_find_out():
    code = "import sys, fgnb.values; fgnb.values.to_json({'a': [1]}); print({'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
