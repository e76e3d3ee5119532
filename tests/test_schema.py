"""What a form knows of an input: from a definition, from earlier inputs, from a JSON Schema or a pydantic model."""

from __future__ import annotations

import copy
import functools
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.local.samples import sample_definitions
from fgnb.notebook import schema_history
from fgnb.notebook.jsonschema import node_of, schema_of
from fgnb.notebook.node import Node, blank, initial, likeness
from fgnb.notebook.schema import shape_of
from fgnb.notebook.schema_history import LIMIT, SECONDS, earlier_inputs, with_samples
from fgnb.notebook.validation import MOST, Validator
from fgnb.paths import format_path
from fgnb.session import Session
from tests.flows import action, end, flow, sleep, state
from tests.test_texts import json_values, same

SAMPLES = {definition["name"]: definition for definition in sample_definitions()}


def step(id: str, *arguments: Any, **more: Any) -> dict[str, Any]:
    """A state that calls the function f once for each argument template."""
    return state(id, *(action("f", one) for one in arguments), **more)


def places(node: Node, path: str = "") -> dict[str, Node]:
    """All nodes below one, by their paths."""
    found = {}
    for part in node.parts:
        here = f"{path}[]" if node.kind == "array" else format_path((part.key,), path)
        found[here] = part.node
        found |= places(part.node, here)
    return found


def paths(definition: Any, *, primary: bool | None = None) -> list[str]:
    parts = shape_of(definition).parts
    chosen = tuple(part for part in parts if primary in (None, part.primary))
    return [path for path, node in places(Node(kind="object", parts=chosen)).items() if node.kind != "object"]


def only(definition: Any) -> tuple[str, Node]:
    ((path, node),) = places(shape_of(definition)).items()
    return path, node


# --- of a definition -----------------------------------------------------------------------------


def test_the_samples_fields_are_those_of_their_templates() -> None:
    def listed(name: str) -> list[tuple[str, str, Any, bool]]:
        return [(part.key, part.node.kind, part.node.default, part.primary) for part in shape_of(SAMPLES[name]).parts]

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
        ("widths", "array", [320, 800, 1600], False),
        ("picture", "any", MISSING, False),
        ("sizes", "any", MISSING, False),
        ("format", "text", "jpeg", False),
        ("quality", "integer", 80, False),
    ]


def test_a_loops_collection_is_an_array_of_what_the_loop_reads_of_each_item() -> None:
    found = places(shape_of(SAMPLES["batch-order"]))
    assert found["lines"].kind == "array"
    assert found["lines[]"].kind == "object"
    assert found["lines[].sku"].kind == "any"
    assert (found["lines[].qty"].kind, found["lines[].qty"].default) == ("integer", 1)
    assert found["region"].default == "north"


def loop(id: str, *states: Any) -> dict[str, Any]:
    """A loop over states, of which the first begins."""
    return {
        "id": id, "name": id, "type": "Foreach", "end": True, "transition": "", "start": states[0]["id"],
        "input_collection": "$.lines", "iteration_param": "$.line", "states": list(states),
    }  # fmt: skip


def test_a_loop_reads_the_input_beside_its_items() -> None:
    found = places(shape_of(flow(loop("l", step("a", {"sku": "$.line.sku", "region": "$.region | north"})))))
    assert list(found) == ["lines", "lines[]", "lines[].sku", "region"]


def test_loops_in_loops_and_states_in_loops_are_followed() -> None:
    inner = {
        "id": "inner", "name": "inner", "type": "Foreach", "end": True, "transition": "",
        "input_collection": "$.line.parts", "iteration_param": "$.part",
        "actions": [action("f", {"p": "$.part.no | 7"})],
    }  # fmt: skip
    outer = {
        "id": "outer", "name": "outer", "type": "Foreach", "end": True, "transition": "", "start": "inner",
        "input_collection": "$.order.lines", "iteration_param": "$.line", "states": [inner],
    }  # fmt: skip
    found = places(shape_of(flow(outer)))
    assert {path: node.kind for path, node in found.items()} == {
        "order": "object",
        "order.lines": "array",
        "order.lines[]": "object",
        "order.lines[].parts": "array",
        "order.lines[].parts[]": "object",
        "order.lines[].parts[].no": "integer",
    }


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
    path, node = only(flow(step("a", {"p": text}), constants={"list": [1], "object": {"a": "b"}}))
    assert (path, node.kind) == ("x", kind)
    assert node.default is MISSING if default is MISSING else same(node.default, default)
    assert node.has_default == (default is not MISSING)


