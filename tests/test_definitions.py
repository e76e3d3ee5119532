"""What is wrong with a definition is said at once and with its place: local/definitions.py."""

import contextlib

import pytest

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.errors import DefinitionError
from fgnb.local.definitions import compile_definition
from fgnb.local.options import Options
from fgnb.local.samples import sample_definitions
from fgnb.local.service import Service
from tests.flows import PROJECT, action, ask, end, flow, one_call, sleep, state

# The request sample of CreateWorkflow, verbatim.
SMALL = {
    "name": "workflow_test",
    "start": "test",
    "constants": {},
    "functions": [{"name": "test", "operation": f"urn:fss:{{regin}}:{PROJECT}:test:latest"}],
    "retries": [{"name": "test"}],
    "states": [
        {
            "id": "test",
            "name": "test",
            "type": "Operation",
            "end": False,
            "transition": "end",
            "actions": [{"function_ref": {"ref_name": "test", "arguments": {"execution_name": "$.test"}}}],
        },
        {
            "id": "end",
            "name": "end",
            "type": "End",
            "end": True,
            "transition": "",
            "action_mode": "",
            "actions": [],
            "state_data_filter": {"input": "", "output": ""},
        },
    ],
}

RESIZE_PARAMETERS = ("color", "h", "l", "limit", "m", "p", "s", "w")

# The field examples of CreateWorkflow put together, with what they leave out: name, start, retries.
RESIZE = {
    "name": "test-flow",
    "start": "633a3138382e3135323a",
    "retries": [],
    "constants": {"input": {"bucket": "default_bucket"}},
    "functions": [
        {
            "name": "func1",
            "operation": f"urn:fss:cn-north-7:{PROJECT}:function:default:workflow_python:latest",
            "metadata": {
                "action_template_category": "ImageProcess",
                "action_template_name": "third_33353265306163343033633a3138382e3135323a",
                "action_template_provider_name": "iaas_obs_jwx533050_01",
                "dynamic_source": '{"input":{"bucket":"","location":"","object":""}}',
            },
        }
    ],
    "states": [
        {
            "id": "End",
            "name": "End",
            "type": "End",
            "end": True,
            "transition": "",
            "action_mode": "",
            "actions": [],
            "state_data_filter": {"input": "", "output": ""},
        },
        {
            "id": "633a3138382e3135323a",
            "name": "633a3138382e3135323a",
            "type": "Operation",
            "end": False,
            "transition": "End",
            "action_mode": "sequential",
            "state_data_filter": {"input": "$", "output": "$"},
            "actions": [
                {
                    "function_ref": {
                        "ref_name": "func1",
                        "arguments": {
                            "Records": "$.Records",
                            "dynamic_source": {
                                "input": {"bucket": "", "location": "", "object": ""},
                                "output": {
                                    "bucket": "$.inputs.resize_outbucket | $.constants.inputs.resize_outbucket.value",
                                    "location": "cn-north-7",
                                    "object": "$.inputs.resize_outpath | $.constants.inputs.resize_outpath.value",
                                    "source_path": (
                                        "$.inputs.resize_source_path | $.constants.inputs.resize_source_path.value"
                                    ),
                                },
                                "resize_param": {
                                    name: f"$.inputs.resize_{name} | $.constants.inputs.resize_{name}.value"
                                    for name in RESIZE_PARAMETERS
                                },
                            },
                            "execution_name": "$.execution_name",
                            "graph_name": "$.graph_name",
                            "inputs": "$.inputs",
                        },
                    },
                    "invoke_mode": "synchronize",
                }
            ],
        },
    ],
    "triggers": [
        {
            "enabled": True,
            "trigger_name": "test-trigger-obs",
            "trigger_type": "OBS",
            "trigger_config": {
                "bucket": "trigger-bucket",
                "events": ["OBJECT_CREATED_PUT", "OBJECT_REMOVED_DELETE"],
                "prefix": "test",
                "suffix": "py",
            },
        },
        {"enabled": True, "trigger_name": "test-trigger-smn", "trigger_type": "SMN"},
    ],
    "description": "test-flow-description",
    "mode": "NORMAL",
    "express_config": {"log_level": "NONE"},
    "enterprise_project_id": "test-project-id",
    "enable_stream_response": False,
}


def problems(definition):
    """Return what is wrong as (path, state, message)."""
    with pytest.raises(DefinitionError) as caught:
        compile_definition(definition)
    for problem in caught.value.problems:
        assert str(problem) in str(caught.value)
    return [(problem.path, problem.state, problem.message) for problem in caught.value.problems]


# --- the official examples -----------------------------------------------------------------------


