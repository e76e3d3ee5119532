"""Deploying and checking definitions: what is sent, what differs, and what is said about it."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

import fgnb
from fgnb import shortcuts
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.config import settle
from fgnb.connection import found_credentials
from fgnb.deployment import Change, Deployment, differences
from fgnb.lines import MAX_TEXT, Lines
from fgnb.local.functions import Functions
from fgnb.local.samples import sample_definitions
from fgnb.local.service import Service
from fgnb.paths import parse_path
from fgnb.session import Session
from fgnb.shortcuts import connect
from fgnb.spelling import misspelt
from fgnb.wire import Request, Response, Transport
from tests.exact import exact
from tests.flows import PROJECT, action, end, flow, one_call, sleep, state
from tests.test_render import HOSTILE, assert_safe

PRICING = flow(
    state("price", action("price", {"qty": "$.qty | 1"}), transition="check-it"),
    state("check-it", action("check"), transition="done"),
    end("done"),
    name="deployed-pricing",
    constants={"unit": 5},
)


class Watched:
    """A transport that notes what goes through it, and lets something happen before a request."""

    def __init__(self, service: Transport) -> None:
        self.service = service
        self.sent: list[str] = []
        self.before: dict[str, Any] = {}

    async def send(self, request: Request) -> Response:
        """Note the method and send the request."""
        self.sent.append(request.method)
        if (happens := self.before.pop(request.method, None)) is not None:
            happens()
        return await self.service.send(request)

    async def aclose(self) -> None:
        """Do nothing."""


@pytest.fixture
def watched(service: Service) -> Watched:
    """A watched service of its own."""
    return Watched(service)


@pytest.fixture
def connected(watched: Watched) -> Session:
    """A session over `watched`."""
    return Session(Client(AsyncClient(watched, project_id=PROJECT)), settle("local", find=found_credentials))


def changed(**more: Any) -> dict[str, Any]:
    """The definition with other fields."""
    return copy.deepcopy(PRICING | more)


# --- what is sent --------------------------------------------------------------------------------


@pytest.fixture(params=["in process", "served"])
def anywhere(request: pytest.FixtureRequest) -> Iterator[Session]:
    """A session in process, and one over HTTP."""
    found = connect("local" if request.param == "in process" else request.getfixturevalue("serve"))
    yield found
    urns = [summary.workflow_urn for summary in found.client.list() if summary.name.startswith("deployed-")]
    found.client.delete(urns)
    found.close()


@pytest.mark.filterwarnings("ignore:.*is not registered")
def test_deploy_creates_then_leaves_alone_then_updates(anywhere: Session) -> None:
    created = anywhere.deploy(PRICING)
    assert (created.action, created.name, created.dry_run) == ("create", "deployed-pricing", False)
    assert created.workflow == anywhere.workflow("deployed-pricing")
    assert created.id == created.workflow.id

    again = anywhere.deploy(PRICING)
    assert (again.action, again.changes, again.id) == ("unchanged", (), created.id)
    assert again.workflow == created.workflow

    updated = anywhere.deploy(changed(constants={"unit": 6}))
    assert (updated.action, updated.id) == ("update", created.id)
    assert updated.changes == (Change("$.constants.unit", "changed", 5, 6),)
    assert updated.workflow is not None
    assert updated.workflow.definition["constants"] == {"unit": 6}
    assert anywhere.workflow("deployed-pricing") == updated.workflow


def test_a_dry_run_sends_nothing_and_tells_the_same(connected: Session, watched: Watched) -> None:
    would = connected.deploy(PRICING, dry_run=True)
    assert (would.action, would.id, would.workflow, would.dry_run) == ("create", None, None, True)
    assert set(watched.sent) == {"GET"}
    did = connected.deploy(PRICING)
    assert did.changes == would.changes
    assert watched.sent.count("POST") == 1
    would = connected.deploy(changed(mode="NORMAL"), dry_run=True)
    assert (would.action, would.id, would.workflow) == ("update", did.id, None)
    assert connected.workflow("deployed-pricing").definition["mode"] == "EXPRESS"
    assert "PUT" not in watched.sent


def test_an_unchanged_definition_sends_no_update(connected: Session, watched: Watched) -> None:
    connected.deploy(PRICING)
    watched.sent.clear()
    assert connected.deploy(PRICING).action == "unchanged"
    assert set(watched.sent) == {"GET"}


def test_another_order_of_states_is_said_and_not_sent(connected: Session, watched: Watched) -> None:
    connected.deploy(PRICING)
    watched.sent.clear()
    done = connected.deploy(changed(states=PRICING["states"][::-1]))
    assert (done.action, done.changes, done.reordered) == ("unchanged", (), ("$.states",))
    assert set(watched.sent) == {"GET"}
    assert "the order of $.states differs" in done._repr_mimebundle_()["text/plain"]


def test_the_name_is_found_on_the_last_page_of_the_list(connected: Session, watched: Watched) -> None:
    for number in range(410):
        connected.client.create(one_call("f", name=f"flow-{number}"))
    watched.sent.clear()
    done = connected.deploy(one_call("g", name="flow-409"))
    assert done.action == "update"
    assert watched.sent == ["GET", "GET", "GET", "GET", "PUT", "GET"]
    assert len(connected.client.list()) == 410


def test_a_name_that_is_taken_meanwhile_is_the_services_refusal(
    connected: Session, watched: Watched, service: Service
) -> None:
    watched.before["POST"] = lambda: service.catalog.create(PRICING, PROJECT)
    with pytest.raises(fgnb.ServiceError) as caught:
        connected.deploy(PRICING)
    assert (caught.value.status, caught.value.code) == (400, "FGS.3002")


def test_a_workflow_that_is_gone_meanwhile_is_the_services_refusal(
    connected: Session, watched: Watched, service: Service
) -> None:
    held = connected.deploy(PRICING).workflow
    assert held is not None
    watched.before["PUT"] = lambda: service.catalog.delete([held.urn])
    with pytest.raises(fgnb.ServiceError) as caught:
        connected.deploy(changed(mode="NORMAL"))
    assert (caught.value.status, caught.value.code) == (404, "FGS.5002")


def test_a_function_that_is_not_registered_yet_is_a_warning_at_the_callers_line() -> None:
    functions = Functions()
    service = Service(functions=functions, samples=False)
    session = Session(
        Client(AsyncClient(service, project_id=PROJECT)), settle("local", find=found_credentials), service
    )
    functions.register(lambda event, context: event, name="prize")
    functions.register(lambda event, context: event, name="check")
    with pytest.warns(UserWarning, match="not registered") as caught:
        session.deploy(PRICING)
    (warning,) = caught
    assert str(warning.message) == (
        "workflow 'deployed-pricing' calls 'price', which is not registered (@fgnb.function); did you mean 'prize'?"
    )
    assert warning.filename == __file__
    functions.register(lambda event, context: event, name="price")
    assert session.deploy(PRICING).action == "unchanged"  # and no warning, which would be an error here


def test_an_invalid_definition_asks_the_service_nothing(connected: Session, watched: Watched) -> None:
    with pytest.raises(fgnb.DefinitionError):
        connected.deploy(changed(start="prize"))
    assert watched.sent == []


# --- what differs --------------------------------------------------------------------------------


def test_states_are_matched_by_id_and_functions_and_retries_by_name() -> None:
    before = changed(retries=[{"name": "twice"}, {"name": "often", "max_attempts": 8}])
    after = copy.deepcopy(before)
    after["states"].insert(0, sleep("pause", 1, transition="done"))
    after["states"][2]["transition"] = "pause"
    after["states"][1]["actions"][0]["function_ref"]["arguments"] = {"qty": "$.qty | 2", "sku": "$.sku"}
    after["functions"].reverse()
    del after["functions"][0]
    after["retries"][1]["max_attempts"] = 7
    changes, reordered = differences(before, after)
    assert changes == (
        Change("$.functions[name=check]", "removed", before["functions"][1], None),
        Change("$.states[id=price].actions[0].function_ref.arguments.qty", "changed", "$.qty | 1", "$.qty | 2"),
        Change("$.states[id=price].actions[0].function_ref.arguments.sku", "added", None, "$.sku"),
        Change("$.states[id='check-it'].transition", "changed", "done", "pause"),
        Change("$.states[id=pause]", "added", None, after["states"][0]),
        Change("$.retries[name=often].max_attempts", "changed", 8, 7),
    )
    assert reordered == ()


def test_states_within_a_loop_or_a_branch_are_matched_by_id_too() -> None:
    before = {"states": [{"id": "each", "states": [sleep("a", 1), sleep("b", 1)]}]}
    after = {"states": [{"id": "each", "states": [sleep("b", 2), sleep("a", 1)]}]}
    changes, reordered = differences(before, after)
    assert changes == (Change("$.states[id=each].states[id=b].duration", "changed", 1, 2),)
    assert reordered == ("$.states[id=each].states",)


def test_the_order_of_conditions_means_something() -> None:
    small, big, more = ({"name": name, "condition": f"$.{name}", "transition": "x"} for name in ("s", "b", "m"))
    inserted, _ = differences({"data_conditions": [small, big]}, {"data_conditions": [small, more, big]})
    assert inserted == (Change("$.data_conditions[name=m]", "added", None, more),)
    swapped, reordered = differences({"data_conditions": [small, big]}, {"data_conditions": [big, small]})
    assert {change.path for change in swapped} >= {"$.data_conditions[0].condition", "$.data_conditions[1].condition"}
    assert reordered == ()


@pytest.mark.parametrize("field", ["constants", "arguments", "metadata", "trigger_config"])
def test_in_the_users_own_values_every_order_means_something(field: str) -> None:
    before = {field: {"states": [{"id": "a"}, {"id": "b"}]}}
    after = {field: {"states": [{"id": "b"}, {"id": "a"}]}}
    changes, reordered = differences(before, after)
    assert [change.path for change in changes] == [f"$.{field}.states[{number}].id" for number in range(2)]
    assert reordered == ()


def test_items_without_names_of_their_own_are_matched_by_place() -> None:
    before = {"states": [{"id": "a", "n": 1}, {"id": "a", "n": 2}], "functions": [{"n": 1}], "retries": [7]}
    after = {"states": [{"id": "a", "n": 1}, {"id": "a", "n": 3}], "functions": [{"n": 2}], "retries": [8]}
    paths = [change.path for change in differences(before, after)[0]]
    assert paths == ["$.states[1].n", "$.functions[0].n", "$.retries[0]"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"a": None}, {}, [("$.constants.a", "removed", None, None)]),
        ({}, {"a": None}, [("$.constants.a", "added", None, None)]),
        ({"a": None}, {"a": 1}, [("$.constants.a", "type", None, 1)]),
        ({"a": 1}, {"a": "1"}, [("$.constants.a", "type", 1, "1")]),
        ({"a": 1}, {"a": True}, [("$.constants.a", "type", 1, True)]),
        ({"a": {}}, {"a": []}, [("$.constants.a", "type", {}, [])]),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": 1.5}, [("$.constants.a", "changed", 1, 1.5)]),
        ({"a": [1, 2]}, {"a": [1]}, [("$.constants.a[1]", "removed", 2, None)]),
        ({"a": []}, {"a": [{}]}, [("$.constants.a[0]", "added", None, {})]),
        ({"odd key": 1}, {"odd key": 2}, [("$.constants['odd key']", "changed", 1, 2)]),
    ],
)
def test_missing_is_not_null_and_true_is_not_1(before: Any, after: Any, expected: list[Any]) -> None:
    changes, _ = differences({"constants": before}, {"constants": after})
    assert exact([[change.path, change.kind, change.before, change.after] for change in changes]) == exact(
        [list(change) for change in expected]
    )


def test_a_list_that_is_wholly_new_is_told_item_by_item_but_an_empty_one_as_it_is() -> None:
    trigger = {"trigger_name": "nightly", "trigger_type": "FLOWTIMER"}
    assert differences({}, {"triggers": [trigger], "retries": []})[0] == (
        Change("$.triggers[trigger_name=nightly]", "added", None, trigger),
        Change("$.retries", "added", None, []),
    )
    gone, _ = differences({"triggers": [trigger]}, {})
    assert gone == (Change("$.triggers[trigger_name=nightly]", "removed", trigger, None),)


def test_values_may_be_nested_deeper_than_python_recurses() -> None:
    before: Any = 1
    after: Any = 2
    for _ in range(3000):
        before, after = {"a": [before]}, {"a": [after]}
    (change,), _ = differences(before, after)
    assert (change.before, change.after) == (1, 2)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab'\\ .", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab[]'\\. ", max_size=2), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES, VALUES)
def test_the_changes_are_just_what_turns_one_value_into_the_other(before: Any, after: Any) -> None:
    changes, _ = differences({"constants": copy.deepcopy(before)}, {"constants": after})
    result = {"constants": before}
    for change in sorted(changes, key=lambda change: change.kind == "removed"):
        *holders, last = parse_path(change.path)[1:]
        inner: Any = result
        for step in holders:
            inner = inner[step]
        if change.kind == "removed":
            assert exact(inner[last]) == exact(change.before)
        elif change.kind == "added" and isinstance(inner, list):
            assert last == len(inner)
            inner.append(change.after)
        else:
            assert change.kind == "added" or exact(inner[last]) == exact(change.before)
            inner[last] = change.after
    for change in reversed([change for change in changes if change.kind == "removed"]):
        *holders, last = parse_path(change.path)[1:]
        inner = result
        for step in holders:
            inner = inner[step]
        del inner[last]
    assert json.dumps(result, sort_keys=True) == json.dumps({"constants": after}, sort_keys=True)


# --- what is said about it -----------------------------------------------------------------------


def a_deployment(*changes: Change, **more: Any) -> Deployment:
    """An update of these changes."""
    return Deployment(**{"name": "w", "id": "1", "action": "update", "dry_run": False, "changes": changes} | more)


def plain(deployment: Deployment) -> list[str]:
    """The lines of a deployment's text."""
    return deployment._repr_mimebundle_()["text/plain"].splitlines()


