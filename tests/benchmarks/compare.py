"""Comparing two sets of runs, as it grows: 1,000, 10,000 and 100,000 pairs of 12 leaves, one in 50 changed.

    python3 tests/benchmarks/compare.py [--rounds 3] [--pairs 1000 10000 100000]

Subjects take turns; prints the median CPU time of matching and comparing, per pair and in all, of its frames, of the
display, and of the worst case, in which every output differs. The limit beside it: writing each input once as
canonical JSON (what matching by input can't do without) and Python's own == over the outputs, exact about nothing.
"""

import argparse
import copy
import json
import statistics
from datetime import UTC, datetime
from typing import Any

from turns import machine, repeated, take_turns

from fgnb.runs.compare import compare
from fgnb.runs.run import NodeError, Run
from fgnb.runs.runset import RunSet

LIMIT = "limit: canonical JSON and =="
AT = datetime(2026, 11, 22, tzinfo=UTC)
ERROR = NodeError(node_id="price", error_message="no price", error_type="KeyError")


def output(number: int) -> dict[str, Any]:
    """Return an output of 12 leaves."""
    return {
        "order": {"id": f"o-{number}", "total": number * 12.5, "currency": "CNY", "paid": number % 2 == 0},
        "lines": [{"sku": f"A-{number % 40}", "qty": number % 7}, {"sku": "B-1", "qty": 1}],
        "note": None if number % 3 else f"数量 {number}",
        "stamps": {"begin": number, "end": number + 3},
        "big": 2**60 + number,
    }


def sets(pairs: int, every: int) -> tuple[RunSet, RunSet]:
    """Return two sets, in the second of which one output in `every` differs, and one run in 500 fails."""

    def run(number: int, after: bool) -> Run:
        result = copy.deepcopy(output(number))
        if after and number % every == 0:
            result["order"]["total"] += 1
        failed = after and number % 500 == 7
        return Run(
            workflow="flow",
            status="fail" if failed else "success",
            input={"sku": f"A-{number % 40}", "qty": number // 40, "currency": "CNY"},
            output=None if failed else result,
            node_errors=(ERROR,) if failed else (),
            submitted_at=AT,
            elapsed=0.01 + number % 7 / 1000,
        )

    return RunSet(run(number, False) for number in range(pairs)), RunSet(
        run(number, True) for number in reversed(range(pairs))
    )


def limit(before: RunSet, after: RunSet) -> int:
    """Match by canonical JSON and compare with ==."""
    by_input = {json.dumps(run.input, sort_keys=True): run for run in after}
    return sum(run.output != by_input[json.dumps(run.input, sort_keys=True)].output for run in before)


def measure(pairs: int, rounds: int) -> None:
    """Print what a comparison of so many pairs costs."""
    before, after = sets(pairs, 50)
    others = sets(pairs, 1)
    changed = len({*range(0, pairs, 50), *range(7, pairs, 500)})

    def compared() -> None:
        counts = compare(before, after).counts
        assert (counts["pairs"], counts["changed"]) == (pairs, changed), counts

    def frames() -> None:
        comparison = compare(before, after)
        assert len(comparison.changes) == len(comparison)
        assert len(comparison.frame) > 1
        assert len(comparison.regressions) == len(range(7, pairs, 500))
        assert len(comparison.by("input.sku")) == 40

    samples = take_turns(
        {
            "match and compare": repeated(compared),
            "with its frames": repeated(frames),
            "with its display": repeated(lambda: compare(before, after)._repr_mimebundle_()),
            "every output differs": repeated(lambda: compare(*others).counts),
            LIMIT: repeated(lambda: limit(before, after)),
        },
        rounds=rounds,
    )
    print(f"\n{f'{pairs:,} pairs':32} {'CPU ms':>8} {'us a pair':>10} {'of the limit':>13}")
    base = statistics.median(samples[LIMIT].cpu)
    for name, sample in samples.items():
        cpu = statistics.median(sample.cpu)
        print(f"  {name:30} {cpu / 1e3:8,.0f} {cpu / pairs:10.2f} {cpu / base:13.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pairs", type=int, nargs="*", default=[1000, 10_000, 100_000])
    arguments = parser.parse_args()
    print(machine())
    for count in arguments.pairs:
        measure(count, arguments.rounds)
