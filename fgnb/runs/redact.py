"""Masks what looks like a secret before it is written: values under keys such as ``password`` or ``accessToken``."""

from __future__ import annotations

import itertools
import re
from typing import Any

from fgnb import jsontext
from fgnb.secret import HIDDEN

_WORDS = frozenset(
    [
        "password",
        "passwd",
        "pwd",
        "passphrase",
        "secret",
        "secrets",
        "token",
        "authorization",
        "cookie",
        "credential",
        "credentials",
        "signature",
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "authtoken",
        "accesstoken",
        "密码",
        "密钥",
        "令牌",
    ]
)
_PAIRS = frozenset([("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("session", "key")])
_WHOLE = frozenset(["ak", "sk"])
_COUNTS = frozenset(["count", "limit", "max", "min", "usage", "type", "name", "expires", "length"])
_SPLIT = re.compile(r"[^0-9A-Za-z\u4e00-\u9fff]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# The words, in any case; a backslash-u may hide one of them.
_MAY = re.compile(
    rb"(?i)pass|pwd|secret|token|authoriz|cookie|credential|signature|key|\"ak\"|\"sk\"|\\u|"
    + "密码|密钥|令牌".encode()
)


def is_secret(key: str) -> bool:
    """Whether what stands under a key looks like a secret."""
    words = [word.casefold() for word in _SPLIT.split(key) if word]
    if len(words) == 1 and words[0] in _WHOLE:
        return True
    if any(word in _COUNTS for word in words):
        return False
    return any(word in _WORDS for word in words) or any(pair in _PAIRS for pair in itertools.pairwise(words))


def masked(value: Any) -> Any:
    """Return a JSON value with ``***`` for each text and number under a key that looks like a secret.

    Objects and lists keep their form. The same object comes back if there is nothing to mask.
    """
    if isinstance(value, dict):
        changed = {key: _hidden(member) if is_secret(key) else masked(member) for key, member in value.items()}
        return changed if any(changed[key] is not member for key, member in value.items()) else value
    if isinstance(value, list):
        items = [masked(item) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(member) for key, member in value.items()} if value else value
    if isinstance(value, list):
        return [_hidden(item) for item in value] if value else value
    return value if value is None or isinstance(value, bool) or value == HIDDEN else HIDDEN


def mask_json(text: bytes) -> bytes:
    """Return a JSON text masked as `masked` does; the same object if there is nothing to mask, or it is no JSON."""
    if _MAY.search(text) is None:
        return text
    try:
        value = jsontext.loads_answer(text)
    except ValueError:
        return text
    changed = masked(value)
    return text if changed is value else jsontext.dumps(changed)