def test_a_deployment_shows_what_was_done_and_each_change() -> None:
    path = "$.states[id=price].actions[0].function_ref.arguments.picture_of_the_thing"
    deployment = a_deployment(
        Change("$.constants.unit", "changed", 5, 6),
        Change("$.constants.note", "added", None, None),
        Change("$.mode", "removed", "NORMAL"),
        Change("$.start", "type", 5, "5"),
        Change(path, "changed", "$.picture | 'left'", "$.picture | 'right'"),
        Change("$.states[id=done]", "added", None, end("done", description="y" * 80)),
    )
    assert plain(deployment) == [
        "w: updated, 6 changes, id 1",
        "  ~ $.constants.unit: 5 → 6",
        "  + $.constants.note: null",
        '  - $.mode: "NORMAL"',
        '  ~ $.start: 5 → "5"',
        f"  ~ {path}:",
        "      - \"$.picture | 'left'\"",
        "      + \"$.picture | 'right'\"",
        "  + $.states[id=done]:",
        "      {id: done, name: done, type: End, end: true, transition: , actions: [], description: yyyyyy…",
    ]
    assert repr(deployment) == "<Deployment of w: update, 6 changes>"


@pytest.mark.parametrize(
    ("more", "title"),
    [
        ({"action": "create", "changes": ()}, "w: created, id 1"),
        ({"action": "create", "id": None, "dry_run": True}, "w: would be created (dry run)"),
        ({"dry_run": True}, "w: would be updated (dry run), 1 change, id 1"),
        ({"action": "unchanged", "changes": ()}, "w: unchanged, nothing was sent, id 1"),
        ({"action": "unchanged", "changes": (), "dry_run": True}, "w: unchanged (dry run), id 1"),
    ],
)
def test_the_title_says_what_was_or_would_be_done(more: dict[str, Any], title: str) -> None:
    assert plain(a_deployment(**{"changes": (Change("$.a", "added", None, 1),)} | more))[0] == title


