"""What every documented refusal becomes, and what its hint says: client/refusal.py.

Refusals that the embedded service makes itself come from it, through a transport that may change the
request on its way, as a proxy does; the others are those of the documents' tables, word for word.
"""

import json
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgnb
from fgnb import errors
from fgnb.client.auth import SigningAuth
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.credentials import AccessKey
from fgnb.client.outcome import Outcome
from fgnb.client.refusal import error_body, hint
from fgnb.client.source import Source
from fgnb.client.transport import HttpTransport
from fgnb.local.service import Service
from fgnb.runs.run import Run
from fgnb.wire import Request, Response
from tests.flows import PROJECT, end, flow
from tests.stub import Stub, answer, raw

ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
AK, SK = "an-access-key", "a-secret-key"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

REJECTED, UNKNOWN = errors.RequestRejected, errors.OutcomeUnknown
MAY_RUN = "The service may still be running it, and keeps no record: check its effects before you send it again"


class Way(httpx.AsyncBaseTransport):
    """The way to an embedded service; `change` is what happens to a request on it."""

    def __init__(self, service: Service, change: Callable[[httpx.Request], httpx.Request]) -> None:
        self.service = service
        self.change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = self.change(request)
        path, headers = sent.url.raw_path.decode(), dict(sent.headers)
        got = await self.service.send(Request(method=sent.method, path=path, headers=headers, body=sent.content))
        return httpx.Response(got.status, headers=dict(got.headers), content=got.body)


def client_of(http: httpx.AsyncBaseTransport, key: AccessKey | None = None) -> Client:
    auth = None if key is None else SigningAuth(Source("a test", held=key))
    transport = HttpTransport("http://127.0.0.1:9", auth=auth, http=http)
    return Client(AsyncClient(transport, project_id=PROJECT, retry_for=0.0))


