"""Masks what looks like a secret before a run is kept: each becomes ``***``, and all else stays as it is.

A value is masked if its key has one of these words, in any case and however the words are joined
(``dbPassword``, ``X-Auth-Token``, ``secret_key``, ``apikey``):

- password, passwd, pwd, passphrase, passcode, secret, token, authorization, cookie, credential, signature,
  密码, 密钥, 令牌; several of them, as in ``secrets``, too;
- api key, access key, private key, secret key, session key, session id;
- ``ak``, ``sk``, ``auth`` as the whole key.

Not if the key says that it is about one: ``token_count``, ``password_length``, ``secretName``. Under ``tokens``
texts are masked, and numbers count something. Of objects and lists the leaves are masked; true, false
and null never are.

A text is masked in part, whatever its key, where it holds ``Bearer …``, a JSON Web Token, a private key in
PEM, the password of a URL, or a value behind such a key: ``"password": "…"`` as in JSON or Python, however
often it was quoted, ``password: '…'``, ``password=…``. Words after a bare ``password:`` are a sentence's. A
text that is itself a JSON object, as a function's failure is, is masked like one.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fgnb import jsontext
from fgnb.secret import HIDDEN

_WORDS = (
    "password", "passwd", "passphrase", "passcode", "secret", "token", "authorization", "cookie", "credential",
    "signature", "apikey", "accesskey", "secretkey", "privatekey", "sessionkey", "sessionid",
)  # fmt: skip
_WHOLE = frozenset(["ak", "sk", "auth"])
_CHINESE = ("密码", "密钥", "令牌")
_ABOUT = frozenset(
    [
        "count", "counts", "limit", "max", "min", "usage", "used", "type", "name", "names", "expires", "expiry", "ttl",
        "length", "size", "index", "hint", "policy", "required", "enabled",
    ]
)  # fmt: skip
_SPLIT = re.compile(r"[^0-9A-Za-z\u4e00-\u9fff]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_CHINESE_BYTES = tuple(word.encode().decode("latin-1") for word in _CHINESE)  # as `_may_need_it` reads them

_IN_TEXTS = re.compile(
    r"(?P<before>\b[Bb]earer +)[\w.~+/-]{8,}=*"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----.*?(?:-----END (?:[A-Z]+ )*PRIVATE KEY-----|\Z)"
    r"|(?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)",
    re.DOTALL,
)
# A key within a text with what leads to its value; a text in a text has backslashes before its quotes.
_KEY = re.compile(
    r"(?:(?P<mark>\\{0,7}+[\"'])(?P<quoted>[^\"'\\]{1,64}+)(?P=mark)|(?<![\w.-])(?P<plain>[\w.-]{1,64}+))"
    r"(?P<sign>\s{0,99}+(?::|={1,3}+>?)\s{0,99}+)"
)
_VALUE = re.compile(
    r"(?P<mark>\\{0,7}+[\"'])(?P<text>.*?)(?:(?<!\\)(?P=mark)|\Z)"
    r"|(?P<bare>[\[{][^\]}]*[\]}]?|[^\s,;&=<>()\[\]{}\"'\\][^\s,;&<>()\[\]{}\"'\\]*)",
    re.DOTALL,
)
_NO_SECRETS = ("", HIDDEN, "null", "true", "false", "None", "True", "False")


@lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether what stands under a key looks like a secret."""
    if any(word in key for word in _CHINESE):
        return True
    words = [word.lower() for word in _SPLIT.split(key) if word]
    if len(words) == 1 and words[0] in _WHOLE:
        return True
    if "pwd" in words:
        return True
    if not _ABOUT.isdisjoint(words):
        return False
    # Each word by itself, one at the end of joined ones (dbpassword), and what capitals part (PassWord, ApiKey).
    parts = [*words, *map("".join, itertools.pairwise(words))]
    return any(part.endswith(_WORDS) or part.removesuffix("s").endswith(_WORDS) for part in parts)