def test_of_two_long_texts_the_place_where_they_part_is_shown() -> None:
    before, after = "x" * 5000 + "left" + "y" * 5000, "x" * 5000 + "right" + "y" * 5000
    change = Change("$.description", "changed", before, after)
    bundle = a_deployment(change)._repr_mimebundle_()
    for text in bundle.values():
        assert "xleft" in text
        assert "xright" in text
        assert len(text) < 4000
    assert (change.before, change.after) == (before, after)


def test_many_changes_are_cut_in_the_display_only() -> None:
    deployment = a_deployment(*(Change(f"$.constants.a{n}", "added", None, n) for n in range(1234)))
    lines = plain(deployment)
    assert lines[0] == "w: updated, 1,234 changes, id 1"
    assert lines[-1] == "  … 1,134 more changes"
    assert len(lines) == 102
    assert len(deployment.frame) == 1234


@pytest.mark.parametrize("text", [HOSTILE, "汉字" * 100, "x" * 5000, "a\nb\tc", "$5 and $6", "\ud800"])
def test_every_text_is_escaped_and_within_its_width(text: str) -> None:
    definition = one_call("f") | {"name": text, text: {text: [text]}}
    changes, _ = differences({"name": "other"}, definition)
    deployment = a_deployment(*changes, Change(f"$.{text}", "removed", text), name=text, id=text, reordered=(text,))
    bundle = deployment._repr_mimebundle_()
    assert_safe(bundle["text/html"])
    assert "\x1b" not in bundle["text/plain"]
    assert all(cell_len(line) <= 100 for line in bundle["text/plain"].splitlines())


