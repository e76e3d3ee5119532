"""What a form costs, in a real kernel that sends its widgets to a page.

    python3 tests/benchmarks/form.py [--rounds N] [--fields N]

A form of 12 fields beside ipywidgets' own `interactive` with 12 of the same kinds, which knows no validation, no JSON
and no switch: to make and to close it. Then a form of as many fields as are asked for (200): to make and close it, and
one edit, after which all views agree and every problem is known. Prints the medians of wall and of CPU time, and how
many widgets, layouts and styles there are. Subjects take turns.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import ipywidgets
from ipywidgets.widgets import widget
from jupyter_client.manager import start_new_kernel
from turns import Samples, machine, take_turns

import fgnb
from fgnb.notebook.form import Form

KINDS: list[tuple[dict[str, Any], Any]] = [
    ({"type": "string"}, "text"),
    ({"type": "integer", "minimum": 1, "maximum": 50}, (1, 50)),
    ({"type": "number"}, 0.5),
    ({"type": "boolean"}, True),
    ({"enum": ["gold", "silver"]}, ["gold", "silver"]),
    ({"type": "string", "format": "date", "description": "when it should arrive"}, "2026-01-31"),
]


def schema_of(count: int) -> dict[str, Any]:
    """Return a JSON Schema with so many members, of each kind in turn."""
    kinds = cycle(KINDS)
    return {"type": "object", "properties": {f"field_{at}": next(kinds)[0] for at in range(count)}}


def repeated(once: Callable[[], object]) -> Callable[[int], None]:
    """Return what does something as often as it is told."""

    def several(times: int) -> None:
        for _ in range(times):
            once()

    return several


def measure(rounds: int, fields: int) -> None:
    """Measure and print, in the kernel."""
    session = fgnb.connect("local", history="off")
    kinds = cycle(KINDS)
    given = {f"field_{at}": next(kinds)[1] for at in range(12)}

    def interact() -> None:
        before = set(widget._instances)
        ipywidgets.interactive(lambda **values: None, **given)
        for model_id in set(widget._instances) - before:
            widget._instances[model_id].close()

    def make(count: int) -> Form:
        form = session.form("order-triage", schema=schema_of(count))
        assert len(form.leaves()) == count
        return form

    wide = make(fields)
    numbers = cycle(range(1, 51))

    def edit() -> None:
        number = next(numbers)
        wide.leaves()["field_1"].control.value = str(number)  # type: ignore[attr-defined]
        assert wide.value["field_1"] == number

    names = {"interactive, 12": interact, "form, 12": lambda: make(12).close()}
    names |= {f"form, {fields}": lambda: make(fields).close(), f"one edit of {fields}": edit}
    models: dict[str, int] = {}
    for name, count in (("form, 12", 12), (f"form, {fields}", fields)):
        before = len(widget._instances)
        form = make(count)
        models[name] = len(widget._instances) - before
        form.close()
    before = len(widget._instances)
    ipywidgets.interactive(lambda **values: None, **given)
    models["interactive, 12"] = len(widget._instances) - before
    samples: dict[str, Samples] = take_turns({name: repeated(once) for name, once in names.items()}, rounds=rounds)
    print(f"{'':20} {'ms':>9} {'CPU ms':>9} {'models':>8} {'of interactive':>15}")
    for name, sample in samples.items():
        ratio = sample.ratio(samples["interactive, 12"])
        cpu = statistics.median(sample.cpu) / 1e3
        print(f"{name:20} {sample.median / 1e3:9.1f} {cpu:9.1f} {models.get(name, ''):>8} {ratio:15.2f}")


def main() -> None:
    """Start a kernel and have it measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--fields", type=int, default=200)
    given = parser.parse_args()
    print(machine(), time.strftime("%Y-%m-%d"))
    manager, client = start_new_kernel()

    def show(message: dict[str, Any]) -> None:
        if message["msg_type"] == "stream":
            print(message["content"]["text"], end="")

    try:
        folder = str(Path(__file__).parent)
        code = f"import sys; sys.path.insert(0, {folder!r})\nimport form\nform.measure({given.rounds}, {given.fields})"
        reply = client.execute_interactive(code, output_hook=show, timeout=600)
        if reply["content"]["status"] != "ok":
            sys.exit("\n".join(reply["content"]["traceback"]))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main()
