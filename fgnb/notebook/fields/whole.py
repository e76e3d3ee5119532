"""Raw JSON where fields do not do: the members of an object without a field, and values of another shape."""

from __future__ import annotations

from typing import Any

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.fields.field import Field, Owner
from fgnb.notebook.fields.leaf import Leaf
from fgnb.notebook.fields.looks import Labels
from fgnb.notebook.node import Node
from fgnb.notebook.texts import json_type
from fgnb.paths import Path


class Whole(Leaf):
    """A value that is not of the shape of its field, as JSON."""

    def __init__(self, owner: Owner, parent: Field) -> None:
        node = Node(
            kind="json",
            title=parent.label or "input",
            hints=(f"shown as JSON, since it is no {_WORDS[parent.node.kind]}",),
        )
        super().__init__(owner, node, parent, "", required=True, style=Labels([node.title]).of(node.title))
        self.steps = ()


_WORDS = {
    "object": "object with these members",
    "array": "list that has a field for each item",
    "union": "variant of these",
}


class Others(Leaf):
    """The members of an object that have no field of their own, as JSON: nothing is ever hidden or lost."""

    def __init__(self, owner: Owner, parent: Field, known: frozenset[str]) -> None:
        self.known = known
        node = Node(kind="json", title="other members", help="an object in JSON")
        super().__init__(owner, node, parent, "", required=True, style=Labels([node.title]).of(node.title))
        self.steps = ()

    @property
    def name(self) -> str:
        """Which object's they are."""
        above = super().name
        return f"other members of {above}" if above else "other members"

    def holds(self, path: Path) -> bool:
        """Whether a path leads to one of them."""
        return bool(path) and path[0] not in self.known

    def of(self, value: dict[str, Any]) -> Any:
        """Return these members of an object; MISSING if there are none."""
        return {key: one for key, one in value.items() if key not in self.known} or MISSING

    def put(self, new: Any) -> None:
        """Put these members beside those that have fields."""
        members = {} if new is MISSING else new
        if not isinstance(members, dict):
            raise InputError(f"not an object of further members, but {json_type(members)}")
        taken = sorted(self.known & members.keys())
        if taken:
            raise InputError(f"'{taken[0]}' has a field of its own")
        found = self.owner.current(self.path)
        fields = {key: one for key, one in found.items() if key in self.known} if isinstance(found, dict) else {}
        self.edit(fields | members)