def test_a_default_that_is_a_list_gives_its_items_kind() -> None:
    found = places(shape_of(flow(step("a", {"p": "$.x | $CONST.list"}), constants={"list": [1, 2]})))
    assert (found["x"].kind, found["x"].default, found["x[]"].kind) == ("array", [1, 2], "integer")


@pytest.mark.parametrize("text", ["$", "$.*", "$..x", "$.x[?@.a]", "$CONST.a", "$.constants.a", "plain", "", "$5"])
def test_what_reads_no_single_place_of_the_input_is_no_field(text: str) -> None:
    assert shape_of(flow(step("a", {"p": text}))).parts == ()


def test_templates_are_read_at_any_depth_in_their_order() -> None:
    definition = flow(step("a", {"p": [{"q": "$.one"}, "$.two"], "r": "$.three.four"}))
    assert paths(definition) == ["one", "two", "three.four"]


def test_a_path_into_an_array_is_a_field_of_its_items_without_the_default_of_one() -> None:
    found = places(shape_of(flow(step("a", {"p": "$.order.items[0].sku | 'A'", "q": "$.order.items[-1].qty"}))))
    assert found["order.items"].kind == "array"
    assert not found["order.items[].sku"].has_default
    assert "order.items[].qty" in found


def test_a_place_read_twice_is_one_field_with_the_default_found_later() -> None:
    path, node = only(flow(step("a", {"p": "$.x"}, transition="b"), step("b", {"p": "$.x | 3", "q": "$.x | 4"})))
    assert (path, node.kind, node.default) == ("x", "integer", 3)


def test_of_an_object_and_its_members_the_members_are_fields() -> None:
    definition = flow(
        step("a", {"p": "$.customer"}, transition="b"), step("b", {"p": "$.customer.id", "q": "$.customers"})
    )
    assert paths(definition, primary=True) == ["customer.id"]
    assert paths(definition, primary=False) == ["customers"]


def test_fields_follow_the_flow_and_not_the_list_of_states() -> None:
    last, first = step("b", {"p": "$.later"}), step("a", {"p": "$.sooner"}, transition="b")
    assert [(part.key, part.primary) for part in shape_of(flow(last, first, start="a")).parts] == [
        ("sooner", True),
        ("later", False),
    ]


def test_the_start_states_filter_is_the_prefix_of_its_paths() -> None:
    def with_filter(filter: str) -> dict[str, Any]:
        return flow(step("a", {"p": "$.sku", "q": "$"}, state_data_filter={"input": filter, "output": ""}))

    assert paths(with_filter("$.order")) == ["order.sku"]
    assert paths(with_filter("$.orders[0]")) == ["orders", "orders[].sku"]
    assert paths(with_filter("$"), primary=True) == ["sku"]
    assert paths(with_filter("$.orders[*]"), primary=False) == ["sku"]


def test_a_state_without_functions_hands_the_input_on() -> None:
    waiting = sleep("s", 1, transition="a") | {"state_data_filter": {"input": "$.order", "output": "$.body"}}
    assert paths(flow(waiting, step("a", {"p": "$.sku"})), primary=True) == ["order.body.sku"]


def test_the_second_action_of_a_sequence_reads_the_first_ones_output() -> None:
    one, two = {"p": "$.x"}, {"p": "$.y"}
    assert paths(flow(step("a", one, two)), primary=True) == ["x"]
    assert paths(flow(step("a", one, two, action_mode="parallel")), primary=True) == ["x", "y"]


def switch(*conditions: str, **more: Any) -> dict[str, Any]:
    cases = [{"name": f"c{at}", "condition": text, "transition": "end"} for at, text in enumerate(conditions)]
    return {"id": "s", "name": "s", "type": "Switch", "data_conditions": cases, "default": {"transition": "end"}} | more


