"""JSON values to typed columns, exactly, a chunk at a time.

A column is ``Int64``, ``Float64``, ``boolean`` or ``string`` if all its values are of that JSON
type, else ``object``; integers beyond 64 bits and mixed columns are ``object``, each value as it
came. Nothing goes through float, nothing is guessed from text. null and a missing key are both
``<NA>`` here.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from operator import itemgetter
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from fgnb.paths import Path, format_path, leaves

if TYPE_CHECKING:
    from fgnb.runs.runset import Lists

T = TypeVar("T")

CHUNK = 2000  # values that are walked at once, and of a lazy source held at once
WHOLE = "."  # names the column of values as a whole where there is no root; no path is written so

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SAMPLE = 100  # objects whose keys are looked for in all others; only what they lack is found one by one
_SPARSE = 4  # where an object has fewer than one in so many of their keys, all are found one by one


def in_chunks(values: Iterable[T], take: Callable[[list[T]], None]) -> None:
    """Hand over values in lists of `CHUNK`; the garbage collector rests meanwhile, for it finds nothing in them."""
    source = iter(values)
    while True:
        with _collector_paused():
            chunk = list(islice(source, CHUNK))
            if not chunk:
                return
            take(chunk)


@contextmanager
def _collector_paused() -> Iterator[None]:
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def flattened(root: str, values: Iterable[Any], *, lists: Lists = "keep") -> dict[str, Any]:
    """Return JSON values as columns, one per path below `root`; see `Flattened`."""
    columns = Flattened(root, lists=lists)
    in_chunks(values, columns.add)
    return columns.arrays()


class Flattened:
    """Columns of JSON values, one per path, in the order of their first appearance.

    Objects are flattened; an empty one is a cell. A value that is no object stands in the column
    `root`; null and an empty object have no cell there.

    Args:
        root: what the columns' names start with, e.g. ``output``.
        lists: ``keep`` leaves a list in one cell, ``expand`` flattens it too; an empty one stays a cell.
    """

    def __init__(self, root: str, *, lists: Lists = "keep") -> None:
        self._root = root
        self._expand = lists == "expand"
        self._columns: dict[Path, Column] = {}
        self._rows = 0

    def add(self, values: Sequence[Any]) -> None:
        """Add rows."""
        found = {leaf.path: leaf for leaf in _walk(values, self._expand)}
        new = {path: leaf.first for path, leaf in found.items() if path not in self._columns}
        for row in sorted(set(new.values())):
            for path, _ in leaves(values[row], lists=self._expand):
                if path in new and path not in self._columns:
                    self._columns[path] = Column()
        for path, leaf in found.items():
            self._columns[path].add(leaf.values, self._rows, kinds=leaf.kinds, rows=leaf.rows, count=len(values))
        self._rows += len(values)

    def arrays(self) -> dict[str, Any]:
        """Return the columns by name; they are finished then."""
        names = {format_path(path, self._root) or WHOLE: column for path, column in self._columns.items()}
        self._columns.clear()
        arrays = {}
        for name in list(names):
            arrays[name] = names.pop(name).array(self._rows)  # popped: pieces go as soon as they are joined
        return arrays


class _Leaf(NamedTuple):
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


def _walk(values: Sequence[Any], expand: bool) -> Iterator[_Leaf]:
    """Yield all leaves, level by level: one path of all rows is one turn of the loop, not one cell."""
    containers = (dict, list) if expand else (dict,)
    root = _Node((), None, values)
    waiting = [root] if all(values) else _chosen(root, [row for row, it in enumerate(values) if it not in (None, {})])
    while waiting:
        node = waiting.pop()
        kinds = set(map(type, node.values))
        if node.leaf or not any(issubclass(kind, containers) for kind in kinds):
            first = node.first if node.rows is None else node.rows[node.first]
            yield _Leaf(node.path, node.rows, node.values, kinds, first)
        elif len(kinds) == 1 and all(node.values):
            waiting += _below(node, containers)
        else:
            waiting += _apart(node, containers)


def _apart(node: _Node, containers: tuple[type, ...]) -> Iterator[_Node]:
    """Yield what is below the objects, below the lists if they are containers, and the leaves among them."""
    places: dict[type, list[int]] = {dict: [], list: [], NoneType: []}
    for place, value in enumerate(node.values):
        inside = value and isinstance(value, containers)
        places[NoneType if not inside else dict if isinstance(value, dict) else list].append(place)
    yield from (part._replace(leaf=True) for part in _chosen(node, places[NoneType]))
    for kind in (dict, list):
        for part in _chosen(node, places[kind]):
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
    places = range(len(lists))
    for position in range(max(map(len, lists))):
        places = [place for place in places if len(lists[place]) > position]  # type: ignore[assignment]
        yield position, list(places), [lists[place][position] for place in places], 0


class _Piece(NamedTuple):
    """Values of one kind, at some rows.

    `values` is an array of NumPy (of text: of Arrow where pandas keeps text so); `missing` says
    which are null, or is None if none is.
    """

    kind: type
    where: Any
    values: Any
    missing: Any


def _times(microseconds: Any, missing: Any) -> Any:
    moments = microseconds.view("M8[us]")
    moments[missing] = np.datetime64("NaT")
    return pd.DatetimeIndex(moments, tz="UTC").array


_BY_KIND: dict[type, tuple[type, Any, Callable[[Any, Any], Any]]] = {
    int: (np.int64, 0, pd.arrays.IntegerArray),
    float: (np.float64, 0.0, pd.arrays.FloatingArray),
    bool: (np.bool_, False, pd.arrays.BooleanArray),
    datetime: (np.int64, 0, _times),
}


class Column:
    """One column, added in pieces and joined at the end as the type that holds all values exactly.

    Args:
        kind: the type of all its values, if that is known: int, float, bool, str or datetime (with a time zone).
    """

    def __init__(self, kind: type | None = None) -> None:
        self._kind = kind
        self._pieces: list[_Piece] = []

    def add(
        self,
        values: Sequence[Any],
        start: int,
        *,
        kinds: set[type] | None = None,
        rows: list[int] | None = None,
        count: int = 0,
    ) -> None:
        """Add values, None where there is none.

        Args:
            values: the values.
            start: the row where this piece begins.
            kinds: the values' types, where the column's own is not known.
            rows: the row of each value, counted from `start`; None if they follow one another.
            count: how many rows the piece has, if `rows` is given.
        """
        if self._kind is not None:
            kinds = {self._kind, NoneType}
        elif kinds is None:
            kinds = set(map(type, values))
        present = kinds - {NoneType}
        if not present or not values:
            return
        kind = present.pop() if len(present) == 1 else object
        if kind is str and rows is not None:  # Arrow's arrays can't be filled in later
            values, rows, kinds = _spread(values, rows, count), None, {str, NoneType}
        where = slice(start, start + len(values)) if rows is None else np.array(rows) + start
        missing = None
        if NoneType in kinds:
            missing = np.frombuffer(bytearray([value is None for value in values]), np.bool_)
        kind, cells = _cells(kind, values, missing is not None)
        self._pieces.append(_Piece(kind, where, cells, missing))

    def array(self, rows: int) -> Any:
        """Return the column, of `rows` rows: those that no piece told are missing. It is empty then."""
        pieces, self._pieces = self._pieces, []
        kinds = {piece.kind for piece in pieces} or {self._kind}  # type: ignore[arg-type]
        kind = kinds.pop() if len(kinds) == 1 else object
        if kind is str:
            return _text_array(pieces, rows)
        if kind in _BY_KIND:
            dtype, _, make = _BY_KIND[kind]
            return make(*_joined(pieces, rows, dtype))
        return _objects(pieces, rows)


def _spread(values: Sequence[Any], rows: list[int], count: int) -> list[Any]:
    cells: list[Any] = [None] * count
    for row, value in zip(rows, values, strict=True):
        cells[row] = value
    return cells


def _cells(kind: type, values: Sequence[Any], some_missing: bool) -> tuple[type, Any]:
    """Return values as an array, and the kind that they turned out to be."""
    if kind is str:
        return str, _text_cells(values)
    if kind in _BY_KIND:
        dtype, zero, _ = _BY_KIND[kind]
        whole = [zero if value is None else value for value in values] if some_missing else values
        if kind is datetime:
            whole = [value and (value - _EPOCH) // _MICROSECOND for value in whole]
        try:
            return kind, np.fromiter(whole, dtype, len(values))
        except OverflowError:  # an integer beyond 64 bits
            pass
    return object, np.fromiter(values, object, len(values))


def _text_cells(values: Sequence[str | None]) -> Any:
    if _in_arrow():
        import pyarrow as pa

        try:
            return pa.array(values, pa.large_string())
        except UnicodeEncodeError:  # Arrow holds no lone surrogates, which JSON has
            pass
    return np.fromiter(values, object, len(values))


def _in_arrow() -> bool:
    """Return whether pandas keeps texts in Arrow's arrays here."""
    return bool(pd.StringDtype().storage == "pyarrow")