def answering(status: int, body: Any, headers: dict[str, str] | None = None) -> Client:
    """A client of a service that answers everything in one way."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = lambda _: httpx.Response(status, headers=headers, content=content)  # noqa: E731
    return client_of(httpx.MockTransport(response))


def raised_by(outcome: Outcome) -> Any:
    """The exception that a run of this outcome raises; it is short, and survives pickling."""
    with pytest.raises(errors.RunError) as caught:
        Run.of(outcome, workflow="triage", input={}).raise_for_status()
    check(caught.value)
    return caught.value


def called(client: Client) -> Any:
    """The exception that a call other than a run raises."""
    with pytest.raises(errors.ServiceError) as caught:
        client.list()
    check(caught.value)
    return caught.value


def check(error: Any) -> None:
    assert len(str(error).splitlines()) <= 15
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


# --- the tables of the documents -----------------------------------------------------------------

IAM_TEXT = "Incorrect IAM authentication information: "
ROLE, WAIT, TOKEN, PLACE, SIZE = "FunctionGraph Invoker", "2 to 5 seconds", "24 hours", "endpoint=", "12 MB"
NOTHING = None

DOCUMENTED: list[tuple[int, str, str, type[Exception], type[Exception], str | None]] = [
    # The workflow service: the pages of each operation
    (400, "FGS.3002", "Invalid parameters.", errors.InvalidRequest, REJECTED, NOTHING),
    (404, "FGS.5002", "Function flow not found.", errors.ResourceNotFound, REJECTED, NOTHING),
    (500, "FGS.3002", "Internal Error.", errors.ServerFault, UNKNOWN, "request id"),
    # The function service
    (400, "FSS.0400", "Invalid parameter.", errors.InvalidRequest, REJECTED, NOTHING),
    (401, "FSS.0401", "Unauthorized access.", errors.AuthenticationFailed, REJECTED, NOTHING),
    (403, "FSS.0403", "Forbidden", errors.PermissionDenied, REJECTED, ROLE),
    (404, "FSS.0404", "The specified resource was not found.", errors.ResourceNotFound, REJECTED, NOTHING),
    (406, "FSS.0406", "Not acceptable.", errors.InvalidRequest, REJECTED, NOTHING),
    (408, "FSS.0408", "Request timeout.", errors.InvalidRequest, REJECTED, NOTHING),
    (409, "FSS.0409", "The specified resource already exists.", errors.InvalidRequest, REJECTED, NOTHING),
    (410, "FSS.0410", "The specified resource does not exist.", errors.ResourceNotFound, REJECTED, NOTHING),
    (413, "FSS.0413", "The request body is too large.", errors.RequestTooLarge, REJECTED, SIZE),
    (424, "FSS.0424", "Invalid dependency.", errors.InvalidRequest, REJECTED, NOTHING),
    (426, "FSS.0426", "An upgrade is required.", errors.InvalidRequest, REJECTED, NOTHING),
    (428, "FSS.0428", "The preconditions have not been met.", errors.InvalidRequest, REJECTED, NOTHING),
    (429, "FSS.0429", "Too many requests.", errors.RateLimited, REJECTED, WAIT),
    (429, "FSS.0429", "Your request has been controlled by overload sdk", errors.RateLimited, REJECTED, WAIT),
    (500, "FSS.0500", "Internal server error.", errors.ServerFault, UNKNOWN, "request id"),
    (502, "FSS.0502", "Bad gateway.", errors.ServiceUnavailable, UNKNOWN, NOTHING),
    (503, "FSS.0503", "Service unavailable.", errors.ServiceUnavailable, REJECTED, WAIT),
    (504, "FSS.0504", "Gateway timeout.", errors.GatewayTimeout, UNKNOWN, "may still be going on"),
    (400, "FSS.1001", "Invalid query parameter.", errors.InvalidRequest, REJECTED, NOTHING),
    (404, "FSS.1051", "The function does not exist.", errors.ResourceNotFound, REJECTED, NOTHING),
    (404, "FSS.1052", "The version does not exist.", errors.ResourceNotFound, REJECTED, NOTHING),
    (404, "FSS.1053", "The alias does not exist.", errors.ResourceNotFound, REJECTED, NOTHING),
    (401, "FSS.1118", "Access denied.", errors.PermissionDenied, REJECTED, ROLE),
    (403, "FSS.1121", "Forbidden", errors.PermissionDenied, REJECTED, "agency"),
    (403, "FSS.1122", "Forbidden", errors.PermissionDenied, REJECTED, "agency"),
    (403, "FSS.1126", "You do not have permissions to call the API.", errors.PermissionDenied, REJECTED, ROLE),
    (403, "FSS.1127", "The EPS user does not have permissions.", errors.PermissionDenied, REJECTED, ROLE),
    (413, "FSS.1201", "The request body is too large.", errors.RequestTooLarge, REJECTED, "6 MB"),
    (500, "FSS.1202", "The response body has no status code.", errors.ServerFault, UNKNOWN, "request id"),
    (400, "FSS.1303", "Insufficient permissions.", errors.PermissionDenied, REJECTED, ROLE),
    (400, "FSS.1308", "The resource does not exist.", errors.ResourceNotFound, REJECTED, NOTHING),
    (400, "FSS.1309", "Invalid function URN.", errors.InvalidRequest, REJECTED, NOTHING),
    (400, "FSS.1310", "Unauthorized user.", errors.PermissionDenied, REJECTED, ROLE),
    # The gateway
    (404, "APIGW.0101", "The API does not exist.", errors.ResourceNotFound, REJECTED, PLACE),
    (404, "APIGW.0103", "The backend does not exist.", errors.ResourceNotFound, REJECTED, "cn-north-4"),
    (400, "APIGW.0104", "The plug-ins do not exist.", errors.InvalidRequest, REJECTED, NOTHING),
    (400, "APIGW.0105", "The backend configurations do not exist.", errors.InvalidRequest, REJECTED, NOTHING),
    (400, "APIGW.0106", "Orchestration error.", errors.InvalidRequest, REJECTED, NOTHING),
    (400, "APIGW.0201", "API request error.", errors.InvalidRequest, REJECTED, NOTHING),
    (413, "APIGW.0201", "Request entity too large.", errors.RequestTooLarge, REJECTED, SIZE),
    (414, "APIGW.0201", "Request URI too large.", errors.RequestTooLarge, REJECTED, NOTHING),
    (494, "APIGW.0201", "Request headers too large.", errors.RequestTooLarge, REJECTED, NOTHING),
    (502, "APIGW.0201", "Backend unavailable.", errors.ServiceUnavailable, UNKNOWN, NOTHING),
    (504, "APIGW.0201", "Backend timeout.", errors.GatewayTimeout, UNKNOWN, "may still be going on"),
    (401, "APIGW.0301", "Incorrect IAM authentication information.", errors.AuthenticationFailed, REJECTED, NOTHING),
    (
        401, "APIGW.0301", f"{IAM_TEXT}verify aksk signature fail, canonicalRequest:GET|/v2/||host:a||host|e3b0",
        errors.SignatureRejected, REJECTED, "secret key (SK)",
    ),
    (
        401, "APIGW.0301", f"{IAM_TEXT}AK access failed to reach the limit,forbidden",
        errors.AccessKeyLocked, REJECTED, "5 minutes",
    ),
    (
        401, "APIGW.0301", f"{IAM_TEXT}Get secretKey failed,ak:***,err:ak not exist",
        errors.AccessKeyUnknown, REJECTED, "access key (AK)",
    ),
    (401, "APIGW.0301", f"{IAM_TEXT}ak ABCD not exist", errors.AccessKeyUnknown, REJECTED, "access key (AK)"),
    (
        401, "APIGW.0301",
        f"{IAM_TEXT}signature expired, signature time:20261122T070000Z,server time:20261122T080000Z",
        errors.ClockSkewed, REJECTED, "15 minutes",
    ),
    (401, "APIGW.0301", f"{IAM_TEXT}decrypt token fail", errors.TokenRejected, REJECTED, TOKEN),
    (401, "APIGW.0301", f"{IAM_TEXT}x-auth-token not found", errors.AuthenticationFailed, REJECTED, "credentials="),
    (
        401, "APIGW.0301", f"{IAM_TEXT}token expires, expires_at: 2026-11-22T07:00:00.000000Z",
        errors.TokenRejected, REJECTED, TOKEN,
    ),
    (403, "APIGW.0302", "The IAM user is not authorized to access the API.", errors.PermissionDenied, REJECTED, ROLE),
    (401, "APIGW.0303", "Incorrect app authentication information.", errors.AuthenticationFailed, REJECTED, NOTHING),
    (403, "APIGW.0304", "The app is not authorized to access the API.", errors.PermissionDenied, REJECTED, ROLE),
    (401, "APIGW.0305", "Incorrect authentication information.", errors.AuthenticationFailed, REJECTED, NOTHING),
    (403, "APIGW.0306", "API access denied.", errors.PermissionDenied, REJECTED, ROLE),
    (401, "APIGW.0307", "The token must be updated.", errors.TokenRejected, REJECTED, "region"),
    (429, "APIGW.0308", "The throttling threshold has been reached.", errors.RateLimited, REJECTED, WAIT),
    (403, "APIGW.0310", "The project is unavailable.", errors.PermissionDenied, REJECTED, "project_id="),
    (401, "APIGW.0311", "Incorrect debugging information.", errors.AuthenticationFailed, REJECTED, NOTHING),
    (403, "APIGW.0401", "Unknown client IP.", errors.PermissionDenied, REJECTED, "address"),
    (403, "APIGW.0402", "The IP is not authorized.", errors.PermissionDenied, REJECTED, "address"),
    (403, "APIGW.0404", "Backend IP access denied.", errors.PermissionDenied, REJECTED, "address"),
    (405, "APIGW.0501", "The app quota has been used up.", errors.PermissionDenied, REJECTED, "quota"),
    (405, "APIGW.0502", "The app has been frozen.", errors.PermissionDenied, REJECTED, "frozen"),
    (500, "APIGW.0601", "Internal server error.", errors.ServerFault, UNKNOWN, "request id"),
    (400, "APIGW.0602", "Bad request.", errors.InvalidRequest, REJECTED, NOTHING),
    (500, "APIGW.0605", "Domain name resolution failed.", errors.ServerFault, UNKNOWN, "request id"),
    (500, "APIGW.0606", "Failed to load the API configurations.", errors.ServerFault, UNKNOWN, "request id"),
    (400, "APIGW.0607", "The protocol is not supported.", errors.InvalidRequest, REJECTED, NOTHING),
    (500, "APIGW.0608", "Failed to obtain the admin token.", errors.ServerFault, UNKNOWN, "request id"),
    (500, "APIGW.0609", "The VPC backend does not exist.", errors.ServerFault, UNKNOWN, "request id"),
    (502, "APIGW.0610", "No backend available.", errors.ServiceUnavailable, UNKNOWN, NOTHING),
    (500, "APIGW.0611", "The backend port does not exist.", errors.ServerFault, UNKNOWN, "request id"),
    (500, "APIGW.0612", "An API cannot call itself.", errors.ServerFault, UNKNOWN, "request id"),
    (503, "APIGW.0613", "The IAM service is currently unavailable.", errors.ServiceUnavailable, REJECTED, WAIT),
    (500, "APIGW.0705", "Backend signature calculation failed.", errors.ServerFault, UNKNOWN, "request id"),
    (403, "APIGW.0801", "The service is unavailable in the region.", errors.PermissionDenied, REJECTED, "region="),
    (403, "APIGW.0802", "The IAM user is forbidden in the region.", errors.PermissionDenied, REJECTED, "region="),
]  # fmt: skip


@pytest.mark.parametrize(("status", "code", "message", "reason", "of_run", "said"), DOCUMENTED)
def test_a_documented_refusal_is_of_its_class_and_says_what_to_do(status, code, message, reason, of_run, said):
    client = answering(status, {"error_code": code, "error_msg": message, "request_id": "Req1"})
    call, run = called(client), raised_by(client.execute(ID, {}))
    assert type(call) is reason
    assert isinstance(run, reason)
    assert isinstance(run, of_run)
    assert not isinstance(run, UNKNOWN if of_run is REJECTED else REJECTED)
    told = message.partition(", canonicalRequest:")[0]  # the hint says what is in it
    for error in (call, run):
        assert (error.status, error.code, error.message, error.request_id) == (status, code, told, "Req1")
        assert "Req1" in str(error)
    for each in (call.hint, run.run.hint):
        assert (each is None) if said is None else (said in each)
    assert run.hint == (run.run.hint or (MAY_RUN if of_run is UNKNOWN else None))
    assert (run.run.http_status, run.run.error_code) == (status, code)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, errors.InvalidRequest), (401, errors.AuthenticationFailed), (403, errors.PermissionDenied),
        (404, errors.ResourceNotFound), (405, errors.InvalidRequest), (407, errors.AuthenticationFailed),
        (413, errors.RequestTooLarge), (429, errors.RateLimited), (500, errors.ServerFault),
        (501, errors.ServerFault), (502, errors.ServiceUnavailable), (503, errors.ServiceUnavailable),
        (504, errors.GatewayTimeout), (599, errors.ServerFault),
    ],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"null", b"[]", b'{"error_code": 7}', b"\xff"])
def test_without_a_body_that_can_be_read_the_status_decides(status, reason, body):
    client = answering(status, body, {"x-request-id": "of the header"})
    for error in (called(client), raised_by(client.execute(ID, {}))):
        assert isinstance(error, reason)
        assert (error.status, error.code, error.request_id) == (status, None, "of the header")
        assert str(status) in error.message


def test_a_refusal_in_the_form_of_iam_tells_its_message():
    client = answering(401, {"error": {"code": 401, "message": "The request you have made requires authentication."}})
    error = called(client)
    assert isinstance(error, errors.AuthenticationFailed)
    assert "The request you have made requires authentication." in error.message


@pytest.mark.parametrize("caught", [fgnb.errors.RateLimited, fgnb.errors.RequestRejected, fgnb.errors.ServiceError])
def test_a_throttled_run_is_caught_by_its_status_and_by_its_reason(caught):
    client = answering(429, {"error_code": "APIGW.0308", "error_msg": "throttled"})
    run = Run.of(client.execute(ID, {}), workflow="triage", input={})
    with pytest.raises(caught) as raised:
        run.raise_for_status()
    assert raised.value.run is run


def test_the_classes_to_catch_are_names_of_the_package():
    assert (fgnb.RateLimited, fgnb.RequestRejected) == (errors.RateLimited, errors.RequestRejected)


def test_a_lost_answer_and_a_refused_connection_have_two_classes_as_well():
    def drop(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone")

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no")

    lost = raised_by(client_of(httpx.MockTransport(drop)).execute(ID, {}))
    assert isinstance(lost, errors.OutcomeUnknown)
    assert isinstance(lost, errors.AnswerLost)
    assert lost.hint == MAY_RUN
    unsent = raised_by(client_of(httpx.MockTransport(refuse)).execute(ID, {}))
    assert isinstance(unsent, errors.NotSent)
    assert isinstance(unsent, errors.ConnectionFailed)
    assert unsent.hint == "Nothing ran: check the endpoint and send it again"


@pytest.mark.parametrize("location", ["https://login.example.com/sso?back=x", "/login", "", "http://[", "//"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_a_login_page_is_not_followed(status, location):
    client = answering(status, b"<html>log in</html>", {"location": location, "content-type": "text/html"})
    for error in (called(client), raised_by(client.execute(ID, {}))):
        assert error.status == status
        assert "was not followed" in error.hint
        assert "proxy=" in error.hint
        assert ("login.example.com" in error.hint) == ("login.example.com" in location)
        assert "sso" not in str(error)


@given(st.text(max_size=3000) | st.text("|\n: x", max_size=3000))
def test_whatever_a_refusal_says_its_message_is_short(text):
    client = answering(401, {"error_code": "APIGW.0301", "error_msg": f"verify aksk signature fail{text}"})
    raised_by(client.execute(ID, {}))
    shown = called(client)._render_traceback_()
    assert len(shown) <= 15
    assert max(map(len, shown)) <= 400


# --- a changed request, by the embedded gateway --------------------------------------------------


def unchanged(request: httpx.Request) -> httpx.Request:
    return request


def with_header(name: str, value: str) -> Callable[[httpx.Request], httpx.Request]:
    def change(request: httpx.Request) -> httpx.Request:
        headers = dict(request.headers) | {name: value}
        return httpx.Request(request.method, request.url, headers=headers, content=request.content)

    return change


def with_path(end_: str) -> Callable[[httpx.Request], httpx.Request]:
    def change(request: httpx.Request) -> httpx.Request:
        url = request.url.copy_with(raw_path=request.url.raw_path + end_.encode())
        return httpx.Request(request.method, url, headers=request.headers, content=request.content)

    return change


def with_method(request: httpx.Request) -> httpx.Request:
    return httpx.Request("PUT", request.url, headers=request.headers, content=request.content)


def with_body(request: httpx.Request) -> httpx.Request:
    headers = {name: value for name, value in request.headers.items() if name != "content-length"}
    return httpx.Request(request.method, request.url, headers=headers, content=request.content + b" ")


def guarded(change: Callable[[httpx.Request], httpx.Request], sk: str = SK, token: str | None = None) -> Client:
    """A client of an embedded service that asks for keys."""
    return client_of(Way(Service(keys={AK: SK}), change), AccessKey(AK, sk, token))


def pointed_at(text: str) -> tuple[str, str]:
    """The characters of the gateway's and of our canonical request that a hint marks as the first different ones."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("  gateway: "))
    theirs, ours, mark = lines[start : start + 3]
    assert ours.startswith("  signed:  ")
    assert mark.strip() == "^"
    at = mark.index("^")
    assert theirs[11:at] == ours[11:at]
    return theirs[at : at + 1], ours[at : at + 1]


