"""Random workflows: a valid one always ends with a true answer; a damaged one is refused or runs."""

import asyncio
import copy
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fgnb.local.execution import Clock
from fgnb.local.functions import Functions
from fgnb.local.options import Options
from fgnb.local.service import Service
from tests.flows import ask

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
FUNCTIONS = ("add", "echo", "pick", "fail", "code")


def fail(event, context):
    raise RuntimeError("meant")


@pytest.fixture(scope="module")
def service():
    functions = Functions()
    functions.register(lambda event, context: {"v": event.get("v", 0) + 1, "arr": [1, 2]}, name="add")
    functions.register(lambda event, context: event, name="echo")
    functions.register(lambda event, context: [event], name="pick")
    functions.register(lambda event, context: {"status": 500, "v": 1}, name="code")
    functions.register(fail)
    clock = Clock(sleep=lambda seconds: asyncio.sleep(0))
    return Service(functions=functions, samples=False, clock=clock, limit=20, options=Options(max_depth=2))


paths = st.sampled_from(
    ["$.v", "$.arr", "$.arr[0]", "$.nope", "$", "$.v | 3", "$CONST.k", "$.arr[?@ > 1]", "text", "$..v"]
)
templates = st.dictionaries(st.sampled_from(["v", "arr", "x"]), paths | st.integers() | st.none(), max_size=3)
conditions = st.sampled_from(
    ["$.v > 1", "$.v == '*'", "$.nope != nil", "($.v < 3 || $.arr == 1) && $.x == 'a'", "$.v == $CONST.k"]
)
filters = st.sampled_from(["", "$", "$.v", "$.arr", "$.nope", "$.result"])


@st.composite
def actions(draw, least=1):
    names = draw(st.lists(st.sampled_from(FUNCTIONS), min_size=least, max_size=3))
    return [{"function_ref": {"ref_name": name, "arguments": draw(templates)}} for name in names]


@st.composite
def bodies(draw, make_id, depth, kinds):
    kind = draw(st.sampled_from(["actions", "states", "workflow_id"] if depth < 2 else ["actions"]))
    if kind == "actions":
        return {"actions": draw(actions()), "action_mode": draw(st.sampled_from(["sequential", "parallel", ""]))}
    if kind == "workflow_id":
        return {"workflow_id": draw(st.sampled_from(["random", "nobody"]))}
    states = draw(chains(make_id, depth + 1, kinds))
    return {"start": states[0]["id"], "states": states}


@st.composite
def chains(draw, make_id, depth, kinds):
    """States that all lie on one way; further ways lead from a state to any later one."""
    ids = [make_id() for _ in range(draw(st.integers(1, 4 if depth == 0 else 2)))]
    states = []
    for at, own in enumerate(ids):
        later = ids[at + 1 :]
        kind = draw(st.sampled_from([kind for kind in kinds if kind != ("End" if later else "Switch")]))
        one = {"id": own, "name": own, "type": kind, "end": not later, "transition": later[0] if later else ""}
        if draw(st.booleans()):
            one["state_data_filter"] = {"input": draw(filters), "output": draw(filters)}
        if draw(st.booleans()):
            entry = {"error": draw(st.just("") | conditions | st.just("$.status == 500"))}
            entry["retry_ref"] = draw(st.sampled_from(["", "again"]))
            entry["transition"] = draw(st.sampled_from(["", *later]))
            one["on_errors"] = [entry]
        if kind == "Operation":
            one |= {"actions": draw(actions()), "action_mode": draw(st.sampled_from(["sequential", "parallel"]))}
        elif kind == "Sleep":
            one["duration"] = draw(st.floats(0.001, 86400))
        elif kind == "Switch":
            del one["end"], one["transition"]
            one["data_conditions"] = [{"name": "c", "condition": draw(conditions), "transition": later[0]}]
            if draw(st.booleans()):
                one["default"] = {"transition": draw(st.sampled_from(later))}
        elif kind == "Parallel":
            branches = draw(st.lists(bodies(make_id, depth, KINDS), min_size=1, max_size=3))
            one["branches"] = [{"name": f"b{number}"} | body for number, body in enumerate(branches)]
            one["completion_type"] = draw(st.sampled_from(["all", "any", "n_of_m"]))
            one["num_completed"] = draw(st.integers(1, len(branches)))
        elif kind == "Foreach":
            one |= {"input_collection": "$.arr", "iteration_param": "$.v", "batch_size": draw(st.integers(0, 3))}
            one |= draw(bodies(make_id, depth, ["Operation", "Sleep"]))
        elif kind == "SubFlow":
            one["workflow_id"] = draw(st.sampled_from(["random", "nobody"]))
        states.append(one)
    return states


