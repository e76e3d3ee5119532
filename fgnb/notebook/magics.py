"""``%%fgworkflow`` and ``%fgworkflow``: a cell is the input of a workflow, its value the run.

Loading the extension imports this module only; what a run needs is imported by the first run.
"""

from __future__ import annotations

import sys
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from fgnb.errors import InputError, OptionError, RunInterrupted, SyntaxProblem, did_you_mean
from fgnb.notebook import options
from fgnb.paths import assign, parse_path


@magics_class
class FgMagics(Magics):
    """The magics of fgnb; their options are in `fgnb.notebook.options`."""

    @property
    def _shell(self) -> InteractiveShell:
        assert self.shell is not None  # noqa: S101  # IPython types it as optional
        return self.shell

    @no_var_expand  # the line and the body are the user's: nothing in them is touched
    @line_cell_magic
    def fgworkflow(self, line: str, cell: str | None = None) -> Any:
        """Run a workflow; -h shows the options."""
        from fgnb import shortcuts

        given = options.parse(line)
        if given.help:
            sys.stdout.write(options.help_text() + "\n")
            return None
        assert given.workflow is not None  # noqa: S101  # parse() sees to it
        value = self._input(given, cell)
        try:
            run = shortcuts.current().run(given.workflow, value, timeout=given.timeout, check=False)
        except RunInterrupted as interrupted:
            self._keep(given, interrupted.run)
            raise
        self._keep(given, run)
        if given.check and not run.ok:
            if not given.quiet:
                display(run)  # type: ignore[no-untyped-call]  # IPython's is untyped
            run.raise_for_status()
        return None if given.quiet else run

    def _input(self, given: options.Given, cell: str | None) -> Any:
        """Put the input together: -p over the body over --input."""
        from fgnb.notebook import body
        from fgnb.values import to_json

        namespace = self._shell.user_ns
        value: Any = {}
        if given.input is not None:
            if given.input not in namespace:
                names = [name for name in namespace if not name.startswith("_")]
                hint = did_you_mean(given.input, names)
                raise OptionError(f"-i: name '{given.input}' is not defined{hint}")
            value = to_json(namespace[given.input], root=given.input)
        if cell is not None and cell.strip():
            over = body.read(cell, namespace)
            if given.input is None:
                value = over
            elif isinstance(value, dict) and isinstance(over, dict):
                value = value | over
            else:
                raise InputError("-i and a body go together only where both are objects")
        for key, text in given.params:
            if not isinstance(value, dict):
                raise InputError("-p sets a key, but the input is not an object")
            try:
                member = body.read_value(text, namespace)
            except SyntaxProblem:
                raise
            except InputError as error:
                raise InputError(f"-p {key}: {error.message}") from None
            value = assign(value, parse_path(key), member)
        return value

    def _keep(self, given: options.Given, run: Any) -> None:
        if given.out is not None:
            self._shell.user_ns[given.out] = run


def load(shell: InteractiveShell) -> None:
    """Register the magics; prints nothing."""
    shell.register_magics(FgMagics)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away again."""
    manager = shell.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop("fgworkflow", None)
    manager.registry.pop(FgMagics.__name__, None)
