"""What the client makes of every kind of answer and of none: client/."""

import asyncio
import gc
import gzip
import json
import logging
import threading
import time
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fgnb
from fgnb import errors, shortcuts
from fgnb.background import BackgroundLoop
from fgnb.client import caller, retry
from fgnb.client import client as client_module
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.transport import HttpTransport
from fgnb.errors import AnswerLost, ConnectionFailed, InputError, ServiceError, WorkflowNotFound
from fgnb.local.functions import Functions
from fgnb.local.service import Service
from fgnb.runs.run import Run
from tests.exact import exact
from tests.flows import PROJECT, action, end, flow, one_call, state
from tests.stub import Stub, answer, raw, reset, reset_after, stall

ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
DONE = {
    "execution_id": "48aff955-ea10-4ffd-b426-190bc192dc13",
    "status": "success",
    "output": {"message": "success", "result": 200},
    "errors": [],
    "begin_time": "2021-01-01T00:00:00Z",
    "end_time": "2021-01-01T00:00:01Z",
}
REFUSED = {"error_code": "FGS.3002", "error_msg": "Invalid parameters.", "request_id": "Req1"}


@pytest.fixture
def stub():
    """Return a function that starts a stub with a script and gives a client of it, too."""
    started = []

    def start(*script, **options):
        server = Stub(*script)
        options = {"retry_for": 0.0} | options  # tests of sending again ask for it
        client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT, **options))
        started.append((server, client))
        return server, client

    yield start
    for server, client in started:
        client.close()
        server.close()


def raised_by(outcome):
    """Return the class that `check=True` raises for an outcome."""
    run = Run.of(outcome, workflow="w", input={})
    with pytest.raises(errors.RunError) as caught:
        run.raise_for_status()
    assert caught.value.run is run
    return caught.type


# --- the fault matrix: what the service does, and what becomes of the run ------------------------

BODY = json.dumps(DONE).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY)
GATEWAY = {"error_code": "APIGW.0613", "error_msg": "The IAM service is currently unavailable.", "request_id": "r"}
THROTTLED = {"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached.", "request_id": "r"}
OVERLOAD = {"error_code": "FSS.0429", "error_msg": "Your request has been controlled by overload sdk."}
HTML = b"<html>hello</html>"
ELSEWHERE = "http://127.0.0.1:1/"


def nobody():
    """Return a server that refuses connections."""
    return Stub(listens=False)


def full():
    """Return a server with so many connections waiting that a new one is not even refused."""
    server = Stub(listens=False)
    server.fill()
    return server


class Row(NamedTuple):
    """What the service does: a behaviour, a script of them, or a function that starts a server; what comes of it.

    `error` is the exception's class by the run's status, `reason` the one by the reason, if it has two;
    `posts` how often the server saw the run. A run may be sent again unless `retry_for` is 0.
    """

    service: Any
    status: str
    error: type[errors.RunError] | None = None
    reason: type[ServiceError] | None = None
    posts: int = 1
    retry_for: float = 60.0
    timeout: float = 10.0


def lost(service, **more):
    """Sent, but nothing that can be trusted came back."""
    return Row(service, "unknown", errors.OutcomeUnknown, AnswerLost, **more)


def refusal(service, reason, **more):
    """Refused: nothing ran."""
    return Row(service, "rejected", errors.RequestRejected, reason, **more)


def fault(service, reason, **more):
    """An error of a server, after which nobody knows."""
    return Row(service, "unknown", errors.OutcomeUnknown, reason, **more)


def unsent(service, **more):
    """No connection."""
    return Row(service, "unsent", errors.NotSent, ConnectionFailed, posts=0, **more)


