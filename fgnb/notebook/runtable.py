"""The table of runs in the page: sorts, filters and chooses among many thousands; a widget of anywidget.

The page has the cells of the columns that it shows and does the rest by itself, so that it stays
quick while the kernel computes. Python hears which rows are chosen and which pass the filters, as
their numbers. Rows are only ever added: a batch goes out as a message, and whoever opens the table
later gets all of them with its state.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fgnb.notebook.comms import keep_order
from fgnb.render.cells import Cell, Kind, cells_of, kind_of, packed
from fgnb.render.html import STATUS_COLOURS

if TYPE_CHECKING:
    import pandas as pd

_HERE = files("fgnb.notebook")


def _written(_: Any, table: RunTable) -> dict[str, bytes]:
    return {"json": table.packed()}


class RunTable(anywidget.AnyWidget):
    """A table of the rows of one or more runs frames.

    Args:
        frame: the first rows.
        shown: the columns to begin with.
        whole: gives the frame of all rows, once columns are wanted that were not shown before.
        sort: a column and ``"ascending"`` or ``"descending"``, or nothing.

    Attributes:
        columns: all columns, each with ``name`` and ``kind``.
        shown: the names of those that are shown, in order.
        filters: what is asked of columns, by name: a text that the cell holds, ``=text``, ``!text``, ``>2``,
            ``<=9``, ``1..5``; ``=`` alone asks for a missing cell.
        chosen: the numbers of the chosen rows.
        passing: the numbers of the rows that pass the filters, as the page says; None if all do.
    """

    _esm = (_HERE / "runtable.js").read_text("utf-8")
    _css = (_HERE / "runtable.css").read_text("utf-8")

    columns = traitlets.List(traitlets.Dict()).tag(sync=True)
    shown = traitlets.List(traitlets.Unicode()).tag(sync=True)
    sort = traitlets.List(traitlets.Unicode()).tag(sync=True)
    filters = traitlets.Dict().tag(sync=True)
    chosen = traitlets.List(traitlets.Int()).tag(sync=True)
    passing = traitlets.List(traitlets.Int(), allow_none=True, default_value=None).tag(sync=True)
    colours = traitlets.Dict().tag(sync=True)
    data = traitlets.Int(0).tag(sync=True, to_json=_written)  # never set: whoever asks for it gets what there is

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        shown: Iterable[str],
        whole: Callable[[], pd.DataFrame],
        sort: Sequence[str] = (),
    ) -> None:
        self._lock = threading.RLock()
        self._whole = whole
        self._cells: dict[str, list[Cell]] = {}  # of the columns that were ever shown
        self._kinds: dict[str, Kind] = {}
        self.rows = 0
        self._take(frame)
        shown = [name for name in shown if name in self._kinds]
        self._cells = {name: _column(frame, name) for name in shown}
        super().__init__(columns=self._told(), shown=shown, sort=list(sort), colours=dict(STATUS_COLOURS))
        self.observe(self._on_shown, "shown")
        self.on_msg(self._on_message)
        keep_order(self)

    def append(self, frame: pd.DataFrame) -> None:
        """Add rows, and send them to the page."""
        with self._lock:
            start = self.rows
            self._take(frame)
            if (columns := self._told()) != self.columns:
                self.columns = columns
            for name, cells in self._cells.items():
                cells += _column(frame, name)
            self._hand(start, list(self._cells))

    def packed(self) -> bytes:
        """Return all rows of the columns that were ever shown, as the page reads them."""
        with self._lock:
            return packed(self._cells, self.rows)

    def _take(self, frame: pd.DataFrame) -> None:
        self.rows += len(frame)
        for name in filter(_can_be_sent, [frame.index.name, *frame.columns]):
            column = _series(frame, name)
            kind = kind_of(column)
            known = self._kinds.setdefault(name, kind)
            if known != kind and column.notna().any():
                self._kinds[name] = "text"

    def _told(self) -> list[dict[str, str]]:
        return [{"name": name, "kind": kind} for name, kind in self._kinds.items()]

    def _fill(self, names: Iterable[str]) -> None:
        """Have the cells of columns that were not shown before."""
        wanted = [name for name in names if name in self._kinds and name not in self._cells]
        if wanted:
            frame = self._whole().iloc[: self.rows]  # which may have more by now
            self._cells |= {name: _column(frame, name) for name in wanted}

    def _hand(self, start: int, names: Iterable[str]) -> None:
        content = packed({name: self._cells[name][start:] for name in names}, self.rows - start)
        self.send({"kind": "rows", "start": start}, buffers=[content])

    def _on_shown(self, change: Mapping[str, Any]) -> None:
        with self._lock:
            self._fill(change["new"])  # the page then says that it has none of them

    def _on_message(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        """Send what the page says it has not: rows, because it was still loading, or columns, never shown before."""
        with self._lock:
            missing = [name for name in content.get("columns", ()) if name in self._kinds]
            self._fill(missing)
            if missing:
                self._hand(0, missing)
            have = content.get("rows", 0)
            if isinstance(have, int) and 0 <= have < self.rows:
                self._hand(have, list(self._cells))


def _series(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column; the run id is one like others here."""
    return frame.index.to_series() if name == frame.index.name else frame[name]


def _column(frame: pd.DataFrame, name: str) -> list[Cell]:
    there = name in frame.columns or name == frame.index.name
    return cells_of(_series(frame, name)) if there else [None] * len(frame)


def _can_be_sent(name: str) -> bool:
    """Whether a column's name is a text that UTF-8 can hold; keys of JSON need not be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
