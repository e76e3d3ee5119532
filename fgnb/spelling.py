"""Finds fields of a definition that are probably misspelt: unknown, and nearly a known one.

The service takes unknown fields and passes over them, so that a state whose ``action_mod`` is
``parallel`` runs its actions in sequence, and nobody is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from msgspec import inspect

from fgnb.errors import Problem, nearest
from fgnb.paths import format_path
from fgnb.wire import WorkflowDefinition

ALIKE = 0.8  # of 1: "transision" is meant to be "transition", "comment" is not meant to be "constants"


def misspelt(definition: dict[str, Any]) -> list[Problem]:
    """Return a problem per unknown field that nearly is a known one that is not there.

    Args:
        definition: a raw definition; what has another form than it should is passed over.
    """
    return list(_below(definition, _definition_type(), "$", None))


@cache
def _definition_type() -> inspect.Type:
    return inspect.type_info(WorkflowDefinition)


def _below(value: Any, kind: inspect.Type, path: str, state: str | None) -> Iterator[Problem]:
    if isinstance(value, list):
        for item_kind in _alternatives(kind):
            if isinstance(item_kind, inspect.VarTupleType):
                for number, item in enumerate(value):
                    yield from _below(item, item_kind.item_type, f"{path}[{number}]", state)
    elif isinstance(value, dict):
        for struct in _alternatives(kind):
            if not isinstance(struct, inspect.StructType):
                continue
            if struct.tag_field is None or struct.tag == value.get(struct.tag_field):
                yield from _in_object(value, struct, path, state)


def _in_object(value: dict[str, Any], struct: inspect.StructType, path: str, state: str | None) -> Iterator[Problem]:
    if struct.tag_field is not None and isinstance(value.get("id"), str):
        state = value["id"]
    fields = {field.encode_name: field.type for field in struct.fields}
    missing = sorted(fields.keys() - value.keys())
    for name, member in value.items():
        here = format_path((name,), path)
        if name in fields:
            yield from _below(member, fields[name], here, state)
        elif (meant := nearest(name, missing)) and _alike(name, meant):
            yield Problem(here, f"unknown field, which the service passes over; did you mean {meant}?", state)


def _alternatives(kind: inspect.Type) -> tuple[inspect.Type, ...]:
    return kind.types if isinstance(kind, inspect.UnionType) else (kind,)


def _alike(name: str, known: str) -> bool:
    return SequenceMatcher(None, name.casefold(), known.casefold()).ratio() >= ALIKE
