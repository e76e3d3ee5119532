"""The input of a workflow as its definition tells: every place that it reads, and what it compares there.

Nothing here is binding: a definition says where it looks, what it takes where nothing is, and which
values it tells apart, but never what a function would refuse. Whatever is not as a definition should
be is passed over.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fgnb import flow
from fgnb.local.expressions import MAX_LENGTH, MISSING, compile_path, literal, singular_keys, split_template
from fgnb.notebook.node import KINDS, Kind, Node, Part
from fgnb.notebook.texts import written
from fgnb.paths import Path, Wild

ITEM = Wild.ITEM
Place = tuple[str | Wild, ...]  # keys, and ITEM for any item of an array

_COMPARED = re.compile(
    r"(?P<path>\$(?:\.[\w\u0080-\U0010FFFF]+|\['[^'\\]*'\]|\[\d+\])+)\s*(?P<sign>==|!=|<=|>=|<|>)\s*"
    r"(?P<value>'(?:[^'\\]|\\.)*'|\$(?:CONST|\.constants)\b[^\s&|)]*|-?\d[\d.eE+-]*|true\b|false\b)"
)
_MARKS = re.compile(r"\\(['\\*])")
_OBJECTS = (dict, list)


@dataclass(slots=True)
class Reading:
    """What is known of a place: `sure` if the workflow's own input is read there for certain."""

    place: Place
    kind: Kind = "any"
    default: Any = MISSING
    sure: bool = True
    examples: tuple[Any, ...] = ()


def shape_of(definition: Any) -> Node:
    """Return the shape of a raw definition's input: an object of all places that it reads.

    A template (``$.order.qty | 1``) gives a path, its default and that default's type; a loop's
    collection is an array, whose items have what the loop reads of each; a condition gives the values
    that it compares with. What is read twice is one place: the first reading wins, a later one only adds.
    """
    top = _Spot()
    for reading in _readings(definition):
        if reading.place:
            top.add(reading)
    return top.node()


@dataclass(slots=True)
class _Spot:
    """A place while the readings are gathered."""

    kind: Kind = "any"
    default: Any = MISSING
    sure: bool = False
    examples: dict[str, Any] = field(default_factory=dict)
    members: dict[str, _Spot] = field(default_factory=dict)
    item: _Spot | None = None

    def add(self, reading: Reading) -> None:
        spot = self
        for step in reading.place:
            if isinstance(step, str):
                spot = spot.members.setdefault(step, _Spot())
            else:
                spot.item = spot.item or _Spot()
                spot = spot.item
            spot.sure = spot.sure or reading.sure
        if spot.kind == "any":
            spot.kind = reading.kind
        if spot.default is MISSING:
            spot.default = reading.default
        spot.examples |= {written(value): value for value in reading.examples}

    def node(self) -> Node:
        """Return the node; of what is read in several shapes, the members count."""
        kind: Kind = self.kind
        parts: tuple[Part, ...] = ()
        if self.members:
            kind = "object"
            found = [Part(key=key, node=spot.node(), primary=spot.sure) for key, spot in self.members.items()]
            parts = tuple(sorted(found, key=lambda part: not part.primary))
        elif self.item is not None or kind == "array":
            kind = "array"
            items = [value for value in self.default if value is not None] if isinstance(self.default, list) else []
            parts = (Part(node=self.item.node() if self.item is not None else Node(kind=_common(items))),)
        examples = tuple(value for value in self.examples.values() if not _is_same(value, self.default))
        return Node(kind=kind, default=self.default, parts=parts, examples=examples)


def _common(values: list[Any]) -> Kind:
    kinds = {_KINDS.get(type(value), "any") for value in values}
    return kinds.pop() if len(kinds) == 1 else "any"


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


# --- what a definition reads -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Coming:
    """What comes into a state.

    Attributes:
        root: where it lies in the workflow's input; None if a function has made it.
        items: what a loop puts into it: the keys, and where an item lies in the workflow's input.
    """

    root: Place | None = ()
    items: tuple[tuple[Path, Place, bool], ...] = ()

    def place(self, keys: Path) -> tuple[Place, bool]:
        """Return where a path leads in the workflow's input, and whether that is for certain."""
        for prefix, item, sure in reversed(self.items):
            if keys[: len(prefix)] == prefix:
                return _below(item, keys[len(prefix) :]), sure
        # What is not where the state looks is looked up in the workflow's input
        return _below(self.root or (), keys), self.root is not None


def _below(place: Place, keys: Path) -> Place:
    return place + tuple(key if isinstance(key, str) else ITEM for key in keys)


def _readings(definition: Any) -> Iterator[Reading]:
    raw = _object(definition)
    yield from _readings_of(raw, _Coming(), _object(raw.get("constants")), 0)


