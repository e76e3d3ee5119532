"""Every notebook of the documentation, opened in a real JupyterLab and run to its end."""

import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONG = 120  # seconds that one cell may take


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_in_jupyterlab(committed, source):
    book = committed("lab", source)
    for number, cell in enumerate(nbformat.read(source, as_version=4).cells):
        if cell.cell_type != "code":
            continue
        outputs = book.run(number, LONG)
        failed = [output["evalue"] for output in outputs if output["output_type"] == "error"]
        assert bool(failed) == ("raises-exception" in cell.metadata.get("tags", [])), f"{cell.id}: {failed}"
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == [], cell.id
    book.picture(f"book-{source.stem}")  # of its end; one of each cell takes seconds
