"""Error messages for a reader: without what the runtime says of every failure, secrets masked, on one line."""

from __future__ import annotations

from fgnb.render.text import cut, one_line
from fgnb.runs.redact import masked_text

CLICHE = "function invocation exception, error: "  # which would fill most of a cell or a box


def telling(message: str) -> str:
    """Return what tells one message from others.

    >>> telling("function invocation exception, error: unknown sku")
    'unknown sku'
    """
    return message.removeprefix(CLICHE) or message


def message_line(message: str, width: int | None = None) -> str:
    """Return a message for a reader, cut to `width` cells if there is one."""
    line = one_line(masked_text(telling(message)))
    return line if width is None else cut(line, width)
