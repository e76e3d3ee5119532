"""A secret is in nothing that shows, writes or sends a value, but in `reveal`."""

import copy
import json
import logging
import pickle
import traceback

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import ConfigError
from fgnb.secret import Secret

CANARY = "canary-7f3a9c-secret"
SECRET = Secret(CANARY)


@pytest.mark.parametrize(
    "show",
    [
        repr, str, ascii, "{}".format, "{!r:>30}".format, "%s".__mod__, lambda s: f"{s:>40}",
        lambda s: repr([s, {s: s}]),
        dir, lambda s: [getattr(s, name) for name in dir(s) if name != "reveal"], lambda s: s.__slots__,
        lambda s: pd.DataFrame({"key": [s]}).to_html(), lambda s: pd.Series([s]).to_string(),
    ],
)  # fmt: skip
def test_nothing_shows_it(show):
    assert CANARY not in str(show(SECRET))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="not pickled") as caught:
        pickle.dumps({"key": SECRET}, protocol)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, msgspec.msgpack.encode, vars])
def test_it_is_not_written(encode):
    with pytest.raises(TypeError) as caught:
        encode(SECRET)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_it_is_not_logged(caplog):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("test").debug("%s %r", SECRET, SECRET)
    assert caplog.messages == ["*** Secret(***)"]


def test_copies_are_the_secret_itself():
    assert copy.copy(SECRET) is SECRET
    assert copy.deepcopy([SECRET])[0] is SECRET
    assert Secret(SECRET) == SECRET


def test_equal_texts_are_equal_secrets():
    assert {Secret("a"), Secret(" a\n")} == {Secret("a")}
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_what_goes_in_comes_out(text):
    assert Secret(f"\t {text}\r\n").reveal() == text


@pytest.mark.parametrize("wrong", ["", "  ", CANARY.encode(), None, 5])
def test_what_is_no_text_is_refused_without_repeating_it(wrong):
    with pytest.raises(ConfigError, match="a secret must") as caught:
        Secret(wrong)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
