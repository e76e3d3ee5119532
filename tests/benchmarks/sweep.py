"""What a sweep costs over the bare client, 64 at once, with and without the history and progress.

    python3 tests/benchmarks/sweep.py [--rounds N] [--calls N]

All talk to the same fast server in a process of its own and take turns; the CPU time is this process's. The bare
client is `AsyncClient.execute` called by 64 tasks that take the next input from an iterator.
"""

import argparse
import asyncio
import contextlib
import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from fast_server import EXECUTION, WORKFLOW_ID, served
from turns import machine

import fgnb
from fgnb.client.client import AsyncClient
from fgnb.client.outcome import Attempt
from fgnb.client.transport import HttpTransport
from fgnb.notebook import progress as progress_module
from fgnb.runs.progress import Progress

AT_ONCE = 64
BASE = {"order": {"id": "A-1007", "sku": "A-100", "price": 129.5}, "customer": {"name": "刘", "level": 2}}


def bare(url: str) -> Callable[[int], int]:
    """Return what sends so many inputs with the client alone."""

    async def burst(calls: int) -> int:
        client = AsyncClient(HttpTransport(url), project_id="p")
        inputs = iter(range(calls))
        good = 0

        async def work() -> None:
            nonlocal good
            for number in inputs:
                outcome = await client.execute(WORKFLOW_ID, BASE | {"qty": number}, headers={}, attempt=Attempt())
                good += outcome.status == "success"

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        await client.aclose()
        return good

    return lambda calls: asyncio.run(burst(calls))


def swept(url: str, history: str, *, progress: bool) -> Callable[[int], int]:
    """Return what sends so many inputs as a sweep."""
    session = fgnb.connect(url, project_id="p", history=history)

    def burst(calls: int) -> int:
        runs = session.sweep(WORKFLOW_ID, {"qty": range(calls)}, base=BASE, concurrency=AT_ONCE, progress=progress)
        assert runs[-1].output == EXECUTION["output"]
        return runs.counts["success"]

    return burst


class Screen:
    """Where progress goes: rendered as for a notebook, and counted."""

    from_any_thread = True
    updates = 0

    def update(self, progress: Progress) -> None:
        """Render it."""
        progress_module.show(progress)
        Screen.updates += 1

    close = update


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=3000)
    given = parser.parse_args()
    progress_module.open_display = lambda progress: Screen()  # type: ignore[assignment,return-value]
    print(machine())
    with served() as url, tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
        kept = str(Path(folder) / "history.db")
        subjects = {
            "bare client": bare(url),
            "sweep, no history": swept(url, "off", progress=False),
            "sweep, history": swept(url, kept, progress=False),
            "sweep, history and progress": swept(url, kept, progress=True),
        }
        walls: dict[str, list[float]] = {name: [] for name in subjects}
        cpus: dict[str, list[float]] = {name: [] for name in subjects}
        for number, (name, subject) in itertools.product(range(given.rounds + 1), subjects.items()):
            wall, cpu = time.perf_counter(), time.process_time()
            good = subject(given.calls)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            assert good == given.calls
            if number:  # the first round warms up
                walls[name].append(wall / given.calls * 1e6)
                cpus[name].append(cpu / given.calls * 1e6)
    first = next(iter(subjects))
    print(f"{'':30} {'CPU us':>8} {'of bare':>8} {'wall us':>8} {'runs/s':>8}")
    for name in subjects:
        ratio = statistics.median(mine / its for mine, its in zip(cpus[name], cpus[first], strict=True))
        wall = statistics.median(walls[name])
        print(f"{name:30} {statistics.median(cpus[name]):8.1f} {ratio:8.2f} {wall:8.1f} {1e6 / wall:8.0f}")
    print("target: a sweep with history and progress at most 1.15 of the bare client")


if __name__ == "__main__":
    main()
