"""JSON values as texts that people edit: what is shown reads back as the same value, and texts mean what they say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.places import member, with_member
from fgnb.notebook.texts import fits, read, show

KINDS = ("text", "integer", "number", "boolean", "json", "any")

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
texts_like_json = st.sampled_from(
    ["12", "00123", "true", "null", '"a"', '""', "NaN", "1e999", "{", '{"a":1,"a":2}', "\n"]
)
json_values = st.recursive(
    leaves | texts_like_json,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1 is not 1.0."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("kind", KINDS)
@given(value=json_values)
def test_what_is_shown_reads_back_as_the_same_value(kind: Any, value: Any) -> None:
    reader = kind if fits(kind, value) else "any"  # a value that does not fit is shown as JSON
    assert same(read(reader, show(kind, value)), value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_field_is_absent(kind: Any) -> None:
    assert read(kind, "") is MISSING
    assert show(kind, MISSING) == ""


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "00123", "00123"),
        ("text", " a ", " a "),
        ("text", "null", "null"),
        ("text", '""', ""),
        ("text", '"a\\nb"', "a\nb"),
        ("text", '"a', '"a'),
        ("text", '"a" and "b"', '"a" and "b"'),
        ("text", "two\nlines\n", "two\nlines"),
        ("integer", "9" * 100, int("9" * 100)),
        ("integer", " -5\n", -5),
        ("number", "3", 3),
        ("number", "0.1", 0.1),
        ("boolean", "true", True),
        ("json", "[1, 2]", [1, 2]),
        ("json", "null", None),
        ("any", "00123", "00123"),
        ("any", "12", 12),
        ("any", '"12"', "12"),
        ("any", "true", True),
        ("any", "A-100", "A-100"),
        ("any", "1.2.3", "1.2.3"),
        ("any", '{"a": 1}', {"a": 1}),
        ("any", "{a}", "{a}"),
    ],
)
def test_texts_mean_exactly_what_they_say(kind: Any, text: str, value: Any) -> None:
    assert same(read(kind, text), value)


def test_a_value_that_is_nested_too_deeply_is_refused() -> None:
    deep: Any = 1
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(InputError, match="nested too deeply"):
        show("json", deep)


def test_what_could_not_be_seen_is_shown_in_quotes() -> None:
    assert show("text", " a ") == '" a "'
    assert show("text", "") == '""'
    assert show("text", "a\r\nb") == '"a\\r\\nb"'
    assert show("text", "\ud800") == '"\\ud800"'
    assert show("any", "12") == '"12"'
    assert show("any", "two\nlines") == "two\nlines"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.0"),
        ("integer", "1e3"),
        ("integer", "1_000"),
        ("integer", "true"),
        ("integer", "9" * 5000),
        ("number", "NaN"),
        ("number", "1e999"),
        ("number", "'1'"),
        ("boolean", "1"),
        ("json", "{a: 1}"),
        ("json", "[NaN]"),
        ("any", "NaN"),
        ("any", '{"a": 1, "a": 2}'),
    ],
)
def test_what_a_field_can_not_hold_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(InputError):
        read(kind, text)


def test_null_may_be_written_where_a_schema_allows_it() -> None:
    assert read("integer", "null", nullable=True) is None
    with pytest.raises(InputError, match="not an integer"):
        read("integer", "null")


# --- places --------------------------------------------------------------------------------------


@given(value=json_values, new=json_values, data=st.data())
def test_setting_a_member_and_taking_it_away_leaves_all_others(value: Any, new: Any, data: st.DataObject) -> None:
    path: tuple[str | int, ...] = ()
    here = value
    while isinstance(here, (dict, list)) and here and data.draw(st.booleans()):
        step = data.draw(st.sampled_from(list(here) if isinstance(here, dict) else list(range(len(here)))))
        path, here = (*path, step), here[step]
    before = repr(value)
    assert same(with_member(value, path, new), new) if path == () else True
    if path:
        changed = with_member(value, path, new)
        assert same(member(changed, path), new)
        assert same(with_member(changed, path, member(value, path)), value)
        gone = with_member(value, path, MISSING)
        assert len(member(gone, path[:-1])) == len(member(value, path[:-1])) - 1
    assert repr(value) == before


def test_objects_on_the_way_are_made_and_a_list_grows_at_its_end() -> None:
    assert with_member({}, ("a", "b"), 1) == {"a": {"b": 1}}
    assert with_member({"a": [1]}, ("a", 1), 2) == {"a": [1, 2]}
    assert with_member({}, ("a", 0, "b"), 2) == {"a": [{"b": 2}]}
    assert member({"a": [1]}, ("a", 1)) is MISSING
    assert member({"a": 1}, ("a", 0)) is MISSING
    for value, path in (({"a": 1}, ("a", "b")), ({"a": [1]}, ("a", 5)), ({"a": {}}, ("a", 0)), ({"a": []}, ("a", "b"))):
        with pytest.raises(InputError, match="nothing can be set below"):
            with_member(value, path, 1)


def test_what_is_not_on_the_way_is_the_same_object() -> None:
    value = {"a": {"b": [1]}, "c": {"d": 1}}
    changed = with_member(value, ("c", "d"), 2)
    assert changed["a"] is value["a"]