def _counts(key: str) -> bool:
    """Whether numbers under a key that looks like a secret count something, as in ``max_tokens``."""
    return key.lower().endswith("tokens")


def masked(value: Any) -> Any:
    """Return a JSON value with all secrets masked; the same object if there are none."""
    if isinstance(value, dict):
        return _changed(
            value,
            {
                key: _hidden(member, numbers=not _counts(key)) if is_secret(key) else masked(member)
                for key, member in value.items()
            },
        )
    if isinstance(value, list):
        return _changed(value, [masked(item) for item in value])
    return masked_text(value) if isinstance(value, str) else value


def _hidden(value: Any, *, numbers: bool) -> Any:
    if isinstance(value, dict):
        return _changed(value, {key: _hidden(member, numbers=numbers) for key, member in value.items()})
    if isinstance(value, list):
        return _changed(value, [_hidden(item, numbers=numbers) for item in value])
    if value is None or isinstance(value, bool) or value == HIDDEN or not (numbers or isinstance(value, str)):
        return value
    return HIDDEN


def _changed(old: Any, new: Any) -> Any:
    """Return the old object or list if all in the new one is the same."""
    pairs = zip(old.values(), new.values(), strict=True) if isinstance(old, dict) else zip(old, new, strict=True)
    return old if all(a is b for a, b in pairs) else new


def masked_text(text: str) -> str:
    """Return a text with the secrets in it masked; the same object if there are none."""
    if not _may_need_it(text, _CHINESE):
        return text
    if text.lstrip()[:1] == "{":
        try:
            inner = jsontext.loads_answer(text)
        except (ValueError, RecursionError):
            pass
        else:
            changed = masked(inner)
            return text if changed is inner else jsontext.dumps(changed).decode()
    changed = _IN_TEXTS.sub(_without, _without_values(text))
    return text if changed == text else changed


def _without(found: re.Match[str]) -> str:
    return (found["before"] or found["user"] or "") + HIDDEN


def _without_values(text: str) -> str:
    """Return a text with the values behind keys that look like secrets masked."""
    parts: list[str] = []
    kept = start = 0
    while (found := _KEY.search(text, start)) is not None:
        start = found.end()
        key = found["quoted"] or found["plain"]
        if not is_secret(key) or (value := _VALUE.match(text, start)) is None:
            continue
        bare = value["bare"]
        if bare is not None and (
            (found["plain"] is not None and found["sign"] != "=") or (_counts(key) and bare.isdecimal())
        ):
            continue
        begin, end = value.span("text" if bare is None else "bare")
        if text[begin:end] not in _NO_SECRETS:
            parts += text[kept:begin], HIDDEN
            kept = start = end
    return "".join((*parts, text[kept:]))


def mask_json(text: bytes) -> bytes:
    """Return a JSON text masked as `masked` does; the same object if there is nothing to mask.

    A text that is no JSON, such as a workflow streams, comes back as it is.
    """
    if not _may_need_it(text.decode("latin-1"), _CHINESE_BYTES):  # a look into str takes a tenth of one into bytes
        return text
    try:
        value = jsontext.loads_answer(text)
        changed = masked(value)
    except (ValueError, RecursionError):
        return text
    return text if changed is value else jsontext.dumps(changed)


def _may_need_it(text: str, chinese: Sequence[str]) -> bool:
    """Whether a text has what a masked key or text has: a look that costs little, for most have none."""
    low = text.lower()
    ends = low.replace("\\", "").replace("'", '"').replace("=", '"')  # of keys in texts
    return (
        "key" in low
        or "pass" in low
        or "token" in low
        or "secret" in low
        or "session" in low
        or "cookie" in low
        or "credential" in low
        or "authoriz" in low
        or "signature" in low
        or "pwd" in low
        or "bearer" in low
        or "eyj" in low
        or 'ak"' in ends
        or 'sk"' in ends
        or 'auth"' in ends
        or ("@" in low and "://" in low)
        or ("\\" in low and "\\u" in low)  # which may hide any of them
        or (not text.isascii() and any(word in text for word in chinese))
    )
