"""How workflows run: local/engine.py, functions.py, workers.py."""

import asyncio
import functools
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.local import workers
from fgnb.local.functions import Functions, function, registered
from fgnb.local.service import Service
from tests.flows import PROJECT, action, end, failure, flow, one_call, output, runner, sleep, state


@pytest.fixture
def run(client):
    return runner(client)


@pytest.fixture
def steps(functions):
    """Register f1, f2 and f3 of the console's guide, and `echo`."""
    functions.register(lambda event, context: {"result": event.get("input", 0)}, name="f1")
    functions.register(lambda event, context: {"result": event.get("input", 0) + 2}, name="f2")
    functions.register(lambda event, context: {"result": event["input"] ** 2}, name="f3")
    functions.register(lambda event, context: event, name="echo")


pytestmark = pytest.mark.usefixtures("steps")
INPUT = {"input": "$.input"}


# --- data's way ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("definition", "input", "expected"),
    [
        (one_call("f2", INPUT), {"input": 1}, {"result": 3}),
        (one_call("f2", INPUT), {}, {"result": 2}),
        (flow(state("a", action("f2", INPUT), state_data_filter={"output": "$.result"})), {"input": 1}, 3),
        (flow(state("a", action("f2", INPUT), action("f2", {"input": "$.result"}))), {"input": 1}, {"result": 5}),
    ],
    ids=["row 1", "row 2", "row 6", "row 7"],
)
def test_the_worked_examples_of_the_facts(run, definition, input, expected):
    assert output(run(definition, input)) == expected


def test_each_states_output_is_the_next_ones_input(run):
    definition = flow(
        state("one", action("f2", INPUT), transition="two"),
        state("two", action("f3", {"input": "$.result"}), transition="end"),
        end(),
    )
    assert output(run(definition, {"input": 1})) == {"result": 9}


def test_states_may_stand_in_any_order(run):
    definition = flow(
        end(),
        state("two", action("f3", {"input": "$.result"}), transition="end"),
        state("one", action("f2", INPUT), transition="two"),
        start="one",
    )
    assert output(run(definition, {"input": 1})) == {"result": 9}


def test_end_wins_over_a_transition(run):
    definition = flow(state("one", action("f2", INPUT), transition="two", end=True))
    assert output(run(definition, {"input": 1})) == {"result": 3}


def test_sequential_actions_read_the_output_of_the_one_before(run):
    calls = [action("f2", INPUT), action("f2", {"input": "$.result"}), action("f3", {"input": "$.result"})]
    for mode in ("sequential", "", None):
        assert output(run(flow(state("a", *calls, action_mode=mode)), {"input": 1})) == {"result": 25}


def test_parallel_actions_read_the_states_input_and_stand_in_their_order(run, functions):
    barrier = threading.Barrier(3)

    @functions.register
    def meet(event, context):
        barrier.wait(5)  # passes only if all three are running at once
        time.sleep(event["delay"])
        return event["n"]

    calls = [action("meet", {"n": "$.n", "delay": delay}) for delay in (0.05, 0.0, 0.02)]
    assert output(run(flow(state("a", *calls, action_mode="parallel")), {"n": 7})) == {"result": [7, 7, 7]}


def test_a_failing_parallel_action_fails_the_state_without_waiting_for_the_others(run, functions):
    over = threading.Event()

    def fail(event, context):
        if event["name"] == "slow":
            over.wait(60)
        raise ValueError(event["name"])

    functions.register(fail, timeout=100)
    calls = [action("echo"), action("fail", {"name": "slow"}), action("fail", {"name": "x"})]
    started = time.perf_counter()
    execution = run(flow(state("a", *calls, action_mode="parallel")))
    over.set()
    assert "error: x" in failure(execution)["errorMessage"]
    assert time.perf_counter() - started < 30


@pytest.mark.parametrize("kind", [end("a", action_mode="parallel"), sleep("a", 0.001) | {"action_mode": "parallel"}])
def test_a_state_without_actions_passes_its_input_through_whatever_its_mode(run, kind):
    assert output(run(flow(kind), {"n": 1})) == {"n": 1}


def test_filters_select_what_comes_in_and_what_goes_out(run):
    definition = flow(state("a", action("echo"), state_data_filter={"input": "$.body", "output": "$.items[0].id"}))
    assert output(run(definition, {"body": {"items": [{"id": 5}]}, "other": 1})) == 5


def test_a_filter_that_can_select_several_gives_a_list(run):
    definition = flow(end(state_data_filter={"output": "$.xs[?@.n > 1].n"}))
    assert output(run(definition, {"xs": [{"n": 1}, {"n": 2}]})) == [2]
    assert output(run(definition, {})) == []