def test_conditions_give_the_values_that_they_tell_apart() -> None:
    conditions = [
        "$.kind == 'retail' && $.qty >= $CONST.large",
        "$.kind == 'whole\\'sale' || !($['odd key'] != true)",
        "$.kind == '*' || $.price < 0.5 || $.other == $.kind",
    ]
    found = places(shape_of(flow(switch(*conditions), end(), constants={"large": 12})))
    assert found["kind"].examples == ("retail", "whole'sale")
    assert (found["qty"].kind, found["qty"].examples) == ("integer", (12,))
    assert found["['odd key']"].kind == "boolean"
    assert found["price"].examples == (0.5,)
    assert "other" not in found


def test_a_condition_on_a_functions_result_says_nothing_of_the_input() -> None:
    definition = flow(step("a", {"x": "$.x"}, transition="s"), switch("$.decision == 'ship'"), end())
    assert paths(definition) == ["x"]


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
        {"states": [{"id": "a", "type": "Foreach", "input_collection": 5, "iteration_param": [], "states": 7}]},
        {"states": [{"id": "a", "type": "Switch", "data_conditions": [{"condition": "$.a == "}, {"condition": 5}]}]},
        flow(step("a", {"p": f"$.{'x' * 5000} | {'9' * 5000}"}), constants=[]),
        flow(functools.reduce(lambda inner, at: loop(f"l{at}", inner), range(30), step("a", {"p": "$.x"}))),
    ],
)
def test_an_odd_definition_is_never_fatal(odd: Any) -> None:
    assert shape_of(odd).kind in ("object", "any")


@pytest.mark.parametrize("name", SAMPLES)
@given(data=st.data())
def test_a_definition_with_anything_in_it_is_never_fatal(name: str, data: st.DataObject) -> None:
    definition = copy.deepcopy(SAMPLES[name])
    target: Any = definition
    while isinstance(target, (dict, list)) and target:
        key = data.draw(st.sampled_from(list(target) if isinstance(target, dict) else list(range(len(target)))))
        if data.draw(st.booleans()):
            target[key] = data.draw(json_values)
            break
        target = target[key]
    assert all(path for path in places(shape_of(definition)))


# --- of earlier inputs ---------------------------------------------------------------------------


def test_earlier_inputs_give_types_ranges_and_the_values_that_came_most() -> None:
    samples = [{"sku": sku, "qty": qty, "price": 0.5} for sku, qty in (("B-7", 9), ("A-100", 1), ("A-100", 3))]
    found = places(with_samples(shape_of(SAMPLES["order-triage"]), samples))
    assert (found["sku"].kind, found["sku"].examples) == ("text", ("A-100", "B-7"))
    assert found["qty"].hints == ("so far 1 to 9",)
    assert found["qty"].default == 1
    assert found["price"].kind == "number"
    assert not any(node.strict for node in found.values())


def test_a_place_that_inputs_had_is_the_inputs_own() -> None:
    shape = with_samples(shape_of(SAMPLES["order-triage"]), [{"customer": {"id": 7, "new": True}}])
    assert {part.key: part.primary for part in shape.parts}["customer"]
    found = places(shape)
    assert (found["customer"].kind, found["customer.id"].kind, found["customer.new"].kind) == (
        "object",
        "integer",
        "boolean",
    )


def test_null_that_came_makes_a_place_one_that_may_be_null() -> None:
    found = places(with_samples(Node(kind="object"), [{"note": None}, {"note": "x"}, {"n": 1}]))
    assert (found["note"].kind, found["note"].nullable, found["n"].nullable) == ("text", True, False)


def test_texts_that_look_like_numbers_stay_texts() -> None:
    found = places(with_samples(Node(kind="object"), [{"id": "00123"}, {"id": "00124"}]))
    assert (found["id"].kind, found["id"].examples) == ("text", ("00123", "00124"))


