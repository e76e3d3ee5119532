"""The file of the history: an SQLite database, made, opened, brought up to date, or left alone with a clear error."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from fgnb.errors import HistoryError

APPLICATION_ID = int.from_bytes(b"fgnb", "big")
NEEDED = (3, 33)  # knows UPDATE ... FROM
BUSY = 5.0  # seconds to wait for another process that writes
_HEADER = b"SQLite format 3\0"
AT_ONCE = 1000  # runs that are deleted in one go
CHECKPOINT = 4000  # pages after which what was written ahead goes into the file itself

_FIRST = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run_id TEXT NOT NULL,
    workflow TEXT NOT NULL,
    workflow_id TEXT,
    status TEXT,            -- NULL while it is under way
    submitted_at INTEGER NOT NULL,  -- microseconds since the epoch
    elapsed REAL,
    connection TEXT NOT NULL,
    input BLOB NOT NULL,    -- JSON, as are headers, tags and more
    headers BLOB,
    tags BLOB,
    request_id TEXT,
    http_status INTEGER,
    error_code TEXT,
    reason TEXT,
    hint TEXT,
    answer BLOB,            -- as the service sent it
    more BLOB,              -- what the answer does not say
    owner INTEGER,          -- the process that sends it
    sweep INTEGER,
    key BLOB,               -- names the input within the sweep; NULL once another record stands for it
    occurrence INTEGER
);
CREATE UNIQUE INDEX runs_run_id ON runs (run_id);
CREATE INDEX runs_submitted_at ON runs (submitted_at);
CREATE UNIQUE INDEX runs_key ON runs (sweep, key, occurrence) WHERE key IS NOT NULL;
CREATE TABLE sweeps (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    connection TEXT NOT NULL
);
CREATE TABLE owners (id INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL);
"""
MIGRATIONS = (_FIRST,)  # the statements that lead from each version to the next


def open_database(path: Path, migrations: Sequence[str] = MIGRATIONS) -> sqlite3.Connection:
    """Open the database, which is made if it is not there, and bring it up to the latest version.

    Raises:
        HistoryError: it is damaged, newer, or not fgnb's; it is left as it is.
        OSError, sqlite3.OperationalError: it can't be reached or written, or the disk is full.
    """
    if sqlite3.sqlite_version_info < NEEDED:
        needed, found = ".".join(map(str, NEEDED)), sqlite3.sqlite_version
        raise HistoryError(f"the history needs SQLite {needed} or later, and this Python has {found}: history='off'")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with path.open("rb") as file:
        if (head := file.read(len(_HEADER))) not in (b"", _HEADER):  # SQLite takes some short files for empty ones
            raise _unusable(path, f"it is no database, and begins with {head!r}")
    database = sqlite3.connect(path, timeout=BUSY, isolation_level=None, check_same_thread=False)
    try:
        _bring_up(database, path, migrations)
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT}")
    except sqlite3.DatabaseError as error:
        database.close()
        if isinstance(error, sqlite3.OperationalError):
            raise
        raise _unusable(path, f"it is no database, or damaged ({error})") from None
    except HistoryError:
        database.close()
        raise
    return database


def _bring_up(database: sqlite3.Connection, path: Path, migrations: Sequence[str]) -> None:
    if _version(database, path, len(migrations)) == len(migrations):
        return
    database.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table is made
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("BEGIN IMMEDIATE")  # one process after the other: the second finds it done
    try:
        for number in range(_version(database, path, len(migrations)), len(migrations)):
            for statement in migrations[number].split(";\n"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {number + 1}")
        database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except BaseException:
        database.execute("ROLLBACK")
        raise
    database.execute("COMMIT")


def _version(database: sqlite3.Connection, path: Path, latest: int) -> int:
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    application: int = database.execute("PRAGMA application_id").fetchone()[0]
    tables: int = database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or version or tables):
        raise _unusable(path, "it is a database of another program")
    if version > latest:
        raise _unusable(
            path, f"it was written by a newer fgnb (version {version} of its tables, this one knows {latest})"
        )
    return version


def _unusable(path: Path, why: str) -> HistoryError:
    return HistoryError(
        f"the history {path} can't be used: {why}. It is left as it is: move it away, or name another file with"
        " FGNB_HISTORY or connect(history=...)"
    )


def prune(database: sqlite3.Connection, *, max_age: float | None, max_size: int | None) -> None:
    """Delete runs that have ended: those older than `max_age` seconds, and the oldest beyond `max_size` bytes."""
    ended = "status IS NOT NULL"
    if max_age is not None:
        database.execute(f"DELETE FROM runs WHERE submitted_at < ? AND {ended}", (int((time.time() - max_age) * 1e6),))  # noqa: S608
    while max_size is not None and _size(database) > max_size:
        oldest = f"SELECT id FROM runs WHERE {ended} ORDER BY submitted_at LIMIT {AT_ONCE}"  # noqa: S608
        if not database.execute(f"DELETE FROM runs WHERE id IN ({oldest})").rowcount:  # noqa: S608
            break
    if max_age is not None or max_size is not None:
        database.execute("PRAGMA incremental_vacuum").fetchall()


def _size(database: sqlite3.Connection) -> int:
    """Return the bytes that are in use, free pages not counted."""
    pages, free, each = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    size: int = (pages - free) * each
    return size
