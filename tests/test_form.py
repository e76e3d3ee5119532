"""The form over a real service: fields and JSON agree, nothing is lost, problems are said, runs and sweeps go."""

from __future__ import annotations

import ast
import contextvars
import json
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from jupyter_client.manager import start_new_kernel

from fgnb import shortcuts
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.config import settle
from fgnb.connection import found_credentials
from fgnb.errors import FgnbError, InputError, SweepStopped, WorkflowNotFound
from fgnb.local.functions import Functions
from fgnb.local.service import Service
from fgnb.notebook.fields.compound import ArrayField, ObjectField, UnionField
from fgnb.notebook.fields.leaf import Leaf
from fgnb.notebook.form import Form
from fgnb.notebook.form_code import call_text, cell_text
from fgnb.notebook.form_widgets import DOUBLE
from fgnb.notebook.places import member
from fgnb.notebook.texts import fits, read
from fgnb.runs.runset import RunSet
from fgnb.session import Session
from tests.flows import PROJECT, action, end, flow, sleep, state
from tests.test_schema import ORDER, WHOLE
from tests.test_texts import json_values, same

inputs = st.dictionaries(st.sampled_from(["sku", "qty", "currency", "coupon", "customer"]) | st.text(), json_values)
LABELS = ("sku", "qty", "currency", "coupon", "customer")


