"""The notebooks run from top to bottom in a real kernel, and give what they say."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def executed(name: str, tmp_path: Path) -> dict[str, list[Any]]:
    """Run a notebook and return each code cell's outputs by the cell's id."""
    notebook = nbformat.read(NOTEBOOKS[0].parent / name, as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    return {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def shown(outputs: list[Any]) -> str:
    """Return the plain text of a cell's only output."""
    (output,) = outputs
    text: str = output["data"]["text/plain"]
    return text


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of quickstart.ipynb."""
    return executed("quickstart.ipynb", tmp_path_factory.mktemp("notebook"))


def test_quickstart_prints_nothing_on_its_own(quickstart: dict[str, list[Any]]) -> None:
    streams = [output for outputs in quickstart.values() for output in outputs if output["output_type"] == "stream"]
    assert streams == []
    assert quickstart["variables"] == []


def test_quickstart_lists_and_shows_workflows(quickstart: dict[str, list[Any]]) -> None:
    assert "order-triage" in shown(quickstart["workflows"])
    assert "Reserve-stock" in shown(quickstart["workflow"])


def test_quickstart_runs_a_cell_and_reads_its_frame(quickstart: dict[str, list[Any]]) -> None:
    card = quickstart["run"][0]["data"]
    assert card["text/plain"].startswith("✓ success  order-triage")
    assert "149.7" in card["text/html"]
    assert "149.7" in quickstart["frame"][0]["data"]["text/html"]
    dtypes = shown(quickstart["columns"])
    assert "Int64" in dtypes
    assert "string" in dtypes


def test_quickstart_fails_a_cell_and_reads_the_errors_frame(quickstart: dict[str, list[Any]]) -> None:
    card, error = quickstart["fail"]
    assert card["output_type"] == "display_data"
    assert card["data"]["text/plain"].startswith("✗ fail")
    assert (error["output_type"], error["ename"]) == ("error", "WorkflowFailed")
    assert "stock" in error["evalue"]
    assert len(error["traceback"]) <= 15
    assert "OutOfStock" in quickstart["errors"][0]["data"]["text/html"]


def test_quickstart_compares(quickstart: dict[str, list[Any]]) -> None:
    assert "output.decision" in shown(quickstart["compare"])
    frame = shown(quickstart["compare-frame"])
    assert "ship" in frame
    assert "review" in frame
    assert "fail" in quickstart["many"][0]["data"]["text/html"]


def test_quickstart_deploys_a_workflow_of_its_own(quickstart: dict[str, list[Any]]) -> None:
    assert "Hello, Ada!" in shown(quickstart["own"])


def test_quickstart_shows_the_form(quickstart: dict[str, list[Any]]) -> None:
    data = quickstart["form"][0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert "sku" in data["text/plain"]


def test_quickstart_emits_no_script_and_no_external_address(quickstart: dict[str, list[Any]]) -> None:
    for outputs in quickstart.values():
        for output in outputs:
            html = output.get("data", {}).get("text/html", "")
            assert "<script" not in html
            assert "http://" not in html.replace("http://127.0.0.1", "")
            assert "https://" not in html


@pytest.fixture(scope="module")
def regression(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of regression.ipynb."""
    return executed("regression.ipynb", tmp_path_factory.mktemp("notebook"))


def last(outputs: list[Any]) -> str:
    """Return the plain text of the value of a cell that shows progress first."""
    assert [output["output_type"] for output in outputs] == ["display_data", "execute_result"]
    text: str = outputs[1]["data"]["text/plain"]
    return text


def test_the_regression_notebook_sweeps_2000_inputs_over_both_versions(regression: dict[str, list[Any]]) -> None:
    assert last(regression["before"]).startswith("2,000 runs of order-triage: 1,384 success, 616 fail")
    assert "2,000 runs in" in regression["before"][0]["data"]["text/plain"]
    assert last(regression["after"]).startswith("2,000 runs of order-triage-v2: 1,360 success, 640 fail")


