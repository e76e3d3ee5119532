"""What a refusal means and what to do about it, told from its status, its code and its text.

The codes are those of the pages "Error Codes" of API Gateway (``APIGW.*``) and FunctionGraph
(``FSS.*``), the texts of ``APIGW.0301`` those of the API Request Signing Guide (devg-apisign,
api-sign-0001) and of the SWR manual (ocr_01_0063). A code says more than its status, so it goes first.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from fgnb import errors, jsontext
from fgnb.errors import ServiceError
from fgnb.regions import SYNCHRONOUS
from fgnb.wire import ErrorBody, Response, parse, parse_http_date

TOLERANCE = timedelta(minutes=15)  # between a signature's time and the gateway's
LOCKED_FOR = timedelta(minutes=5)
WINDOW = 60  # characters shown of a canonical request around its first difference

Kind = type[ServiceError]

_NO_ROOM = frozenset({"APIGW.0308", "APIGW.0613", "FSS.0429", "FSS.0503"})  # with status 503
MAX_TEXT = 2000  # characters of the service's words

_IAM = (
    "The IAM user may not do this: an administrator can attach the policy FunctionGraph FullAccess or "
    "FunctionGraph CommonOperations, or the role FunctionGraph Invoker, for this project"
)
_AGENCY = "Check the agency that the workflow or its functions use"
_UNKNOWN_KEY = "Check the access key (AK): it may be deleted, disabled, or of another account"
_ADDRESS = "This machine's address is not allowed to call the API"
_TOKEN = "Get a new IAM token: one lasts 24 hours, and only for the region and project that it was made for"  # noqa: S105  # a hint
_LATER = "Nothing ran: wait 2 to 5 seconds and send it again, fewer at once"
_LARGE = "The gateway lets pass 12 MB, a function 6 MB: pass large data by its address in an object store"
_PLACE = (
    "There is no such API at this endpoint: check endpoint= and region=. Synchronous execution is offered in "
    + ", ".join(SYNCHRONOUS)
)
_FAULT = "The service failed: its support asks for the request id"

_BY_CODE: dict[str, tuple[Kind, str | None]] = {
    "APIGW.0101": (errors.ResourceNotFound, _PLACE),
    "APIGW.0103": (errors.ResourceNotFound, _PLACE),
    "APIGW.0302": (errors.PermissionDenied, _IAM),
    "APIGW.0304": (errors.PermissionDenied, _IAM),
    "APIGW.0306": (errors.PermissionDenied, _IAM),
    "APIGW.0307": (errors.TokenRejected, _TOKEN),
    "APIGW.0308": (errors.RateLimited, _LATER),
    "APIGW.0310": (errors.PermissionDenied, "The project can't be used: check project_id= and the account's standing"),
    "APIGW.0401": (errors.PermissionDenied, _ADDRESS),
    "APIGW.0402": (errors.PermissionDenied, _ADDRESS),
    "APIGW.0404": (errors.PermissionDenied, _ADDRESS),
    "APIGW.0501": (errors.PermissionDenied, "The quota of calls is used up"),
    "APIGW.0502": (errors.PermissionDenied, "The app is frozen"),
    "APIGW.0613": (errors.ServiceUnavailable, _LATER),
    "APIGW.0801": (errors.PermissionDenied, "The service is not available to this account here: check region="),
    "APIGW.0802": (errors.PermissionDenied, "The IAM user may not use this region: check region="),
    "FSS.0429": (errors.RateLimited, _LATER),
    "FSS.0503": (errors.ServiceUnavailable, _LATER),
    "FSS.1118": (errors.PermissionDenied, _IAM),
    "FSS.1121": (errors.PermissionDenied, _AGENCY),
    "FSS.1122": (errors.PermissionDenied, _AGENCY),
    "FSS.1126": (errors.PermissionDenied, _IAM),
    "FSS.1127": (errors.PermissionDenied, _IAM),
    "FSS.1201": (errors.RequestTooLarge, _LARGE),
    "FSS.1303": (errors.PermissionDenied, _IAM),
    "FSS.1308": (errors.ResourceNotFound, None),
    "FSS.1310": (errors.PermissionDenied, _IAM),
}
_BY_STATUS: dict[int, tuple[Kind, str | None]] = {
    401: (errors.AuthenticationFailed, None),
    403: (errors.PermissionDenied, _IAM),
    404: (errors.ResourceNotFound, None),
    407: (
        errors.AuthenticationFailed,
        "The proxy asks for a user: proxy=http://user:password@host:port, or HTTPS_PROXY",
    ),
    410: (errors.ResourceNotFound, None),
    413: (errors.RequestTooLarge, _LARGE),
    414: (errors.RequestTooLarge, None),
    429: (errors.RateLimited, _LATER),
    494: (errors.RequestTooLarge, None),
    502: (errors.ServiceUnavailable, None),
    503: (errors.ServiceUnavailable, None),
    504: (errors.GatewayTimeout, "The gateway gave up waiting, but the run may still be going on"),
}
_BY_TEXT: tuple[tuple[str, Kind, str | None], ...] = (  # of a 401
    ("verify aksk signature fail", errors.SignatureRejected, None),
    ("AK access failed to reach the limit", errors.AccessKeyLocked, None),
    ("signature expired", errors.ClockSkewed, None),
    ("not exist", errors.AccessKeyUnknown, _UNKNOWN_KEY),
    ("decrypt token fail", errors.TokenRejected, _TOKEN),
    ("token expires", errors.TokenRejected, _TOKEN),
    (
        "x-auth-token not found",
        errors.AuthenticationFailed,
        "The request carried no credentials: set HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK, or give credentials=",
    ),
)  # fmt: skip


def error_body(body: bytes) -> ErrorBody:
    """Return an error answer's fields, all None if it has another form."""
    try:
        raw = jsontext.loads_answer(body)
        if isinstance(raw, dict) and isinstance(inner := raw.get("error"), dict):  # IAM's, as in OpenStack's Keystone
            raw = {"error_msg": inner.get("message")}
        said = parse(raw, ErrorBody)
    except ValueError:
        return ErrorBody()
    return ErrorBody(
        error_code=_plain(said.error_code), error_msg=_plain(said.error_msg), request_id=_plain(said.request_id)
    )