def test_inputs_that_contradict_the_definition_or_each_other_make_it_any_and_say_so() -> None:
    found = places(with_samples(shape_of(SAMPLES["order-triage"]), [{"qty": "lots", "sku": "A"}, {"sku": 5}]))
    assert (found["qty"].kind, found["qty"].default) == ("any", 1)
    assert found["qty"].hints == ("so far text",)
    assert (found["sku"].kind, found["sku"].hints) == ("any", ("so far integer, text",))


def test_lists_give_the_shape_of_their_items() -> None:
    samples = [{"lines": [{"sku": "A", "qty": 1}, {"sku": "B"}], "tags": ["x"]}, {"lines": [], "tags": []}]
    found = places(with_samples(Node(kind="object"), samples))
    assert [found[path].kind for path in ("lines", "lines[].sku", "lines[].qty", "tags[]")] == [
        "array",
        "text",
        "integer",
        "text",
    ]
    assert found["lines"].hints == ("so far 0 to 2 items",)


def test_numbers_of_which_some_are_whole_are_numbers() -> None:
    found = places(with_samples(Node(kind="object"), [{"price": 1}, {"price": 2.5}]))
    assert (found["price"].kind, found["price"].hints) == ("number", ("so far 1 to 2.5",))


def test_keys_that_are_data_make_no_fields() -> None:
    samples = [{"prices": {f"id-{number}": 1.5}} for number in range(100)]
    assert places(with_samples(Node(kind="object"), samples))["prices"].kind == "json"


def test_a_secret_is_never_offered_and_a_masked_one_is_no_sample() -> None:
    found = places(with_samples(Node(kind="object"), [{"password": "geheim", "n": 1}, {"password": "***", "n": "***"}]))
    assert found["password"].examples == ()
    assert found["n"].kind == "integer"


def test_what_came_but_once_each_time_is_not_offered() -> None:
    found = places(with_samples(Node(kind="object"), [{"id": f"order-{number}"} for number in range(50)]))
    assert found["id"].examples == ()


@given(samples=st.lists(json_values, max_size=6))
def test_any_earlier_inputs_are_taken(samples: list[Any]) -> None:
    shape = with_samples(shape_of(SAMPLES["batch-order"]), samples)
    assert {"lines", "region"} <= {part.key for part in shape.parts} or shape.kind == "json"


def test_the_newest_inputs_of_the_history_are_read_and_none_if_it_is_off(connect: Any, tmp_path: Any) -> None:
    session: Session = connect("local", history=tmp_path / "runs.sqlite")
    session.sweep("order-triage", {"qty": range(LIMIT + 50)}, base={"sku": "A-100"}, progress=False)
    started = time.monotonic()
    found = earlier_inputs(session, "order-triage")
    assert time.monotonic() - started < SECONDS + 2
    assert len(found) <= LIMIT
    assert {"sku", "qty"} == found[0].keys()
    assert earlier_inputs(connect("local", history="off"), "order-triage") == []


def test_a_history_that_is_slow_to_read_gives_what_was_read_by_then(
    connect: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Session = connect("local", history=tmp_path / "runs.sqlite")
    session.sweep("order-triage", {"qty": range(3)}, base={"sku": "A-100"}, progress=False)
    monkeypatch.setattr(schema_history, "SECONDS", 0)
    assert earlier_inputs(session, "order-triage") == [{"qty": 2, "sku": "A-100"}]


# --- of a JSON Schema ----------------------------------------------------------------------------

ORDER = {
    "type": "object",
    "required": ["name", "pay"],
    "properties": {
        "name": {"type": "string", "title": "Customer", "description": "who orders", "minLength": 2},
        "qty": {"type": "integer", "minimum": 1, "maximum": 50, "default": 5},
        "level": {"enum": ["gold", 1, None]},
        "when": {"type": "string", "format": "date"},
        "note": {"type": ["string", "null"]},
        "either": {"type": ["string", "integer"]},
        "address": {"$ref": "#/$defs/Address", "title": "Ship to"},
        "maybe": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "pair": {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]},
        "pay": {
            "oneOf": [
                {
                    "title": "Card",
                    "properties": {"kind": {"const": "card"}, "no": {"type": "string"}},
                    "required": ["no"],
                },
                {"properties": {"kind": {"const": "iban"}, "iban": {"type": "string"}}, "required": ["kind", "iban"]},
            ]
        },
        "size": {"oneOf": [{"const": 1, "title": "small"}, {"const": 2, "title": "large"}]},
        "free": {"type": "object", "additionalProperties": {"type": "integer"}},
        "both": {"allOf": [{"$ref": "#/$defs/Address"}, {"properties": {"floor": {"type": "integer"}}}]},
        "tree": {"$ref": "#/$defs/Tree"},
        "nothing": False,
        "anything": True,
        "unknown": {"$ref": "#/$defs/None"},
    },
    "$defs": {
        "Address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "Tree": {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}}},
        "Loop": {"$ref": "#/$defs/Loop"},
    },
}