@pytest.mark.parametrize(
    ("change", "where", "theirs", "ours"),
    [
        (with_header("content-type", "application/json;charset=utf-8"), "content-type", ";", "|"),
        (with_header("host", "127.0.0.2:9"), "host", "2", "1"),
        (with_header("x-project-id", "d53626012ba84727b938ca8bf03108ef"), "x-project-id", "d", "c"),
        (with_path("/x"), "path", "x", "|"),
        (with_path("?limit=1"), "query", "l", "|"),
        (with_method, "method", "U", "O"),
    ],
    ids=["content-type", "host", "x-project-id", "path", "query", "method"],
)
def test_what_a_proxy_changed_is_named_and_pointed_at(change, where, theirs, ours):
    error = raised_by(guarded(change).execute(ID, {"sku": "A-100"}))
    assert isinstance(error, errors.SignatureRejected)
    assert f"changed '{where}'" in error.hint
    assert pointed_at(error.hint) == (theirs, ours)


def test_a_changed_body_is_named_as_such():
    error = raised_by(guarded(with_body).execute(ID, {"sku": "A-100"}))
    theirs, ours = pointed_at(error.hint)
    assert theirs != ours
    assert "changed 'body'" in error.hint


def test_a_request_that_came_as_it_was_signed_means_another_secret_key():
    client = guarded(unchanged, sk="another-secret-key")
    for error in (called(client), raised_by(client.execute(ID, {}))):
        assert isinstance(error, errors.SignatureRejected)
        assert "the secret key (SK) does not belong to this access key" in error.hint
        assert "another-secret-key" not in str(error)


