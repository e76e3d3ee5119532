"""How bodies are read: as exactly as any JSON, however fast: local/requests.py."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.local.refusals import Refused
from fgnb.local.requests import read_object
from fgnb.wire import Request
from tests.exact import exact

KEYS = st.text('ab:,"\\é', max_size=3)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)
SPACES = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "  :\t")])


def read(text):
    try:
        return exact(read_object(Request(method="POST", path="/", body=text)))
    except Refused as refused:
        return refused.message


def read_slowly(text):
    try:
        value = jsontext.loads(text.decode())
    except InputError as error:
        return str(error).splitlines()[0]
    return exact(value) if isinstance(value, dict) else "the body must be a JSON object"


@given(st.dictionaries(KEYS, VALUES, max_size=3), SPACES, st.booleans())
@example({"a": {"": 1}}, (",", ":"), True)
def test_bodies_are_read_as_exactly_as_everything_else(value, separators, escaped):
    text = json.dumps(value, separators=separators, ensure_ascii=escaped).encode()
    assert read(text) == read_slowly(text) == exact(value)


@given(st.lists(st.tuples(KEYS, VALUES), min_size=1, max_size=4), SPACES, st.booleans(), st.booleans())
def test_no_duplicate_key_gets_by(pairs, separators, escaped, nested):
    def dump(value):
        return json.dumps(value, separators=separators, ensure_ascii=escaped)

    members = separators[0].join(f"{dump(key)}{separators[1]}{dump(value)}" for key, value in pairs)
    text = f'{{"in": [{{{members}}}]}}' if nested else f"{{{members}}}"
    assert read(text.encode()) == read_slowly(text.encode())


@pytest.mark.parametrize(
    "body", [b"{", b"{}}", b'{"a":01}', b'{"a":1e400}', b'{"a":NaN}', b"\xef\xbb\xbf{}", b'{"a": 1,}', b"[" * 5000]
)
def test_what_is_wrong_with_a_body_is_told_in_the_same_words(body):
    assert read(body) == read_slowly(body)
