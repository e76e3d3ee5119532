"""Runs from and to files, by the names of these: JSON Lines, Parquet, folders of Parquet files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from fgnb.errors import InputError
from fgnb.runs.record import read_lines, write_lines
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet

KINDS = ".parquet, .jsonl or .jsonl.gz"


def read_runs(path: str | os.PathLike[str]) -> RunSet:
    """Return the runs of a file, exactly as they were written.

    Args:
        path: a ``.parquet`` file or a folder of such, in the order of their names; ``.jsonl``, ``.jsonl.gz``.

    Raises:
        InputError: it does not hold runs.
        OSError: it can't be read.
        ConfigError: Parquet needs ``fgnb[parquet]``.

    >>> import fgnb, tempfile, pathlib
    >>> runs = fgnb.RunSet([fgnb.connect("local").run("order-triage", {"sku": "A-100"})])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     runs.to_jsonl(pathlib.Path(folder) / "runs.jsonl")
    ...     fgnb.read_runs(pathlib.Path(folder) / "runs.jsonl") == runs
    True
    """
    return RunSet(iter_runs(path))


def iter_runs(path: str | os.PathLike[str]) -> Iterator[Run]:
    """Yield the runs of a file one by one; see `read_runs`."""
    from fgnb.runs.table import read_parquet

    place = Path(path).expanduser()
    if place.is_dir():
        parts = sorted(place.glob("*.parquet"))
        if not parts:
            raise InputError(f"{place} holds no .parquet files")
        for part in parts:
            yield from read_parquet(part)
    elif _is_parquet(place):
        yield from read_parquet(place)
    else:
        yield from read_lines(place)


def write_runs(runs: Iterable[Run], path: str | os.PathLike[str]) -> None:
    """Write runs into a file, which replaces one that is there.

    Args:
        runs: taken one by one.
        path: its name ends with ``.parquet``, ``.jsonl`` or ``.jsonl.gz``.

    Raises:
        InputError: the name ends otherwise.
        OSError: it can't be written.
        ConfigError: Parquet needs ``fgnb[parquet]``.
    """
    from fgnb.runs.table import write_parquet

    place = Path(path).expanduser()
    (write_parquet if _is_parquet(place) else write_lines)(runs, place)


def check_name(path: str | os.PathLike[str]) -> None:
    """Raise an error now if `write_runs` could not write a file of this name: InputError or ConfigError."""
    from fgnb.runs.table import arrow

    if _is_parquet(Path(path)):
        arrow()


def _is_parquet(path: Path) -> bool:
    name = path.name.lower()
    if not name.endswith((".parquet", ".jsonl", ".jsonl.gz")):
        raise InputError(f"{path}: runs are kept in files named {KINDS}")
    return name.endswith(".parquet")
