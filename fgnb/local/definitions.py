"""From a definition as it is sent to a plan that the engine can run, with every problem named.

The rules are those of the console's guide (page 01_0309) and of the API reference (06_1004): one
start, every target exists, nothing stands alone, no cycle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fgnb.definition import parse_definition
from fgnb.errors import DefinitionError, Problem, did_you_mean
from fgnb.local.expressions import ExpressionError, Query, Template, compile_filter, compile_template
from fgnb.paths import format_path
from fgnb.wire import Operation, Sleep, State, WorkflowDefinition


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: the names to find the function by, and its arguments.

    `arguments` is None where the template is empty: the function gets the whole filtered input.
    """

    names: tuple[str, ...]
    arguments: Template | None


@dataclass(frozen=True, slots=True)
class Step:
    """A state, compiled: filters, calls and waiting time, and the id of the state that follows."""

    id: str
    input_filter: Query | None
    output_filter: Query | None
    calls: tuple[Call, ...]
    parallel: bool
    duration: float
    next: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole workflow, compiled."""

    definition: WorkflowDefinition
    start: str
    steps: dict[str, Step]


def compile_definition(raw: Any) -> Plan:
    """Check a definition and compile it.

    Args:
        raw: the definition as a JSON value.

    Raises:
        DefinitionError: with every problem of the graph and the expressions; a field that is
            missing or of the wrong type is reported alone, before these.
    """
    definition = parse_definition(raw)
    compiler = _Compiler(definition)
    steps = {state.id: compiler.step(state, index) for index, state in enumerate(definition.states)}
    compiler.check_graph()
    if compiler.problems:
        raise DefinitionError(sorted(compiler.problems, key=_place), name=definition.name)
    return Plan(definition, definition.start, steps)


def _place(problem: Problem) -> tuple[bool, list[str | int]]:
    steps = re.split(r"(\d+)", problem.path)  # states[10] comes after states[2]
    return problem.state is not None, [int(step) if step.isdigit() else step for step in steps]


class _Compiler:
    def __init__(self, definition: WorkflowDefinition) -> None:
        self.definition = definition
        self.problems: list[Problem] = []
        self.functions = {entry.name: entry for entry in definition.functions}
        self.state_ids = [state.id for state in definition.states]
        self.unique((entry.name for entry in definition.functions), "functions", "name")
        self.unique((retry.name for retry in definition.retries), "retries", "name")
        self.unique(self.state_ids, "states", "id")

    def problem(self, path: str, message: str, state: State | None = None) -> None:
        self.problems.append(Problem(path, message, state.id if state is not None else None))

    def unique(self, values: Iterable[str], where: str, field: str) -> None:
        first: dict[str, int] = {}
        for index, value in enumerate(values):
            if first.setdefault(value, index) != index:
                self.problem(f"$.{where}[{index}].{field}", f"'{value}' is already used by {where}[{first[value]}]")

    def step(self, state: State, index: int) -> Step:
        place = f"$.states[{index}]"
        for number, entry in enumerate(state.on_errors or ()):
            # Said at save time rather than passed over silently at run time
            message = "error handling is not executed by this version of the embedded service"
            self.problem(f"{place}.on_errors[{number}]", message, state)
            retries = [retry.name for retry in self.definition.retries]
            if entry.retry_ref and entry.retry_ref not in retries:
                self.unknown(f"{place}.on_errors[{number}].retry_ref", "retry", entry.retry_ref, retries, state)
        filters = state.state_data_filter
        return Step(
            id=state.id,
            input_filter=self.filter(filters.input, f"{place}.state_data_filter.input", state) if filters else None,
            output_filter=self.filter(filters.output, f"{place}.state_data_filter.output", state) if filters else None,
            calls=self.calls(state, place) if isinstance(state, Operation) else (),
            parallel=isinstance(state, Operation) and state.action_mode == "parallel",
            duration=state.duration if isinstance(state, Sleep) else 0.0,
            next=state.next,
        )

    def filter(self, text: str, place: str, state: State) -> Query | None:
        try:
            return compile_filter(text)
        except ExpressionError as error:
            self.problem(place, str(error), state)
            return None

    def calls(self, state: Operation, place: str) -> tuple[Call, ...]:
        calls = []
        for number, action in enumerate(state.actions):
            reference = action.function_ref
            where = f"{place}.actions[{number}].function_ref"
            entry = self.functions.get(reference.ref_name)
            if entry is None:
                self.unknown(f"{where}.ref_name", "function", reference.ref_name, self.functions, state)
                continue

            def malformed(at: tuple[str | int, ...], message: str, where: str = where) -> None:
                self.problem(format_path(at, f"{where}.arguments"), message, state)

            template = compile_template(reference.arguments, malformed) if reference.arguments else None
            calls.append(Call((entry.urn_name, entry.name), template))
        return tuple(calls)

    def unknown(self, place: str, kind: str, name: str, known: Iterable[str], state: State | None = None) -> None:
        hint = did_you_mean(name, known, form="'{}'")
        self.problem(place, f"there is no {kind} '{name}'{hint}", state)

    def check_graph(self) -> None:
        states = {state.id: state for state in self.definition.states}
        for index, state in enumerate(self.definition.states):
            if state.next is not None and state.next not in states:
                self.unknown(f"$.states[{index}].transition", "state", state.next, states, state)
        if self.definition.start not in states:
            self.unknown("$.start", "state", self.definition.start, states)
            return
        reached: set[str] = set()
        current: State | None = states[self.definition.start]
        while current is not None and current.id not in reached:
            reached.add(current.id)
            current = states.get(current.next or "")
        if current is not None:
            index = self.state_ids.index(current.id)
            self.problem(f"$.states[{index}]", "the states form a cycle: a workflow must come to an end", current)
        if any(state.next not in states for state in map(states.get, reached) if state and state.next):
            return  # what is cut off by a wrong transition is not a problem of its own
        for index, state in enumerate(self.definition.states):
            if state.id not in reached:
                self.problem(f"$.states[{index}]", "no way leads here from the start", state)
