"""JSON texts, exactly: jsontext.py."""

import json
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError, SyntaxProblem
from fgnb.jsontext import dumps, loads, loads_answer
from fgnb.paths import format_path
from tests.exact import exact

texts = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=12)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(values)
def test_every_json_value_survives_the_way_through_text(value):
    data = dumps(value)
    assert exact(loads(data.decode())) == exact(value)
    assert exact(loads_answer(data)) == exact(value)


@given(values, st.booleans())
def test_an_answer_is_read_as_the_standard_library_does(value, ascii):
    text = json.dumps(value, ensure_ascii=ascii)
    expected = exact(json.loads(text))
    assert exact(loads_answer(text)) == expected
    if ascii or text.isascii():
        assert exact(loads_answer(text.encode())) == expected
    assert exact(loads(text)) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-0", 0),
        ("-0.0", -0.0),
        ("1.0", 1.0),
        ("1E5", 100000.0),
        ("12345678901234567890123", 12345678901234567890123),
        ("1e-999", 0.0),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ud83d"),
        (r'"\u0000\/"', "\x00/"),
        (" \t\r\n[ ] ", []),
        ("9" * 4300, int("9" * 4300)),
    ],
)
def test_both_readers_agree(text, value):
    assert exact(loads(text)) == exact(value)
    assert exact(loads_answer(text.encode())) == exact(value)


def test_dumps_is_compact_and_writes_characters_as_themselves():
    assert dumps({"a": [1, 2], "函": "é"}) == '{"a":[1,2],"函":"é"}'.encode()
    assert dumps("\ud800é") == b'"\\ud800\\u00e9"'


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("{", 1, 2),
        ("[1,]", 1, 3 if sys.version_info >= (3, 13) else 4),
        ("{'a': 1}", 1, 2),
        ("{\n  'a': 1}", 2, 3),
        ("[1] 2", 1, 5),
        ("01", 1, 2),
        ('{"a" 1}', 1, 6),
        ('"a\nb"', 1, 3),
        ('"\\x"', 1, 2),
        ("nan", 1, 1),
        ("// no\n1", 1, 1),
        ("\ufeff1", 1, 1),
    ],
)
def test_what_is_not_json_is_told_with_line_and_column(text, line, column):
    with pytest.raises(SyntaxProblem, match="not JSON") as caught:
        loads(text)
    problem = caught.value
    assert (problem.line, problem.column, problem.source) == (line, column, text)
    assert f"line {line}, column {column}" in str(problem)
    if not text.startswith("\ufeff"):  # a mark that a program may well put there
        with pytest.raises(ValueError):
            loads_answer(text.encode())


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('{"a": 1, "a": 2}', "a", "duplicate key 'a'"),
        ('{"x": [{"b": 1, "c": 1, "b": 1}]}', "x[0].b", "duplicate key 'b'"),
        ('{"": 1, "": 2}', "['']", "duplicate key ''"),
        ('{"a": {"x": NaN}, "a": 2}', "a", "duplicate key 'a'"),
        ('{"k": {"a": [{"x": 1, "x": 2}, NaN], "a": {}}, "z": NaN}', "k.a", "duplicate key 'a'"),
        ('{"a": [1, NaN]}', "a[1]", "NaN"),
        ('{"a b": -Infinity}', "['a b']", "-Infinity"),
        ('{"a": {"b": Infinity}}', "a.b", "Infinity"),
        ("NaN", None, "NaN"),
        ('{"a": 1e999}', "a", "1e999 is beyond"),
        ('{"a": -1e999}', "a", "-1e999 is beyond"),
        ('{"a": NaN, "b": {"c": 1, "c": 2}}', "a", "NaN"),
    ],
)
def test_what_json_does_not_allow_is_told_with_its_path(text, path, words):
    with pytest.raises(InputError) as caught:
        loads(text)
    assert caught.value.path == path
    assert words in caught.value.message


@given(st.lists(texts | st.integers(0, 3), max_size=4).map(tuple))
def test_a_nan_is_found_wherever_it_is(path):
    text = "NaN"
    for step in reversed(path):
        text = f"{{{json.dumps(step)}: {text}}}" if isinstance(step, str) else "[" + "0, " * step + text + "]"
    with pytest.raises(InputError) as caught:
        loads(text)
    assert caught.value.path == (format_path(path) or None)


def test_many_things_that_are_not_allowed_take_no_longer_than_one():
    text = '{"big": [' + "0," * 200_000 + '0], "x": {"a": [' + "NaN," * 20_000 + '0], "a": 1}}'
    started = time.process_time()
    with pytest.raises(InputError, match="duplicate key"):
        loads(text)
    assert time.process_time() - started < 20


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000])
def test_what_is_nested_too_deeply_is_an_error_not_a_crash(text):
    with pytest.raises(InputError, match="too deeply"):
        loads(text)
    with pytest.raises(ValueError, match="too deeply"):
        loads_answer(text.encode())


def test_a_nan_far_down_is_an_error_not_a_crash():
    with pytest.raises(InputError):
        loads("[" * 900 + "NaN" + "]" * 900)


def test_an_integer_beyond_what_python_reads_is_refused():
    for read in (loads, lambda text: loads_answer(text.encode())):
        with pytest.raises(ValueError, match="digits"):
            read("[" + "9" * 5000 + "]")
    with pytest.raises(InputError, match="digits"):
        dumps([10**5000])


@pytest.mark.parametrize(
    "data", [b"1e999", b"[-1e999]", b"NaN", b"[Infinity]", b"", b"<html>", b'"\xff"', b"{'a': 1}", b"[1] 2"]
)
def test_an_answer_that_is_not_json_is_a_value_error(data):
    with pytest.raises(ValueError):
        loads_answer(data)


def test_the_last_of_duplicate_keys_wins_in_an_answer():
    assert loads_answer(b'{"a": 1, "a": 2}') == {"a": 2}
    assert loads_answer(b'{"a": 1, "a": "\\ud800"}') == {"a": "\ud800"}


def test_integers_just_beyond_64_bits_are_read_as_they_stand():
    # msgspec 0.18 took 2**64 off some of them
    for number in (2**63, 2**64 - 1, 2**64, 2**64 + 1, 10**18 + 1 + 2**64, 10**40):
        assert loads_answer(str(number)) == number
        assert loads_answer(str(-number)) == -number