@pytest.mark.parametrize("change", [unchanged, with_header("host", "127.0.0.2:9")], ids=["equal", "changed"])
def test_the_security_token_is_masked_on_both_sides_and_compared_as_equal(change):
    client = guarded(change, sk="another-secret-key", token="canary/token+of=sts")
    outcome = client.execute(ID, {})
    error = raised_by(outcome)
    assert "canary" not in f"{error} {error.hint} {outcome}"
    assert ("does not belong to this access key" in error.hint) == (change is unchanged)


def test_a_gateway_that_does_not_mask_the_security_token_is_compared_all_the_same():
    def echo(request: httpx.Request) -> httpx.Response:
        from fgnb.client.auth import signed_text

        canonical = signed_text(request).replace("***", request.headers["x-security-token"]).replace("\n", "|")
        said = f"{IAM_TEXT}verify aksk signature fail, canonicalRequest:{canonical}"
        return httpx.Response(401, json={"error_code": "APIGW.0301", "error_msg": said})

    outcome = client_of(httpx.MockTransport(echo), AccessKey(AK, SK, "canary-token|of:sts")).execute(ID, {})
    assert "does not belong to this access key" in (outcome.hint or "")
    assert "canary" not in f"{outcome} {raised_by(outcome)}"


line = st.text(st.characters(codec="ascii", exclude_characters="|\n", categories=["L", "N", "P"]), max_size=90)


