"""A sweep over workers beside the same sweep in one process, and what it takes to plan a million inputs.

    python3 tests/benchmarks/workers.py [--rounds N] [--calls N] [--inputs N]

All talk to the same fast server in a process of its own. Workers: two processes of concurrent.futures, and two of a
Dask cluster on this machine; both are started, and have sent something, before the clock is. Prints the median wall
time and its ratio. On a machine of two cores the server, the process that hands out and two workers share them: this
is what the hand-out costs, not what more machines bring. Last, the memory that planning a sweep takes: its inputs are
made and written, one by one, and not sent.
"""

import argparse
import contextlib
import io
import multiprocessing
import statistics
import time
import tracemalloc
from concurrent.futures import Executor, ProcessPoolExecutor

from fast_server import WORKFLOW_ID, served
from turns import machine

import fgnb
from fgnb.runs.inputs import inputs_of
from fgnb.runs.order import items

BASE = {"order": {"id": "A-1007", "sku": "A-100", "price": 129.5}, "customer": {"name": "刘", "level": 2}}


def swept(url: str, calls: int, executor: Executor | None) -> float:
    """Return the seconds that a sweep takes."""
    session = fgnb.connect(url, project_id="p", history="off")
    began = time.perf_counter()
    runs = session.sweep(
        WORKFLOW_ID, {"qty": range(calls)}, base=BASE, concurrency=64, progress=False, executor=executor
    )
    took = time.perf_counter() - began
    assert runs.counts == {"success": calls}
    return took


def measure(url: str, calls: int, rounds: int) -> None:
    """Print what sweeps over workers take."""
    with contextlib.ExitStack() as stack:
        spawn = multiprocessing.get_context("spawn")
        subjects: dict[str, Executor | None] = {
            "one process": None,
            "two processes": stack.enter_context(ProcessPoolExecutor(2, mp_context=spawn)),
        }
        with contextlib.suppress(ImportError):
            import distributed

            cluster = distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", host="127.0.0.1"
            )
            client = stack.enter_context(distributed.Client(stack.enter_context(cluster), set_as_default=False))
            subjects["two workers of Dask"] = client.get_executor()
        walls: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(rounds + 1):
            for name, executor in subjects.items():
                took = swept(url, calls, executor)
                if number:  # the first round warms up
                    walls[name].append(took)
    print(f"{f'{calls:,} runs':24} {'seconds':>8} {'runs/s':>8} {'of one process':>15}")
    for name, wall in walls.items():
        ratio = statistics.median(mine / one for mine, one in zip(wall, walls["one process"], strict=True))
        took = statistics.median(wall)
        print(f"  {name:22} {took:8.2f} {calls / took:8,.0f} {ratio:15.2f}")


def measure_planning(count: int) -> None:
    """Print the memory that planning takes."""
    grid = {"a": range(100), "b": range(100), "c": range(-(-count // 10_000))}
    for number in (count // 100, count):
        tracemalloc.start()
        began = time.process_time()
        made = sum(1 for _, _ in zip(range(number), items(inputs_of(grid, base=BASE)), strict=False))
        took, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert made == number
        print(f"planning {number:>9,} inputs: {peak / 1e6:.2f} MB at most, {took:.1f} s of CPU while memory is traced")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    given = parser.parse_args()
    print(machine())
    with served() as url, contextlib.redirect_stderr(io.StringIO()):
        measure(url, given.calls, given.rounds)
    measure_planning(given.inputs)
