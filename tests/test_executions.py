"""Asynchronous executions: local/executions.py, execution_endpoints.py, answers.py."""

import asyncio
import json
import logging
import os
import threading
import time
from uuid import UUID, uuid4

import pytest

from fgnb.local.execution import Clock
from fgnb.local.functions import Functions
from fgnb.local.options import Options
from fgnb.local.service import Service
from fgnb.wire import Request
from tests.flows import PATH, action, ask, end, flow, one_call, sleep, state
from tests.schemas import body_of
from tests.test_background import in_child, needs_fork

PATIENCE = 20.0  # seconds until something should long have happened
HISTORY = Options(express_history=True)


def create(service, definition):
    return body_of(ask(service, "POST", value=definition), "WorkflowSimpleInfo", status=201)["id"]


def normal(*states, name="flow", **more):
    return flow(*states, name=name, **more) | {"mode": "NORMAL"}


def send(service, method, path, value=None, **headers):
    """Send a request with headers, whose names have underscores here."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    body = b"" if value is None else json.dumps(value).encode()
    return asyncio.run(service.send(Request(method=method, path=PATH + path, headers=named, body=body)))


def start(service, workflow_id, input=None, **headers):
    body = {"input": {} if input is None else input}
    response = send(service, "POST", f"/{workflow_id}/executions", body, **headers)
    return body_of(response, "FlowExecuteResponse")["execution_id"]


def show(service, workflow_id, execution_id, **headers):
    return body_of(send(service, "GET", f"/{workflow_id}/executions/{execution_id}", **headers), "ExecutionDetails")


def until(look, expected):
    """Look again and again until it is as expected; return what was seen last."""
    patience = time.monotonic() + PATIENCE
    while True:
        seen = look()
        if seen == expected or time.monotonic() > patience:
            return seen
        time.sleep(0.005)


def ended(service, workflow_id, execution_id):
    """Wait for an execution's end and return its details."""
    until(lambda: show(service, workflow_id, execution_id)["status"] != "running", True)
    return show(service, workflow_id, execution_id)


def listed(service, workflow_id, query=""):
    response = ask(service, "GET", f"/{workflow_id}/executions{query}")
    return [brief["execution_id"] for brief in body_of(response, "FlowExecutionList")["executions"]]


def assert_refused(response, status, *words):
    schema = {400: "ErrorRsp400", 404: "ErrorRsp404"}[status]
    message = body_of(response, schema, status=status)["error_msg"]
    for word in words:
        assert word in message


@pytest.fixture
def hold(functions):
    """Register the function `hold`, which returns its event once this is set."""
    released = threading.Event()

    def hold(event, context):
        released.wait(PATIENCE)
        return event

    functions.register(hold, timeout=60)
    functions.register(lambda event, context: event, name="echo")
    yield released
    released.set()


def keeping(functions, **more):
    """A service that keeps the history of EXPRESS executions, too."""
    return Service(functions=functions, samples=False, options=HISTORY, **more)


# --- start ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["NORMAL", "EXPRESS"])
def test_an_execution_goes_on_when_the_loop_that_started_it_has_ended(functions, hold, mode):
    service = keeping(functions)
    workflow_id = create(service, one_call("hold") | {"mode": mode})
    execution_id = start(service, workflow_id, {"n": 1})
    UUID(execution_id)
    details = show(service, workflow_id, execution_id)
    assert (details["status"], details["end_time"], details["output"]) == ("running", "", None)
    hold.set()
    details = ended(service, workflow_id, execution_id)
    assert (details["status"], details["output"]) == ("success", {"n": 1})
    assert details["begin_time"] <= details["end_time"] == details["last_update_time"]
    assert details["workflow_urn"].endswith(":flow:latest")
    assert details["created_by"] == "fgnb"