@given(st.lists(line, min_size=5, max_size=8), st.data())
def test_the_first_difference_is_pointed_at_wherever_it_is(lines, data):
    ours = "\n".join(["POST", "/path/", "", "host:a.example", "x-sdk-date:2026", *lines])
    at = data.draw(st.integers(5, len(ours) - 1).filter(lambda i: ours[i] != "\n"))
    theirs = ours[:at] + ("!" if ours[at] != "!" else "?") + ours[at + 1 :]
    said = f"verify aksk signature fail, canonicalRequest:{theirs}".replace("\n", "|")
    body = json.dumps({"error_code": "APIGW.0301", "error_msg": said}).encode()
    text = hint(Response(status=401, body=body, canonical=ours), error_body(body))
    assert text is not None
    assert pointed_at(text) == (theirs[at], ours[at])
    assert max(len(row) for row in text.splitlines()) < 160


def test_a_locked_access_key_says_until_when():
    client = guarded(unchanged, sk="another-secret-key")
    for _ in range(6):
        assert isinstance(called(client), errors.SignatureRejected)
    assert isinstance(called(client), errors.AccessKeyLocked)
    error = raised_by(client.execute(ID, {}))
    assert isinstance(error, errors.AccessKeyLocked)
    assert "wait without sending" in error.hint


