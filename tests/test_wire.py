"""Limits, patterns and leniency of the service's contract: wire.py."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fgnb.definition import name_of, read_definition
from fgnb.errors import DefinitionError
from fgnb.wire import (
    ErrorBody,
    FunctionEntry,
    Operation,
    Sleep,
    SyncExecution,
    WorkflowDefinition,
    WorkflowInfo,
    WorkflowPage,
    execute_body,
    format_time,
    parse,
    parse_time,
    state_names,
    workflows_path,
)
from tests.flows import action, end, flow, one_call, sleep, state

STATE = "$.states[0]"


def parse_definition(value: Any) -> WorkflowDefinition:
    """Return a definition as it is read, or raise what is wrong with its fields."""
    reading = read_definition(value)
    if reading.problems or reading.definition is None:
        raise DefinitionError(reading.problems, name=name_of(value))
    return reading.definition


def changed(path: str, value: Any) -> dict[str, Any]:
    """Return a valid definition with the value at a dotted path replaced, or taken away by `...`."""
    definition = flow(
        state("a", action("f"), transition="b", on_errors=[{"error": ""}], state_data_filter={"input": "$"}),
        sleep("b", 1, transition="c"),
        end("c"),
        retries=[{"name": "r"}],
        triggers=[{"trigger_name": "t", "trigger_type": "OBS"}],
        express_config={"log_level": "NONE"},
    )
    target: Any = definition
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in way:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return definition


def jsonpath(path: str) -> str:
    return "$" + "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in path.split("."))


FINE = [
    ("name", "a"),
    ("name", "x" * 64),
    ("name", "_aZ0().-函数"),
    ("description", ""),
    ("description", "x" * 512),
    ("description", None),
    ("start", "x" * 256),
    ("functions", []),
    ("functions", [{"name": str(n), "operation": ""} for n in range(100)]),
    ("functions.0.name", ""),
    ("functions.0.name", "x" * 256),
    ("functions.0.operation", "x" * 256),
    ("functions.0.metadata", {"any": [1]}),
    ("functions.0.metadata", None),
    ("constants", {"any": {"thing": [1, None]}}),
    ("retries", []),
    ("retries", [{"name": f"r{n}"} for n in range(200)]),
    ("retries.0.name", "x" * 256),
    ("retries.0.delay", 1),
    ("retries.0.delay", 30),
    ("retries.0.max_attempts", 1),
    ("retries.0.max_attempts", 8),
    ("mode", "NORMAL"),
    ("mode", ...),
    ("express_config", None),
    ("express_config.log_level", "ALL"),
    ("express_config.log_level", "ERROR"),
    ("enterprise_project_id", "x" * 64),
    ("enterprise_project_id", None),
    ("enable_stream_response", True),
    ("triggers", None),
    ("triggers.0.trigger_name", "x" * 256),
    ("triggers.0.trigger_type", "FLOWTIMER"),
    ("triggers.0.trigger_config", {"bucket": "b"}),
    ("triggers.0.enabled", False),
    ("states.0.id", "x" * 64),
    ("states.0.name", "x" * 256),
    ("states.0.transition", ""),
    ("states.0.transition", "x" * 256),
    ("states.0.action_mode", ""),
    ("states.0.action_mode", "parallel"),
    ("states.0.action_mode", None),
    ("states.0.actions", [action("f")] * 10),
    ("states.0.actions.0.invoke_mode", "synchronize"),
    ("states.0.actions.0.function_ref.invoke_mode", "synchronize"),
    ("states.0.actions.0.function_ref.ref_name", ""),
    ("states.0.actions.0.function_ref.arguments", {"deep": [{"x": None}]}),
    ("states.0.state_data_filter", None),
    ("states.0.state_data_filter.input", ""),
    ("states.0.state_data_filter.input", "x" * 256),
    ("states.0.on_errors", None),
    ("states.0.on_errors", [{}] * 200),
    ("states.0.on_errors.0.error", "x" * 256),
    ("states.1.duration", 0.001),
    ("states.1.duration", 86400),
    ("states.1.duration", 2.5),
    ("states.1.actions", ...),
    ("states.1.actions", None),
    ("states.2.actions", ...),
    ("a_field_of_tomorrow", {"kept": 1}),
    ("states.0.a_field_of_tomorrow", 1),
    ("states.0.duration", "ignored on other types"),
]


@pytest.mark.parametrize(("path", "value"), FINE, ids=[path for path, _ in FINE])
def test_values_at_the_borders_are_accepted(path, value):
    parse_definition(changed(path, value))


MISSING_FIELDS = [
    "name", "start", "functions", "states", "constants", "retries", "functions.0.name", "functions.0.operation",
    "retries.0.name", "triggers.0.trigger_name", "triggers.0.trigger_type", "states.0.id", "states.0.name",
    "states.0.end", "states.0.transition", "states.0.actions", "states.0.actions.0.function_ref",
    "states.0.actions.0.function_ref.ref_name", "states.0.actions.0.function_ref.arguments", "states.1.duration",
]  # fmt: skip


@pytest.mark.parametrize("path", MISSING_FIELDS)
def test_a_missing_field_is_named_with_the_object_it_is_missing_from(path):
    with pytest.raises(DefinitionError) as caught:
        parse_definition(changed(path, ...))
    (problem,) = caught.value.problems
    parent, _, field = path.rpartition(".")
    assert problem.path == (jsonpath(parent) if parent else "$")
    assert f"missing required field `{field}`" in problem.message
    if parent == "states.0":
        assert problem.state == (None if field == "id" else "a")


BAD = [
    ("name", ""),
    ("name", "x" * 65),
    ("name", "with space"),
    ("name", "line\nbreak"),
    ("name", "ends-with-a-break\n"),
    ("name", "comma,"),
    ("name", "é"),
    ("name", 5),
    ("name", None),
    ("description", "x" * 513),
    ("description", "with space"),
    ("start", ""),
    ("start", "x" * 257),
    ("functions", [{"name": str(n), "operation": ""} for n in range(101)]),
    ("functions", {}),
    ("functions.0.name", "x" * 257),
    ("functions.0.operation", "x" * 257),
    ("functions.0.metadata", "text"),
    ("constants", None),
    ("constants", []),
    ("retries", [{"name": f"r{n}"} for n in range(201)]),
    ("retries.0.name", ""),
    ("retries.0.name", "with space"),
    ("retries.0.name", "x" * 257),
    ("retries.0.delay", 0),
    ("retries.0.delay", 31),
    ("retries.0.delay", "1"),
    ("retries.0.delay", True),
    ("retries.0.max_attempts", 0),
    ("retries.0.max_attempts", 9),
    ("retries.0.max_attempts", 1.5),
    ("mode", "express"),
    ("mode", None),
    ("express_config.log_level", "INFO"),
    ("enterprise_project_id", "x" * 65),
    ("enable_stream_response", "true"),
    ("enable_stream_response", 1),
    ("triggers", [{"trigger_name": "t", "trigger_type": "OBS"}] * 201),
    ("triggers.0.trigger_name", ""),
    ("triggers.0.trigger_name", "x" * 257),
    ("triggers.0.trigger_type", "x" * 33),
    ("triggers.0.enabled", "yes"),
    ("states", []),
    ("states", [end(str(n)) for n in range(101)]),
    ("states.0", "text"),
    ("states.0.id", ""),
    ("states.0.id", "x" * 65),
    ("states.0.id", 1),
    ("states.0.name", ""),
    ("states.0.name", "x" * 257),
    ("states.0.name", "with space"),
    ("states.0.end", "true"),
    ("states.0.end", 0),
    ("states.0.transition", None),
    ("states.0.transition", "x" * 257),
    ("states.0.action_mode", "both"),
    ("states.0.actions", []),
    ("states.0.actions", [action("f")] * 11),
    ("states.0.actions", None),
    ("states.0.actions.0.invoke_mode", "async"),
    ("states.0.actions.0.function_ref.ref_name", "x" * 257),
    ("states.0.actions.0.function_ref.arguments", None),
    ("states.0.actions.0.function_ref.arguments", [1]),
    ("states.0.state_data_filter", "$"),
    ("states.0.state_data_filter.input", "x" * 257),
    ("states.0.state_data_filter.input", None),
    ("states.0.on_errors", [{}] * 201),
    ("states.0.on_errors.0.error", "x" * 257),
    ("states.0.on_errors.0.transition", 5),
    ("states.1.duration", 0.0009),
    ("states.1.duration", 86401),
    ("states.1.duration", "5"),
    ("states.1.duration", True),
    ("states.1.actions", [action("f")]),
    ("states.2.actions", [action("f")]),
]


@pytest.mark.parametrize(("path", "value"), BAD, ids=[path for path, _ in BAD])
def test_a_value_out_of_bounds_is_named_with_its_path_and_state(path, value):
    with pytest.raises(DefinitionError) as caught:
        parse_definition(changed(path, value))
    (problem,) = caught.value.problems
    assert problem.path == jsonpath(path)
    assert problem.message
    assert problem.message[0].islower()
    if path.startswith("states.0.") and path != "states.0.id":
        assert problem.state == "a"
        assert str(problem).startswith(f"state 'a', {STATE}")
    elif not path.startswith("states"):
        assert problem.state is None


@pytest.mark.parametrize("path", ["name", "description", "states.0.name", "retries.0.name"])
def test_a_name_that_breaks_the_pattern_is_told_the_rule_in_words(path):
    with pytest.raises(DefinitionError, match=r"letters, digits, .* without spaces") as caught:
        parse_definition(changed(path, "with space"))
    assert "regex" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("operation", "did you mean Operation"), ("Slep", "did you mean Sleep"), ("Xyz", "known: Operation, Sleep, End")],
)
def test_an_unknown_kind_of_state_names_the_nearest_or_all(kind, words):
    with pytest.raises(DefinitionError, match=words) as caught:
        parse_definition(changed("states.0.type", kind))
    (problem,) = caught.value.problems
    assert (problem.path, problem.state) == ("$.states[0].type", "a")


@pytest.mark.parametrize("value", [None, [], "text", 5, True])
def test_what_is_no_object_is_no_definition(value):
    with pytest.raises(DefinitionError) as caught:
        parse_definition(value)
    assert caught.value.problems[0].path == "$"


def test_defaults_of_a_definition():
    definition = parse_definition(one_call("f") | {"retries": [{"name": "r"}]})
    assert (definition.retries[0].delay, definition.retries[0].max_attempts) == (1, 3)
    (only,) = definition.states
    assert isinstance(only, Operation)
    assert only.action_mode == "sequential"
    assert isinstance(parse_definition(flow(sleep("s", 5))).states[0], Sleep)


@pytest.mark.parametrize(
    ("last", "transition", "following"), [(True, "x", None), (True, "", None), (False, "", None), (False, "x", "x")]
)
def test_what_follows_a_state(last, transition, following):
    definition = parse_definition(flow(state("a", action("f"), end=last) | {"transition": transition}))
    assert definition.states[0].next == following


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("urn:fss:cn-north-7:c536:function:default:workflow_python:latest", "workflow_python"),
        ("urn:fss:cn-north-7:c536:function:default:price:!release", "price"),
        ("urn:fss:cn-north-7:c536:function:default:price", "price"),
        ("urn:fss:{regin}:c536:test:latest", "test"),
        ("urn:fss:cn-north-7:*:test_workflow", "test_workflow"),
        ("urn:fss:cn-north-7:c536:function:default::latest", "own"),
        ("urn:fss:cn-north-7", "own"),
        ("price", "price"),
        ("", "own"),
    ],
)
def test_a_functions_name_is_the_name_segment_of_its_urn_else_its_own(operation, name):
    assert FunctionEntry(name="own", operation=operation).urn_name == name


# --- answers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"output": None, "errors": None, "begin_time": None, "end_time": None},
        {"output": {}, "errors": [], "begin_time": "", "end_time": ""},
        {"new": 1, "errors": [{"node_id": "n", "new": 1}]},
        {"errors": [{"node_id": "n", "error_message": "m", "begin_time": None, "end_time": "x"}]},
    ],
)
def test_an_execution_may_leave_out_what_does_not_apply(more):
    execution = parse({"execution_id": "e", "status": "success"} | more, SyncExecution)
    assert (execution.execution_id, execution.status) == ("e", "success")
    assert not execution.output
    assert all(error.node_id == "n" for error in execution.errors or ())


@pytest.mark.parametrize("output", [{"a": 1}, [1], "text", 0, False])
def test_an_output_may_be_any_json_value(output):
    assert parse({"execution_id": "e", "status": "success", "output": output}, SyncExecution).output == output


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"status": "success"}, "execution_id"),
        ({"execution_id": "e", "status": None}, r"\$\.status"),
        ({"execution_id": "e", "status": "fail", "errors": [{}]}, r"\$\.errors\[0\]"),
        ({"execution_id": "e", "status": "fail", "errors": {}}, r"\$\.errors"),
        ([], r"\$"),
        (None, r"\$"),
    ],
)
def test_an_answer_of_another_form_is_an_error_with_its_path(value, words):
    with pytest.raises(ValueError, match=words):
        parse(value, SyncExecution)


def test_no_field_of_an_error_body_is_required():
    assert parse({}, ErrorBody) == ErrorBody()
    assert parse({"error_code": None, "new": 1}, ErrorBody) == ErrorBody()


def test_a_shown_workflow_keeps_fields_we_do_not_know():
    definition = {"name": "x", "new": {"kept": True}}
    value = {"id": "1", "definition": definition, "lts_group_id": "g"}
    assert parse(value, WorkflowInfo).definition == definition
    assert parse({}, WorkflowPage).workflows == ()


def test_bodies_and_paths():
    assert execute_body(b'{"a":1}') == b'{"input":{"a":1}}'
    assert execute_body(b"{}", {"h": "1"}) == b'{"headers":{"h":"1"},"input":{}}'
    assert execute_body(b"null", {}) == b'{"input":null}'
    assert workflows_path("p") == "/v2/p/fgs/workflows"
    assert workflows_path("p", "w") == "/v2/p/fgs/workflows/w"
    assert workflows_path("p", "w", "sync-executions") == "/v2/p/fgs/workflows/w/sync-executions"


@pytest.mark.parametrize(
    ("definition", "names"),
    [
        (one_call("f"), {"f": "f"}),
        ({"states": [{"id": "a", "name": "A"}, {"id": "b"}, {"id": 1, "name": "x"}, "text", None]}, {"a": "A"}),
        ({"states": {"a": 1}}, {}),
        ({}, {}),
    ],
)
def test_names_of_states_are_read_as_far_as_they_can_be(definition, names):
    assert state_names(definition) == names


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2021-01-01T00:00:05Z", datetime(2021, 1, 1, 0, 0, 5, tzinfo=UTC)),
        ("2021-01-01T08:00:05+08:00", datetime(2021, 1, 1, 0, 0, 5, tzinfo=UTC)),
        ("2021-01-01T00:00:05.250Z", datetime(2021, 1, 1, 0, 0, 5, 250_000, tzinfo=UTC)),
        ("2021-01-01T00:00:05", datetime(2021, 1, 1, 0, 0, 5, tzinfo=UTC)),
        ("2021-01-01 00:00:05", datetime(2021, 1, 1, 0, 0, 5, tzinfo=UTC)),
        ("2021-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("1605119892050", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_times_are_read_as_utc_or_not_at_all(text, time):
    found = parse_time(text)
    assert found == time
    assert found is None or found.utcoffset() == timedelta(0)


def test_times_are_written_as_the_service_does():
    time = datetime(2021, 1, 1, 0, 0, 5, 999_999, tzinfo=UTC)
    assert format_time(time) == "2021-01-01T00:00:05Z"
    assert parse_time(format_time(time)) == time.replace(microsecond=0)
