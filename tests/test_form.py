"""The form: fields out of a definition, texts that mean values, and the form over a real service."""

from __future__ import annotations

import ast
import contextvars
import copy
import textwrap
import threading
import time
from collections.abc import Iterator
from typing import Any

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.manager import start_new_kernel

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.config import settle
from fgnb.connection import found_credentials
from fgnb.errors import FgnbError, InputError, WorkflowNotFound
from fgnb.local.expressions import MISSING
from fgnb.local.functions import Functions
from fgnb.local.samples import sample_definitions
from fgnb.local.service import Service
from fgnb.notebook.form import Form
from fgnb.notebook.schema import Field, fields, fits, member, read, show, template, with_member
from fgnb.session import Session
from tests.flows import PROJECT, action, end, flow, sleep, state

KINDS = ("text", "integer", "number", "boolean", "json", "any")
SAMPLES = {definition["name"]: definition for definition in sample_definitions()}

leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
texts_like_json = st.sampled_from(
    ["12", "00123", "true", "null", '"a"', '""', "NaN", "1e999", "{", '{"a":1,"a":2}', "\n"]
)
json_values = st.recursive(
    leaves | texts_like_json,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
inputs = st.dictionaries(st.sampled_from(["sku", "qty", "currency", "coupon", "customer"]) | st.text(), json_values)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1, and 1 is not 1.0."""
    return repr(one) == repr(other)


def step(id: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    """A state that calls the function f once for each argument template."""
    return state(id, *(action("f", one) for one in arguments), **more)


def paths(definition: Any, *, primary: bool | None = None) -> list[str]:
    return [field.label for field in fields(definition) if primary in (None, field.primary)]


def only(definition: Any) -> Field:
    (field,) = fields(definition)
    return field


# --- fields of a definition ----------------------------------------------------------------------


def test_the_samples_fields_are_those_of_their_templates() -> None:
    def listed(name: str) -> list[tuple[str, str, Any, bool]]:
        return [(field.label, field.kind, field.default, field.primary) for field in fields(SAMPLES[name])]

    assert listed("order-triage") == [
        ("sku", "any", MISSING, True),
        ("qty", "integer", 1, True),
        ("currency", "text", "CNY", True),
        ("coupon", "any", MISSING, True),
        ("customer", "any", MISSING, False),
    ]
    assert listed("document-extraction") == [
        ("text", "any", MISSING, True),
        ("pages", "integer", 1, True),
        ("lines", "any", MISSING, False),
        ("result", "any", MISSING, False),
        ("min_confidence", "number", 0.5, False),
    ]
    assert listed("image-pipeline") == [
        ("object", "any", MISSING, True),
        ("bucket", "text", "pictures", True),
        ("width", "any", MISSING, True),
        ("height", "any", MISSING, True),
        ("widths", "json", [320, 800, 1600], False),
        ("picture", "any", MISSING, False),
        ("sizes", "any", MISSING, False),
        ("format", "text", "jpeg", False),
        ("quality", "integer", 80, False),
    ]


@pytest.mark.parametrize(
    ("text", "kind", "default"),
    [
        ("$.x", "any", MISSING),
        ("$.x | 1", "integer", 1),
        ("$.x | 1.5", "number", 1.5),
        ("$.x | true", "boolean", True),
        ("$.x | CNY", "text", "CNY"),
        ("$.x | '1'", "text", "1"),
        ("$.x | ''", "text", ""),
        ("$.x | null", "any", None),
        ("$.x | $CONST.list", "json", [1]),
        ("$.x | $CONST.object", "json", {"a": "b"}),
        ("$.x | $.constants.object.a", "text", "b"),
        ("$.x | $CONST.list[0]", "integer", 1),
        ("$.x | $CONST.nothing", "any", MISSING),
        ("$.x | $CONST.list[*]", "any", MISSING),
        ("$.x | $.y", "any", MISSING),
        ("$.x | 1e999", "any", MISSING),
        ("$['x'] | 1", "integer", 1),
    ],
)
def test_a_default_gives_the_kind(text: str, kind: str, default: Any) -> None:
    field = only(flow(step("a", {"p": text}), constants={"list": [1], "object": {"a": "b"}}))
    assert (field.path, field.kind) == (("x",), kind)
    assert field.default is MISSING if default is MISSING else same(field.default, default)
    assert field.has_default == (default is not MISSING)


@pytest.mark.parametrize("text", ["$", "$.*", "$..x", "$.x[?@.a]", "$CONST.a", "$.constants.a", "plain", "", "$5"])
def test_what_reads_no_single_place_of_the_input_is_no_field(text: str) -> None:
    assert fields(flow(step("a", {"p": text}))) == ()


def test_templates_are_read_at_any_depth_in_their_order() -> None:
    assert paths(flow(step("a", {"p": [{"q": "$.one"}, "$.two"], "r": "$.three.four"}))) == [
        "one",
        "two",
        "three.four",
    ]


def test_a_path_into_an_array_is_a_field_for_the_array_as_a_whole() -> None:
    field = only(flow(step("a", {"p": "$.order.items[0].sku | 'A'", "q": "$.order.items[-1].qty"})))
    assert (field.path, field.kind, field.has_default) == (("order", "items"), "json", False)


def test_a_place_read_twice_is_one_field_with_the_default_found_later() -> None:
    field = only(flow(step("a", {"p": "$.x"}, transition="b"), step("b", {"p": "$.x | 3", "q": "$.x | 4"})))
    assert (field.kind, field.default, field.primary) == ("integer", 3, True)


def test_of_an_object_and_its_members_only_the_members_are_fields() -> None:
    definition = flow(
        step("a", {"p": "$.customer"}, transition="b"), step("b", {"p": "$.customer.id", "q": "$.customers"})
    )
    assert paths(definition, primary=True) == ["customer.id"]
    assert paths(definition, primary=False) == ["customers"]


def test_fields_follow_the_flow_and_not_the_list_of_states() -> None:
    last, first = step("b", {"p": "$.later"}), step("a", {"p": "$.sooner"}, transition="b")
    definition = flow(last, first, start="a")
    assert [(field.label, field.primary) for field in fields(definition)] == [("sooner", True), ("later", False)]


def test_the_start_states_filter_is_the_prefix_of_its_paths() -> None:
    def with_filter(filter: str) -> dict[str, Any]:
        return flow(step("a", {"p": "$.sku", "q": "$"}, state_data_filter={"input": filter, "output": ""}))

    assert paths(with_filter("$.order")) == ["order.sku"]
    assert paths(with_filter("$.orders[0]")) == ["orders"]
    assert paths(with_filter("$"), primary=True) == ["sku"]
    assert paths(with_filter("$.orders[*]"), primary=False) == ["sku"]


def test_a_state_without_functions_hands_the_input_on() -> None:
    waiting = sleep("s", 1, transition="a") | {"state_data_filter": {"input": "$.order", "output": "$.body"}}
    assert paths(flow(waiting, step("a", {"p": "$.sku"})), primary=True) == ["order.body.sku"]


def test_the_second_action_of_a_sequence_reads_the_first_ones_output() -> None:
    one, two = {"p": "$.x"}, {"p": "$.y"}
    assert paths(flow(step("a", one, two)), primary=True) == ["x"]
    assert paths(flow(step("a", one, two, action_mode="parallel")), primary=True) == ["x", "y"]


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        {"states": 5},
        {"states": [None, {"id": 5}, {"id": "a", "actions": [{"function_ref": []}]}], "start": "a"},
        {"states": [{"id": "a", "transition": "a", "actions": {}}], "start": "a"},
        {"states": [{"id": "a", "state_data_filter": 5, "actions": [None, {"function_ref": {}}]}], "start": "a"},
        flow(step("a", {"p": f"$.{'x' * 5000} | {'9' * 5000}"}), constants=[]),
    ],
)
def test_an_odd_definition_is_never_fatal(odd: Any) -> None:
    assert isinstance(fields(odd), tuple)


@given(st.data())
def test_a_definition_with_anything_in_it_is_never_fatal(data: st.DataObject) -> None:
    definition = copy.deepcopy(SAMPLES["image-pipeline"])
    target: Any = definition
    while isinstance(target, (dict, list)) and target and data.draw(st.booleans() | st.just(True)):
        key = data.draw(st.sampled_from(list(target) if isinstance(target, dict) else list(range(len(target)))))
        if data.draw(st.booleans()):
            target[key] = data.draw(json_values)
            break
        target = target[key]
    assert all(field.path for field in fields(definition))


# --- values as texts -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@given(value=json_values)
def test_what_is_shown_reads_back_as_the_same_value(kind: Any, value: Any) -> None:
    reader = kind if fits(kind, value) else "any"  # a value that does not fit is shown as JSON
    assert same(read(reader, show(kind, value)), value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_field_is_absent(kind: Any) -> None:
    assert read(kind, "") is MISSING
    assert show(kind, MISSING) == ""


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("text", "00123", "00123"),
        ("text", " a ", " a "),
        ("text", "null", "null"),
        ("text", '""', ""),
        ("text", '"a\\nb"', "a\nb"),
        ("text", '"a', '"a'),
        ("text", '"a" and "b"', '"a" and "b"'),
        ("text", "two\nlines\n", "two\nlines"),
        ("integer", "9" * 100, int("9" * 100)),
        ("integer", " -5\n", -5),
        ("number", "3", 3),
        ("number", "0.1", 0.1),
        ("boolean", "true", True),
        ("json", "[1, 2]", [1, 2]),
        ("json", "null", None),
        ("any", "00123", "00123"),
        ("any", "12", 12),
        ("any", '"12"', "12"),
        ("any", "true", True),
        ("any", "A-100", "A-100"),
        ("any", "1.2.3", "1.2.3"),
        ("any", '{"a": 1}', {"a": 1}),
        ("any", "{a}", "{a}"),
    ],
)
def test_texts_mean_exactly_what_they_say(kind: Any, text: str, value: Any) -> None:
    assert same(read(kind, text), value)


def test_what_could_not_be_seen_is_shown_in_quotes() -> None:
    assert show("text", " a ") == '" a "'
    assert show("text", "") == '""'
    assert show("text", "a\r\nb") == '"a\\r\\nb"'
    assert show("text", "\ud800") == '"\\ud800"'
    assert show("any", "12") == '"12"'
    assert show("any", "two\nlines") == "two\nlines"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "1.0"),
        ("integer", "1e3"),
        ("integer", "1_000"),
        ("integer", "true"),
        ("integer", "9" * 5000),
        ("number", "NaN"),
        ("number", "1e999"),
        ("number", "'1'"),
        ("boolean", "1"),
        ("json", "{a: 1}"),
        ("json", "[NaN]"),
        ("any", "NaN"),
        ("any", '{"a": 1, "a": 2}'),
    ],
)
def test_what_a_field_can_not_hold_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(InputError):
        read(kind, text)


@given(value=inputs, new=json_values, keys=st.lists(st.text(), min_size=1, max_size=3))
def test_setting_a_member_and_taking_it_away_leaves_all_others(value: Any, new: Any, keys: list[str]) -> None:
    path = (*keys[:-1], "\0new")
    try:
        changed = with_member(value, path, new)
    except InputError:  # the path leads through something that is not an object
        assert any(not isinstance(member(value, path[:length]), (dict, type(MISSING))) for length in range(len(path)))
        return
    assert same(member(changed, path), new)
    if all(member(value, path[:length]) != {} for length in range(1, len(path))):
        assert with_member(changed, path, MISSING) == value
    assert with_member(value, path, MISSING) is value


def test_the_template_holds_defaults_beside_what_is_filled_in() -> None:
    assert template(fields(SAMPLES["order-triage"]), {"qty": 7}) == {
        "qty": 7,
        "sku": None,
        "currency": "CNY",
        "coupon": None,
    }


# --- the form ------------------------------------------------------------------------------------

COUNTING = flow(step("a", {"x": "$.x"}), name="counting")
SLOW = flow(sleep("s", 30, transition="end"), end(), name="slow")
TYPED = flow(step("a", {"flag": "$.flag | true", "ids": "$.ids | $CONST.ids", "deep": "$.a.b"}), name="typed")


@pytest.fixture
def calls(functions: Functions) -> list[Any]:
    """The events of the calls of the function f, which takes a moment and returns its event."""
    events: list[Any] = []

    def f(event: Any, context: Any) -> Any:
        events.append(event)
        time.sleep(0.2)
        return event

    functions.register(f)
    return events


def connected(functions: Functions | None = None) -> Session:
    return Session(
        Client(AsyncClient(Service(functions=functions), project_id=PROJECT)), settle("local", find=found_credentials)
    )


@pytest.fixture
def session(functions: Functions, calls: list[Any]) -> Session:
    return connected(functions)


@pytest.fixture
def form(session: Session) -> Form:
    return session.form("order-triage")


def inside(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def control(form: Form, label: str) -> Any:
    return next(widget for widget in inside(form) if getattr(widget, "description", None) == label)


def raw(form: Form) -> Any:
    return next(widget for widget in inside(form) if isinstance(widget, ipywidgets.Textarea) and not widget.description)


def seen(form: Form) -> str:
    return "\n".join(widget.value for widget in inside(form) if isinstance(widget, ipywidgets.HTML))


def test_an_unknown_workflow_has_no_form(session: Session) -> None:
    with pytest.raises(WorkflowNotFound, match="order-triage"):
        session.form("order-tirage")


def test_every_field_has_a_control_that_shows_its_default(form: Form) -> None:
    assert control(form, "qty").placeholder == "1"
    assert control(form, "currency").placeholder == "CNY"
    assert all(control(form, label).value == "" for label in ("sku", "qty", "currency", "coupon", "customer"))
    assert form.value == {}


def test_later_states_fields_are_folded_away_until_they_hold_something(form: Form) -> None:
    more = next(widget for widget in inside(form) if isinstance(widget, ipywidgets.Accordion))
    assert control(form, "customer") in list(inside(more))
    assert control(form, "sku") not in list(inside(more))
    assert more.selected_index is None
    form.value = {"customer": {"new": True}}
    assert more.selected_index == 0


def test_fields_write_the_json(form: Form) -> None:
    control(form, "sku").value = "A-100"
    control(form, "qty").value = "3"
    control(form, "customer").value = '{"new": true}'
    assert form.value == {"sku": "A-100", "qty": 3, "customer": {"new": True}}
    assert raw(form).value == '{\n  "sku": "A-100",\n  "qty": 3,\n  "customer": {\n    "new": true\n  }\n}'
    control(form, "qty").value = ""
    assert form.value == {"sku": "A-100", "customer": {"new": True}}


def test_the_json_fills_the_fields(form: Form) -> None:
    control(form, "coupon").value = "TEN"
    raw(form).value = '{"sku": "00123", "qty": 3, "customer": {"new": true}}'
    shown = {label: control(form, label).value for label in ("sku", "qty", "currency", "coupon", "customer")}
    assert shown == {"sku": "00123", "qty": "3", "currency": "", "coupon": "", "customer": '{"new": true}'}
    raw(form).value = ""
    assert form.value == {}
    assert control(form, "sku").value == ""


def test_members_without_a_field_are_kept_when_fields_change(form: Form) -> None:
    raw(form).value = '{"trace": [1, {"a": null}], "sku": "A"}'
    control(form, "sku").value = "B"
    control(form, "qty").value = "2"
    control(form, "sku").value = ""
    assert form.value == {"trace": [1, {"a": None}], "qty": 2}


def test_a_nested_field_keeps_what_stands_beside_it(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    form.value = {"a": {"b": 1, "c": 2}}
    control(form, "a.b").value = ""
    assert form.value == {"a": {"c": 2}}
    control(form, "a.b").value = "x"
    assert form.value == {"a": {"c": 2, "b": "x"}}


def test_a_field_that_can_not_be_where_the_json_says_tells_so(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    form.value = {"a": "text"}
    control(form, "a.b").value = "1"
    assert form.value == {"a": "text"}
    assert control(form, "Run").disabled
    raw(form).value = "{}"
    assert control(form, "a.b").value == ""
    assert not control(form, "Run").disabled


def test_a_boolean_is_chosen_and_may_be_absent(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    flag = control(form, "flag")
    assert isinstance(flag, ipywidgets.Dropdown)
    assert flag.value == ""
    flag.value = "false"
    assert form.value == {"flag": False}
    form.value = {"flag": "yes"}  # not what the default suggests: kept, and shown as it is
    assert (form.value, flag.value) == ({"flag": "yes"}, '"yes"')
    flag.value = ""
    assert form.value == {}


@pytest.fixture(scope="module")
def one_form() -> Form:
    """A form for all of Hypothesis's examples, since each is some thirty widgets."""
    return connected().form("order-triage")


@given(value=inputs)
def test_value_in_is_value_out_in_every_view(one_form: Form, value: dict[str, Any]) -> None:
    form = one_form
    form.value = value
    assert same(form.value, value)
    text = raw(form).value
    assert same(read("json", text), value)
    for field in form.fields:
        found = member(value, field.path)
        kind = field.kind if found is MISSING or fits(field.kind, found) else "any"
        assert same(read(kind, control(form, field.label).value), found)
    form.value = {}
    raw(form).value = text
    assert same(form.value, value)


def test_the_value_is_a_copy_of_its_own(form: Form) -> None:
    given = {"customer": {"ids": [1]}}
    form.value = given
    given["customer"]["ids"].append(2)
    form.value["customer"]["ids"].append(3)
    assert form.value == {"customer": {"ids": [1]}}


@pytest.mark.parametrize("value", [[1], "text", {"a": {1, 2}}, {"a": float("nan")}, {"n": 10**5000}])
def test_a_value_that_can_not_be_an_input_is_refused_and_changes_nothing(form: Form, value: Any) -> None:
    form.value = {"sku": "A"}
    with pytest.raises(InputError):
        form.value = value
    assert form.value == {"sku": "A"}
    assert control(form, "sku").value == "A"


@pytest.mark.parametrize("text", ["{", "[1]", '{"qty": NaN}', '{"a": 1, "a": 2}', '"text"'])
def test_invalid_json_disables_run_and_leaves_the_fields(form: Form, text: str) -> None:
    form.value = {"sku": "A"}
    raw(form).value = text
    assert control(form, "Run").disabled
    assert "needs mending" in seen(form)
    assert (raw(form).value, control(form, "sku").value, form.value) == (text, "A", {"sku": "A"})
    control(form, "Back to the last valid input").click()
    assert raw(form).value == '{\n  "sku": "A"\n}'
    assert not control(form, "Run").disabled
    assert "needs mending" not in seen(form)


def test_a_text_that_can_not_be_read_disables_run_until_it_is_mended(form: Form) -> None:
    control(form, "qty").value = "lots"
    assert control(form, "Run").disabled
    assert "not an integer" in seen(form)
    assert control(form, "qty").value == "lots"
    with pytest.raises(InputError, match="qty"):
        form.submit()
    control(form, "sku").value = "A-100"
    assert control(form, "qty").value == "lots"
    control(form, "qty").value = "3"
    assert not control(form, "Run").disabled
    assert "not an integer" not in seen(form)
    assert form.value == {"sku": "A-100", "qty": 3}


def test_a_successful_run_shows_its_output(form: Form) -> None:
    control(form, "sku").value = "A-100"
    control(form, "qty").value = "3"
    control(form, "Run").click()
    run = form.wait(10)
    assert (run.status, run.input, run.output["total"]) == ("success", {"sku": "A-100", "qty": 3}, 149.7)
    assert form.run is run
    assert "149.7" in seen(form)
    assert "run 1: success" in seen(form)
    assert (control(form, "Run").disabled, control(form, "Cancel").disabled) == (False, True)


def test_a_failing_run_shows_the_node(form: Form) -> None:
    form.value = {"sku": "A-100", "qty": 1000}
    form.submit()
    assert form.wait(10).status == "fail"
    assert "Reserve-stock" in seen(form)
    assert "OutOfStock" in seen(form)


def test_the_forms_runs_are_a_run_set(form: Form) -> None:
    assert (form.run, len(form.runs)) == (None, 0)
    for qty in (1, 1000):
        form.value = {"sku": "A-100", "qty": qty}
        form.submit()
        form.wait(10)
    assert list(form.runs.frame["status"]) == ["success", "fail"]
    assert form.run is form.runs[1]


def test_what_comes_from_outside_is_escaped(session: Session) -> None:
    evil = "<img src=x onerror=alert(1)>"
    session.deploy(flow(step("a", {evil: f"$['{evil}'] | '{evil}'"}), name="evil"))
    form = session.form("evil")
    form.value = {evil: evil}
    form.submit()
    form.wait(10)
    raw(form).value = evil
    assert form.run is not None
    assert form.run.output == {evil: evil}
    for html in (seen(form), form._repr_mimebundle_()["text/html"]):
        assert "onerror" in html
        assert "<img" not in html


def test_cancel_gives_a_slow_run_up_within_a_second(session: Session) -> None:
    session.deploy(SLOW)
    form = session.form("slow")
    form.submit()
    assert (control(form, "Run").disabled, control(form, "Cancel").disabled) == (True, False)
    wait_until(lambda: "running" in seen(form))
    time.sleep(0.3)
    started = time.monotonic()
    control(form, "Cancel").click()
    assert form.wait(5).status == "unknown"
    assert time.monotonic() - started < 1
    assert (control(form, "Run").disabled, control(form, "Cancel").disabled) == (False, True)


def test_elapsed_time_is_live(session: Session) -> None:
    session.deploy(SLOW)
    form = session.form("slow")
    form.submit()
    wait_until(lambda: "running … 0.4 s" in seen(form) or "running … 0.6 s" in seen(form))
    form.cancel()
    form.wait(5)
    assert "running" not in seen(form)


def test_waiting_has_a_limit_and_leaves_the_run_alone(session: Session) -> None:
    session.deploy(SLOW)
    form = session.form("slow")
    with pytest.raises(FgnbError, match="nothing ran"):
        form.wait()
    form.submit()
    with pytest.raises(TimeoutError):
        form.wait(0.2)
    assert control(form, "Run").disabled
    form.cancel()
    form.wait(5)


def test_a_second_click_while_a_run_is_live_does_nothing(session: Session, calls: list[Any]) -> None:
    session.deploy(COUNTING)
    form = session.form("counting")
    threads = [threading.Thread(target=form.submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    control(form, "Run").click()
    for thread in threads:
        thread.join()
    form.wait(10)
    assert (len(calls), len(form.runs)) == (1, 1)
    form.submit()
    form.wait(10)
    assert len(calls) == 2


def test_edits_during_a_run_belong_to_the_next_one(session: Session) -> None:
    session.deploy(COUNTING)
    form = session.form("counting")
    form.value = {"x": 1}
    form.submit()
    control(form, "x").value = "2"
    assert form.wait(10).input == {"x": 1}
    assert form.value == {"x": 2}
    assert control(form, "x").value == "2"


def test_an_exception_in_a_callback_shows_in_the_form(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    session.deploy(flow(step("a", {"x": "$.x"}), name="fleeting"))
    form = session.form("fleeting")
    session.client.delete([session.workflow("fleeting").urn])
    control(form, "Run").click()
    with pytest.raises(WorkflowNotFound):
        form.wait(10)
    assert "no workflow" in seen(form)
    assert not control(form, "Run").disabled
    assert capsys.readouterr() == ("", "")


def test_a_click_that_comes_too_late_shows_why_it_does_nothing(form: Form) -> None:
    raw(form).value = "{"
    control(form, "Run").click()  # a click that was on its way when the text became invalid
    assert "can't run" in seen(form)
    assert form.run is None


def test_the_end_of_a_run_is_shown_in_the_context_of_its_start(form: Form) -> None:
    # ipykernel tells by a context variable which cell an output belongs to
    cell = contextvars.ContextVar("cell", default="another cell")
    cells: list[str] = []
    result = list(inside(form))[-1]
    result.observe(lambda change: cells.append(cell.get()) if change["new"] else None, "value")
    cell.set("this cell")
    form.submit()
    form.wait(10)
    assert cells == ["this cell"]


def test_a_saved_notebook_and_a_terminal_read_the_fields(form: Form) -> None:
    form.value = {"sku": "A-100"}
    bundle = form._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for kind in ("text/plain", "text/html"):
        for word in ("order-triage", "currency", "CNY", "customer", "A-100", "usually filled by earlier steps"):
            assert word in bundle[kind], (kind, word)
    assert "<script" not in bundle["text/html"]
    assert repr(form) == "<Form of order-triage: 5 fields, 0 runs>"


def test_a_workflow_that_names_no_field_is_written_as_json(session: Session) -> None:
    session.deploy(flow(step("a", {}), name="bare"))
    form = session.form("bare")
    raw(form).value = '{"x": 1}'
    form.submit()
    assert form.wait(10).output == {"x": 1}
    assert form._repr_mimebundle_()["text/plain"]


def test_layouts_and_styles_are_shared(session: Session) -> None:
    form = session.form("image-pipeline")
    controls = [control(form, field.label) for field in form.fields]
    assert len({one.layout.model_id for one in controls}) == 1
    assert len({one.style.model_id for one in controls}) == 1
    assert all(one.continuous_update is False for one in [*controls, raw(form)])


def wait_until(true: Any, seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_click_while_a_cell_runs_runs_what_the_screen_shows() -> None:
    pytest.importorskip("ipykernel", minversion="7", reason="before, everything waits for the running cell")
    kernel = Kernel()
    try:
        models = kernel.value(
            """
            import fgnb, time
            form = fgnb.connect("local").form("order-triage")
            models = {row.field.label: row.control.model_id for row in form._rows} | {"Run": form._run.model_id}
            def wait(count):
                until = time.monotonic() + 10
                while len(form.runs) < count and time.monotonic() < until:
                    time.sleep(0.05)
            """,
            "models",
        )
        kernel.send(models["sku"], {"method": "update", "state": {"value": "A-100"}, "buffer_paths": []})
        kernel.send(models["Run"], {"method": "custom", "content": {"event": "click"}})
        assert kernel.value("wait(1)", "len(form.runs)") == 1
        kernel.client.execute("wait(2); in_time = len(form.runs)")
        time.sleep(0.5)  # so that the cell runs when the messages come
        kernel.send(models["qty"], {"method": "update", "state": {"value": "7"}, "buffer_paths": []})
        kernel.send(models["Run"], {"method": "custom", "content": {"event": "click"}})
        runs = kernel.value("wait(2)", "[run.input for run in form.runs]")
        assert runs == [{"sku": "A-100"}, {"sku": "A-100", "qty": 7}]
        assert kernel.value("", "in_time") == 2
    finally:
        kernel.stop()


class Kernel:
    """A kernel with a subshell for the messages of widgets, as JupyterLab asks for one."""

    def __init__(self) -> None:
        self.manager, self.client = start_new_kernel()
        request = self.client.session.msg("create_subshell_request")
        self.client.control_channel.send(request)
        self.subshell = self.client.get_control_msg(timeout=10)["content"]["subshell_id"]

    def send(self, model: str, data: dict[str, Any]) -> None:
        """Send what a control's view sends."""
        message = self.client.session.msg("comm_msg", {"comm_id": model, "data": data})
        message["header"]["subshell_id"] = self.subshell
        self.client.shell_channel.send(message)

    def value(self, code: str, expression: str) -> Any:
        """Run a cell and return the value of an expression after it."""
        request = self.client.execute(textwrap.dedent(code), user_expressions={"value": expression})
        while (reply := self.client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != request:
            pass
        assert reply["content"]["status"] == "ok", reply["content"]
        return ast.literal_eval(reply["content"]["user_expressions"]["value"]["data"]["text/plain"])

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