def test_the_end_of_a_lock_is_five_minutes_from_the_answer():
    said = error_body(b'{"error_code": "APIGW.0301", "error_msg": "AK access failed to reach the limit,forbidden"}')
    assert "at most until 08:05:00 UTC" in (hint(Response(status=401), said, now=NOW) or "")


def test_an_access_key_that_the_gateway_does_not_know():
    client = client_of(Way(Service(keys={"other": SK}), unchanged), AccessKey(AK, SK))
    assert isinstance(called(client), errors.AccessKeyUnknown)


def test_no_credentials_at_a_gateway_that_asks_for_them():
    error = called(client_of(Way(Service(keys={AK: SK}), unchanged)))
    assert type(error) is errors.AuthenticationFailed
    assert "HUAWEICLOUD_SDK_AK" in error.hint


# --- clocks --------------------------------------------------------------------------------------

EXPIRED = "signature expired, signature time:20261122T070000Z,server time:20261122T080000Z"


def clock_hint(date: str | None, said: str = EXPIRED) -> str:
    body = json.dumps({"error_code": "APIGW.0301", "error_msg": f"{IAM_TEXT}{said}"}).encode()
    headers = {} if date is None else {"date": date}
    return hint(Response(status=401, headers=headers, body=body), error_body(body), now=NOW) or ""


