"""Every kind of state, error handling, and the options of open points: local/engine.py, together.py, options.py."""

import asyncio
import itertools
import json
import re
import threading
import time
from collections import Counter

import pytest

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.errors import ConfigError
from fgnb.local import together, workers
from fgnb.local.execution import Clock
from fgnb.local.options import Options, read_options
from fgnb.local.service import Service
from tests.flows import PROJECT, action, end, failure, flow, one_call, output, runner, sleep, state

INPUT = {"input": "$.input"}


class FakeClock:
    """Time that goes on only when someone waits."""

    def __init__(self):
        self.now = 1_700_000_000.0
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    def clock(self):
        return Clock(time=lambda: self.now, sleep=self.sleep)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def make(functions, clock):
    """Make a `run` of a service with options; its waits take no time."""

    def make(**options):
        service = Service(functions=functions, samples=False, clock=clock.clock(), options=Options(**options))
        return runner(Client(AsyncClient(service, project_id=PROJECT)))

    return make


@pytest.fixture
def run(make):
    return make()


@pytest.fixture(autouse=True)
def _steps(functions):
    """Register f1, f2 and f3 of the console's guide, and some more."""
    functions.register(lambda event, context: {"result": event.get("input", 0)}, name="f1")
    functions.register(lambda event, context: {"result": event.get("input", 0) + 2}, name="f2")
    functions.register(lambda event, context: {"result": event["input"] ** 2}, name="f3")
    functions.register(lambda event, context: event, name="echo")
    functions.register(lambda event, context: event["item"] + 1, name="plus_one")
    functions.register(fail, name="fail")


def fail(event, context):
    raise ValueError(event.get("why", "no reason"))


def switch(id, *conditions, default=None, **more):
    ways = [{"name": str(at), "condition": text, "transition": target} for at, (text, target) in enumerate(conditions)]
    found = {"id": id, "name": id, "type": "Switch", "data_conditions": ways}
    return found | ({"default": {"transition": default}} if default else {}) | more


def parallel(id, *branches, **more):
    named = [{"name": f"b{at}"} | branch for at, branch in enumerate(branches)]
    return {"id": id, "name": id, "type": "Parallel", "end": True, "transition": "", "branches": named} | more


def foreach(id, **more):
    found = {"id": id, "name": id, "type": "Foreach", "end": True, "transition": ""}
    return found | {"input_collection": "$.arr", "iteration_param": "$.item"} | more


def subflow(id, workflow, **more):
    return {"id": id, "name": id, "type": "SubFlow", "end": True, "transition": "", "workflow_id": workflow} | more


def calls(*actions, **more):
    return {"actions": list(actions)} | more


def chain(*states, **more):
    return {"start": states[0]["id"], "states": list(states)} | more


def whole(*states, functions=(), **more):
    """A flow that may also call these functions inside its states."""
    names = [*functions, "f1", "f2", "f3", "echo", "plus_one", "fail"]
    known = [{"name": name, "operation": ""} for name in dict.fromkeys(names)]
    return flow(*states, **more) | {"functions": known}


# --- Switch --------------------------------------------------------------------------------------


def choosing(*conditions, **more):
    return whole(
        switch("if", *conditions, **more),
        state("f2", action("f2", INPUT)),
        state("f3", action("f3", INPUT)),
        start="if",
    )


@pytest.mark.parametrize(("input", "expected"), [(1, 3), (3, 9), (2, 4)])
def test_row_3_a_condition_or_the_default(run, input, expected):
    definition = choosing(("$.input<2", "f2"), default="f3")
    assert output(run(definition, {"input": input})) == {"result": expected}


def test_of_several_true_conditions_the_first_wins(run):
    definition = choosing(("$.input > 5", "f2"), ("$.input > 1", "f3"), ("$.input > 0", "f2"))
    assert output(run(definition, {"input": 3})) == {"result": 9}


def test_no_true_condition_and_no_default_fails_the_state_or_ends_there(run, make):
    definition = choosing(("$.input > 5", "f2"), ("$.input > 4", "f3"))
    execution = run(definition, {"input": 1})
    assert failure(execution)["errorType"] == "NoMatch"
    assert execution.errors[0].node_id == "if"
    assert output(make(switch_no_match="end")(definition, {"input": 1})) == {"input": 1}


def test_a_condition_on_a_missing_path_is_false_or_fails(run, make):
    definition = choosing(("$.nope == 1", "f2"), ("$.nope != 1", "f3"))
    assert output(run(definition, {"input": 3})) == {"result": 9}
    assert "nope" in failure(make(missing_in_condition="fail")(definition, {"input": 3}))["errorMessage"]


def test_a_switch_has_filters_and_sees_constants(run):
    definition = choosing(
        ("$.kind == $CONST.kind", "f3"), default="f2", state_data_filter={"input": "$.body", "output": "$.payload"}
    ) | {"constants": {"kind": "big"}}
    assert output(run(definition, {"body": {"kind": "big", "payload": {"input": 5}}})) == {"result": 25}