MATRIX = {
    # the service's own words
    "success": Row(answer(200, DONE), "success"),
    "fail": Row(answer(200, DONE | {"status": "fail"}), "fail", errors.WorkflowFailed),
    "timeout": Row(answer(200, DONE | {"status": "timeout"}), "timeout", errors.WorkflowTimedOut),
    "unknown status value": Row(answer(200, DONE | {"status": "paused"}), "paused", errors.OutcomeUnknown),
    "without the optional fields": Row(answer(200, {"execution_id": "e", "status": "success"}), "success"),
    "with unknown fields": Row(answer(200, DONE | {"new": [1]}), "success"),
    "gzip": Row(answer(200, gzip.compress(BODY), content_encoding="gzip"), "success"),
    "1xx before the answer": Row(raw(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + BODY, pause=0.01), "success"),
    "a late answer": Row(lambda connection: time.sleep(0.1) or answer(200, DONE)(connection), "success"),
    "a second answer": Row(raw(HEAD + BODY + b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\n{}"), "success"),
    # no connection
    "refuse": unsent(nobody, retry_for=0),
    "refuse, and again": unsent(nobody),
    "stall on connect": unsent(full, retry_for=0),
    # no whole answer
    "stall": lost(stall, timeout=0.1),
    "stall after the headers": lost(lambda connection: connection.sendall(HEAD) or stall(connection), timeout=0.1),
    "drop before the headers": lost(raw(b"")),
    "reset before the headers": lost(reset),
    "drop within the headers": lost(raw(HEAD[:20])),
    "drop after the headers": lost(raw(HEAD)),
    "reset after the headers": lost(reset_after(HEAD)),
    "half the body": lost(raw(HEAD + BODY[:50])),
    "half the body, without a length": lost(raw(b"HTTP/1.1 200 OK\r\n\r\n" + BODY[:50])),
    "half the chunks": lost(raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n")),
    "length too long": lost(answer(200, DONE, length=len(BODY) + 9)),
    "length too short": lost(answer(200, DONE, length=len(BODY) - 9)),
    "only 1xx": lost(raw(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "101": lost(raw(b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n")),
    "not HTTP": lost(raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")),
    "not gzip": lost(answer(200, b"plain", content_encoding="gzip")),
    "half a 429": lost(answer(429, THROTTLED, length=999)),
    # a whole answer that is none
    "empty 200": lost(answer(200)),
    "HTML 200": lost(answer(200, HTML, content_type="text/html")),
    "garbage 200": lost(answer(200, b"{\xff\x00")),
    "NaN in a 200": lost(answer(200, BODY.replace(b"200}", b"NaN}"))),
    "a list as 200": lost(answer(200, [])),
    "null as 200": lost(answer(200, None)),
    "a 200 without a status": lost(answer(200, {"execution_id": "e"})),
    "a 200 with a wrong type": lost(answer(200, DONE | {"status": 1})),
    "a refusal as 200": lost(answer(200, THROTTLED)),
    "201": lost(answer(201, DONE)),
    "202": lost(answer(202)),
    "202 with a body": lost(answer(202, {"execution_id": "e"})),
    "204": lost(raw(b"HTTP/1.1 204 No Content\r\n\r\n")),
    # redirects
    "301": refusal(answer(301, location=ELSEWHERE), ServiceError),
    "302": refusal(answer(302, location=ELSEWHERE), ServiceError),
    "304": refusal(raw(b"HTTP/1.1 304 Not Modified\r\n\r\n"), ServiceError),
    "307": refusal(answer(307, location=ELSEWHERE), ServiceError),
    # 4xx
    "400": refusal(answer(400, REFUSED), errors.InvalidRequest),
    "400 bare": refusal(answer(400), errors.InvalidRequest),
    "400 with HTML": refusal(answer(400, HTML), errors.InvalidRequest),
    "401": refusal(answer(401, {"error_code": "APIGW.0301"}), errors.AuthenticationFailed),
    "401 bare": refusal(answer(401), errors.AuthenticationFailed),
    "403": refusal(answer(403, {"error_code": "APIGW.0302"}), errors.PermissionDenied),
    "403 bare": refusal(answer(403), errors.PermissionDenied),
    "404 of the service": refusal(answer(404, {"error_code": "FGS.5002"}), errors.ResourceNotFound),
    "404 of the gateway": refusal(answer(404, {"error_code": "APIGW.0101"}), errors.ResourceNotFound),
    "404 bare": refusal(answer(404), errors.ResourceNotFound),
    "405 bare": refusal(answer(405), errors.InvalidRequest),
    "407 bare": refusal(answer(407), errors.AuthenticationFailed),
    "413": refusal(answer(413, {"error_code": "APIGW.0201"}), errors.RequestTooLarge),
    "413 bare": refusal(answer(413), errors.RequestTooLarge),
    # too many requests
    "429": refusal(answer(429, THROTTLED), errors.RateLimited, retry_for=0),
    "429 bare": refusal(answer(429), errors.RateLimited, retry_for=0),
    "429 with HTML": refusal(answer(429, HTML), errors.RateLimited, retry_for=0),
    "429, then success": Row([answer(429, THROTTLED), answer(200, DONE)], "success", posts=2),
    "429 bare twice, then success": Row([answer(429), answer(429), answer(200, DONE)], "success", posts=3),
    "429, then fail": Row(
        [answer(429), answer(200, DONE | {"status": "fail"})], "fail", errors.WorkflowFailed, posts=2
    ),
    "429, then a drop": lost([answer(429), raw(b"")], posts=2),
    "429, then 400": refusal([answer(429), answer(400, REFUSED)], errors.InvalidRequest, posts=2),
    "429 with Retry-After, then success": Row([answer(429, retry_after="0"), answer(200, DONE)], "success", posts=2),
    "429 with a date, then success": Row(
        [answer(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), answer(200, DONE)], "success", posts=2
    ),
    "429 with garbage, then success": Row([answer(429, retry_after="soon"), answer(200, DONE)], "success", posts=2),
    "429 with Retry-After beyond the budget": refusal(answer(429, retry_after="61"), errors.RateLimited),
    "429 with a date beyond the budget": refusal(
        answer(429, retry_after="Fri, 31 Dec 9999 23:59:59 GMT"), errors.RateLimited
    ),
    "overload by its code alone": refusal(answer(400, OVERLOAD), errors.RateLimited, retry_for=0),
    "overload by its code, 503, then success": Row([answer(503, OVERLOAD), answer(200, DONE)], "success", posts=2),
    "overload by its code, but 500": fault(answer(500, OVERLOAD), errors.ServerFault),
    "overload by its code, but 202": Row(answer(202, OVERLOAD), "unknown", errors.OutcomeUnknown, errors.AnswerLost),
    "our own word for unsent": Row(
        answer(200, DONE | {"status": "unsent"}), "unknown", errors.OutcomeUnknown, errors.AnswerLost
    ),
    "our own word for cancelled": Row(
        answer(200, DONE | {"status": "cancelled"}), "unknown", errors.OutcomeUnknown, errors.AnswerLost
    ),
    "no execution id": Row(
        answer(200, DONE | {"execution_id": ""}), "unknown", errors.OutcomeUnknown, errors.AnswerLost
    ),
    # 5xx
    "500": fault(answer(500, REFUSED), errors.ServerFault),
    "500 bare": fault(answer(500), errors.ServerFault),
    "500 with HTML": fault(answer(500, HTML), errors.ServerFault),
    "500 with a gateway's code": fault(answer(500, GATEWAY), errors.ServerFault),
    "501 bare": fault(answer(501), errors.ServerFault),
    "502": fault(answer(502, {"error_code": "APIGW.0201"}), errors.ServiceUnavailable),
    "502 bare": fault(answer(502), errors.ServiceUnavailable),
    "503 of the gateway": refusal(answer(503, GATEWAY), errors.ServiceUnavailable, retry_for=0),
    "503 of the gateway, then success": Row([answer(503, GATEWAY), answer(200, DONE)], "success", posts=2),
    "503 of the gateway, with Retry-After": refusal(
        answer(503, GATEWAY, retry_after="3600"), errors.ServiceUnavailable
    ),
    "503 with another code": fault(answer(503, REFUSED), errors.ServiceUnavailable),
    "503 bare": fault(answer(503), errors.ServiceUnavailable),
    "503 bare with Retry-After": fault(answer(503, retry_after="0"), errors.ServiceUnavailable),
    "504": fault(answer(504, {"error_code": "APIGW.0201"}), errors.GatewayTimeout),
    "504 bare": fault(answer(504), errors.GatewayTimeout),
}  # fmt: skip


@pytest.fixture
def quick_retries(monkeypatch):
    """Short pauses before something is sent again, and without chance."""
    monkeypatch.setattr(retry, "PAUSE", 0.02)
    monkeypatch.setattr(retry, "CONNECT_PAUSE", 0.02)
    monkeypatch.setattr(caller, "Retry", partial(retry.Retry, chance=lambda: 0.01))


@pytest.mark.parametrize("way", ["run", "arun"])
@pytest.mark.parametrize("row", MATRIX.values(), ids=MATRIX.keys())
def test_the_fault_matrix(monkeypatch, quick_retries, row, way):
    monkeypatch.setattr(shortcuts, "_default", None)
    if row.service in (nobody, full):
        server = row.service()
    else:
        server = Stub(*(row.service if isinstance(row.service, list) else [row.service]))
    session = fgnb.connect(
        server.url, project_id=PROJECT, retry_for=row.retry_for, timeout=row.timeout, connect_timeout=0.2
    )
    try:
        if row.error is None:
            run = session.run(ID, {}) if way == "run" else asyncio.run(session.arun(ID, {}))
        else:
            with pytest.raises(row.error) as caught:
                session.run(ID, {}) if way == "run" else asyncio.run(session.arun(ID, {}))
            run = caught.value.run
            assert caught.type is (errors.both(row.error, row.reason) if row.reason else row.error)
            assert len(str(caught.value).splitlines()) <= 15
        assert (run.status, server.posts()) == (row.status, row.posts)
        assert run.workflow_id == ID
        if row.reason is not None:
            assert run.reason
            assert run.reason in str(caught.value)
    finally:
        session.close()
        server.close()


def test_a_run_that_is_given_up_says_after_how_many_attempts(stub, quick_retries):
    server = nobody()
    client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT))
    outcome = client.execute(ID, {})
    assert (outcome.status, outcome.attempts) == ("unsent", 3)
    assert "(after 3 attempts)" in outcome.reason
    client.close()
    server.close()
    server, client = stub(answer(429, THROTTLED), answer(429, THROTTLED, retry_after="9"), retry_for=5)
    outcome = client.execute(ID, {})
    assert (outcome.status, outcome.attempts, server.posts()) == ("rejected", 2, 2)
    assert outcome.reason == "The throttling threshold has been reached. (after 2 attempts)"


def test_a_server_that_comes_up_meanwhile_gets_the_run(quick_retries, caplog):
    server = Stub(answer(200, DONE), listens=False)

    class Watch(logging.Handler):
        def emit(self, record):
            if "attempt 3 in" in record.getMessage():
                server.listen()

    log, watch = logging.getLogger("fgnb.client"), Watch()
    client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT))
    log.addHandler(watch)
    try:
        with caplog.at_level(logging.INFO, "fgnb.client"):
            outcome = client.execute(ID, {})
    finally:
        log.removeHandler(watch)
        client.close()
        server.close()
    assert (outcome.status, outcome.attempts, server.posts()) == ("success", 3, 1)


def test_a_run_is_not_sent_again_once_its_budget_is_used_up(stub, quick_retries):
    server, client = stub(answer(429, THROTTLED), retry_for=0.4)
    outcome = client.execute(ID, {})
    assert outcome.status == "rejected"
    assert 2 <= server.posts() == outcome.attempts <= 7


def test_a_run_that_is_cancelled_between_two_attempts_ran_nothing(stub):
    server, client = stub(answer(429, retry_after="5"), retry_for=60)
    submission = client.submit(ID, {})
    while not server.requests:
        time.sleep(0.01)
    time.sleep(0.05)  # until its answer was read
    submission.cancel()
    assert submission.future.result(2).status == "cancelled"
    assert server.posts() == 1


def test_no_answer_in_time_says_after_how_long(stub):
    _, client = stub(stall)
    assert "0.1 s" in client.execute(ID, {}, timeout=0.1).reason


def test_an_answer_that_trickles_in_forever_is_given_up(stub, monkeypatch):

    def trickle(connection):
        connection.sendall(HEAD)
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    server, client = stub(trickle)
    started = time.perf_counter()
    outcome = client.execute(ID, {}, timeout=0.2)
    assert time.perf_counter() - started < 20
    assert (outcome.status, server.posts()) == ("unknown", 1)


def test_the_clients_own_timeout_is_the_default(stub):
    _, client = stub(stall, timeout=0.1)
    assert client.execute(ID, {}).status == "unknown"


def test_a_refused_connection_names_the_endpoint(stub):
    server, client = stub(answer(200, DONE))
    server.close()
    outcome = client.execute(ID, {})
    assert (outcome.status, server.requests) == ("unsent", [])
    assert issubclass(raised_by(outcome), errors.NotSent)
    assert server.url in outcome.reason


def test_a_host_that_does_not_exist_is_unsent():
    client = Client(AsyncClient(HttpTransport("http://no-such-host.invalid"), project_id=PROJECT, retry_for=0))
    assert client.execute(ID, {}).status == "unsent"


@pytest.mark.parametrize(
    "script", [[raw(b"")], [answer(200, b"<html>")], [answer(200, {"workflows": 1})]], ids=["drop", "HTML", "form"]
)
def test_a_name_that_cannot_be_looked_up_leaves_the_run_unsent(stub, script):
    server, client = stub(*script)
    outcome = client.execute("name", {})
    assert (outcome.status, server.posts()) == ("unsent", 0)
    assert outcome.reason


def test_a_refused_look_up_leaves_the_run_rejected_with_the_services_words(stub):
    server, client = stub(answer(403, {"error_code": "APIGW.0302", "error_msg": "Not you."}, x_request_id="r9"))
    outcome = client.execute("name", {})
    assert (outcome.status, server.posts()) == ("rejected", 0)
    assert (outcome.http_status, outcome.error_code, outcome.request_id) == (403, "APIGW.0302", "r9")
    assert outcome.reason == "Not you."


# --- what is sent and what is known of it --------------------------------------------------------


def test_the_request_is_as_documented(stub):
    server, client = stub(answer(200, DONE))
    client.execute(ID, {"n": 1}, headers={"tenantId": "user1"})
    client.execute(ID, {"n": 2})
    path = f"/v2/{PROJECT}/fgs/workflows/{ID}/sync-executions"
    assert [(method, sent) for method, sent, _ in server.requests] == [("POST", path)] * 2
    bodies = [json.loads(body) for _, _, body in server.requests]
    assert bodies == [{"headers": {"tenantId": "user1"}, "input": {"n": 1}}, {"input": {"n": 2}}]


def test_an_id_with_odd_characters_is_percent_encoded(stub):
    page = {"workflows": [{"id": "a/b?c", "name": "flow"}], "total": 1, "size": 1}
    server, client = stub(answer(200, page), answer(200, DONE))
    assert client.execute("flow", {}).status == "success"
    assert "/workflows/a%2Fb%3Fc/sync-executions" in server.requests[-1][1]


def test_the_outcome_says_when_how_long_and_under_which_ids(stub):
    def slowly(connection):
        time.sleep(0.2)
        answer(200, DONE, x_request_id="r1")(connection)

    _, client = stub(slowly)
    before = datetime.now(UTC)
    outcome = client.execute(ID, {})
    assert before <= outcome.submitted_at <= datetime.now(UTC)
    assert 0.2 <= outcome.elapsed < 20
    assert (outcome.http_status, outcome.request_id, outcome.workflow_id) == (200, "r1", ID)
    assert outcome.raw == DONE
    assert outcome.execution.execution_id == DONE["execution_id"]


@pytest.mark.parametrize(
    ("headers", "request_id"), [({"x_request_id": "of the header"}, "of the header"), ({}, "Req1")]
)
def test_the_request_id_comes_from_the_header_first(stub, headers, request_id):
    _, client = stub(answer(400, REFUSED, **headers))
    outcome = client.execute(ID, {})
    assert (outcome.request_id, outcome.error_code, outcome.reason) == (request_id, "FGS.3002", "Invalid parameters.")


def test_a_failed_run_names_its_nodes(stub):
    failed = DONE | {"status": "fail", "output": None, "errors": [{"node_id": "n1", "error_message": "no"}]}
    info = {"id": ID, "definition": {"states": [{"id": "n1", "name": "Price"}, {"id": 5}, "x"]}}
    server, client = stub(answer(200, failed), answer(200, info), answer(200, failed))
    for _ in range(2):
        assert client.execute(ID, {}).node_names == {"n1": "Price"}
    assert [method for method, _, _ in server.requests] == ["POST", "GET", "POST"]


def test_a_failed_run_is_still_told_if_the_names_cannot_be_had(stub):
    failed = DONE | {"status": "fail", "output": None, "errors": [{"node_id": "n1", "error_message": "no"}]}
    _, client = stub(answer(200, failed), raw(b""))
    outcome = client.execute(ID, {})
    assert (outcome.status, outcome.node_names) == ("fail", {})


def test_a_failed_run_does_not_wait_for_the_names(stub, monkeypatch):
    monkeypatch.setattr(client_module, "EXPLAIN_TIMEOUT", 0.02)
    failed = DONE | {"status": "fail", "output": None, "errors": [{"node_id": "n1", "error_message": "no"}]}
    _, client = stub(answer(200, failed), stall)
    outcome = client.execute(ID, {})
    assert (outcome.status, outcome.node_names) == ("fail", {})


def test_a_definition_that_is_only_to_be_shown_is_asked_for_once(stub):
    server, client = stub(raw(b""))
    for _ in range(3):
        client.start(client.asynchronous.learn(ID)).result(5)
    assert len(server.requests) == 1
    assert client.asynchronous.known_definition(ID) is None


def test_what_there_is_in_place_of_an_unknown_id_is_asked_for_once(stub):
    gone = answer(404, {"error_code": "FGS.5002"})
    server, client = stub(gone, page(flow="id-1"), gone)
    hints = {client.execute(ID, {}).hint for _ in range(3)}
    assert [method for method, _, _ in server.requests] == ["POST", "GET", "POST", "POST"]
    assert [hint.splitlines()[1] for hint in hints] == ["Known workflows: flow"]


# --- names ---------------------------------------------------------------------------------------


def page(**ids):
    entries = [{"id": workflow_id, "name": name.replace("_", "-")} for name, workflow_id in ids.items()]
    return answer(200, {"workflows": entries, "total": len(entries), "size": len(entries)})


def test_a_name_is_looked_up_once_and_remembered(stub):
    server, client = stub(page(flow="id-1"), answer(200, DONE))
    for _ in range(3):
        assert client.execute("flow", {}).workflow_id == "id-1"
    assert [method for method, _, _ in server.requests] == ["GET", "POST", "POST", "POST"]


def test_an_id_in_the_form_of_a_uuid_goes_without_a_look_up(stub):
    server, client = stub(answer(200, DONE))
    client.execute(ID, {})
    client.execute(ID.upper(), {})
    assert server.posts() == len(server.requests) == 2


def test_an_id_of_another_form_is_found_in_the_list(stub):
    server, client = stub(page(flow="id-1"), answer(200, DONE))
    assert client.execute("id-1", {}).workflow_id == "id-1"
    assert server.posts() == 1


def test_an_unknown_name_says_which_exist_and_which_is_nearest(stub):
    server, client = stub(page(order_triage="id-1", image_pipeline="id-2"))
    with pytest.raises(WorkflowNotFound, match="did you mean 'order-triage'") as caught:
        client.execute("order-tirage", {})
    assert set(caught.value.known) == {"order-triage", "image-pipeline"}
    assert "image-pipeline" in str(caught.value)
    assert server.posts() == 0


def test_a_name_that_moved_to_another_id_is_looked_up_again(stub):
    gone = answer(404, {"error_code": "FGS.5002", "error_msg": "Function flow not found."})
    server, client = stub(page(flow="id-1"), gone, page(flow="id-2"), answer(200, DONE))
    outcome = client.execute("flow", {})
    assert (outcome.status, outcome.workflow_id) == ("success", "id-2")
    assert [method for method, _, _ in server.requests] == ["GET", "POST", "GET", "POST"]


def test_a_name_that_is_gone_raises_after_a_second_look(stub):
    gone = answer(404, {"error_code": "FGS.5002"})
    server, client = stub(page(flow="id-1"), gone, page(other="id-3"))
    with pytest.raises(WorkflowNotFound, match="Known workflows: other"):
        client.execute("flow", {})
    assert server.posts() == 1


def test_a_name_that_still_has_its_id_is_not_sent_again(stub):
    gone = answer(404, {"error_code": "FGS.5002"})
    server, client = stub(page(flow="id-1"), gone, page(flow="id-1"))
    assert client.execute("flow", {}).status == "rejected"
    assert server.posts() == 1


def test_show_of_what_is_gone_or_not_ours_says_so(stub):
    gone = answer(404, {"error_code": "FGS.5002"})
    _, client = stub(page(flow="id-1"), gone, page(flow="id-1"), answer(403, {"error_code": "FGS.0403"}))
    with pytest.raises(WorkflowNotFound, match="Known workflows: flow"):
        client.show("flow")
    with pytest.raises(errors.PermissionDenied):
        client.show("flow")


def test_show_follows_a_name_to_its_new_id_and_names_what_exists(client, functions, service):
    client.create(one_call("f", name="flow"))
    assert client.show("flow").definition["name"] == "flow"
    moved = Client(AsyncClient(service, project_id=PROJECT))
    moved.delete([client.show("flow").workflow_urn])
    created = moved.create(one_call("f", name="flow"))
    assert client.show("flow").id == created.id
    for unknown in ("flwo", str(uuid4())):
        with pytest.raises(WorkflowNotFound, match="Known workflows: flow"):
            client.show(unknown)


def test_update_renames_and_delete_forgets(client):
    summary = client.create(one_call("f", name="old"))
    client.update(summary.id, one_call("f", name="new"))
    assert client.show("new").id == summary.id
    with pytest.raises(WorkflowNotFound):
        client.show("old")
    answer_ = client.delete([client.show("new").workflow_urn])
    assert (len(answer_.success), answer_.fail) == (1, ())
    with pytest.raises(WorkflowNotFound, match="no workflows yet"):
        client.execute("new", {})


def test_list_reads_all_pages(client, service):
    for number in range(450):
        service.catalog.create(one_call("f", name=f"flow-{number}"), PROJECT)
    assert [summary.name for summary in client.list()] == [f"flow-{number}" for number in range(450)]
    assert client.show("flow-449").definition["name"] == "flow-449"


def test_other_calls_raise_what_the_service_said(stub):
    _, client = stub(answer(400, REFUSED, x_request_id="r7"))
    with pytest.raises(ServiceError, match=r"400 FGS\.3002: Invalid parameters\.\nrequest id: r7") as caught:
        client.create({"name": "x"})
    error = caught.value
    assert (error.status, error.code, error.request_id, error.message) == (400, "FGS.3002", "r7", "Invalid parameters.")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [(answer(200, b"<html>"), AnswerLost), (answer(200, {"id": 1}), AnswerLost), (raw(b""), AnswerLost)],
    ids=["HTML", "form", "drop"],
)
def test_other_calls_raise_if_the_answer_cannot_be_trusted(stub, behaviour, error):
    _, client = stub(behaviour)
    with pytest.raises(error):
        client.create({"name": "x"})


def test_other_calls_raise_if_the_connection_never_came_up(stub):
    server, client = stub(answer(200))
    server.close()
    with pytest.raises(ConnectionFailed):
        client.list()


# --- giving up -----------------------------------------------------------------------------------


def test_a_cancelled_run_is_unknown_if_it_was_sent_and_closes_the_connection(stub):
    server, client = stub(None)
    closed = []

    def watch(connection):
        closed.append(connection.recv(1))  # b"" at the other side's end

    server.script[0] = watch
    submission = client.submit(ID, {})
    while not server.requests:
        time.sleep(0.01)
    submission.cancel()
    assert submission.future.result(2).status == "unknown"
    deadline = time.monotonic() + 2
    while not closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert closed == [b""]


def test_a_run_cancelled_before_its_first_step_is_not_sent(stub):
    server, _ = stub(answer(200, DONE))
    loop, gate = BackgroundLoop("test"), threading.Event()
    client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT), loop=loop)
    loop.loop.call_soon_threadsafe(gate.wait)
    submission = client.submit(ID, {})
    submission.cancel()
    gate.set()
    outcome = submission.future.result(2)
    assert outcome.status == "cancelled"
    assert raised_by(outcome) is errors.RunCancelled
    client.close()
    assert server.requests == []


def test_a_run_cancelled_during_its_look_up_was_not_sent(stub):
    server, client = stub(stall)
    submission = client.submit("name", {})
    while not server.requests:
        time.sleep(0.01)
    submission.cancel()
    assert submission.future.result(2).status == "cancelled"
    assert server.posts() == 0


def test_a_run_cancelled_during_its_second_look_up_ran_nothing(stub):
    server, client = stub(page(flow="id-1"), answer(404, {"error_code": "FGS.5002"}), stall)
    submission = client.submit("flow", {})
    while len(server.requests) < 3:
        time.sleep(0.01)
    submission.cancel()
    assert submission.future.result(2).status == "cancelled"


def test_a_run_whose_task_is_cancelled_closes_its_connection(stub):
    server, client = stub(stall)
    submission = client.submit(ID, {})
    while not server.requests:
        time.sleep(0.001)
    assert submission.future.cancel()
    deadline = time.monotonic() + 5
    while server.open and time.monotonic() < deadline:
        time.sleep(0.001)
    assert server.open == 0


def test_an_event_loop_may_end_while_a_name_is_looked_up(stub, caplog):
    server, _ = stub(stall)

    async def in_vain():
        client = AsyncClient(HttpTransport(server.url), project_id=PROJECT)
        task = asyncio.ensure_future(client.execute("flow", {}))
        while not server.requests:
            await asyncio.sleep(0.001)
        task.cancel()

    asyncio.run(in_vain())
    gc.collect()
    assert caplog.text == ""


def test_cancelling_a_finished_run_changes_nothing(stub):
    _, client = stub(answer(200, DONE))
    submission = client.submit(ID, {})
    assert submission.future.result(2).status == "success"
    submission.cancel()
    assert submission.give_up().status == "success"


def test_an_async_run_from_any_loop_and_its_cancellation(stub):
    server, client = stub(answer(200, DONE))
    assert asyncio.run(client.aexecute(ID, {})).status == "success"
    server.script[0] = stall

    async def cancelled():
        task = asyncio.create_task(client.aexecute(ID, {}))
        while len(server.requests) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())


