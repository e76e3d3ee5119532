"""The explorer in a real page: 10,000 runs sorted, filtered, chosen, compared; a sweep under way; what is saved."""

import pytest

from tests.browser.book import expect, until

APPS = ("lab", "notebook7")

MANY = """
import fgnb
from datetime import datetime, timedelta, timezone
from fgnb.runs.run import NodeError
session = fgnb.connect("local", history="off")

def run_of(n):
    qty, sku = 10_000 - n * 7919 % 10_000, ("A-100", "B-7", "C-3", "扳手")[n % 4]
    lot = {"run_id": f"run-{n:05}", "workflow": "order-triage", "connection": "local",
           "input": {"sku": sku, "qty": qty, "note": "<b>x</b>"},
           "submitted_at": datetime(2026, 11, 27, tzinfo=timezone.utc) + timedelta(seconds=n),
           "elapsed": 0.05 + qty / 7e4, "tags": {"token": "canary-of-the-page"}}
    if n % 5 == 4:
        error = NodeError(node_id="stock", error_type="OutOfStock", error_message=f"{qty} of {sku}")
        return fgnb.Run(**lot, status="fail", node_errors=(error,))
    return fgnb.Run(**lot, status="success", output={"total": round(qty * 49.9, 2), "warehouse": "Langfang"})

runs = fgnb.RunSet(run_of(n) for n in range(10_000))
"""

# Does something, and says how many milliseconds pass until another first row is painted.
TIMED = """
async ([act, argument]) => {
  const root = [...document.querySelectorAll('.fgnb-runs')].find(each => each.offsetParent);
  const first = () => {
    const line = [...root.querySelectorAll('.body .row')].find(each => each.style.transform === 'translateY(0px)');
    return line && line.dataset.row + line.textContent;
  };
  const before = first(), began = performance.now();
  if (act === 'sort') [...root.querySelectorAll('.head button')].find(each => each.title.startsWith(argument)).click();
  if (act === 'filter') {
    const input = root.querySelector(`input[aria-label="filter ${argument[0]}"]`);
    input.value = argument[1];
    input.dispatchEvent(new Event('input', {bubbles: true}));
  }
  if (act === 'scroll') root.querySelector('.grid').scrollTop = argument;
  const changed = act === 'scroll'
    ? () => root.querySelector(`.row[aria-rowindex="${Math.round(argument / 26) + 3}"]`) : () => first() !== before;
  while (!changed()) {
    if (performance.now() - began > 10000) throw new Error('nothing changed');
    await new Promise(resolve => requestAnimationFrame(resolve));
  }
  await new Promise(resolve => requestAnimationFrame(resolve));
  return performance.now() - began;
}
"""


def timed(book, act, argument):
    took = book.page.evaluate(TIMED, [act, argument])
    print(f"{book.app}: {act} {argument}: {took:.0f} ms")
    return took


def rows(place):
    return place.locator(".fgnb-runs .body .row")


def first_cells(place, title):
    """Return the cells of a column that are painted, from the top."""
    titles = [text.strip(" ▲▼") for text in place.locator(".fgnb-runs .head .title").all_inner_texts()]
    number = titles.index(title) + 1
    return place.locator(".fgnb-runs .body").evaluate(
        "(body, number) => [...body.children].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)"
        ".map(row => row.children[number].textContent)",
        number,
    )


