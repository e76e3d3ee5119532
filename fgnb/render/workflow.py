"""A workflow as a list of its states: what each does, with which arguments, and what follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fgnb import flow
from fgnb.render import html
from fgnb.render.graph import graph_of
from fgnb.render.listing import Table, listing
from fgnb.render.text import cut
from fgnb.render.told import body_does, does, text
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
            html.strong(state),
            html.escape(name),
            html.escape(doing),
            html.span(arguments, html.MONO),
            html.escape(then),
        )
        for state, name, doing, arguments, then in rows
    ]
    picture = graph_of(workflow).picture() if rows else ""
    return listing(title, Table(head=_HEAD, rows=rows, cells=cells), picture=picture)


def _cells(depth: int, state: Mapping[str, Any]) -> tuple[str, ...]:
    told = [
        does(state),
        *(f"{text(body, 'name')}: {body_does(body)}" for body in flow.objects(state.get("branches"))),
    ]
    templates = [reference.get("arguments") for reference in flow.calls(state)]
    arguments = " | ".join(
        compact(template, 90, hide=False) if template else "its whole input" for template in templates
    )
    return (
        _INDENT * depth + text(state, "id"),
        text(state, "name"),
        "; ".join(told),
        cut(arguments, 140),
        _then(state),
    )


def _then(state: Mapping[str, Any]) -> str:
    """Say what follows: the condition in front of each way that has one."""
    ways = [
        f"{text(case, 'transition')} if {text(case, 'condition')}"
        for case in flow.objects(state.get("data_conditions"))
    ]
    default = state.get("default")
    if isinstance(default, dict):
        ways.append(f"else {text(default, 'transition')}")
    if state.get("end") is not True and text(state, "transition"):
        ways.append(text(state, "transition"))
    for entry in flow.objects(state.get("on_errors")):
        told = [f"retry {text(entry, 'retry_ref')}"] if entry.get("retry_ref") else []
        told += [text(entry, "transition")] if entry.get("transition") else []
        ways.append(f"on error {text(entry, 'error')}".rstrip() + f": {' and '.join(told)}")
    return ", ".join(ways)