def test_the_frame_tells_missing_from_null() -> None:
    frame = a_deployment(
        Change("$.a", "added", None, {"b": [1]}), Change("$.b", "removed", None), Change("$.c", "type", None, [1, 2])
    ).frame
    assert frame.index.name == "path"
    assert frame.index.tolist() == ["$.a", "$.b", "$.c"]
    assert frame["kind"].tolist() == ["added", "removed", "type"]
    assert frame["before"].tolist() == [pd.NA, None, None]
    assert frame["after"].tolist() == [{"b": [1]}, pd.NA, [1, 2]]
    assert frame.dtypes.astype(str).tolist() == ["string", "object", "object"]
    empty = a_deployment().frame
    assert (len(empty), empty.columns.tolist()) == (0, ["kind", "before", "after"])


# --- checking ------------------------------------------------------------------------------------


def test_validate_names_every_problem_with_its_place_and_connects_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortcuts, "_default", None)
    wrong = changed()
    wrong["states"][0]["transition"] = "chek-it"
    wrong["states"][1]["actions"][0]["function_ref"]["ref_name"] = "chck"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    for source in (wrong, tmp_path / "wrong.json", str(tmp_path / "wrong.json")):
        with pytest.raises(fgnb.DefinitionError) as caught:
            fgnb.validate(source)
        assert {(problem.state, problem.path) for problem in caught.value.problems} == {
            ("price", "$.states[0].transition"),
            ("check-it", "$.states[1].actions[0].function_ref.ref_name"),
        }
    fgnb.validate(PRICING)
    assert shortcuts._default is None


