"""What a service can tell of executions afterwards: local/traces.py, local/latest.py."""

import json
from uuid import uuid4

import pytest

from fgnb.local.execution import Visit
from fgnb.local.latest import Latest, footprint
from fgnb.local.plan import Step
from fgnb.local.service import Service
from tests.flows import action, ask, flow, one_call, state


def create(service, definition):
    return json.loads(ask(service, "POST", value=definition).body)


def execute(service, workflow_id, input=None):
    body = {"input": {} if input is None else input}
    return json.loads(ask(service, "POST", f"/{workflow_id}/sync-executions", body).body)["execution_id"]


def test_a_trace_tells_what_happened_at_each_state(service, functions):
    functions.register(lambda event, context: {"n": event["n"] + 1}, name="add")
    created = create(service, flow(state("a", action("add"), transition="b"), state("b", action("add"))))
    visits = service.trace(execute(service, created["id"], {"n": 1}))
    assert [(visit.step.id, visit.input, visit.output) for visit in visits] == [
        ("a", {"n": 1}, {"n": 2}),
        ("b", {"n": 2}, {"n": 3}),
    ]
    assert visits[0].begin <= visits[0].end <= visits[1].begin <= visits[1].end


def test_nothing_is_known_of_an_execution_that_never_was(service):
    with pytest.raises(KeyError):
        service.trace(str(uuid4()))


def test_the_latest_traces_are_kept(functions):
    functions.register(lambda event, context: event, name="echo")
    service = Service(functions=functions, samples=False, traces=3)
    workflow_id = create(service, one_call("echo"))["id"]
    ids = [execute(service, workflow_id, {"n": number}) for number in range(5)]
    for id in ids[:2]:
        with pytest.raises(KeyError):
            service.trace(id)
    assert [service.trace(id)[0].input["n"] for id in ids[2:]] == [2, 3, 4]


def test_a_service_without_traces_keeps_none(functions):
    functions.register(lambda event, context: event, name="echo")
    service = Service(functions=functions, samples=False, traces=0)
    execution_id = execute(service, create(service, one_call("echo"))["id"])
    with pytest.raises(KeyError):
        service.trace(execution_id)


def test_large_traces_make_room_but_the_last_one_is_kept(service, functions):
    functions.register(lambda event, context: {"large": [{"k": "x" * 100, "n": n} for n in range(20_000)]}, name="big")
    functions.register(lambda event, context: {}, name="small", timeout=30)
    created = create(service, flow(state("a", action("big"), transition="b"), state("b", action("small"))))
    ids = [execute(service, created["id"]) for _ in range(20)]
    known = []
    for id in ids:
        try:
            known.append(len(service.trace(id)))
        except KeyError:
            continue
    assert 1 <= len(known) < 15  # some 8 MB each
    assert service.trace(ids[-1])[0].output["large"][-1]["n"] == 19_999


# --- what is kept --------------------------------------------------------------------------------


def test_the_oldest_values_go_first():
    latest = Latest(2, budget=1000)
    for id in "abc":
        latest.put(id, id.upper(), 1)
    assert latest.values() == ["B", "C"]
    assert (latest.get("a"), latest.get("b")) == (None, "B")


def test_a_value_that_is_put_in_again_is_the_newest():
    latest = Latest(2, budget=1000)
    for id in "aba":
        latest.put(id, id, 1)
    latest.put("c", "c", 1)
    assert latest.values() == ["a", "c"]


def test_values_over_the_budget_go_but_for_the_newest():
    latest = Latest(10, budget=100)
    for id, size in (("a", 40), ("b", 40), ("c", 40)):
        latest.put(id, id, size)
    assert latest.values() == ["b", "c"]
    latest.put("huge", "huge", 1000)
    assert latest.values() == ["huge"]
    latest.put("d", "d", 100)
    assert latest.values() == ["d"]


def test_what_was_taken_out_gives_its_room_back():
    latest = Latest(10, budget=100)
    latest.put("a", "a", 60)
    latest.pop("a")
    latest.pop("never")
    latest.put("b", "b", 60)
    latest.put("c", "c", 40)
    assert latest.values() == ["b", "c"]


def visit(input, output):
    made = Visit(Step("s", "s", None), (), 1, input, 0.0)
    made.output = output
    return made


def test_a_footprint_counts_what_is_shared_once():
    large = {"rows": ["x" * 1000] * 10 + [str(n) * 1000 for n in range(10)]}
    alone = footprint([visit(large, None)])
    assert alone > 10_000
    many = footprint([visit(large, {"same": large}) for _ in range(50)])
    assert many < alone + 50 * 1500


def test_a_footprint_grows_with_what_is_held():
    assert footprint([], "x" * 10_000) > 10_000
    assert footprint([], [1] * 10_000) > 80_000
    assert footprint([], {str(n): n for n in range(1000)}) > 60_000
    assert footprint([visit({}, {})] * 100) > 20_000


def test_counting_ends_beyond_the_limit():
    assert 1000 < footprint([], *(["x" * 500] for _ in range(100_000)), limit=1000) < 3000
