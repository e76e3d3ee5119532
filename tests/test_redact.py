"""What is masked before a run is kept, and what is not: runs/redact.py."""

import json
import time

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
        ('bad event {"password": "hidden", "qty": 3}', 'bad event {"password": "***", "qty": 3}'),
        ('bad {"a": {"db_password" : "hid\\"den", "n": 1', 'bad {"a": {"db_password" : "***", "n": 1'),
        ("KeyError: {'Password': 'hidden'} lacks 'qty'", "KeyError: {'Password': '***'} lacks 'qty'"),
        ('body "{\\"token\\": \\"hid\\\\\\"den\\"}" refused', 'body "{\\"token\\": \\"***\\"}" refused'),
        ('x {\\\\\\"ak\\\\\\": \\\\\\"hidden\\\\\\"}', 'x {\\\\\\"ak\\\\\\": \\\\\\"***\\\\\\"}'),
        ('cut off: {"secret": "hid', 'cut off: {"secret": "***'),
        ('x {"credentials": {"user": "hidden", "n": 1}, "qty": 3}', 'x {"credentials": ***, "qty": 3}'),
        ('x {"pwd": 12345, "qty": 3}', 'x {"pwd": ***, "qty": 3}'),
        ("Server=db;User=me;Password=hid-den=;Timeout=3", "Server=db;User=me;Password=***;Timeout=3"),
        ("GET /x?access_token=hidden&page=2 failed", "GET /x?access_token=***&page=2 failed"),
        ("Config(user='me', password='hid den', sk=hidden)", "Config(user='me', password='***', sk=***)"),
        ("ran --db-password=hidden -v", "ran --db-password=*** -v"),
        ("error: password=hidden", "error: password=***"),
        ("api_key: 'hidden' is unknown", "api_key: '***' is unknown"),
        ("用户密码=hidden", "用户密码=***"),
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
        "-----BEGIN CERTIFICATE-----", "a: b@c", "wrong password: try again", "the token is 'x'", "password == hidden",
        'x {"max_tokens": 5, "token": null, "sort_key": "a"}', "max_tokens=5, secret=None", "token=", "password: ",
        "unknown key: 'sku'", "password", '"password":', "token=***&x=1", 'x {"password": "***"}',
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


fragments = st.sampled_from(
    ["password", "api_key", "name", "ak", "密码", "tokens", "Bearer ", "x", "12", "{", "}", "[", "]", ":", "=", ">",
     ",", "&", " ", "\n", '"', "'", "\\", '\\"', "\\\\", "://", "@", "***", "null"]
)  # fmt: skip


@given(st.lists(fragments | st.text(max_size=3), max_size=30).map("".join))
def test_any_text_is_masked_once_and_for_all(text):
    once = masked_text(text)
    assert masked_text(once) is once
    assert jsontext.loads_answer(mask_json(jsontext.dumps([text]))) == [once]


@given(
    st.lists(fragments.filter(lambda part: not is_secret(part)) | st.text("ehlo :=\"'{}\\"), max_size=30).map("".join)
)
def test_a_text_without_such_keys_stays(text):
    found = masked_text(text)
    assert found is text or "Bearer" in text or "@" in text


@given(
    st.sampled_from(['{{"password": {}}}', "{{'a': 1, 'password': {}}}", "password={}", "password: {}"]),
    st.text("abcxyz\\\"' {}[]:,=&", min_size=1, max_size=12).map(lambda text: f"hid{text}den"),
    st.integers(0, 2),
)
def test_no_quoted_value_behind_such_a_key_is_left_however_often_it_was_quoted(form, value, times):
    text = form.format(json.dumps(value))
    for _ in range(times):
        text = json.dumps(text)[1:-1]
    found = masked_text(f"refused: {text}")
    assert "hid" not in found
    assert "den" not in found


def test_a_long_text_of_anything_takes_no_time():
    pieces = ["\\", '"', "'", "a", "a.", "password", "password=", 'password="', '"password": ', "{", " ", ":", "=", "@"]
    for piece in pieces:
        began = time.process_time()
        masked_text("password " + piece * 50_000)
        assert time.process_time() - began < 1


@given(values, st.sampled_from(["password", "apiKey", "Cookie", "令牌"]))
def test_nothing_under_a_secret_key_is_left(value, key):
    left = [leaf for leaf in leaves_of(masked({key: value})[key]) if leaf not in ("***", None, True, False)]
    assert left == []


def leaves_of(value):
    if isinstance(value, dict):
        return [leaf for member in value.values() for leaf in leaves_of(member)]
    return [leaf for item in value for leaf in leaves_of(item)] if isinstance(value, list) else [value]
