"""A workflow as nodes and edges, read from a raw definition: whatever is there, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal

from fgnb import flow
from fgnb.render.text import one_line
from fgnb.render.told import body_does, does, text

DEEPEST = 20  # levels of branches and loops that are followed; the service allows fewer
CALLS = 4  # lines for the calls of a state

EdgeKind = Literal["next", "case", "else", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A way from one node to another, by their keys; a label says when it is taken."""

    source: int
    target: int
    kind: EdgeKind = "next"
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A state, what a branch does without states of its own, or a state that is named but not there.

    Attributes:
        key: its number, unique in the whole graph.
        id: the state's id; of a branch without states, the branch's name.
        kind: the state's type; ``Branch`` and ``missing`` for the other two.
        lines: what it does.
        retries: which failures are tried again, and how often.
        ends: whether its way ends here.
        reached: whether a way leads here from the start.
        is_state: whether it is a state of the definition, and so what errors and visits name.
        chains: what runs inside: branches, or the body of a loop.
    """

    key: int
    id: str
    name: str = ""
    kind: str
    lines: tuple[str, ...] = ()
    retries: tuple[str, ...] = ()
    ends: bool = False
    reached: bool = True
    is_state: bool = True
    chains: tuple[Chain, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """States that lead to each other: a whole workflow, a branch, or the body of a loop.

    The nodes stand in the order of their ways, those that no way leads to behind the others.
    """

    title: str = ""
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    start: int | None = None

    def walk(self) -> Iterator[Node]:
        """Yield every node, each followed by those inside it."""
        for node in self.nodes:
            yield node
            for chain in node.chains:
                yield from chain.walk()

    def edges_inside(self) -> Iterator[Edge]:
        """Yield the edges of this chain and of all inside it."""
        yield from self.edges
        for node in self.nodes:
            for chain in node.chains:
                yield from chain.edges_inside()


def read(definition: Any) -> Chain:
    """Return what a raw definition describes; what is not as it should be is passed over, or missing.

    >>> chain = read({"start": "a", "states": [{"id": "a", "type": "Sleep", "duration": 2, "transition": "b"}]})
    >>> [(node.id, node.kind, node.lines) for node in chain.nodes]
    [('a', 'Sleep', ('waits 2 s',)), ('b', 'missing', ('no such state',))]
    """
    raw = definition if isinstance(definition, dict) else {}
    return _Reader(raw).chain(raw)


class _Reader:
    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._keys = count()
        self._retries = {text(entry, "name"): entry for entry in flow.objects(definition.get("retries"))}

    def chain(self, holder: Mapping[str, Any], title: str = "", depth: int = 0) -> Chain:
        reached, others = flow.in_order(holder)
        states = [*reached, *others]
        if not states:
            return Chain(title=title)
        first, later = range(len(reached)), range(len(reached), len(states))
        keys = [next(self._keys) for _ in states]
        by_id: dict[str, int] = {}
        for key, state in zip(keys, states, strict=True):
            if isinstance(state.get("id"), str):
                by_id.setdefault(state["id"], key)
        missing: list[Node] = []

        def key_of(target: str, known: bool) -> int:
            """Return the key of a state; where there is none, of a node that says so."""
            for node in missing:
                if node.id == target and node.reached == known:
                    return node.key
            if target in by_id:
                return by_id[target]
            key = next(self._keys)
            missing.append(_missing(key, target, "no such state", reached=known))
            return key

        edges: list[Edge] = []
        elsewhere: dict[int, list[str]] = {}  # what is drawn apart says where it would go on
        apart = {keys[at] for at in later}
        for at in (*first, *later):
            key = keys[at]
            for target, kind, label in _ways(states[at]):
                end = key_of(target, at in first)
                if key in apart and end in by_id.values() and end not in apart:
                    elsewhere.setdefault(key, []).append(f"leads to {target}")
                else:
                    edges.append(Edge(source=key, target=end, kind=kind, label=label))
        start = by_id.get(holder["start"]) if isinstance(holder.get("start"), str) else None
        if start is None and not reached:
            named = text(holder, "start")
            start = next(self._keys)
            told = "no such state" if named else "no start is named"
            missing.insert(0, _missing(start, named or "start", told))
        nodes = [
            self._node(keys[at], states[at], depth, reached=at in first, more=elsewhere.get(keys[at], ()))
            for at in (*first, *later)
        ]
        return Chain(
            title=title,
            nodes=(
                *nodes[: len(first)],
                *(node for node in missing if node.reached),
                *nodes[len(first) :],
                *(node for node in missing if not node.reached),
            ),
            edges=tuple(edges),
            start=start,
        )

    def _node(self, key: int, state: flow.RawState, depth: int, *, reached: bool, more: Sequence[str]) -> Node:
        chains = self._inside(state, depth)
        return Node(
            key=key,
            id=text(state, "id") or "(no id)",
            name=text(state, "name"),
            kind=text(state, "type") or "(no type)",
            lines=(*_lines(state, whole=not chains), *more),
            retries=tuple(self._retried(state)),
            ends=not _flow_on(state),
            reached=reached,
            chains=chains,
        )

    def _inside(self, state: flow.RawState, depth: int) -> tuple[Chain, ...]:
        bodies = flow.bodies(state)
        if state.get("type") == "Foreach" and not flow.objects(state.get("states")):
            bodies = []
        if depth >= DEEPEST and bodies:
            key = next(self._keys)
            lines = ("nested deeper than is shown",)
            return (Chain(nodes=(Node(key=key, id="…", kind="Branch", lines=lines, is_state=False),)),)
        title = "" if state.get("type") == "Foreach" else "name"
        return tuple(self._body(body, text(body, title) if title else "", depth) for body in bodies)

    def _body(self, body: Mapping[str, Any], title: str, depth: int) -> Chain:
        if flow.objects(body.get("states")):
            return self.chain(body, title, depth + 1)
        kind = "SubFlow" if body.get("workflow_id") else "Branch"
        lines = _calls(body) or ("does nothing",)
        key = next(self._keys)
        return Chain(nodes=(Node(key=key, id=title or "(no name)", kind=kind, lines=lines, is_state=False),))

    def _retried(self, state: flow.RawState) -> Iterator[str]:
        for entry in flow.objects(state.get("on_errors")):
            name = text(entry, "retry_ref")
            if name:
                rule = self._retries.get(name)
                often = (
                    f"{text(rule, 'max_attempts') or 3} × after {text(rule, 'delay') or 1} s"
                    if rule is not None
                    else f"{name}: no such retry"
                )
                when = text(entry, "error")
                yield f"↻ {often}" + (f" on {when}" if when.strip() else "")


def _missing(key: int, id: str, told: str, *, reached: bool = True) -> Node:
    return Node(key=key, id=id, kind="missing", lines=(told,), reached=reached, is_state=False)


def _flow_on(state: flow.RawState) -> bool:
    """Whether a state leads on to another, failures aside."""
    return any(kind != "error" for _, kind, _ in _ways(state))


def _ways(state: flow.RawState) -> Iterator[tuple[str, EdgeKind, str]]:
    """Yield where a state leads: the id, why, and what to write at the edge; as `fgnb.flow.targets`."""
    for case in flow.objects(state.get("data_conditions")):
        yield from _way(case, "case", text(case, "condition") or text(case, "name") or "if …")
    default = state.get("default")
    if isinstance(default, dict):
        yield from _way(default, "else", "else")
    if state.get("end") is not True:
        yield from _way(state, "next", "")
    for entry in flow.objects(state.get("on_errors")):
        when = text(entry, "error").strip()
        yield from _way(entry, "error", f"on {when}" if when else "on any error")


def _way(holder: Mapping[str, Any], kind: EdgeKind, label: str) -> Iterator[tuple[str, EdgeKind, str]]:
    target = holder.get("transition")
    if isinstance(target, str) and target:
        yield target, kind, one_line(label)


def _lines(state: flow.RawState, *, whole: bool) -> tuple[str, ...]:
    kind = text(state, "type")
    if kind == "Foreach":
        width = text(state, "batch_size")
        paced = f", {width} at once" if width not in ("", "0") else ""
        return (f"for each of {text(state, 'input_collection')}{paced}", *(_calls(state) if whole else ()))
    if kind in ("End", "Switch"):
        return ()
    return (_calls(state) if kind == "Operation" else ()) or tuple(line for line in (does(state),) if line != kind)


def _calls(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the calls of a state or a branch, a line each."""
    if body.get("workflow_id"):
        return (body_does(body),)
    names = [text(reference, "ref_name") for reference in flow.calls(body)]
    joint = "and" if body.get("action_mode") == "parallel" else "then"
    lines = [f"{joint if number else 'calls'} {name}" for number, name in enumerate(names)]
    return (*lines[: CALLS - 1], f"… and {len(lines) - CALLS + 1} more") if len(lines) > CALLS else tuple(lines)
