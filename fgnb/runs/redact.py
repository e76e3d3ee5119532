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
PEM, the password of a URL, or the signature of a signed request. A text that is itself a JSON object, as
a function's failure is, is masked like one.
"""

from __future__ import annotations

import itertools
import re
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
    r"|(?P<user>://[^/\s:@]*:)[^/\s@]+(?=@)"
    r"|(?P<signed>\bSignature=)[0-9A-Fa-f]{16,}",
    re.DOTALL,
)


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
    if text.lstrip()[:1] == "{":
        try:
            inner = jsontext.loads_answer(text)
        except (ValueError, RecursionError):
            pass
        else:
            changed = masked(inner)
            return text if changed is inner else jsontext.dumps(changed).decode()
    changed = _IN_TEXTS.sub(_without, text)
    return text if changed == text else changed


def _without(found: re.Match[str]) -> str:
    return (found["before"] or found["user"] or found["signed"] or "") + HIDDEN


def mask_json(text: bytes) -> bytes:
    """Return a JSON text masked as `masked` does; the same object if there is nothing to mask.

    A text that is no JSON, such as a workflow streams, comes back as it is.
    """
    if not _may_need_it(text):
        return text
    try:
        value = jsontext.loads_answer(text)
        changed = masked(value)
    except (ValueError, RecursionError):
        return text
    return text if changed is value else jsontext.dumps(changed)


def _may_need_it(text: bytes) -> bool:
    """Whether a JSON text has what a masked key or text has: a look that costs little, for most have none."""
    plain = text.decode("latin-1")  # a look into str takes a tenth of one into bytes
    low = plain.lower()
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
        or 'ak"' in low
        or 'sk"' in low
        or 'auth"' in low
        or ("@" in low and "://" in low)
        or ("\\" in low and "\\u" in low)  # which may hide any of them
        or (not text.isascii() and any(word in plain for word in _CHINESE_BYTES))
    )
