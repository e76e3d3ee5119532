"""What is written of runs as they begin and end; many at once, within a transaction of the writer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from fgnb import jsontext
from fgnb.runs.moments import microseconds
from fgnb.runs.redact import mask_json
from fgnb.runs.run import Run
from fgnb.runs.stored import text, whole
from fgnb.values import to_json

if TYPE_CHECKING:
    import sqlite3

    from fgnb.runs.owners import Owners

VALUES = 30_000  # in one statement; SQLite takes 32,766
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

    If it is not `ours`, the record stands for an input that somebody has sent or is about to send, and
    if it is `unknown`, it does not tell how that ended. If it is `plain`, nothing of what is sent had to
    be masked.
    """

    row: int | None
    ours: bool = True
    plain: bool = False
    unknown: bool = False


# Each statement is one for all rows: Python lets go of the GIL at each, and in a process that computes besides, it may
# wait 5 ms until it has it again.
_INSERT = (
    "INSERT INTO runs (id, run_id, workflow, submitted_at, connection, input, headers, tags, owner, sweep, key,"
    " occurrence) VALUES {}"
)
_ENDED = (
    "status", "workflow_id", "elapsed", "request_id", "http_status", "error_code", "reason", "hint", "more", "answer",
)  # fmt: skip
_END = (
    f"UPDATE runs SET {', '.join(f'{name} = v.column{n}' for n, name in enumerate(_ENDED, 1))}"  # noqa: S608
    f" FROM (VALUES {{}}) AS v WHERE runs.id = v.column{len(_ENDED) + 1}"
)
_STANDING = (
    "SELECT sweep, key, occurrence, id, status, owner FROM (VALUES {}) AS v"
    " JOIN runs ON sweep = v.column1 AND key = v.column2 AND occurrence = v.column3"
)
_ADD = (
    "INSERT OR IGNORE INTO runs (run_id, workflow, submitted_at, connection, input, tags, status, workflow_id, elapsed,"
    " request_id, more) VALUES {}"
)

_masked = lru_cache(maxsize=64)(mask_json)  # of headers and tags, which the runs of a sweep share


def begin(database: sqlite3.Connection, owners: Owners, openings: Sequence[Opening]) -> list[Claim]:
    """Record runs that are about to be sent, but for inputs of a named sweep that have a record which stands."""
    owner = owners.enter(database)
    row: int = database.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0]
    places = _places(database, openings)
    taken = _standing(database, owners, openings, places)
    claims: list[Claim] = []
    records: list[tuple[Any, ...]] = []
    for opening, place in zip(openings, places, strict=True):
        if place is not None and place in taken:
            claims.append(taken[place])
            continue
        row += 1
        if place is not None:
            taken[place] = Claim(row, ours=False, unknown=True)
        input = mask_json(opening.input)
        headers = None if opening.headers is None else _masked(opening.headers)
        tags = None if opening.tags is None else _masked(opening.tags)
        sweep, key, occurrence = place if place is not None else (opening.sweep, None, None)
        records.append(
            (row, opening.run_id, text(opening.workflow), microseconds(opening.submitted_at), text(opening.connection),
             input, headers, tags, owner, sweep, key, occurrence)
        )  # fmt: skip
        plain = input is opening.input and headers == opening.headers and tags == opening.tags
        claims.append(Claim(row, plain=plain))
    _execute(database, _INSERT, records)
    return claims


_Place = tuple[int | None, bytes, int]  # the sweep, the key and how often it was there before, counted from 1


def _places(database: sqlite3.Connection, openings: Sequence[Opening]) -> list[_Place | None]:
    """Return the place of each opening in its sweep, None for one without a key, and count the keys seen."""
    keys = dict.fromkeys((opening.sweep_pass, opening.key) for opening in openings if opening.key is not None)
    if not keys:
        return [None] * len(openings)
    seen = "SELECT pass, key, count FROM (VALUES {}) AS v JOIN seen ON pass = v.column1 AND key = v.column2"
    counts = {(number, key): count for number, key, count in _execute(database, seen, list(keys))}
    places: list[_Place | None] = []
    for opening in openings:
        if opening.key is None:
            places.append(None)
            continue
        count = counts[opening.sweep_pass, opening.key] = counts.get((opening.sweep_pass, opening.key), 0) + 1
        places.append((opening.sweep, opening.key, count))
    _execute(database, "INSERT OR REPLACE INTO seen VALUES {}", [(*key, count) for key, count in counts.items()])
    return places


def _standing(
    database: sqlite3.Connection, owners: Owners, openings: Sequence[Opening], places: Sequence[_Place | None]
) -> dict[_Place, Claim]:
    """Return the records that stand, by place; one of what never ran, or is to be tried again, gives up its place."""
    wanted = {place: opening for place, opening in zip(places, openings, strict=True) if place is not None}
    taken: dict[_Place, Claim] = {}
    given_up: list[tuple[int]] = []
    for *place, row, status, owner in _execute(database, _STANDING, list(wanted)):
        found: _Place = tuple(place)
        again = wanted[found].retry_unknown and _may_have_run(database, owners, status, owner)
        if status in NEVER_RAN or again:
            given_up.append((row,))
        else:
            taken[found] = Claim(row, ours=False, unknown=status in (None, "unknown"))
    _execute(database, "UPDATE runs SET key = NULL WHERE id IN (VALUES {})", given_up)
    return taken


def _execute(database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Execute a statement with all rows as its VALUES, and return what it gives; nothing without rows."""
    found: list[Any] = []
    most = VALUES // len(rows[0]) if rows else 1
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        marks = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
        values = [value for row in some for value in row]
        found += database.execute(statement.format(marks), values).fetchall()
    return found


def _may_have_run(database: sqlite3.Connection, owners: Owners, status: str | None, owner: int) -> bool:
    if status is None:
        return not owners.told(database, owner)[0]  # what is under way elsewhere is not ours to try again
    return status == "unknown"


def end(database: sqlite3.Connection, endings: Sequence[tuple[Any, ...]]) -> list[None]:
    """Record ends of runs: `fgnb.runs.stored.ending`, the answer and the number of the record, of each."""
    _execute(database, _END, endings)
    return [None] * len(endings)


def add(database: sqlite3.Connection, runs: Sequence[Run]) -> int:
    """Record runs that came from elsewhere, but for those that are there; returns how many were added."""
    before = database.total_changes
    _execute(database, _ADD, [_whole(run) for run in runs])
    return database.total_changes - before


def _whole(run: Run) -> tuple[Any, ...]:
    ended = (text(run.status), text(run.workflow_id), run.elapsed, text(run.request_id))
    tags = mask_json(jsontext.dumps(to_json(dict(run.tags)))) if run.tags else None
    return (
        run.run_id, text(run.workflow), microseconds(run.submitted_at), text(run.connection),
        mask_json(jsontext.dumps(run.input)), tags, *ended, mask_json(whole(run)),
    )  # fmt: skip


def discard(database: sqlite3.Connection, rows: Sequence[int]) -> list[None]:
    """Delete records."""
    _execute(database, "DELETE FROM runs WHERE id IN (VALUES {})", [(row,) for row in rows])
    return [None] * len(rows)
