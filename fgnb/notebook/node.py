"""What may stand at a place of an input, as far as it is known: the shape that a form shows.

A tree of nodes is made of a JSON Schema (`fgnb.notebook.jsonschema`), which is binding, or of what is
known of a workflow (`fgnb.notebook.schema`), which only suggests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from fgnb.local.expressions import MISSING

Kind = Literal["text", "integer", "number", "boolean", "choice", "any", "json", "object", "array", "union"]
"""``any`` is a JSON value or, where a text is not JSON, that text itself; ``json`` is written as JSON."""

MAX_DEPTH = 8  # of values that are made of a shape, which may hold itself


KINDS: dict[type, Kind] = {
    str: "text",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
"""The kind of a JSON value by its Python type; null has none of its own."""

TYPES: dict[Kind, tuple[type, ...]] = {
    "text": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
"""The Python types of the JSON values that fit a kind; of others, any value does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What may stand at a place.

    Attributes:
        kind: how it is shown and read.
        strict: whether a schema of the user's says so; else it is a guess, and any value may stand there.
        title: what to call it instead of its key.
        help: what it is for.
        hints: what is known of its values, in words.
        default: what is taken, or sent, where nothing is said; MISSING if there is none.
        examples: values that are likely.
        choices: the only values, of a ``choice``.
        labels: what to call them, if they have names.
        nullable: whether null may stand there, too.
        low: the least number, where there is one.
        parts: the members of an object; the one part of an array is any of its items; those of a union
            are its variants, in their order.
        extra: whether an object may well have other members.
    """

    kind: Kind = "any"
    strict: bool = False
    title: str = ""
    help: str = ""
    hints: tuple[str, ...] = ()
    default: Any = MISSING
    examples: tuple[Any, ...] = ()
    choices: tuple[Any, ...] = ()
    labels: tuple[str, ...] = ()
    nullable: bool = False
    low: float | None = None
    parts: Sequence[Part] = ()
    extra: bool = False

    @property
    def has_default(self) -> bool:
        """Whether it is known what is taken where nothing is said."""
        return self.default is not MISSING

    @property
    def item(self) -> Node:
        """What may stand at any place of an array."""
        return self.parts[0].node if self.parts else Node(strict=self.strict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A member of an object, the items of an array, a variant of a union.

    Attributes:
        key: the member's; of a variant, its name.
        node: what may stand there.
        required: whether an object has to have it.
        primary: whether the workflow's own input is read here for certain; a later state may as well
            mean an earlier function's output.
        place: of a variant, its position in the schema's list.
    """

    key: str = ""
    node: Node
    required: bool = False
    primary: bool = True
    place: int = 0


class Lazily(Sequence[Part]):
    """Parts that are made when they are looked at: a schema may hold itself."""

    def __init__(self, make: Callable[[], Sequence[Part]]) -> None:
        self._make = make
        self._parts: Sequence[Part] | None = None

    def _made(self) -> Sequence[Part]:
        if self._parts is None:
            self._parts = self._make()
        return self._parts

    @overload
    def __getitem__(self, at: int) -> Part: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Part]: ...
    def __getitem__(self, at: int | slice) -> Part | Sequence[Part]:
        return self._made()[at]

    def __len__(self) -> int:
        return len(self._made())


def initial(node: Node, depth: int = 0) -> Any:
    """Return what is filled in before anything is said: defaults and constants; MISSING if there are none."""
    if node.has_default:
        return node.default
    if node.kind == "choice" and len(node.choices) == 1:
        return node.choices[0]
    if node.kind != "object" or depth >= MAX_DEPTH:
        return MISSING
    found = {}
    for part in node.parts:
        if part.required or part.node.has_default:
            value = initial(part.node, depth + 1)
            if value is not MISSING:
                found[part.key] = value
    return found


def blank(node: Node, depth: int = 0) -> Any:
    """Return a value to begin with where one is needed, such as of a new item."""
    value = initial(node, depth)
    if value is not MISSING:
        return value
    if node.kind == "union" and node.parts and depth < MAX_DEPTH:
        return blank(node.parts[0].node, depth + 1)
    if node.kind in ("integer", "number"):
        low = node.low or 0
        return int(low) if low == int(low) else low
    if node.kind == "choice":
        return node.choices[0] if node.choices else None
    return {"text": "", "boolean": False, "array": [], "object": {}}.get(node.kind)


def likeness(node: Node, value: Any, depth: int = 0) -> int:
    """Return how well a value goes with a node: -9 not at all; the higher, the better."""
    if value is None and node.nullable:
        return 3
    if node.kind == "choice":
        return 5 if any(type(one) is type(value) and one == value for one in node.choices) else -9
    if node.kind == "union":
        return max((likeness(part.node, value, depth + 1) for part in node.parts), default=0) if depth < 4 else 0
    types = TYPES.get(node.kind)
    if types is None:
        return 0
    if not isinstance(value, types) or (isinstance(value, bool) and node.kind != "boolean"):
        return -9
    if not isinstance(value, dict) or depth >= 4:
        return 3
    points, known = 3, set()
    for part in node.parts:
        known.add(part.key)
        if part.key in value:
            points += max(-8, min(3, 1 + likeness(part.node, value[part.key], depth + 1)))
        elif part.required:
            points -= 2
    return max(-8, points - sum(key not in known for key in value))
