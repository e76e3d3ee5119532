"""What the history costs: writing runs as a sweep does, and reading them into a frame.

    python3 tests/benchmarks/history.py [--rounds N] [--runs N] [--frame N]

Writing: a run is recorded before it is sent and again at its end, by many tasks of one event loop (64 at once, as a
sweep's, and 1,000), and one after the other, as single runs are. Beside it the limit: SQLite alone, the same rows by
executemany in transactions of 1,000. Prints the median of records per second of wall time and of CPU microseconds per
record. Reading: as many runs into the runs frame, beside the frame of the same runs in memory and of their answers'
bytes parsed. Subjects take turns.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from frames import record
from turns import Samples, machine, take_turns

from fgnb import jsontext
from fgnb.client.outcome import Attempt, Outcome
from fgnb.runs.claims import Opening
from fgnb.runs.columns import flattened
from fgnb.runs.database import MIGRATIONS
from fgnb.runs.frames import runs_frame
from fgnb.runs.history import History
from fgnb.runs.run import Run, new_run_id
from fgnb.wire import Response

AT = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
INPUT = jsontext.dumps(
    {"order": {"id": "A-1007", "sku": "A-100", "price": 129.5}, "customer": {"name": "刘"}, "qty": 3}
)
ANSWER = jsontext.dumps(
    {"execution_id": "e" * 36, "status": "success", "output": {"total": 149.7, "decision": "ship", "reasons": []},
     "errors": [], "begin_time": "2026-11-22T08:00:00Z", "end_time": "2026-11-22T08:00:01Z"}
)  # fmt: skip


def answered(body: bytes) -> Outcome:
    """Return the outcome of an answer."""
    return Attempt().answered(Response(status=200, headers={"x-request-id": "r" * 32}, body=body))


def run_of(body: bytes) -> Run:
    """Return the run of an answer."""
    return Run.of(answered(body), workflow="order-triage", input={}, connection="local")


RUN = run_of(ANSWER)


def opening(number: int) -> Opening:
    """Return a run that is about to be sent."""
    return Opening(new_run_id(), "order-triage", INPUT, None, None, "local", datetime.now(UTC))


async def _written(history: History, runs: int, at_once: int) -> None:
    numbers = iter(range(runs))

    async def work() -> None:
        for number in numbers:
            claim = await history.abegin(opening(number))
            assert claim.row is not None
            history.end(claim, RUN, ANSWER)

    await asyncio.gather(*(work() for _ in range(at_once)))
    await history.aflush()


def _alone(path: Path, runs: int) -> None:
    database = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
        database.execute(f"PRAGMA {pragma}")
    for statement in MIGRATIONS[0].split(";\n"):
        database.execute(statement)
    insert = "INSERT INTO runs (id, run_id, workflow, submitted_at, connection, input) VALUES (?, ?, ?, ?, ?, ?)"
    update = "UPDATE runs SET status = ?, elapsed = ?, http_status = ?, answer = ? WHERE id = ?"
    for start in range(0, runs, 1000):
        rows = range(start + 1, min(start + 1000, runs) + 1)
        database.execute("BEGIN")
        database.executemany(insert, [(row, new_run_id(), "order-triage", row, "local", INPUT) for row in rows])
        database.executemany(update, [("success", 0.1, 200, ANSWER, row) for row in rows])
        database.execute("COMMIT")
    database.close()


def measure_writing(folder: Path, runs: int, rounds: int) -> None:
    """Print what it costs to record runs."""
    files = count()

    def subject(at_once: int) -> Callable[[int], None]:
        def several(times: int) -> None:
            history = History(folder / f"{next(files)}.db")
            asyncio.run(_written(history, runs * times, at_once))

        return several

    samples = take_turns(
        {
            "SQLite alone, by 1,000": lambda times: _alone(folder / f"{next(files)}.db", runs * times),
            "fgnb, 1,000 at once": subject(1000),
            "fgnb, 64 at once": subject(64),
            "fgnb, one by one": subject(1),
        },
        rounds=rounds,
    )
    print(f"{'writing':28} {'records/s':>10} {'CPU us':>8} {'of SQLite alone':>16}")
    limit = statistics.median(samples["SQLite alone, by 1,000"].cpu)
    for name, sample in samples.items():
        cpu = statistics.median(sample.cpu)
        print(f"  {name:26} {1e6 * runs / sample.median:10,.0f} {cpu / runs:8.1f} {cpu / limit:16.2f}")
    print("  target: at least 20,000 records/s")


def measure_reading(folder: Path, runs: int, rounds: int) -> None:
    """Print what it costs to make a frame of recorded runs."""
    history = History(folder / "read.db")
    bodies = [
        jsontext.dumps({"execution_id": f"e{n}", "status": "success", "output": record(n), "errors": []})
        for n in range(runs)
    ]

    async def fill() -> None:
        for start in range(0, runs, 1000):
            openings = [opening(number) for number in range(start, min(start + 1000, runs))]
            claims = await asyncio.gather(*(history.abegin(each) for each in openings))
            for number, claim in enumerate(claims, start):
                history.end(claim, run_of(bodies[number]), bodies[number])
        await history.aflush()

    asyncio.run(fill())
    kept = [run_of(body) for body in bodies]

    def frame(make: Callable[[], object]) -> Callable[[int], None]:
        def several(times: int) -> None:
            for _ in range(times):
                make()

        return several

    def of_history() -> None:
        assert len(runs_frame(iter(history.select()))) == runs

    samples: dict[str, Samples] = take_turns(
        {
            "answers parsed, outputs": frame(lambda: flattened("output", map(jsontext.loads_answer, bodies))),
            "runs from bytes": frame(lambda: runs_frame(map(run_of, bodies))),
            "runs in memory": frame(lambda: runs_frame(iter(kept))),
            "runs of the history": frame(of_history),
        },
        rounds=rounds,
    )
    print(f"\n{f'a frame of {runs:,}':28} {'CPU ms':>8} {'of runs from bytes':>19}")
    base = statistics.median(samples["runs from bytes"].cpu)
    for name, sample in samples.items():
        cpu = statistics.median(sample.cpu)
        print(f"  {name:26} {cpu / 1e3:8,.0f} {cpu / base:19.2f}")
    print("  target: of the history at most 1.5 of the frame from bytes")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--frame", type=int, default=100_000)
    given = parser.parse_args()
    print(machine(), time.strftime("%Y-%m-%d"))
    with tempfile.TemporaryDirectory() as folder:
        measure_writing(Path(folder), given.runs, given.rounds)
        measure_reading(Path(folder), given.frame, max(1, given.rounds - 2))


if __name__ == "__main__":
    main()