def test_a_chain_of_switches_joins_again(run):
    definition = whole(
        switch("one", ("$.input > 1", "f2"), default="two"),
        switch("two", ("$.input == 1", "f3"), default="done"),
        state("f2", action("f2", INPUT), transition="done"),
        state("f3", action("f3", INPUT), transition="done"),
        end("done"),
    )
    assert [output(run(definition, {"input": n})) for n in (5, 1, 0)] == [{"result": 7}, {"result": 1}, {"input": 0}]


# --- Parallel ------------------------------------------------------------------------------------

F123 = [calls(action("f1", INPUT)), calls(action("f2", INPUT)), calls(action("f3", INPUT))]


def test_row_4_all_branches_stand_in_their_order(run):
    results = [{"result": 3}, {"result": 5}, {"result": 9}]
    assert output(run(whole(parallel("p", *F123)), {"input": 3})) == {"result": results}
    assert output(run(whole(parallel("p", *F123, result_path="all of it")), {"input": 3})) == {"all of it": results}


def test_branches_may_be_chains_and_sub_flows(run):
    run(whole(state("x", action("f3", INPUT)), name="square"), {"input": 0})
    branches = [
        chain(
            state("a", action("f2", INPUT), transition="b"),
            state("b", action("f3", {"input": "$.result"}), state_data_filter={"output": "$.result"}),
        ),
        {"workflow_id": "square"},
        calls(action("f2", INPUT), action("f2", {"input": "$.result"})),
        calls(action("f1", INPUT), action("f2", INPUT), action_mode="parallel"),
    ]
    expected = [9, {"result": 1}, {"result": 5}, {"result": [{"result": 1}, {"result": 3}]}]
    assert output(run(whole(parallel("p", *branches)), {"input": 1})) == {"result": expected}


def test_branches_run_at_once(run, functions):
    barrier = threading.Barrier(10)
    functions.register(lambda event, context: barrier.wait(3), name="meet")
    done = run(whole(parallel("p", *[calls(action("meet"))] * 10), functions=["meet"]))
    assert sorted(output(done)["result"]) == list(range(10))


@pytest.mark.parametrize(("kind", "needed"), [("any", 1), ("n_of_m", 2)])
def test_losers_are_cancelled_and_stand_as_null(run, functions, kind, needed):
    cancelled = threading.Event()

    async def slow(event, context):
        try:
            await asyncio.sleep(30)
        finally:
            cancelled.set()

    functions.register(slow, timeout=60)
    branches = [calls(action("slow")), *[calls(action("f2", INPUT))] * needed]
    more = {"num_completed": needed} if kind == "n_of_m" else {}
    definition = whole(parallel("p", *branches, completion_type=kind, **more), functions=["slow"])
    started = time.perf_counter()
    assert output(run(definition, {"input": 1})) == {"result": [None] + [{"result": 3}] * needed}
    assert cancelled.wait(10)
    assert time.perf_counter() - started < 25  # the slow one takes 30 s


def test_a_failed_branch_fails_the_state_only_when_too_few_are_left(run):
    bad, good = calls(action("fail", {"why": "bad"})), calls(action("f2", INPUT))
    two_of_three = {"completion_type": "n_of_m", "num_completed": 2}
    definition = whole(parallel("p", bad, good, good, **two_of_three))
    assert output(run(definition, {"input": 1})) == {"result": [None, {"result": 3}, {"result": 3}]}
    execution = run(whole(parallel("p", bad, good, bad, **two_of_three)), {"input": 1})
    assert execution.status == "fail"
    assert {error.node_id for error in execution.errors} == {"p"}
    assert output(run(whole(parallel("p", bad, good, completion_type="any")), {"input": 1}))["result"][0] is None
    assert failure(run(whole(parallel("p", good, bad, good)), {"input": 1}))["errorType"] == "ValueError"


def test_an_error_inside_a_branch_names_the_inner_state(run):
    inner = chain(state("fine", action("f2", INPUT), transition="inner"), state("inner", action("fail")))
    execution = run(whole(parallel("outer", calls(action("f1")), inner)), {"input": 1})
    assert [error.node_id for error in execution.errors] == ["inner"]


def test_branch_results_may_be_an_object_by_name(make):
    named = [{"name": "left"} | F123[0], {"name": "right"} | F123[1]]
    results = output(make(branch_results="object")(whole(parallel("p", *named)), {"input": 1}))
    assert results == {"result": {"left": {"result": 1}, "right": {"result": 3}}}


# --- Foreach -------------------------------------------------------------------------------------

PLUS_ONE = calls(action("plus_one", {"item": "$.item"}))


