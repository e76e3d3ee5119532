"""What is left in a saved notebook: small, the same wherever it is opened, and nothing of it runs or loads anything."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from traitlets.config import Config

START = "%load_ext fgnb\nimport fgnb\nsession = fgnb.connect('local')"
SLOW = """
nap = {"name": "nap", "mode": "EXPRESS", "start": "w", "functions": [], "constants": {}, "retries": []}
nap["states"] = [{"id": "w", "name": "w", "type": "Sleep", "duration": 1, "end": True, "transition": "", "actions": []}]
done = fgnb.deploy(nap)
"""


def notebook_of(*cells: str) -> Any:
    """Return a notebook with these code cells."""
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


def executed(*cells: str, errors: bool = False) -> Any:
    """Run cells as nbclient, and with it `jupyter execute`, does; return the notebook."""
    notebook = notebook_of(*cells)
    NotebookClient(notebook, timeout=120, allow_errors=errors).execute()
    return notebook


def exported(notebook: Any) -> str:
    """Return a notebook as HTML, without what nbconvert's own page loads from elsewhere."""
    ours = Config()
    for name in ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url", "jupyter_widgets_base_url"):
        setattr(ours.HTMLExporter, name, "")
    text, _ = HTMLExporter(config=ours).from_notebook_node(notebook)
    return str(text)


@pytest.fixture(scope="module")
def big() -> Any:
    """A notebook with a sweep of 5,000 runs, a tenth of which fail, and all that is shown of them."""
    return executed(
        START,
        "grid = {'sku': ['A-100', 'B-7', 'C-3', 'D-9', 'Z-1'], 'qty': range(1, 1001)}",
        "%fgworkflow order-triage --sweep grid -o runs",
        "runs",
        "runs.frame",
        "runs.errors",
        "runs.compare()",
        "fgnb.compare(runs[:2500], runs[:2500])",
        "runs.graph()",
        "big = {'rows': [{'n': n, 'text': 'x' * 300, 'deep': {'a': {'b': [n] * 50}}} for n in range(5000)]}",
        "%fgworkflow order-triage -i big --no-check",
    )


def test_a_notebook_with_a_sweep_of_5000_runs_stays_small(big: Any) -> None:
    size = len(json.dumps(big))
    assert size < 300_000
    (progress,) = [output for output in big.cells[2].outputs if output["output_type"] == "display_data"]
    assert "5,000 runs in" in progress["data"]["text/plain"]
    (shown,) = [output for output in big.cells[2].outputs if output["output_type"] == "execute_result"]
    assert shown["data"]["text/plain"].startswith("5,000 runs of order-triage: ")


def test_exported_it_shows_the_same_and_loads_nothing(big: Any) -> None:
    page = exported(big)
    assert "5,000 runs of order-triage" in page
    ours = [
        text
        for cell in big.cells
        for output in cell.outputs
        for kind, text in output.get("data", {}).items()
        if kind == "text/html"
    ]
    assert len(ours) >= 7
    for text in ours:
        assert not re.search(r"<script|<link|<iframe|<object|\bon\w+=|@import|url\(", text)
        assert not re.search(r"(?:src|href)=[\"'](?!data:)", text)
    assert not re.search(r"(?:src|href)=[\"']https?:", page)
    assert not re.search(r"https?://(?!www\.w3\.org)", "".join(ours))


def test_places_of_slow_runs_are_their_cards(tmp_path: Path) -> None:
    notebook = executed(
        START + SLOW,
        "%fgworkflow nap -o run",
        "%fgworkflow nap --background -o later",
        "import time; time.sleep(1.6); later.wait().status",  # it has been shown by then, which nbclient drops
    )
    (place,) = notebook.cells[1].outputs
    assert place["data"]["text/plain"].startswith("✓ success  nap")
    (handle,) = notebook.cells[2].outputs
    assert handle["data"]["text/plain"].startswith("✓ success  nap")


FAILING = "%%fgworkflow order-triage -o bad\nsku: A-100\nqty: 1000"


def test_run_all_stops_at_a_failing_run(tmp_path: Path) -> None:
    notebook = notebook_of(START, FAILING, "after = 1")
    with pytest.raises(CellExecutionError, match="WorkflowFailed"):
        NotebookClient(notebook, timeout=60).execute()
    card, error = notebook.cells[1].outputs
    assert card["data"]["text/plain"].startswith("✗ fail")
    assert error["output_type"] == "error"
    assert 3 <= len(error["traceback"]) <= 15
    for part in ("stock", "request ", ".run.errors"):  # the node, the request id, the next step
        assert part in "\n".join(error["traceback"])
    assert notebook.cells[2].execution_count is None


def test_papermill_stops_and_no_check_goes_on(tmp_path: Path) -> None:
    source = tmp_path / "in.ipynb"
    nbformat.write(notebook_of(START, FAILING, "after = 1"), source)
    with pytest.raises(papermill.PapermillExecutionError, match="WorkflowFailed"):
        papermill.execute_notebook(source, tmp_path / "out.ipynb", progress_bar=False)
    nbformat.write(notebook_of(START, FAILING.replace("-o bad", "-o bad --no-check"), "bad.status"), source)
    papermill.execute_notebook(source, tmp_path / "out.ipynb", progress_bar=False)
    last = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[-1]
    assert last.outputs[0]["data"]["text/plain"] == "'fail'"


def test_no_secret_of_an_input_is_saved(tmp_path: Path) -> None:
    line = "%%fgworkflow order-triage -o run -H 'authorization={{ token }}'"
    cell = f"{line}\nsku: A-1\npassword: {{{{ token }}}}\nnote: Bearer {{{{ token }}}}"
    notebook = executed(
        START,
        "token = 'canary' + '-of-the-saved-notebook'",
        cell,
        cell.replace("-o run", "--dry-run"),
        cell.replace("sku: A-1", "sku: A-1\nqty: 999").replace("-o run", "--no-check -o bad"),
        "fgnb.compare(run, bad)",
        "fgnb.RunSet([run, bad])",
    )
    assert "canary-of-the-saved-notebook" not in json.dumps(notebook)
    assert "***" in json.dumps(notebook)