@pytest.mark.parametrize("which", ["input", "output"])
def test_a_filter_that_selects_nothing_fails_the_state(run, which):
    definition = flow(state("a", action("echo"), state_data_filter={which: "$.nope"}))
    found = failure(run(definition, {"n": 1}))
    assert found["errorType"] == "FilterFailed"
    assert which in found["errorMessage"]


@pytest.mark.parametrize("mode", ["sequential", "parallel"])
def test_a_path_that_cannot_be_applied_fails_the_state(run, mode):
    deep = 1
    for _ in range(150):
        deep = {"a": deep}
    found = failure(run(flow(state("a", action("echo", {"x": "$..b"}), action_mode=mode)), deep))
    assert "$..b" in found["errorMessage"]


def test_a_sleep_waits_and_passes_its_input_on(run):
    started = time.perf_counter()
    assert output(run(flow(sleep("wait", 0.15, transition="end"), end()), {"n": 1})) == {"n": 1}
    assert 0.15 <= time.perf_counter() - started < 10


def test_constants_are_in_reach_and_the_input_wins(run):
    arguments = {"a": "$CONST.k.v", "b": "$.constants.k.v", "c": "$.x | $CONST.k", "d": "$.k"}
    definition = flow(state("a", action("echo", arguments)), constants={"k": {"v": 1}})
    assert output(run(definition, {})) == {"a": 1, "b": 1, "c": {"v": 1}}
    assert output(run(definition, {"constants": {"k": {"v": 2}}, "x": 3, "k": 4})) == {"a": 1, "b": 2, "c": 3, "d": 4}


def test_a_later_state_still_reaches_the_executions_input(run):
    definition = flow(
        state("one", action("f2", INPUT), transition="two"),
        state("two", action("echo", {"own": "$.result", "first": "$.input", "list": "$.xs[*]"})),
    )
    assert output(run(definition, {"input": 1, "xs": [1, 2]})) == {"own": 3, "first": 1, "list": [1, 2]}


def test_an_empty_template_hands_over_the_whole_filtered_input(run):
    definition = flow(state("a", action("echo", {}), state_data_filter={"input": "$.body"}))
    assert output(run(definition, {"body": {"n": 1}})) == {"n": 1}


# --- functions -----------------------------------------------------------------------------------


def test_a_function_is_found_by_its_urn_else_by_its_name(run, functions):
    functions.register(lambda event, context: "1", name="by-urn")
    functions.register(lambda event, context: "2", name="by-name")
    for entry, expected in (
        ({"name": "by-name", "operation": "urn:fss:r:p:function:default:by-urn:latest"}, 1),
        ({"name": "by-name", "operation": "urn:fss:r:p:function:default:nobody:latest"}, 2),
        ({"name": "by-name", "operation": ""}, 2),
    ):
        definition = flow(state("a", action("by-name"))) | {"functions": [entry]}
        assert output(run(definition)) == expected


def test_a_function_that_is_not_there_fails_the_node_and_names_the_nearest(run):
    execution = run(one_call("ecko"))
    found = failure(execution)
    assert found == {
        "errorMessage": "function 'ecko' is not registered; did you mean 'echo'?",
        "errorType": "FunctionNotFound",
    }
    assert execution.errors[0].node_id == "ecko"