def test_row_5_the_results_of_a_loop_are_a_list(run):
    assert output(run(whole(foreach("each", **PLUS_ONE)), {"arr": [1, 2, 3]})) == {"result": [2, 3, 4]}
    assert output(run(whole(foreach("each", **PLUS_ONE)), {"arr": []})) == {"result": []}
    placed = foreach("each", output_collection="$.a.b", **PLUS_ONE)
    assert output(run(whole(placed), {"arr": [1]})) == {"a": {"b": [2]}}


def test_an_iteration_sees_its_item_beside_the_states_input(run):
    definition = whole(
        foreach("each", iteration_param="$.it.em", **calls(action("echo"))) | {"state_data_filter": {"input": "$.in"}}
    )
    found = output(run(definition, {"in": {"arr": [1, 2], "it": {"x": 0}, "k": 3}}))
    assert found["result"][1] == {"arr": [1, 2], "it": {"x": 0, "em": 2}, "k": 3}


def test_a_loop_over_items_that_a_filter_selects(run):
    definition = whole(foreach("each", input_collection="$.arr[?@ > 1]", **PLUS_ONE))
    assert output(run(definition, {"arr": [1, 2, 3]})) == {"result": [3, 4]}


@pytest.mark.parametrize("found", [None, 5, "text", {"a": 1}, ...])
def test_a_collection_that_is_no_array_fails_the_state(run, found):
    execution = run(whole(foreach("each", **PLUS_ONE)), {} if found is ... else {"arr": found})
    assert failure(execution)["errorType"] == "NotAnArray"
    assert execution.errors[0].node_id == "each"


def test_a_loop_may_hold_states_and_its_errors_name_them(run):
    body = chain(
        state("add", action("plus_one", {"item": "$.item"}), transition="pause"),
        sleep("pause", 0.5, transition="again"),
        state("again", action("f2", {"input": "$"}), state_data_filter={"output": "$.result"}),
    )
    assert output(run(whole(foreach("each", **body)), {"arr": [1, 2]})) == {"result": [4, 5]}
    execution = run(whole(foreach("each", **body)), {"arr": [1, "x"]})
    assert [error.node_id for error in execution.errors] == ["add"]


def test_a_loop_may_run_another_workflow(run):
    run(whole(state("x", action("f3", {"input": "$.item"})), name="square"), {"item": 0})
    definition = whole(foreach("each", workflow_id="square"))
    assert output(run(definition, {"arr": [2, 3]})) == {"result": [{"result": 4}, {"result": 9}]}


@pytest.mark.parametrize(("width", "most"), [(0, 12), (3, 3), (1, 1)])
def test_the_batch_size_limits_how_many_iterations_run_at_once(run, functions, width, most):
    lock, now, seen = threading.Lock(), Counter(), []
    together = threading.Barrier(most)  # each waits until as many run as may

    @functions.register
    def watched(event, context):
        with lock:
            now["running"] += 1
            seen.append(now["running"])
        together.wait(2.5)
        with lock:
            now["running"] -= 1
        return event["item"]

    body = calls(action("watched", {"item": "$.item"}))
    definition = whole(foreach("each", batch_size=width, **body), functions=["watched"])
    assert output(run(definition, {"arr": list(range(12))})) == {"result": list(range(12))}
    assert max(seen) == most


def test_a_paced_loop_ends_with_its_first_failure(run, functions):
    functions.register(lambda event, context: event["item"], name="same")
    loop = foreach("each", batch_size=1, interval=0.01, **PLUS_ONE)
    execution = run(whole(loop), {"arr": [1, "x", 2]})
    assert failure(execution)["errorType"] == "TypeError"
    assert [error.node_id for error in execution.errors] == ["each"]


def test_of_branches_that_end_at_once_the_first_wins(run):
    definition = whole(parallel("p", *F123, completion_type="any"))
    for _ in range(20):
        results = output(run(definition, {"input": 3}))["result"]
        assert sum(result is not None for result in results) == 1


def test_ways_that_are_refused_before_they_begin_fail_the_loop(run, functions, monkeypatch):
    monkeypatch.setattr(together, "RAMP", 0.05)
    release = threading.Event()

    def crowd(event, context):
        monkeypatch.setattr(workers, "MAX_LEFT_BEHIND", 0)  # as if others had been left behind meanwhile
        release.wait(20)

    functions.register(crowd, timeout=30)
    execution = run(whole(foreach("each", **calls(action("crowd"))), functions=["crowd"]), {"arr": [1, 2]})
    release.set()
    assert failure(execution)["errorType"] == "TooManyStuckCalls"


def test_many_quick_iterations_keep_their_order(run):
    assert output(run(whole(foreach("each", **PLUS_ONE)), {"arr": list(range(3000))}))["result"] == list(range(1, 3001))