@pytest.mark.parametrize("example", [SMALL, RESIZE], ids=["small", "resize"])
def test_an_official_example_is_valid_and_normal_by_default_so_it_does_not_run_synchronously(service, example):
    created = ask(service, "POST", value=example)
    assert created.status == 201, created.body
    (workflow_id,) = (summary.id for summary in service.catalog.page().workflows)
    refused = ask(service, "POST", f"/{workflow_id}/sync-executions", {"input": {}})
    assert refused.status == 400
    assert b"NORMAL" in refused.body


@pytest.fixture
def events(functions):
    """What the functions of the examples were given, in turn."""
    seen = []

    def keep(event, context):
        seen.append(event)
        return {"kept": len(seen)}

    functions.register(keep, name="test")
    functions.register(keep, name="workflow_python")
    return seen


def run(client, example, input):
    client.create(example | {"mode": "EXPRESS"})
    outcome = client.execute(example["name"], input)
    assert outcome.status == "success", outcome.raw
    return outcome.execution.output


def test_the_small_example_runs(client, events):
    assert run(client, SMALL, {"test": "try-1", "other": 2}) == {"kept": 1}
    assert events == [{"execution_name": "try-1"}]


def test_the_resize_example_runs_with_the_input_over_the_constants(client, events):
    constants = {"inputs": {f"resize_{name}": {"value": f"const-{name}"} for name in RESIZE_PARAMETERS}}
    constants["inputs"]["resize_outbucket"] = {"value": "const-bucket"}
    inputs = {"resize_w": 100, "resize_outpath": "out/"}
    given = {"Records": [{"n": 1}], "inputs": inputs, "graph_name": "g"}
    assert run(client, RESIZE | {"constants": constants}, given) == {"kept": 1}
    parameters = {name: f"const-{name}" for name in RESIZE_PARAMETERS} | {"w": 100}
    assert events == [
        {
            "Records": [{"n": 1}],
            "dynamic_source": {
                "input": {"bucket": "", "location": "", "object": ""},
                # source_path is neither given nor a constant: it is left out
                "output": {"bucket": "const-bucket", "location": "cn-north-7", "object": "out/"},
                "resize_param": parameters,
            },
            "graph_name": "g",
            "inputs": inputs,
        }
    ]


def test_the_sample_workflows_are_valid_and_run():
    client = Client(AsyncClient(Service(), project_id=PROJECT))
    names = [summary.name for summary in client.list()]
    assert names == [definition["name"] for definition in sample_definitions()]
    inputs = {
        "order-triage": {"sku": "A-100", "qty": 3},
        "batch-order": {"lines": [{"sku": "A-1"}]},
        "document-extraction": {"text": "Invoice No. 7\nTotal: 12.50 EUR\n", "pages": 1},
        "image-pipeline": {"object": "cat.png", "width": 4000, "height": 3000},
    }
    for name in names:
        assert client.execute(name, inputs[name]).status == "success"


# --- the graph -----------------------------------------------------------------------------------


def test_a_transition_that_leads_nowhere_names_the_nearest_state():
    found = problems(flow(state("price", action("f"), transition="ned"), end()))
    assert found[0] == ("$.states[0].transition", "price", "there is no state 'ned'; did you mean 'end'?")


def test_a_start_that_is_not_there_names_the_nearest_state():
    assert problems(one_call("price") | {"start": "prise"}) == [
        ("$.start", None, "there is no state 'prise'; did you mean 'price'?")
    ]


def test_an_action_of_an_unknown_function_names_the_nearest():
    definition = flow(state("a", action("price"), action("pirce")))
    definition["functions"] = definition["functions"][:1]
    assert problems(definition) == [
        ("$.states[0].actions[1].function_ref.ref_name", "a", "there is no function 'pirce'; did you mean 'price'?")
    ]


def test_an_unknown_retry_names_the_nearest():
    definition = flow(
        state("a", action("f"), on_errors=[{"error": "", "retry_ref": "twise", "transition": ""}]),
        retries=[{"name": "twice"}],
    )
    found = ("$.states[0].on_errors[0].retry_ref", "a", "there is no retry 'twise'; did you mean 'twice'?")
    assert found in problems(definition)


def test_nothing_is_suggested_where_nothing_is_near():
    (_, _, message) = problems(flow(state("a", action("f"), transition="zzzzzz"), end()))[0]
    assert message == "there is no state 'zzzzzz'"