WHOLE = ORDER | {"properties": {key: one for key, one in ORDER["properties"].items() if key != "unknown"}}  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def order() -> dict[str, Node]:
    """The members of ORDER."""
    return {part.key: part.node for part in node_of(ORDER).parts}


def test_types_texts_bounds_and_defaults_are_read(order: dict[str, Node]) -> None:
    assert (order["name"].title, order["name"].help, order["name"].hints) == (
        "Customer",
        "who orders",
        ("at least 2 characters",),
    )
    assert (order["qty"].kind, order["qty"].default, order["qty"].hints) == ("integer", 5, ("1 to 50",))
    assert order["when"].hints == ("a date such as 2026-01-31",)
    assert all(node.strict for node in order.values())
    assert [part.key for part in node_of(ORDER).parts if part.required] == ["name", "pay"]


def test_choices_keep_their_types_and_names(order: dict[str, Node]) -> None:
    assert (order["level"].kind, order["level"].choices) == ("choice", ("gold", 1, None))
    assert (order["size"].choices, order["size"].labels) == ((1, 2), ("small", "large"))


def test_null_is_read_in_all_its_spellings(order: dict[str, Node]) -> None:
    assert (order["note"].kind, order["note"].nullable) == ("text", True)
    assert (order["maybe"].kind, order["maybe"].nullable, order["maybe"].default) == ("object", True, None)
    assert order["either"].kind == "any"
    size = node_of({"oneOf": [{"const": 1, "title": "small"}, {"const": 2}, {"type": "null"}]})
    assert (size.choices, size.labels, size.nullable) == ((1, 2, None), ("small", "2", "null"), True)
    assert node_of({"type": "null"}).choices == (None,)


def test_references_and_all_of_are_followed(order: dict[str, Node]) -> None:
    assert (order["address"].title, [part.key for part in order["address"].parts]) == ("Ship to", ["city"])
    assert sorted(part.key for part in order["both"].parts) == ["city", "floor"]
    tree = order["tree"]
    for _ in range(20):  # as deep as one likes
        tree = tree.parts[0].node.item
    assert tree.kind == "object"


def test_references_lead_to_names_ids_and_items_of_lists_and_nowhere_else() -> None:
    members = {
        "named": {"$ref": "#here"},
        "marked": {"$ref": "#there"},
        "whole": {"$ref": "https://example.com/root#/$defs/whole"},
        "item": {"$ref": "#/allOf/0/properties/first"},
        "elsewhere": {"$ref": "other"},
    }
    schema = {
        "$id": "https://example.com/root",
        "allOf": [{"properties": {"first": {"type": "integer"}}, "required": ["item", "first"]}, True],
        "properties": members,
        "required": ["named", "item"],
        "$defs": {
            "here": {"$anchor": "here", "type": "boolean"},
            "there": {"$dynamicAnchor": "there", "type": "number"},
            "whole": {"type": "string"},
            "other": {"$id": "other", "type": "string"},
        },
    }
    Validator(schema)
    parts = node_of(schema).parts
    assert {part.key: part.node.kind for part in parts} == {
        "first": "integer",
        "named": "boolean",
        "marked": "number",
        "whole": "text",
        "item": "integer",
        "elsewhere": "json",
    }
    assert sorted(part.key for part in parts if part.required) == ["first", "item", "named"]