def test_input_and_headers_are_shown_as_they_came(service, functions, hold):
    functions.register(lambda event, context: dict(context.headers), name="headers")
    workflow_id = create(service, normal(state("s", action("headers"))))
    body = {"input": {"n": 2**70}, "headers": {"tenantId": "user1"}}
    answer = body_of(send(service, "POST", f"/{workflow_id}/executions", body), "FlowExecuteResponse")
    details = ended(service, workflow_id, answer["execution_id"])
    assert (details["input"], details["headers"]) == (body["input"], body["headers"])
    assert details["output"] == {"tenantId": "user1"}


def test_a_caller_may_choose_the_id(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    assert start(service, workflow_id, X_WorkflowRun_ID="my_run-1") == "my_run-1"
    assert ended(service, workflow_id, "my_run-1")["execution_id"] == "my_run-1"


@pytest.mark.parametrize("id", ["", " ", "a b", "x" * 65, "a/b", "流", "a:b", "a\n"])
def test_an_id_that_is_none_is_refused(service, hold, id):
    workflow_id = create(service, normal(state("s", action("echo"))))
    response = send(service, "POST", f"/{workflow_id}/executions", {"input": {}}, X_WorkflowRun_ID=id)
    assert_refused(response, 400, "X-WorkflowRun-ID")
    assert listed(service, workflow_id) == []


def test_an_id_is_taken_while_its_execution_runs_and_as_long_as_it_is_known(service, hold):
    one, two = (create(service, normal(state("s", action("hold")), name=name)) for name in ("one", "two"))
    start(service, one, X_WorkflowRun_ID="a")
    again = {"X_WorkflowRun_ID": "a"}
    assert_refused(send(service, "POST", f"/{one}/executions", {"input": {}}, **again), 400, "'a'")
    assert_refused(send(service, "POST", f"/{two}/executions", {"input": {}}, **again), 400, "'a'")
    hold.set()
    ended(service, one, "a")
    assert_refused(send(service, "POST", f"/{one}/executions", {"input": {}}, **again), 400, "'a'")


@pytest.mark.parametrize(
    ("options", "headers", "output"),
    [
        ({}, {}, {"n": 1}),
        ({}, {"X_WorkflowRun_MergeFnParameters": "true"}, {"in": 0, "n": 1}),
        ({}, {"X_WorkflowRun_MergeFnParameters": "True"}, {"in": 0, "n": 1}),
        ({}, {"X_WorkflowRun_MergeFnParameters": "false"}, {"n": 1}),
        ({"merge_parameters": True}, {"X_WorkflowRun_MergeFnParameters": "false"}, {"n": 1}),
        ({"merge_parameters": True}, {"X_Create_Time": "2026-01-01"}, {"in": 0, "n": 1}),
    ],
)
def test_a_header_merges_outputs_into_inputs(functions, options, headers, output):
    functions.register(lambda event, context: {"n": 1}, name="one")
    service = Service(functions=functions, samples=False, options=Options(**options))
    workflow_id = create(service, normal(state("a", action("one"), transition="e"), end("e")))
    execution_id = start(service, workflow_id, {"in": 0}, **headers)
    assert ended(service, workflow_id, execution_id)["output"] == output


def test_a_start_that_makes_no_sense_starts_nothing(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    path = f"/{workflow_id}/executions"
    assert_refused(send(service, "POST", path, {}), 400, "`input`")
    assert_refused(send(service, "POST", path, [1]), 400, "object")
    maybe = {"X_WorkflowRun_MergeFnParameters": "maybe"}
    assert_refused(send(service, "POST", path, {"input": {}}, **maybe), 400, "X-WorkflowRun-MergeFnParameters", "maybe")
    assert_refused(send(service, "POST", f"/{uuid4()}/executions", {"input": {}}), 404, "Function flow not found.")
    assert listed(service, workflow_id) == []


def test_many_may_start_at_once_from_several_threads(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    found = []

    def some():
        found.extend((number, start(service, workflow_id, {"n": number})) for number in range(25))

    threads = [threading.Thread(target=some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id for _, id in found}) == 100
    assert [ended(service, workflow_id, id)["output"]["n"] for _, id in found] == [number for number, _ in found]


def test_only_express_workflows_have_a_time_limit(functions):
    service = keeping(functions, limit=0.05)
    ids = {mode: create(service, flow(sleep("s", 0.3), name=mode) | {"mode": mode}) for mode in ("NORMAL", "EXPRESS")}
    runs = {mode: start(service, workflow_id) for mode, workflow_id in ids.items()}
    details = {mode: ended(service, ids[mode], runs[mode]) for mode in ids}
    assert details["NORMAL"]["status"] == "success"
    assert (details["EXPRESS"]["status"], details["EXPRESS"]["output"]) == ("timeout", None)
    (node,) = details["EXPRESS"]["node_execution_details"]
    assert node["executions"][0]["status"] == "timeout"
    assert "longer than 0.05 s" in node["executions"][0]["error_message"]


class Broken(Functions):
    """Functions that can't be looked up."""

    def get(self, name, default=None):
        raise ZeroDivisionError


def test_a_fault_inside_ends_the_execution_and_is_logged(caplog):
    service = Service(functions=Broken(), samples=False)
    workflow_id = create(service, normal(state("s", action("f"))))
    with caplog.at_level(logging.ERROR, "fgnb.local"):
        execution_id = start(service, workflow_id)
        assert ended(service, workflow_id, execution_id)["status"] == "fail"
    assert execution_id in caplog.text
    assert "ZeroDivisionError" in caplog.text


# --- what is kept --------------------------------------------------------------------------------


def test_express_executions_are_gone_after_their_end(service, hold):
    workflow_id = create(service, one_call("hold"))
    execution_id = start(service, workflow_id)
    assert listed(service, workflow_id) == [execution_id]
    assert show(service, workflow_id, execution_id)["status"] == "running"
    hold.set()
    assert until(lambda: listed(service, workflow_id), []) == []
    assert_refused(ask(service, "GET", f"/{workflow_id}/executions/{execution_id}"), 404, "execution not found")
    assert start(service, workflow_id, X_WorkflowRun_ID=execution_id) == execution_id


def test_of_a_thousand_and_more_executions_the_latest_thousand_are_kept(service):
    workflow_id = create(service, normal(end()))

    async def many():
        body = json.dumps({"input": {}}).encode()
        path = f"{PATH}/{workflow_id}/executions"
        for _ in range(1010):
            answer = await service.send(Request(method="POST", path=path, body=body))
            ids.append(json.loads(answer.body)["execution_id"])

    def running():
        return listed(service, workflow_id, "?status=running")

    ids = []
    asyncio.run(many())
    assert until(running, []) == []
    page = ask(service, "GET", f"/{workflow_id}/executions-history?offset=0&limit=1")
    assert body_of(page, "ShowWorkflowExecutionForPage")["total"] == 1000
    assert ask(service, "GET", f"/{workflow_id}/executions/{ids[0]}").status == 404
    assert show(service, workflow_id, ids[-1])["status"] == "success"


def test_large_executions_make_room_for_the_latest(service, functions):
    functions.register(lambda event, context: [{"k": "x" * 100, "n": n} for n in range(20_000)], name="big", timeout=30)
    workflow_id = create(service, normal(state("s", action("big"))))
    ids = [start(service, workflow_id) for _ in range(20)]
    assert until(lambda: listed(service, workflow_id, "?status=running"), []) == []
    kept = listed(service, workflow_id)
    assert 1 <= len(kept) < 15  # some 7 MB each
    assert set(kept) < set(ids)


def test_executions_of_a_deleted_workflow_can_be_shown_and_terminated(service, hold):
    created = body_of(ask(service, "POST", value=normal(state("s", action("hold")))), "WorkflowSimpleInfo", status=201)
    execution_id = start(service, created["id"])
    ask(service, "DELETE", value={"workflow_urns": [created["workflow_urn"]]})
    assert ask(service, "GET", f"/{created['id']}/executions").status == 404
    path = f"/{created['id']}/executions/{execution_id}"
    assert ask(service, "POST", f"{path}/terminate").status == 200
    assert show(service, created["id"], execution_id)["status"] == "cancel"


def test_an_execution_belongs_to_its_workflow(service, hold):
    one, two = (create(service, normal(state("s", action("echo")), name=name)) for name in ("one", "two"))
    execution_id = start(service, one)
    for method, action_ in (("GET", ""), ("POST", "/terminate"), ("POST", "/retry")):
        assert_refused(ask(service, method, f"/{two}/executions/{execution_id}{action_}"), 404, "execution not found")


def test_a_sub_flow_that_nobody_waits_for_is_an_execution_of_its_own(functions, hold):
    service = keeping(functions)
    child = create(service, one_call("hold", name="child"))
    whole = flow(state("s", type="SubFlow", workflow_id="child", wait_for_completion=False), name="parent")
    parent = create(service, whole)
    response = ask(service, "POST", f"/{parent}/sync-executions", {"input": {"n": 1}})
    execution_id = body_of(response, "SyncExecuteResponse")["output"]["execution_id"]
    assert listed(service, child) == [execution_id]
    hold.set()
    details = ended(service, child, execution_id)
    assert (details["status"], details["output"]) == ("success", {"n": 1})
    assert ":child:" in details["workflow_urn"]


def test_the_trace_of_an_asynchronous_execution_is_known_as_long_as_it_is(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    execution_id = start(service, workflow_id, {"n": 1})
    ended(service, workflow_id, execution_id)
    assert [visit.output for visit in service.trace(execution_id)] == [{"n": 1}]


@needs_fork
def test_the_child_of_a_fork_knows_what_has_ended_and_runs_its_own(service, hold):
    workflow_id = create(service, normal(state("s", action("hold"))))
    over = start(service, workflow_id, {"n": 0})
    hold.set()
    ended(service, workflow_id, over)
    hold.clear()
    running = start(service, workflow_id, {"n": 1})

    def works():
        known = listed(service, workflow_id) == [over]
        hold.set()
        own = start(service, workflow_id, {"n": os.getpid()})
        return known and ended(service, workflow_id, own)["output"] == {"n": os.getpid()}

    assert in_child(works)
    assert show(service, workflow_id, running)["status"] == "running"


# --- list ----------------------------------------------------------------------------------------

DAY = 24 * 60 * 60
NOW = 1_767_312_000.0  # 2026-01-02 00:00:00 UTC


@pytest.fixture
def five(functions):
    """A service, a workflow, and its five executions: ended now, 1, 2, 3 and 4 days ago; those of odd days failed."""
    functions.register(lambda event, context: 1 // event["divisor"], name="divide")
    now = [NOW - 4 * DAY]
    service = Service(functions=functions, samples=False, clock=Clock(time=lambda: now[0]))
    workflow_id = create(service, normal(state("s", action("divide", {"divisor": "$.n"}))))
    for days in (4, 3, 2, 1, 0):
        now[0] = NOW - days * DAY
        start(service, workflow_id, {"n": 1 - days % 2}, X_WorkflowRun_ID=f"days-{days}")
        ended(service, workflow_id, f"days-{days}")
    return service, workflow_id


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ("", [0, 1, 2, 3]),
        ("?status=fail", [1, 3]),
        ("?status=success", [0, 2]),
        ("?status=cancel", []),
        ("?status=", [0, 1, 2, 3]),
        ("?limit=2", [0, 1]),
        ("?limit=2&offset=1", [1, 2]),
        ("?offset=-3", [0, 1, 2, 3]),
        ("?limit=0", []),
        ("?limit=500", [0, 1, 2, 3]),
        ("?offset=10", []),
        ("?start_time=2025-12-29%2000:00:00", [1, 2, 3, 4]),
        ("?start_time=2025-12-30+00:00:01", [0, 1, 2]),
        ("?end_time=2025-12-31+00:00:00", [2, 3, 4]),
        ("?end_time=2025-12-30+23:59:59", [3, 4]),
        ("?start_time=2020-01-01+00:00:00&end_time=2030-01-01+00:00:00", [0, 1, 2, 3, 4]),
        ("?start_time=2025-12-31+00:00:00&end_time=2025-12-31+00:00:00", [2]),
        ("?start_time=2030-01-01+00:00:00&end_time=2020-01-01+00:00:00", []),
    ],
)
def test_a_list_has_the_latest_first_and_covers_three_days_unless_told_otherwise(five, query, days):
    service, workflow_id = five
    assert listed(service, workflow_id, query) == [f"days-{number}" for number in days]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("?limit=-1", "limit"),
        ("?limit=many", "limit"),
        ("?offset=x", "offset"),
        ("?status=SUCCESS", "status"),
        ("?status=scheduled", "status"),
        ("?start_time=2026-01-01", "start_time"),
        ("?start_time=", "start_time"),
        ("?end_time=2026-02-30+00:00:00", "end_time"),
        ("?end_time=2026-01-01T00:00:00", "end_time"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(five, query, word):
    service, workflow_id = five
    assert_refused(ask(service, "GET", f"/{workflow_id}/executions{query}"), 400, word)


def test_a_list_holds_at_most_200(service):
    workflow_id = create(service, normal(end()))
    for _ in range(201):
        start(service, workflow_id)
    assert len(listed(service, workflow_id, "?limit=201")) == 200
    assert len(listed(service, workflow_id, "?limit=201&offset=200")) == 1


def test_pages_of_the_history_count_everything(five):
    service, workflow_id = five
    page = body_of(
        ask(service, "GET", f"/{workflow_id}/executions-history?offset=1&limit=2"), "ShowWorkflowExecutionForPage"
    )
    assert (page["total"], page["size"]) == (4, 2)
    assert [brief["execution_id"] for brief in page["executions"]] == ["days-1", "days-2"]
    later = "&start_time=2026-01-01+00:00:00"
    page = body_of(
        ask(service, "GET", f"/{workflow_id}/executions-history?offset=0&limit=100{later}"),
        "ShowWorkflowExecutionForPage",
    )
    assert (page["total"], page["size"]) == (2, 2)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("", "offset"),
        ("?offset=0", "limit"),
        ("?limit=1", "offset"),
        ("?offset=-1&limit=1", "offset"),
        ("?offset=0&limit=0", "limit"),
        ("?offset=0&limit=101", "limit"),
        ("?offset=0&limit=1&end_time=now", "end_time"),
    ],
)
def test_a_page_of_the_history_needs_an_offset_and_a_limit(five, query, word):
    service, workflow_id = five
    assert_refused(ask(service, "GET", f"/{workflow_id}/executions-history{query}"), 400, word)


@pytest.mark.parametrize("path", ["executions", "executions-history?offset=0&limit=1"])
def test_there_is_no_list_of_an_unknown_workflow(service, path):
    assert_refused(ask(service, "GET", f"/{uuid4()}/{path}"), 404, "Function flow not found.")


# --- nodes ---------------------------------------------------------------------------------------


def nodes(details):
    return {node["node_id"]: node["executions"] for node in details["node_execution_details"]}


def test_a_node_has_an_entry_for_each_attempt(service, functions):
    calls = []

    def flaky(event, context):
        calls.append(1)
        if len(calls) < 3:
            raise ValueError(f"try {len(calls)}")
        return {"ok": True}

    functions.register(flaky)
    again = {"error": "", "retry_ref": "again"}
    definition = normal(state("s", action("flaky"), transition="e", on_errors=[again]), end("e"))
    service = Service(functions=functions, samples=False, clock=Clock(sleep=lambda seconds: asyncio.sleep(0)))
    workflow_id = create(service, definition | {"retries": [{"name": "again", "delay": 1, "max_attempts": 5}]})
    details = ended(service, workflow_id, start(service, workflow_id, {"n": 1}))
    found = nodes(details)
    assert list(found) == ["s", "e"]
    assert [attempt["status"] for attempt in found["s"]] == ["fail", "fail", "success"]
    messages = [json.loads(attempt["error_message"])["errorMessage"] for attempt in found["s"][:2]]
    assert ["try 1" in messages[0], "try 2" in messages[1]] == [True, True]
    assert found["s"][2]["error_message"] == ""
    assert [(attempt["input"], attempt["output"]) for attempt in found["s"][1:]] == [
        ({"n": 1}, None),
        ({"n": 1}, {"ok": True}),
    ]
    times = [(attempt["begin_time"], attempt["end_time"]) for attempt in (*found["s"], *found["e"])]
    assert times == sorted(times)
    assert abs(times[0][0] / 1000 - time.time()) < PATIENCE


def test_a_node_in_a_loop_has_an_entry_for_each_iteration_and_at_most_200(service, functions, hold):
    loop = state(
        "each",
        type="Foreach",
        input_collection="$.items",
        iteration_param="$.item",
        start="inner",
        states=[state("inner", action("echo", {"item": "$.item"}))],
    )
    workflow_id = create(service, normal(loop, functions=[{"name": "echo", "operation": "echo"}]))
    details = ended(service, workflow_id, start(service, workflow_id, {"items": list(range(3))}))
    assert sorted(entry["output"]["item"] for entry in nodes(details)["inner"]) == [0, 1, 2]
    assert len(nodes(details)["each"]) == 1
    details = ended(service, workflow_id, start(service, workflow_id, {"items": list(range(250))}))
    assert len(nodes(details)["inner"]) == 200


def test_a_node_that_runs_has_no_end(service, hold):
    workflow_id = create(service, normal(state("a", action("echo"), transition="b"), state("b", action("hold"))))
    execution_id = start(service, workflow_id)
    assert until(lambda: list(nodes(show(service, workflow_id, execution_id))), ["a", "b"]) == ["a", "b"]
    found = nodes(show(service, workflow_id, execution_id))
    assert (found["a"][0]["status"], found["b"][0]["status"]) == ("success", "running")
    assert "end_time" not in found["b"][0]


def test_the_node_that_ends_an_execution_says_why(service, functions):
    workflow_id = create(service, normal(state("s", action("nobody"))))
    details = ended(service, workflow_id, start(service, workflow_id))
    assert (details["status"], details["output"]) == ("fail", None)
    (attempt,) = nodes(details)["s"]
    assert attempt["status"] == "fail"
    assert "'nobody' is not registered" in attempt["error_message"]


def test_large_values_of_nodes_are_cut_unless_they_are_asked_for_as_a_whole(service, functions, hold):
    functions.register(lambda event, context: {"text": "x" * 5000, "n": 1}, name="large")
    functions.register(lambda event, context: [["y"] * 2000] * 3, name="deep")
    workflow_id = create(service, normal(state("a", action("large"), transition="b"), state("b", action("deep"))))
    execution_id = start(service, workflow_id, {"input": "z" * 5000})
    details = ended(service, workflow_id, execution_id)
    found = nodes(details)
    assert details["input"] == {"input": "z" * 5000}
    assert found["a"][0]["output"] == found["b"][0]["input"] == {"truncated": ('{"text": "' + "x" * 5000)[:2048]}
    assert details["output"] == found["b"][0]["output"]
    assert len(details["output"]["truncated"]) == 2048
    whole = show(service, workflow_id, execution_id, X_Get_Workflow_Full_History_Data="true")
    found = nodes(whole)
    assert found["a"][0]["output"] == found["b"][0]["input"] == {"text": "x" * 5000, "n": 1}
    assert whole["output"] == [["y"] * 2000] * 3


def test_a_value_of_a_node_that_nests_deeply_is_cut_where_it_can_not_be_followed(service, functions):
    @functions.register
    def deep(event, context):
        value = []
        for _ in range(event["depth"]):
            value = [value]
        return value

    workflow_id = create(service, normal(state("a", action("deep", {"depth": "$.depth"}))))
    for depth in (940, 960, 980):  # how deep that is depends on the way that led there
        execution_id = start(service, workflow_id, {"depth": depth})
        path = f"/{workflow_id}/executions/{execution_id}"
        while (shown := send(service, "GET", path)).status == 200 and json.loads(shown.body)["status"] == "running":
            time.sleep(0.005)
        if shown.status == 200:
            (attempt,) = nodes(json.loads(shown.body))["a"]
            assert attempt["status"] == "fail" or "[" * 300 in json.dumps(attempt["output"])
        else:
            assert_refused(shown, 400, "nested too deeply")


def test_small_values_of_nodes_are_never_cut(service, functions):
    functions.register(lambda event, context: {"text": "x" * 2000}, name="small")
    workflow_id = create(service, normal(state("a", action("small"))))
    details = ended(service, workflow_id, start(service, workflow_id))
    assert details["output"] == nodes(details)["a"][0]["output"] == {"text": "x" * 2000}


def test_a_header_that_is_neither_true_nor_false_is_refused(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    execution_id = start(service, workflow_id)
    response = send(service, "GET", f"/{workflow_id}/executions/{execution_id}", X_Get_Workflow_Full_History_Data="1")
    assert_refused(response, 400, "X-Get-Workflow-Full-History-Data")


# --- terminate -----------------------------------------------------------------------------------


def terminate(service, workflow_id, execution_id):
    return ask(service, "POST", f"/{workflow_id}/executions/{execution_id}/terminate")


@pytest.mark.parametrize("mode", ["NORMAL", "EXPRESS"])
def test_a_terminated_execution_ends_at_once_whatever_its_function_does(functions, hold, mode):
    service = keeping(functions)
    definition = flow(state("a", action("hold"), transition="b"), state("b", action("echo"))) | {"mode": mode}
    workflow_id = create(service, definition)
    execution_id = start(service, workflow_id)
    until(lambda: list(nodes(show(service, workflow_id, execution_id))), ["a"])
    response = terminate(service, workflow_id, execution_id)
    assert (response.status, response.body) == (200, b"")
    assert "content-type" not in response.headers
    details = show(service, workflow_id, execution_id)
    assert (details["status"], details["output"]) == ("cancel", None)
    assert details["end_time"]
    assert [(entry["status"], "end_time" in entry) for entry in nodes(details)["a"]] == [("cancel", True)]
    hold.set()
    time.sleep(0.05)  # what the function gave after all must not count
    details = show(service, workflow_id, execution_id)
    assert details["status"] == "cancel"
    assert list(nodes(details)) == ["a"]


def test_a_terminated_express_execution_is_gone(service, hold):
    workflow_id = create(service, one_call("hold"))
    execution_id = start(service, workflow_id)
    assert terminate(service, workflow_id, execution_id).status == 200
    assert listed(service, workflow_id) == []


def test_a_wait_is_terminated_and_its_branches_too(service, functions):
    branches = [{"name": f"b{n}", "start": f"s{n}", "states": [sleep(f"s{n}", 3600)]} for n in range(3)]
    workflow_id = create(service, normal(state("p", type="Parallel", branches=branches)))
    execution_id = start(service, workflow_id)
    seen = until(lambda: sorted(nodes(show(service, workflow_id, execution_id))), ["p", "s0", "s1", "s2"])
    assert seen == ["p", "s0", "s1", "s2"]
    assert terminate(service, workflow_id, execution_id).status == 200
    found = nodes(show(service, workflow_id, execution_id))
    assert {entry["status"] for entries in found.values() for entry in entries} == {"cancel"}


def test_what_does_not_run_cannot_be_terminated(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    execution_id = start(service, workflow_id)
    before = ended(service, workflow_id, execution_id)
    assert_refused(terminate(service, workflow_id, execution_id), 400, "not running", "success")
    assert show(service, workflow_id, execution_id) == before
    assert_refused(terminate(service, workflow_id, str(uuid4())), 404, "execution not found")


def test_whenever_an_execution_is_terminated_it_ends_once(service, hold):
    workflow_id = create(service, normal(state("s", action("echo"))))
    for number in range(100):
        execution_id = start(service, workflow_id, {"n": number})
        time.sleep((number % 10) / 20_000)
        response = terminate(service, workflow_id, execution_id)
        status = show(service, workflow_id, execution_id)["status"]
        assert (response.status, status) in ((200, "cancel"), (400, "success"))
    assert listed(service, workflow_id, "?status=running") == []


# --- retry ---------------------------------------------------------------------------------------


def retry(service, workflow_id, execution_id):
    return ask(service, "POST", f"/{workflow_id}/executions/{execution_id}/retry")


def test_a_failed_execution_runs_again_from_its_start_under_its_id(service, functions):
    calls = []

    def second(event, context):
        calls.append(event["n"])
        if len(calls) == 1:
            raise ValueError("the first try fails")
        return {"tries": len(calls)}

    functions.register(second)
    functions.register(lambda event, context: event, name="first")
    workflow_id = create(service, normal(state("a", action("first"), transition="b"), state("b", action("second"))))
    execution_id = start(service, workflow_id, {"n": 7})
    before = ended(service, workflow_id, execution_id)
    assert before["status"] == "fail"
    response = retry(service, workflow_id, execution_id)
    assert (response.status, response.body) == (200, b"")
    details = ended(service, workflow_id, execution_id)
    assert (details["status"], details["output"], details["input"]) == ("success", {"tries": 2}, {"n": 7})
    assert calls == [7, 7]
    assert details["begin_time"] == before["begin_time"]
    found = nodes(details)
    assert [entry["status"] for entry in found["a"]] == ["success", "success"]
    assert [entry["status"] for entry in found["b"]] == ["fail", "success"]
    assert listed(service, workflow_id) == [execution_id]


def test_a_retry_runs_and_can_be_terminated_and_only_failures_are_retried(service, functions, hold):
    functions.register(lambda event, context: 1 // 0, name="fail")
    workflow_id = create(service, normal(state("a", action("hold"), transition="b"), state("b", action("fail"))))
    execution_id = start(service, workflow_id)
    assert_refused(retry(service, workflow_id, execution_id), 400, "running")
    hold.set()
    ended(service, workflow_id, execution_id)
    hold.clear()
    assert retry(service, workflow_id, execution_id).status == 200
    details = show(service, workflow_id, execution_id)
    assert (details["status"], details["end_time"]) == ("running", "")
    assert listed(service, workflow_id, "?status=running") == [execution_id]
    assert terminate(service, workflow_id, execution_id).status == 200
    assert_refused(retry(service, workflow_id, execution_id), 400, "cancel")


def test_what_succeeded_or_is_express_or_unknown_is_not_retried(functions, hold):
    service = keeping(functions)
    good = create(service, normal(state("s", action("echo")), name="good"))
    express = create(service, one_call("nobody", name="express"))
    ids = {workflow_id: start(service, workflow_id) for workflow_id in (good, express)}
    assert ended(service, good, ids[good])["status"] == "success"
    assert ended(service, express, ids[express])["status"] == "fail"
    assert_refused(retry(service, good, ids[good]), 400, "success")
    assert_refused(retry(service, express, ids[express]), 400, "EXPRESS")
    assert_refused(retry(service, good, str(uuid4())), 404, "execution not found")


# --- callback ------------------------------------------------------------------------------------


def test_a_callback_is_refused_since_nothing_waits_for_one(service):
    workflow_id = create(service, normal(end()))
    path, body = f"/{workflow_id}/callback", {"result": "success", "output": {}}
    headers = {"X_Workflow_Run_Id": str(uuid4()), "X_Workflow_State_Id": "s"}
    assert_refused(send(service, "POST", path, body, **headers), 400, "callback")
    assert_refused(send(service, "POST", path, body), 400, "X-Workflow-Run-Id")
    assert_refused(send(service, "POST", path, {"result": "perhaps", "output": {}}, **headers), 400, "$.result")
    assert_refused(send(service, "POST", f"/{uuid4()}/callback", body, **headers), 404, "Function flow not found.")