@pytest.mark.parametrize(
    ("definition", "found"),
    [
        (
            flow(state("a", action("f"), transition="end"), end(), state("a", action("f"))),
            ("$.states[2].id", None, "'a' is already used by states[0]"),
        ),
        (
            one_call("f") | {"functions": [{"name": "f", "operation": ""}] * 2},
            ("$.functions[1].name", None, "'f' is already used by functions[0]"),
        ),
        (
            one_call("f") | {"retries": [{"name": "r"}, {"name": "q"}, {"name": "r"}]},
            ("$.retries[2].name", None, "'r' is already used by retries[0]"),
        ),
    ],
)
def test_what_must_be_unique_is_named_where_it_is_used_again(definition, found):
    assert found in problems(definition)


@pytest.mark.parametrize(
    "states",
    [
        [state("a", action("f"), transition="a")],
        [state("a", action("f"), transition="b"), state("b", action("f"), transition="a")],
        [state("x", action("f"), transition="a"), state("a", action("f"), transition="b"),
         state("b", action("f"), transition="a")],
    ],
)  # fmt: skip
def test_a_cycle_is_refused_and_the_state_it_comes_back_to_is_named(states):
    ((path, place, message),) = problems(flow(*states))
    assert (path, place) == (f"$.states[{0 if len(states) < 3 else 1}]", "a")
    assert "cycle" in message


def test_a_state_that_no_way_leads_to_is_named():
    found = problems(flow(state("a", action("f"), transition="end"), state("b", action("f"), transition="end"), end()))
    assert found == [("$.states[1]", "b", "no way leads here from the start")]


def test_everything_that_is_wrong_is_said_at_once():
    definition = flow(
        state("a", action("f", {"x": "$.[", "y": {"z": ["$.ok", "$["]}}), transition="nope"),
        state("b", action("g"), state_data_filter={"input": "$$", "output": "x"}),
        start="c",
    )
    definition["functions"] = []
    paths = {path for path, _, _ in problems(definition)}
    assert paths == {
        "$.start",
        "$.states[0].transition",
        "$.states[0].actions[0].function_ref.ref_name",
        "$.states[1].actions[0].function_ref.ref_name",
        "$.states[1].state_data_filter.input",
        "$.states[1].state_data_filter.output",
    }


def test_malformed_arguments_are_named_by_their_place():
    arguments = {"x": "$.[", "odd key": {"z": ["$.ok", "$[", "$.a | $.b | 1"]}, "n": "$.a | " + "9" * 5000}
    found = problems(flow(state("a", action("f", arguments))))
    assert [path.removeprefix("$.states[0].actions[0].function_ref.arguments") for path, _, _ in found] == [
        ".n",
        ".x",
        "['odd key'].z[1]",
        "['odd key'].z[2]",
    ]
    assert {place for _, place, _ in found} == {"a"}


@pytest.mark.parametrize("depth", [101, 400, 900])
def test_arguments_that_are_nested_too_deeply_are_a_problem_not_a_crash(depth):
    arguments = {}
    for _ in range(depth):
        arguments = {"a": arguments}
    ((path, _, message),) = problems(flow(state("s", action("f", arguments))))
    assert path.startswith("$.states[0].actions[0].function_ref.arguments.a.a")
    assert "levels" in message


def test_the_message_names_the_workflow_and_counts():
    with pytest.raises(DefinitionError, match=r"^workflow 'flow' has 2 problems") as caught:
        compile_definition(flow(state("a", action("f"), transition="x"), state("b", action("f"), transition="y")))
    assert caught.value.name == "flow"


def test_every_field_that_is_wrong_is_named_at_once():
    wrong = flow(state("a", action("f"), transition="e"), end("e"))
    wrong |= {"mode": "STANDARD", "start": 1}
    wrong["states"][0] |= {"transition": 5, "action_mode": "paralel"}
    del wrong["states"][1]["transition"], wrong["constants"]
    wrong["states"][1]["transitions"] = ""
    with pytest.raises(DefinitionError) as caught:
        compile_definition(wrong)
    assert [str(problem) for problem in caught.value.problems] == [
        "$: object missing required field `constants`",
        "$.mode: invalid enum value 'STANDARD'; known: NORMAL, EXPRESS",
        "$.start: expected `str`, got `int`",
        "state 'a', $.states[0].action_mode: invalid enum value 'paralel'; known: sequential, parallel",
        "state 'a', $.states[0].transition: expected `str`, got `int`",
        "state 'e', $.states[1]: object missing required field `transition`; there is `transitions`",
    ]


def test_what_a_dangling_transition_cuts_off_is_no_problem_of_its_own():
    with pytest.raises(DefinitionError, match="has 1 problem") as caught:
        compile_definition(flow(state("a", action("f"), transition="x"), state("b", action("f")), end("e")))
    assert [problem.path for problem in caught.value.problems] == ["$.states[0].transition"]


