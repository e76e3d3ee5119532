"""A part of a sweep that goes out to a worker, and the folder that says what the worker has sent of it.

Before a worker sends the inputs of a block it makes a file that only one can make (``O_EXCL``, which
holds on network file systems, too). Who collects the results makes the files of what is missing: the
blocks that it could make were never sent and may be sent again; of the others the worker's journal
tells what has ended, and the rest may have run. So nothing is ever sent twice, whoever else still lives.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fgnb import jsontext
from fgnb.errors import FgnbError
from fgnb.runs.order import Order
from fgnb.runs.record import record_of, run_of
from fgnb.runs.run import Run

BLOCK = 8  # inputs that are claimed at once
TOKEN, STOP, DROP = "token", "stop", "drop"  # names of files


@dataclass(frozen=True, slots=True)
class Chunk:
    """Inputs for one worker.

    Attributes:
        number: its number; a chunk that is made of what another one left has its own.
        folder: the `Folder`, as all workers see it.
        token: what stands in it.
        connection: how to connect; see the hook "connect worker".
        order: what the runs have in common.
        positions, inputs, run_ids: of each input: its place in the sweep, its JSON, the id of its run.
        part: how the name of the Parquet file begins that the runs are written to, or None for runs that come
            back as Arrow.
    """

    number: int
    folder: str
    token: str
    connection: Mapping[str, Any]
    order: Order
    positions: tuple[int, ...]
    inputs: tuple[bytes, ...]
    run_ids: tuple[str, ...]
    part: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """What comes back of a chunk.

    Attributes:
        runs: Arrow IPC; empty if they are in a part.
        part: the Parquet file that holds them.
        error: why the worker stopped early, in words.
    """

    runs: bytes
    part: str | None
    error: str | None


class Folder:
    """The files by which those who work on one sweep keep out of each other's way.

    Args:
        path: the folder.
        token: what stands in it if it is the one that is meant.
    """

    def __init__(self, path: Path, token: str) -> None:
        self.path = path
        self.token = token

    @classmethod
    def made(cls, path: Path) -> Folder:
        """Make the folder's files in an empty folder."""
        folder = cls(path, secrets.token_hex(8))
        (path / TOKEN).write_text(folder.token)
        return folder

    def check(self) -> None:
        """Raise an FgnbError if this is not the folder that is meant: here it is another machine's."""
        try:
            found = (self.path / TOKEN).read_text()
        except OSError:
            found = ""
        if found != self.token:
            raise FgnbError(
                f"the worker on {socket.gethostname()} does not see the folder {self.path}:"
                " give the sweep parts=, a folder that all machines share"
            )

    def claim(self, chunk: int, block: int) -> bool:
        """Make a block ours; False if it is somebody's."""
        try:
            os.close(os.open(self.path / f"{chunk}.{block}", os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def stop(self, *, drop: bool) -> None:
        """Tell all workers to send no more, and with `drop` to give up what is under way."""
        (self.path / (DROP if drop else STOP)).touch()

    def stopped(self) -> str | None:
        """Return `STOP` or `DROP` if the workers have been told to, or the folder is gone."""
        if (self.path / DROP).exists() or not (self.path / TOKEN).exists():
            return DROP
        return STOP if (self.path / STOP).exists() else None

    def journal(self, chunk: int) -> Journal:
        """Return a journal of our own of a chunk."""
        return Journal(self.path / f"{chunk}-{secrets.token_hex(4)}.jsonl")

    def ended(self, chunk: int) -> dict[int, Run]:
        """Return the runs of a chunk that journals tell of, by position; a line that was cut off tells nothing."""
        found: dict[int, Run] = {}
        for path in self.path.glob(f"{chunk}-*.jsonl"):
            found.update(_read(path))
        return found

    def clear(self, chunk: int) -> None:
        """Delete the files of a chunk whose runs are all known."""
        for pattern in (f"{chunk}.*", f"{chunk}-*.jsonl"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)


class Journal:
    """The runs that a worker has ended, written one by one, so that they are not lost with it."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, position: int, run: Run) -> None:
        """Note the end of a run."""
        os.write(self._file, jsontext.dumps({"position": position, "run": record_of(run)}) + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _read(path: Path) -> Iterator[tuple[int, Run]]:
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            entry = jsontext.loads_answer(line)
            yield entry["position"], run_of(entry["run"])