def test_a_field_that_is_nearly_a_known_one_is_a_warning_at_the_callers_line() -> None:
    odd = changed()
    odd["states"][0]["action_mod"] = "parallel"
    message = r"'deployed-pricing': state 'price', \$\.states\[0\]\.action_mod: .* did you mean action_mode\?"
    for call in (fgnb.deploy, fgnb.connect("local").deploy):
        with pytest.warns(UserWarning, match=message) as caught:
            call(odd, dry_run=True)
        assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=message) as caught:
        fgnb.validate(odd)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("definition", "path", "meant", "state"),
    [
        ({"expres_config": {}}, "$.expres_config", "express_config", None),
        ({"express_config": {"loglevel": "ALL"}}, "$.express_config.loglevel", "log_level", None),
        ({"retries": [{"name": "r", "max_attempt": 2}]}, "$.retries[0].max_attempt", "max_attempts", None),
        ({"states": [end() | {"stateDataFilter": {}}]}, "$.states[0].stateDataFilter", "state_data_filter", "end"),
        (
            {"states": [sleep("s", 1) | {"state_data_filter": {"ouput": "$"}}]},
            "$.states[0].state_data_filter.ouput",
            "output",
            "s",
        ),
        (
            {"states": [{"id": "s", "type": "Operation", "actions": [{"function_ref": {"refname": "f"}}]}]},
            "$.states[0].actions[0].function_ref.refname",
            "ref_name",
            "s",
        ),
        (
            {"states": [{"id": "each", "type": "Foreach", "states": [sleep("s", 1) | {"on_error": []}]}]},
            "$.states[0].states[0].on_error",
            "on_errors",
            "s",
        ),
        (
            {"states": [{"id": "p", "type": "Parallel", "branches": [{"name": "b", "workflowid": "w"}]}]},
            "$.states[0].branches[0].workflowid",
            "workflow_id",
            "p",
        ),
    ],
)
def test_misspelt_fields_are_found_wherever_they_are(
    definition: dict[str, Any], path: str, meant: str, state: str | None
) -> None:
    (problem,) = misspelt(definition)
    assert (problem.path, problem.state) == (path, state)
    assert problem.message.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    "definition",
    [
        *sample_definitions(),
        {"comment": "", "x-owner": "", "version": 1, "tags": [], "stage": "test", "": 1},
        {"constants": {"nam": 1, "start_": {"stat": 1}}},
        {"states": [state("s", action("f", {"ref_nam": {"actions": [{"function_rf": 1}]}}))]},
        {"states": [end() | {"names": ["a"], "duration": 3}]},  # the name itself is there; another kind's field
        {"states": [{"type": "Nothing", "nam": 1}, {"type": ["End"], "nam": 1}, 3, [{"nam": 1}]]},
        {"states": {"nam": 1}, "express_config": [{"loglevel": 1}], "retries": None},
    ],
)
def test_other_unknown_fields_and_the_users_own_values_are_let_be(definition: dict[str, Any]) -> None:
    assert misspelt(definition) == []


