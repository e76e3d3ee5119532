"""The shape of a workflow: every target exists, no way leads back, no state stands alone.

The rules are those of the console's guide (page 01_0309): the states form a directed acyclic graph.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fgnb.errors import did_you_mean
from fgnb.wire import State

QUOTED = "'{}'"
HINTS = 100  # wrong targets for which the nearest state is looked for, which takes its time
Report = Callable[[str, str, State | None], None]
"""Told the path, the message and the state of each problem."""


def check_graph(states: Sequence[State], start: str, place: str, report: Report, *, whole: bool = True) -> None:
    """Check the states of a workflow, of a branch or of a loop.

    Args:
        states: they may lead to each other, not beyond.
        start: the id of the first; checked, too.
        place: the JSONPath of the object that holds ``start`` and ``states``.
        report: told every problem.
        whole: whether all ways are known; if not, a state that none leads to is not a problem.
    """
    by_id = {state.id: state for state in reversed(states)}  # of two with one id, the first counts
    wrong = 0
    for index, state in enumerate(states):
        for where, target in state.targets:
            if target not in by_id:
                wrong += 1
                report(f"{place}.states[{index}].{where}", _unknown(target, by_id, hint=wrong <= HINTS), state)
    if start not in by_id:
        report(f"{place}.start", _unknown(start, by_id), None)
        return
    reached, closing = _search(by_id, start)
    for index, state in enumerate(states):
        if state.id in closing and state is by_id[state.id]:
            report(f"{place}.states[{index}]", "the states form a cycle: a workflow must come to an end", state)
        elif state.id not in reached and whole and not wrong:  # what a wrong way cuts off is no problem of its own
            report(f"{place}.states[{index}]", "no way leads here from the start", state)


def _unknown(target: str, known: dict[str, State], *, hint: bool = True) -> str:
    return f"there is no state '{target}'{did_you_mean(target, known, form=QUOTED) if hint else ''}"


def _search(states: dict[str, State], start: str) -> tuple[set[str], set[str]]:
    """Return the ids of all states that can be reached, and of those to which a way leads back."""
    reached, closing, under_way = {start}, set(), {start}
    stack: list[tuple[str, Iterator[tuple[str, str]]]] = [(start, iter(states[start].targets))]
    while stack:
        state_id, targets = stack[-1]
        for _, target in targets:
            if target in under_way:
                closing.add(target)
            elif target in states and target not in reached:
                reached.add(target)
                under_way.add(target)
                stack.append((target, iter(states[target].targets)))
                break
        else:
            under_way.discard(state_id)
            stack.pop()
    return reached, closing
