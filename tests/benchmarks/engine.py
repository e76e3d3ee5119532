"""What a state costs in the engine, beside plain Python calls, in one run.

    python tests/benchmarks/engine.py [--rounds N]

Ten states in sequence, each calling ``{"v": v + 1}`` through an argument template and an output
filter, with every limit enforced, one run after the other. Prints medians of rounds that take turns,
in microseconds of wall time per state, and the ratio.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

from fgnb.local.definitions import compile_definition
from fgnb.local.engine import Engine, Execution
from fgnb.local.functions import Functions

STATES = 10
RUNS = 200


def add_one(event: dict[str, int], context: object) -> dict[str, int]:
    """Return the next number."""
    return {"v": event["v"] + 1}


def definition() -> dict[str, Any]:
    """Return ten states in sequence."""
    states = [
        {
            "id": f"s{number}",
            "name": f"s{number}",
            "type": "Operation",
            "end": number == STATES - 1,
            "transition": f"s{number + 1}" if number < STATES - 1 else "",
            "actions": [{"function_ref": {"ref_name": "add", "arguments": {"v": "$.v | 0"}}}],
            "state_data_filter": {"input": "$", "output": "$"},
        }
        for number in range(STATES)
    ]
    functions = [{"name": "add", "operation": "urn:fss:local:p:function:default:add_one:latest"}]
    return {
        "name": "sequence",
        "mode": "EXPRESS",
        "start": "s0",
        "functions": functions,
        "states": states,
        "constants": {},
        "retries": [],
    }


def plain() -> Callable[[], None]:
    """Ten plain calls: the limit."""

    def go() -> None:
        for _ in range(RUNS):
            data = {"v": 0}
            for _ in range(STATES):
                data = add_one(data, None)
            assert data == {"v": STATES}

    return go


def engine() -> Callable[[], None]:
    """The engine, one run after the other."""
    functions = Functions()
    functions.register(add_one)
    ours, plan = Engine(functions), compile_definition(definition())

    async def runs() -> None:
        for _ in range(RUNS):
            execution = Execution(plan=plan, input={"v": 0}, headers={}, project_id="p", workflow_id="w")
            answer = await ours.execute(execution)
            assert answer.output == {"v": STATES}, answer

    return lambda: asyncio.run(runs())


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    subjects = {"plain Python calls (limit)": plain(), "fgnb engine": engine()}
    samples: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds + 1):  # the first round warms up
        for name, go in subjects.items():
            began = time.perf_counter()
            go()
            samples[name].append((time.perf_counter() - began) / RUNS / STATES * 1e6)
    medians = {name: statistics.median(values[1:]) for name, values in samples.items()}
    for name, median in medians.items():
        print(f"{name:<28} {median:9.2f} us per state   best {min(samples[name]):9.2f}")
    print(f"ratio to the limit           {medians['fgnb engine'] / medians['plain Python calls (limit)']:9.1f}")


if __name__ == "__main__":
    main()
