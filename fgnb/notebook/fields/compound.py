"""Fields that hold others: objects, lists and variants."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ipywidgets

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.controls import line
from fgnb.notebook.fields.field import NEVER, Field, Owner, called
from fgnb.notebook.fields.leaf import Leaf
from fgnb.notebook.fields.looks import Labels
from fgnb.notebook.fields.whole import Others, Whole
from fgnb.notebook.node import MAX_DEPTH, TYPES, Node, Part, blank, likeness
from fgnb.notebook.texts import written
from fgnb.paths import Path
from fgnb.render import html

LATER = "More: usually filled by earlier steps"
MOST_ITEMS = 50  # of a list that have a field each; a longer one is JSON


def field_for(
    owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool, labels: Labels | None = None
) -> Field:
    """Return the field for a node; what lies too deep is JSON."""
    kinds: dict[str, type[Compound]] = {"object": ObjectField, "array": ArrayField, "union": UnionField}
    if node.kind in kinds and (parent is None or parent.depth() < MAX_DEPTH):
        return kinds[node.kind](owner, node, parent, key, required=required)
    if node.kind in kinds:
        node = replace(node, kind="json")
    title = node.title or str(key)
    return Leaf(owner, node, parent, key, required=required, style=(labels or Labels([title])).of(title))


class Compound(Field):
    """A field of fields: a heading with the switch, and what is in it below.

    A value of another shape is shown as JSON instead.
    """

    def __init__(self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool) -> None:
        super().__init__(owner, node, parent, key, required=required)
        looks = owner.looks
        self.title = ipywidgets.HTML(layout=looks.title, style=looks.html)
        self.body = ipywidgets.VBox(layout=looks.column if parent is None or key == "" else looks.inside)
        self.head: Any = None
        self.whole: Whole | None = None
        self.null: Any = None
        self.disabled = False
        self._children: Sequence[Field] = ()
        self.box = ipywidgets.VBox([], layout=looks.column)

    def make_head(self, *more: Any) -> None:
        """Make the heading; the whole input and a variant have none."""
        switch = self.make_switch()
        if self.node.nullable and self.node.kind != "union":  # whose choice has null
            self.null = self.make_null()
            more = (*more, self.null)
        self.head = ipywidgets.HBox(
            [one for one in (switch, self.title, *more) if one is not None], layout=self.owner.looks.row
        )

    def children(self) -> Sequence[Field]:
        """Return the fields in it that are shown."""
        return self._children

    def paint(self, found: Any, *, fresh: bool, disabled: bool) -> None:
        """Show a value, unless it is the very one that is shown."""
        if found is self.shown and not fresh and disabled == self.disabled:
            return
        self.shown, self.disabled = found, disabled
        self.paint_switch(found is not MISSING, disabled=disabled)
        self.title.value = self.heading(found)
        if self.null is not None:
            self.null.value, self.null.disabled = found is None, disabled
        if self.null is not None and found is None:
            self._children, inside = (), []
        elif found is MISSING or self.takes(found):
            inside = self.paint_inside(found, fresh=fresh, disabled=disabled)
        else:
            if self.whole is None:
                self.whole = Whole(self.owner, self)
            self.paint_field(self.whole, found, fresh=fresh, disabled=disabled)
            self._children = (self.whole,)
            inside = [self.whole.box]
        _put(self.body, inside)
        _put(self.box, [*([self.head] if self.head is not None else []), *([self.body] if inside else [])])

    def paint_field(self, field: Field, found: Any, *, fresh: bool, disabled: bool) -> None:
        """Show a value in a field; what was typed there before it was taken away is forgotten."""
        field.paint(found, fresh=fresh or field not in self._children, disabled=disabled)

    @abstractmethod
    def takes(self, found: Any) -> bool:
        """Whether a value is of the shape that the fields in it can show."""

    def on_null(self, change: Any) -> None:
        """Make it null, or no longer."""
        self.edit(None if change["new"] else self.start())

    def turn_on(self) -> None:
        """Give the input this member: its default, unless that is null."""
        default = self.node.default
        self.edit(default if self.node.has_default and default is not None else self.start())

    def start(self) -> Any:
        """Return a value to begin with."""
        return blank(replace(self.node, default=MISSING))

    @abstractmethod
    def paint_inside(self, found: Any, *, fresh: bool, disabled: bool) -> list[Any]:
        """Show a value of that shape, or MISSING; return the widgets that do."""

    def heading(self, found: Any) -> str:
        """Return the heading (HTML): what it is called, and how much there is of it."""
        return f"{line(self.label, 'font-weight:600')} {line(self.amount(found), html.MUTED)}"

    def amount(self, found: Any) -> str:
        """Return how much there is of it, in words."""
        if found is not MISSING:
            return ""
        if self.node.has_default and not self.node.strict:
            return f"left out: {written(self.node.default)[:80]} is taken"
        return ""

    def note_html(self) -> str:
        """Return help and hints."""
        return line("; ".join(one for one in (self.node.help, *self.node.hints) if one), html.MUTED)

    def add_note(self, note: Any) -> None:
        """Put the note into the heading, or above all where there is none."""
        if self.head is not None:
            self.head.children = (*self.head.children, note)
        else:
            self.head = ipywidgets.HBox([note], layout=self.owner.looks.row)
            self.box.children = (self.head, *self.box.children)


def _put(box: Any, children: Sequence[Any]) -> None:
    """Put widgets into a box, unless it holds just these: a page would draw them anew."""
    if tuple(children) != tuple(box.children):
        box.children = tuple(children)


class ObjectField(Compound):
    """An object: a field for each member that is known, and one for all others."""

    def __init__(self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool) -> None:
        super().__init__(owner, node, parent, key, required=required)
        self._members: list[Field] | None = None
        self._others: Others | None = None
        self.more: Any = None
        if parent is not None and key != "":
            self.make_head()

    def takes(self, found: Any) -> bool:
        """Whether it is an object."""
        return isinstance(found, dict)

    def paint_inside(self, found: Any, *, fresh: bool, disabled: bool) -> list[Any]:
        """Show the members; of an absent object only if it comes by itself with the first of them."""
        if found is MISSING and not self.required and self.node.strict and self.parent is not None:
            self._children = ()
            return []
        if self._members is None:
            labels = Labels(part.node.title or part.key for part in self.node.parts)
            self._members = [
                field_for(self.owner, part.node, self, part.key, required=part.required, labels=labels)
                for part in self.node.parts
            ]
        here = found if isinstance(found, dict) else {}
        for member in self._members:
            self.paint_field(member, here.get(str(member.key), MISSING), fresh=fresh, disabled=disabled)
        self._children = self._members
        return self._arranged() + self._with_others(here, fresh=fresh, disabled=disabled)

    def _with_others(self, here: dict[str, Any], *, fresh: bool, disabled: bool) -> list[Any]:
        known = frozenset(part.key for part in self.node.parts)
        if self._others is None and not self.node.extra and here.keys() <= known:
            return []
        if self._others is None:
            self._others = Others(self.owner, self, known)
        self._others.paint(self._others.of(here), fresh=fresh, disabled=disabled)
        self._children = [*self._children, self._others]
        return [self._others.box]

    def _arranged(self) -> list[Any]:
        """Return the members' boxes, those that are hardly the input's own folded away."""
        members = self._members or []
        later = [
            field.box for field, part in zip(members, self.node.parts, strict=True) if not part.primary
        ] if self.parent is None else []  # fmt: skip
        if not later:
            return [field.box for field in members]
        first = [field.box for field, part in zip(members, self.node.parts, strict=True) if part.primary]
        if self.more is None:
            inside = ipywidgets.VBox(later, layout=self.owner.looks.column)
            self.more = ipywidgets.Accordion([inside], titles=[LATER], layout=self.owner.looks.column)
            self.more.selected_index = None if first else 0
        return [*first, self.more]


class ArrayField(Compound):
    """A list: a field for each item, with buttons to add, to remove, and to move.

    The fields stay where they are, and the values move: who moves an item with the keyboard stays at
    the button. A text that can't be read moves with its item.
    """

    def __init__(self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool) -> None:
        super().__init__(owner, node, parent, key, required=required)
        self._rows: list[tuple[Field, Any, list[Any]]] = []
        self.add = self.button("+ Add", f"add an item to {self.name or 'the list'}", called(self._add))
        self.make_head(self.add)

    def takes(self, found: Any) -> bool:
        """Whether it is a list that has room for a field for each item."""
        return isinstance(found, list) and len(found) <= MOST_ITEMS

    def amount(self, found: Any) -> str:
        """Return how many items there are."""
        if not isinstance(found, list):
            return super().amount(found)
        return counted(len(found), "item")

    def paint_inside(self, found: Any, *, fresh: bool, disabled: bool) -> list[Any]:
        """Show the items."""
        items = [] if found is MISSING else found
        while len(self._rows) < len(items):
            self._rows.append(self._row(len(self._rows)))
        for at, (value, (field, _, buttons)) in enumerate(zip(items, self._rows, strict=False)):
            self.paint_field(field, value, fresh=fresh, disabled=disabled)
            for button, off in zip(buttons, (at == 0, at == len(items) - 1, False), strict=True):
                button.disabled = disabled or off
        self._children = [field for field, _, _ in self._rows[: len(items)]]
        self.add.disabled = disabled or len(items) >= MOST_ITEMS
        return [box for _, box, _ in self._rows[: len(items)]]

    def _row(self, at: int) -> tuple[Field, Any, list[Any]]:
        looks = self.owner.looks
        field = field_for(self.owner, self.node.item, self, at, required=True, labels=looks.positions)
        buttons = [
            self.button("↑", f"move {field.name} up", called(self._move, at, -1)),
            self.button("↓", f"move {field.name} down", called(self._move, at, 1)),
            self.button("×", f"remove {field.name}", called(self._remove, at)),
        ]
        together = ipywidgets.HBox(buttons, layout=looks.buttons)
        if isinstance(field, Compound) and field.head is not None:
            field.head.children = (*field.head.children, together)
            return field, field.box, buttons
        box = ipywidgets.Box([field.box], layout=looks.rest)
        return field, ipywidgets.HBox([box, together], layout=looks.column), buttons

    def _items(self) -> list[Any]:
        found = self.owner.current(self.path)
        if found is MISSING and isinstance(self.node.default, list):
            return list(self.node.default)
        return list(found) if isinstance(found, list) else []

    def _add(self) -> None:
        self.edit([*self._items(), blank(self.node.item)])

    def _move(self, at: int, by: int) -> None:
        if 0 <= at + by < len(self._items()):
            self._rearrange(lambda places: _swapped(places, at, at + by))

    def _remove(self, at: int) -> None:
        if at < len(self._items()):
            self._rearrange(lambda places: places[:at] + places[at + 1 :])

    def _rearrange(self, order: Callable[[list[int]], list[int]]) -> None:
        items, drafts = self._items(), self.drafts()
        places = order(list(range(len(items))))
        self.edit([items[place] for place in places])
        moved: dict[Path, tuple[str, InputError]] = {}
        for now, before in enumerate(places):
            moved |= {(now, *path[1:]): draft for path, draft in drafts.items() if path[0] == before}
        if drafts:
            self.set_drafts(moved)
            self.owner.drafted()


def _swapped(places: list[int], one: int, other: int) -> list[int]:
    places[one], places[other] = places[other], places[one]
    return places


class UnionField(Compound):
    """One of several variants: a choice of them, and the field of the chosen one.

    What was written in one variant comes back when it is chosen again; what two of them have in
    common goes along.
    """

    def __init__(self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool) -> None:
        super().__init__(owner, node, parent, key, required=required)
        self.chosen: int | None = None
        self._fields: dict[int, Field] = {}
        self._kept: dict[int, Any] = {}
        names = dict(enumerate(_distinct([part.key for part in node.parts])))
        if parent is None:  # the whole input is an object, whatever else its schema lets it be
            kinds = [part.node.kind for part in node.parts]
            names = {at: name for at, name in names.items() if dict in TYPES.get(kinds[at], (dict,))}
        elif node.nullable:
            names[_NULL] = "null"
        self.choice = ipywidgets.Dropdown(
            options=[("", _NOTHING), *((name, at) for at, name in names.items())],
            value=_NOTHING,
            description=self.label,
            tooltip=f"{self.name}: which variant",
            layout=owner.looks.control,
            style=Labels([self.label]).of(self.label),
        )
        owner.listen(self.choice, self._on_choice)
        self.title.layout = owner.looks.hidden  # the choice has the label
        self.make_head(self.choice)

    def takes(self, found: Any) -> bool:
        """Whether it goes with any variant."""
        if (self.chosen is not None and found is not None) or (found is None and self.node.nullable):
            return True
        return any(likeness(part.node, found) > -9 for part in self.node.parts)

    def paint(self, found: Any, *, fresh: bool, disabled: bool) -> None:
        """Show a value; one that comes from outside as the variant that is most like it."""
        if fresh or found is MISSING or found is None:
            self.chosen = None
        super().paint(found, fresh=fresh, disabled=disabled)

    def paint_inside(self, found: Any, *, fresh: bool, disabled: bool) -> list[Any]:
        """Show the chosen variant."""
        if found is MISSING or (found is None and self.node.nullable):
            self._children = ()
            self._show_choice(_NOTHING if found is MISSING else _NULL, disabled)
            return []
        if self.chosen is None:
            points = [likeness(part.node, found) for part in self.node.parts]
            self.chosen = points.index(max(points))
        self._show_choice(self.chosen, disabled)
        field = self._fields.get(self.chosen)
        if field is None:
            part = self.node.parts[self.chosen]
            field = self._fields[self.chosen] = field_for(self.owner, part.node, self, "", required=True)
            field.steps = ()
        self.paint_field(field, found, fresh=fresh, disabled=disabled)
        self._children = (field,)
        return [field.box]

    def _show_choice(self, at: int, disabled: bool) -> None:
        self.choice.value = at
        self.choice.disabled = disabled

    def place(self) -> int | None:
        """Return the chosen variant's position in the schema's list."""
        return None if self.chosen is None else self.node.parts[self.chosen].place

    def _on_choice(self, change: Any) -> None:
        self._choose(change["new"])

    def _choose(self, at: int) -> None:
        found = self.owner.current(self.path)
        if self.chosen is not None and found is not MISSING:
            self._kept[self.chosen] = found
        if at in (_NOTHING, _NULL):
            self.chosen = None
            self.edit(MISSING if at == _NOTHING else None)
            return
        self.chosen = at
        self.shown = NEVER  # painted anew, even if the value is the same
        part = self.node.parts[at]
        self.edit(self._kept[at] if at in self._kept else _carried(part, found))

    def turn_on(self) -> None:
        """Give the input the first variant."""
        self._choose(0)


_NOTHING, _NULL = -1, -2  # choices beside the variants


def _carried(variant: Part, found: Any) -> Any:
    """Return a value to begin with in a variant, with what goes along from the value before."""
    value = blank(variant.node)
    if isinstance(value, dict) and isinstance(found, dict):
        for part in variant.node.parts:
            if part.key in found and part.key not in value and likeness(part.node, found[part.key]) >= 0:
                value[part.key] = found[part.key]
    return value


def _distinct(names: list[str]) -> list[str]:
    """Return names of which no two are the same."""
    return [f"{name} ({at + 1})" if names.count(name) > 1 else name for at, name in enumerate(names)]
