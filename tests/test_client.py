"""What the client makes of every kind of answer and of none: client/."""

import asyncio
import json
import threading
import time
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb import errors
from fgnb.background import BackgroundLoop
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.transport import HttpTransport
from fgnb.errors import AnswerLost, ConfigError, ConnectionFailed, InputError, ServiceError, WorkflowNotFound
from fgnb.local.functions import Functions
from fgnb.local.service import Service
from fgnb.runs.run import Run
from tests.exact import exact
from tests.flows import PROJECT, action, end, flow, one_call, state
from tests.stub import Stub, answer, raw, reset

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
    """Return the class that `check=True` raises for an outcome, or None."""
    run = Run.of(outcome, workflow="w", input={})
    if outcome.status == "success":
        assert run.raise_for_status() is run
        return None
    with pytest.raises(errors.RunError) as caught:
        run.raise_for_status()
    assert caught.value.run is run
    assert len(str(caught.value).splitlines()) <= 15
    return caught.type


# --- one table: what the service does, and what becomes of the run -------------------------------

BODY = json.dumps(DONE).encode()
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY)
GATEWAY = {"error_code": "APIGW.0613", "error_msg": "The IAM service is currently unavailable.", "request_id": "r"}
THROTTLED = {"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached.", "request_id": "r"}

ANSWERS = {
    "success": (answer(200, DONE), "success", None),
    "fail": (answer(200, DONE | {"status": "fail"}), "fail", errors.WorkflowFailed),
    "timeout": (answer(200, DONE | {"status": "timeout"}), "timeout", errors.WorkflowTimedOut),
    "unknown status value": (answer(200, DONE | {"status": "paused"}), "paused", errors.OutcomeUnknown),
    "without the optional fields": (answer(200, {"execution_id": "e", "status": "success"}), "success", None),
    "with unknown fields": (answer(200, DONE | {"new": [1]}), "success", None),
    "drop before the headers": (raw(b""), "unknown", errors.OutcomeUnknown),
    "reset before the headers": (reset, "unknown", errors.OutcomeUnknown),
    "drop within the headers": (raw(HEAD[:20]), "unknown", errors.OutcomeUnknown),
    "drop after the headers": (raw(HEAD), "unknown", errors.OutcomeUnknown),
    "half the body": (raw(HEAD + BODY[:50]), "unknown", errors.OutcomeUnknown),
    "length too long": (answer(200, DONE, length=len(BODY) + 9), "unknown", errors.OutcomeUnknown),
    "length too short": (answer(200, DONE, length=len(BODY) - 9), "unknown", errors.OutcomeUnknown),
    "not HTTP": (raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "unknown", errors.OutcomeUnknown),
    "not gzip": (answer(200, b"plain", content_encoding="gzip"), "unknown", errors.OutcomeUnknown),
    "empty 200": (answer(200), "unknown", errors.OutcomeUnknown),
    "HTML 200": (answer(200, b"<html>hello</html>", content_type="text/html"), "unknown", errors.OutcomeUnknown),
    "garbage 200": (answer(200, b"{\xff\x00"), "unknown", errors.OutcomeUnknown),
    "NaN in a 200": (answer(200, BODY.replace(b"200}", b"NaN}")), "unknown", errors.OutcomeUnknown),
    "a list as 200": (answer(200, []), "unknown", errors.OutcomeUnknown),
    "null as 200": (answer(200, None), "unknown", errors.OutcomeUnknown),
    "a 200 without a status": (answer(200, {"execution_id": "e"}), "unknown", errors.OutcomeUnknown),
    "a 200 with a wrong type": (answer(200, DONE | {"status": 1}), "unknown", errors.OutcomeUnknown),
    "201": (answer(201, DONE), "unknown", errors.OutcomeUnknown),
    "202": (answer(202), "unknown", errors.OutcomeUnknown),
    "204": (raw(b"HTTP/1.1 204 No Content\r\n\r\n"), "unknown", errors.OutcomeUnknown),
    "302": (answer(302, location="http://127.0.0.1:1/"), "rejected", errors.RequestRejected),
    "400 with a body": (answer(400, REFUSED), "rejected", errors.RequestRejected),
    "400 with HTML": (answer(400, b"<html>"), "rejected", errors.RequestRejected),
    "401": (answer(401, {"error_code": "APIGW.0301"}), "rejected", errors.RequestRejected),
    "404 of the service": (answer(404, {"error_code": "FGS.5002"}), "rejected", errors.RequestRejected),
    "413": (answer(413, {"error_code": "APIGW.0201"}), "rejected", errors.RequestRejected),
    "429": (answer(429, THROTTLED), "rejected", errors.RequestRejected),
    "500": (answer(500, REFUSED), "unknown", errors.OutcomeUnknown),
    "500 with a gateway's code": (answer(500, GATEWAY), "unknown", errors.OutcomeUnknown),
    "502": (answer(502, {"error_code": "APIGW.0201"}), "unknown", errors.OutcomeUnknown),
    "503 of the gateway": (answer(503, GATEWAY), "rejected", errors.RequestRejected),
    "503 with another code": (answer(503, REFUSED), "unknown", errors.OutcomeUnknown),
    "503 bare": (answer(503), "unknown", errors.OutcomeUnknown),
    "504": (answer(504, {"error_code": "APIGW.0201"}), "unknown", errors.OutcomeUnknown),
}