@pytest.mark.parametrize("schema", [{"allOf": [{"$ref": "#"}]}, {"allOf": [False]}])
def test_what_can_not_be_put_together_is_raw_json(schema: Any) -> None:
    Validator(schema)
    assert node_of(schema).kind == "json"


def test_what_a_schema_demands_is_said_in_words() -> None:
    members: dict[str, Any] = {
        "share": {"exclusiveMinimum": 0, "exclusiveMaximum": 1},
        "even": {"multipleOf": 2, "maximum": 10},
        "code": {"minLength": 3, "maxLength": 3, "pattern": "^[A-Z]+$"},
        "pair": {"minItems": 1, "maxItems": 2},
        "text": {"maxLength": 9, "format": "color"},
    }
    assert {part.key: part.node.hints for part in node_of({"properties": members}).parts} == {
        "share": ("more than 0", "less than 1"),
        "even": ("at most 10", "a multiple of 2"),
        "code": ("3 characters", "of the form ^[A-Z]+$"),
        "pair": ("1 to 2 items",),
        "text": ("color", "at most 9 characters"),
    }


def test_variants_are_named_by_what_they_hold() -> None:
    variants = [
        {"enum": ["a", "b"]},
        {"properties": {"x": {}, "y": {}}, "required": ["y"]},
        {"properties": {"p": {"enum": [1, 2]}, "q": {}}},
        {"properties": {"n": {"const": 5}}},
        {"type": "array"},
        {"type": "integer"},
        {},
    ]
    names = [part.key for part in node_of({"oneOf": variants}).parts]
    assert names == ['"a", "b"', "y", "p, q", "5", "list", "integer", "variant 7"]


def test_variants_are_named_by_their_title_or_what_tells_them_apart(order: dict[str, Node]) -> None:
    assert [(part.key, part.place) for part in order["pay"].parts] == [("Card", 0), ("iban", 1)]


def test_what_can_not_be_expressed_is_raw_json(order: dict[str, Node]) -> None:
    assert [order[key].kind for key in ("pair", "free", "nothing", "unknown")] == ["json"] * 4
    assert order["anything"].kind == "any"
    assert node_of({"$ref": "#/$defs/Loop", "$defs": ORDER["$defs"]}).kind == "json"


def test_a_value_to_begin_with_has_what_is_required_and_what_has_a_default() -> None:
    node = node_of(ORDER)
    assert initial(node) == {"qty": 5, "maybe": None}
    pay = {part.key: part.node for part in node.parts}["pay"]
    assert blank(pay) == {}
    assert blank(pay.parts[1].node) == {"kind": "iban"}
    endless = node_of(
        {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]}}}
    )
    assert initial(endless) != MISSING


def test_a_value_is_most_like_the_variant_that_it_fits(order: dict[str, Node]) -> None:
    card, iban = (part.node for part in order["pay"].parts)
    assert likeness(card, {"kind": "card", "no": "1"}) > likeness(iban, {"kind": "card", "no": "1"})
    assert likeness(card, {"kind": "iban"}) < likeness(iban, {"kind": "iban"})
    assert likeness(card, "text") == -9
    assert likeness(order["note"], None) > likeness(order["either"], None)


def test_a_pydantic_model_is_its_schema() -> None:
    class Model:
        @classmethod
        def model_json_schema(cls) -> dict[str, Any]:
            return {"type": "object", "properties": {"a": {"type": "integer"}}}

    class Adapter:
        def json_schema(self) -> dict[str, Any]:
            return {"type": "object"}

    assert schema_of(Model)["properties"] == {"a": {"type": "integer"}}
    assert schema_of(Adapter()) == {"type": "object"}


def test_a_real_pydantic_model_is_read() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Order", sku=(str, ...), qty=(int, pydantic.Field(1, ge=1, description="how many")))
    node = node_of(schema_of(model))
    assert [(part.key, part.node.kind, part.required) for part in node.parts] == [
        ("sku", "text", True),
        ("qty", "integer", False),
    ]
    assert node.parts[1].node.help == "how many"


