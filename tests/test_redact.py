"""What is masked before a run is kept, and what is not: runs/redact.py."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb import jsontext
from fgnb.runs.redact import is_secret, mask_json, masked, masked_text
from tests.exact import exact
from tests.runs import values

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----"


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "db_password", "dbPassword", "dbpassword", "userPasswd", "pwd", "passphrase", "secret",
        "clientSecret", "client_secrets", "token", "access_token", "accessToken", "accesstoken", "X-Auth-Token",
        "securityToken", "Authorization", "set-cookie", "cookies", "credential", "credentials", "apiKey", "api_key",
        "apikey", "API-Keys", "AccessKey", "access.key", "privateKey", "secret key", "signature", "ak", "SK", "auth",
        "sessionKey", "session_id", "PassWord", "密码", "用户密码", "密钥", "令牌", "userToken2",
    ],
)  # fmt: skip
def test_keys_that_look_like_secrets(key):
    if key == "userToken2":
        assert not is_secret(key)  # a word of its own: token2
        return
    assert is_secret(key)
    assert masked({key: "hidden", "other": 1}) == {key: "***", "other": 1}


@pytest.mark.parametrize(
    "key",
    [
        "token_count", "tokenCount", "maxTokenLimit", "password_length", "secretName", "secretary", "key", "keyboard",
        "monkey", "primary_key", "sort_key", "public_key", "passwordless", "tokenizer", "compass", "passenger", "skip",
        "ask", "author", "authored", "authority", "mask", "sku", "session", "signatory", "pass", "id", "passed", "",
    ],
)  # fmt: skip
def test_keys_that_do_not(key):
    assert not is_secret(key)
    value = {key: "shown"}
    assert masked(value) is value


def test_form_and_what_is_no_text_or_number_stay():
    value = {"secret": {"a": [1, "x", None, True, {}], "b": []}, "tokens": 17, "max_tokens": [5, "t"], "none": None}
    assert masked(value) == {
        "secret": {"a": ["***", "***", None, True, {}], "b": []}, "tokens": 17, "max_tokens": [5, "t"], "none": None,
    }  # fmt: skip
    assert masked({"tokens": ["a", 1]}) == {"tokens": ["***", 1]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bearer abcdefgh12345678", "Bearer ***"),
        ("sent bearer abcdefgh.12345678== twice", "sent bearer *** twice"),
        (JWT, "***"),
        (f"got {JWT}, refused", "got ***, refused"),
        (PEM, "***"),
        ("x -----BEGIN PRIVATE KEY-----\ncut off", "x ***"),
        ("https://user:hidden@host/x?y", "https://user:***@host/x?y"),
        ("SDK-HMAC-SHA256 Access=AK, Signature=0123456789abcdef0123", "SDK-HMAC-SHA256 Access=AK, Signature=***"),
        ('{"errorMessage": "no", "event": {"password": "hidden"}}', '{"errorMessage":"no","event":{"password":"***"}}'),
    ],
)
def test_texts_that_are_secrets_themselves(text, expected):
    assert masked_text(text) == expected
    assert masked({"message": [text]}) == {"message": [expected]}
    assert jsontext.loads_answer(mask_json(jsontext.dumps({"message": text}))) == {"message": expected}


@pytest.mark.parametrize(
    "text",
    [
        "", "bearer of news", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "eyJust a name.x.y",
        "48aff955-ea10-4ffd-b426-190bc192dc14", "https://host:8080/a@b", "{not json", '{"a": 1}',
        "2026-11-22T08:00:00Z",
        "-----BEGIN CERTIFICATE-----", "a: b@c",
    ],
)  # fmt: skip
def test_texts_that_are_not(text):
    assert masked_text(text) is text


def test_what_is_no_json_comes_back_as_it_is():
    for text in (b"password=hidden", b'{"password": ', b"\xff\xfetoken", b"[" * 100_000 + b'"token"'):
        assert mask_json(text) is text


@pytest.mark.parametrize(
    "text", [b'{"pass\\u0077ord": "hidden"}', b'{"\\u5bc6\\u7801": "hidden"}', b'{"PassWord":"hidden"}']
)
def test_keys_are_read_however_they_are_written(text):
    assert b"hidden" not in mask_json(text)


secretish = st.sampled_from(["password", "Token", "x_api-key", "密码", "ak", "tokens", "name", "token_count", "n"])
nested = st.recursive(
    values | st.sampled_from([JWT, "Bearer abcdefgh12345678", '{"secret": "x"}']),
    lambda inner: st.dictionaries(secretish, inner, max_size=3) | st.lists(inner, max_size=3),
    max_leaves=12,
)


def shape(value):
    if isinstance(value, dict):
        return [(key, shape(member)) for key, member in value.items()]
    return [shape(item) for item in value] if isinstance(value, list) else None


@given(nested)
def test_form_stays_masking_twice_changes_nothing_and_texts_are_masked_as_values(value):
    once = masked(value)
    assert shape(once) == shape(value)
    assert masked(once) is once
    for text in (jsontext.dumps(value), json.dumps(value).encode()):
        found = mask_json(text)
        assert exact(jsontext.loads_answer(found)) == exact(once)
        if once is value:
            assert found is text


@given(values, st.sampled_from(["password", "apiKey", "Cookie", "令牌"]))
def test_nothing_under_a_secret_key_is_left(value, key):
    left = [leaf for leaf in leaves_of(masked({key: value})[key]) if leaf not in ("***", None, True, False)]
    assert left == []


def leaves_of(value):
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in leaves_of(member)]
    return [leaf for item in value for leaf in leaves_of(item)] if isinstance(value, list) else [value]
