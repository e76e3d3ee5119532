"""Whether runs leave memory or threads behind: many one after another, and many at once.

    python3 tests/benchmarks/memory.py [--rounds N] [--runs N] [--at-once N]

In a fresh process, warmed up: prints its resident size in MB and its threads before, and after each round of
10,000 runs of a workflow of one state one after another, of 1,000 runs at once whose function sleeps 10 ms on
a thread, and of 1,000 whose function sleeps on an event loop. What grows from round to round is a leak.
"""

import argparse
import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from scenarios import add_one, one_state
from turns import machine

from fgnb.local.definitions import compile_definition
from fgnb.local.engine import Engine
from fgnb.local.execution import Execution
from fgnb.local.functions import Functions

WARM_UP = 500
PAUSE = 0.01  # seconds


def add_one_late(event: dict[str, int], context: object) -> dict[str, int]:
    """Return the next number after a pause on a thread."""
    time.sleep(PAUSE)
    return add_one(event)


async def add_one_later(event: dict[str, int], context: object) -> dict[str, int]:
    """Return the next number after a pause on an event loop."""
    await asyncio.sleep(PAUSE)
    return add_one(event)


def _one_run(handler: Callable[..., Any]) -> Callable[[], Any]:
    functions = Functions()
    functions.register(handler, name="add_one")
    engine, plan = Engine(functions), compile_definition(one_state())

    async def run() -> None:
        execution = Execution(plan=plan, input={"v": 0}, headers={}, project_id="p", workflow_id="w")
        answer = await engine.run(execution)
        assert answer.output == {"v": 1}, answer

    return run


async def measure(rounds: int, runs: int, at_once: int) -> None:
    """Run and print."""
    plain, late, later = (_one_run(handler) for handler in (add_one, add_one_late, add_one_later))
    for _ in range(WARM_UP):
        await plain()
    await asyncio.gather(late(), later())
    first = _report("warmed up", None)
    for number in range(rounds):
        for _ in range(runs):
            await plain()
        _report(f"{runs:,} one after another, round {number + 1}", first)
    for kind, run in (("threads", late), ("an event loop", later)):
        for number in range(rounds):
            await asyncio.gather(*(run() for _ in range(at_once)))
            _report(f"{at_once:,} at once on {kind}, round {number + 1}", first)


def _report(what: str, first: float | None) -> float:
    gc.collect()
    size = psutil.Process().memory_info().rss / 2**20
    grown = "" if first is None else f"{size - first:>+9.1f}"
    print(f"{what:<46}{size:>8.1f} MB{threading.active_count():>5} threads{grown}", flush=True)
    return size


def main() -> None:
    """Start a fresh process that measures, or be it."""
    parser = argparse.ArgumentParser(description="Whether runs leave memory or threads behind.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--at-once", type=int, default=1_000)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        asyncio.run(measure(given.rounds, given.runs, given.at_once))
    else:
        print(machine(), end="\n\n", flush=True)
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--inside"], check=True)


if __name__ == "__main__":
    main()
