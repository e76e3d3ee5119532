"""Files of inputs for `fgnb sweep`: CSV with a header, JSON Lines; read line by line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fgnb import jsontext
from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.paths import assign, parse_path


def inputs_in(path: Path) -> Iterator[Any]:
    """Yield the inputs in a file.

    Of a ``.csv`` file each line after the header is an object. A column's name may be a path
    (``order.qty``). A cell is what it is as JSON (``5``, ``true``, ``null``, ``"5"``, ``[1, 2]``), else
    text (``A-100``, ``00123``); an empty one is left out. Of a ``.jsonl`` file each line is an input.

    Raises:
        InputError: the name ends otherwise, or a line can't be read; with its number.
        OSError: the file can't be read.
    """
    name = path.name.lower()
    if name.endswith(".csv"):
        yield from _csv(path)
    elif name.endswith((".jsonl", ".ndjson")):
        yield from _lines(path)
    else:
        raise InputError(f"{path}: inputs are read from .csv, .jsonl or .ndjson files")


def _lines(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield jsontext.loads(line)
                except InputError as error:
                    raise InputError(f"{path}, line {number:,}: {error.message}") from None


def _csv(path: Path) -> Iterator[Any]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        try:
            head = next(lines, [])
            paths = [parse_path(name) for name in head]
            if len(set(paths)) < len(paths):
                raise InputError("two columns have the same name")
            for cells in lines:
                if not cells:
                    continue
                if len(cells) != len(paths):
                    raise InputError(f"{counted(len(cells), 'cell')} below {counted(len(paths), 'column')}")
                value: dict[str, Any] = {}
                for place, cell in zip(paths, cells, strict=True):
                    if cell:
                        value = assign(value, place, json_or_text(cell))
                yield value
        except (csv.Error, InputError) as error:
            reason = error.message if isinstance(error, InputError) else str(error)
            raise InputError(f"{path}, line {max(lines.line_num, 1):,}: {reason}") from None


def json_or_text(cell: str) -> Any:
    """Return what a text is as JSON, else the text."""
    try:
        return jsontext.loads(cell)
    except InputError:
        return cell
