"""Runs as JSON: one object per run, all of it, and files of one such object per line."""

from __future__ import annotations

import base64
import binascii
import contextlib
import gzip
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

import msgspec

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.runs.run import Run
from fgnb.values import to_json

RAW_BYTES = "raw_base64"  # stands instead of `raw` where the answer was no JSON


def record_of(run: Run) -> dict[str, Any]:
    """Return all fields of a run, in their order, as JSON values: times as ISO 8601, bytes as ``raw_base64``.

    Raises:
        InputError: a tag is no JSON value, nor can it be turned into one.
    """
    record: dict[str, Any] = msgspec.to_builtins(run, enc_hook=to_json)  # writes bytes in base64, too
    if isinstance(run.raw, bytes):
        record[RAW_BYTES] = record.pop("raw")
    return record


def run_of(record: Any) -> Run:
    """Return the run of a record; members that are not known are left out.

    Raises:
        InputError: it is not a record of a run; says which member is wrong.
    """
    if not isinstance(record, dict):
        raise InputError(f"a run is an object, not {type(record).__name__}")
    try:
        if RAW_BYTES in record:
            record = {**record, "raw": base64.b64decode(record[RAW_BYTES], validate=True)}
        return msgspec.convert(record, Run)
    except (msgspec.ValidationError, binascii.Error, TypeError) as error:
        raise InputError(f"this is no run: {error}") from None


def write_lines(runs: Iterable[Run], path: Path) -> None:
    """Write runs as JSON Lines, compressed if the name ends with ``.gz``; the file is there when it is complete."""
    with written(path) as file, _packed(file, path) as lines:
        for run in runs:
            lines.write(jsontext.dumps(record_of(run)) + b"\n")


def read_lines(path: Path) -> Iterator[Run]:
    """Yield the runs of a file of JSON Lines.

    Raises:
        InputError: a line is not a run; with its number.
        OSError: it can't be read.
    """
    with gzip.open(path, "rb") if _is_packed(path) else path.open("rb") as file:
        for number, line in enumerate(cast("Iterable[bytes]", file), 1):
            if not line.strip():
                continue
            try:
                yield run_of(jsontext.loads_answer(line))
            except ValueError as error:  # InputError is one
                reason = error.message if isinstance(error, InputError) else f"it is not JSON: {error}"
                raise InputError(f"{path}, line {number:,}: {reason}") from None


def _is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def _packed(file: IO[bytes], path: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    if _is_packed(path):
        return cast("contextlib.AbstractContextManager[IO[bytes]]", gzip.GzipFile(fileobj=file, mode="wb", mtime=0))
    return contextlib.nullcontext(file)


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write that takes its place at `path` once it is complete; nothing is left of one that is not."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # as any file that the user makes; mkstemp's is the owner's alone
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
