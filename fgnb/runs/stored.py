"""Records of runs and the runs that they tell of: written as the service answered, read as a `Run` again."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fgnb import jsontext
from fgnb.client.outcome import Outcome, read_execution
from fgnb.runs.moments import time_of
from fgnb.runs.record import record_of
from fgnb.runs.record import run_of as run_of_record
from fgnb.runs.run import Run

CHUNK = 1000  # records that are read at once

COLUMNS = (
    "id, run_id, workflow, workflow_id, status, submitted_at, elapsed, connection, input, headers, tags, request_id,"
    " http_status, error_code, reason, hint, answer, more, owner"
)
Record = tuple[Any, ...]
RECORD = "record"  # in `more`: all of a run that came from elsewhere, as JSON


def text(value: str | None) -> str | bytes | None:
    """Return a text as SQLite takes it: one with lone surrogates, which JSON has, as bytes."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogatepass")
    return value


def _text(value: Any) -> Any:
    return value.decode("utf-8", "surrogatepass") if isinstance(value, bytes) else value


def ending(run: Run) -> tuple[Any, ...]:
    """Return what is known of a run at its end, but for the answer."""
    names = {error.node_id: error.node_name for error in run.node_errors if error.node_name is not None}
    more: dict[str, Any] = {"names": names} if names else {}
    if isinstance(run.raw, bytes):
        more["bytes"] = True
    return (
        text(run.status),
        text(run.workflow_id),
        run.elapsed,
        text(run.request_id),
        run.http_status,
        text(run.error_code),
        text(run.reason),
        text(run.hint),
        jsontext.dumps(more) if more else None,
    )


def whole(run: Run) -> bytes:
    """Return all of a run that came from elsewhere, for `more`: its answer need not tell what it does."""
    return jsontext.dumps({RECORD: record_of(run)})


def run_of(record: Record, told: Callable[[int], tuple[bool, str]]) -> Run:
    """Return the run of a record.

    Args:
        record: `COLUMNS`.
        told: whether the process of a record that is still open may be alive, and which it is.
    """
    (
        _, run_id, workflow, workflow_id, status, submitted_at, elapsed, connection, input, headers, tags, request_id,
        http_status, error_code, reason, hint, answer, more, owner,
    ) = record  # fmt: skip
    kept = jsontext.loads_answer(more) if more is not None else {}
    if RECORD in kept:
        return run_of_record(kept[RECORD])
    if status is None:
        alive, who = told(owner)
        status = "unknown"
        reason = (
            f"still under way in {who}" if alive else f"{who} ended before the answer came: the service may have run it"
        )
    raw, execution = None, None
    if answer is not None:
        raw = answer if "bytes" in kept else jsontext.loads_answer(answer)
        if http_status == 200 and not isinstance(raw, bytes):
            try:
                execution = read_execution(raw)
            except ValueError:
                execution = None
    outcome = Outcome(
        status=_text(status),
        submitted_at=time_of(submitted_at),
        elapsed=elapsed if elapsed is not None else 0.0,
        workflow_id=_text(workflow_id),
        execution=execution,
        http_status=http_status,
        request_id=_text(request_id),
        error_code=_text(error_code),
        reason=_text(reason),
        hint=_text(hint),
        raw=raw,
        node_names=kept.get("names", {}),
    )
    return Run.of(
        outcome,
        workflow=_text(workflow),
        input=jsontext.loads_answer(input),
        headers=jsontext.loads_answer(headers) if headers is not None else None,
        tags=jsontext.loads_answer(tags) if tags is not None else None,
        connection=_text(connection),
        run_id=run_id,
    )


class Stored(Sequence[Run]):
    """Runs that are read from the history when they are asked for.

    Args:
        rows: the numbers of their records.
        read: gives the runs of some records, in their order.
    """

    def __init__(self, rows: Sequence[int], read: Callable[[Sequence[int]], list[Run]]) -> None:
        self._rows = array("q", rows)
        self._read = read

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return Stored(self._rows[key], self._read)
        return self._read([self._rows[key]])[0]

    def __iter__(self) -> Iterator[Run]:
        for start in range(0, len(self._rows), CHUNK):
            yield from self._read(self._rows[start : start + CHUNK])
