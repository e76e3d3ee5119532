"""What a form does as code: the cell and the call that give the same run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from fgnb.notebook.texts import written
from fgnb.render import html
from fgnb.secret import HIDDEN

INDENT = 4
WIDTH = 100


def cell_text(workflow: str, value: Any, headers: Mapping[str, str], tags: Mapping[str, Any]) -> str:
    """Return a cell with the form's input; without one, its line alone does."""
    words = [shlex.quote(workflow)]
    words += [f"-H {shlex.quote(f'{name}={text}')}" for name, text in headers.items()]
    words += [f"--tag {shlex.quote(f'{name}={_tag(one)}')}" for name, one in tags.items()]
    line = " ".join(words)
    if not value:
        return f"%fgworkflow {line}"
    # The body's {{ begins an expression; outside of texts JSON has none
    return f"%%fgworkflow {line}\n{written(value, indent=2).replace('{{', '{{{{')}"


def _tag(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def call_text(workflow: str, value: Any, headers: Mapping[str, str], tags: Mapping[str, Any]) -> str:
    """Return the call with the form's input, as Python."""
    parts = [repr(workflow)]
    if value:
        parts.append(_python(value, INDENT))
    if headers:
        parts.append(f"headers={_python(dict(headers), INDENT)}")
    if tags:
        parts.append(f"tags={_python(dict(tags), INDENT)}")
    short = f"run = fgnb.run({', '.join(parts)})"
    if len(short) <= WIDTH and "\n" not in short:
        return short
    inside = "".join(f"{' ' * INDENT}{part},\n" for part in parts)
    return f"run = fgnb.run(\n{inside})"


def _python(value: Any, at: int) -> str:
    """Write a JSON value as Python, on one line if it fits."""
    short = repr(value)
    if len(short) + at <= WIDTH or not isinstance(value, (dict, list)) or not value:
        return short
    pad = " " * (at + INDENT)
    if isinstance(value, dict):
        inside = "".join(f"{pad}{key!r}: {_python(one, at + INDENT)},\n" for key, one in value.items())
        return f"{{\n{inside}{' ' * at}}}"
    inside = "".join(f"{pad}{_python(one, at + INDENT)},\n" for one in value)
    return f"[\n{inside}{' ' * at}]"


def as_html(workflow: str, value: Any, headers: Mapping[str, str], tags: Mapping[str, Any]) -> str:
    """Return both as HTML, to be copied.

    Args:
        workflow: its name or id.
        value: the input as it is shown: with marks instead of secrets.
        headers: likewise.
        tags: of the run.
    """
    parts = [
        html.section("as a cell", html.preformatted(cell_text(workflow, value, headers, tags))),
        html.section("in Python", html.preformatted(call_text(workflow, value, headers, tags))),
    ]
    if HIDDEN in written(value) or any(HIDDEN in text for text in headers.values()):
        told = f"Secrets are not written out: put a variable where {HIDDEN} stands, in the cell {{{{ password }}}}."
        parts.insert(0, f"<div>{html.muted(told)}</div>")
    return f'<div style="{html.FONT}">{"".join(parts)}</div>'