@pytest.mark.parametrize("app", APPS)
def test_ten_thousand_runs_are_sorted_filtered_chosen_and_compared(notebook, app):
    book = notebook(app, [MANY, "explorer = runs.explore()\nexplorer"])
    book.run_all()
    place = book.output(1)
    expect(place.get_by_role("status")).to_have_text("10,000 runs, 0 selected")
    expect(place).to_contain_text("8,000 success, 2,000 fail")
    expect(rows(place).first).to_be_visible()
    book.picture(f"explorer-{app}-light", place)

    # Sorted by a click on the title: there are 25 rows in the page, not 10,000
    timed(book, "sort", "input.qty")
    assert first_cells(place, "input.qty")[:3] == ["1", "2", "3"]
    timed(book, "sort", "input.qty")
    assert first_cells(place, "input.qty")[:2] == ["10000", "9999"]
    assert rows(place).count() < 50
    expect(place.get_by_role("columnheader", name="input.qty")).to_have_attribute("aria-sort", "descending")
    timed(book, "scroll", 26 * 5000)
    assert "5000" in first_cells(place, "input.qty")
    timed(book, "scroll", 0)

    # Filtered in each column's own way
    timed(book, "filter", ["input.qty", "10..19"])
    expect(place.get_by_role("status")).to_have_text("10 of 10,000 runs, 0 selected")
    assert first_cells(place, "input.qty") == [str(qty) for qty in range(19, 9, -1)]
    until(lambda: book.value("len(explorer.visible), explorer.filters") == "(10, {'input.qty': '10..19'})")
    timed(book, "filter", ["input.qty", ">9000"])
    timed(book, "filter", ["status", "=fail"])
    place.get_by_label("filter input.sku").fill("扳")
    until(lambda: int(book.value("len(explorer.visible)")) < 300)
    want = "sorted(r.run_id for r in runs if r.input['qty'] > 9000 and r.status == 'fail' and r.input['sku'] == '扳手')"
    until(lambda: book.value(f"sorted(r.run_id for r in explorer.visible) == {want}") == "True")
    assert "✗ fail" in first_cells(place, "status")[0]

    # Chosen by mouse and keyboard, compared below
    rows(place).nth(0).click()
    expect(place).to_contain_text("OutOfStock")
    rows(place).nth(2).click(modifiers=["Control"])
    expect(place).to_contain_text("2 runs of order-triage")
    until(lambda: book.value("len(explorer.selected)") == "2")
    book.picture(f"explorer-{app}-compared", place)
    place.get_by_role("grid").focus()
    for key in ("Escape", "Home", "ArrowDown", "Space", "Shift+ArrowDown", "Shift+ArrowDown"):
        book.page.keyboard.press(key)
    expect(place.get_by_role("status")).to_contain_text(", 3 selected")
    until(lambda: book.value("len(explorer.selected)") == "3")
    book.page.keyboard.press("Control+a")
    until(lambda: book.value("explorer.selected == explorer.visible") == "True")
    place.get_by_role("button", name="Clear filters").click()
    expect(place.get_by_role("status")).to_contain_text("10,000 runs, ")
    place.get_by_role("button", name="Clear selection").click()
    until(lambda: book.value("len(explorer.selected), len(explorer.visible)") == "(0, 10000)")

    # Where they fail, on the workflow's graph, and plots
    place.get_by_role("tab", name="Node errors").click()
    expect(place).to_contain_text("2,000 of 10,000 runs did not succeed")
    expect(place.locator("img[src^='data:image/svg+xml']")).to_be_visible()
    book.picture(f"explorer-{app}-errors", place)
    place.get_by_role("tab", name="Plots").click()
    plot = place.locator("img[src^='data:image/png']")
    expect(plot).to_be_visible(timeout=15_000)
    assert "10,000 runs" in plot.get_attribute("alt")
    timed(book, "filter", ["status", "fail"])
    expect(place).to_contain_text("None of these runs has output.total", timeout=15_000)
    place.get_by_label("plot").select_option("Parallel coordinates")
    alt = "Parallel coordinates (colour status) of 2,000 runs: 2,000 fail"
    expect(plot).to_have_attribute("alt", alt, timeout=15_000)
    place.get_by_role("button", name="Clear filters").click()
    alt = "Parallel coordinates (colour status) of 10,000 runs: 8,000 success, 2,000 fail"
    expect(plot).to_have_attribute("alt", alt, timeout=15_000)
    book.picture(f"explorer-{app}-plot", place)
    book.theme("dark")
    book.picture(f"explorer-{app}-dark", place)
    book.theme("light")
    assert "canary-of-the-page" not in place.inner_html()
    assert place.locator("b", has_text="x").count() == 0


