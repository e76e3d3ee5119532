"""A workflow as the service holds it, and what a deployment did: the fields in which definitions differ."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from fgnb import wiring
from fgnb.counted import counted
from fgnb.paths import format_path
from fgnb.values import json_type
from fgnb.wire import WorkflowInfo
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.render.graph import Graph

# Lists whose items have names, and the field that holds them: an item is compared with its namesake.
_NAMED = {
    "states": "id",
    "functions": "name",
    "retries": "name",
    "triggers": "trigger_name",
    "data_conditions": "name",
    "branches": "name",
}
_IN_ORDER = ("data_conditions", "branches")  # the first true condition wins; results stand in branch order
_DATA = ("constants", "arguments", "metadata", "trigger_config")  # the user's own values, whatever their keys
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Shown):
    """A workflow of the connected service; `definition` is as the service holds it.

    >>> import fgnb
    >>> workflow = fgnb.connect("local").workflow("order-triage")
    >>> workflow.definition["start"], [state["id"] for state in workflow.definition["states"]]
    ('price', ['price', 'stock', 'decide', 'end'])
    """

    name: str
    id: str
    urn: str
    definition: dict[str, Any]
    created_time: str | None = None
    updated_time: str | None = None

    @classmethod
    def of(cls, info: WorkflowInfo) -> Workflow:
        """Make a workflow of the service's answer."""
        return cls(
            name=str(info.definition.get("name", info.id)),
            id=info.id,
            urn=info.workflow_urn,
            definition=info.definition,
            created_time=info.created_time,
            updated_time=info.updated_time,
        )

    def graph(self) -> Graph:
        """Return the workflow drawn: a picture in a notebook, a tree in a terminal; see `fgnb.Graph`."""
        graph: Graph = wiring.call("graph of definition", self.definition)
        return graph

    def __repr__(self) -> str:
        return f"<Workflow {self.name}, {counted(len(self.definition.get('states', ())), 'state')}>"


@dataclass(frozen=True, slots=True)
class Change:
    """A place at which a definition differs from the one that the service holds.

    `path` is a JSONPath in which items of named lists stand by name: ``$.states[id=price].transition``.
    `kind` is ``added``, ``removed``, ``changed``, or ``type`` where the value is now of another JSON type.
    `before` is None where it was added and `after` where it was removed; otherwise None is null.

    >>> Change("$.constants.unit", "changed", before=5, after=6).path
    '$.constants.unit'
    """

    path: str
    kind: Literal["added", "removed", "changed", "type"]
    before: Any = None
    after: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment(Shown):
    """What `fgnb.deploy` did, or would do in a dry run.

    `id` is None if the workflow does not exist yet, `workflow` is as the service now holds it, and
    None in a dry run. `changes` holds what differs from the definition that the service held;
    everything, if it held none. `reordered` holds the paths of lists whose items stand in another
    order; that changes nothing, and nothing is sent for it alone.

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> session.deploy(session.workflow("order-triage").definition).action
    'unchanged'
    """

    name: str
    id: str | None
    action: Literal["create", "update", "unchanged"]
    dry_run: bool
    changes: tuple[Change, ...] = ()
    reordered: tuple[str, ...] = ()
    workflow: Workflow | None = None

    @classmethod
    def planned(cls, definition: dict[str, Any], held: WorkflowInfo | None) -> Deployment:
        """Return what deploying a definition would do where the service holds `held`, or nothing of its name."""
        changes, reordered = differences(held.definition if held else {}, definition)
        return cls(
            name=definition["name"],
            id=held.id if held else None,
            action="create" if held is None else "update" if changes else "unchanged",
            dry_run=True,
            changes=changes,
            reordered=reordered,
        )

    @property
    def frame(self) -> pd.DataFrame:
        """The changes as a frame: index ``path``; columns ``kind``, ``before``, ``after``.

        A value that is not there is ``<NA>``, null is None.
        """
        frame: pd.DataFrame = wiring.call("frame Deployment", self)
        return frame

    def __repr__(self) -> str:
        dry = " (dry run)" if self.dry_run else ""
        return f"<Deployment of {self.name}: {self.action}, {counted(len(self.changes), 'change')}{dry}>"


def differences(before: dict[str, Any], after: dict[str, Any]) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """Return what differs between two definitions, and the paths of lists of which only the order does.

    States are matched by id; functions, retries, triggers, conditions and branches by name;
    everything else by its place. Numbers are compared by value, a missing field is not null.
    """
    changes: list[Change] = []
    reordered: list[str] = []
    waiting: list[tuple[str, str, Any, Any, bool]] = [("$", "", before, after, False)]  # not recursive: values nest
    while waiting:
        path, field, old, new, data = waiting.pop()
        data = data or field in _DATA
        if isinstance(old, dict) and isinstance(new, dict):
            below = [
                (format_path((key,), path), key, old.get(key, _ABSENT), new.get(key, _ABSENT), data)
                for key in old | new
            ]
        elif not data and (pair := _by_name(field, old, new)) is not None:
            olds, news = pair
            if not _same_order(olds, news):
                reordered.append(path)
            below = [
                (f"{path}[{_NAMED[field]}={_word(name)}]", "", olds.get(name, _ABSENT), news.get(name, _ABSENT), False)
                for name in olds | news
            ]
        elif isinstance(old, list) and isinstance(new, list):
            pairs = zip_longest(old, new, fillvalue=_ABSENT)
            below = [(f"{path}[{number}]", "", one, other, data) for number, (one, other) in enumerate(pairs)]
        else:
            changes.extend(_change(path, old, new))
            continue
        waiting.extend(reversed(below))
    return tuple(changes), tuple(reordered)


def _by_name(field: str, old: Any, new: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return both lists by their items' names, or None where that would not tell the difference."""
    name = _NAMED.get(field)
    if name is None:
        return None
    # A list that is wholly new or gone is told item by item; an empty one has no items to tell.
    sides = (old if old is not _ABSENT or not new else [], new if new is not _ABSENT or not old else [])
    named: list[dict[str, Any]] = []
    for items in sides:
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            return None
        by_name = {item[name]: item for item in items if isinstance(item.get(name), str)}
        if len(by_name) != len(items):
            return None
        named.append(by_name)
    olds, news = named
    return None if field in _IN_ORDER and not _same_order(olds, news) else (olds, news)


def _same_order(olds: dict[str, Any], news: dict[str, Any]) -> bool:
    return [name for name in olds if name in news] == [name for name in news if name in olds]


def _word(name: str) -> str:
    """Return a name as it stands in a path: in quotes unless it is plain."""
    return format_path((name,)).removeprefix("[").removesuffix("]")


def _change(path: str, old: Any, new: Any) -> list[Change]:
    if old is _ABSENT:
        return [Change(path, "added", None, new)]
    if new is _ABSENT:
        return [Change(path, "removed", old, None)]
    if json_type(old) is not json_type(new):
        return [Change(path, "type", old, new)]
    return [Change(path, "changed", old, new)] if old != new else []
