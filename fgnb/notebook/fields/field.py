"""What all fields have in common: a place in the form's value, a switch, a note, and what is wrong there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Protocol

import ipywidgets

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.controls import alert_line, line
from fgnb.notebook.fields.looks import Looks
from fgnb.notebook.hidden import Hidden
from fgnb.notebook.node import Node
from fgnb.notebook.places import with_member
from fgnb.notebook.validation import Issue
from fgnb.paths import Path, format_path
from fgnb.render import html


class Owner(Protocol):
    """The form, as its fields see it."""

    looks: Looks
    hidden: Hidden
    fields: list[Field]  # all that were ever made

    def current(self, path: Path) -> Any:
        """Return what stands at a place, secrets and all; MISSING if nothing does."""

    def edited(self, path: Path, new: Any) -> None:
        """Take a new value at a place; MISSING takes away what is there. InputError if that can't be."""

    def drafted(self) -> None:
        """Take notice that a text was typed that can't be read."""

    def listen(self, widget: Any, call: Callable[..., None], trait: str | None = "value") -> None:
        """Have `call` hear of a control's changes, or clicks, that the form has not made itself.

        Its exception is shown in the form.
        """


class Field(ABC):
    """A place in the value and the widgets that show it; `box` is the outermost.

    Args:
        owner: the form.
        node: what may stand there.
        parent: the field that this one lies in, None for the whole input.
        key: where it lies in there.
        required: whether its parent has to have it; else it has a switch, since absent is not null.
    """

    box: Any

    def __init__(self, owner: Owner, node: Node, parent: Field | None, key: str | int, *, required: bool) -> None:
        self.owner = owner
        self.node = node
        self.parent = parent
        self.key = key
        self.required = required or not isinstance(key, str)
        self.steps: Path = (key,)  # the way from the parent's place to its own; none for a variant of a union
        self.issues: list[Issue] = []
        self.shown: Any = NEVER
        self.switch: Any = None
        self._note: Any = None
        owner.fields.append(self)

    @property
    def path(self) -> Path:
        """Where it lies in the input."""
        return () if self.parent is None else (*self.parent.path, *self.steps)

    @property
    def label(self) -> str:
        """What to call it."""
        if self.node.title:
            return self.node.title
        return self.key if isinstance(self.key, str) else f"[{self.key}]"

    @property
    def name(self) -> str:
        """Its path as text, e.g. ``customer.id``."""
        return format_path(self.path)

    def depth(self) -> int:
        """Return how many fields it lies in."""
        return 0 if self.parent is None else self.parent.depth() + 1

    # --- for the form ----------------------------------------------------------------------------

    @abstractmethod
    def paint(self, found: Any, *, fresh: bool, disabled: bool) -> None:
        """Show a value.

        Args:
            found: what stands at the field's place, or MISSING.
            fresh: whether it comes from outside the fields: what was typed and can't be read goes.
            disabled: whether it can't be edited now.
        """

    def children(self) -> Sequence[Field]:
        """Return the fields in it that are shown."""
        return ()

    def everything(self) -> Iterator[Field]:
        """Yield it and all fields in it."""
        yield self
        for child in self.children():
            yield from child.everything()

    def at(self, path: Path) -> Field:
        """Return the innermost field that is shown of those that a path leads through, from here."""
        for child in self.children():
            if child.holds(path):
                return child.at(path[len(child.steps) :])
        return self

    def holds(self, path: Path) -> bool:
        """Whether a path from the parent's place leads through it."""
        return path[: len(self.steps)] == self.steps

    def edit(self, new: Any) -> None:
        """Make a value the one at its place; MISSING takes away what is there.

        Where an absent object or list around it has a default, that is begun with: else what is set here
        would replace all of it. A guessed object that holds nothing any more goes with its last member.
        """
        above = self.parent
        path, value = self.path, new
        if new is MISSING:
            while above is not None and above.vanishes(path):
                path, above = above.path, above.parent
        else:
            while above is not None:
                place, default = above.path, above.node.default
                if isinstance(default, (dict, list)) and self.owner.current(place) is MISSING:
                    value = with_member(default, path[len(place) :], value)
                    path = place
                above = above.parent
        self.owner.edited(path, value)

    def vanishes(self, path: Path) -> bool:
        """Whether it goes when what stands at `path`, in it, goes."""
        inside = self.owner.current(self.path)
        alone = isinstance(inside, dict) and list(inside) == list(path[len(self.path) :])
        return alone and bool(self.path) and not self.node.strict and not self.required

    def problem(self) -> InputError | None:
        """Return why what was typed here can't be read, or None."""
        return None

    def drafts(self) -> dict[Path, tuple[str, InputError]]:
        """Return the texts in it that can't be read, by their place from here."""
        found: dict[Path, tuple[str, InputError]] = {}
        for child in self.children():
            found |= {(*child.steps, *path): draft for path, draft in child.drafts().items()}
        return found

    def set_drafts(self, drafts: dict[Path, tuple[str, InputError]]) -> None:
        """Put such texts back, wherever there is a field for them; all others go."""
        for child in self.children():
            steps = child.steps
            child.set_drafts({p[len(steps) :]: one for p, one in drafts.items() if p[: len(steps)] == steps})

    # --- widgets ---------------------------------------------------------------------------------

    def make_switch(self) -> Any:
        """Return the switch that says whether the input has this member, if that is open; else a gap."""
        looks = self.owner.looks
        if self.required or self.parent is None:
            return ipywidgets.Box(layout=looks.gap) if isinstance(self.key, str) and self.key else None
        # Its description is cut off by its width, but read out
        self.switch = ipywidgets.Checkbox(
            value=False, indent=False, description=f"send {self.name}", layout=looks.switch, style=looks.check
        )
        self.owner.listen(self.switch, self._on_switch)
        return self.switch

    def _on_switch(self, change: Any) -> None:
        if change["new"]:
            self.turn_on()
        else:
            self.turn_off()

    @abstractmethod
    def turn_on(self) -> None:
        """Give the input this member."""

    def turn_off(self) -> None:
        """Take the member away."""
        self.edit(MISSING)

    def make_null(self) -> Any:
        """Return the button that makes it null."""
        made = ipywidgets.ToggleButton(
            description="null", tooltip=f"{self.name} is null", layout=self.owner.looks.wide_button
        )
        self.owner.listen(made, self.on_null)
        return made

    @abstractmethod
    def on_null(self, change: Any) -> None:
        """Make it null, or no longer."""

    def paint_switch(self, on: bool, *, disabled: bool) -> None:
        """Show whether the input has this member."""
        if self.switch is not None:
            self.switch.value = on
            self.switch.disabled = disabled

    @abstractmethod
    def note_html(self) -> str:
        """Return what to say beside the field, apart from what is wrong."""

    def paint_note(self) -> None:
        """Show what is wrong with the field, and what is known of it."""
        lines = []
        problem = self.problem()
        if problem is not None:
            lines.append(alert_line(str(problem).splitlines()[0]))
        for issue in self.issues:
            place = format_path(issue.path[len(self.path) :])
            text = f"{place}: {issue.message}" if place else issue.message
            lines.append(line(text, html.MUTED) if issue.missing else alert_line(text))
        lines.append(self.note_html())
        content = "<br>".join(one for one in lines if one)
        content = content and f'<div style="line-height:1.45">{content}</div>'
        if self._note is None:
            if not content:
                return
            self.add_note(self.make_note(content))
        self._note.value = content

    def make_note(self, content: str) -> Any:
        """Return the note's widget, of which there is none until there is something to say."""
        self._note = ipywidgets.HTML(content, layout=self.owner.looks.note, style=self.owner.looks.html)
        return self._note

    def add_note(self, note: Any) -> None:
        """Put the note's widget where it belongs."""
        self.box.children = (*self.box.children, note)

    def button(self, text: str, tooltip: str, call: Any) -> Any:
        """Return a small button; not with an icon, which a screen reader can't say."""
        made = ipywidgets.Button(description=text, tooltip=tooltip, layout=self.owner.looks.button)
        self.owner.listen(made, call, None)
        return made


NEVER: Any = object()  # what no value is


def called(call: Any, *args: Any) -> Any:
    """Return a callback for a widget that calls `call` with these arguments only."""
    return partial(_dropping, call, args)


def _dropping(call: Any, args: tuple[Any, ...], *_: Any) -> None:
    call(*args)
