"""One exchange with the service, whatever carries it, and the limits and codes that hold for all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import msgspec
from msgspec import Struct

from fgnb.errors import Problem

NAME_PATTERN = r"^([_a-zA-Z0-9().-]|[\u4e00-\u9fa5])+\Z"  # not $, which lets a last line break pass
TEXT_PATTERN = NAME_PATTERN.replace("+", "*")
BODY_LIMIT = 12 * 1024 * 1024  # bytes; the gateway's limit (APIGW.0201, status 413)
PAYLOAD_LIMIT = 6 * 1024 * 1024  # bytes; a function's limit each way
EXPRESS_LIMIT = 300.0  # seconds an express workflow may take
PAGE_SIZE = 200  # entries in one page of a list
ERROR_MESSAGE_LIMIT = 2048  # characters of a node error's message
INVALID = "FGS.3002"
NOT_FOUND = "FGS.5002"
REQUEST_ID_HEADER = "X-Request-Id"
PROJECT_HEADER = "x-project-id"

T = TypeVar("T")


class Request(Struct, frozen=True, kw_only=True):
    """A request as it goes to a transport; `path` is percent-encoded and may carry a query."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""
    timeout: float | None = None  # seconds until the answer must be there
    on_sending: Callable[[], None] | None = None  # called before its first byte goes out


class Response(Struct, frozen=True, kw_only=True):
    """An answer as a transport gives it; header names are lower case.

    `canonical` is the canonical request that was signed, without secrets; only with a refused signature.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""
    canonical: str = ""


class Transport(Protocol):
    """Carries a request to a service: over the network, or by a call within the process."""

    async def send(self, request: Request) -> Response:
        """Send `request` once.

        Raises:
            ConnectionFailed: the connection never came up.
            AnswerLost: it was sent, but no whole answer came.
        """

    async def aclose(self) -> None:
        """Give back what the transport holds."""


def workflows_path(project_id: str, workflow_id: str | None = None, action: str | None = None) -> str:
    """Return the path of the workflows of a project, of one of them, or of an action on one."""
    parts = ["", "v2", project_id, "fgs", "workflows", *(part for part in (workflow_id, action) if part)]
    return "/".join(parts)


SYNC_EXECUTIONS = "sync-executions"


class ErrorBody(Struct, frozen=True, kw_only=True):
    """The body of every 4xx and 5xx answer, of the service and of the gateway before it."""

    error_code: str | None = None
    error_msg: str | None = None
    request_id: str | None = None


_NAME_RULE = "of letters, digits, _ ( ) . - and Chinese characters only, without spaces"
_PLACE = re.compile(r" - at `(?P<place>.*)`$", re.DOTALL)


def parse(value: Any, kind: type[T]) -> T:
    """Return a JSON value as a typed one.

    Raises:
        ValueError: it does not fit; the text names the JSONPath.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        problem = problem_of(error)
        raise ValueError(f"{problem.message} at {problem.path}") from None


def problem_of(error: msgspec.ValidationError) -> Problem:
    """Return what msgspec found as a problem with its JSONPath."""
    text = str(error)
    found = _PLACE.search(text)
    message = text[: found.start() if found else None].replace(f"matching regex {NAME_PATTERN!r}", _NAME_RULE)
    message = message.replace(f"matching regex {TEXT_PATTERN!r}", _NAME_RULE)
    return Problem(found["place"] if found else "$", message[:1].lower() + message[1:])


@lru_cache(maxsize=1024)  # the runs of a sweep share their seconds
def parse_time(text: str | None) -> datetime | None:
    """Read the service's ``yyyy-MM-ddTHH:mm:ssZ``; None where it is missing or unreadable."""
    try:
        time = datetime.fromisoformat(text or "")
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        return None


def parse_http_date(text: str | None) -> datetime | None:
    """Read a date as HTTP's headers have it (RFC 9110, 5.6.7); None where it is missing or unreadable."""
    from email.utils import parsedate_to_datetime  # some 15 ms, and seldom needed

    try:
        time = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, OverflowError):  # the last beyond the calendar
        return None
    return time if time.tzinfo else None


def format_time(time: datetime) -> str:
    """Write a UTC time as the service does: ``yyyy-MM-ddTHH:mm:ssZ``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