@pytest.mark.parametrize(("between", "least"), [("starts", 0.15), ("ends", 0.25)])
def test_the_interval_lies_between_the_starts_or_after_the_ends(functions, between, least):
    starts = []

    @functions.register
    def work(event, context):
        starts.append(time.monotonic())
        time.sleep(0.1)

    service = Service(functions=functions, samples=False, options=Options(interval=between))
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    loop = foreach("each", batch_size=1, interval=0.15, **calls(action("work")))
    assert output(run(whole(loop, functions=["work"]), {"arr": [1, 2, 3]})) == {"result": [None] * 3}
    assert all(later - sooner >= least - 0.005 for sooner, later in itertools.pairwise(starts))


# --- SubFlow -------------------------------------------------------------------------------------


def test_a_sub_flow_gets_the_states_input_and_gives_the_states_output(run):
    run(whole(state("x", action("f3", INPUT)), name="child"), {"input": 0})
    definition = whole(subflow("sub", "child", state_data_filter={"input": "$.body", "output": "$.result"}))
    assert output(run(definition, {"body": {"input": 4}})) == 16


def test_a_sub_flow_is_an_execution_of_its_own(run, functions):
    functions.register(lambda event, context: [context.getWorkflowRunID(), context.headers], name="who")
    run(whole(state("x", action("who")), name="child", functions=["who"]))
    both = [calls(action("who")), {"workflow_id": "child"}]
    execution = run(whole(parallel("p", *both), functions=["who"]), headers={"tenantId": "user1"})
    (own, own_headers), (child, child_headers) = output(execution)["result"]
    assert own == execution.execution_id != child
    assert own_headers == child_headers == {"tenantId": "user1"}


def test_a_childs_failure_is_the_states_and_names_the_childs_node(run):
    run(whole(state("inner", action("fail", {"why": "broken"})), name="child"))
    execution = run(whole(subflow("sub", "child")))
    found = failure(execution)
    assert execution.errors[0].node_id == "sub"
    assert "workflow 'child' failed at node 'inner'" in found["errorMessage"]
    assert "broken" in found["errorMessage"]
    assert found["errorType"] == "ValueError"


def test_a_sub_flow_that_is_missing_or_normal_fails_its_state(run, client):
    assert failure(run(whole(subflow("sub", "nobody"))))["errorType"] == "WorkflowNotFound"
    service = Service(samples=False)
    own = Client(AsyncClient(service, project_id=PROJECT))
    own.create(whole(end(), name="slow", mode="NORMAL"))
    assert failure(runner(own)(whole(subflow("sub", "slow"))))["errorType"] == "NotExpress"


@pytest.mark.parametrize("depth", [1, 8])
def test_recursion_is_refused_below_a_depth(make, functions, depth):
    seen = []
    functions.register(lambda event, context: seen.append(1), name="count")
    definition = whole(
        state("count", action("count"), transition="again"), subflow("again", "flow"), functions=["count"]
    )
    execution = make(max_depth=depth)(definition)
    assert "levels deep" in failure(execution)["errorMessage"]
    assert len(seen) == depth + 1


def test_a_sub_flow_that_is_not_waited_for_goes_on_by_itself(run, functions):
    done = threading.Event()
    functions.register(lambda event, context: time.sleep(0.2) or done.set(), name="later")
    run(whole(state("x", action("later")), name="child", functions=["later"]))
    done.clear()
    execution = run(whole(subflow("sub", "child", wait_for_completion=False)))
    assert set(output(execution)) == {"execution_id"}
    assert not done.is_set()
    assert done.wait(5)


def test_the_parents_limit_ends_the_child(functions):
    service = Service(functions=functions, samples=False, limit=0.3)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    service.catalog.create(whole(sleep("wait", 60), name="child"), PROJECT)
    execution = run(whole(subflow("sub", "child")))
    assert (execution.status, [error.node_id for error in execution.errors]) == ("timeout", ["sub"])


# --- error handling ------------------------------------------------------------------------------


def answering(functions, *answers):
    """Register `flaky`, which gives these answers in turn, the last one for ever; raises those that are errors."""
    left = list(answers)
    seen = []

    @functions.register
    def flaky(event, context):
        seen.append(event)
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return seen


def guarded(*entries, retries=(), **more):
    caught = [state("error", action("echo", {"way": "error", "got": "$"}))]
    return whole(
        state("try", action("flaky"), transition="normal", on_errors=list(entries), **more),
        state("normal", action("echo", {"way": "normal", "got": "$"})),
        *(caught if any(entry.get("transition") == "error" for entry in entries) else ()),
        functions=["flaky"],
        retries=list(retries),
    )


TWICE = {"name": "again", "delay": 7, "max_attempts": 3}
ON_500 = {"error": "$.status == 500", "retry_ref": "again", "transition": "error"}


def test_row_8_a_condition_that_stops_holding_leads_to_the_normal_way(run, functions, clock):
    seen = answering(functions, {"status": 500}, {"status": 500}, {"status": 200})
    found = output(run(guarded(ON_500, retries=[TWICE]), {"n": 1}))
    assert found == {"way": "normal", "got": {"status": 200}}
    assert seen == [{"n": 1}] * 3
    assert clock.waits == [7, 7]


