"""Paths into JSON values: written, read, walked and set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.paths import assign, format_path, leaves, parse_path

keys = st.text(st.characters() | st.characters(categories=["Cs"])) | st.sampled_from(
    ["", "a.b", "[0]", "'", "\\'", "0", "é"]
)
paths = st.lists(keys | st.integers(0, 2**70), min_size=1, max_size=5).map(tuple)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("a",), "a"),
        (("a", "b", 0, "c"), "a.b[0].c"),
        ((0, "a"), "[0].a"),
        (("a", "odd.key"), "a['odd.key']"),
        (("",), "['']"),
        (("it's", "back\\slash"), r"['it\'s']['back\\slash']"),
        (("line\nbreak\t",), r"['line\nbreak\t']"),
        (("1a",), "['1a']"),
        (("函数", "_x"), "函数._x"),
        (("order-id",), "['order-id']"),
        ((), ""),
    ],
)
def test_how_a_path_is_written(path, text):
    assert format_path(path) == text
    if path:
        assert parse_path(text) == path


@pytest.mark.parametrize(
    ("path", "text"), [((), "input"), (("a",), "input.a"), ((0,), "input[0]"), (("a b",), "input['a b']")]
)
def test_a_path_below_a_root(path, text):
    assert format_path(path, "input") == text


@given(paths)
def test_what_is_written_is_read_back(path):
    assert parse_path(format_path(path)) == path


@given(st.lists(paths, min_size=2, max_size=2, unique=True))
def test_no_two_paths_are_written_alike(two):
    assert format_path(two[0]) != format_path(two[1])


def test_keys_that_are_nearly_names_may_stand_unquoted():
    assert parse_path("order-id.line items.1st") == ("order-id", "line items", "1st")


@pytest.mark.parametrize(
    "text",
    ["", ".", "a.", ".a", "a..b", "a[", "a[]", "a[x]", "a[-1]", "a['b", "a['b']c", "a[0]b", "a]", "a.[0]", "['a'"],
)
def test_what_is_no_path_is_an_error_with_its_position(text):
    with pytest.raises(InputError, match="see position"):
        parse_path(text)


@given(st.text("ab.[]'\\0-é ", max_size=12))
def test_any_text_is_read_or_refused(text):
    try:
        path = parse_path(text)
    except InputError:
        return
    assert parse_path(format_path(path)) == path


def test_a_position_beyond_what_python_reads_is_refused():
    with pytest.raises(InputError):
        parse_path("a[" + "9" * 5000 + "]")


VALUE = {"b": {"z": 1, "a": [2, {"x": None}]}, "e": {}, "l": [], "a": "t"}


def test_leaves_come_in_document_order_and_empty_ones_are_leaves():
    assert list(leaves(VALUE)) == [
        (("b", "z"), 1),
        (("b", "a", 0), 2),
        (("b", "a", 1, "x"), None),
        (("e",), {}),
        (("l",), []),
        (("a",), "t"),
    ]


def test_lists_may_be_leaves_as_a_whole():
    assert list(leaves(VALUE["b"], ("b",), lists=False)) == [(("b", "z"), 1), (("b", "a"), [2, {"x": None}])]


@pytest.mark.parametrize("value", [None, 5, "text", {}, []])
def test_a_value_that_holds_nothing_is_its_own_leaf(value):
    assert list(leaves(value)) == [((), value)]


def test_depth_does_not_matter():
    value = 1
    for _ in range(3000):
        value = {"a": [value]}
    ((path, leaf),) = leaves(value)
    assert (len(path), leaf) == (6000, 1)


@pytest.mark.parametrize(
    ("path", "result"),
    [
        (("a",), {"a": 9, "b": {"c": 1}}),
        (("new",), {"a": 0, "b": {"c": 1}, "new": 9}),
        (("b", "c"), {"a": 0, "b": {"c": 9}}),
        (("b", "d", "e"), {"a": 0, "b": {"c": 1, "d": {"e": 9}}}),
        (("x", "y"), {"a": 0, "b": {"c": 1}, "x": {"y": 9}}),
    ],
)
def test_setting_makes_a_copy(path, result):
    target = {"a": 0, "b": {"c": 1}}
    assert assign(target, path, 9) == result
    assert target == {"a": 0, "b": {"c": 1}}


@pytest.mark.parametrize(("path", "place"), [(("a", "b"), "a"), (("b", 0), r"b\[0\]"), (("b", "c", "d"), "b.c")])
def test_nothing_is_set_below_what_is_no_object(path, place):
    with pytest.raises(InputError, match=rf"\(at {place}"):
        assign({"a": 0, "b": {"c": 1}}, path, 9)
