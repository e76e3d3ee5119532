"""What a DataFrame of many answers costs, in time, in memory and in cells that are no longer what they were.

    python3 tests/benchmarks/frames.py [--rounds N] [--records N]...

Outputs of 12 leaves, three levels deep, with missing keys, nulls, lists, text beyond ASCII and integers beyond
2**53. From parsed records: fgnb's columns beside pandas.json_normalize and polars. From bytes: decoding and
columns as fgnb does it, as the official SDK decodes (simplejson, Decimal) with json_normalize, and the parsing
alone, by orjson, with the garbage collector as it is and paused (fgnb pauses it for each chunk). Subjects take
turns; prints the median CPU time and ratios. Each cell is compared with the record's: exact, widened (an equal
number of another type), corrupt (another value) or lost. Last, the runs frame of as many runs, and how far a
fresh process's memory grows beyond what it was while frames are made.
"""

import argparse
import gc
import json
import math
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from turns import Samples, Subject, machine, take_turns

from fgnb.jsontext import loads_answer
from fgnb.paths import leaves
from fgnb.runs.columns import flattened
from fgnb.runs.frames import runs_frame
from fgnb.runs.run import Run

Record = dict[str, Any]
CITIES = ("Shenzhen", "深圳", "København", "São Paulo")
BEGIN = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


def record(number: int) -> Record:
    """Return one output; the same for the same number."""
    made: Record = {
        "order_id": f"order-{number:08}",
        "qty": number % 97,
        "total": number * 1.25 + 0.5,
        "paid": number % 3 == 0,
        "account": 2**53 + number * 7919 + 1,
        "customer": {
            "name": f"Grüße an Nr. {number % 1009} 你好",
            "address": {"city": CITIES[number % 4], "zip": f"{number % 100_000:05}"},
            "points": None if number % 11 == 0 else 10**18 + number,
        },
        "items": [{"sku": f"A-{(number + item) % 50}", "n": 1 + number % 5} for item in range(number % 3)],
        "labels": ["new", "gift"][: number % 3],
    }
    if number % 5:
        made["discount"] = number % 30
    if number % 7 == 0:
        made["note"] = f"note {number}"
    return made


def cells(data: list[Record], frame: pd.DataFrame, name: Callable[[str], str]) -> str:
    """Return how many cells are what the records hold, and how many are not."""
    counts: Counter[str] = Counter()
    columns = {column: frame[column].astype("object").tolist() for column in frame}
    for row, each in enumerate(data):
        for path, value in leaves(each, lists=False):
            counts[_kept(value, columns[name(".".join(map(str, path)))][row])] += 1
    return " / ".join(f"{counts[kind]:,}" for kind in ("exact", "widened", "corrupt", "lost"))


def _kept(value: Any, found: Any) -> str:
    if isinstance(value, list):
        return "exact" if found == value else "corrupt"
    if found is None or found is pd.NA or (isinstance(found, float) and math.isnan(found)):
        return "exact" if value is None else "lost"
    if type(found) is type(value) and found == value:
        return "exact"
    return "widened" if isinstance(value, int) and found == value and int(found) == value else "corrupt"


def _polars(data: list[Record]) -> Any:
    import polars as pl

    frame = pl.DataFrame(data, infer_schema_length=None, strict=False)
    return frame.unnest("customer").unnest("address")


def _sdk(texts: list[bytes]) -> list[Record]:
    """Return what the SDK's client makes of answers: see `_deserialize` in its client.py."""
    import simplejson

    return [simplejson.loads(text.decode(), parse_float=Decimal) for text in texts]


def _paused(make: Callable[[], Any]) -> Any:
    gc.disable()
    try:
        return make()
    finally:
        gc.enable()


def ours(data: Any) -> pd.DataFrame:
    """Return the columns as a frame."""
    return pd.DataFrame(flattened("output", data), copy=False)


