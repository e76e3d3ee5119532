"""What a state costs in the engine, beside plain Python and other interpreters, in one run.

    python3 tests/benchmarks/engine.py [--rounds N] [--only SCENARIO]...

The scenarios are those of scenarios.py; every result is checked. Runs follow one another, with every limit
enforced, and the subjects take turns. Prints, for each, the median and the best of the rounds in
microseconds of wall time per state (per item for Foreach), the least CPU time, how many times the
plain Python calls' time it is, and how many times moto's whole cost of an execution is that.
"""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from peers import INSTALL, MOTO_WHOLE, peers
from scenarios import SCENARIOS, Scenario, add_one, add_one_async
from turns import Samples, Subject, machine, take_turns

from fgnb.local.definitions import compile_definition
from fgnb.local.engine import Engine
from fgnb.local.execution import Execution
from fgnb.local.functions import Functions

PLAIN = "plain Python calls (limit)"
TO_THREAD = "asyncio.to_thread per call"
SYNC = "fgnb engine"
ASYNC = "fgnb engine, async function"


def plain(scenario: Scenario) -> Subject:
    """Return the calls and comparisons alone: no engine can be faster."""

    def runs(times: int) -> None:
        for _ in range(times):
            assert scenario.plain(scenario.input) == scenario.expected

    return runs


def to_thread(scenario: Scenario, runner: asyncio.Runner) -> Subject:
    """Return each call handed to a thread of its own: what an engine must not do."""

    async def together(events: list[Any]) -> Any:
        return list(await asyncio.gather(*(asyncio.to_thread(add_one, event) for event in events)))

    async def in_sequence(data: Any) -> Any:
        for _ in range(scenario.states):
            data = await asyncio.to_thread(add_one, data)
        return data

    async def once() -> Any:
        if not scenario.collects:
            return await in_sequence(scenario.input)
        return await together(scenario.input.get("items") or [scenario.input] * scenario.states)

    return _repeated(once, scenario.expected, runner)


def engine(scenario: Scenario, runner: asyncio.Runner, handler: Callable[..., Any]) -> Subject:
    """Return the engine with a function registered as ``add_one``."""
    functions = Functions()
    functions.register(handler, name="add_one")
    ours, plan = Engine(functions), compile_definition(scenario.definition)

    async def once() -> Any:
        execution = Execution(plan=plan, input=scenario.input, headers={}, project_id="p", workflow_id="w")
        answer = await ours.run(execution)
        assert answer.status == "success", answer
        return answer.output["result"] if scenario.collects else answer.output

    return _repeated(once, scenario.expected, runner)


def _repeated(once: Callable[[], Coroutine[Any, Any, Any]], expected: Any, runner: asyncio.Runner) -> Subject:
    async def repeat(times: int) -> None:
        for _ in range(times):
            assert (output := await once()) == expected, output

    return lambda times: runner.run(repeat(times))


def subjects(scenario: Scenario, runner: asyncio.Runner) -> dict[str, Subject | None]:
    """Return everything that can do a scenario; None for what isn't installed."""
    calls = {} if scenario.name == "switch10" else {TO_THREAD: to_thread(scenario, runner)}
    return {
        PLAIN: plain(scenario),
        **calls,
        SYNC: engine(scenario, runner, add_one),
        ASYNC: engine(scenario, runner, add_one_async),
        **peers(scenario),
    }


def table(scenario: Scenario, names: list[str], samples: dict[str, Samples]) -> str:
    """Return the figures of one scenario as text."""
    lines = [
        f"{scenario.name:<28} {'median':>10} {'best':>10} {'least CPU':>10} {'x limit':>9} {'moto /':>9}   us per state"
    ]
    for name in names:
        if (sample := samples.get(name)) is None:
            lines.append(f"  {name:<28} not installed ({INSTALL[name]})")
            continue
        each = [value / scenario.states for value in (sample.median, sample.best, sample.least_cpu)]
        figures = "".join(f"{value:>11,.2f}" for value in each)
        less = f"{samples[MOTO_WHOLE].ratio(sample):>10,.1f}" if MOTO_WHOLE in samples else f"{'-':>10}"
        lines.append(f"  {name:<26}{figures}{sample.ratio(samples[PLAIN]):>10,.1f}{less}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a state costs in the engine.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", action="append", choices=[scenario.name for scenario in SCENARIOS])
    given = parser.parse_args()
    print(machine(), end="\n\n")
    for scenario in SCENARIOS:
        if given.only and scenario.name not in given.only:
            continue
        with asyncio.Runner() as runner:
            all_of_them = subjects(scenario, runner)
            installed = {name: subject for name, subject in all_of_them.items() if subject is not None}
            samples = take_turns(installed, rounds=given.rounds)
        print(table(scenario, list(all_of_them), samples), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
