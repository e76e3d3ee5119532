"""Reads workflow definitions: a typed value, or every field that is wrong with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from fgnb.errors import Problem, did_you_mean, nearest
from fgnb.wire import STATE_KINDS, WorkflowDefinition, problem_of

# What stands in for a required field that is missing or wrong, so that the rest can be looked at.
_NEUTRAL: Mapping[str, Any] = {
    "actions": [{"function_ref": {"ref_name": "", "arguments": {}}}],
    "arguments": {},
    "branches": [{"name": "x"}],
    "condition": "true",
    "constants": {},
    "data_conditions": [{"condition": "true", "transition": "x"}],
    "duration": 1,
    "end": False,
    "function_ref": {"ref_name": "", "arguments": {}},
    "functions": [],
    "input_collection": "$",
    "iteration_param": "$.x",
    "name": "x",
    "operation": "",
    "ref_name": "",
    "retries": [],
    "start": "x",
    "transition": "x",
    "trigger_name": "x",
    "trigger_type": "x",
    "workflow_id": "x",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """A definition as far as it can be read.

    `definition` is None where too much is wrong. Otherwise something stands in for each field that is
    wrong, whose JSONPaths are in `guessed`; what is found there means nothing.
    """

    definition: WorkflowDefinition | None
    problems: tuple[Problem, ...] = ()
    guessed: frozenset[str] = frozenset()


def name_of(value: Any) -> str | None:
    """Return the name that a definition gives itself, as far as it has one."""
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) else None


def read_definition(value: Any) -> Reading:
    """Read a definition, and name every field that is wrong."""
    try:
        return Reading(msgspec.convert(value, WorkflowDefinition))
    except msgspec.ValidationError as error:
        first = problem_of(error)
    except (RecursionError, UnicodeEncodeError) as error:
        return _unreadable(error)
    repair = _Repair()
    try:
        definition = msgspec.convert(repair.object(value, (WorkflowDefinition,), "$", None), WorkflowDefinition)
    except msgspec.ValidationError:
        definition = None
    except (RecursionError, UnicodeEncodeError) as error:
        return _unreadable(error)
    return Reading(definition, tuple(repair.problems) or (first,), frozenset(repair.guessed))


def _unreadable(error: RecursionError | UnicodeEncodeError) -> Reading:
    deep = isinstance(error, RecursionError)
    message = "is nested too deeply" if deep else "holds a lone surrogate, which is no character"
    return Reading(None, (Problem("$", f"the definition {message}"),))


def struct_problems(value: Any, kind: type[Struct], path: str) -> list[Problem]:
    """Return every field of an object that does not fit `kind`; `path` is the object's JSONPath."""
    repair = _Repair()
    repair.object(value, (kind,), path, None)
    return repair.problems


@dataclass(slots=True)
class _Repair:
    """Goes through a definition field by field (msgspec alone stops at the first), and mends what is wrong."""

    problems: list[Problem] = field(default_factory=list)
    guessed: set[str] = field(default_factory=set)

    def object(self, value: Any, kinds: tuple[type[Struct], ...], path: str, state: str | None) -> dict[str, Any]:
        """Return an object, which is one of `kinds`, in a form that fits."""
        if not isinstance(value, dict):
            self.problems.append(Problem(path, f"expected `object`, got `{type(value).__name__}`", state))
            self.guessed.add(path)
            value = {}
        if len(kinds) == 1:
            return self.fields(value, kinds[0], path, state)
        state = value["id"] if isinstance(value.get("id"), str) else None
        written = value.get("type")
        kind = STATE_KINDS.get(written) if isinstance(written, str) else None
        if kind is not None:
            return self.fields(value, kind, path, state) | {"type": written}
        if path not in self.guessed and "type" not in value:
            message = "object missing required field `type`" + _known(STATE_KINDS)
            self.problems.append(Problem(path, message, state))
        elif path not in self.guessed:
            hint = did_you_mean(written, STATE_KINDS) if isinstance(written, str) else ""
            message = f"invalid value {written!r:.80}" + (hint or _known(STATE_KINDS))
            self.problems.append(Problem(f"{path}.type", message, state))
        self.guessed.add(f"{path}.type")
        plain = {name: value[name] for name in ("id", "name", "end", "transition") if name in value}
        return self.fields(plain, STATE_KINDS["Operation"], path, state, silent=True) | {"type": "Operation"}

    def fields(
        self, value: dict[str, Any], kind: type[Struct], path: str, state: str | None, *, silent: bool = False
    ) -> dict[str, Any]:
        repaired: dict[str, Any] = {}
        fields = msgspec.structs.fields(kind)
        unknown = value.keys() - {each.encode_name for each in fields}
        for each in fields:
            name = each.encode_name
            place = f"{path}.{name}"
            if name in value:
                below = self.below(value[name], each.type, place, state)
                problem = self.own_problem(below, each.type, place, state)
                if problem is None:
                    repaired[name] = below
                    continue
                self.problems.append(problem)
            elif each.required and path not in self.guessed and not silent:
                written = nearest(name, sorted(unknown))
                hint = f"; there is `{written}`" if written else ""
                self.problems.append(Problem(path, f"object missing required field `{name}`{hint}", state))
            if each.required:
                self.guessed.add(place)
                repaired[name] = path if name == "id" else _NEUTRAL.get(name)
            elif name in value:
                self.guessed.add(place)
        return repaired

    def below(self, value: Any, kind: Any, path: str, state: str | None) -> Any:
        kinds, listed = _structs(kind), _is_list(kind)
        if kinds and listed and isinstance(value, list):
            return [self.object(item, kinds, f"{path}[{index}]", state) for index, item in enumerate(value)]
        if kinds and not listed and isinstance(value, dict):
            return self.object(value, kinds, path, state)
        return value

    def own_problem(self, value: Any, kind: Any, path: str, state: str | None) -> Problem | None:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            problem = problem_of(error)
            choices = _known(_choices(kind)) if "enum" in problem.message else ""
            return Problem(path + problem.path[1:], problem.message + choices, state)
        return None


def _structs(kind: Any) -> tuple[type[Struct], ...]:
    """Return the structs that a field holds: itself, or its items."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        return (kind,)
    return tuple(struct for part in get_args(kind) for struct in _structs(part))


def _is_list(kind: Any) -> bool:
    return get_origin(kind) is tuple or any(_is_list(part) for part in get_args(kind))


def _known(words: Iterable[str]) -> str:
    return f"; known: {', '.join(words)}"


def _choices(kind: Any) -> list[str]:
    """Return the texts that a type of the definition allows, other than the empty one."""
    if get_origin(kind) is Literal:
        return [word for word in get_args(kind) if word]
    return [word for part in get_args(kind) for word in _choices(part)]