@pytest.mark.parametrize("given", [5, "text", [1], object()])
def test_what_is_no_schema_is_refused(given: Any) -> None:
    with pytest.raises(InputError, match="a schema is a JSON Schema"):
        schema_of(given)


@given(data=st.data())
def test_a_valid_schema_with_anything_in_it_is_never_fatal(data: st.DataObject) -> None:
    schema = copy.deepcopy(WHOLE)
    target: Any = schema
    while isinstance(target, (dict, list)) and target:
        key = data.draw(st.sampled_from(list(target) if isinstance(target, dict) else list(range(len(target)))))
        if data.draw(st.booleans()):
            target[key] = data.draw(json_values)
            break
        target = target[key]
    try:
        Validator(schema)
    except InputError:  # refused before it is read
        return
    node = node_of(schema)
    initial(node)
    for part in list(node.parts)[:30] if node.kind in ("object", "union") else ():
        blank(part.node)
        likeness(part.node, {"a": 1})


# --- what it finds wrong -------------------------------------------------------------------------


def test_every_problem_is_found_with_its_place() -> None:
    value = {
        "qty": 70,
        "level": "tin",
        "when": "soon",
        "tags": ["a", "a", 5],
        "address": {},
        "nothing": 1,
        "pay": {"kind": "card"},
    }
    found = {(format_path(issue.path), issue.message) for issue in Validator(WHOLE).issues(value, lambda path: 0)}
    assert found == {
        ("name", "required"),
        ("qty", "greater than the maximum of 50"),
        ("level", 'not one of "gold", 1 or null'),
        ("when", "not a valid date"),
        ("tags", "has non-unique elements"),
        ("tags[2]", "not a text"),
        ("address.city", "required"),
        ("nothing", "nothing may stand here"),
        ("pay.no", "required"),
    }


def test_of_variants_only_the_problems_of_the_chosen_one_count() -> None:
    value = {"name": "Ada", "pay": {"kind": "card"}}
    validator = Validator(WHOLE)
    assert [issue.path for issue in validator.issues(value, lambda path: 0)] == [("pay", "no")]
    second = [(issue.path, issue.message) for issue in validator.issues(value, lambda path: 1)]
    assert second == [(("pay", "iban"), "required"), (("pay", "kind"), '"iban" was expected')]
    assert [issue.path for issue in validator.issues({"name": "Ada", "pay": {"kind": "iban"}})] == [("pay", "iban")]


def test_members_that_may_not_be_there_are_named() -> None:
    issues = Validator({"properties": {"a": {}}, "additionalProperties": False}).issues({"a": 1, "b": 2, "c": 3})
    assert [(issue.path, issue.message) for issue in issues] == [
        (("b",), "not allowed here"),
        (("c",), "not allowed here"),
    ]


def test_variants_that_fit_together_are_too_many() -> None:
    validator = Validator({"oneOf": [{"type": "integer"}, {"minimum": 1}, {"type": "string"}]})
    for chosen in (None, 0, 2):
        (issue,) = validator.issues(5, lambda path, chosen=chosen: chosen)  # type: ignore[misc]
        assert issue.message == "several of the variants fit, but only one may"


def test_of_very_many_problems_the_first_are_told() -> None:
    issues = Validator({"items": {"type": "integer"}}).issues(["x"] * 10_000)
    assert [issue.path for issue in issues] == [(at,) for at in range(MOST)]


def test_messages_do_not_repeat_the_value() -> None:
    secret = {"name": "x", "pay": {"no": "geheim", "kind": "card"}, "qty": "geheim", "level": {"token": "geheim"}}
    assert "geheim" not in str(Validator(WHOLE).issues(secret))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "at type"),
        ({"properties": {"a": {"$ref": "http://example.com/a.json"}}}, "nothing is fetched"),
        ({"$ref": "#/$defs/none"}, "does not exist"),
        ({"properties": {"a": {"pattern": "("}}}, "at properties.a.pattern"),
    ],
)
def test_a_schema_that_is_not_valid_is_refused_with_the_place(schema: Any, said: str) -> None:
    with pytest.raises(InputError, match="the schema is not valid") as caught:
        Validator(schema)
    assert said in str(caught.value)
