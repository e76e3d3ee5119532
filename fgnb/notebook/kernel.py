"""The kernel that runs this, if one does."""

from __future__ import annotations

import sys
from typing import Any


def kernel_shell() -> Any:
    """Return the shell of the kernel that runs this, or None in a terminal or a script."""
    ipython = sys.modules.get("IPython")  # never imported here: without it there is no cell
    shell = ipython.get_ipython() if ipython is not None else None
    return shell if getattr(shell, "kernel", None) is not None else None