def http_date(ahead: timedelta) -> str:
    """The date of a server whose clock is behind ours by this much."""
    return format_datetime(NOW - ahead, usegmt=True)


@pytest.mark.parametrize(
    ("ahead", "said"),
    [
        (timedelta(minutes=20), "0:20:00 ahead of the gateway's"),
        (timedelta(minutes=-20), "0:20:00 behind the gateway's"),
        (timedelta(days=-400), "400 days, 0:00:00 behind"),
        (timedelta(minutes=2), "agrees with the gateway's"),
        (timedelta(), "agrees with the gateway's"),
    ],
)
def test_an_expired_signature_is_told_by_how_much_the_clock_is_wrong(ahead, said):
    assert said in clock_hint(http_date(ahead))


@pytest.mark.parametrize("date", [None, "", "yesterday", "Sun, 99 Nov 2026 08:00:00 GMT", "Sun, 22 Nov 2026 08:00:00"])
def test_without_a_date_to_go_by_the_clock_is_still_to_be_set(date):
    assert clock_hint(date).startswith("Set this machine's clock")
    assert "ahead" not in clock_hint(date)
    assert "behind" not in clock_hint(date)


def test_a_wrong_clock_is_told_beside_another_reason_and_a_right_one_is_not():
    wrong = clock_hint(http_date(timedelta(hours=3)), "ak not exist")
    assert "3:00:00 ahead" in wrong
    assert "Check the access key (AK)" in wrong
    assert "clock" not in clock_hint(http_date(timedelta(minutes=3)), "ak not exist")


def test_a_clock_says_nothing_about_what_is_no_matter_of_who_asks():
    response = Response(status=403, headers={"date": http_date(timedelta(hours=3))})
    assert "clock" not in (hint(response, error_body(b"{}"), now=NOW) or "")


