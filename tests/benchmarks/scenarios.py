"""What the engine's benchmark runs: four small workflows, as definitions, as plain Python, in the peers' forms.

``seq10``: ten Operations in sequence; ``par10``: one Parallel of ten one-state branches; ``foreach100``: one
Foreach over a hundred items with a body of one state; ``switch10``: a chain of ten Switches with two numeric
conditions each, the second one true. Every call is of the same trivial function, through an argument template.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = Any
LAMBDA = "arn:aws:lambda:us-east-1:123456789012:function:add_one"


def add_one(event: dict[str, int], context: object = None) -> dict[str, int]:
    """Return the next number: what every state calls."""
    return {"v": event["v"] + 1}


async def add_one_async(event: dict[str, int], context: object = None) -> dict[str, int]:
    """Return the next number, from a coroutine."""
    return {"v": event["v"] + 1}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One workflow in all its forms.

    `states` is how many states (or items) a run passes, `expected` its result, which stands under
    ``result`` in the engine's output where `collects` says so. `machine` is the Amazon States Language,
    `steps` the pypyr pipeline, None where that has no such shape.
    """

    name: str
    states: int
    input: Json
    expected: Json
    collects: bool
    plain: Callable[[Json], Json]
    definition: dict[str, Json]
    machine: dict[str, Json]
    steps: list[Json] | None = None


def one_state(name: str = "add", path: str = "$.v | 0") -> dict[str, Json]:
    """Return a workflow of one state that makes one call."""
    return _flow(name, _operation(name, path=path))


def _flow(name: str, *states: dict[str, Json]) -> dict[str, Json]:
    functions = [{"name": "add", "operation": "urn:fss:local:p:function:default:add_one:latest"}]
    return {
        "name": name,
        "mode": "EXPRESS",
        "start": states[0]["id"],
        "functions": functions,
        "states": list(states),
        "constants": {},
        "retries": [],
    }


def _state(id: str, kind: str, *, transition: str = "", end: bool = False, **more: Json) -> dict[str, Json]:
    filters = {"input": "$", "output": "$"}
    common = {"id": id, "name": id, "type": kind, "end": end, "transition": transition, "actions": []}
    return common | {"state_data_filter": filters} | more


def _operation(id: str, *, transition: str = "", path: str = "$.v | 0") -> dict[str, Json]:
    actions = [{"function_ref": {"ref_name": "add", "arguments": {"v": path}}}]
    return _state(id, "Operation", transition=transition, end=not transition, actions=actions)


def _task(following: str | None = None) -> dict[str, Json]:
    after = {"End": True} if following is None else {"Next": following}
    return {"Type": "Task", "Resource": LAMBDA, "Parameters": {"v.$": "$.v"}} | after


def _seq10() -> Scenario:
    count = 10
    following = [f"s{number}" for number in range(1, count)] + [""]

    def plain(data: Json) -> Json:
        for _ in range(count):
            data = add_one(data)
        return data

    return Scenario(
        name="seq10",
        states=count,
        input={"v": 0},
        expected={"v": count},
        collects=False,
        plain=plain,
        definition=_flow("seq10", *(_operation(f"s{number}", transition=to) for number, to in enumerate(following))),
        machine={
            "StartAt": "s0",
            "States": {f"s{number}": _task(to or None) for number, to in enumerate(following)},
        },
        steps=[{"name": "peers", "in": {"event": {"v": "{v}"}}} for _ in range(count)],
    )


def _par10() -> Scenario:
    count = 10
    branches = [
        {"name": f"branch{number}", "start": f"b{number}", "states": [_operation(f"b{number}")]}
        for number in range(count)
    ]
    together = _state("together", "Parallel", end=True, branches=branches, completion_type="all", result_path="result")
    machines = [{"StartAt": f"b{number}", "States": {f"b{number}": _task()}} for number in range(count)]
    return Scenario(
        name="par10",
        states=count,
        input={"v": 0},
        expected=[{"v": 1}] * count,
        collects=True,
        plain=lambda data: [add_one(data) for _ in range(count)],
        definition=_flow("par10", together),
        machine={
            "StartAt": "together",
            "States": {"together": {"Type": "Parallel", "End": True, "Branches": machines}},
        },
    )


def _foreach100() -> Scenario:
    count = 100
    each = _state(
        "each",
        "Foreach",
        end=True,
        input_collection="$.items",
        iteration_param="$.item",
        output_collection="$.result",
        batch_size=0,
        interval=0,
        start="body",
        states=[_operation("body", path="$.item.v | 0")],
    )
    over = {"Type": "Map", "End": True, "ItemsPath": "$.items"}
    body = {"ItemProcessor": {"StartAt": "body", "States": {"body": _task()}}}
    return Scenario(
        name="foreach100",
        states=count,
        input={"items": [{"v": number} for number in range(count)]},
        expected=[{"v": number + 1} for number in range(count)],
        collects=True,
        plain=lambda data: [add_one(item) for item in data["items"]],
        definition=_flow("foreach100", each),
        machine={"StartAt": "each", "States": {"each": over | body}},
        steps=[{"name": "peers", "foreach": "{items}", "in": {"event": {"v": "{i[v]}"}}}],
    )


def _switch10() -> Scenario:
    count, bound = 10, 10
    following = [f"c{number}" for number in range(1, count)] + ["done"]
    switches, choices = [], {}
    for number, to in enumerate(following):
        conditions = [
            {"name": "big", "condition": f"$.v > {bound}", "transition": "other"},
            {"name": "small", "condition": f"$.v <= {bound}", "transition": to},
        ]
        switches.append(_state(f"c{number}", "Switch", data_conditions=conditions, default={"transition": "other"}))
        choices[f"c{number}"] = {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.v", "NumericGreaterThan": bound, "Next": "other"},
                {"Variable": "$.v", "NumericLessThanEquals": bound, "Next": to},
            ],
        }

    def plain(data: Json) -> Json:
        for _ in range(count):
            if data["v"] > bound:
                return None
            if data["v"] <= bound:
                continue
        return data

    ends = [_state(id, "End", end=True) for id in ("done", "other")]
    return Scenario(
        name="switch10",
        states=count,
        input={"v": 5},
        expected={"v": 5},
        collects=False,
        plain=plain,
        definition=_flow("switch10", *switches, *ends),
        machine={"StartAt": "c0", "States": choices | {id: {"Type": "Succeed"} for id in ("done", "other")}},
    )


SCENARIOS = (_seq10(), _par10(), _foreach100(), _switch10())