def _joined(pieces: list[_Piece], rows: int, dtype: type) -> tuple[Any, Any]:
    if len(pieces) == 1 and len(pieces[0].values) == rows:
        piece = pieces[0]
        return piece.values, np.zeros(rows, np.bool_) if piece.missing is None else piece.missing
    values: Any = np.zeros(rows, dtype)
    missing = np.ones(rows, np.bool_)
    for piece in pieces:
        values[piece.where] = piece.values
        missing[piece.where] = False if piece.missing is None else piece.missing
    return values, missing


def _objects(pieces: list[_Piece], rows: int) -> Any:
    cells = np.full(rows, pd.NA, dtype=object)
    for piece in pieces:
        plain = isinstance(piece.values, np.ndarray)
        values = piece.values.astype(object) if plain else piece.values.to_numpy(zero_copy_only=False)
        if piece.missing is not None:
            values[piece.missing] = pd.NA
        cells[piece.where] = values
    return cells


def _text_array(pieces: list[_Piece], rows: int) -> Any:
    if any(isinstance(piece.values, np.ndarray) for piece in pieces) or not (pieces or _in_arrow()):
        return pd.arrays.StringArray(_objects(pieces, rows))
    import pyarrow as pa

    parts, end = [], 0
    for piece in pieces:
        parts += [pa.nulls(piece.where.start - end, pa.large_string()), piece.values]
        end = piece.where.stop
    parts.append(pa.nulls(rows - end, pa.large_string()))
    dtype: Any = pd.StringDtype("pyarrow")
    return dtype.__from_arrow__(pa.concat_arrays(parts))


def texts(values: Iterable[str | None]) -> Any:
    """Return texts as a column of the type ``string``; None is missing."""
    return _column(str, values)


def times(values: Iterable[datetime | None]) -> Any:
    """Return times with a time zone as a column of the type ``datetime64[us, UTC]``; None is missing."""
    return _column(datetime, values)


def _column(kind: type, values: Iterable[Any]) -> Any:
    cells, column = list(values), Column(kind)
    column.add(cells, 0)
    return column.array(len(cells))
