"""Error messages for a reader: without what the runtime says of every failure, secrets masked, on one line."""

from __future__ import annotations

from typing import Any

from fgnb.render.text import cut, one_line
from fgnb.runs.redact import masked_text

CLICHE = "function invocation exception, error: "  # which would fill most of a cell or a box


def telling(message: str) -> str:
    """Return what tells one message from others.

    >>> telling("function invocation exception, error: unknown sku")
    'unknown sku'
    """
    return message.removeprefix(CLICHE) or message


def told_at(path: str, value: Any) -> Any:
    """Return a value at a path of a comparison as it is told: of nodes' errors, what tells them from others."""
    if path != "error" and not path.startswith(("error.", "error[")):
        return value
    if isinstance(value, dict):
        return {node: told_at(path, said) for node, said in value.items()}
    if isinstance(value, list):
        return [told_at(path, said) for said in value]
    return telling(value) if isinstance(value, str) else value


def message_line(message: str, width: int | None = None) -> str:
    """Return a message for a reader, cut to `width` cells if there is one."""
    line = one_line(masked_text(telling(message)))
    return line if width is None else cut(line, width)