def test_the_regression_notebook_finds_what_changed_and_for_which_inputs(regression: dict[str, list[Any]]) -> None:
    text = shown(regression["compare"])
    assert text.startswith("2,000 pairs of runs of order-triage and order-triage-v2: 1,280 equal, 720 changed, 24 regr")
    assert "where it changed: input.sku" in text
    by_sku = shown(regression["by-sku"]).splitlines()
    assert by_sku[-1].split()[:5] == ["D-9", "400", "400", "24", "0"]
    assert "KeyError" in shown(regression["regressions"])
    assert "output.total" in shown(regression["changes"])
    assert "2,000 equal, 0 changed" in last(regression["mend"])


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of forms.ipynb."""
    return executed("forms.ipynb", tmp_path_factory.mktemp("notebook"))


def test_the_forms_notebook_prints_nothing_on_its_own(forms: dict[str, list[Any]]) -> None:
    assert [one for outputs in forms.values() for one in outputs if one["output_type"] in ("stream", "error")] == []


def test_the_forms_notebook_shows_forms_and_what_came_of_their_last_run(forms: dict[str, list[Any]]) -> None:
    for cell, word in (("form", "customer.city"), ("again", "such as"), ("schema", "配件")):
        fields, outcome = forms[cell]
        assert "application/vnd.jupyter.widget-view+json" in fields["data"]
        assert word in fields["data"]["text/html"]
        assert "<script" not in fields["data"]["text/html"] + outcome["data"]["text/html"]
    assert "KeyError" in forms["form"][1]["data"]["text/html"]  # of the run in a later cell
    assert "9 runs of repair-quote" in forms["schema"][1]["data"]["text/plain"]


def test_the_forms_notebook_runs_from_code_as_from_the_button(forms: dict[str, list[Any]]) -> None:
    assert "success" in shown(forms["run"])
    assert "'total': 905.5" in shown(forms["value"])
    assert "crane" in shown(forms["fails"])
    assert shown(forms["runs"]).count("success") == 2
    assert shown(forms["end"]) == "(3, 10)"


def test_the_forms_notebook_checks_against_a_schema_or_a_model(forms: dict[str, list[Any]]) -> None:
    problems = shown(forms["problems"])
    for said in ("hours: greater than the maximum of 40", "parts[0].no: not of the form", "customer: required"):
        assert said in problems
    assert shown(forms["mended"]) == "1030.0"
    assert shown(forms["model"]) == "({'hours': 1, 'urgent': False}, ['device: required'])"


def test_the_forms_notebook_sweeps(forms: dict[str, list[Any]]) -> None:
    assert shown(forms["sweep"]) == "9"
    assert shown(forms["table"]).splitlines()[-1].split() == ["pump", "390.0", "710.0", "1030.0"]


@pytest.fixture(scope="module")
def exploring(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of explore.ipynb."""
    return executed("explore.ipynb", tmp_path_factory.mktemp("notebook"))


def test_the_explorer_of_a_notebook_without_a_page_is_a_table(exploring: dict[str, list[Any]]) -> None:
    data = exploring["filter"][0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"].startswith("1,200 runs of order-triage: ")
    assert "1,150 more" in data["text/html"]
    assert "<script" not in data["text/html"]


def test_the_explorer_notebook_chooses_runs_and_compares_them(exploring: dict[str, list[Any]]) -> None:
    assert "1 success, 1 fail" in shown(exploring["select"])
    compared = shown(exploring["compare"])
    assert compared.startswith("2 runs of order-triage differ")
    assert "41" in compared


def test_the_explorer_notebook_tells_where_runs_fail_and_draws_it(exploring: dict[str, list[Any]]) -> None:
    errors = shown(exploring["errors"])
    assert "OutOfStock" in errors
    assert "UnknownSku" in errors
    assert "stock" in shown(exploring["graph"])
    for cell in ("outcomes", "scatter", "parallel"):
        assert any("image/png" in output.get("data", {}) for output in exploring[cell])