def test_100_runs_at_once_over_http_give_each_its_own_answer(served_client):
    name = f"echo-{uuid4()}"
    served_client.create(one_call("echo", name=name))
    submissions = [served_client.submit(name, {"n": n}) for n in range(100)]
    assert [each.future.result(20).execution.output for each in submissions] == [{"n": n} for n in range(100)]


# --- endpoints -----------------------------------------------------------------------------------


def test_a_trailing_slash_does_not_matter(stub):
    server, _ = stub(answer(200, DONE))
    client = Client(AsyncClient(HttpTransport(server.url + "/"), project_id=PROJECT))
    assert client.execute(ID, {}).status == "success"
    assert server.requests[0][1].startswith("/v2/")
    client.close()


# --- any JSON object comes back as it was sent ---------------------------------------------------

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)  # lone surrogates, too
objects = st.dictionaries(
    texts,
    st.recursive(
        scalars | texts | st.integers(-(2**70), 2**70),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=12,
    ),
    max_size=5,
)


@pytest.fixture(scope="module", params=["embedded", "served"])
def echoing(request):
    """A client of each kind, with a workflow `echo-any` that calls a function."""
    if request.param == "embedded":
        functions = Functions()
        functions.register(lambda event, context: event, name="echo", timeout=30)
        client = Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT))
    else:
        client = Client(AsyncClient(HttpTransport(request.getfixturevalue("serve")), project_id=PROJECT))
    client.create(flow(state("echo", action("echo"), transition="end"), end(), name="echo-any"))
    yield client
    client.close()


