"""The history: every run through fgnb, from all notebooks at once, in one database file."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import sqlite3
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as WaitTimeout
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.counted import counted
from fgnb.errors import HistoryError, HistoryWarning, InputError, did_you_mean
from fgnb.runs import claims
from fgnb.runs.claims import Claim, Opening
from fgnb.runs.database import open_database, prune
from fgnb.runs.owners import Owners
from fgnb.runs.query import check_known, conditions_of, marks
from fgnb.runs.redact import mask_json
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet
from fgnb.runs.stored import COLUMNS, Record, Stored, ending, run_of
from fgnb.runs.writer import Writer

AT_ONCE = 1000  # runs that are added in one transaction
AT_EXIT = 5.0  # seconds that the end of the interpreter waits for what is still to be written


class History:
    """The runs kept in one file; nothing is opened before the first of them.

    SQLite in WAL mode: many processes of one machine read and write it at once, and what was written
    survives the end of any of them. It does not belong on a network file system.

    Args:
        path: the file.
        max_age: seconds after which runs are deleted, when a process writes for the first time; None for never.
        max_size: bytes above which the oldest runs are deleted then; None for no limit.
    """

    def __init__(self, path: Path, *, max_age: float | None = None, max_size: int | None = None) -> None:
        self.path = path
        self.max_age = max_age
        self.max_size = max_size
        self.forget()
        forget_in_child(self)

    @staticmethod
    def at(path: Path, *, max_age: float | None = None, max_size: int | None = None) -> History:
        """Return the history at a path: one for each in a process."""
        with _known_lock:
            found = _known.setdefault(str(path), History(path))
            found.max_age, found.max_size = max_age, max_size
            return found

    def forget(self) -> None:
        """Start with nothing open, in the child of a fork."""
        self._writer = Writer(self._open_to_write)
        self._owners: Owners | None = None
        self._reader: sqlite3.Connection | None = None
        self._lock = threading.Lock()
        self._passes = 0
        self._warned = False

    # Writing: in the writer's thread, but for what asks it.

    def begin(self, opening: Opening) -> Claim:
        """Record that a run is about to be sent; returns when that is on disk.

        Raises:
            HistoryError: it can't be written, and the run is one of a named sweep.
        """
        try:
            claim: Claim = BackgroundLoop.wait(self._writer.ask(self._begin, opening))
        except (OSError, sqlite3.Error, HistoryError) as error:
            return self._unrecorded(opening, error)
        return claim

    async def abegin(self, opening: Opening) -> Claim:
        """Do the same from a coroutine."""
        try:
            claim: Claim = await self._writer.aask(self._begin, opening)
        except (OSError, sqlite3.Error, HistoryError) as error:
            return self._unrecorded(opening, error)
        return claim

    def _unrecorded(self, opening: Opening, error: Exception) -> Claim:
        said = str(error) if isinstance(error, HistoryError) else f"the history {self.path} can't be written: {error}"
        if opening.key is not None:
            raise HistoryError(
                f"{said}. A sweep with a name promises that nothing is sent twice, and needs it"
            ) from None
        if not self._warned:
            self._warned = True
            warnings.warn(f"{said}. Runs go on, but are not recorded", HistoryWarning, stacklevel=3)
        return Claim(None)

    def _begin(self, database: sqlite3.Connection, openings: Sequence[Opening]) -> list[Claim]:
        assert self._owners is not None  # noqa: S101  # made when the database was opened
        return claims.begin(database, self._owners, openings)

    def end(self, claim: Claim, run: Run, body: bytes | None) -> bool:
        """Record the end of a run, soon; returns whether its record says all of it, nothing masked.

        Args:
            claim: what `begin` gave.
            run: the run.
            body: the service's answer as it came, if there was one.
        """
        if claim.row is None:
            return False
        answer = None if body is None else mask_json(body)
        self._writer.put(claims.end, (*ending(run), answer, claim.row))
        return claim.plain and answer is body

    def discard(self, claim: Claim) -> None:
        """Take a record back, soon: nothing was sent, and there was nothing to send."""
        if claim.row is not None:
            self._writer.put(claims.discard, claim.row)

    def add(self, runs: Iterable[Run]) -> int:
        """Record runs that came from elsewhere, but for those that are there; returns how many were added.

        Raises:
            HistoryError: it can't be written.
        """
        added, rest = 0, iter(runs)
        while some := list(itertools.islice(rest, AT_ONCE)):
            added += self._asked(partial(claims.add, runs=some))
        return added

    def prune(self, *, max_age: float | None = None, max_size: int | None = None) -> int:
        """Delete runs that have ended, and return how many.

        Args:
            max_age: seconds; older ones are deleted.
            max_size: bytes; the oldest beyond it are deleted.

        Raises:
            HistoryError: it can't be written.
        """

        def delete(database: sqlite3.Connection) -> int:
            before = database.total_changes
            prune(database, max_age=max_age, max_size=max_size)
            return database.total_changes - before

        deleted: int = self._asked(delete)
        return deleted

    def flush(self) -> None:
        """Return when all is written that was to be; or can't be, which has been told."""
        with contextlib.suppress(OSError, sqlite3.Error, HistoryError):
            BackgroundLoop.wait(self._writer.ask(_nothing, None))

    async def aflush(self) -> None:
        """Do the same from a coroutine."""
        with contextlib.suppress(OSError, sqlite3.Error, HistoryError):
            await self._writer.aask(_nothing, None)

    def sweep(self, name: str, *, workflow: str, connection: str, resume: bool) -> int:
        """Return the number of a named sweep, which is begun if there is none of that name.

        Raises:
            InputError: there is one, and it is not to be gone on with, or is of something else.
            HistoryError: the history can't be written.
        """

        def find(database: sqlite3.Connection) -> int:
            found = database.execute("SELECT id, workflow, connection FROM sweeps WHERE name = ?", (name,)).fetchone()
            if found is None:
                made = database.execute(
                    "INSERT INTO sweeps (name, workflow, connection) VALUES (?, ?, ?)", (name, workflow, connection)
                ).lastrowid
                assert made is not None  # noqa: S101
                return made
            number: int = found[0]
            having = "SELECT count(*) FROM runs WHERE sweep = ? AND key IS NOT NULL"
            count = database.execute(having, (number,)).fetchone()[0]
            if (found[1], found[2]) != (workflow, connection):
                raise InputError(
                    f"the sweep '{name}' is of {found[1]} at {found[2]}, not of {workflow} at {connection}:"
                    " take another name"
                )
            if count and not resume:
                raise InputError(
                    f"a sweep '{name}' has {counted(count, 'run')} in the history: resume=True (--resume at the"
                    " command line) goes on with it, or take another name"
                )
            return number

        number: int = self._asked(find)
        return number

    def start_pass(self) -> int:
        """Return the number of a new pass over the inputs of a sweep."""
        self._passes += 1
        return self._passes

    def _asked(self, work: Callable[[sqlite3.Connection], Any]) -> Any:
        try:
            return BackgroundLoop.wait(self._writer.ask(lambda database, _: [work(database)], None))
        except (OSError, sqlite3.Error) as error:
            raise HistoryError(f"the history {self.path} can't be written: {error}") from None

    def _open_to_write(self) -> sqlite3.Connection:
        database = self._open()
        prune(database, max_age=self.max_age, max_size=self.max_size)
        return database

    def _open(self) -> sqlite3.Connection:
        database = open_database(self.path)
        # On disk, so that a sweep of millions takes no memory for it; gone with the connection.
        database.execute(
            "CREATE TEMP TABLE seen (pass INTEGER, key BLOB, count INTEGER, PRIMARY KEY (pass, key)) WITHOUT ROWID"
        )
        if self._owners is None:
            self._owners = Owners(self.path.with_name(self.path.name + "-owners"))
        return database

    # Reading: in the thread that asks.

    def select(
        self,
        workflow: str | None = None,
        *,
        status: str | Sequence[str] | None = None,
        since: datetime | date | timedelta | str | None = None,
        tags: Mapping[str, Any] | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> RunSet:
        """Return recorded runs, oldest first; see `fgnb.session.Session.history`.

        Raises:
            HistoryError: it can't be read.
            InputError: an argument is wrong.
        """
        if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 0):
            raise InputError(f"limit must be a number of runs, not {limit!r}")
        self.flush()
        with self._reading() as database:
            conditions, values = conditions_of(workflow, status, since, tags)
            if name is not None:
                conditions.append("sweep = ? AND key IS NOT NULL")
                values.append(_sweep_called(database, name))
            where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
            order = "ORDER BY submitted_at DESC, id DESC"
            query = f"SELECT id FROM runs{where} {order} LIMIT ?"  # noqa: S608  # the conditions are our own texts
            rows = [row for (row,) in database.execute(query, (*values, -1 if limit is None else limit))]
        if not rows and status is not None:
            check_known([status] if isinstance(status, str) else status)  # a slip would look like good news
        return RunSet.over(self.stored(rows[::-1]))

    def stored(self, rows: Sequence[int]) -> Stored:
        """Return the runs of some records, read when they are asked for."""
        return Stored(rows, self._read)

    def find(self, run_ids: Sequence[str]) -> list[Run]:
        """Return the runs of these ids that are recorded."""
        self.flush()
        with self._reading() as database:
            found = [
                row
                for start in range(0, len(run_ids), 500)
                for (row,) in database.execute(
                    f"SELECT id FROM runs WHERE run_id IN ({marks(run_ids[start : start + 500])})",  # noqa: S608
                    run_ids[start : start + 500],
                )
            ]
        return list(self.stored(found))

    def _read(self, rows: Sequence[int]) -> list[Run]:
        with self._reading() as database:
            query = f"SELECT {COLUMNS} FROM runs WHERE id IN ({marks(rows)})"  # noqa: S608
            records: dict[int, Record] = {record[0]: record for record in database.execute(query, list(rows))}
            missing = [row for row in rows if row not in records]
            if missing:
                raise HistoryError(f"the history {self.path} lacks {counted(len(missing), 'run')}, deleted meanwhile")
            owners = self._owners
            assert owners is not None  # noqa: S101  # made by `_reading`
            return [run_of(records[row], lambda owner: owners.told(database, owner)) for row in rows]

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._reader is None:
                    self._reader = self._open()
                yield self._reader
            except (OSError, sqlite3.Error) as error:
                self._reader = None
                raise HistoryError(f"the history {self.path} can't be read: {error}") from None


def _nothing(database: sqlite3.Connection, asked: Sequence[None]) -> Sequence[None]:
    return asked


def _sweep_called(database: sqlite3.Connection, name: str) -> int:
    names = {known: number for number, known in database.execute("SELECT id, name FROM sweeps")}
    if name not in names:
        raise InputError(f"the history has no sweep '{name}'{did_you_mean(name, names, form=repr('{}'))}")
    number: int = names[name]
    return number


_known: dict[str, History] = {}
_known_lock = threading.Lock()


@atexit.register
def _flush_all() -> None:
    for history in list(_known.values()):
        if history._writer.is_used:
            with contextlib.suppress(WaitTimeout, OSError, sqlite3.Error, HistoryError):
                history._writer.ask(_nothing, None).result(AT_EXIT)
