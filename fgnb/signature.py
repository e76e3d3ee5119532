"""Requests signed with an access key: Huawei Cloud's ``SDK-HMAC-SHA256``, as pure functions.

The rules are those of the API Request Signing Guide (devg-apisign, api-sign-algorithm-001 to -005).
The official SDK's signer agrees with them, but for two habits of it: it takes any value of
``X-Sdk-Content-Sha256`` as the body's hash (the guide knows only ``UNSIGNED-PAYLOAD``), and ignores
that header where the body is empty. Here, the guide is followed.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, unquote

from fgnb.secret import Secret

ALGORITHM = "SDK-HMAC-SHA256"
DATE_HEADER = "x-sdk-date"
CONTENT_HEADER = "x-sdk-content-sha256"
TOKEN_HEADER = "x-security-token"  # noqa: S105  # a name
AUTH_TOKEN_HEADER = "x-auth-token"  # noqa: S105  # of an IAM token, which goes instead of a signature
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"

_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_AUTHORIZATION = re.compile(
    ALGORITHM
    + r" +Access=(?P<access_key>[^\s,]+), *SignedHeaders=(?P<signed>[^\s,]+), *Signature=(?P<hex>[0-9a-f]{64})"
)


class Authorization(NamedTuple):
    """What the ``Authorization`` header says; as a text, that header."""

    access_key: str
    signed: tuple[str, ...]  # names of headers, in lower case and sorted
    signature: str

    def __str__(self) -> str:
        names = ";".join(self.signed)
        return f"{ALGORITHM} Access={self.access_key}, SignedHeaders={names}, Signature={self.signature}"


def parse_authorization(text: str) -> Authorization:
    """Read an ``Authorization`` header.

    Raises:
        ValueError: it has another form; the text does not repeat it, since it may hold a secret.
    """
    found = _AUTHORIZATION.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"Authorization must be '{ALGORITHM} Access=..., SignedHeaders=..., Signature=...'")
    return Authorization(found["access_key"], tuple(sorted(found["signed"].lower().split(";"))), found["hex"])


def authorize(
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    access_key: str,
    secret_key: Secret,
) -> Authorization:
    """Sign a request.

    Args:
        method: e.g. ``POST``.
        path: the path as it is sent, percent-encoded.
        query: the query as it is sent, without the question mark.
        headers: what is to be signed, by names in lower case; ``x-sdk-date`` must be among it.
            Names with an underscore are passed over, as the SDK does: gateways drop such headers.
        body: the bytes that are sent.
        access_key: the AK.
        secret_key: the SK.
    """
    signed = tuple(sorted(name for name in headers if "_" not in name))
    content = payload_hash(body, headers.get(CONTENT_HEADER))
    canonical = canonical_request(method, path, query, headers, signed, content)
    return Authorization(access_key, signed, signature(secret_key, string_to_sign(headers[DATE_HEADER], canonical)))


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[str, str], signed: Iterable[str], payload_hash: str
) -> str:
    """Return the canonical request: six parts on lines of their own.

    Args:
        method: e.g. ``POST``.
        path: the path as it is sent, percent-encoded.
        query: the query as it is sent, without the question mark.
        headers: the request's headers by names in lower case.
        signed: the names of those that are signed, in lower case and sorted.
        payload_hash: see `payload_hash`.
    """
    names = tuple(signed)
    return "\n".join(
        (
            method.upper(),
            canonical_path(path),
            canonical_query(query),
            *(f"{name}:{headers[name].strip()}" for name in names),
            "",  # the headers' part ends with a line break of its own
            ";".join(names),
            payload_hash,
        )
    )


def canonical_path(path: str) -> str:
    """Return a path with every character but letters, digits and ``-_.~/`` encoded, and a slash at its end.

    It is decoded first, so it does not matter what the sender encoded; ``%2F`` becomes a slash, too.

    >>> canonical_path("/v2/p/a!b%21%E6%B5%81")
    '/v2/p/a%21b%21%E6%B5%81/'
    """
    encoded = quote(unquote(path))
    return encoded if encoded.endswith("/") else f"{encoded}/"


def canonical_query(query: str) -> str:
    """Return a query with its pairs sorted and encoded; a plus sign is read as a blank, as forms send it.

    >>> canonical_query("name=%E6%B5%81+a&limit=10&empty")
    'empty=&limit=10&name=%E6%B5%81%20a'
    """
    if not query:
        return ""
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    return "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)


def payload_hash(body: bytes, content: str | None = None) -> str:
    """Return what stands for the body: its SHA-256, or what its sender put in place of that.

    Args:
        body: the bytes that are sent.
        content: the value of the header ``X-Sdk-Content-Sha256``, if there is one.
    """
    return UNSIGNED_PAYLOAD if content == UNSIGNED_PAYLOAD else hashlib.sha256(body).hexdigest()


def string_to_sign(date: str, canonical: str) -> str:
    """Return the text that is signed: `date` is ``X-Sdk-Date``, `canonical` the canonical request."""
    return f"{ALGORITHM}\n{date}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def signature(secret_key: Secret, text: str) -> str:
    """Return the signature of a string to sign, in hexadecimal."""
    return hmac.digest(secret_key.reveal().encode(), text.encode(), "sha256").hex()


def format_date(time: datetime) -> str:
    """Write a time as ``X-Sdk-Date`` has it: in UTC, to the second.

    >>> format_date(datetime(2019, 11, 15, 3, 36, 55, tzinfo=UTC))
    '20191115T033655Z'
    """
    return time.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def parse_date(text: str) -> datetime:
    """Read an ``X-Sdk-Date``.

    Raises:
        ValueError: it has another form or is no time.
    """
    if not _DATE.fullmatch(text):
        raise ValueError("X-Sdk-Date must have the form YYYYMMDDTHHMMSSZ")
    return datetime.fromisoformat(text)