def _readings_of(
    holder: Mapping[str, Any], coming: _Coming, constants: Mapping[str, Any], depth: int
) -> Iterator[Reading]:
    """Yield what a workflow, a branch or a loop reads, in the order of the flow.

    Args:
        holder: what has ``start`` and ``states``.
        coming: what comes into its first state.
        constants: the definition's.
        depth: of states within each other.
    """
    if depth > 20:
        return
    way, aside = flow.in_order(holder)
    comings: dict[str, _Coming] = {way[0]["id"]: coming} if way else {}
    for state in (*way, *aside):
        filters = _object(state.get("state_data_filter"))
        given = _filtered(comings.get(str(state.get("id")), _Coming(None, coming.items)), filters.get("input"))
        is_loop = state.get("type") == "Foreach"
        passes_on = True
        if not is_loop and flow.calls(state):
            yield from _calls_in(state, given, constants)
            passes_on = False
        for body, inner in _bodies(state, given):
            if is_loop:
                yield from _collection(state, given)
            yield from _calls_in(body, inner, constants)
            yield from _readings_of(body, inner, constants, depth + 1)
            passes_on = False
        if given.root is not None:
            yield from _compared(state, given, constants)
        nothing = _Coming(None, coming.items)
        result = _filtered(given, filters.get("output")) if passes_on and not state.get("workflow_id") else nothing
        caught = flow.error_targets(state)
        for target in flow.targets(state):
            # Where ways from several places join, what comes in is known only if it is the same
            after = nothing if target in caught else result
            comings[target] = after if comings.get(target, after) == after else nothing


def _bodies(state: Mapping[str, Any], given: _Coming) -> Iterator[tuple[Mapping[str, Any], _Coming]]:
    """Yield what runs inside a state, with what comes into it."""
    if state.get("type") != "Foreach":
        for branch in flow.objects(state.get("branches")):
            yield branch, given
        return
    param, collection = _keys_of(state.get("iteration_param")), _keys_of(state.get("input_collection"))
    inner = given
    if param and collection is not None:
        place, sure = given.place(collection)
        inner = _Coming(given.root, (*given.items, (param, (*place, ITEM), sure)))
    yield state, inner


def _collection(state: Mapping[str, Any], given: _Coming) -> Iterator[Reading]:
    keys = _keys_of(state.get("input_collection"))
    if keys:
        place, sure = given.place(keys)
        yield Reading(place, kind="array", sure=sure)


def _calls_in(body: Mapping[str, Any], given: _Coming, constants: Mapping[str, Any]) -> Iterator[Reading]:
    for number, reference in enumerate(flow.calls(body)):
        # In a sequence, an action reads the output of the one before
        reads_input = number == 0 or body.get("action_mode") == "parallel"
        coming = given if reads_input else _Coming(None)
        for text in _texts(reference.get("arguments")):
            split = split_template(text)
            keys = singular_keys(split[0]) if split else None
            if split is None or keys is None or keys[:1] == ("constants",):
                continue
            place, sure = coming.place(keys)
            # The default of one item of an array is not that of any other
            default = MISSING if any(isinstance(key, int) for key in keys) else _default(split[1], constants)
            yield Reading(place, kind=_KINDS.get(type(default), "any"), default=default, sure=sure)


def _compared(state: Mapping[str, Any], given: _Coming, constants: Mapping[str, Any]) -> Iterator[Reading]:
    """Yield the values that the conditions of a state tell apart."""
    for case in flow.objects(state.get("data_conditions")):
        text = case.get("condition")
        for found in _COMPARED.finditer(text[:MAX_LENGTH]) if isinstance(text, str) else ():
            keys = singular_keys(found["path"])
            value = _value(found["value"], constants)
            if keys and keys[0] != "constants" and value is not MISSING and not isinstance(value, _OBJECTS):
                place, sure = given.place(keys)
                yield Reading(place, kind=_KINDS.get(type(value), "any"), sure=sure, examples=(value,))


def _value(text: str, constants: Mapping[str, Any]) -> Any:
    if text.startswith("'"):
        return MISSING if text == "'*'" else _MARKS.sub(r"\1", text[1:-1])
    return _default(text, constants)


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _keys_of(path: Any) -> Path | None:
    return singular_keys(path.strip()) if isinstance(path, str) and path.strip() else None


def _filtered(coming: _Coming, filter: Any) -> _Coming:
    text = filter.strip() if isinstance(filter, str) else ""
    keys = singular_keys(text) if text else ()
    if keys == ():
        return coming
    if coming.root is None or keys is None:
        return _Coming(None)
    return _Coming(_below(coming.root, keys))


def _texts(template: Any) -> Iterator[str]:
    """Yield every text in a template, in its order; not by recursion, which depth could exhaust."""
    stack = [template]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            stack.extend(reversed(node.values()))
        elif isinstance(node, list):
            stack.extend(reversed(node))


def _default(text: str | None, constants: Mapping[str, Any]) -> Any:
    """Return what a default means as far as the definition alone tells, or MISSING."""
    if text is None:
        return MISSING
    if split_template(text) is not None:
        root = next((root for root in ("$CONST", "$.constants") if text.startswith(root)), None)
        path = "$" + text.removeprefix(root) if root else ""
        # Anything else is another place in the input, which is not known here
        known = len(path) <= MAX_LENGTH and singular_keys(path) is not None
        return compile_path(path)(constants) if known else MISSING
    try:
        value = literal(text)
    except ValueError:  # more digits than Python reads
        return MISSING
    return value if not isinstance(value, float) or math.isfinite(value) else MISSING


_KINDS: dict[type, Kind] = KINDS | {dict: "json"}  # a default that is an object stays one field
