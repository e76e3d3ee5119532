"""Reads workflow definitions: a typed value, or every field that is wrong with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from fgnb.errors import DefinitionError, Problem, did_you_mean, nearest
from fgnb.wire import (
    STATE_KINDS,
    End,
    FunctionEntry,
    Operation,
    Retry,
    Sleep,
    Trigger,
    WorkflowDefinition,
    problem_of,
)


def parse_definition(value: Any) -> WorkflowDefinition:
    """Return a workflow definition as a typed value; its graph is not looked at here.

    Raises:
        DefinitionError: with every field that is missing, of the wrong type or out of its limits;
            each names the JSONPath and, where it lies in a state, the state's id.
    """
    try:
        return msgspec.convert(value, WorkflowDefinition)
    except msgspec.ValidationError as error:
        whole = problem_of(error)
    name = value.get("name") if isinstance(value, dict) else None
    problems = list(_all_problems(value)) if isinstance(value, dict) else []
    raise DefinitionError(problems or [whole], name=name if isinstance(name, str) else None)


_ITEMS: Mapping[str, type[Struct]] = {"functions": FunctionEntry, "retries": Retry, "triggers": Trigger}
_STATES: Mapping[str, type[Struct]] = {kind.kind: kind for kind in (Operation, Sleep, End)}


def _all_problems(value: dict[str, Any]) -> Iterator[Problem]:
    """Yield a problem per field; msgspec alone stops at the first."""
    items = {name: value[name] for name in ("states", *_ITEMS) if isinstance(value.get(name), list)}
    below = False
    for name, found in items.items():
        for index, item in enumerate(found):
            for problem in _item_problems(name, item, f"$.{name}[{index}]"):
                below = True
                yield problem
    # A list is looked at as a whole (for its length) only where its items are right.
    yield from _field_problems(value, WorkflowDefinition, "$", skip=frozenset(items) if below else frozenset())


def _item_problems(name: str, item: Any, path: str) -> Iterator[Problem]:
    if not isinstance(item, dict):
        yield Problem(path, f"expected `object`, got `{type(item).__name__}`")
    elif name != "states":
        yield from _field_problems(item, _ITEMS[name], path)
    else:
        state_id = item.get("id") if isinstance(item.get("id"), str) else None
        kind = item.get("type")
        if kind is None:
            yield Problem(path, "object missing required field `type`" + _known(STATE_KINDS), state_id)
        elif not isinstance(kind, str) or kind not in _STATES:
            hint = did_you_mean(kind, STATE_KINDS) if isinstance(kind, str) else ""
            yield Problem(f"{path}.type", f"invalid value {kind!r:.80}" + (hint or _known(STATE_KINDS)), state_id)
        else:
            for problem in _field_problems(item, _STATES[kind], path):
                yield Problem(problem.path, problem.message, state_id)


def _field_problems(
    value: dict[str, Any], kind: type[Struct], path: str, *, skip: frozenset[str] = frozenset()
) -> Iterator[Problem]:
    fields = msgspec.structs.fields(kind)
    unknown = value.keys() - {field.encode_name for field in fields}
    for field in fields:
        name = field.encode_name
        if name in skip:
            continue
        if name in value:
            try:
                msgspec.convert(value[name], field.type)
            except msgspec.ValidationError as error:
                problem = problem_of(error)
                choices = _known(_choices(field.type)) if "enum" in problem.message else ""
                yield Problem(f"{path}.{name}{problem.path[1:]}", problem.message + choices)
        elif field.required:
            written = nearest(name, sorted(unknown))
            hint = f"; there is `{written}`" if written else ""
            yield Problem(path, f"object missing required field `{name}`{hint}")


def _known(words: Iterable[str]) -> str:
    return f"; known: {', '.join(words)}"


def _choices(kind: Any) -> list[str]:
    """Return the texts that a type of the definition allows, other than the empty one."""
    if get_origin(kind) is Literal:
        return [word for word in get_args(kind) if word]
    return [word for part in get_args(kind) for word in _choices(part)]
