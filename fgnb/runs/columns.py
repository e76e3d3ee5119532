"""JSON values to typed columns, exactly, a chunk at a time.

A column is ``Int64``, ``Float64``, ``boolean`` or ``string`` if all its values are of that JSON
type, else ``object``; integers beyond 64 bits and mixed columns are ``object``, each value as it
came, and so are lists. Nothing goes through float, nothing is guessed from text: ``"00123"`` stays
text. null and a missing key are both ``<NA>`` here.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd

from fgnb.paths import Path, format_path, leaves
from fgnb.runs.levels import walk
from fgnb.runs.moments import microseconds

if TYPE_CHECKING:
    from fgnb.runs.runset import Lists

T = TypeVar("T")

CHUNK = 2000  # values that are walked at once, and of a lazy source held at once
WHOLE = "."  # names the column of values as a whole where there is no root; no path is written so


def in_chunks(values: Iterable[T], take: Callable[[list[T]], None]) -> None:
    """Hand over values in lists of `CHUNK`; the garbage collector rests meanwhile, for it finds nothing in them."""
    source = iter(values)
    while True:
        with _collector_paused():
            chunk = list(islice(source, CHUNK))
            if not chunk:
                return
            take(chunk)
            del chunk  # before the next one is made


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
        found = {leaf.path: leaf for leaf in walk(values, lists=self._expand)}
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


class _Piece(NamedTuple):
    """Values of one kind, at some rows.

    `values` is an array of NumPy (of text: of Arrow where pandas keeps text so, None where null); `missing`
    says of others than text which are null, or is None if none is.
    """

    kind: type
    where: Any
    values: Any
    missing: Any


def _times(microseconds: Any, missing: Any) -> Any:
    moments = microseconds.view("M8[us]")
    moments[missing] = np.datetime64("NaT", "us")
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
            kinds: the values' types, if they are known and the column's own is not.
            rows: the row of each value, counted from `start`; None if they follow one another.
            count: how many rows the piece has, if `rows` is given.
        """
        if kinds is None:
            kinds = {self._kind or object, NoneType}
        present = kinds - {NoneType}
        if not present or not values:
            return
        kind = present.pop() if len(present) == 1 else object
        if kind not in (self._kind, int, float, bool, str):
            kind = object
        if kind is str and rows is not None:  # Arrow's arrays can't be filled in later
            values, rows, kinds = _spread(values, rows, count), None, {str, NoneType}
        where = slice(start, start + len(values)) if rows is None else np.array(rows) + start
        missing = None
        if NoneType in kinds and kind is not str:
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
            whole = [value and microseconds(value) for value in whole]
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
    cells = np.full(rows, pd.NA, dtype=object) if len(pieces) != 1 else None
    for piece in pieces:
        plain = isinstance(piece.values, np.ndarray)
        values = piece.values.astype(object, copy=False) if plain else piece.values.to_numpy(zero_copy_only=False)
        missing = pd.isna(values) if piece.kind is str else piece.missing
        if missing is not None:
            values[missing] = pd.NA
        if cells is None:
            if len(values) == rows:
                return values
            cells = np.full(rows, pd.NA, dtype=object)
        cells[piece.where] = values
    return cells


def _text_array(pieces: list[_Piece], rows: int) -> Any:
    if any(isinstance(piece.values, np.ndarray) for piece in pieces) or not (pieces or _in_arrow()):
        return pd.arrays.StringArray(_objects(pieces, rows))
    import pyarrow as pa

    parts, end = [], 0
    for piece in pieces:
        if piece.where.start > end:
            parts.append(pa.nulls(piece.where.start - end, pa.large_string()))
        parts.append(piece.values)
        end = piece.where.stop
    if rows > end or not parts:
        parts.append(pa.nulls(rows - end, pa.large_string()))
    dtype: Any = pd.StringDtype("pyarrow")
    return dtype.__from_arrow__(parts[0] if len(parts) == 1 else pa.concat_arrays(parts))


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