@pytest.mark.parametrize(("behaviour", "status", "error"), ANSWERS.values(), ids=ANSWERS.keys())
def test_every_answer_gives_a_status_and_nothing_is_sent_twice(stub, behaviour, status, error):
    server, client = stub(behaviour)
    outcome = client.execute(ID, {})
    assert outcome.status == status
    raised = raised_by(outcome)
    assert raised is error if error is None else issubclass(raised, error)
    assert server.posts() == 1
    assert outcome.workflow_id == ID
    if status in ("unknown", "rejected"):
        assert outcome.reason


def test_no_answer_in_time_is_unknown(stub):
    server, client = stub(None)
    server.script[0] = server.stall
    started = time.perf_counter()
    outcome = client.execute(ID, {}, timeout=0.2)
    assert 0.2 <= time.perf_counter() - started < 1.5
    assert (outcome.status, server.posts()) == ("unknown", 1)
    assert "0.2 s" in outcome.reason


def test_an_answer_that_trickles_in_forever_is_given_up(stub, monkeypatch):
    from fgnb.client import transport

    monkeypatch.setattr(transport, "MARGIN", 0.2)

    def trickle(connection):
        connection.sendall(HEAD)
        while True:
            connection.sendall(b" ")
            time.sleep(0.05)

    server, client = stub(trickle)
    started = time.perf_counter()
    outcome = client.execute(ID, {}, timeout=0.2)
    assert time.perf_counter() - started < 2
    assert (outcome.status, server.posts()) == ("unknown", 1)


def test_the_clients_own_timeout_is_the_default(stub):
    server, client = stub(None, timeout=0.2)
    server.script[0] = server.stall
    assert client.execute(ID, {}).status == "unknown"


def test_a_refused_connection_is_unsent(stub):
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
    assert 0.2 <= outcome.elapsed < 2
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
    server, client = stub(None)
    server.script[0] = server.stall
    submission = client.submit("name", {})
    while not server.requests:
        time.sleep(0.01)
    submission.cancel()
    assert submission.future.result(2).status == "cancelled"
    assert server.posts() == 0


def test_a_run_cancelled_during_its_second_look_up_ran_nothing(stub):
    server, client = stub(page(flow="id-1"), answer(404, {"error_code": "FGS.5002"}), None)
    server.script[2] = server.stall
    submission = client.submit("flow", {})
    while len(server.requests) < 3:
        time.sleep(0.01)
    submission.cancel()
    assert submission.future.result(2).status == "cancelled"


def test_cancelling_a_finished_run_changes_nothing(stub):
    _, client = stub(answer(200, DONE))
    submission = client.submit(ID, {})
    assert submission.future.result(2).status == "success"
    submission.cancel()
    assert submission.give_up().status == "success"


def test_an_async_run_from_any_loop_and_its_cancellation(stub):
    server, client = stub(answer(200, DONE))
    assert asyncio.run(client.aexecute(ID, {})).status == "success"
    server.script[0] = server.stall

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
