"""Every notebook of the documentation, opened in a real JupyterLab and run to its end."""

import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LONG = 120  # seconds that one cell may take
# What the README and the notebooks, which are stored without results, show to who reads them on GitHub: a picture of
# a cell, once this or another one has run. FGNB_PICTURES=folder leaves them there; notebooks/pictures/ has them in 64
# colours.
SHIPPED = {
    ("quickstart", "fail"): ("fail", "cell"),
    ("forms", "run"): ("form", "form"),
    ("regression", "compare"): ("compare", "comparison"),
    ("explore", "wait"): ("sweep", "explorer"),
    ("failing-nodes", "graph"): ("graph", "failures"),
    ("own-workflow", "graph"): ("graph", "way"),
    ("sweeps", "outcomes"): ("outcomes", "outcomes"),
}


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end_in_jupyterlab(committed, source):
    book = committed("lab", source)
    cells = nbformat.read(source, as_version=4).cells
    numbers = {cell.id: number for number, cell in enumerate(cells)}
    for number, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        outputs = book.run(number, LONG)
        failed = [output["evalue"] for output in outputs if output["output_type"] == "error"]
        assert bool(failed) == ("raises-exception" in cell.metadata.get("tags", [])), f"{cell.id}: {failed}"
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == [], cell.id
        if (source.stem, cell.id) in SHIPPED:
            shown, name = SHIPPED[source.stem, cell.id]
            book.picture(f"shipped-{name}", of=book.cell(numbers[shown]))
    book.picture(f"book-{source.stem}")  # of its end; one of each cell takes seconds