def _plain(text: str | None) -> str | None:
    """Return a text of the service without what a terminal would obey, and not longer than a reader wants."""
    if text is None or (len(text) <= MAX_TEXT and text.isprintable()):
        return text
    shown = "".join(character if character.isprintable() else " " for character in text[:MAX_TEXT])
    return shown if len(text) <= MAX_TEXT else f"{shown}…"


def message_of(said: ErrorBody, status: int) -> str:
    """Return the service's words without the canonical request, which `hint` reads, or the status."""
    return (said.error_msg or f"HTTP status {status}").partition(", canonicalRequest:")[0]


def nothing_ran(status: int, code: str | None) -> bool:
    """Whether an answer says that the request had no effect."""
    return 300 <= status < 500 or may_send_again(status, code)


def may_send_again(status: int, code: str | None) -> bool:
    """Whether an answer says that the request had no effect, and would have one later."""
    return status == 429 or (status == 503 and code in _NO_ROOM)


def kind_of(status: int, code: str | None, message: str | None) -> Kind:
    """Return the class of exceptions for an answer other than a good one."""
    return _read(status, code, message or "")[0]


def hint(response: Response, said: ErrorBody, *, now: datetime | None = None) -> str | None:
    """Return what to do about a refusal, in a few lines, or None if there is nothing to say.

    Args:
        response: the answer, whose date and `canonical` are looked at.
        said: its body.
        now: when it came.
    """
    now = now or datetime.now(UTC)
    message = said.error_msg or ""
    kind, known = _read(response.status, said.error_code, message)
    if 300 <= response.status < 400:
        return _redirect(response.headers.get("location", ""))
    if kind is errors.SignatureRejected:
        known = _difference(message, response.canonical)
    elif kind is errors.AccessKeyLocked:
        until = (now + LOCKED_FOR).strftime("%H:%M:%S")
        known = (
            f"More than five wrong signatures in a row lock the access key for 5 minutes, at most until {until} UTC: "
            "wait without sending, and check the secret key meanwhile"
        )
    if issubclass(kind, errors.AuthenticationFailed):
        skew = _skew(response.headers.get("date"), now)
        if kind is errors.ClockSkewed or (skew is not None and abs(skew) > TOLERANCE):
            return "\n".join(filter(None, (_clock(skew), known)))
    return known


def _read(status: int, code: str | None, message: str) -> tuple[Kind, str | None]:
    if code in _BY_CODE and (code not in _NO_ROOM or nothing_ran(status, code)):
        return _BY_CODE[code]
    if status == 401:
        for text, kind, known in _BY_TEXT:
            if text in message:
                return kind, known
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return errors.ServerFault, _FAULT
    return (errors.InvalidRequest if status >= 400 else ServiceError), None


def _redirect(location: str) -> str:
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    target = f" to {host}" if host else ""
    return f"A redirect{target} was not followed: is it a proxy's login page? Check endpoint= and proxy="


def _skew(date: str | None, now: datetime) -> timedelta | None:
    """Return how far this machine's clock is ahead of the server's, as the answer's ``Date`` tells it."""
    sent = parse_http_date(date)
    return None if sent is None else now - sent


def _clock(skew: timedelta | None) -> str:
    rule = "a signature is good for 15 minutes"
    if skew is None:
        return f"Set this machine's clock: {rule}"
    if abs(skew) <= TOLERANCE:
        return f"This machine's clock agrees with the gateway's, but {rule}: the request took longer on its way"
    side = "ahead of" if skew > timedelta() else "behind"
    size = timedelta(seconds=round(abs(skew).total_seconds()))
    return f"Set this machine's clock, which is {size} {side} the gateway's: {rule}"


_PARTS = ("method", "path", "query")


def _difference(message: str, ours: str) -> str:
    """Compare the gateway's canonical request, which has ``|`` for line breaks, with ours."""
    _, found, theirs = message.partition("canonicalRequest:")
    ours = ours.replace("\n", "|")
    theirs = re.sub(r"(?<=\|)(x-security-token|x-auth-token):[^|]*", r"\1:***", theirs.strip())
    if not found or not ours:
        return "Check the secret key (SK): it does not belong to this access key, or the request was changed on its way"
    if theirs == ours:
        return (
            "The gateway read the request just as it was signed: the secret key (SK) does not belong to this access key"
        )
    at = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), min(len(theirs), len(ours)))
    part = ours[:at].count("|")
    if part < len(_PARTS):
        where = _PARTS[part]
    elif "|" not in ours[at:]:  # in its hash, which is the last part
        where = "body"
    else:
        where = ours[ours.rfind("|", 0, at) + 1 :].split("|")[0].split(":")[0]
    start = max(0, at - WINDOW // 2)
    lines = [
        f"The gateway read another request than was signed: something on its way changed '{where:.60}'",
        f"  gateway: {_cut(theirs, start)}",
        f"  signed:  {_cut(ours, start)}",
        "           " + " " * (at - start + (start > 0)) + "^",
    ]
    return "\n".join(lines)


def _cut(text: str, start: int) -> str:
    end = start + WINDOW
    return ("…" if start else "") + text[start:end] + ("…" if len(text) > end else "")
