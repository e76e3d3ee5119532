"""How messages of widgets reach the kernel's threads."""

from __future__ import annotations

from typing import Any


def keep_order(widget: Any) -> None:
    """Have a widget's messages handled in the subshell that the front end asks for.

    ipykernel 7.4 hands them to the shell that published on the widget last, which differs from one widget
    to the next: while a cell runs, what one of them says would wait for the cell and the next would not.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = None