def test_row_9_a_condition_that_still_holds_leads_to_the_error_way(run, functions, clock):
    seen = answering(functions, {"status": 500})
    assert output(run(guarded(ON_500, retries=[TWICE]))) == {"way": "error", "got": {"status": 500}}
    assert len(seen) == 4
    assert clock.waits == [7, 7, 7]


def test_a_retry_has_the_services_defaults(run, functions, clock):
    seen = answering(functions, {"status": 500})
    run(guarded(ON_500, retries=[{"name": "again"}]))
    assert (len(seen), clock.waits) == (4, [1, 1, 1])


def test_max_attempts_may_count_all_calls(make, functions, clock):
    seen = answering(functions, {"status": 500})
    make(max_attempts="calls")(guarded(ON_500, retries=[TWICE]))
    assert (len(seen), clock.waits) == (3, [7, 7])


def test_an_exception_is_a_failure_with_errorcode_and_status(run, functions):
    answering(functions, ValueError("no"))
    for condition in (
        "$.errorCode == 500",
        "$.status == 500",
        "$.errorType == 'ValueError'",
        "",
        "$.errorMessage == '*'",
    ):
        found = output(run(guarded({"error": condition, "transition": "error"})))
        assert found["way"] == "error"
        assert found["got"]["errorType"] == "ValueError"
        assert (found["got"]["errorCode"], found["got"]["status"]) == (500, 500)
    assert failure(run(guarded({"error": "$.status == 404", "transition": "error"})))["errorType"] == "ValueError"


def test_retries_end_with_the_first_success(run, functions, clock):
    seen = answering(functions, ValueError("no"), ValueError("no"), {"fine": True})
    found = output(run(guarded({"error": "", "retry_ref": "again", "transition": "error"}, retries=[TWICE])))
    assert found == {"way": "normal", "got": {"fine": True}}
    assert (len(seen), clock.waits) == (3, [7, 7])


def test_retries_that_do_not_help_fail_the_state_without_a_transition(run, functions, clock):
    seen = answering(functions, ValueError("no"))
    execution = run(guarded({"error": "", "retry_ref": "again"}, retries=[TWICE]))
    assert failure(execution)["errorType"] == "ValueError"
    assert (len(seen), len(clock.waits)) == (4, 3)


def test_a_business_code_is_just_data_without_an_entry_that_names_it(run, functions):
    answering(functions, {"status": 500})
    assert output(run(guarded()))["way"] == "normal"
    assert output(run(guarded({"error": "", "transition": "error"})))["way"] == "normal"
    assert output(run(guarded({"error": "$.status == 404", "transition": "error"})))["way"] == "normal"


def test_the_output_filter_applies_to_a_result_that_goes_the_error_way(run, functions):
    answering(functions, {"status": 500, "body": {"x": 1}})
    definition = guarded({"error": "$.status == 500", "transition": "error"}, state_data_filter={"output": "$.body"})
    assert output(run(definition)) == {"way": "error", "got": {"x": 1}}


@pytest.mark.parametrize(("order", "way"), [("first", "error"), ("last", "normal")])
def test_the_first_entry_that_matches_counts(make, functions, order, way):
    answering(functions, ValueError("no"))
    entries = [{"error": "", "transition": "error"}, {"error": "$.status == 500", "transition": "normal"}]
    assert output(make(error_order=order)(guarded(*entries)))["way"] == way


def test_an_empty_condition_may_handle_nothing(make, functions):
    answering(functions, ValueError("no"))
    assert failure(make(empty_error="none")(guarded({"error": "", "transition": "error"})))["errorType"] == "ValueError"


def test_a_function_that_outlives_its_timeout_is_retried_and_caught(run, functions, clock):
    calls = []

    def flaky(event, context):
        calls.append(1)
        if len(calls) < 3:
            time.sleep(0.6)
        return {"calls": len(calls)}

    functions.register(flaky, timeout=0.1)
    entry = {"error": "$.errorType == 'FunctionTimeout'", "retry_ref": "again", "transition": "error"}
    assert output(run(guarded(entry, retries=[TWICE]))) == {"way": "normal", "got": {"calls": 3}}
    assert clock.waits == [7, 7]
    del calls[:]
    one = TWICE | {"max_attempts": 1}
    found = output(run(guarded(entry, retries=[one])))
    assert found["way"] == "error"
    assert found["got"]["status"] == 504


def test_a_missing_function_or_path_can_be_caught(run):
    definition = whole(
        state("try", action("ecko"), transition="ok", on_errors=[{"error": "", "transition": "caught"}]),
        end("ok"),
        end("caught"),
        functions=["ecko"],
    )
    found = output(run(definition))
    assert (found["errorType"], found["status"]) == ("FunctionNotFound", 404)


