"""YAML 1.2 texts to JSON values: yamltext.py."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb import jsontext
from fgnb.errors import SyntaxProblem
from fgnb.yamltext import MAX_DEPTH, loads
from tests.exact import exact


@pytest.mark.parametrize(
    ("text", "value"),
    [
        # null, booleans: the core schema's spellings and no others
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nUll", "nUll"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False),
        ("NO", "NO"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("y", "y"), ("tRue", "tRue"),
        # integers
        ("0", 0), ("-0", 0), ("+12", 12), ("-7", -7), ("0o14", 12), ("0x1F", 31), ("0b11", "0b11"),
        ("1_000", "1_000"), ("-0x1F", "-0x1F"), ("0o8", "0o8"), ("190:20:30", "190:20:30"), (str(2**70), 2**70),
        # floats
        ("1.0", 1.0), ("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("1e3", 1000.0), ("+1.5E-2", 0.015), ("1e", "1e"),
        ("-0.0", -0.0), (".", "."), ("1.2.3", "1.2.3"), ("e3", "e3"), ("1e-999", 0.0),
        # what YAML 1.1 made dates of
        ("2026-11-22", "2026-11-22"), ("2026-11-22T08:00:00Z", "2026-11-22T08:00:00Z"), ("12:30:45", "12:30:45"),
        # quotes
        ("'5'", "5"), ('"5"', "5"), ("''", ""), ("'it''s'", "it's"), (r'"\u51fd\n\x41"', "函\nA"), ('"true"', "true"),
        (r'"\ud83d\ude00"', "😀"), (r'"\ud83d"', "\ud83d"),
        # tags of the core schema
        ("!!str 5", "5"), ("!!str true", "true"), ("! 5", "5"), ("!!int '5'", 5), ("!!float '1.5'", 1.5),
        ("!!float 1", 1.0), ("!!bool 'true'", True), ("!!null ''", None), ("!!str", ""), ("!!map {a: 1}", {"a": 1}),
        ("!!seq [1]", [1]),
    ],
)  # fmt: skip
def test_what_a_scalar_means(text, value):
    assert exact(loads(text)) == exact(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\nb: [x, {c: y}]\n", {"a": 1, "b": ["x", {"c": "y"}]}),
        ("- 1\n- - 2\n  - 3\n-\n", [1, [2, 3], None]),
        ("a: |\n  one\n   two\nb: >-\n  one\n  two\n", {"a": "one\n two\n", "b": "one two"}),
        ("a: |+\n  5\n\nb: |-\n  true\n", {"a": "5\n\n", "b": "true"}),
        ("a: plain\n  goes on\n", {"a": "plain goes on"}),
        ("# a comment\na: 1 # another\n", {"a": 1}),
        ("%YAML 1.2\n---\na: 1\n...\n", {"a": 1}),
        ("%YAML 1.1\n---\na: no\n", {"a": "no"}),
        ("--- 5", 5),
        ("? a\n: 1\n", {"a": 1}),
        ("a:\nb:\n", {"a": None, "b": None}),
        ("{a, b: , 'c':1}", {"a": None, "b": None, "c": 1}),
        ("a: &x [1, 2]\nb: *x\n", {"a": [1, 2], "b": [1, 2]}),
        ("a: &x 1\nb: &x 2\nc: *x\n", {"a": 1, "b": 2, "c": 2}),
        ("&k key: &v value\nother: *v\n", {"key": "value", "other": "value"}),
        # the merge key of YAML 1.1 is an ordinary key
        ("a: &x {n: 1}\nb:\n  '<<': *x\n", {"a": {"n": 1}, "b": {"<<": {"n": 1}}}),
        # keys become texts
        ("1: a\n2.5: b\ntrue: c\n~: d\nNO: e\n", {"1": "a", "2.5": "b", "true": "c", "~": "d", "NO": "e"}),
        ("'1': a\n!!int 2: b\n.nan: c\n", {"1": "a", "2": "b", ".nan": "c"}),
        (": empty\n", {"": "empty"}),
    ],
)
def test_what_a_document_means(text, value):
    assert exact(loads(text)) == exact(value)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a'"),
        ("1: a\n'1': b\n", 2, 1, "duplicate key '1'"),
        ("a: {b: 1, b: 2}\n", 1, 11, "duplicate key 'b'"),
        ("a: .nan\n", 1, 4, ".nan is not a JSON value"),
        ("- 1\n- NaN\n", 2, 3, "NaN is not a JSON value"),
        ("- -.inf\n", 1, 3, "-.inf is not a JSON value"),
        ("- Infinity\n", 1, 3, "Infinity is not a JSON value"),
        ("a: 1e999\n", 1, 4, "beyond the range"),
        ("a: " + "9" * 5000, 1, 4, "digits"),
        ("a: !!python/object:os.system x\n", 1, 4, "tag"),
        ("a: !mine {}\n", 1, 4, "tag"),
        ("a: !!set {x}\n", 1, 4, "tag"),
        ("a: !!binary aGk=\n", 1, 4, "tag"),
        ("!mine a: 1\n", 1, 1, "tag"),
        ("a: !!timestamp 2026-11-22\n", 1, 4, "tag"),
        ("a: !!int abc\n", 1, 4, "!!int"),
        ("a: !!bool 5\n", 1, 4, "!!bool"),
        ("a: !!null x\n", 1, 4, "!!null"),
        ("a: !!int 1.5\n", 1, 4, "!!int"),
        ("a: !!map [1]\n", 1, 4, "!!map"),
        ("a: !!seq {b: 1}\n", 1, 4, "!!seq"),
        ("? [a]\n: 1\n", 1, 3, "key"),
        ("a: &x {n: 1}\nb:\n  <<: *x\n", 3, 3, "YAML 1.2 has no merge keys"),
        ("? {a: 1}\n: 1\n", 1, 3, "key"),
        ("a: 1\n---\nb: 2\n", 2, 1, "second document"),
        ("a: *nope\n", 1, 4, "nope"),
        ("a: &x [*x]\n", 1, 8, "x"),
        ("a: b: c\n", 1, 5, "not YAML"),
        ("a: [1, 2\n", 1, 4, "not closed"),
        ("a: 'open\n", 1, 4, "not closed"),
        ("\ta: 1\n", 1, 1, "not YAML"),
        ("a: @x\n", 1, 4, "not YAML"),
        ('a: "\\q"\n', 1, 6, "not YAML"),
    ],
)
def test_what_is_not_allowed_is_told_with_line_and_column(text, line, column, words):
    with pytest.raises(SyntaxProblem) as caught:
        loads(text)
    problem = caught.value
    assert words in problem.reason
    assert (problem.line, problem.column) == (line, column)
    assert problem.source == text


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x7f", "\ud800"])
def test_a_character_that_yaml_does_not_allow_is_told_with_its_place(character):
    with pytest.raises(SyntaxProblem, match="not YAML") as caught:
        loads(f"a: 1\nb: x{character}\n")
    assert (caught.value.line, caught.value.column) == (2, 5)


def test_a_billion_laughs_are_not_laughed():
    lines = ["a0: &a0 [" + ", ".join(["lol"] * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 20)]
    started = time.process_time()
    with pytest.raises(SyntaxProblem, match="more than 1,000,000 values"):
        loads("\n".join(lines))
    assert time.process_time() - started < 20


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "[{a: "])
def test_deep_nesting_is_an_error_not_a_crash(opening):
    started = time.process_time()
    with pytest.raises(SyntaxProblem, match="nested deeper"):
        loads(opening * 300)
    assert time.process_time() - started < 30
    assert loads("[" * MAX_DEPTH + "]" * MAX_DEPTH) is not None


def test_half_a_megabyte_of_brackets_is_refused_quickly():
    started = time.process_time()
    with pytest.raises(SyntaxProblem):
        loads("[" * 500_000)
    assert time.process_time() - started < 60


def test_the_caller_decides_what_scalars_mean():
    seen = []

    def scalar(text, plain):
        seen.append((text, plain))
        if text == "bad":
            raise ValueError("it is bad")
        return {"text": text} if plain else text

    assert loads("k: plain\n'q': 'quoted'\n", lambda text, plain: text if text == "k" else scalar(text, plain)) == {
        "k": {"text": "plain"},
        "q": "quoted",
    }
    assert seen == [("plain", True), ("q", False), ("quoted", False)]  # a key is never plain
    with pytest.raises(SyntaxProblem, match="it is bad") as caught:
        loads("a:\n  - 'bad'", lambda text, plain: text if text == "a" else scalar(text, plain))
    assert (caught.value.line, caught.value.column) == (2, 5)
    with pytest.raises(SyntaxProblem, match="it is bad") as caught:
        loads("- 1\n- bad: 5\n", scalar)
    assert (caught.value.line, caught.value.column) == (2, 3)


printable = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")
texts = st.text(printable, max_size=10)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


@given(values, st.sampled_from([None, 2]), st.booleans())
def test_json_is_yaml(value, indent, ascii):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii)
    assert exact(loads(text)) == exact(jsontext.loads(text))


@given(st.text("ab:-[]{},'\"&*!|>%#?\n \t01.~", max_size=30))
def test_any_text_is_read_or_refused_with_a_place(text):
    try:
        value = loads(text)
    except SyntaxProblem as problem:
        assert problem.line >= 1  # noqa: PT017
        assert problem.column >= 1  # noqa: PT017
    else:
        assert exact(jsontext.loads(jsontext.dumps(value).decode())) == exact(value)
