"""The documented refusals of the service and of the gateway before it, and the answer each becomes.

Pages 06_1002 to 06_1008 and 06_1016 (``FGS``), the error codes of functions (``FSS``) and of the
gateway (``APIGW``).
"""

from __future__ import annotations

from fgnb import jsontext
from fgnb.local.ids import new_id
from fgnb.wire import INVALID, NOT_FOUND, REQUEST_ID_HEADER, Response

MESSAGE_LIMIT = 512  # characters of the service's own messages; ErrorRsp400 in the API's schemas


class Refused(Exception):
    """A request that is not carried out: the HTTP status, the code and the message of its answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{status} {code}: {message}")


def invalid(message: str) -> Refused:
    """The service can't make sense of the request."""
    return Refused(400, INVALID, message)


def not_found() -> Refused:
    """There is no such workflow."""
    return Refused(404, NOT_FOUND, "Function flow not found.")


def internal_error(message: str = "Internal Error.") -> Refused:
    """It is not the request's fault."""
    return Refused(500, INVALID, message)


def no_api(hint: str = "") -> Refused:
    """The gateway knows no such host, path or method."""
    message = "The API does not exist or has not been published in the environment."
    return Refused(404, "APIGW.0101", f"{message} {hint}".rstrip())


def too_large() -> Refused:
    """The body is over the gateway's limit."""
    return Refused(413, "APIGW.0201", "Request entity too large.")


def too_slow() -> Refused:
    """The body did not come in time; the only documented code with status 408."""
    return Refused(408, "FSS.0408", "Request timeout.")


def unauthorized(reason: str) -> Refused:
    """The gateway does not accept who asks."""
    return Refused(401, "APIGW.0301", f"Incorrect IAM authentication information: {reason}")


def answer(refused: Refused, request_id: str | None = None) -> Response:
    """Return the answer to a refused request, with a new request id unless one is given."""
    request_id = request_id or new_id()
    # A gateway's message has no limit: it repeats the canonical request of a wrong signature.
    message = refused.message[:MESSAGE_LIMIT] if refused.code.startswith("FGS.") else refused.message
    body = {"error_code": refused.code, "error_msg": message}
    if refused.code != NOT_FOUND:  # ErrorRsp404 alone has no request_id
        body["request_id"] = request_id
    headers = {"content-type": "application/json", REQUEST_ID_HEADER.lower(): request_id}
    return Response(status=refused.status, headers=headers, body=jsontext.dumps(body))
