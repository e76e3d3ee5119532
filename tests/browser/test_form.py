"""The form in a real page: filled by keyboard, checked, run, cancelled, swept, and read again when it is reopened."""

import ast
import time

import pytest

from tests.browser.book import expect, until
from tests.flows import end, flow, sleep

CONNECT = "import fgnb\nsession = fgnb.connect('local')"
SLOW = f"""
session.deploy({flow(sleep("s", 30, transition="e"), end("e"), name="slow")!r})
form = fgnb.form("slow")
form
"""
SCHEMA = {
    "type": "object",
    "required": ["客户"],
    "properties": {
        "客户": {"type": "string", "title": "客户名称", "description": "下单客户的全名", "minLength": 2},
        "数量": {"type": "integer", "title": "数量", "minimum": 1, "maximum": 50, "default": 5},
        "等级": {"enum": ["gold", "silver"]},
        "note": {"type": ["string", "null"]},
        "address": {"type": "object", "properties": {"city": {"type": "string"}, "zip": {"type": "string"}}},
        "lines": {
            "type": "array",
            "items": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}},
        },
        "pay": {
            "oneOf": [
                {"title": "Card", "required": ["no"], "properties": {"no": {"type": "string", "pattern": "^[0-9]+$"}}},
                {"title": "Bank", "required": ["iban"], "properties": {"iban": {"type": "string"}}},
            ]
        },
    },
}  # fmt: skip
WITH_SCHEMA = f"form = fgnb.form('order-triage', schema={SCHEMA!r})\nform"


def becomes(book, expected):
    """Wait until the form's value is what is expected."""
    end = time.monotonic() + 15
    while (found := ast.literal_eval(book.value("form.value"))) != expected and time.monotonic() < end:
        time.sleep(0.1)
    assert found == expected


def opened(notebook, *cells, app="lab"):
    book = notebook(app, [CONNECT, *cells])
    book.run_all()
    return book, book.output(1)


def test_a_nested_form_is_filled_by_keyboard_and_run(notebook):
    book, form = opened(notebook, WITH_SCHEMA)
    keys = book.page.keyboard
    form.get_by_label("客户名称", exact=True).focus()
    keys.type("苏州工厂")
    keys.press("Tab")  # to the switch of the next field
    keys.press("Tab")
    expect(form.get_by_label("数量", exact=True)).to_be_focused()
    keys.press("Control+a")
    keys.type("7")
    for _ in range(2):
        keys.press("Tab")
    keys.type("s")  # chooses silver
    for _ in range(4):  # past note's switch, text and null, to the address's switch
        keys.press("Tab")
    expect(form.get_by_role("checkbox", name="send address")).to_be_focused()
    keys.press("Space")
    expect(form.get_by_label("city", exact=True)).to_be_visible()
    for _ in range(2):
        keys.press("Tab")
    keys.type("Suzhou")
    form.get_by_title("add an item to lines").focus()
    keys.press("Enter")
    form.get_by_label("sku", exact=True).focus()
    keys.type("A-100")
    keys.press("Tab")
    becomes(
        book,
        {"数量": 7, "客户": "苏州工厂", "等级": "silver", "address": {"city": "Suzhou"}, "lines": [{"sku": "A-100"}]},
    )
    form.get_by_role("button", name="Run", exact=True).focus()
    book.picture("form-filled-light", book.cell(1))
    keys.press("Enter")
    expect(form).to_contain_text("run 1:")
    expect(form).to_contain_text("node errors")
    assert book.value("len(form.runs)") == "1"