# --- lines ---------------------------------------------------------------------------------------

YAML = """\
name: w
states:
  - id: a
    actions: &shared
      - function_ref:
          ref_name: f
          arguments: {"odd key":
            1}
  # a comment
  -
    id: b
    actions: *shared
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("$", 1),
        ("$.states", 2),
        ("$.states[0]", 3),
        ("$.states[0].id", 3),
        ("$.states[0].actions[0].function_ref.ref_name", 6),
        ("$.states[0].actions[0].function_ref.arguments['odd key']", 7),
        ("$.states[1]", 11),
        ("$.states[1].actions", 12),
        ("$.states[1].actions[0].function_ref.ref_name", 6),  # where it is written
        ("$.states[1].transition", 11),  # not there: the state's
        ("$.states[7].id", 2),
        ("$.states.id", 2),
        ("$.name.first", 1),
        ("$.states[...]", 1),
    ],
)
def test_a_place_has_a_line(place: str, line: int) -> None:
    assert Lines(YAML).of(place) == line


def test_json_has_lines_too() -> None:
    assert Lines('{\n\t"states": [\n\t\t{"id": "a"},\n\t\t{"id": "b"\n}]}').of("$.states[1].id") == 4


def test_an_anchor_may_be_used_twice() -> None:
    assert Lines("a: &x 1\nb: &x 2\n").of("$.b") == 2


@pytest.mark.parametrize("text", ["[" * 700 + "]" * 700, " " * (MAX_TEXT + 1), "", "a: [", "a: *b"])
def test_where_lines_can_not_be_had_there_are_none(text: str) -> None:
    assert Lines(text).of("$.a") is None


@given(VALUES)
def test_every_json_text_has_lines(value: Any) -> None:
    text = json.dumps({"constants": value}, indent=1)
    assert Lines(text).of("$.constants") == 2
