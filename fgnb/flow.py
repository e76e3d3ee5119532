"""The ways through a workflow, read from a raw definition; what is not as it should be is passed over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RawState = Mapping[str, Any]


def objects(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list; none if it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def targets(state: RawState) -> list[str]:
    """Return the ids of the states that may follow, in the order of the definition."""
    ways = [case.get("transition") for case in objects(state.get("data_conditions"))]
    if isinstance(state.get("default"), dict):
        ways.append(state["default"].get("transition"))
    if state.get("end") is not True:
        ways.append(state.get("transition"))
    return [way for way in (*ways, *error_targets(state)) if isinstance(way, str) and way]


def error_targets(state: RawState) -> list[Any]:
    """Return where the state's ``on_errors`` point."""
    return [entry.get("transition") for entry in objects(state.get("on_errors"))]


def bodies(state: RawState) -> list[Mapping[str, Any]]:
    """Return what runs inside a state: its branches, or itself where it is a loop."""
    if state.get("type") == "Foreach":
        return [state]
    return objects(state.get("branches"))


def in_order(holder: Mapping[str, Any]) -> tuple[list[RawState], list[RawState]]:
    """Return the states of a workflow, a branch or a loop in the order of their ways, and those no way leads to.

    Args:
        holder: what has ``start`` and ``states``. A state stands after all that lead to it, unless
            they form a cycle; states inside others are not among them.
    """
    states = objects(holder.get("states"))
    by_id = {state["id"]: state for state in reversed(states) if isinstance(state.get("id"), str)}
    start = holder.get("start")
    ended: list[str] = []  # ids, last ones first
    seen: set[str] = set()
    stack: list[tuple[str, Iterator[str]]] = []

    def visit(state_id: Any) -> None:
        if isinstance(state_id, str) and state_id in by_id and state_id not in seen:
            seen.add(state_id)
            # The last way first, so that the first one stands right behind its state in the end
            stack.append((state_id, iter(targets(by_id[state_id])[::-1])))

    visit(start)
    while stack:
        state_id, ways = stack[-1]
        following = next(ways, None)
        if following is None:
            ended.append(state_id)
            stack.pop()
        else:
            visit(following)
    reached = [by_id[state_id] for state_id in reversed(ended)]
    known = {id(state) for state in reached}
    return reached, [state for state in states if id(state) not in known]


def everything(holder: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[int, RawState]]:
    """Yield all states in their order, each followed by those inside it, with the level of nesting."""
    reached, others = in_order(holder)
    for state in (*reached, *others):
        yield depth, state
        for body in bodies(state) if depth < 20 else ():
            yield from everything(body, depth + 1)


def calls(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the ``function_ref`` of every action of a state or a branch."""
    references = [action.get("function_ref") for action in objects(body.get("actions"))]
    return [reference if isinstance(reference, dict) else {} for reference in references]