def test_problems_stand_beside_their_fields_and_are_counted(notebook):
    book, form = opened(notebook, WITH_SCHEMA)
    run = form.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_disabled()
    expect(form).to_contain_text("1 problem: 客户")
    form.get_by_label("客户名称", exact=True).fill("x")
    form.get_by_label("数量", exact=True).fill("70")
    form.get_by_label("pay", exact=True).select_option("Card")
    expect(form.get_by_label("no", exact=True)).to_be_visible()
    form.get_by_label("no", exact=True).fill("x")
    form.get_by_label("no", exact=True).press("Tab")
    expect(form).to_contain_text("3 problems: 客户, 数量, pay.no")
    for said in ("shorter than 2 characters", "greater than the maximum of 50", "not of the form ^[0-9]+$"):
        expect(form.get_by_role("alert").filter(has_text=said)).to_have_count(1)
    book.picture("form-problems-light", book.cell(1))
    book.theme("dark")
    book.picture("form-problems-dark", book.cell(1))
    book.theme("light")
    book.width(700)  # of which the notebook has some 400
    book.picture("form-problems-narrow", book.cell(1))
    box, page = form.get_by_label("客户名称", exact=True).bounding_box(), form.bounding_box()
    assert box["x"] >= page["x"]
    assert box["x"] + box["width"] <= page["x"] + page["width"] + 1
    book.width(1400)
    form.get_by_label("no", exact=True).fill("1")
    form.get_by_label("数量", exact=True).fill("7")
    form.get_by_label("客户名称", exact=True).fill("Ada")
    form.get_by_label("客户名称", exact=True).press("Tab")
    expect(run).to_be_enabled()


@pytest.mark.parametrize("app", ["lab", "notebook7"])
def test_fields_and_raw_json_agree_in_both_directions(notebook, app):
    book, form = opened(notebook, "form = fgnb.form('order-triage')\nform", app=app)
    form.get_by_label("sku", exact=True).fill("00123")
    form.get_by_label("qty", exact=True).fill("123456789012345678901234567890")
    form.get_by_label("qty", exact=True).press("Tab")
    form.get_by_role("tab", name="Raw JSON").click()
    text = form.locator("textarea[title='the input as JSON']")
    until(lambda: text.input_value() == '{\n  "sku": "00123",\n  "qty": 123456789012345678901234567890\n}')
    text.fill('{"sku": "007", "customer": {"id": 9007199254740993}}')
    text.press("Tab")
    becomes(book, {"sku": "007", "customer": {"id": 9007199254740993}})
    book.picture("form-raw-light", book.cell(1))
    form.get_by_role("tab", name="Fields").click()
    assert form.get_by_label("sku", exact=True).input_value() == "007"
    assert form.get_by_label("qty", exact=True).input_value() == ""
    form.get_by_role("tab", name="Raw JSON").click()
    text.fill('{"sku": ')
    text.press("Tab")
    expect(form).to_contain_text("the JSON needs mending")
    form.get_by_role("button", name="Back to the last valid input").click()
    until(lambda: '"007"' in text.input_value())
    form.get_by_role("tab", name="As code").click()
    expect(form).to_contain_text("%%fgworkflow order-triage")
    book.picture("form-code-light", book.cell(1))


def test_a_failing_run_shows_its_node_and_the_file_keeps_it(notebook):
    book, form = opened(notebook, "form = fgnb.form('order-triage', example={'sku': 'A-100', 'qty': 1000})\nform")
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form).to_contain_text("Reserve-stock")
    expect(form).to_contain_text("OutOfStock")
    form.get_by_label("qty", exact=True).fill("3")
    form.get_by_label("qty", exact=True).press("Tab")
    becomes(book, {"sku": "A-100", "qty": 3})
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form).to_contain_text("149.7")
    form.get_by_title("compare run 2 with the one before").click()
    expect(form).to_contain_text("input.qty")
    book.picture("form-compared-light", book.cell(1))
    time.sleep(0.6)  # what comes sooner, of the same input, is a double click
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form).to_contain_text("run 3: success")
    book.reopen()
    expect(book.output(1)).to_contain_text("149.7")
    expect(book.output(1)).to_contain_text("order-triage")
    book.picture("form-reopened-light", book.cell(1))


def test_cancel_ends_a_slow_run(notebook):
    book, form = opened(notebook, SLOW)
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form).to_contain_text("running … 0.")
    until(lambda: "running … 1." in form.inner_text())
    book.picture("form-running-light", book.cell(1))
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_contain_text("run 1: unknown")  # the run takes 30 s
    expect(form.get_by_role("button", name="Run", exact=True)).to_be_enabled()


