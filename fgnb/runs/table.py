"""Runs as Arrow tables and Parquet files: scalars as columns of their types, nested values as JSON text."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fgnb import jsontext
from fgnb.errors import ConfigError, InputError
from fgnb.runs.moments import time_of
from fgnb.runs.record import record_of, run_of, written
from fgnb.runs.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
ROWS = 10_000  # of a row group: what is held in memory at once
_KEY = b"fgnb_format"

TIMES = ("begin_time", "end_time", "submitted_at")
NESTED = ("input", "headers", "output", "node_errors", "tags", "raw")  # JSON text
MORE = "more"  # JSON text of the texts that Arrow can't hold, since they have lone surrogates
RAW_BYTES = "raw_bytes"  # instead of `raw`, where the answer was no JSON
_FIELDS = tuple(field.name for field in dataclasses.fields(Run))


def arrow(module: str = "") -> ModuleType:
    """Return pyarrow, or a module of it.

    Raises:
        ConfigError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(f"pyarrow{module}")
    except ImportError:
        raise ConfigError("Parquet and Arrow take a package more: pip install 'fgnb[parquet]'") from None


def schema() -> pa.Schema:
    """Return the schema: the fields of `Run` in their order, ``raw_bytes`` and ``more``."""
    lib = arrow()
    types = dict.fromkeys(_FIELDS, lib.large_string()) | dict.fromkeys(TIMES, lib.timestamp("us", tz="UTC"))
    types |= {
        "elapsed": lib.float64(),
        "http_status": lib.int64(),
        RAW_BYTES: lib.large_binary(),
        MORE: lib.large_string(),
    }
    schema: pa.Schema = lib.schema(list(types.items()), metadata={_KEY: str(FORMAT).encode()})
    return schema


def table_of(runs: Iterable[Run]) -> pa.Table:
    """Return runs as an Arrow table, a row per run."""
    lib = arrow()
    rows = [_row(run) for run in runs]
    shape = schema()
    columns = [lib.array([row.get(field.name) for row in rows], field.type) for field in shape]
    table: pa.Table = lib.Table.from_arrays(columns, schema=shape)
    return table


def _row(run: Run) -> dict[str, Any]:
    row = record_of(run)
    more: dict[str, str] = {}
    for name, value in row.items():
        if name in TIMES:
            row[name] = getattr(run, name)
        elif name in NESTED:
            row[name] = None if value is None else jsontext.dumps(value).decode()
        elif isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                more[name], row[name] = value, value.encode(errors="replace").decode()
    if more:
        row[MORE] = jsontext.dumps(more).decode()
    if isinstance(run.raw, bytes):
        row[RAW_BYTES] = run.raw
    return row


def runs_of(table: pa.Table | pa.RecordBatch) -> Iterator[Run]:
    """Yield the runs of a table that `table_of` made.

    Raises:
        InputError: it is another table, or of a newer fgnb.
    """
    pa = arrow()
    _check(table.schema)
    columns = []
    for name in (*_FIELDS, RAW_BYTES, MORE):
        column = table.column(name)
        columns.append((column.cast(pa.int64()) if name in TIMES else column).to_pylist())
    for values in zip(*columns, strict=True):
        record = dict(zip(_FIELDS, values, strict=False))
        for name in TIMES:
            if record[name] is not None:
                record[name] = time_of(record[name])
        for name in NESTED:
            if record[name] is not None:
                record[name] = jsontext.loads_answer(record[name])
        raw_bytes, more = values[-2:]
        if more is not None:
            record |= jsontext.loads_answer(more)
        if raw_bytes is not None:
            record["raw"] = raw_bytes
        yield run_of(record)


def _check(found: pa.Schema) -> None:
    kind = (found.metadata or {}).get(_KEY)
    if kind is None or not set(_FIELDS) <= set(found.names):
        missing = [name for name in _FIELDS if name not in found.names]
        lacks = f"it has no {', '.join(missing[:3])}" if missing else "it does not say that it is one"
        raise InputError(f"this is no table of runs that fgnb wrote: {lacks}")
    if int(kind) > FORMAT:
        raise InputError(f"it was written by a newer fgnb (format {int(kind)}, this one knows {FORMAT})")


def packed(runs: Iterable[Run]) -> bytes:
    """Return runs as an Arrow IPC stream."""
    pa = arrow()
    table = table_of(runs)
    sink = pa.BufferOutputStream()
    with arrow(".ipc").new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def unpacked(data: bytes) -> Iterator[Run]:
    """Yield the runs of an Arrow IPC stream."""
    return runs_of(arrow(".ipc").open_stream(data).read_all())


def write_parquet(runs: Iterable[Run], path: Path) -> None:
    """Write runs as a Parquet file, so many at once; the file is there when it is complete."""
    parquet = arrow(".parquet")
    rest = iter(runs)
    with written(path) as file, parquet.ParquetWriter(file, schema(), compression="zstd") as writer:
        while some := list(itertools.islice(rest, ROWS)):
            writer.write_table(table_of(some))


def read_parquet(path: Path) -> Iterator[Run]:
    """Yield the runs of a Parquet file.

    Raises:
        InputError: it is no Parquet file, or holds something else than runs.
        OSError: it can't be read.
    """
    pa = arrow()
    try:
        with arrow(".parquet").ParquetFile(path) as file:
            _check(file.schema_arrow)
            for batch in file.iter_batches(batch_size=ROWS):
                yield from runs_of(batch)
    except (pa.ArrowInvalid, InputError) as error:
        reason = error.message if isinstance(error, InputError) else f"it is no Parquet file: {error}"
        raise InputError(f"{path}: {reason}") from None
