"""The gateway before the service: who may ask, told by a signature with an access key.

Refusals are those of ``APIGW.0301`` (devg-apisign, api-sign-0001; ocr_01_0063). A token of IAM is no
way in: there is nobody here who gave one out.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from fgnb.errors import ConfigError
from fgnb.local.refusals import unauthorized
from fgnb.secret import Secret
from fgnb.signature import (
    AUTH_TOKEN_HEADER,
    CONTENT_HEADER,
    DATE_HEADER,
    TOKEN_HEADER,
    canonical_request,
    format_date,
    parse_authorization,
    parse_date,
    payload_hash,
    signature,
    string_to_sign,
)
from fgnb.wire import Request

TOLERANCE = 15 * 60  # seconds between the signature's time and ours, either way
WRONG_LIMIT = 5  # wrong signatures in a row; one more locks the access key
LOCK = 5 * 60  # seconds an access key stays locked

_SHOWN = dict.fromkeys((TOKEN_HEADER, AUTH_TOKEN_HEADER), "***")  # what a message has in place of secrets


class Gateway:
    """Lets pass what is signed with one of its keys.

    As with the real one, only ``X-Sdk-Date`` must be signed (and ``X-Security-Token``, where there is
    one), and a request may come again until its date is too old.

    Args:
        keys: secret keys (SK) by access keys (AK).
        clock: seconds since 1970.

    Raises:
        ConfigError: there is no key, or an empty one.
    """

    def __init__(self, keys: Mapping[str, str], *, clock: Callable[[], float] = time.time) -> None:
        if not keys or not all(access_key and secret_key for access_key, secret_key in keys.items()):
            raise ConfigError("verifying signatures takes an access key and its secret key, neither of them empty")
        self._keys = {access_key: Secret(secret_key) for access_key, secret_key in keys.items()}
        self._clock = clock
        self._wrong: dict[str, tuple[int, float]] = {}  # by known access key: how many in a row, when the last

    def check(self, request: Request) -> None:
        """Return if the request may pass.

        Raises:
            Refused: it may not, with status 401; the message holds no secret.
        """
        headers = {name.lower(): value for name, value in request.headers.items()}
        if "authorization" not in headers:
            raise unauthorized("decrypt token fail" if "x-auth-token" in headers else "x-auth-token not found")
        try:
            claim = parse_authorization(headers["authorization"])
        except ValueError as error:
            raise unauthorized(str(error)) from None
        secret_key = self._keys.get(claim.access_key)
        if secret_key is None:
            # Without it: who mixed up the two keys would find the secret one in logs and screenshots.
            raise unauthorized("Get secretKey failed,ak:***,err:ak not exist")
        now = self._clock()
        count, last = self._wrong.get(claim.access_key, (0, 0.0))
        if count > WRONG_LIMIT and 0 <= now - last < LOCK:
            raise unauthorized("AK access failed to reach the limit,forbidden")
        for name in claim.signed:
            if name not in headers:
                raise unauthorized(f"the signed header '{name}' is not in the request")
        if DATE_HEADER not in claim.signed:
            raise unauthorized("X-Sdk-Date is not among the signed headers")
        if TOKEN_HEADER in headers and TOKEN_HEADER not in claim.signed:
            raise unauthorized("X-Security-Token is not among the signed headers")
        _check_date(headers[DATE_HEADER], now)
        path, _, query = request.path.partition("?")
        content = payload_hash(request.body, headers.get(CONTENT_HEADER))
        canonical = canonical_request(request.method, path, query, headers, claim.signed, content)
        expected = signature(secret_key, string_to_sign(headers[DATE_HEADER], canonical))
        if hmac.compare_digest(expected, claim.signature):
            self._wrong.pop(claim.access_key, None)
            return
        self._wrong[claim.access_key] = (1 if count > WRONG_LIMIT else count + 1, now)
        shown = canonical_request(request.method, path, query, headers | _SHOWN, claim.signed, content)
        raise unauthorized("verify aksk signature fail, canonicalRequest:" + shown.replace("\n", "|"))


def _check_date(text: str, now: float) -> None:
    try:
        signed = parse_date(text)
    except ValueError as error:
        raise unauthorized(str(error)) from None
    if abs(signed.timestamp() - now) > TOLERANCE:
        server = format_date(datetime.fromtimestamp(now, UTC))
        raise unauthorized(f"signature expired, signature time:{text},server time:{server}")