@given(value=objects)
def test_any_json_object_comes_back_unchanged(echoing, value):
    outcome = echoing.execute("echo-any", value)
    assert outcome.status == "success"
    assert exact(outcome.execution.output) == exact(value)


@pytest.mark.parametrize(
    "value",
    [
        {"big": 2**53 + 1, "bigger": 10**400, "negative": -(2**64) - 1},
        {"int": 1, "float": 1.0, "bool": True, "minus zero": -0.0, "tiny": 5e-324, "huge": 1.7976931348623157e308},
        {"empty": {}, "none": [], "null": None, "": "", "\ud83d": "\ude00", "😀": "\u2028\x00\x7f"},
        {"z": 1, "a": 2, "Z": {"b": [[], [{}]]}},
    ],
)
def test_types_and_order_come_back_exactly(echoing, value):
    assert exact(echoing.execute("echo-any", value).execution.output) == exact(value)


def test_an_integer_beyond_what_python_writes_is_refused_before_it_is_sent(stub):
    server, client = stub(answer(200, DONE))
    with pytest.raises(InputError, match="digits"):
        client.execute(ID, {"n": 10**5000})
    assert server.requests == []


def test_the_look_up_of_a_name_takes_no_longer_than_the_answer_may(stub):
    server, client = stub(stall)
    began = time.monotonic()
    outcome = client.execute("echo", {}, timeout=0.3)
    assert time.monotonic() - began < 5
    assert (outcome.status, outcome.reason) == ("unsent", "the look-up of 'echo' was not answered within 0.3 s")
    assert server.posts() == 0


def test_a_session_is_closed_at_the_end_of_an_async_with(serve):
    async def run():
        async with fgnb.connect(serve) as session:
            first = await session.arun("order-triage", {"sku": "A-100"})
        return first, await session.arun("order-triage", check=False)

    first, second = asyncio.run(run())
    assert (first.status, second.status) == ("success", "unsent")


def test_a_value_that_is_nested_too_deeply_is_refused_before_it_is_sent(stub):
    server, client = stub(answer(200, DONE))
    deep = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InputError, match="too deeply"):
        client.execute(ID, deep)
    assert server.requests == []


def test_an_execution_id_is_a_uuid_of_the_service(echoing):
    UUID(echoing.execute("echo-any", {}).execution.execution_id)
