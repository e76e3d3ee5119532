"""What is written of runs as they begin and end; many at once, within a transaction of the writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from fgnb import jsontext
from fgnb.runs.redact import mask_json
from fgnb.runs.run import Run
from fgnb.runs.stored import microseconds, text, whole
from fgnb.values import to_json

if TYPE_CHECKING:
    import sqlite3

    from fgnb.runs.owners import Owners

NEVER_RAN = ("rejected", "unsent", "cancelled")


class Opening(NamedTuple):
    """A run that is about to be sent.

    `input`, `headers` and `tags` are JSON, None for none. A run of a named sweep has the number of the
    `sweep`, a `key` that names its input there, and the number of the pass over the inputs: the same key
    twice in one pass are two runs.
    """

    run_id: str
    workflow: str
    input: bytes
    headers: bytes | None
    tags: bytes | None
    connection: str
    submitted_at: datetime
    sweep: int | None = None
    key: bytes | None = None
    sweep_pass: int = 0
    retry_unknown: bool = False


class Claim(NamedTuple):
    """Whose a run is: `row` is its record, None if it could not be written.

    If it is not `ours`, the record stands for an input that somebody has sent or is about to send.
    If it is `plain`, nothing of what is sent had to be masked.
    """

    row: int | None
    ours: bool = True
    plain: bool = False


_INSERT = (
    "INSERT INTO runs (id, run_id, workflow, submitted_at, connection, input, headers, tags, owner, sweep, key,"
    " occurrence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SEEN = "INSERT INTO seen VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count"
_STANDING = "SELECT id, status, owner FROM runs WHERE sweep = ? AND key = ? AND occurrence = ?"
_END = (
    "UPDATE runs SET status = ?, workflow_id = ?, elapsed = ?, request_id = ?, http_status = ?, error_code = ?,"
    " reason = ?, hint = ?, more = ?, answer = ? WHERE id = ?"
)

_ADD = (
    "INSERT OR IGNORE INTO runs (run_id, workflow, submitted_at, connection, input, tags, status, workflow_id, elapsed,"
    " request_id, more) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)

_masked = lru_cache(maxsize=64)(mask_json)  # of headers and tags, which the runs of a sweep share


def begin(database: sqlite3.Connection, owners: Owners, openings: Sequence[Opening]) -> list[Claim]:
    """Record runs that are about to be sent, but for inputs of a named sweep that have a record which stands."""
    owner = owners.enter(database)
    row: int = database.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0]
    claims: list[Claim] = []
    records: list[tuple[Any, ...]] = []
    for opening in openings:
        occurrence = None
        if opening.key is not None:
            occurrence = database.execute(_SEEN, (opening.sweep_pass, opening.key)).fetchone()[0]
            standing = _standing(database, owners, opening, occurrence)
            if standing is not None:
                claims.append(standing)
                continue
        row += 1
        input = mask_json(opening.input)
        headers = None if opening.headers is None else _masked(opening.headers)
        tags = None if opening.tags is None else _masked(opening.tags)
        record = (
            row, opening.run_id, text(opening.workflow), microseconds(opening.submitted_at), text(opening.connection),
            input, headers, tags, owner, opening.sweep, opening.key, occurrence,
        )  # fmt: skip
        plain = input is opening.input and headers == opening.headers and tags == opening.tags
        claims.append(Claim(row, plain=plain))
        if occurrence is None:
            records.append(record)
        else:
            database.execute(_INSERT, record)  # at once: the next one may have the same key
    database.executemany(_INSERT, records)
    return claims


def _standing(database: sqlite3.Connection, owners: Owners, opening: Opening, occurrence: int) -> Claim | None:
    found = database.execute(_STANDING, (opening.sweep, opening.key, occurrence)).fetchone()
    if found is None:
        return None
    row, status, owner = found
    if not (status in NEVER_RAN or (opening.retry_unknown and _may_have_run(database, owners, status, owner))):
        return Claim(row, ours=False)
    database.execute("UPDATE runs SET key = NULL WHERE id = ?", (row,))
    return None


def _may_have_run(database: sqlite3.Connection, owners: Owners, status: str | None, owner: int | None) -> bool:
    if status is None:
        return not owners.told(database, owner)[0]  # what is under way elsewhere is not ours to try again
    return status == "unknown"


def end(database: sqlite3.Connection, endings: Sequence[tuple[Any, ...]]) -> list[None]:
    """Record ends of runs: `fgnb.runs.stored.ending`, the answer and the number of the record, of each."""
    database.executemany(_END, endings)
    return [None] * len(endings)


def add(database: sqlite3.Connection, runs: Sequence[Run]) -> list[bool]:
    """Record runs that came from elsewhere, but for those that are there; returns whether each was added."""
    return [database.execute(_ADD, _whole(run)).rowcount > 0 for run in runs]


def _whole(run: Run) -> tuple[Any, ...]:
    ended = (text(run.status), text(run.workflow_id), run.elapsed, text(run.request_id))
    tags = mask_json(jsontext.dumps(to_json(dict(run.tags)))) if run.tags else None
    return (
        run.run_id, text(run.workflow), microseconds(run.submitted_at), text(run.connection),
        mask_json(jsontext.dumps(run.input)), tags, *ended, mask_json(whole(run)),
    )  # fmt: skip


def discard(database: sqlite3.Connection, rows: Sequence[int]) -> list[None]:
    """Delete records."""
    database.executemany("DELETE FROM runs WHERE id = ?", [(row,) for row in rows])
    return [None] * len(rows)