def test_problems_come_in_the_order_of_the_states():
    states = [state(f"s{n}", action("f", {"a": "$.["}), transition=f"s{n + 1}") for n in range(11)]
    with pytest.raises(DefinitionError) as caught:
        compile_definition(flow(*states, end("s11")))
    assert [problem.state for problem in caught.value.problems] == [f"s{n}" for n in range(11)]


def test_a_workflow_may_have_100_states():
    states = [state(f"s{n}", action("f"), transition=f"s{n + 1}") for n in range(99)]
    assert len(compile_definition(flow(*states, end("s99"))).chain.steps) == 100


def test_problems_of_fields_graph_and_expressions_come_together():
    wrong = flow(
        state("a", action("f", {"x": "$["}), transition="nowhere", end="no"),
        state("b", action("f"), transition=""),
        {"id": "c", "name": "c", "type": "Swich", "end": False, "transition": "gone"},
    )
    found = problems(wrong)
    assert [(path, place) for path, place, _ in found] == [
        ("$.states[0].actions[0].function_ref.arguments.x", "a"),
        ("$.states[0].end", "a"),
        ("$.states[0].transition", "a"),
        ("$.states[2].transition", "c"),
        ("$.states[2].type", "c"),
    ]


NESTED = {
    "branches": [
        {"name": "one", "actions": [action("g")]},
        {"name": "two", "start": "x", "states": [state("x", action("f"), transition="y"), state("a", action("f"))]},
        {"name": "three", "workflow_id": "w", "actions": [action("f")]},
        {"name": "four"},
    ],
    "completion_type": "n_of_m",
    "num_completed": 5,
}


def test_problems_inside_branches_have_their_place_and_state():
    definition = flow(state("a", type="Parallel", **NESTED)) | {"functions": [{"name": "f", "operation": ""}]}
    found = [(path, place) for path, place, _ in problems(definition)]
    assert found == [
        ("$.states[0].branches[1].states[1].id", None),
        ("$.states[0].branches[0].actions[0].function_ref.ref_name", "a"),
        ("$.states[0].branches[1].states[0].transition", "x"),
        ("$.states[0].branches[2]", "a"),
        ("$.states[0].branches[3]", "a"),
        ("$.states[0].num_completed", "a"),
    ]


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"data_conditions": []}, "data_conditions", "length >= 1"),
        ({"data_conditions": [{"condition": "$.a = 1", "transition": "e"}]}, "data_conditions[0].condition", "=="),
        ({"data_conditions": [{"condition": "true", "transition": "f"}]}, "data_conditions[0].transition", "no state"),
        ({"default": {"transition": "f"}}, "default.transition", "no state"),
        ({"transition": "e"}, "transition", "by its conditions"),
        ({"end": True}, "end", "by its conditions"),
    ],
)
def test_a_switch_is_checked(more, path, said):
    switch = {"data_conditions": [{"condition": "$.a == 1", "transition": "e"}], "default": {"transition": "e"}} | more
    found = problems(flow({"id": "s", "name": "s", "type": "Switch"} | switch, end("e")))
    assert any(where == f"$.states[0].{path}" and said in message for where, _, message in found), found


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ({"batch_size": 101}, "batch_size", "<= 100"),
        ({"interval": -1}, "interval", ">= 0"),
        ({"iteration_param": "item"}, "iteration_param", "$.item"),
        ({"iteration_param": "$.a[0]"}, "iteration_param", "$.item"),
        ({"output_collection": "$"}, "output_collection", "$.item"),
        ({"input_collection": "$["}, "input_collection", "JSONPath"),
        ({"actions": []}, "", "exactly one of"),
        ({"actions": [], "states": [end("e")]}, "start", "there is no state ''"),
        (
            {
                "actions": [],
                "start": "p",
                "states": [state("p", type="Parallel", branches=[{"name": "b", "workflow_id": "w"}])],
            },
            "states[0]",
            "a loop may hold",
        ),
    ],
)
def test_a_loop_is_checked(more, path, said):
    loop = {"input_collection": "$.a", "iteration_param": "$.item", "actions": [action("f")]} | more
    found = problems(flow(state("l", type="Foreach") | loop) | {"functions": [{"name": "f", "operation": ""}]})
    place = f"$.states[0].{path}" if path else "$.states[0]"
    assert any(where == place and said in message for where, _, message in found), found


