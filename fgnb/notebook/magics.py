"""``%%fgworkflow`` and ``%fgworkflow``: a cell is the input of a workflow, its value the run.

Loading the extension imports this module only; what a run needs is imported by the first run.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from traitlets import Bool, Enum, Float, Int, Unicode

from fgnb.errors import OptionError, did_you_mean
from fgnb.notebook import arguments, completion, options
from fgnb.notebook.arguments import Given

if TYPE_CHECKING:
    from fgnb.session import Session


@magics_class
class FgMagics(Magics):
    """The magics of fgnb; their options are in `fgnb.notebook.options`.

    The traits are what is meant where a cell says nothing: ``%config FgMagics.show = 'output'``.
    """

    show = Enum(
        options.SHOWN, "card", help="what a cell that waits gives: its run, or the run's frame, output or errors"
    ).tag(config=True)
    timeout = Float(None, allow_none=True, help="seconds to wait for an answer; None: the session's").tag(config=True)
    concurrency = Int(None, allow_none=True, help="runs of a sweep at once; None: 32").tag(config=True)
    profile = Unicode(None, allow_none=True, help="a profile of fgnb.toml; None: the session connected last").tag(
        config=True
    )
    check = Bool(True, help="whether a run that fails fails its cell").tag(config=True)

    @no_var_expand  # the line and the body are the user's: nothing in them is touched
    @needs_local_scope  # a line may stand in a function
    @line_cell_magic
    def fgworkflow(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Run a workflow; -h shows the options."""
        given = arguments.parse(line)
        if given.help:
            sys.stdout.write(options.help_text() + "\n")
            return None
        from fgnb.notebook import cell as cells

        shell = self.shell
        assert shell is not None  # noqa: S101  # IPython types it as optional
        self._defaults(given)
        if given.list:
            return self._session(given).workflows()
        namespace = {**shell.user_ns, **(local_ns or {})}
        for flag, name in (("-i", given.input), ("--sweep", given.sweep), ("--compare", given.compare)):
            if name is not None and name not in namespace:
                known = [each for each in namespace if not each.startswith("_")]
                raise OptionError(f"{flag}: name '{name}' is not defined{did_you_mean(name, known)}")
        return cells.run(given, cell or "", shell, namespace, lambda: self._session(given))

    def _defaults(self, given: Given) -> None:
        """Fill in what the line does not say."""
        given.timeout = self.timeout if given.timeout is None else given.timeout
        given.concurrency = self.concurrency if given.concurrency is None else given.concurrency
        given.profile = self.profile if given.profile is None else given.profile
        given.show = given.show or self.show
        given.no_check = given.no_check or not self.check

    @staticmethod
    def _session(given: Given) -> Session:
        from fgnb import shortcuts

        return shortcuts.current() if given.profile is None else shortcuts.session_of(given.profile)


def load(shell: InteractiveShell) -> None:
    """Register the magics; prints nothing."""
    shell.register_magics(FgMagics)
    completion.load(shell)


def unload(shell: InteractiveShell) -> None:
    """Take the magics away again."""
    completion.unload(shell)
    manager = shell.magics_manager
    for kind in ("line", "cell"):
        manager.magics[kind].pop("fgworkflow", None)
    shell.configurables.remove(manager.registry.pop(FgMagics.__name__))  # what %config lists
