"""A workflow as a list of its states: what each calls, with which arguments, and what follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fgnb.definition import parse_definition
from fgnb.errors import DefinitionError
from fgnb.render import html
from fgnb.render.listing import listing
from fgnb.render.text import cut
from fgnb.render.value import compact
from fgnb.wire import Operation, Sleep, State, WorkflowDefinition

if TYPE_CHECKING:
    from fgnb.deployment import Workflow

_HEAD = ("state", "name", "does", "arguments", "then")


def show(workflow: Workflow) -> dict[str, str]:
    """Return the workflow as a MIME bundle."""
    title = f"{workflow.name}  ({workflow.definition.get('mode', 'NORMAL')}, id {workflow.id})"
    try:
        definition = parse_definition(workflow.definition)
    except DefinitionError:
        # A kind of state that this version does not know is no reason to show nothing.
        rows = [_raw_cells(state) for state in workflow.definition.get("states", ()) if isinstance(state, dict)]
    else:
        rows = [_cells(state) for state in in_order(definition)]
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
    return listing(title, _HEAD, rows, cells)


def in_order(definition: WorkflowDefinition) -> list[State]:
    """Return the states along the way from the start, then those that no way leads to."""
    states = {state.id: state for state in definition.states}
    ordered: dict[str, State] = {}
    current = states.get(definition.start)
    while current is not None and current.id not in ordered:
        ordered[current.id] = current
        current = states.get(current.next or "")
    return list((ordered | {key: state for key, state in states.items() if key not in ordered}).values())


def _cells(state: State) -> tuple[str, ...]:
    does, arguments = state.kind, ""
    if isinstance(state, Operation):
        joint = " and " if state.action_mode == "parallel" else ", then "
        does = "calls " + joint.join(action.function_ref.ref_name for action in state.actions)
        templates = [action.function_ref.arguments for action in state.actions]
        arguments = " | ".join(compact(template, 90) if template else "its whole input" for template in templates)
    elif isinstance(state, Sleep):
        does = f"waits {state.duration:g} s"
    elif state.kind == "End":
        does = "ends"
    return state.id, state.name, does, cut(arguments, 140), state.next or ""


def _raw_cells(state: dict[str, Any]) -> tuple[str, ...]:
    names = ("id", "name", "type", "", "transition")
    return tuple(str(state.get(name, "")) if name else "" for name in names)