def step(id: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    """A state that calls the function f once for each argument template."""
    return state(id, *(action("f", one) for one in arguments), **more)


COUNTING = flow(step("a", {"x": "$.x"}), name="counting")
SLOW = flow(sleep("s", 30, transition="end"), end(), name="slow")
TYPED = flow(
    step("a", {"flag": "$.flag | true", "ids": "$.ids | $CONST.ids", "deep": "$.a.b"}),
    name="typed",
    constants={"ids": [1, 2]},
)


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


@pytest.fixture
def ordered(session: Session) -> Form:
    """A form with a schema."""
    return session.form("order-triage", schema=WHOLE)


def inside(widget: Any) -> Iterator[Any]:
    yield widget
    for child in getattr(widget, "children", ()):
        yield from inside(child)


def button(form: Form, label: str) -> Any:
    return next(
        one for one in inside(form) if isinstance(one, ipywidgets.Button) and label in (one.description, one.tooltip)
    )


def field(form: Form, name: str) -> Any:
    """The field at a place."""
    return next(one for one in form.root.everything() if one.name == name and one is not form.root)


def control(form: Form, name: str) -> Any:
    """The control of the field at a place."""
    return form.leaves()[name].control


def raw(form: Form) -> Any:
    return next(one for one in inside(form) if getattr(one, "tooltip", None) == "the input as JSON")


def seen(form: Form) -> str:
    """All HTML of the form and below it."""
    return "\n".join([*(one.value for one in inside(form) if isinstance(one, ipywidgets.HTML)), form._outcome.shown])


def fill(form: Form, values: dict[str, str]) -> None:
    for name, text in values.items():
        control(form, name).value = text


def test_an_unknown_workflow_has_no_form(session: Session) -> None:
    with pytest.raises(WorkflowNotFound, match="order-triage"):
        session.form("order-tirage")


# --- fields of a definition ----------------------------------------------------------------------


def test_every_field_has_a_control_that_shows_its_default(form: Form) -> None:
    assert control(form, "qty").placeholder == "1"
    assert control(form, "currency").placeholder == "CNY"
    assert list(form.leaves()) == list(LABELS)
    assert all(control(form, label).value == "" for label in LABELS)
    assert form.value == {}


def test_later_states_fields_are_folded_away_until_they_hold_something(form: Form) -> None:
    assert isinstance(form.root, ObjectField)
    more = form.root.more
    assert control(form, "customer") in list(inside(more))
    assert control(form, "sku") not in list(inside(more))
    assert more.selected_index is None
    form.value = {"customer": {"new": True}}
    assert more.selected_index == 0


def test_fields_write_the_json(form: Form) -> None:
    fill(form, {"sku": "A-100", "qty": "3", "customer": '{"new": true}'})
    assert form.value == {"sku": "A-100", "qty": 3, "customer": {"new": True}}
    assert raw(form).value == json.dumps(form.value, indent=2)
    control(form, "qty").value = ""
    assert form.value == {"sku": "A-100", "customer": {"new": True}}


def test_the_json_fills_the_fields(form: Form) -> None:
    control(form, "coupon").value = "TEN"
    raw(form).value = '{"sku": "00123", "qty": 3, "customer": {"new": true}}'
    shown = {label: control(form, label).value for label in LABELS}
    assert shown == {"sku": "00123", "qty": "3", "currency": "", "coupon": "", "customer": '{"new": true}'}
    raw(form).value = ""
    assert form.value == {}
    assert control(form, "sku").value == ""


def test_members_without_a_field_are_shown_as_json_and_kept(form: Form) -> None:
    raw(form).value = '{"trace": [1, {"a": null}], "sku": "A"}'
    fill(form, {"sku": "B", "qty": "2"})
    control(form, "sku").value = ""
    assert form.value == {"trace": [1, {"a": None}], "qty": 2}
    others = next(one for one in form.root.everything() if one.name == "other members")
    assert json.loads(others.control.value) == {"trace": [1, {"a": None}]}
    others.control.value = '{"trace": 2, "more": null}'
    assert form.value == {"qty": 2, "trace": 2, "more": None}
    others.control.value = '{"qty": 5}'
    assert form.problems == ["other members: 'qty' has a field of its own"]
    others.control.value = "[1]"
    assert form.problems == ["other members: not an object of further members, but array"]
    others.control.value = ""
    assert form.value == {"qty": 2}


def test_a_nested_field_keeps_what_stands_beside_it_and_goes_with_its_last_member(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    form.value = {"a": {"b": 1, "c": 2}}
    control(form, "a.b").value = ""
    assert form.value == {"a": {"c": 2}}
    control(form, "a.b").value = "x"
    assert form.value == {"a": {"c": 2, "b": "x"}}
    form.value = {"a": {"b": 1}}
    control(form, "a.b").value = ""
    assert form.value == {}
    field(form, "a").switch.value = True
    assert form.value == {"a": {}}


def test_a_value_of_another_shape_is_shown_as_json_where_it_stands(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed", example={"a": "text", "ids": {"x": 1}})
    assert control(form, "a").value == "text" or json.loads(control(form, "a").value) == "text"
    assert json.loads(control(form, "ids").value) == {"x": 1}
    form.value = {"a": {"b": 1}, "ids": [5]}
    assert (control(form, "a.b").value, control(form, "ids[0]").value) == ("1", "5")


def test_what_begins_in_an_absent_list_begins_with_its_default(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    ids = field(form, "ids")
    assert "[1, 2] is taken" in seen(form)
    ids.add.click()
    assert form.value == {"ids": [1, 2, 0]}
    ids.switch.value = False
    assert form.value == {}
    ids.switch.value = True
    assert form.value == {"ids": [1, 2]}


def test_what_begins_in_an_absent_object_begins_with_its_default(session: Session) -> None:
    ship = {"type": "object", "default": {"by": "road"}, "properties": {"by": {}, "to": {"type": "string"}}}
    form = session.form("order-triage", schema={"properties": {"ship": ship}, "required": ["ship"]})
    raw(form).value = "{}"
    control(form, "ship.to").value = "Suzhou"
    assert form.value == {"ship": {"by": "road", "to": "Suzhou"}}


def test_a_boolean_is_chosen_and_may_be_absent(session: Session) -> None:
    session.deploy(TYPED)
    form = session.form("typed")
    flag = control(form, "flag")
    assert isinstance(flag, ipywidgets.Dropdown)
    assert (flag.value, flag.options[0]) == ("", ("default: true", ""))
    flag.value = "false"
    assert form.value == {"flag": False}
    form.value = {"flag": "yes"}  # not what the default suggests: kept, and shown as it is
    assert (form.value, flag.value) == ({"flag": "yes"}, "yes")
    flag.value = ""
    assert form.value == {}


def test_a_guess_never_refuses_what_the_service_would_take(form: Form) -> None:
    control(form, "qty").value = "lots"
    assert form.value == {"qty": "lots"}
    assert form.problems == []
    assert "text, unlike the default (integer)" in seen(form)
    control(form, "currency").value = "00123"
    assert form.value["currency"] == "00123"


def test_earlier_inputs_become_choices_and_hints(connect: Callable[..., Session], tmp_path: Any) -> None:
    session = connect("local", history=tmp_path / "runs.sqlite")
    for sku, qty in (("A-100", 1), ("A-100", 3), ("B-7", 9)):
        session.run("order-triage", {"sku": sku, "qty": qty, "customer": {"id": qty}})
    form = session.form("order-triage")
    sku = control(form, "sku")
    assert isinstance(sku, ipywidgets.Combobox)
    assert sku.options == ("A-100", "B-7")
    assert "so far 1 to 9" in seen(form)
    assert "customer.id" in form.leaves()
    sku.value = "Z-1"
    assert form.value == {"sku": "Z-1"}


def test_an_example_is_what_the_form_begins_with(session: Session) -> None:
    given = {"sku": "00123", "lines": [{"n": 10**40}]}
    form = session.form("order-triage", example=given)
    assert form.value == given
    assert control(form, "lines[0].n").value == str(10**40)
    with pytest.raises(InputError, match="JSON object"):
        session.form("order-triage", example=[1])


# --- the switch, null and absent -----------------------------------------------------------------


def test_a_switch_gives_and_takes_a_member(ordered: Form) -> None:
    note = field(ordered, "note")
    assert (note.switch.value, "note" in ordered.value) == (False, False)
    note.switch.value = True
    assert ordered.value["note"] == ""
    note.control.value = "x"
    note.switch.value = False
    assert "note" not in ordered.value
    note.control.value = "y"
    assert (note.switch.value, ordered.value["note"]) == (True, "y")
    note.control.value = ""
    assert (note.switch.value, "note" in ordered.value) == (False, False)


def test_null_is_neither_absent_nor_empty(ordered: Form) -> None:
    note = field(ordered, "note")
    note.null.value = True
    assert (ordered.value["note"], note.switch.value) == (None, True)
    note.null.value = False
    assert "note" not in ordered.value
    raw(ordered).value = '{"note": null}'
    assert note.null.value is True
    note.control.value = "x"
    assert (ordered.value["note"], note.null.value) == ("x", False)


def test_an_object_may_be_null(ordered: Form) -> None:
    maybe = field(ordered, "maybe")
    assert (ordered.value["maybe"], maybe.null.value, maybe.switch.value) == (None, True, True)
    assert "maybe.city" not in ordered.leaves()
    maybe.null.value = False
    assert ordered.value["maybe"] == {}
    control(ordered, "maybe.city").value = "Suzhou"
    assert ordered.value["maybe"] == {"city": "Suzhou"}
    maybe.switch.value = False
    assert "maybe" not in ordered.value
    maybe.switch.value = True
    assert ordered.value["maybe"] == {}
    maybe.null.value = True
    assert ordered.value["maybe"] is None


def test_a_field_without_a_value_to_begin_with_waits_for_one(ordered: Form) -> None:
    when = field(ordered, "level")
    when.switch.value = True
    assert "level: empty: choose a value, or switch it off" in ordered.problems
    assert "level" not in ordered.value
    when.switch.value = False
    assert not any("level" in problem for problem in ordered.problems)
    control(ordered, "free").value = "{"
    assert any("free" in problem for problem in ordered.problems)
    control(ordered, "free").value = ""
    assert not any("free" in problem for problem in ordered.problems)
    when.switch.value = True
    when.control.value = "1"
    assert ordered.value["level"] == 1
    when.control.value = "null"
    assert ordered.value["level"] is None


def test_what_is_required_has_no_switch(ordered: Form) -> None:
    assert field(ordered, "name").switch is None
    control(ordered, "name").value = "Ada"
    control(ordered, "name").value = ""
    assert "name" not in ordered.value
    control(ordered, "name").value = '""'
    assert ordered.value["name"] == ""


# --- a schema ------------------------------------------------------------------------------------


def test_a_schemas_defaults_are_filled_in_since_the_workflow_does_not_know_them(ordered: Form) -> None:
    assert ordered.value == {"qty": 5, "maybe": None}
    assert ordered.problems == ["name: required", "pay: required"]


def test_all_problems_are_counted_and_said_beside_their_fields(ordered: Form) -> None:
    ordered.value = {"name": "A", "qty": 70, "when": "soon", "address": {}, "pay": {"kind": "card"}}
    assert ordered.problems == [
        "name: shorter than 2 characters",
        "qty: greater than the maximum of 50",
        "when: not a valid date",
        "address.city: required",
        "pay.no: required",
    ]
    assert button(ordered, "Run").disabled
    assert "5 problems: name, qty, when and 2 more" in seen(ordered)
    for name, said in (("name", "shorter"), ("qty", "maximum of 50"), ("pay.no", "required")):
        assert said in field(ordered, name)._note.value
    with pytest.raises(InputError, match="5 problems"):
        ordered.submit()
    fill(ordered, {"name": "Ada", "qty": "7", "when": "2026-01-31", "address.city": "Suzhou", "pay.no": "1"})
    assert ordered.problems == []
    assert not button(ordered, "Run").disabled


def test_a_text_of_another_type_is_refused_where_a_schema_says_so(ordered: Form) -> None:
    control(ordered, "qty").value = "lots"
    assert "qty: not an integer" in ordered.problems
    assert (control(ordered, "qty").value, ordered.value["qty"]) == ("lots", 5)
    control(ordered, "name").value = "Ada"
    assert control(ordered, "qty").value == "lots"
    control(ordered, "qty").value = str(10**30)
    assert ordered.value["qty"] == 10**30
    assert "qty: greater than the maximum of 50" in ordered.problems


def test_an_optional_object_opens_with_its_switch(ordered: Form) -> None:
    address = field(ordered, "address")
    assert "address.city" not in ordered.leaves()
    address.switch.value = True
    assert ordered.value["address"] == {}
    control(ordered, "address.city").value = "Suzhou"
    assert ordered.value["address"] == {"city": "Suzhou"}
    control(ordered, "address.city").value = ""
    assert ordered.value["address"] == {}
    address.switch.value = False
    assert "address" not in ordered.value


def test_a_schema_that_holds_itself_opens_as_deep_as_one_likes(ordered: Form) -> None:
    field(ordered, "tree").switch.value = True
    name = "tree.kids"
    for _ in range(3):
        field(ordered, name).add.click()
        name += "[0].kids"
    assert ordered.value["tree"] == {"kids": [{"kids": [{"kids": [{}]}]}]}
    deep: Any = {}
    for _ in range(40):
        deep = {"kids": [deep]}
    ordered.value = {**ordered.value, "tree": deep}
    assert ordered.value["tree"] == deep


def test_variants_are_chosen_and_keep_what_was_written(ordered: Form) -> None:
    pay = field(ordered, "pay")
    assert isinstance(pay, UnionField)
    pay.choice.value = 0
    control(ordered, "pay.no").value = "123"
    pay.choice.value = 1
    assert ordered.value["pay"] == {"kind": "iban"}
    assert ordered.problems == ["name: required", "pay.iban: required"]
    control(ordered, "pay.iban").value = "DE00"
    pay.choice.value = 0
    assert ordered.value["pay"] == {"no": "123"}
    pay.choice.value = 1
    assert ordered.value["pay"] == {"kind": "iban", "iban": "DE00"}
    ordered.value = {"pay": {"no": "9", "kind": "card"}}
    assert pay.choice.value == 0
    raw(ordered).value = '{"pay": 5}'
    assert control(ordered, "pay").value == "5"


def test_an_edit_never_changes_the_variant(ordered: Form) -> None:
    ordered.value = {"pay": {"kind": "iban", "iban": "DE00"}}
    control(ordered, "pay.iban").value = ""
    assert field(ordered, "pay").choice.value == 1
    assert ordered.value["pay"] == {"kind": "iban"}


def test_a_variant_may_be_absent_or_null_and_takes_what_it_shares_with_the_last(session: Session) -> None:
    def variant(title: str, **members: Any) -> Any:
        return {"title": title, "type": "object", "properties": {"name": {"type": "string"}, **members}}

    ways = [variant("road", lorry={"type": "string"}), {"type": "null"}, variant("sea", ship={"type": "string"})]
    form = session.form("order-triage", schema={"properties": {"way": {"anyOf": ways}}})
    way = field(form, "way")
    chosen = dict(way.choice.options)
    way.switch.value = True
    assert (form.value, way.choice.value) == ({"way": {}}, chosen["road"])
    fill(form, {"way.name": "Ada", "way.lorry": "L-1"})
    way.choice.value = chosen["sea"]
    assert form.value == {"way": {"name": "Ada"}}
    way.choice.value = chosen["null"]
    assert (form.value, way.switch.value) == ({"way": None}, True)
    way.choice.value = chosen[""]
    assert (form.value, way.switch.value) == ({}, False)
    way.choice.value = chosen["road"]
    assert form.value == {"way": {"name": "Ada", "lorry": "L-1"}}


def test_of_variants_of_the_whole_input_those_are_offered_that_are_objects(session: Session) -> None:
    variants = [
        {"title": "by sku", "type": "object", "properties": {"sku": {"type": "string"}}},
        {"type": "string"},
        {"type": "null"},
        {"title": "by id", "type": "object", "properties": {"id": {"type": "integer"}}},
    ]
    form = session.form("order-triage", schema={"anyOf": variants})
    choice = form.root.choice  # type: ignore[attr-defined]
    assert [name for name, _ in choice.options] == ["", "by sku", "by id"]
    choice.value = choice.options[2][1]
    control(form, "id").value = "7"
    assert form.value == {"id": 7}
    choice.value = choice.options[0][1]
    assert form.value == {}


def test_an_input_of_any_members_is_one_field_of_json(session: Session) -> None:
    form = session.form("order-triage", schema={"type": "object"})
    whole = form.root.control  # type: ignore[attr-defined]
    whole.value = "[1]"
    assert form.problems == ["input: the input must be a JSON object"]
    whole.value = '{"sku": "A-100"}'
    assert (form.value, form.problems) == ({"sku": "A-100"}, [])
    whole.value = ""
    assert (form.value, form.problems) == ({}, [])


def test_what_is_wrong_with_the_whole_input_stands_above_its_fields(session: Session) -> None:
    form = session.form("order-triage", schema={"properties": {"sku": {"type": "string"}}, "minProperties": 1})
    assert form.problems == ["input: has less than 1 property"]
    top = form.root.box.children[0]
    assert "has less than 1 property" in "".join(getattr(one, "value", "") for one in inside(top))
    control(form, "sku").value = "A"
    assert form.problems == []


def test_a_field_with_an_unreadable_text_is_not_said_to_be_missing_too(session: Session) -> None:
    form = session.form("order-triage", schema={"properties": {"qty": {"type": "integer"}}, "required": ["qty"]})
    assert form.problems == ["qty: required"]
    control(form, "qty").value = "lots"
    assert form.problems == ["qty: not an integer"]
    control(form, "qty").value = ""
    assert form.problems == ["qty: required"]


def test_a_member_of_one_value_is_given_that_by_its_switch(ordered: Form) -> None:
    field(ordered, "pay").choice.value = 0
    field(ordered, "pay.kind").switch.value = True
    assert ordered.value["pay"] == {"kind": "card"}


def test_what_a_schema_leaves_open_is_raw_json(ordered: Form) -> None:
    control(ordered, "free").value = '{"a": 1}'
    control(ordered, "pair").value = '["a", 1]'
    control(ordered, "either").value = "12"
    assert {key: ordered.value[key] for key in ("free", "pair", "either")} == {
        "free": {"a": 1},
        "pair": ["a", 1],
        "either": 12,
    }
    control(ordered, "free").value = "{"
    assert any(problem.startswith("free: not JSON") for problem in ordered.problems)


def test_a_schema_that_is_not_valid_makes_no_form(session: Session) -> None:
    with pytest.raises(InputError, match="the schema is not valid"):
        session.form("order-triage", schema=ORDER)
    with pytest.raises(InputError, match="a schema is a JSON Schema"):
        session.form("order-triage", schema="order.json")


# --- lists ---------------------------------------------------------------------------------------


@pytest.fixture
def lines(session: Session) -> Form:
    """A form with a list of objects, of which one holds what can't be read."""
    session.deploy(COUNTING)
    item = {"type": "object", "properties": {"sku": {"type": "string"}, "qty": {"type": "integer"}}}
    schema = {"type": "object", "properties": {"lines": {"type": "array", "items": item}}}
    form = session.form("counting", schema=schema)
    form.value = {"lines": [{"sku": "A", "qty": 1}, {"sku": "B", "qty": 2}, {"sku": "C", "qty": 3}]}
    return form


def skus(form: Form) -> list[str]:
    return [control(form, f"lines[{at}].sku").value for at in range(len(form.value["lines"]))]


def test_items_are_added_moved_and_removed(lines: Form) -> None:
    array = field(lines, "lines")
    assert isinstance(array, ArrayField)
    button(lines, "move lines[2] up").click()
    assert skus(lines) == ["A", "C", "B"] == [one["sku"] for one in lines.value["lines"]]
    button(lines, "move lines[0] down").click()
    assert skus(lines) == ["C", "A", "B"]
    button(lines, "remove lines[1]").click()
    assert skus(lines) == ["C", "B"]
    array.add.click()
    assert lines.value["lines"] == [{"sku": "C", "qty": 3}, {"sku": "B", "qty": 2}, {}]
    assert button(lines, "move lines[0] up").disabled
    assert button(lines, "move lines[2] down").disabled
    assert "3 items" in seen(lines)


def test_a_text_that_can_not_be_read_moves_with_its_item(lines: Form) -> None:
    control(lines, "lines[1].qty").value = "many"
    button(lines, "move lines[1] up").click()
    assert [control(lines, f"lines[{at}].qty").value for at in range(3)] == ["many", "1", "3"]
    assert lines.problems == ["lines[0].qty: not an integer"]
    button(lines, "remove lines[2]").click()
    button(lines, "move lines[0] down").click()
    assert lines.problems == ["lines[1].qty: not an integer"]
    button(lines, "remove lines[1]").click()
    assert lines.problems == []
    assert lines.value == {"lines": [{"sku": "A", "qty": 1}]}


def test_what_was_typed_in_an_item_that_is_gone_does_not_come_back(lines: Form) -> None:
    control(lines, "lines[2].qty").value = "many"
    button(lines, "remove lines[2]").click()
    field(lines, "lines").add.click()
    assert control(lines, "lines[2].qty").value == ""
    assert lines.problems == []
    control(lines, "lines[2].qty").value = "many"
    field(lines, "lines").switch.value = False
    field(lines, "lines").switch.value = True
    for _ in range(3):
        field(lines, "lines").add.click()
    assert lines.problems == []


def test_a_click_on_the_row_of_an_item_that_is_gone_does_nothing(lines: Form) -> None:
    down, remove = (button(lines, text) for text in ("move lines[1] down", "remove lines[2]"))
    remove.click()
    remove.click()  # of a double click
    down.click()  # when the second item was not the last one yet
    assert skus(lines) == ["A", "B"]


def test_a_long_list_is_one_field_of_json(lines: Form) -> None:
    long = [{"sku": str(number)} for number in range(1000)]
    lines.value = {"lines": long}
    assert json.loads(control(lines, "lines").value) == long
    lines.value = {"lines": long[:2]}
    assert skus(lines) == ["0", "1"]


def test_items_that_are_texts_may_be_empty(ordered: Form) -> None:
    tags = field(ordered, "tags")
    tags.add.click()
    control(ordered, "tags[0]").value = "00123"
    tags.add.click()
    assert ordered.value["tags"] == ["00123", ""]
    control(ordered, "tags[0]").value = ""
    assert ordered.value["tags"] == ["", ""]
    assert "tags: has non-unique elements" in ordered.problems


def test_an_item_that_is_no_text_can_not_be_empty(session: Session) -> None:
    form = session.form("order-triage", schema={"properties": {"ids": {"type": "array", "items": {"type": "integer"}}}})
    form.value = {"ids": [5]}
    control(form, "ids[0]").value = ""
    assert form.problems == ["ids[0]: empty: write a value, or remove the item"]
    assert form.value == {"ids": [5]}


# --- the whole value -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_form() -> Form:
    """A form for all of Hypothesis's examples, since each is some thirty widgets."""
    return connected().form("order-triage")


@pytest.fixture(scope="module")
def one_ordered() -> Form:
    """The same with a schema."""
    return connected().form("order-triage", schema=WHOLE)


def check_views(form: Form, value: dict[str, Any]) -> None:
    """Whatever the value is, it comes out as it went in, in every view."""
    form.value = value
    assert same(form.value, value)
    text = raw(form).value
    real = form.hidden.real  # marks stand where keys look like secrets
    assert same(real(read("json", text)), value)
    for leaf in form.leaves().values():
        found = member(value, leaf.path)
        assert isinstance(leaf, Leaf)
        if leaf.switch is not None:
            assert leaf.switch.value == (found is not member({}, ("x",)))
        if leaf.values or (leaf.null is not None and found is None) or found == "":
            continue
        reading = leaf.reading if leaf.reading in ("any", "json") or fits(leaf.node.kind, found) else "any"
        assert same(real(read(reading, leaf.control.value)), found), (leaf.name, found)
    form.value = {}
    raw(form).value = text
    assert same(form.value, value)


@given(value=inputs)
def test_value_in_is_value_out_in_every_view(one_form: Form, value: dict[str, Any]) -> None:
    check_views(one_form, value)


orders = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(ORDER["properties"], json_values)  # type: ignore[attr-defined]
    | {
        "tree": st.recursive(
            st.just({}), lambda inner: st.fixed_dictionaries({"kids": st.lists(inner, max_size=3)}), max_leaves=6
        ),
        "address": st.fixed_dictionaries({}, optional={"city": st.text(), "more": json_values}),
        "pay": st.fixed_dictionaries({}, optional={"kind": st.sampled_from(["card", "iban", 5]), "no": json_values}),
    },
)


@given(value=orders)
def test_value_in_is_value_out_in_every_view_of_a_schema(one_ordered: Form, value: dict[str, Any]) -> None:
    check_views(one_ordered, value)


@given(edits=st.lists(st.tuples(st.integers(0, 99), st.sampled_from(["text", "on", "off"]), st.text()), max_size=8))
def test_whatever_is_edited_the_views_agree_and_run_knows_whether_it_may(one_ordered: Form, edits: list[Any]) -> None:
    form = one_ordered
    form.value = {"name": "Ada", "address": {"city": "x"}, "tags": ["a"], "pay": {"kind": "card", "no": "1"}}
    for number, what, text in edits:
        leaves = list(form.leaves().values())
        leaf: Any = leaves[number % len(leaves)]
        if what == "text" and not leaf.values:
            leaf.control.value = text
        elif leaf.switch is not None:
            leaf.switch.value = what == "on"
    assert same(form.hidden.real(json.loads(raw(form).value)), form.value)
    assert button(form, "Run").disabled == bool(form.problems)
    for leaf in form.leaves().values():
        assert isinstance(leaf, Leaf)
        if leaf.switch is not None and leaf.draft is None:
            assert leaf.switch.value == (leaf.key in member(form.value, leaf.path[:-1]))


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
    assert button(form, "Run").disabled
    assert control(form, "sku").disabled
    assert "needs mending" in seen(form)
    assert [problem.partition(": ")[0] for problem in form.problems] == ["JSON"]
    assert (raw(form).value, control(form, "sku").value, form.value) == (text, "A", {"sku": "A"})
    button(form, "Back to the last valid input").click()
    assert raw(form).value == '{\n  "sku": "A"\n}'
    assert not button(form, "Run").disabled
    assert not control(form, "sku").disabled
    assert "needs mending" not in seen(form)


def test_a_text_that_can_not_be_read_disables_run_until_it_is_mended(form: Form) -> None:
    control(form, "qty").value = "NaN"
    assert button(form, "Run").disabled
    assert "NaN is not a JSON value; in double quotes it is a text" in seen(form)
    assert control(form, "qty").value == "NaN"
    with pytest.raises(InputError, match="qty"):
        form.submit()
    control(form, "sku").value = "A-100"
    assert control(form, "qty").value == "NaN"
    control(form, "qty").value = "3"
    assert not button(form, "Run").disabled
    assert "NaN" not in seen(form)
    assert form.value == {"sku": "A-100", "qty": 3}


def test_the_value_and_the_runs_can_be_observed(form: Form) -> None:
    heard: list[Any] = []
    form.observe(lambda change: heard.append((change["name"], change["new"])), ["value", "run"])
    control(form, "sku").value = "A-100"
    form.value = {"sku": "A-100", "qty": 2}
    form.submit()
    run = form.wait(10)
    assert heard == [("value", {"sku": "A-100"}), ("value", {"sku": "A-100", "qty": 2}), ("run", run)]


def test_an_exception_of_who_observes_shows_in_the_form(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(change: Any) -> None:
        raise RuntimeError("<b>no</b> such thing")

    form.observe(fails, "value")
    control(form, "sku").value = "A-100"
    assert "RuntimeError: &lt;b&gt;no" in seen(form)
    assert form.value == {"sku": "A-100"}
    assert capsys.readouterr() == ("", "")


# --- secrets -------------------------------------------------------------------------------------


def state_of(form: Form) -> str:
    """All that a page, and a notebook saved with its widgets, gets of a form."""
    return json.dumps([one.get_state() for one in inside(form)], default=str) + str(form._repr_mimebundle_())


def test_a_secret_never_stays_in_a_widget(session: Session, calls: list[Any]) -> None:
    session.deploy(COUNTING)
    member = {"type": "object", "properties": {"token": {"type": "string"}, "x": {"type": "integer"}}}
    form = session.form(
        "counting", schema={"type": "object", "properties": {"password": {"type": "string"}, "x": member}}
    )
    control(form, "password").value = "geheim-1"
    field(form, "x").switch.value = True
    control(form, "x.token").value = "geheim-2"
    raw(form).value = raw(form).value.replace('"***1"', '"geheim-3"').replace("{", '{"apiKey": "geheim-4",', 1)
    form.headers = {"X-Auth-Token": "geheim-5"}
    form._tab.selected_index = 2
    assert form.value == {"apiKey": "geheim-4", "password": "geheim-3", "x": {"token": "geheim-2"}}
    form.submit()
    run = form.wait(10)
    assert isinstance(run, type(form.run))
    assert run.input == form.value
    assert calls == [{"x": {"token": "geheim-2"}}]
    assert run.headers == {"X-Auth-Token": "geheim-5"}
    assert "geheim" not in state_of(form)
    assert "geheim" not in seen(form)
    assert "Secrets are not written out" in form._code.value


def test_a_sweep_shows_no_secret(session: Session) -> None:
    session.deploy(COUNTING)
    form = session.form("counting", example={"password": "geheim-1", "x": 1})
    form.sweep({"x": "1..3", "password": ["geheim-2", "geheim-3"]})
    runs: Any = form.wait(10)
    assert runs[0].input == {"password": "geheim-2", "x": 1}
    assert "6 runs of counting" in seen(form)
    assert "geheim" not in seen(form)
    assert "geheim" not in state_of(form)


def test_a_mark_that_is_moved_means_its_own_secret(form: Form) -> None:
    form.value = {"users": [{"n": 1, "password": "one"}, {"n": 2, "password": "two"}]}
    shown = json.loads(raw(form).value)
    raw(form).value = json.dumps({"users": shown["users"][::-1]})
    assert form.value == {"users": [{"n": 2, "password": "two"}, {"n": 1, "password": "one"}]}


def test_a_mark_means_its_secret_in_any_field_and_in_headers(form: Form) -> None:
    form.value = {"password": "one", "tokens": 5}
    form.headers = {"X-Auth-Token": "two"}
    assert json.loads(raw(form).value) == {"password": "***1", "tokens": 5}
    control(form, "sku").value = "***1"
    assert form.value["sku"] == "one"
    headers = next(one for one in inside(form) if getattr(one, "description", "") == "headers")
    assert headers.value == "X-Auth-Token: ***2"
    headers.value += "\nX-Trace: 7"
    assert form.headers == {"X-Auth-Token": "two", "X-Trace": "7"}


def test_a_secret_that_the_history_does_not_hold_has_to_be_written_again(form: Form) -> None:
    form.value = {"sku": "A", "password": "***"}
    assert form.problems == ["password: the history keeps no secrets: write it again"]
    assert button(form, "Run").disabled


# --- running -------------------------------------------------------------------------------------


def test_a_successful_run_shows_its_output(form: Form) -> None:
    fill(form, {"sku": "A-100", "qty": "3"})
    button(form, "Run").click()
    run: Any = form.wait(10)
    assert (run.status, run.input, run.output["total"]) == ("success", {"sku": "A-100", "qty": 3}, 149.7)
    assert form.run is run
    assert "149.7" in seen(form)
    assert "run 1: success" in seen(form)
    assert (button(form, "Run").disabled, button(form, "Cancel").disabled) == (False, True)


def test_a_failing_run_shows_the_node(form: Form) -> None:
    form.value = {"sku": "A-100", "qty": 1000}
    form.submit()
    run: Any = form.wait(10)
    assert run.status == "fail"
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


def test_the_last_runs_go_back_into_the_fields_and_compare(form: Form) -> None:
    form.tags = {"try": 1}
    for number in range(1, 8):
        form.value = {"sku": "A-100", "qty": number}
        form.submit()
        form.wait(10)
    fills = [one for one in inside(form) if getattr(one, "description", "") == "Fill in"]
    assert len(fills) == 5
    form.value, form.tags = {}, {}
    fills[1].click()
    assert (form.value, form.tags) == ({"sku": "A-100", "qty": 6}, {"try": 1})
    button(form, "compare run 5 with the latest").click()
    assert "input.qty" in seen(form)
    assert "249.5" in seen(form)
    assert "349.3" in seen(form)


def test_headers_and_tags_go_with_the_run(session: Session, functions: Functions) -> None:
    session.deploy(COUNTING)
    form = session.form("counting")
    headers, tags = (
        next(one for one in inside(form) if getattr(one, "description", "") == name) for name in ("headers", "tags")
    )
    headers.value = "X-Trace: 7\n\nX-Other:  a: b "
    tags.value = "try: 1\nname: second"
    form.submit()
    run: Any = form.wait(10)
    assert run.headers == {"X-Trace": "7", "X-Other": "a: b"}
    assert run.tags == {"try": 1, "name": "second"}
    tags.value = "no colon"
    assert form.problems == ["tags: can't be read"]
    assert "line 1: write  name: value" in seen(form)
    tags.value = "try: 1\ntry: 2"
    assert "line 2: &#x27;try&#x27; is there twice" in seen(form)


def test_what_comes_from_outside_is_escaped(session: Session) -> None:
    evil = "<img src=x onerror=alert(1)>"
    session.deploy(flow(step("a", {evil: f"$['{evil}'] | '{evil}'"}), name="evil"))
    schema = {
        "properties": {evil: {"title": evil, "description": evil, "enum": [evil], "default": evil}},
        "title": evil,
    }
    for form in (session.form("evil"), session.form("evil", schema=schema)):
        form.value = {evil: evil}
        form.submit()
        form.wait(10)
        form._tab.selected_index = 2
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
    assert (button(form, "Run").disabled, button(form, "Cancel").disabled) == (True, False)
    wait_until(lambda: "running" in seen(form))
    time.sleep(0.3)
    started = time.monotonic()
    button(form, "Cancel").click()
    run: Any = form.wait(5)
    assert run.status == "unknown"
    assert time.monotonic() - started < 1
    assert (button(form, "Run").disabled, button(form, "Cancel").disabled) == (False, True)


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
    assert button(form, "Run").disabled
    form.cancel()
    form.wait(5)


def test_a_second_click_while_a_run_is_live_does_nothing(session: Session, calls: list[Any]) -> None:
    session.deploy(COUNTING)
    form = session.form("counting")
    threads = [threading.Thread(target=form.submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    button(form, "Run").click()
    form.sweep({"x": [1, 2]})
    for thread in threads:
        thread.join()
    form.wait(10)
    assert (len(calls), len(form.runs)) == (1, 1)
    form.submit()
    form.wait(10)
    assert len(calls) == 2


def test_a_double_click_is_one_even_if_the_run_is_over_by_the_second(form: Form) -> None:
    form.value = {"sku": "A-100"}
    for _ in range(2):
        button(form, "Run").click()
        form.wait(10)
    assert len(form.runs) == 1
    form.value = {"sku": "B-7"}  # what is another input now is no second click
    button(form, "Run").click()
    form.wait(10)
    assert len(form.runs) == 2
    time.sleep(DOUBLE)
    button(form, "Run").click()
    form.wait(10)
    assert len(form.runs) == 3


def test_cancel_without_a_run_does_nothing(form: Form) -> None:
    form.cancel()
    form.value = {"sku": "A-100"}
    form.submit()
    assert form.wait(10).status == "success"  # type: ignore[union-attr]


def test_edits_during_a_run_belong_to_the_next_one(session: Session) -> None:
    session.deploy(COUNTING)
    form = session.form("counting")
    form.value = {"x": 1}
    form.submit()
    control(form, "x").value = "2"
    run: Any = form.wait(10)
    assert run.input == {"x": 1}
    assert form.value == {"x": 2}
    assert control(form, "x").value == "2"


def test_an_exception_in_a_callback_shows_in_the_form(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    session.deploy(flow(step("a", {"x": "$.x"}), name="fleeting"))
    form = session.form("fleeting")
    session.client.delete([session.workflow("fleeting").urn])
    button(form, "Run").click()
    with pytest.raises(WorkflowNotFound):
        form.wait(10)
    assert "no workflow" in seen(form)
    assert not button(form, "Run").disabled
    assert capsys.readouterr() == ("", "")


def test_a_click_that_comes_too_late_shows_why_it_does_nothing(form: Form) -> None:
    raw(form).value = "{"
    button(form, "Run").click()  # a click that was on its way when the text became invalid
    assert "can't run" in seen(form) or "can&#x27;t run" in seen(form)
    assert form.run is None


def test_the_end_of_a_run_is_shown_in_the_context_of_its_start(form: Form) -> None:
    # ipykernel tells by a context variable which cell an output belongs to
    cell = contextvars.ContextVar("cell", default="another cell")
    cells: list[str] = []
    form._outcome._html.observe(lambda change: cells.append(cell.get()) if "total" in change["new"] else None, "value")
    cell.set("this cell")
    form.value = {"sku": "A-100"}
    form.submit()
    form.wait(10)
    assert cells == ["this cell"]


# --- sweeps --------------------------------------------------------------------------------------


def vary(form: Form, name: str, text: str) -> None:
    """Choose a field to vary, and its values, as a user does."""
    button(form, "+ Vary a field").click()
    one = form._work.panel._varied[form._work.panel._count - 1]
    one.field.value = name
    one.values.value = text


def go(form: Form) -> Any:
    return next(one for one in inside(form) if str(getattr(one, "description", "")).startswith("Run all"))


def test_fields_that_take_several_values_make_a_sweep(form: Form) -> None:
    control(form, "currency").value = "CNY"
    vary(form, "qty", "1..50 step 10")
    vary(form, "sku", "A-100, B-7")
    assert go(form).description == "Run all 10"
    assert "5 values" in seen(form)
    go(form).click()
    runs = form.wait(10)
    assert isinstance(runs, RunSet)
    assert [run.input for run in runs[:3]] == [
        {"currency": "CNY", "qty": 1, "sku": "A-100"},
        {"currency": "CNY", "qty": 1, "sku": "B-7"},
        {"currency": "CNY", "qty": 11, "sku": "A-100"},
    ]
    assert "10 runs of order-triage" in seen(form)
    assert len(form.runs) == 10
    assert form.run is None


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("qty", "1..3", [1, 2, 3]),
        ("qty", "3..1", [3, 2, 1]),
        ("qty", "10..1 step 4", [10, 6, 2]),
        ("qty", "1,, 2,", [1, 2]),
        ("qty", "1..10 step 4", [1, 5, 9]),
        ("qty", "0.1..0.4 step 0.1", [0.1, 0.2, 0.3, 0.4]),
        ("qty", "1..2, 10, lots", [1, 2, 10, "lots"]),
        ("qty", '[1, null, "x"]', [1, None, "x"]),
        ("currency", '00123, 1..3\n"a, b"', ["00123", "1..3", "a, b"]),
        ("sku", "true, A, 007", [True, "A", "007"]),
        ("qty", str(10**30), [10**30]),
    ],
)
def test_values_are_read_as_the_field_reads_them(form: Form, name: str, text: str, values: list[Any]) -> None:
    vary(form, name, text)
    assert [member(one, (name,)) for one in form._work.panel.grid()] == values


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "which values"),
        ("1..5 step 0", "step of 0"),
        ("1..999999999", "more than 100,000"),
        ("1..60000, 1..60000", "more than 100,000"),
        ("NaN", "NaN"),
        ("[1", "not JSON"),
    ],
)
def test_values_that_can_not_be_read_say_why_and_start_nothing(form: Form, text: str, said: str) -> None:
    vary(form, "qty", text)
    assert go(form).disabled
    assert said in seen(form)


def test_a_field_with_choices_begins_with_all_of_them(ordered: Form) -> None:
    button(ordered, "+ Vary a field").click()
    one = ordered._work.panel._varied[0]
    one.field.value = "size"
    assert one.values.value == "small, large"
    assert [one["size"] for one in ordered._work.panel.grid(0)] == [1, 2]


def test_a_field_varies_no_more_once_its_row_is_removed(form: Form) -> None:
    vary(form, "qty", "1..3")
    vary(form, "sku", "A-100, B-7")
    button(form, "vary this field no more").click()
    assert go(form).description == "Run all 2"
    assert [one["sku"] for one in form._work.panel.grid()] == ["A-100", "B-7"]
    button(form, "+ Vary a field").click()
    assert "which field is to vary?" in seen(form)
    button(form, "vary this field no more").click()
    button(form, "vary this field no more").click()
    assert go(form).disabled
    with pytest.raises(InputError, match="choose a field to vary"):
        form.sweep()


def test_a_field_is_varied_once(form: Form) -> None:
    vary(form, "qty", "1..3")
    vary(form, "qty", "7")
    assert "qty is varied twice" in seen(form)
    assert go(form).disabled


def test_a_field_that_varies_may_come_and_go(ordered: Form) -> None:
    ordered.value = {"name": "Ada", "pay": {"no": "1"}, "address": {"city": "Suzhou"}}
    vary(ordered, "address.city", "Suzhou, Wuxi")
    field(ordered, "address").switch.value = False
    assert "which field is to vary?" in seen(ordered)
    field(ordered, "address").switch.value = True
    assert go(ordered).description == "Run all 2"
    assert [one["address"]["city"] for one in ordered._work.panel.grid()] == ["Suzhou", "Wuxi"]


def test_each_input_of_a_sweep_is_checked_before_any_is_sent(ordered: Form, calls: list[Any]) -> None:
    ordered.value = {"name": "Ada", "pay": {"no": "1"}}
    vary(ordered, "qty", "48..52")
    assert go(ordered).disabled
    assert "input 4 of 5: qty: greater than the maximum of 50" in seen(ordered)
    with pytest.raises(InputError, match="input 4 of 5"):
        ordered.sweep()
    with pytest.raises(InputError, match="input 2 of 2"):
        ordered.sweep({"qty": [50, 51]})
    ordered._work.panel._varied[0].values.value = "48..50"
    assert not go(ordered).disabled


def test_a_sweep_follows_what_is_edited(ordered: Form) -> None:
    vary(ordered, "qty", "48..50")
    assert "input 1 of 3: name: required" in seen(ordered)
    fill(ordered, {"name": "Ada"})
    field(ordered, "pay").choice.value = 0
    control(ordered, "pay.no").value = "1"
    assert go(ordered).description == "Run all 3"
    assert not go(ordered).disabled


def test_more_than_200_runs_are_asked_about(form: Form) -> None:
    form.value = {"sku": "A-100"}
    vary(form, "qty", "1..201")
    go(form).click()
    go(form).click()  # a double click
    assert "That starts 201 runs" in seen(form)
    assert len(form.runs) == 0
    button(form, "No").click()
    assert "That starts" not in seen(form)
    for _ in range(2):
        time.sleep(DOUBLE)
        go(form).click()
    assert len(form.wait(20)) == 201  # type: ignore[arg-type]


def test_a_sweep_in_code_takes_lists_or_what_one_would_write(form: Form) -> None:
    form.value = {"sku": "A-100"}
    form.sweep({"qty": "1..2", "customer.id": [7, 8]})
    runs: Any = form.wait(10)
    assert [(run.input["qty"], run.input["customer"]["id"]) for run in runs] == [(1, 7), (1, 8), (2, 7), (2, 8)]
    with pytest.raises(InputError, match="no field nothing"):
        form.sweep({"nothing": "1..2"})
    with pytest.raises(InputError, match="can't both be varied"):
        form.sweep({"customer": [1], "customer.id": [2]})


def test_a_sweep_waits_for_what_can_not_be_read_and_for_what_is_under_way(session: Session) -> None:
    session.deploy(SLOW)
    form = session.form("slow", example={"x": 1, "n": 1})
    control(form, "n").value = "NaN"
    with pytest.raises(InputError, match="can't run: n: can't be read"):
        form.sweep({"x": "1..3"})
    control(form, "n").value = "1"
    vary(form, "x", "1..3")
    form.submit()
    go(form).click()
    form.cancel()
    form.wait(5)
    assert len(form.runs) == 1


def test_a_sweep_over_nothing_has_no_runs(form: Form) -> None:
    form.sweep({"qty": []})
    assert len(form.wait(10)) == 0  # type: ignore[arg-type]
    assert "no runs" in seen(form)
    assert "0 runs<" in seen(form)


def test_a_sweep_that_can_not_go_on_shows_why_and_what_was_done(functions: Functions) -> None:
    session = connected(functions)

    def f(event: Any, context: Any) -> Any:
        if event["x"] == 3:
            session.client.delete([session.workflow("counting").urn])
        return event

    functions.register(f)
    session.deploy(COUNTING)
    form = session.form("counting")
    form.sweep({"x": list(range(1000))})
    with pytest.raises(SweepStopped, match="no workflow is called"):
        form.wait(20)
    assert 0 < len(form.runs) < 1000
    assert "the sweep stopped after" in seen(form)
    form.sweep({"x": [1, 2]})
    with pytest.raises(WorkflowNotFound):
        form.wait(10)
    assert "stopped, 0 runs" in seen(form)
    assert not button(form, "Run").disabled


def test_an_item_of_a_list_can_vary(lines: Form) -> None:
    lines.sweep({"lines[1].qty": "5..6"})
    runs: Any = lines.wait(10)
    assert [run.input["lines"][1] for run in runs] == [{"sku": "B", "qty": 5}, {"sku": "B", "qty": 6}]


def test_a_sweep_is_cancelled_in_two_steps(session: Session) -> None:
    session.deploy(SLOW)
    form = session.form("slow")
    form.sweep({"x": list(range(500))})
    wait_until(lambda: "0 of 500" in seen(form))
    started = time.monotonic()
    button(form, "Cancel").click()
    assert "no further input is sent" in seen(form)
    button(form, "Give up").click()
    runs: Any = form.wait(5)
    assert time.monotonic() - started < 2
    assert {run.status for run in runs} <= {"unknown", "cancelled"}
    assert not button(form, "Run").disabled


# --- as code -------------------------------------------------------------------------------------


@given(
    value=inputs, tags=st.dictionaries(st.sampled_from(["a", "b c"]), st.integers() | st.text("ab c'\"=", min_size=1))
)
def test_the_call_is_python_that_gives_the_same_run(value: dict[str, Any], tags: dict[str, Any]) -> None:
    code = call_text("order triage's", value, {"X-A": "1"}, tags)
    call = ast.parse(code).body[0]
    assert isinstance(call, ast.Assign)
    assert isinstance(call.value, ast.Call)
    args = [ast.literal_eval(one) for one in call.value.args]
    words = {one.arg: ast.literal_eval(one.value) for one in call.value.keywords}
    assert args[0] == "order triage's"
    assert same(args[1] if len(args) > 1 else {}, value)
    assert words == {"headers": {"X-A": "1"}} | ({"tags": tags} if tags else {})


@given(value=inputs)
def test_the_cell_holds_the_same_input(value: dict[str, Any]) -> None:
    from fgnb.notebook import body

    text = cell_text("order-triage", value, {}, {})
    line, _, rest = text.partition("\n")
    assert line == ("%%fgworkflow order-triage" if value else "%fgworkflow order-triage")
    assert same(body.read(rest, {}), value)


def test_the_cell_makes_the_same_run(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_default", None)  # which an earlier test may have closed
    form.value = {"sku": "A-100", "qty": 3, "text": "{{ x }} $y {z}"}
    form.headers = {"X-Trace": "it's {{ 7 }}"}
    form.tags = {"n": 1, "text": "1", "list": [1], "odd": "a b={{", "none": "NaN", "open": "{"}
    form.submit()
    run: Any = form.wait(10)
    shell = InteractiveShell.instance()
    try:
        shell.run_line_magic("load_ext", "fgnb")
        cell = cell_text("order-triage", form.value, form.headers, form.tags)
        result = shell.run_cell(cell).result
    finally:
        InteractiveShell.clear_instance()
    assert (result.input, result.headers, result.tags) == (run.input, run.headers, run.tags)
    assert result.output == run.output


def test_the_code_is_that_of_the_form(form: Form) -> None:
    form.value = {"sku": "A-100", "text": "{{ x }}"}
    form._tab.selected_index = 2
    assert "%%fgworkflow order-triage" in form._code.value
    assert "{{{{ x }}" in form._code.value
    control(form, "sku").value = "B-7"
    assert "B-7" in form._code.value


# --- displayed -----------------------------------------------------------------------------------


def test_a_saved_notebook_and_a_terminal_read_the_fields(form: Form) -> None:
    form.value = {"sku": "A-100"}
    bundle = form._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    for kind in ("text/plain", "text/html"):
        for word in ("order-triage", "currency", "CNY", "customer", "A-100", "usually filled by earlier steps"):
            assert word in bundle[kind], (kind, word)
    assert "<script" not in bundle["text/html"]
    assert repr(form) == "<Form of order-triage: 5 fields, 0 runs>"


def test_a_terminal_prints_the_json_template(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    shell = InteractiveShell.instance()
    try:
        shell.push({"form": form})
        shell.run_cell("form")
    finally:
        InteractiveShell.clear_instance()
    out = capsys.readouterr().out
    template = {"sku": None, "qty": 1, "currency": "CNY", "coupon": None}
    assert json.loads(out[out.index("  {") :]) == template


def test_the_template_has_what_is_read_of_objects(session: Session) -> None:
    session.deploy(TYPED)
    text = session.form("typed")._repr_mimebundle_()["text/plain"]
    assert json.loads(text[text.index("  {") :]) == {"flag": True, "ids": [1, 2], "a": {"b": None}}


def test_a_terminal_reads_variants_and_the_beginning_of_what_holds_itself(session: Session) -> None:
    many = {"properties": {f"kid_{at}": {"$ref": "#/$defs/many"} for at in range(9)}}
    assert "variant: Card" in session.form("order-triage", schema=WHOLE)._repr_mimebundle_()["text/plain"]
    form = session.form("order-triage", schema={"$ref": "#/$defs/many", "$defs": {"many": many}})
    text = form._repr_mimebundle_()["text/plain"]
    assert "kid_0.kid_0" in text
    assert text.count("\n") < 400


def test_a_workflow_that_names_no_field_is_written_as_json(session: Session) -> None:
    session.deploy(flow(step("a", {}), name="bare"))
    form = session.form("bare")
    assert form._tab.selected_index == 1
    raw(form).value = '{"x": 1}'
    form.submit()
    run: Any = form.wait(10)
    assert run.output == {"x": 1}
    assert form._repr_mimebundle_()["text/plain"]


def test_layouts_and_styles_are_shared(session: Session) -> None:
    form = session.form("image-pipeline")
    controls = [field.control for field in form.leaves().values() if isinstance(field, Leaf)]
    assert len({one.layout.model_id for one in controls}) == 1
    assert len({one.style.model_id for one in controls}) <= 2
    assert all(getattr(one, "continuous_update", False) is False for one in [*controls, raw(form)])


def wide(count: int) -> dict[str, Any]:
    kinds = ({"type": "string"}, {"type": "integer", "minimum": 1}, {"enum": ["a", "b"]}, {"type": "boolean"})
    return {"type": "object", "properties": {f"field_{at}": kinds[at % 4] for at in range(count)}}


def test_200_fields_open_within_a_second(session: Session) -> None:
    session.form("order-triage", schema=wide(4))  # what is imported at first use
    times = []
    for _ in range(3):
        started = time.perf_counter()
        form = session.form("order-triage", schema=wide(200))
        times.append(time.perf_counter() - started)
        assert len(form.leaves()) == 200
        form.close()
    assert min(times) < 1


def test_a_closed_form_leaves_no_widget_and_keeps_its_value_and_runs(session: Session) -> None:
    live = _instances()
    form = session.form("order-triage", schema=WHOLE)
    form.value = {"name": "Ada", "tags": ["a", "b"], "pay": {"no": "1"}, "address": {"city": "x", "more": 1}}
    field(form, "pay").choice.value = 1
    field(form, "pay").choice.value = 0
    button(form, "remove tags[1]").click()
    button(form, "+ Vary a field").click()
    form.submit()
    form.wait(10)
    form.close()
    assert _instances() == live
    assert (form.value["name"], len(form.runs)) == ("Ada", 1)


def _instances() -> set[str]:
    from ipywidgets.widgets import widget

    return set(widget._instances)


def wait_until(true: Any, seconds: float = 5) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """A kernel with a subshell."""
    pytest.importorskip("ipykernel", minversion="7", reason="before, everything waits for the running cell")
    kernel = Kernel()
    yield kernel
    kernel.stop()


def test_a_click_while_a_cell_runs_runs_what_the_screen_shows(kernel: Kernel) -> None:
    models = kernel.value(
        """
        import fgnb, time
        form = fgnb.connect("local").form("order-triage")
        models = {name: field.control.model_id for name, field in form.leaves().items()}
        models["Run"] = form._work._go.model_id
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


def test_a_cell_that_runs_again_closes_the_forms_it_made_before(kernel: Kernel) -> None:
    made = """
    import fgnb
    session = fgnb.connect("local")
    forms = globals().get("forms", []) + [session.form("order-triage"), session.form("order-triage")]
    """
    is_open = "[form.comm is not None for form in forms]"
    assert kernel.value(made, is_open) == [True, True]
    assert kernel.value(made, is_open) == [False, False, True, True]
    # A form that a click makes belongs to no cell: it stays, and so do the others
    click = """
    import ipywidgets
    click = ipywidgets.Button()
    click.on_click(lambda _: forms.append(session.form("order-triage")))
    """
    kernel.send(kernel.value(click, "click.model_id"), {"method": "custom", "content": {"event": "click"}})
    wait_until(lambda: kernel.value("", "len(forms)") == 5, 20)
    assert kernel.value("", is_open) == [False, False, True, True, True]
    kernel.value(made, "1")
    assert kernel.value("", is_open) == [False, False, False, False, True, True, True]


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
        self.manager.shutdown_kernel()  # by itself, so that what ran in it is measured, too
