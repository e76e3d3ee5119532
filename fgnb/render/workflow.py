"""A workflow as a list of its states: what each does, with which arguments, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fgnb import flow
from fgnb.render import html
from fgnb.render.listing import Table, listing
from fgnb.render.text import cut
from fgnb.render.value import compact

if TYPE_CHECKING:
    from fgnb.deployment import Workflow

_HEAD = ("state", "name", "does", "arguments", "then")
_INDENT = "· "  # of states inside others, one for each level


def show(workflow: Workflow) -> dict[str, str]:
    """Return the workflow as a MIME bundle."""
    title = f"{workflow.name}  ({workflow.definition.get('mode', 'NORMAL')}, id {workflow.id})"
    rows = [_cells(depth, state) for depth, state in flow.everything(workflow.definition)]
    cells = [
        (
            html.span(state, "font-weight:600"),
            html.escape(name),
            html.escape(does),
            html.span(arguments, html.MONO),
            html.escape(then),
        )
        for state, name, does, arguments, then in rows
    ]
    return listing(title, Table(head=_HEAD, rows=rows, cells=cells))


def _cells(depth: int, state: Mapping[str, Any]) -> tuple[str, ...]:
    told = [
        _does(state),
        *(f"{_text(body, 'name')}: {_body_does(body)}" for body in flow.objects(state.get("branches"))),
    ]
    templates = [reference.get("arguments") for reference in flow.calls(state)]
    arguments = " | ".join(
        compact(template, 90, hide=False) if template else "its whole input" for template in templates
    )
    return (
        _INDENT * depth + _text(state, "id"),
        _text(state, "name"),
        "; ".join(told),
        cut(arguments, 140),
        _then(state),
    )


def _does(state: Mapping[str, Any]) -> str:
    kind = _text(state, "type")
    if kind == "Sleep":
        return f"waits {_text(state, 'duration')} s"
    if kind == "End":
        return "ends"
    if kind == "Switch":
        return "chooses"
    if kind == "Parallel":
        needed = {"any": ", first to end", "n_of_m": f", first {_text(state, 'num_completed')} to end"}
        return "at once" + needed.get(_text(state, "completion_type"), "")
    if kind == "Foreach":
        return f"for each of {_text(state, 'input_collection')} {_body_does(state)}"
    return _body_does(state) or kind


def _body_does(body: Mapping[str, Any]) -> str:
    """Say what actions, another workflow or inner states do."""
    if body.get("workflow_id"):
        return f"runs workflow {_text(body, 'workflow_id')}"
    if body.get("states"):
        return f"goes from {_text(body, 'start')}"
    joint = " and " if body.get("action_mode") == "parallel" else ", then "
    names = joint.join(_text(reference, "ref_name") for reference in flow.calls(body))
    return f"calls {names}" if names else ""


def _then(state: Mapping[str, Any]) -> str:
    """Say what follows: the condition in front of each way that has one."""
    ways = [
        f"{_text(case, 'transition')} if {_text(case, 'condition')}"
        for case in flow.objects(state.get("data_conditions"))
    ]
    default = state.get("default")
    if isinstance(default, dict):
        ways.append(f"else {_text(default, 'transition')}")
    if state.get("end") is not True and _text(state, "transition"):
        ways.append(_text(state, "transition"))
    for entry in flow.objects(state.get("on_errors")):
        told = [f"retry {_text(entry, 'retry_ref')}"] if entry.get("retry_ref") else []
        told += [_text(entry, "transition")] if entry.get("transition") else []
        ways.append(f"on error {_text(entry, 'error')}".rstrip() + f": {' and '.join(told)}")
    return ", ".join(ways)


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    return "" if value is None else str(value)