def test_async_and_plain_functions_see_event_and_context(run, functions):
    def seen(event, context):
        assert 0 < context.getRemainingTimeInMilliSeconds() <= 2000
        context.set_state({"kept": 1})
        context.set_instance_id("i-1")
        return {
            "state kept": context.get_state(),
            "instance": context.get_instance_id(),
            "event": event,
            "headers": context.headers,
            "name": context.getFunctionName(),
            "project": context.getProjectID(),
            "workflow": context.getWorkflowID(),
            "run": context.getWorkflowRunID(),
            "state": context.getWorkflowStateID(),
            "request": context.getRequestID(),
            "logger": context.getLogger().name,
        }

    async def seen_async(event, context):
        await asyncio.sleep(0)
        return seen(event, context)

    functions.register(seen, timeout=2)
    functions.register(seen_async, timeout=2)
    requests = set()
    for name in ("seen", "seen_async"):
        definition = one_call(name, {"n": "$.n"}, name=name.replace("_", "-"))
        execution = run(definition, {"n": 1}, headers={"tenantId": "user1"})
        found = output(execution)
        requests.add(found.pop("request"))
        assert len(found.pop("workflow")) == 36
        assert found == {
            "state kept": {"kept": 1},
            "instance": "i-1",
            "event": {"n": 1},
            "headers": {"tenantId": "user1"},
            "name": name,
            "project": PROJECT,
            "run": execution.execution_id,
            "state": name,
            "logger": f"fgnb.function.{name}",
        }
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("returned", "expected"),
    [
        (None, None),
        ('{"a": 1}', {"a": 1}),
        ("3", 3),
        ('"text"', "text"),
        ((1, 2), [1, 2]),
        ({1: True}, {"1": True}),
        (2**70, 2**70),
        ('{"a": "\\ud800"}', {"a": "\ud800"}),
        (0.1, 0.1),
        ({}, {}),
    ],
)
def test_what_a_function_returns_becomes_json(run, functions, returned, expected):
    functions.register(lambda event, context: returned, name="f")
    found = output(run(one_call("f")))
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    "returned",
    ["hello", "", "NaN", "1e999", '{"a": 1', float("nan"), float("inf"), {"a": ...}, {1, 2}, {("a",): 1}, b"{}"],
    ids=repr,
)
def test_what_is_not_json_fails_the_node(run, functions, returned):
    async def later(event, context):
        return returned

    functions.register(lambda event, context: returned, name="f")
    functions.register(later)
    for name in ("f", "later"):
        found = failure(run(one_call(name, name=name)))
        assert found["errorType"] == "InvalidResult"
        assert "not JSON" in found["errorMessage"]


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


def test_a_result_that_is_nested_too_deeply_fails_the_node(run, functions):
    functions.register(lambda event, context: nested(100_000), name="f")
    assert failure(run(one_call("f")))["errorType"] == "InvalidResult"


def test_an_event_that_is_nested_too_deeply_fails_the_node(client, functions):
    arguments = "$.x"
    for _ in range(90):  # deeper than the input, which could be read
        arguments = {"a": arguments}
    functions.register(lambda event, context: 1, name="f")
    client.create(one_call("f", arguments))
    outcomes = [client.execute("flow", {"x": nested(depth)}) for depth in range(800, 960, 5)]
    assert {outcome.status for outcome in outcomes} <= {"success", "fail", "rejected"}
    found = [failure(outcome.execution) for outcome in outcomes if outcome.status == "fail"]
    assert {each["errorType"] for each in found} <= {"RequestTooLarge"}  # none where Python goes deeper
    assert all("nested too deeply" in each["errorMessage"] for each in found)


def test_an_answer_that_is_nested_too_deeply_is_refused(client, functions):
    functions.register(lambda event, context: nested(event["depth"]), name="f")
    client.create(one_call("f", {"depth": "$.depth"}))
    outcomes = [client.execute("flow", {"depth": depth}) for depth in range(900, 1000)]
    assert {outcome.status for outcome in outcomes} <= {"success", "fail", "rejected"}
    assert all("nested too deeply" in outcome.reason for outcome in outcomes if outcome.status == "rejected")


