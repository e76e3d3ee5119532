"""The cell in a real page of JupyterLab and of Notebook 7."""

import pytest

from tests.browser.book import expect, until

APPS = ("lab", "notebook7")
CELLS = [
    "%load_ext fgnb\nimport fgnb\nsession = fgnb.connect('local')",
    "%%fgworkflow order-triage -o run\nsku: A-100\nqty: 3\n",
]


@pytest.mark.parametrize("app", APPS)
def test_a_cell_shows_the_card_of_its_run(notebook, app):
    book = notebook(app, CELLS)
    book.run_all()
    card = book.output(1)
    expect(card).to_contain_text("success")
    expect(card).to_contain_text("149.7")
    assert book.value("run.status") == "'success'"
    book.picture(f"cell-{app}-light", card)
    book.theme("dark")
    book.picture(f"cell-{app}-dark", card)
    book.theme("light")


@pytest.mark.parametrize("app", APPS)
def test_a_saved_notebook_shows_the_card_to_whoever_opens_it(notebook, app):
    book = notebook(app, CELLS)
    book.run_all()
    book.reopen()
    expect(book.output(1)).to_contain_text("149.7")


def test_the_guard_sees_what_a_page_asks_of_other_hosts(lab, watch):
    lab.evaluate("() => fetch('https://example.com/').catch(() => null)")
    lab.evaluate("() => fetch('http://192.0.2.1/').catch(() => null)")
    lab.evaluate("() => { setTimeout(() => { throw new Error('met'); }, 0); }")
    until(lambda: lab.evaluate("() => 1") and watch.errors)
    assert watch.taken() == (["https://example.com/", "http://192.0.2.1/"], ["met"])