def measure(count: int, rounds: int) -> None:
    """Measure with so many records, check and print."""
    data = [record(number) for number in range(count)]
    texts = [json.dumps(each, ensure_ascii=False).encode() for each in data]
    normalized = pd.json_normalize
    parsed: dict[str, Callable[[], Any]] = {
        "fgnb": lambda: ours(data),
        "pandas.json_normalize": lambda: normalized(data),
    }
    undecoded: dict[str, Callable[[], Any]] = {"fgnb: decode, columns": lambda: ours(map(loads_answer, texts))}
    if _installed("polars"):
        parsed["polars.DataFrame, unnest"] = lambda: _polars(data)
    if _installed("simplejson"):
        undecoded["SDK's decoding, json_normalize"] = lambda: normalized(_sdk(texts))
    if _installed("orjson"):
        import orjson

        undecoded["orjson: parsing alone"] = lambda: [orjson.loads(text) for text in texts]
        undecoded["orjson: parsing alone, gc paused"] = lambda: _paused(lambda: [orjson.loads(text) for text in texts])
    changed = {
        "fgnb": cells(data, parsed["fgnb"](), "output.{}".format),
        "pandas.json_normalize": cells(data, normalized(data), str),
        "fgnb: decode, columns": cells(data, undecoded["fgnb: decode, columns"](), "output.{}".format),
    }
    if _installed("simplejson"):
        changed["SDK's decoding, json_normalize"] = cells(data, normalized(_sdk(texts)), str)
    assert changed["fgnb"].endswith(" / 0 / 0 / 0"), changed
    title = f"{count:,} records"
    print(f"{title:<34}{'CPU ms':>9}{'/ fgnb':>8}   cells exact / widened / corrupt / lost")
    for first, subjects in (("fgnb", parsed), ("fgnb: decode, columns", undecoded)):
        samples = take_turns({name: _subject(make) for name, make in subjects.items()}, rounds=rounds)
        for name in subjects:
            _row(name, samples[name], samples[first], changed.get(name, ""))
    runs = [run(number, each) for number, each in enumerate(data)]
    assert len(runs_frame(runs)) == count
    samples = take_turns({"runs": _subject(lambda: runs_frame(runs))}, rounds=rounds)
    _row("fgnb: runs frame of as many runs", samples["runs"], samples["runs"], "")
    print(flush=True)


def run(number: int, output: Record) -> Run:
    """Return a run with an output."""
    return Run(
        run_id=f"{number:012x}",
        workflow="order-triage",
        execution_id=f"e{number}",
        request_id=f"q{number}",
        status="success",
        input={"sku": f"A-{number % 50}", "qty": number % 97},
        output=output,
        submitted_at=BEGIN,
        begin_time=BEGIN,
        end_time=BEGIN,
        elapsed=0.1,
    )


def _installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        print(f"{name} is not installed")
        return False
    return True


def _subject(make: Callable[[], Any]) -> Subject:
    def repeat(times: int) -> None:
        for _ in range(times):
            make()

    return repeat


def _row(name: str, sample: Samples, first: Samples, changed: str) -> None:
    took = statistics.median(sample.cpu)
    print(f"  {name:<32}{took / 1000:>9,.0f}{took / statistics.median(first.cpu):>8.2f}   {changed}", flush=True)


def lazily(count: int) -> Iterator[Run]:
    """Yield runs that nobody keeps, as out of a database."""
    return (run(number, record(number)) for number in range(count))


def measure_memory(what: str, count: int) -> None:
    """Print how far memory grows beyond what it was while a frame is made, and what the frame itself takes."""
    runs_frame(lazily(10_000))  # imports, and what allocators keep
    data = [record(number) for number in range(count)] if what == "records" else []
    before = psutil.Process().memory_info().rss
    reset = Path("/proc/self/clear_refs")
    if not reset.exists():
        print(f"memory of {what}: only on Linux")
        return
    reset.write_text("5")  # the high-water mark starts anew
    frame = ours(data) if what == "records" else runs_frame(lazily(count))
    status = Path("/proc/self/status").read_text()
    peak = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024
    own = int(frame.memory_usage(deep=True).sum()) + sum(
        _inside(cell) for column in frame.select_dtypes("object") for cell in frame[column]
    )
    print(
        f"memory, {count:,} {what:<24}frame {own / 2**20:>7.1f} MB, peak {(peak - before) / 2**20:>+7.1f} MB,"
        f" {(peak - before) / own:.2f} times",
        flush=True,
    )


def _inside(value: Any) -> int:
    """Return the bytes that are held by a list or an object besides its own, which pandas does not count."""
    members = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return sum(sys.getsizeof(member) + _inside(member) for member in members)


def main() -> None:
    """Measure and print; memory in fresh processes."""
    parser = argparse.ArgumentParser(description="What a DataFrame of many answers costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--records", type=int, action="append")
    parser.add_argument("--memory", choices=["records", "runs made one by one"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    counts = given.records or [10_000, 100_000]
    if given.memory:
        measure_memory(given.memory, counts[0])
        return
    print(machine(), end="\n\n", flush=True)
    for count in counts:
        measure(count, given.rounds)
    for what in ("records", "runs made one by one"):
        command = [sys.executable, __file__, "--memory", what, "--records", str(counts[-1])]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
