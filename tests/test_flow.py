"""Ways through raw definitions: flow.py; how branching workflows are shown and become forms."""

import re

from fgnb import flow
from fgnb.deployment import Workflow
from fgnb.notebook.schema import shape_of
from fgnb.render.workflow import show
from tests.flows import action, end, sleep, state
from tests.flows import flow as workflow

BRANCHING = workflow(
    end("done"),
    state("late", action("f", {"x": "$.late"}), transition="done"),
    {
        "id": "choose",
        "name": "choose",
        "type": "Switch",
        "data_conditions": [{"name": "big", "condition": "$.qty > 10", "transition": "early"}],
        "default": {"transition": "late"},
        "state_data_filter": {"input": "$.order"},
    },
    state(
        "early", action("f", {"sku": "$.sku | 'A'"}), transition="done", on_errors=[{"error": "", "transition": "late"}]
    ),
    state(
        "fork",
        type="Parallel",
        transition="each",
        branches=[
            {"name": "left", "actions": [action("f", {"left": "$.left"})]},
            {"name": "right", "start": "inner", "states": [sleep("inner", 2)]},
        ],
    ),
    state(
        "each",
        type="Foreach",
        input_collection="$.arr",
        iteration_param="$.item",
        workflow_id="child",
        transition="choose",
    ),
    start="fork",
)


def test_a_state_stands_after_all_that_lead_to_it_and_the_first_way_first():
    reached, others = flow.in_order(BRANCHING)
    assert [each["id"] for each in reached] == ["fork", "each", "choose", "early", "late", "done"]
    assert others == []


def test_states_inside_others_follow_them():
    ids = [(depth, each["id"]) for depth, each in flow.everything(BRANCHING)]
    assert ids[:3] == [(0, "fork"), (1, "inner"), (0, "each")]


def test_what_is_no_definition_is_passed_over():
    for raw in ({}, {"start": 5}, {"states": 7}, {"start": "a", "states": [1, None, {"id": 3}]}):
        assert flow.in_order(raw)[0] == []
    back = {"start": "a", "states": [{"id": "a", "transition": "b"}, {"id": "b", "transition": "a"}, {"id": "c"}]}
    reached, others = flow.in_order(back)
    assert {each["id"] for each in reached} == {"a", "b"}
    assert [each["id"] for each in others] == ["c"]


def test_a_long_chain_needs_no_recursion():
    states = [{"id": str(n), "transition": str(n + 1)} for n in range(5000)]
    assert len(flow.in_order({"start": "0", "states": states})[0]) == 5000


def test_a_branching_workflow_is_shown_in_its_order_with_its_ways():
    bundle = show(Workflow(name="flow", id="1", urn="", definition=BRANCHING))
    rows = [line.split() for line in bundle["text/plain"].splitlines()[2:]]
    assert [row[0] for row in rows[:2]] == ["fork", "·"]
    text = re.sub("<[^>]+>", "", bundle["text/html"]).replace("&gt;", ">")
    for said in (
        "early if $.qty > 10, else late",
        "for each of $.arr runs workflow child",
        "left: calls f",
        "on error",
    ):
        assert said in text


def test_a_form_finds_what_every_way_reads():
    found = {part.key: part.primary for part in shape_of(BRANCHING).parts}
    # What is behind a fork or a loop reads what these made, unless it is not there: then the input.
    assert found == {"left": True, "arr": False, "sku": False, "late": False}
    straight = {part.key: part for part in shape_of(dict(BRANCHING, start="choose")).parts}
    assert [(part.key, part.primary) for part in straight["order"].node.parts if part.key == "sku"] == [("sku", True)]
    assert straight["late"].primary is False  # a failure's facts may come in there as well