def test_columns_are_chosen_and_come_when_they_are_wanted(notebook):
    book = notebook("lab", [MANY, "explorer = runs[:200].explore()\nexplorer"])
    book.run_all()
    place = book.output(1)
    place.get_by_text("Columns", exact=True).click()
    place.get_by_label("run_id", exact=True).check()
    until(lambda: "run_id" in book.value("explorer.columns"))
    until(lambda: first_cells(place, "run_id")[0] == "run-00000")
    book.picture("explorer-columns", place)
    place.get_by_label("error_message", exact=True).uncheck()
    until(lambda: "error_message" not in book.value("explorer.columns"))
    book.page.keyboard.press("Escape")
    expect(place.get_by_label("run_id", exact=True)).not_to_be_visible()
    # From code, too; what is wrong in a filter is marked
    assert book.value("setattr(explorer, 'filters', {'input.qty': '>a lot', 'run_id': '0001'})") == "None"
    expect(place.get_by_label("filter input.qty")).to_have_attribute("aria-invalid", "true")
    expect(place.get_by_role("status")).to_have_text("11 of 200 runs, 0 selected")
    book.width(640)
    book.page.wait_for_timeout(300)
    book.picture("explorer-narrow", place)


LIVE = """
import fgnb, time
session = fgnb.connect("local", history="off")

@fgnb.function(name="slow-total")
def slow_total(event, context):
    time.sleep(0.08)
    if event["qty"] % 10 == 9:
        raise ValueError(f"{event['qty']} <i>is</i> not in stock")
    return {"total": event["qty"] * 2}

call = {"function_ref": {"ref_name": "total", "arguments": {"qty": "$.qty"}}}
done = session.deploy({
    "name": "slow", "mode": "EXPRESS", "start": "total", "constants": {}, "retries": [],
    "functions": [{"name": "total", "operation": "urn:fss:local:p:function:default:slow-total:latest"}],
    "states": [{"id": "total", "name": "total", "type": "Operation", "end": True, "transition": "", "actions": [call]}],
})
job = session.sweep("slow", {"qty": range(200)}, concurrency=3, background=True, progress=False)
"""


@pytest.mark.parametrize("app", APPS)
def test_runs_of_a_sweep_come_in_while_the_page_is_used(notebook, app):
    book = notebook(app, [LIVE, "explorer = job.explore()\nexplorer", "time.sleep(2.5)"])
    book.run_all()  # the last cell keeps the kernel busy while the sweep goes on
    place = book.output(1)
    expect(place).to_contain_text("live")
    rows(place).nth(1).click()
    expect(place).to_contain_text("about this run")
    book.picture(f"explorer-{app}-live", place)
    expect(place.get_by_role("status")).to_have_text("200 runs, 1 selected", timeout=20_000)
    until(lambda: book.value("len(explorer.wait(10))") == "200")
    expect(place).to_contain_text("180 success, 20 fail")
    assert "live" not in place.inner_text()
    assert book.value("len(explorer.selected)") == "1"
    timed(book, "filter", ["status", "fail"])
    expect(place.get_by_role("status")).to_have_text("20 of 200 runs, 1 selected")
    # The notebook says in the end what came of it, not what there was when the cell ran
    saved = book.save()
    (output,) = saved.cells[1].outputs
    assert output["data"]["text/plain"].startswith("200 runs of slow: 180 success, 20 fail")


@pytest.mark.parametrize("app", APPS)
def test_a_saved_notebook_shows_a_table_to_whoever_opens_it(notebook, app):
    book = notebook(app, [MANY, "explorer = runs.explore()\nexplorer"])
    book.run_all()
    expect(rows(book.output(1)).first).to_be_visible()
    assert book.path.stat().st_size < 20_000 or len(str(book.save())) < 200_000  # the runs are not in it
    book.reopen()
    place = book.output(1)
    expect(place).to_contain_text("10,000 runs of order-triage: 8,000 success, 2,000 fail")
    expect(place).to_contain_text("9,950 more")
    assert place.locator(".fgnb-runs").count() == 0
    book.picture(f"explorer-{app}-reopened", place)


def test_a_run_is_chosen_while_a_cell_keeps_the_kernel_busy(notebook):
    pytest.importorskip("ipykernel", minversion="7.4")  # before, or without subshells, the card waits for the cell
    book = notebook("lab", [MANY, "explorer = runs[:100].explore()\nexplorer", "import time; time.sleep(8); 'slept'"])
    book.run(0)
    book.run(1)
    place = book.output(1)
    expect(rows(place).first).to_be_visible()
    book.start(2)
    rows(place).nth(3).click()
    expect(place).to_contain_text("about this run")
    assert book.outputs(2) == []  # it still sleeps
    book.wait()
