"""The leaves of many JSON values, path by path: each step down is taken for all values at once.

A column of a hundred thousand cells is so a few calls over lists, not a hundred thousand walks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from fgnb.paths import Path

_SAMPLE = 100  # objects whose keys are looked for in all others; only what they lack is found one by one
_SPARSE = 4  # where an object has fewer than one in so many of their keys, all are found one by one


class Leaf(NamedTuple):
    """The values at a path, in some of the rows; None where there is none.

    `rows` is None for all rows; `first` is the first row that has the path.
    """

    path: Path
    rows: list[int] | None
    values: Sequence[Any]
    kinds: set[type]
    first: int


class _Node(NamedTuple):
    """Like a leaf, but what is below it is not yet known, unless `leaf`; `first` is a position in `values`."""

    path: Path
    rows: list[int] | None
    values: Sequence[Any]
    first: int = 0
    leaf: bool = False


def walk(values: Sequence[Any], *, lists: bool) -> Iterator[Leaf]:
    """Yield the leaves of many values, one path at a time, in no order.

    An empty object or list is a leaf; null and an empty object as a whole value are none.

    Args:
        values: JSON values, one per row.
        lists: whether lists are walked too; else they are leaves.
    """
    containers = (dict, list) if lists else (dict,)
    root = _Node((), None, values)
    if values and all(values):
        waiting = [root]
    else:
        waiting = _chosen(root, [row for row, value in enumerate(values) if value not in (None, {})])
    while waiting:
        node = waiting.pop()
        kinds = set(map(type, node.values))
        if node.leaf or not any(issubclass(kind, containers) for kind in kinds):
            first = node.first if node.rows is None else node.rows[node.first]
            yield Leaf(node.path, node.rows, node.values, kinds, first)
        elif len(kinds) == 1 and all(node.values):
            waiting += _below(node, containers)
        else:
            waiting += _apart(node, containers)


def _apart(node: _Node, containers: tuple[type, ...]) -> Iterator[_Node]:
    """Yield what is below the objects, below the lists if they are containers, and the leaves among them."""
    objects: list[int] = []
    items: list[int] = []
    others: list[int] = []
    for place, value in enumerate(node.values):
        if not value or not isinstance(value, containers):
            others.append(place)
        else:
            (objects if isinstance(value, dict) else items).append(place)
    yield from (part._replace(leaf=True) for part in _chosen(node, others))
    for part in (*_chosen(node, objects), *_chosen(node, items)):
        yield from _below(part, containers)


def _chosen(node: _Node, places: list[int]) -> list[_Node]:
    """Return the part of a node at some positions of its values; nothing if there are none."""
    if not places:
        return []
    if len(places) == len(node.values):
        return [node]
    rows = places if node.rows is None else [node.rows[place] for place in places]
    return [_Node(node.path, rows, [node.values[place] for place in places])]


def _below(node: _Node, containers: tuple[type, ...]) -> Iterator[_Node]:
    """Yield the members of a node all of whose values are objects, or all lists, and none is empty."""
    each = _members(node.values, containers) if isinstance(node.values[0], dict) else _items(node.values)
    for step, places, values, first in each:
        if places is None or node.rows is None:
            rows = node.rows if places is None else places
        else:
            rows = [node.rows[place] for place in places]
        yield _Node((*node.path, step), rows, values, first)


_Member = tuple[str | int, list[int] | None, list[Any], int]
"""A key or position, the places that have it (None: all), the values there, and which of them is the first."""


def _members(objects: Sequence[dict[str, Any]], containers: tuple[type, ...]) -> Iterator[_Member]:
    sample = objects[:_SAMPLE]
    usual = dict.fromkeys(chain.from_iterable(sample))
    if sum(map(len, sample)) * _SPARSE < len(usual) * len(sample):
        usual = {}
    left = sum(map(len, objects))
    for key in usual:
        try:
            yield key, None, list(map(itemgetter(key), objects)), 0
            left -= len(objects)
            continue
        except KeyError:
            there = [place for place, value in enumerate(objects) if key in value]
            left -= len(there)
        values = [value.get(key) for value in objects]
        if any(issubclass(kind, containers) for kind in set(map(type, values))):
            # null is a leaf beside what is below the others; where the key is missing there is none
            yield key, there, [objects[place][key] for place in there], 0
        else:
            yield key, None, values, there[0]
    if left:
        yield from _other_members(objects, usual)


def _other_members(objects: Sequence[dict[str, Any]], usual: Mapping[str, None]) -> Iterator[_Member]:
    cells: dict[str, tuple[list[int], list[Any]]] = {}
    for place, value in enumerate(objects):
        for key, member in value.items():
            if key not in usual:
                if key not in cells:
                    cells[key] = ([], [])
                places, values = cells[key]
                places.append(place)
                values.append(member)
    for key, (places, values) in cells.items():
        yield key, places, values, 0


def _items(lists: Sequence[list[Any]]) -> Iterator[_Member]:
    longer: Sequence[int] = range(len(lists))
    for position in range(max(map(len, lists))):
        longer = [place for place in longer if len(lists[place]) > position]
        yield position, longer, [lists[place][position] for place in longer], 0