def test_a_failed_loop_or_fork_is_retried_as_a_whole(run, functions, clock):
    seen = answering(functions, ValueError("no"), 1)
    each = foreach(
        "each",
        end=False,
        transition="ok",
        batch_size=1,
        on_errors=[{"error": "", "retry_ref": "again"}],
        **calls(action("flaky", {"item": "$.item"})),
    )
    definition = whole(each, end("ok"), functions=["flaky"], retries=[TWICE])
    assert output(run(definition, {"arr": [1, 2]})) == {"result": [1, 1]}
    assert seen == [{"item": 1}, {"item": 1}, {"item": 2}]
    assert clock.waits == [7]


def test_states_inside_a_branch_handle_their_own_errors(run, functions):
    answering(functions, ValueError("no"))
    inner = chain(
        state("try", action("flaky"), transition="ok", on_errors=[{"error": "", "transition": "caught"}]),
        end("ok"),
        state("caught", action("echo", {"caught": True})),
    )
    definition = whole(parallel("p", inner, calls(action("f1"))), functions=["flaky"])
    assert output(run(definition))["result"][0] == {"caught": True}


def test_handled_errors_may_stand_in_the_answer(make, functions):
    answering(functions, ValueError("first"), ValueError("second"), KeyError("third"))
    entry = {"error": "$.errorType == 'ValueError'", "retry_ref": "again"}
    execution = make()(guarded(entry, retries=[TWICE]))
    assert [json.loads(error.error_message)["errorType"] for error in execution.errors] == ["KeyError"]
    answering(functions, ValueError("first"), ValueError("second"), KeyError("third"))
    execution = make(handled_errors=True)(guarded(entry, retries=[TWICE]))
    kinds = [json.loads(error.error_message)["errorType"] for error in execution.errors]
    assert kinds == ["ValueError", "ValueError", "KeyError"]


def test_handled_errors_are_told_though_no_trace_is_kept(functions, clock):
    answering(functions, ValueError("first"), KeyError("second"))
    options = Options(handled_errors=True)
    service = Service(functions=functions, samples=False, traces=0, clock=clock.clock(), options=options)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    execution = run(guarded({"error": "$.errorType == 'ValueError'", "retry_ref": "again"}, retries=[TWICE]))
    assert [json.loads(error.error_message)["errorType"] for error in execution.errors] == ["ValueError", "KeyError"]


# --- merge parameters, and the other options -----------------------------------------------------

TWO = [state("one", action("f2", INPUT), transition="two"), state("two", action("echo", {}))]


def test_merge_parameters_let_later_states_see_earlier_outputs(make):
    input = {"input": 1, "result": "older"}
    assert output(make()(flow(*TWO), input)) == {"result": 3}
    assert output(make(merge_parameters=True)(flow(*TWO), input)) == {"input": 1, "result": 3}


def test_actions_in_sequence_may_all_read_the_states_input(make):
    definition = flow(state("a", action("f2", INPUT), action("echo", {})))
    assert output(make(sequential_input="state")(definition, {"input": 1})) == {"input": 1}


def test_parallel_actions_may_give_a_bare_list(make):
    definition = flow(state("a", action("f1", INPUT), action("f2", INPUT), action_mode="parallel"))
    assert output(make(parallel_output="list")(definition, {"input": 1})) == [{"result": 1}, {"result": 3}]


def test_an_unresolved_argument_may_be_null_or_fail(make):
    definition = one_call("echo", {"a": "$.nope", "b": "$.nope | 1"})
    assert output(make()(definition)) == {"b": 1}
    assert output(make(unresolved="null")(definition)) == {"a": None, "b": 1}
    assert "$.nope" in failure(make(unresolved="fail")(definition))["errorMessage"]


def test_empty_arguments_may_be_taken_literally(make):
    assert output(make(empty_arguments="empty")(one_call("echo"), {"n": 1})) == {}


def test_arguments_may_look_only_at_the_states_input(make):
    definition = flow(TWO[0], state("two", action("echo", {"first": "$.input", "list": "$.xs[*]"})))
    assert output(make(argument_scope="state")(definition, {"input": 1, "xs": [1]})) == {"list": []}


def test_constants_may_win_over_the_input(make):
    definition = one_call("echo", {"a": "$.constants.k"}) | {"constants": {"k": 1}}
    assert output(make(constants_clash="constants")(definition, {"constants": {"k": 2}})) == {"a": 1}


def test_headers_may_be_kept_from_functions(make, functions):
    functions.register(lambda event, context: dict(context.headers), name="headers")
    assert output(make(headers="none")(one_call("headers"), headers={"a": "b"})) == {}


def test_an_error_message_may_be_text(make):
    execution = make(error_message="text")(one_call("fail", {"why": "so"}))
    assert execution.errors[0].error_message == "function invocation exception, error: so"


def test_a_timeout_may_have_no_errors(functions):
    service = Service(functions=functions, samples=False, limit=0.1, options=Options(timeout_errors=False))
    execution = runner(Client(AsyncClient(service, project_id=PROJECT)))(flow(sleep("wait", 60)))
    assert (execution.status, execution.errors) == ("timeout", ())


