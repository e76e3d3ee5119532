"""``fgnb demo``: the main job in a terminal, cell by cell, as it would run in a notebook."""

from __future__ import annotations

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

CELLS = (
    "%load_ext fgnb\nimport fgnb\nfgnb.connect('local')  # the embedded service: no account, no port",
    "%%fgworkflow order-triage -o run\nsku: A-100\nqty: 3\ncustomer: {id: 7, new: true}",
    "run.frame.T",
    "%%fgworkflow order-triage -o failed\nsku: A-100\nqty: {{ 40 * run.input['qty'] + 1 }}",
    "failed.errors.T",
    "fgnb.compare(run, failed)",
)


FAILS = 4  # the cell that is meant to fail


def play() -> bool:
    """Run the cells in an IPython shell, print each with what it gives; return whether all went as meant."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "NoColor"
    shell = InteractiveShell.instance(config=config)
    as_meant = True
    for number, cell in enumerate(CELLS, start=1):
        prompt = f"In [{number}]: "
        print("\n" + prompt + cell.replace("\n", "\n" + " " * (len(prompt) - 5) + "...: "))
        result = shell.run_cell(cell, store_history=True)  # type: ignore[no-untyped-call]  # IPython's is untyped
        as_meant = as_meant and result.success == (number != FAILS)
    return as_meant