SWEEP = """
nap = fgnb.workflow("slow").definition | {"name": "nap"}
nap["states"] = [nap["states"][0] | {"duration": 1}, *nap["states"][1:]]
done = fgnb.deploy(nap)
runs = fgnb.sweep("nap", [{"n": n} for n in range(6)], concurrency=1)
"""


@pytest.mark.parametrize("busy", ["import time\ntime.sleep(6)", SWEEP], ids=["a cell", "a blocking sweep"])
def test_cancel_works_while_the_kernel_is_busy(notebook, busy):
    # As JupyterLab 4.4 and later ask ipykernel 7 to handle a form's messages beside the cell; elsewhere Cancel waits.
    book, form = opened(notebook, SLOW, busy)
    form.get_by_role("button", name="Run", exact=True).click()
    expect(form).to_contain_text("running …")
    book.start(2)
    time.sleep(0.5)
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_contain_text("run 1: unknown", timeout=3000)
    book.wait()


def test_a_double_click_starts_one_run(notebook):
    book, form = opened(notebook, "form = fgnb.form('order-triage', example={'sku': 'A-100'})\nform")
    form.get_by_role("button", name="Run", exact=True).dblclick()
    expect(form).to_contain_text("success after")
    time.sleep(1)
    assert book.value("len(form.runs)") == "1"


def test_a_double_click_on_a_slow_run_starts_one(notebook):
    book, form = opened(notebook, SLOW)
    form.get_by_role("button", name="Run", exact=True).dblclick()
    expect(form).to_contain_text("running … 1.")
    form.get_by_role("button", name="Cancel").click()
    expect(form).to_contain_text("run 1: unknown")
    assert book.value("len(form.runs)") == "1"
    book.picture("form-cancelled-light", book.cell(1))


def test_a_sweep_asks_before_many_runs_and_shows_them(notebook):
    book, form = opened(notebook, "form = fgnb.form('order-triage', example={'sku': 'A-100'})\nform")
    form.get_by_text("Sweep: many runs at once").click()
    form.get_by_role("button", name="+ Vary a field").click()
    form.get_by_label("vary", exact=True).select_option("qty")
    form.get_by_label("values", exact=True).fill("1..250")
    form.get_by_label("values", exact=True).press("Tab")
    expect(form).to_contain_text("250 runs")
    go = form.get_by_role("button", name="Run all 250")
    go.dblclick()  # which does not answer the question
    expect(form).to_contain_text("That starts 250 runs")
    time.sleep(0.6)
    assert book.value("len(form.runs)") == "0"
    book.picture("form-sweep-asks-light", book.cell(1))
    go.click()
    expect(form).to_contain_text("120 success", timeout=20_000)
    assert book.value("len(form.runs)") == "250"
    expect(form).to_contain_text("250 runs, 0 selected")  # the explorer
    book.picture("form-sweep-light", book.cell(1))


def test_a_cell_that_runs_again_closes_the_form_it_made_before(notebook):
    count = "len(__import__('ipywidgets').widgets.widget._instances)"
    book, form = opened(notebook, "form = fgnb.form('order-triage')\nform")
    before, value = book.value(count), "form.comm is not None"
    for _ in range(3):
        book.run(1)
    assert book.value(count) == before
    assert book.value(value) == "True"
    form.get_by_label("sku", exact=True).fill("A-100")
    form.get_by_label("sku", exact=True).press("Tab")
    becomes(book, {"sku": "A-100"})


@pytest.mark.parametrize("count", [200])
def test_200_fields_are_there_soon(notebook, count):
    wide = {"type": "object", "properties": {f"field_{at}": {"type": "string"} for at in range(count)}}
    book = notebook(
        "lab",
        [CONNECT + "\nfgnb.form('order-triage').close()", f"form = fgnb.form('order-triage', schema={wide!r})\nform"],
    )
    book.run(0)
    started = time.monotonic()
    book.start(1)
    expect(book.output(1).get_by_label(f"field_{count - 1}", exact=True)).to_be_visible()
    print(f"{count} fields in {time.monotonic() - started:.2f} s")
    assert time.monotonic() - started < 10  # on a busy machine; tests/benchmarks/form.py measures
    book.wait()
