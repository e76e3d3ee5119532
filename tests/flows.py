"""Definitions for the tests, as short as the service allows, and plain ways to run them."""

import asyncio
import json
from typing import Any

from fgnb.local.service import Service
from fgnb.wire import Request, Response

PROJECT = "c53626012ba84727b938ca8bf03108ef"
PATH = f"/v2/{PROJECT}/fgs/workflows"


def action(function: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"function_ref": {"ref_name": function, "arguments": arguments or {}}}


def state(id: str, *actions: dict[str, Any], transition: str = "", **more: Any) -> dict[str, Any]:
    """An Operation; it ends the workflow unless it has a transition."""
    return {
        "id": id,
        "name": id,
        "type": "Operation",
        "end": not transition,
        "transition": transition,
        "actions": list(actions),
    } | more


def sleep(id: str, duration: float, *, transition: str = "") -> dict[str, Any]:
    return state(id, transition=transition, type="Sleep", duration=duration)


def end(id: str = "end", **more: Any) -> dict[str, Any]:
    return state(id, type="End", **more)


def flow(*states: dict[str, Any], name: str = "flow", **more: Any) -> dict[str, Any]:
    """An express workflow of these states; the functions are those that its actions name."""
    names = {call["function_ref"]["ref_name"]: None for one in states for call in one.get("actions") or ()}
    return {
        "name": name,
        "start": states[0]["id"],
        "functions": [
            {"name": each, "operation": f"urn:fss:local:{PROJECT}:function:default:{each}:latest"} for each in names
        ],
        "states": list(states),
        "constants": {},
        "retries": [],
        "mode": "EXPRESS",
    } | more


def one_call(function: str, arguments: dict[str, Any] | None = None, *, name: str = "flow") -> dict[str, Any]:
    """An express workflow of one state that makes one call."""
    return flow(state(function, action(function, arguments)), name=name)


def ask(service: Service, method: str, path: str = "", value: Any = None, *, body: bytes | None = None) -> Response:
    """Send one request to a service; `path` goes on after the workflows' path unless it is whole."""
    if body is None:
        body = b"" if value is None else json.dumps(value).encode()
    whole = path if path.startswith(("/v2/", "//")) else PATH + path
    return asyncio.run(service.send(Request(method=method, path=whole, body=body)))


def runner(client):
    """Return a function that saves a definition, runs it and gives the service's answer."""

    def run(definition, input=None, **more):
        known = {summary.name: summary.id for summary in client.list()}
        if definition["name"] in known:
            client.update(known[definition["name"]], definition)
        else:
            client.create(definition)
        outcome = client.execute(definition["name"], {} if input is None else input, **more)
        assert outcome.http_status == 200, outcome.reason
        return outcome.execution

    return run


def output(execution):
    """Return the output of a successful execution."""
    assert execution.status == "success", execution.errors
    return execution.output


def failure(execution):
    """Return the failure object of the only error of a failed execution."""
    assert (execution.status, execution.output) == ("fail", None)
    (error,) = execution.errors
    assert 1 <= len(error.error_message) <= 2048
    return json.loads(error.error_message)