@pytest.mark.parametrize("size", ["ascii", "unicode", "text"])
def test_a_result_may_have_6_mb_and_no_more(run, functions, size):
    limit = 6 * 1024 * 1024 - 2  # the quotes
    make = {
        "ascii": lambda n: "x" * n,
        "unicode": lambda n: "函" * (n // 3) + "x" * (n % 3),
        "text": lambda n: json.dumps("é" * (n // 2) + "x" * (n % 2), ensure_ascii=False),
    }[size]
    functions.register(lambda event, context: [make(limit - 2)] if size != "text" else make(limit), name="fits")
    functions.register(lambda event, context: [make(limit - 1)] if size != "text" else make(limit + 1), name="over")
    definition = flow(state("a", action("fits"), transition="end"), end(state_data_filter={"output": "$.nope"}))
    assert failure(run(definition))["errorType"] == "FilterFailed"  # it came through the function
    found = failure(run(one_call("over", name="over")))
    assert found["errorType"] == "ResponseTooLarge"
    assert str(6 * 1024 * 1024 + 1) in found["errorMessage"]


def test_an_event_may_have_6_mb_and_no_more(run):
    definition = flow(state("a", action("echo"), transition="end"), end(state_data_filter={"output": "$.nope"}))
    room = 6 * 1024 * 1024 - len('{"a":""}')  # as compact text
    assert failure(run(definition, {"a": "函" * (room // 3)}))["errorType"] == "FilterFailed"
    found = failure(run(definition, {"a": "x" * (room + 1)}))
    assert found["errorType"] == "RequestTooLarge"


def test_an_exception_becomes_the_runtimes_failure_object(run, functions):
    def inner(event):
        raise KeyError("sku")

    def handler(event, context):
        return inner(event)

    async def handler_async(event, context):
        return inner(event)

    functions.register(handler)
    functions.register(handler_async)
    for name in ("handler", "handler_async"):
        execution = run(one_call(name, name=name.replace("_", "-")))
        found = failure(execution)
        assert set(found) == {"errorMessage", "errorType", "stackTrace"}
        assert found["errorMessage"] == "function invocation exception, error: 'sku'"
        assert found["errorType"] == "KeyError"
        assert [line.split(" in ")[1].partition(":")[0] for line in found["stackTrace"]] == [name, "inner"]
        assert found["stackTrace"][-1].startswith('File "test_engine.py", line ')
        error = execution.errors[0]
        assert error.node_id == name
        assert datetime.fromisoformat(error.begin_time) <= datetime.fromisoformat(error.end_time)


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no")


@pytest.mark.parametrize(
    "raised", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), TimeoutError("t"), Mute()]
)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_nothing_that_a_function_raises_gets_past_its_node(run, functions, raised, kind):
    def handler(event, context):
        raise raised

    async def handler_async(event, context):
        raise raised

    functions.register(handler if kind == "plain" else handler_async, name="f")
    assert failure(run(one_call("f")))["errorType"] == type(raised).__name__


@pytest.mark.parametrize("character", ["x", "函", "😀", '"', "\n", "\x00", "\ud800"])
def test_a_long_message_is_cut_and_stays_json(run, functions, character):
    def handler(event, context):
        raise ValueError(character * 50_000)

    functions.register(handler)
    execution = run(one_call("handler"))
    found = failure(execution)
    assert found["errorMessage"].endswith(character + "…")
    assert 2000 < len(execution.errors[0].error_message) <= 2048  # no more than needed is cut


def test_a_long_stack_loses_its_outermost_lines_only(run, functions):
    def down(n):
        return down(n - 1) if n else 1 / 0

    functions.register(lambda event, context: down(300), name="f")
    found = failure(run(one_call("f")))
    assert "division by zero" in found["errorMessage"]
    assert len(found["stackTrace"]) > 10
    assert "in down" in found["stackTrace"][-1]


def test_an_endless_recursion_fails_the_node(run, functions):
    def endless(event, context):
        return endless(event, context)

    functions.register(endless)
    assert failure(run(one_call("endless")))["errorType"] == "RecursionError"


def test_a_function_that_changes_its_event_changes_nothing_else(run, functions):
    def spoil(event, context):
        event["list"].append("spoiled")
        event["more"] = True
        return 1

    functions.register(spoil)
    definition = flow(
        state("a", action("spoil", {"list": "$.list", "const": "$CONST.list"}), transition="b"),
        state("b", action("echo", {"input": "$.list", "const": "$CONST.list"})),
        constants={"list": [1]},
    )
    for _ in range(2):
        assert output(run(definition, {"list": [1]})) == {"input": [1], "const": [1]}


def test_registering_checks_the_signature_the_timeout_and_the_name():
    functions = Functions()
    with pytest.raises(TypeError, match=r"takes \(event, context\)"):
        functions.register(lambda event: event)
    with pytest.raises(ValueError, match="positive"):
        functions.register(lambda event, context: event, timeout=0)
    with pytest.raises(ValueError, match=r"partial.* has no name of its own: give name="):
        functions.register(functools.partial(lambda event, context, more: event, more=1))
    assert not functions


def test_the_decorator_gives_the_handler_back_and_registers_it(monkeypatch):
    @function(name="test-decorated", timeout=1.5)
    def handler(event, context):
        return event

    try:
        assert handler(1, None) == 1
        assert registered["test-decorated"].handler is handler
        assert registered["test-decorated"].timeout == 1.5
        client = Client(AsyncClient(Service(samples=False), project_id=PROJECT))
        assert output(runner(client)(one_call("test-decorated"), {"n": 1})) == {"n": 1}
    finally:
        del registered["test-decorated"]


# --- time limits ---------------------------------------------------------------------------------


released = threading.Event()  # of the slow ones below, once their test is over


@pytest.fixture
def slow_ones():
    released.clear()
    yield
    released.set()


def block(event, context):
    released.wait(60)


def spin(event, context):
    until = time.monotonic() + 60
    while time.monotonic() < until and not released.is_set():
        pass


async def wait(event, context):
    await asyncio.sleep(30)


async def hog(event, context):
    released.wait(60)  # an async handler that never awaits


SLOW = [block, spin, wait, hog]


@pytest.fixture
def quick_async(functions):
    async def quick(event, context):
        await asyncio.sleep(0)
        return {"quick": True}

    functions.register(quick, timeout=0.3)


@pytest.mark.usefixtures("quick_async", "slow_ones")
@pytest.mark.parametrize("handler", SLOW)
def test_a_function_that_outlives_its_timeout_fails_its_node(run, functions, handler):
    functions.register(handler, timeout=0.1)
    started = time.perf_counter()
    found = failure(run(one_call(handler.__name__)))
    assert time.perf_counter() - started < 20
    assert found == {"errorMessage": "call invoke timeout 0.1s", "errorType": "FunctionTimeout"}
    for name in ("quick", "f2"):  # others are served at once
        output(run(one_call(name, name=name)))


@pytest.mark.usefixtures("quick_async", "slow_ones")
@pytest.mark.parametrize("handler", SLOW)
def test_a_state_that_outlives_the_limit_ends_the_run_as_timeout(functions, handler):
    service = Service(functions=functions, samples=False, limit=0.3)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    functions.register(handler, timeout=30)
    definition = flow(state("fast", action("f2"), transition="slow"), state("slow", action(handler.__name__)))
    started = time.perf_counter()
    execution = run(definition)
    assert 0.3 <= time.perf_counter() - started < 20
    assert (execution.status, execution.output) == ("timeout", None)
    (error,) = execution.errors
    assert error.node_id == "slow"
    assert json.loads(error.error_message) == {
        "errorMessage": "the workflow ran longer than 0.3 s",
        "errorType": "WorkflowTimeout",
    }
    assert datetime.fromisoformat(error.begin_time) <= datetime.fromisoformat(error.end_time)
    # the service goes on serving, once it has seen that the loop of async handlers is taken
    time.sleep(0.6 if handler is hog else 0)
    for name in ("f2", "quick"):
        output(run(one_call(name, name=name)))


def test_a_run_that_is_over_its_limit_before_anybody_could_look_ends_as_timeout(functions):
    service = Service(functions=functions, samples=False, limit=1e-9)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    for _ in range(10):
        assert run(one_call("f1")).status == "timeout"


def test_a_sleep_that_outlives_the_limit_ends_the_run_as_timeout(functions):
    service = Service(functions=functions, samples=False, limit=0.1)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    started = time.perf_counter()
    execution = run(flow(sleep("wait", 86400)))
    assert time.perf_counter() - started < 60
    assert (execution.status, [error.node_id for error in execution.errors]) == ("timeout", ["wait"])


def test_an_async_function_is_cancelled_at_its_timeout(run, functions):
    let_go = threading.Event()

    async def careful(event, context):
        try:
            await asyncio.sleep(30)
        finally:
            let_go.set()

    functions.register(careful, timeout=0.05)
    failure(run(one_call("careful")))
    assert let_go.wait(2)


def test_an_async_function_ends_at_its_timeout_though_the_callers_loop_is_held_up(service, functions):
    began, ended = threading.Event(), threading.Event()

    async def careful(event, context):
        began.set()
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    functions.register(careful, timeout=0.05)
    client = AsyncClient(service, project_id=PROJECT)

    async def held_up():
        await client.create(one_call("careful"))
        task = asyncio.ensure_future(client.execute("flow", {}))
        while not began.is_set():
            await asyncio.sleep(0)
        assert ended.wait(10)
        return await task

    outcome = asyncio.run(held_up())
    assert failure(outcome.execution)["errorType"] == "FunctionTimeout"


def test_a_timeout_that_is_over_at_once_is_one(run, functions):
    functions.register(wait, timeout=1e-9)
    assert failure(run(one_call("wait")))["errorType"] == "FunctionTimeout"


def test_async_functions_that_compute_let_others_have_their_loop(run, functions):
    order = []

    async def compute(event, context):
        order.append("call")
        asyncio.get_running_loop().call_soon(order.append, "other")
        time.sleep(2 * workers.BREATH)

    functions.register(compute)
    output(run(flow(state("a", *[action("compute")] * 3))))
    assert order == ["call", "other", "call", "other", "call", "other"]


# --- many at once --------------------------------------------------------------------------------


def test_200_runs_at_once_give_each_its_own_answer(client, functions):
    functions.register(lambda event, context: time.sleep(0.1) or event, name="slow", timeout=30)
    client.create(flow(state("a", action("slow", {"n": "$.n"}), action("slow", {"n": "$.n"}))))
    started = time.perf_counter()
    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(lambda n: client.execute("flow", {"n": n}), range(200)))
    assert [output(outcome.execution) for outcome in outcomes] == [{"n": n} for n in range(200)]
    assert len({outcome.execution.execution_id for outcome in outcomes}) == 200
    assert time.perf_counter() - started < 20  # one after the other would take 40 s
