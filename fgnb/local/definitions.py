"""From a definition as it is sent to a plan that the engine can run, with every problem named.

The rules are those of the console's guide (pages 01_0309 and 01_0407 to 01_0417) and of the API
reference (06_1004).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

import msgspec

from fgnb.counted import counted
from fgnb.definition import name_of, read_definition, struct_problems
from fgnb.errors import DefinitionError, Problem, did_you_mean
from fgnb.local.conditions import Condition, compile_condition
from fgnb.local.expressions import (
    ExpressionError,
    Query,
    compile_filter,
    compile_template,
    singular_keys,
)
from fgnb.local.graph import QUOTED, check_graph
from fgnb.local.options import DEFAULTS, Options
from fgnb.local.plan import Call, Calls, Chain, Choice, Fork, Handler, Loop, Pause, Plan, Step, Sub, Work
from fgnb.paths import format_path
from fgnb.wire import (
    Action,
    Body,
    Foreach,
    ObsTriggerConfig,
    Operation,
    Parallel,
    Sleep,
    State,
    StateDataFilter,
    SubFlow,
    Switch,
    WorkflowDefinition,
)

MAX_STATES = 100  # of a workflow, with those inside branches and loops
MAX_NESTING = 10  # levels of branches and loops inside each other
MAX_PROBLEMS = 200  # that are named
_HEAVY = (b"[?", b"..")  # filters and descents, whose work grows with the value
IN_LOOPS = ("Operation", "Sleep", "End")  # kinds of state that a loop may hold; page 01_0414


def compile_definition(raw: Any, options: Options = DEFAULTS) -> Plan:
    """Check a definition and compile it.

    Args:
        raw: the definition as a JSON value.
        options: how open points of the documents are decided.

    Raises:
        DefinitionError: with every problem of the fields, the graph and the expressions.
    """
    reading = read_definition(raw)
    problems = list(reading.problems)
    if reading.definition is not None:
        compiler = _Compiler(reading.definition, options, sure=not reading.guessed)
        chain = compiler.chain(reading.definition.states, reading.definition.start, "$")
        if not problems and not compiler.problems:
            return Plan(reading.definition, chain)
        problems += [each for each in compiler.problems if not _is_guess(each.path, reading.guessed)]
    problems.sort(key=_place)
    if len(problems) > MAX_PROBLEMS:
        more = Problem("$", counted(len(problems) - MAX_PROBLEMS, "more problem"))
        problems = [*problems[:MAX_PROBLEMS], more]
    raise DefinitionError(problems, name=name_of(raw))


def _is_guess(path: str, guessed: frozenset[str]) -> bool:
    """Tell whether a place, or one that it lies in, is guessed."""
    above = (path[: step.start()] for step in _STEP.finditer(path))
    return bool(guessed) and (path in guessed or any(place in guessed for place in above))


def _place(problem: Problem) -> tuple[bool, list[tuple[int, str]]]:
    # By turns text and digits: states[10] comes after states[2]
    parts = enumerate(re.split(r"([0-9]+)", problem.path))
    return problem.state is not None, [(len(part) if at % 2 else 0, part) for at, part in parts]


_STEP = re.compile(r"[.\[]")
_compiled = lru_cache(4096)(compile_condition)  # definitions use the same few over and over


class _Compiler:
    def __init__(self, definition: WorkflowDefinition, options: Options, *, sure: bool) -> None:
        self.sure = sure  # else, what looks unreachable may be so only for a field that is wrong
        self.constants = definition.constants
        self.options = options
        self.problems: list[Problem] = []
        self.functions = {entry.name: entry for entry in definition.functions}
        self.retries = {retry.name: retry for retry in definition.retries}
        self.unique((entry.name, f"$.functions[{at}].name") for at, entry in enumerate(definition.functions))
        self.unique((retry.name, f"$.retries[{at}].name") for at, retry in enumerate(definition.retries))
        for at, trigger in enumerate(definition.triggers or ()):
            if trigger.trigger_type == "OBS":
                place = f"$.triggers[{at}].trigger_config"
                self.problems += struct_problems(trigger.trigger_config, ObsTriggerConfig, place)
        everything = list(_everywhere(definition.states, "$", 0))
        self.unique((state.id, f"{place}.id") for place, state in everything)
        if len(everything) > MAX_STATES:
            self.problem("$.states", f"a workflow may have {MAX_STATES} states, not {len(everything)}")

    def problem(self, path: str, message: str, state: State | None = None) -> None:
        self.problems.append(Problem(path, message, state.id if state is not None else None))

    def unique(self, named: Iterable[tuple[str, str]]) -> None:
        first: dict[str, str] = {}
        for name, place in named:
            if first.setdefault(name, place) != place:
                owner = first[name].removeprefix("$.").rpartition(".")[0]
                self.problem(place, f"'{name}' is already used by {owner}")

    # --- states ---

    def chain(self, states: tuple[State, ...], start: str, place: str, depth: int = 0) -> Chain:
        if depth > MAX_NESTING:
            self.problem(place, f"branches and loops may be nested {MAX_NESTING} levels deep")
            return Chain(start, {})
        check_graph(states, start, place, self.problem, whole=self.sure)
        steps = {state.id: self.step(state, f"{place}.states[{index}]", depth) for index, state in enumerate(states)}
        return Chain(start, steps)

    def step(self, state: State, place: str, depth: int) -> Step:
        if state.end and state.transition and self.options.end_and_transition == "refuse":
            self.problem(f"{place}.transition", "a state with end: true has no transition", state)
        filters = state.state_data_filter or StateDataFilter()
        return Step(
            id=state.id,
            name=state.name,
            work=self.work(state, place, depth),
            next=state.next,
            input_filter=self.filter(filters.input, f"{place}.state_data_filter.input", state),
            output_filter=self.filter(filters.output, f"{place}.state_data_filter.output", state),
            handlers=tuple(self.handlers(state, place)),
            heavy=_is_heavy(state),
        )

    def work(self, state: State, place: str, depth: int) -> Work | None:
        if isinstance(state, Operation):
            return self.calls(state.actions, state.action_mode, state, place)
        if isinstance(state, Sleep):
            return Pause(state.duration)
        if isinstance(state, Switch):
            return self.choice(state, place)
        if isinstance(state, Parallel):
            return self.fork(state, place, depth)
        if isinstance(state, Foreach):
            return self.loop(state, place, depth)
        if isinstance(state, SubFlow):
            return Sub(state.workflow_id, state.wait_for_completion)
        if state.next is not None:
            self.problem(f"{place}.transition", "nothing follows an End", state)
        return None

    def choice(self, state: Switch, place: str) -> Choice:
        for name in ("end", "transition"):
            if getattr(state, name):
                self.problem(f"{place}.{name}", "a Switch goes on by its conditions and its default alone", state)
        strict = self.options.missing_in_condition == "fail"
        cases = []
        for at, case in enumerate(state.data_conditions):
            where = f"{place}.data_conditions[{at}].condition"
            condition = self.condition(case.condition, where, state, missing_fails=strict)
            if condition is not None:
                cases.append((condition, case.transition))
        return Choice(tuple(cases), state.default.transition if state.default else None)

    def fork(self, state: Parallel, place: str, depth: int) -> Fork:
        count = len(state.branches)
        needed = {"all": count, "any": 1}.get(state.completion_type, state.num_completed)
        if needed is None or needed > count:
            needed = count
            message = f"with n_of_m, it must be a number from 1 to the {count} branches"
            self.problem(f"{place}.num_completed", message, state)
        chains = tuple(
            self.body(branch, state, f"{place}.branches[{at}]", depth) for at, branch in enumerate(state.branches)
        )
        names = tuple(branch.name for branch in state.branches)
        return Fork(chains, needed, state.result_path, names if self.options.branch_results == "object" else None)

    def loop(self, state: Foreach, place: str, depth: int) -> Loop:
        for at, inner in enumerate(state.states or ()):
            if inner.kind not in IN_LOOPS:
                message = f"a loop may hold {', '.join(IN_LOOPS)} states, not {inner.kind}"
                self.problem(f"{place}.states[{at}]", message, inner)
        return Loop(
            items=self.filter(state.input_collection, f"{place}.input_collection", state)
            or list,  # the latter is never run
            param=self.keys(state.iteration_param, f"{place}.iteration_param", state),
            output=self.keys(state.output_collection, f"{place}.output_collection", state),
            width=state.batch_size,
            interval=state.interval,
            chain=self.body(state, state, place, depth),
        )

    def body(self, body: Body | Foreach, state: State, place: str, depth: int) -> Chain:
        """Compile what a branch or an iteration does; actions and sub-flows count as the state's own."""
        given = [name for name in ("actions", "states", "workflow_id") if getattr(body, name)]
        if len(given) != 1:
            found = f", not {' and '.join(given)}" if given else ""
            self.problem(place, f"exactly one of actions, states and workflow_id is needed{found}", state)
        if body.states:
            return self.chain(body.states, body.start, place, depth + 1)
        work: Work
        if body.workflow_id:
            work = Sub(body.workflow_id, wait=True)
        else:
            work = self.calls(body.actions or (), body.action_mode, state, place)
        return Chain(state.id, {state.id: Step(state.id, state.name, work)})

    # --- what stands in a state ---

    def calls(self, actions: Iterable[Action], mode: str | None, state: State, place: str) -> Calls | Fork:
        calls = self.each_call(actions, state, place)
        if mode != "parallel":
            return Calls(tuple(calls))
        chains = tuple(Chain(state.id, {state.id: Step(state.id, state.name, Calls((call,)))}) for call in calls)
        return Fork(chains, len(chains), "result" if self.options.parallel_output == "object" else None)

    def each_call(self, actions: Iterable[Action], state: State, place: str) -> list[Call]:
        calls = []
        for number, action in enumerate(actions):
            reference = action.function_ref
            where = f"{place}.actions[{number}].function_ref"
            entry = self.functions.get(reference.ref_name)
            if entry is None:
                self.unknown(f"{where}.ref_name", "function", reference.ref_name, self.functions, state)
                continue

            def malformed(at: tuple[str | int, ...], message: str, where: str = where) -> None:
                self.problem(format_path(at, f"{where}.arguments"), message, state)

            template = None
            if reference.arguments or self.options.empty_arguments == "empty":
                template = compile_template(reference.arguments, malformed, self.options)
            calls.append(Call((entry.urn_name, entry.name), template))
        return calls

    def handlers(self, state: State, place: str) -> Iterator[Handler]:
        entries = list(enumerate(state.on_errors or ()))
        for at, entry in entries if self.options.error_order == "first" else reversed(entries):
            where = f"{place}.on_errors[{at}]"
            condition = self.condition(entry.error, f"{where}.error", state) if entry.error.strip() else None
            if entry.retry_ref and entry.retry_ref not in self.retries:
                self.unknown(f"{where}.retry_ref", "retry", entry.retry_ref, self.retries, state)
            if condition is not None or self.options.empty_error == "every":
                yield Handler(condition, self.retries.get(entry.retry_ref), entry.transition or None)

    def condition(self, text: str, place: str, state: State, *, missing_fails: bool = False) -> Condition | None:
        try:
            wins = self.options.constants_clash == "constants"
            return _compiled(text, missing_fails=missing_fails, constants_win=wins)
        except ExpressionError as error:
            self.problem(place, str(error), state)
            return None

    def filter(self, text: str, place: str, state: State) -> Query | None:
        try:
            return compile_filter(text)
        except ExpressionError as error:
            self.problem(place, str(error), state)
            return None

    def keys(self, text: str, place: str, state: State) -> tuple[str, ...]:
        keys = singular_keys(text.strip()) or ()
        names = tuple(key for key in keys if isinstance(key, str))
        if not names or len(names) != len(keys):
            self.problem(place, f"'{text}' is not a path of names such as $.item", state)
        return names

    def unknown(self, place: str, kind: str, name: str, known: Iterable[str], state: State) -> None:
        hint = did_you_mean(name, known, form=QUOTED) if len(self.problems) < MAX_PROBLEMS else ""
        self.problem(place, f"there is no {kind} '{name}'{hint}", state)


def _is_heavy(state: State) -> bool:
    try:
        text = msgspec.json.encode(state)
    except (UnicodeEncodeError, RecursionError):  # it holds what JSON has no plain form for: no telling
        return True
    return any(mark in text for mark in _HEAVY)


def _everywhere(states: Iterable[State], place: str, depth: int) -> Iterator[tuple[str, State]]:
    """Yield all states with their places, those inside others, too."""
    for index, state in enumerate(states):
        where = f"{place}.states[{index}]"
        yield where, state
        for inside, body in state.bodies if depth <= MAX_NESTING else ():
            yield from _everywhere(body.states or (), f"{where}.{inside}" if inside else where, depth + 1)