def test_the_output_may_have_to_be_an_object(make):
    definition = flow(state("a", action("f2", INPUT), state_data_filter={"output": "$.result"}))
    assert failure(make(output="object")(definition))["errorType"] == "OutputNotObject"


def test_every_state_still_running_is_named_once_at_a_timeout(functions):
    service = Service(functions=functions, samples=False, limit=0.4)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    slow = chain(state("fast", action("f2"), transition="wait"), sleep("wait", 60))
    loop = whole(parallel("p", slow, {"actions": [action("f1")]}), name="forked")
    execution = run(loop)
    assert (execution.status, [error.node_id for error in execution.errors]) == ("timeout", ["p", "wait"])
    each = foreach("each", **chain(sleep("pause", 60)))
    execution = run(whole(each), {"arr": [1, 2, 3]})
    assert [error.node_id for error in execution.errors] == ["each", "pause"]


def test_what_a_cancelled_branch_was_doing_is_no_longer_running(functions):
    service = Service(functions=functions, samples=False, limit=0.5)
    run = runner(Client(AsyncClient(service, project_id=PROJECT)))
    loser = chain(sleep("loser", 60))
    definition = whole(
        parallel("p", loser, calls(action("f1")), completion_type="any", end=False, transition="wait"),
        sleep("wait", 60),
    )
    assert [error.node_id for error in run(definition).errors] == ["wait"]


def test_options_are_read_from_texts():
    assert read_options({"max_depth": "3", "merge_parameters": "true", "unresolved": "null"}) == Options(
        max_depth=3, merge_parameters=True, unresolved="null"
    )
    with pytest.raises(ConfigError, match="did you mean unresolved"):
        read_options({"unresolvd": "null"})
    with pytest.raises(ConfigError, match="unresolved"):
        read_options({"unresolved": "sometimes"})


# --- what a review found -------------------------------------------------------------------------


def fresh(functions, **settings):
    service = Service(functions=functions, samples=False, **settings)
    return service, runner(Client(AsyncClient(service, project_id=PROJECT)))


async def cancel_myself(event, context):
    asyncio.current_task().cancel()
    await asyncio.sleep(0)


def test_an_async_function_that_cancels_itself_fails_like_any_other(run, functions):
    functions.register(cancel_myself, timeout=5)
    assert failure(run(one_call("cancel_myself")))["errorType"] == "CancelledError"
    branches = [calls(action("cancel_myself")), calls(action("f1"))]
    execution = run(whole(parallel("p", *branches), functions=["cancel_myself"]))
    assert failure(execution)["errorType"] == "CancelledError"


def test_the_limit_of_the_whole_can_not_be_caught_in_a_sub_flow(functions):
    service, run = fresh(functions, limit=0.2)
    service.catalog.create(whole(sleep("wait", 30), name="child"), PROJECT)
    parent = whole(
        subflow("sub", "child", end=False, transition="end", on_errors=[{"error": "", "transition": "after"}]),
        end(),
        state("after", action("f1")),
    )
    for _ in range(5):
        assert run(parent).status == "timeout"


def test_a_refused_result_that_its_filter_does_not_fit_fails_the_state(run, functions):
    answering(functions, {"status": 500})
    entry = {"error": "$.status == 500", "transition": "error"}
    execution = run(guarded(entry, state_data_filter={"output": "$.body"}))
    assert failure(execution)["errorType"] == "FilterFailed"


def test_a_state_that_waits_to_be_retried_is_still_running(functions):
    answering(functions, ValueError("no"))
    _, run = fresh(functions, limit=0.3)
    execution = run(guarded({"error": "", "retry_ref": "again"}, retries=[TWICE]))
    assert (execution.status, [error.node_id for error in execution.errors]) == ("timeout", ["try"])


SEARCH = "$.a[?search(@.s,'(a|aa)+c')]"


@pytest.mark.parametrize(
    "states",
    [
        [foreach("each", input_collection=SEARCH, **calls(action("f1")))],
        [state("one", action("later"), state_data_filter={"output": SEARCH})],
        [state("one", action("later"), transition="two"), end("two", state_data_filter={"input": SEARCH})],
    ],
    ids=["in a loop", "on a result", "after an async function"],
)
def test_a_slow_expression_holds_up_only_its_own_run(functions, states):
    async def later(event, context):
        return event

    functions.register(later)
    service, _ = fresh(functions, limit=1)
    service.catalog.create(whole(*states, functions=["later"], name="slow"), PROJECT)
    service.catalog.create(one_call("later", name="quick"), PROJECT)
    client = AsyncClient(service, project_id=PROJECT)
    some_time = {"a": [{"s": "a" * 22}] * 400}  # each item takes its time, but not so long that it is refused

    async def both():
        began = time.perf_counter()
        slow_one = asyncio.ensure_future(client.execute("slow", some_time))
        await asyncio.sleep(0.05)
        quick = await client.execute("quick", {})
        overtaken = not slow_one.done()
        return overtaken, quick.status, (await slow_one).status, time.perf_counter() - began

    overtaken, quick_status, slow_status, took = asyncio.run(both())
    assert (overtaken, quick_status) == (True, "success")
    assert slow_status in ("timeout", "fail")  # on a busy machine a single item is refused first
    assert took < 20


