"""How long it takes in JupyterLab from the start of a cell until many runs can be used in its output.

    python3 tests/benchmarks/explore.py [--rounds 5] [--runs 10000]

Subjects take turns, each in a cell of one notebook: the explorer of a set of runs whose frame is there already, beside
ITable of itables, if that is there, with the same columns of the same frame and nothing left out. Usable is when a
first row with text is painted. Then, each in its own way, from a click on a title until another first row is painted.
Prints medians in milliseconds; Chromium draws without a graphics card here.
"""

import argparse
import statistics
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from turns import machine

sys.path.append(str(Path(__file__).parents[2]))  # the browser of the tests

from tests.browser import chromium
from tests.browser.book import Book
from tests.browser.server import Server

RUNS = """
import fgnb
from datetime import datetime, timedelta, timezone
at = datetime(2026, 11, 27, tzinfo=timezone.utc)
runs = fgnb.RunSet(
    fgnb.Run(
        run_id=f"run-{n:06}", workflow="order-triage", status="success", submitted_at=at + timedelta(seconds=n),
        elapsed=0.05 + n * 7919 % 10007 / 7e4,
        input={"sku": f"SKU-{n % 50}", "qty": (5000 + n * 7919) % 10007, "note": f"n {n}"},
        output={"total": n * 49.9, "left": n % 120, "warehouse": ("Langfang", "Guiyang")[n % 2], "decision": "ship"},
    )
    for n in range(RUNS)
)
names = ["status", "submitted_at", "elapsed", "error_count", "error_message", *[
    name for name in runs.frame.columns if name.startswith(("input", "output"))]]
frame = runs.frame[names]
"""
EXPLORER = "e = runs.explore()\ne.columns = names\ne"
ITABLES = "from itables.widget import ITable\nt = ITable(frame, maxBytes=0, select='multi')\nt"

# Starts the cell, or clicks on a title, and says after how many milliseconds another first row is painted.
TIMED = """
async ([number, rows, title]) => {
  const app = window.jupyterapp, panel = app.shell.currentWidget;
  const place = panel.content.widgets[number].node;
  const first = () => {
    const told = each => [each.getBoundingClientRect().top, each.innerText.trim()];
    const shown = [...place.querySelectorAll(rows)].map(told);
    return shown.filter(([, text]) => text).sort(([a], [b]) => a - b)[0]?.[1];
  };
  if (!title) panel.content.widgets[number].model.outputs.clear();
  while (!title && first()) await new Promise(resolve => requestAnimationFrame(resolve));
  const before = title ? first() : undefined, began = performance.now();
  if (title) {
    const seen = each => each.getBoundingClientRect().height > 5 && each.innerText.trim().startsWith(title);
    const found = [...place.querySelectorAll('th, .head button')].find(seen);
    (found.querySelector('.dt-column-order') ?? found).click();
  } else {
    panel.content.activeCellIndex = number;
    app.commands.execute('notebook:run-cell');
  }
  while (!first() || first() === before) {
    if (performance.now() - began > 60000) throw new Error('nothing to see');
    await new Promise(resolve => requestAnimationFrame(resolve));
  }
  await new Promise(resolve => requestAnimationFrame(resolve));
  return performance.now() - began;
}
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=10_000)
    chosen = parser.parse_args()
    if chromium.found() is None:
        sys.exit("there is no chromium on the PATH")
    subjects = {"fgnb explorer": (EXPLORER, ".fgnb-runs .body .row")}
    if find_spec("itables") is not None:
        subjects["itables ITable"] = (ITABLES, "table.dataTable tbody tr")
    print(machine())
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        try:
            page = chromium.open_context(playwright).new_page()
            server.wait()
            Book.start_lab(page, server)
            path = server.root / "benchmark.ipynb"
            Book.write(path, [RUNS.replace("RUNS", str(chosen.runs)), *(code for code, _ in subjects.values())])
            book = Book(page, "lab", server, path, Path(folder))
            book.open()
            book.run(0)
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in subjects}
            for turn in range(chosen.rounds + 1):  # the first one loads what the others find
                for number, (name, (_, rows)) in enumerate(subjects.items(), 1):
                    shown = page.evaluate(TIMED, [number, rows, None])
                    page.wait_for_timeout(1000)
                    sorted_ = page.evaluate(TIMED, [number, rows, "input.qty"])
                    if turn:
                        times[name].append((shown, sorted_))
            text = book.output(1).inner_text()
            assert f"{chosen.runs:,} runs" in text, text[:200]
            book.close()
        finally:
            server.close()
    print(f"{chosen.runs:,} runs, 12 columns      shown   sorted   (milliseconds, medians of {chosen.rounds})")
    for name, took in times.items():
        shown, sorted_ = (statistics.median(each) for each in zip(*took, strict=True))
        print(f"  {name:<24} {shown:8.0f} {sorted_:8.0f}")


if __name__ == "__main__":
    main()