KINDS = ["Operation", "Operation", "Sleep", "End", "Switch", "Parallel", "Foreach", "SubFlow"]


@st.composite
def workflows(draw):
    count = iter(range(1000))
    states = draw(chains(lambda: f"s{next(count)}", 0, KINDS))
    return {
        "name": "random",
        "mode": "EXPRESS",
        "start": states[0]["id"],
        "functions": [{"name": name, "operation": ""} for name in FUNCTIONS],
        "states": states,
        "constants": {"k": 2},
        "retries": [{"name": "again", "delay": 30, "max_attempts": draw(st.integers(1, 2))}],
    }


inputs = st.fixed_dictionaries({}, optional={"v": st.integers(-1, 3), "arr": st.lists(st.integers(0, 3), max_size=4)})


def all_ids(states):
    for one in states:
        yield one["id"]
        for body in (one, *one.get("branches", ())):
            yield from all_ids(body.get("states", ()))


def save(service, definition):
    """Put the definition in the place of the one before; return the answer."""
    entry = service.catalog.find("random")
    if entry is not None:
        service.catalog.delete([entry.info.workflow_urn])
    return ask(service, "POST", "", definition)


def run(service, workflow_id, input):
    response = ask(service, "POST", f"/{workflow_id}/sync-executions", {"input": input})
    assert response.status == 200, response.body
    return json.loads(response.body)


def check(answer, definition):
    assert set(answer) == {"execution_id", "status", "output", "errors", "begin_time", "end_time"}
    assert answer["status"] in ("success", "fail", "timeout")
    assert TIME.fullmatch(answer["begin_time"])
    assert answer["begin_time"] <= answer["end_time"]
    assert bool(answer["errors"]) == (answer["status"] != "success")
    assert answer["status"] == "success" or answer["output"] is None
    ids = set(all_ids(definition["states"]))
    for error in answer["errors"]:
        assert error["node_id"] in ids
        assert 1 <= len(error["error_message"]) <= 2048
        assert set(json.loads(error["error_message"])) >= {"errorMessage", "errorType"}
        assert TIME.fullmatch(error["begin_time"])
        assert error["begin_time"] <= error["end_time"]


@settings(max_examples=150)
@given(workflows(), inputs)
def test_a_valid_workflow_always_ends(service, definition, input):
    saved = save(service, definition)
    assert saved.status == 201, saved.body
    check(run(service, json.loads(saved.body)["id"], input), definition)


def places(value, path=()):
    yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from places(member, (*path, key))


@settings(max_examples=300)
@given(workflows(), inputs, st.data())
def test_a_damaged_workflow_is_refused_or_runs(service, definition, input, data):
    damaged = copy.deepcopy(definition)
    *way, last = data.draw(st.sampled_from([path for path in places(damaged) if path and path != ("name",)]))
    holder = damaged
    for step in way:
        holder = holder[step]
    if data.draw(st.booleans()):
        del holder[last]
    else:
        junk = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({}) | conditions
        holder[last] = data.draw(junk | st.sampled_from(["s0", "s1", "random", "$.v", "$[", "Switch", "End", 0.5, -1]))
    saved = save(service, damaged)
    if saved.status == 201:
        body = json.loads(saved.body)
        if damaged.get("mode") == "EXPRESS":
            check(run(service, body["id"], input), damaged)
        return
    assert saved.status == 400, saved.body
    refused = json.loads(saved.body)
    assert refused["error_code"] == "FGS.3002"
    assert 2 <= len(refused["error_msg"]) <= 512
    assert "$" in refused["error_msg"] or "name" in refused["error_msg"]