def test_a_loop_of_sub_flows_lets_others_have_their_turn_and_ends_on_time(functions):
    service, run = fresh(functions, limit=0.5)
    service.catalog.create(whole(foreach("e", **PLUS_ONE), name="inner"), PROJECT)
    middle = foreach("e", batch_size=1, iteration_param="$.n", workflow_id="inner")
    service.catalog.create(whole(middle, name="middle"), PROJECT)
    outer = foreach("e", batch_size=1, iteration_param="$.m", workflow_id="middle")
    started = time.perf_counter()
    assert run(whole(outer, name="outer"), {"arr": list(range(300))}).status == "timeout"
    assert time.perf_counter() - started < 20


def test_what_was_left_behind_changes_nothing_any_more(functions):
    let_go = threading.Event()
    functions.register(lambda event, context: let_go.wait(5) and {"late": True}, name="slow", timeout=30)
    service, run = fresh(functions, limit=0.4)
    loser = chain(state("slow", action("slow"), transition="next"), state("next", action("f1")))
    definition = whole(
        parallel("p", loser, calls(action("f1")), completion_type="any", end=False, transition="wait"),
        sleep("wait", 60),
        functions=["slow"],
    )
    timer = threading.Timer(0.2, let_go.set)
    timer.start()
    execution = run(definition)
    timer.join()
    time.sleep(0.1)
    assert [error.node_id for error in execution.errors] == ["wait"]
    visits = {visit.step.id: visit for visit in service.trace(execution.execution_id)}
    assert "next" not in visits
    assert (visits["slow"].cancelled, visits["slow"].output) == (True, None)


def test_an_expression_that_outlives_the_limit_changes_nothing_any_more(functions):
    service, run = fresh(functions, limit=0.1)
    slow = sleep("slow", 0.001, transition="next") | {"state_data_filter": {"output": "$.xs[?@.n > 5]"}}
    execution = run(whole(slow, end("next")), {"xs": [{"n": 1}] * 30_000})
    threads = service.engine._workers._threads
    while threads.left_behind:
        time.sleep(0.01)
    (visit,) = service.trace(execution.execution_id)
    assert (execution.status, visit.failure["errorType"]) == ("timeout", "WorkflowTimeout")


def test_a_handler_can_not_change_what_others_get(run, functions):
    def greedy(event, context):
        context.headers["x"] = "changed"
        context.user_data["k"] = "changed"
        event["n"].append(1)
        return [event, context.getUserData("k")]

    functions.register(greedy, name="greedy", user_data={"k": "1"})
    functions.register(lambda event, context: [dict(context.headers), event], name="after")
    both = [calls(action("greedy", {"n": "$.n"})), calls(action("after", {"n": "$.n"}))]
    definition = whole(parallel("p", *both), functions=["greedy", "after"])
    for _ in range(2):
        found = output(run(definition, {"n": []}, headers={"x": "1"}))["result"]
        assert found[1] == [{"x": "1"}, {"n": []}]


def test_a_call_that_could_not_be_stopped_in_time_still_fails(functions):
    functions.register(lambda event, context: re.match("(a+)+$", "a" * 24 + "b") and None, name="hold", timeout=0.2)
    _, run = fresh(functions)
    assert failure(run(one_call("hold")))["errorType"] == "FunctionTimeout"


def test_a_sub_flow_keeps_the_status_of_its_failure(run, functions):
    functions.register(lambda event, context: time.sleep(1), name="slow", timeout=0.1)
    run(whole(state("x", action("slow")), name="child", functions=["slow"]))
    caught = subflow(
        "sub", "child", end=False, transition="ok", on_errors=[{"error": "$.status == 504", "transition": "late"}]
    )
    assert output(run(whole(caught, end("ok"), end("late"))))["errorType"] == "FunctionTimeout"


def test_with_merged_parameters_a_caught_failure_comes_beside_the_input(make, functions):
    answering(functions, ValueError("no"))
    found = output(make(merge_parameters=True)(guarded({"error": "", "transition": "error"}), {"n": 1}))
    assert (found["got"]["n"], found["got"]["errorType"]) == (1, "ValueError")


def test_the_trace_of_a_loop_over_a_large_value_stays_small(functions):
    service, run = fresh(functions)
    value = {"arr": list(range(2000))} | {f"k{n}": n for n in range(5000)}
    execution = run(whole(foreach("e", **PLUS_ONE)), value)
    assert len(output(execution)["result"]) == 2000
    assert 1 <= len(service.trace(execution.execution_id)) < 200
