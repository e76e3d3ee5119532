"""The runs frame as cells for a table in a page: what JSON can hold, long ones cut, secrets masked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from fgnb import jsontext
from fgnb.render.drawing import cell_label
from fgnb.render.messages import telling
from fgnb.render.text import one_line
from fgnb.render.value import compact, is_hidden_path
from fgnb.secret import HIDDEN

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "seconds", "time", "status", "text"]
Cell = str | int | float | None

WIDTH = 80  # characters of a cell; what is longer is cut, in the table only
EXACT = 2**53  # up to which a page's numbers are exact
MOST = 12  # columns to begin with
TAGS, INPUTS, OUTPUTS = 1, 4, 3  # of these at most


def kind_of(column: pd.Series) -> Kind:
    """Return what a column holds."""
    import pandas as pd

    if column.name == "status":
        return "status"
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time"
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return "seconds" if column.name == "elapsed" else "number"
    return "text"


def cells_of(column: pd.Series) -> list[Cell]:
    """Return a column's cells: numbers, times in milliseconds since 1970, texts; None where nothing is.

    Integers that a page's numbers don't hold exactly are texts. Elapsed times have the four digits that tell.
    """
    import pandas as pd

    kind, gone = kind_of(column), column.isna().to_numpy()
    if kind == "time":
        cells = column.to_numpy(dtype="datetime64[ms]").astype("int64").tolist()
    elif kind in ("number", "seconds"):
        cells = column.astype("object").tolist()
        if kind == "seconds":
            cells = [float(f"{value:.4g}") for value in cells]
        elif pd.api.types.is_integer_dtype(column):
            cells = [
                value if gone_ or abs(value) <= EXACT else str(value) for value, gone_ in zip(cells, gone, strict=True)
            ]
    else:
        known: dict[str, Cell] = {}
        values = column.tolist()
        if column.name == "error_message":
            values = [telling(value) if isinstance(value, str) else value for value in values]
        cells = [_text(value, known) for value in values]
    if is_hidden_path(str(column.name)):
        cells = [HIDDEN] * len(cells)
    return [None if gone_ else cell for cell, gone_ in zip(cells, gone, strict=True)] if gone.any() else cells


def _text(value: Any, known: dict[str, Cell]) -> Cell:
    if isinstance(value, str):  # which are often the same
        found = known.get(value)
        if found is None:
            found = known[value] = _cut(compact(value, 2 * WIDTH))
        return found
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= EXACT):
        return value
    return _cut(compact(value, 2 * WIDTH)) if isinstance(value, (list, dict)) else one_line(str(value))[:WIDTH]


def _cut(text: str) -> str:
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def packed(columns: Mapping[str, Sequence[Cell]], rows: int) -> bytes:
    """Return columns as the JSON that a page reads; cells that are often the same stand there once."""
    return jsontext.dumps({"rows": rows, "columns": {name: _packed(cells) for name, cells in columns.items()}})


def _packed(cells: Sequence[Cell]) -> dict[str, Any]:
    # 1 and 1.0 are the same to a page, too
    words = {cell: place for place, cell in enumerate(dict.fromkeys(cells))}
    if 2 * len(words) > len(cells):
        return {"cells": cells}
    return {"words": list(words), "at": [words[cell] for cell in cells]}


def first_columns(frame: pd.DataFrame) -> list[str]:
    """Return the columns that tell most: the status, what varies of tags, inputs and outputs, where runs failed."""

    def of(root: str, most: int, but: Sequence[str] = ()) -> list[str]:
        echoed = {f"{root}{name.partition('.')[2]}" for name in but}
        names = [name for name in frame.columns if name == root or name.startswith((f"{root}.", f"{root}["))]
        names = [name for name in names if name.replace(".", "", 1) not in echoed] or names
        names = [name for name in names if not is_hidden_path(name)]
        varied = [name for name in names if _varies(frame[name])]
        return (varied or (names if root != "tags" else []))[:most]

    inputs = of("input", INPUTS)
    names = [
        "status",
        *(["workflow"] if _varies(frame["workflow"]) else []),
        *of("tags", TAGS),
        *inputs,
        "elapsed",
        *of("output", OUTPUTS, but=inputs),  # not what came in and goes out again
        *(name for name in ("error_node", "error_message") if frame[name].notna().any()),
        "submitted_at",
    ]
    return names[:MOST]


def _varies(column: pd.Series) -> bool:
    labels = map(cell_label, column.dropna())
    first = next(labels, None)
    return any(label != first for label in labels)
