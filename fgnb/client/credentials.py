"""Access keys and IAM tokens, as values that show no secret."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from fgnb.errors import ConfigError
from fgnb.secret import HIDDEN, Secret

_HEADER_WORD = re.compile(r"[!-+\--~]+")  # fits between "Access=" and a comma

Moment = datetime | str | float


@dataclass(frozen=True, slots=True, init=False, repr=False)
class AccessKey:
    """An access key (AK/SK), with which requests are signed.

    Args:
        access_key: the key's id, which is not secret.
        secret_key: what is signed with.
        security_token: belongs to temporary keys.
        expires_at: when a temporary key ends: a datetime with a time zone, an ISO 8601 text with one,
            or seconds since 1970. Kept in UTC.

    Raises:
        ConfigError: one of them can't be what it should be; the message does not repeat it.

    >>> AccessKey("AKIDEXAMPLE", "not-to-be-shown", expires_at="2026-12-01T00:00:00Z")
    AccessKey('AKID…', secret_key=***, expires_at='2026-12-01T00:00:00Z')
    """

    access_key: str
    secret_key: Secret
    security_token: Secret | None
    expires_at: datetime | None

    def __init__(
        self,
        access_key: str,
        secret_key: str | Secret,
        security_token: str | Secret | None = None,
        expires_at: Moment | None = None,
    ) -> None:
        if not isinstance(access_key, str) or not _HEADER_WORD.fullmatch(access_key.strip()):
            raise ConfigError("access_key must be a text of printable ASCII characters without blanks and commas")
        secret = _secret("secret_key", secret_key)
        token = None if security_token is None else _secret("security_token", security_token)
        moment = _moment(expires_at)
        keep = object.__setattr__  # frozen; nothing is kept before all of it is right
        keep(self, "access_key", access_key.strip())
        keep(self, "secret_key", secret)
        keep(self, "security_token", token)
        keep(self, "expires_at", moment)

    @property
    def name(self) -> str:
        """What it is called where it is shown, e.g. ``access key ABCD…``."""
        return f"access key {self.access_key[:4]}…"

    def __repr__(self) -> str:
        if not hasattr(self, "expires_at"):  # a traceback shows one that could not be made
            return "AccessKey(…)"
        token = "" if self.security_token is None else f", security_token={HIDDEN}"
        return f"AccessKey('{self.access_key[:4]}…', secret_key={HIDDEN}{token}{_until(self.expires_at)})"


@dataclass(frozen=True, slots=True, init=False, repr=False)
class IamToken:
    """An IAM token, sent as ``X-Auth-Token``.

    Args:
        token: as IAM gave it in ``X-Subject-Token``.
        expires_at: when it ends, as for `AccessKey`.

    Raises:
        ConfigError: one of them can't be what it should be; the message does not repeat it.

    >>> IamToken("not-to-be-shown").name
    'IAM token'
    """

    token: Secret
    expires_at: datetime | None

    def __init__(self, token: str | Secret, expires_at: Moment | None = None) -> None:
        secret, moment = _secret("token", token), _moment(expires_at)
        object.__setattr__(self, "token", secret)
        object.__setattr__(self, "expires_at", moment)

    @property
    def name(self) -> str:
        """What it is called where it is shown."""
        return "IAM token"

    def __repr__(self) -> str:
        return f"IamToken({HIDDEN}{_until(getattr(self, 'expires_at', None))})"


Credentials = AccessKey | IamToken


def _secret(name: str, text: str | Secret) -> Secret:
    wanted = f"{name} must be a text of printable ASCII characters, and not empty"
    try:
        secret = Secret(text)
    except ConfigError:
        raise ConfigError(wanted) from None
    if not (secret.reveal().isascii() and secret.reveal().isprintable()):  # else no header can hold it
        raise ConfigError(wanted)
    return secret


def _moment(given: Moment | None) -> datetime | None:
    if given is None:
        return None
    try:
        if isinstance(given, int | float) and not isinstance(given, bool):
            return datetime.fromtimestamp(given, UTC)
        parsed = datetime.fromisoformat(given.strip()) if isinstance(given, str) else given
        if isinstance(parsed, datetime) and parsed.utcoffset() is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass  # the error would repeat what was given, maybe a token in the wrong place
    raise ConfigError(
        "expires_at must be a datetime with a time zone, a text such as 2026-01-01T00:00:00Z, or seconds since 1970"
    )


def utc_text(moment: datetime) -> str:
    """Write a moment as the service does."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _until(moment: datetime | None) -> str:
    return "" if moment is None else f", expires_at='{utc_text(moment)}'"