def test_the_embedded_gateway_and_a_clock_that_is_an_hour_off(monkeypatch):
    class Late(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr("fgnb.client.auth.datetime", Late)
    error = raised_by(guarded(unchanged).execute(ID, {}))
    assert isinstance(error, errors.ClockSkewed)
    assert "Set this machine's clock" in error.hint


# --- what the workflow itself tells --------------------------------------------------------------


def test_a_normal_workflow_is_not_executed_synchronously(client, service):
    client.create(flow(end(), name="nightly", mode="NORMAL"))
    error = raised_by(client.execute("nightly", {}))
    assert isinstance(error, errors.InvalidRequest)
    assert isinstance(error, errors.RequestRejected)
    assert (error.status, error.code) == (400, "FGS.3002")
    assert "mode: EXPRESS" in error.hint


def test_an_express_workflow_with_a_wrong_request_has_no_such_hint():
    definition = {"id": ID, "definition": flow(end())}
    server = Stub(answer(400, {"error_code": "FGS.3002", "error_msg": "Invalid parameters."}), answer(200, definition))
    client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT))
    assert raised_by(client.execute(ID, {})).hint is None
    client.close()
    server.close()


def test_an_id_that_is_not_found_says_which_is_nearest(client):
    ids = {name: client.create(flow(end(), name=name)).id for name in ("order-triage", "image-pipeline")}
    known = ids["order-triage"]
    wrong = known[:-1] + ("0" if known[-1] != "0" else "1")
    error = raised_by(client.execute(wrong, {}))
    assert isinstance(error, errors.ResourceNotFound)
    assert (error.status, error.code) == (404, "FGS.5002")
    assert f"did you mean {known} (order-triage)?" in error.hint
    assert "image-pipeline, order-triage" in error.hint


def test_an_id_that_is_not_found_in_an_empty_project(client):
    assert "Known workflows: none" in raised_by(client.execute(ID, {})).hint


# --- a workflow that streams ---------------------------------------------------------------------

PIECES = (b"\x89PNG\r\n", b"\x00\xff" * 3000, b"end")


def chunked(kind: str, *pieces: bytes, end_: bytes = b"0\r\n\r\n") -> Callable[[Any], None]:
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    return raw(head.encode() + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end_)


@pytest.fixture
def streaming() -> Iterator[Callable[..., Run]]:
    """Return a function that runs a workflow which answers like this, and whose definition says that."""
    started = []

    def run(behaviour: Callable[[Any], None], **said: Any) -> Run:
        server = Stub(behaviour, answer(200, {"id": ID, "definition": flow(end(), **said)}))
        client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT))
        started.append((client, server))
        return Run.of(client.execute(ID, {}), workflow="film", input={})

    yield run
    for client, server in started:
        client.close()
        server.close()


def test_a_streaming_workflows_bytes_are_its_answer(streaming):
    run = streaming(chunked("application/octet-stream", *PIECES), enable_stream_response=True)
    assert run.raise_for_status() is run
    assert (run.status, run.raw, run.output) == ("success", b"".join(PIECES), None)
    assert f"{len(b''.join(PIECES)):,} bytes" in (run.reason or "")
    assert ".raw" in (run.reason or "")
    assert pickle.loads(pickle.dumps(run)) == run


@pytest.mark.parametrize("said", [{}, {"enable_stream_response": False}, {"enable_stream_response": "yes"}])
def test_bytes_of_a_workflow_that_does_not_stream_are_no_answer(streaming, said):
    run = streaming(chunked("application/octet-stream", *PIECES), **said)
    assert (run.status, run.raw) == ("unknown", b"".join(PIECES))


@pytest.mark.parametrize(
    "kind",
    [
        "text/html",
        "text/html; charset=utf-8",
        "Text/HTML",
    ],
)
def test_a_page_of_a_proxy_is_no_answer_of_a_streaming_workflow(streaming, kind):
    run = streaming(chunked(kind, b"<html>", b"log in</html>"), enable_stream_response=True)
    assert run.status == "unknown"


def test_a_stream_that_happens_to_be_json_is_an_answer_too(streaming):
    run = streaming(chunked("application/octet-stream", b'{"a": ', b"1}"), enable_stream_response=True)
    assert run.status == "success"


def test_a_stream_that_breaks_off_is_no_answer(streaming):
    run = streaming(chunked("application/octet-stream", *PIECES, end_=b""), enable_stream_response=True)
    assert (run.status, run.raw) == ("unknown", None)