def test_states_inside_others_count_and_nest_only_so_deep():
    inner = [state(f"s{n}", action("f"), transition=f"s{n + 1}") for n in range(99)]
    body = {"name": "b", "start": "s0", "states": [*inner, end("s99")]}
    known = {"functions": [{"name": "f", "operation": ""}]}
    found = problems(flow(state("p", type="Parallel", branches=[body])) | known)
    assert found == [("$.states", None, "a workflow may have 100 states, not 101")]
    nested = state("deep", action("f"))
    for level in range(12):
        nested = state(
            f"p{level}", type="Parallel", branches=[{"name": "b", "start": nested["id"], "states": [nested]}]
        )
    assert any("levels deep" in message for _, _, message in problems(flow(nested) | known))


def test_every_kind_of_state_can_lead_to_an_error_way():
    entry = [{"error": "$.status == 500 &&", "transition": "nowhere"}]
    found = problems(flow(sleep("a", 1, transition="b") | {"on_errors": entry}, end("b")))
    assert [(path, place) for path, place, _ in found] == [
        ("$.states[0].on_errors[0].error", "a"),
        ("$.states[0].on_errors[0].transition", "a"),
    ]


def test_a_way_back_through_an_error_or_a_condition_is_a_cycle():
    back = [{"error": "", "transition": "a"}]
    assert (
        "cycle"
        in problems(flow(state("a", action("f"), transition="b"), state("b", action("f"), on_errors=back)))[0][2]
    )
    switch = {"id": "b", "name": "b", "type": "Switch", "data_conditions": [{"condition": "true", "transition": "a"}]}
    assert "cycle" in problems(flow(state("a", action("f"), transition="b"), switch))[0][2]


def test_end_with_a_transition_may_be_refused():
    definition = flow(state("a", action("f"), transition="b", end=True), start="a")
    assert compile_definition(definition)
    with pytest.raises(DefinitionError, match="end: true has no transition"):
        compile_definition(definition, Options(end_and_transition="refuse"))


def test_a_trigger_of_obs_needs_its_config():
    config = {"bucket": "b", "events": ["OBJECT_CREATED_PUT"], "prefix": "p", "suffix": "s"}
    trigger = {"trigger_name": "t", "trigger_type": "OBS", "trigger_config": config}
    assert compile_definition(one_call("f") | {"triggers": [trigger]})
    place = "$.triggers[0].trigger_config"
    for wrong, path in (
        (None, place),
        (config | {"events": []}, f"{place}.events"),
        ({key: config[key] for key in ("bucket", "events", "prefix")}, place),
    ):
        ((found, _, _),) = problems(one_call("f") | {"triggers": [trigger | {"trigger_config": wrong}]})
        assert found == path


def test_nothing_follows_an_end():
    found = problems(flow(state("a", action("f"), transition="b"), end("b", end=False, transition="c"), end("c")))
    assert ("$.states[1].transition", "b", "nothing follows an End") in found


@pytest.mark.parametrize(
    "wrong",
    [
        one_call("f", {"1²3": "$.["}),
        one_call("f", {"9" * 5000: "$.["}),
        one_call("f", {"x": "$.a[?@.b == 1e999]"}),
        one_call("f", {"x": "\ud800"}),
        one_call("f") | {"mode": "\ud800"},
        one_call("f") | {"\ud800": 1},
        one_call("f") | {"states": [{"type": "\ud800"}]},
        flow({"id": "s", "name": "s", "type": "Switch", "data_conditions": [{"condition": "$.a == 1e999"}]}),
    ],
)
def test_whatever_is_wrong_is_a_problem_of_the_definition(wrong):
    with contextlib.suppress(DefinitionError):
        compile_definition(wrong)
    assert ask(Service(samples=False), "POST", "", wrong).status in (201, 400)


def test_what_is_nested_too_deeply_is_said_so():
    nested = state("deep", action("f"))
    for level in range(300):
        nested = state(f"p{level}", type="Parallel", branches=[{"name": "b", "start": 5, "states": [nested]}])
    assert "nested too deeply" in problems(flow(nested) | {"start": 5})[0][2]


def test_a_wrong_field_is_named_once():
    switch = {"id": "b", "name": "b", "type": "Switch", "data_conditions": [{"condition": "true", "transition": ""}]}
    found = [path for path, _, _ in problems(flow(state("a", action("f"), transition="b"), switch))]
    assert found == ["$.states[1].data_conditions[0].transition"]


def test_a_definition_that_is_wrong_everywhere_is_refused_soon():
    wrong = [{"error": 5, "retry_ref": "zz", "transition": "nowhere"}] * 200
    states = [state(f"s{n}", action("f"), on_errors=wrong) for n in range(40)]
    with pytest.raises(DefinitionError) as caught:
        compile_definition(flow(*states))  # it took minutes
    assert len(caught.value.problems) == 201
    assert caught.value.problems[-1].message == "23,800 more problems"
