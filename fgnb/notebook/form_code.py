"""What a form does as code: the cell and the call that give the same run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from fgnb import jsontext
from fgnb.errors import InputError, SyntaxProblem
from fgnb.notebook import code
from fgnb.notebook.texts import written
from fgnb.render import html
from fgnb.secret import HIDDEN


def cell_text(workflow: str, value: Any, headers: Mapping[str, str], tags: Mapping[str, Any]) -> str:
    """Return a cell with the form's input; without one, its line alone does."""
    words = [shlex.quote(workflow)]
    words += [f"-H {_literal(f'{name}={text}')}" for name, text in headers.items()]
    words += [f"--tag {_literal(f'{name}={_tag(one)}')}" for name, one in tags.items()]
    line = " ".join(words)
    if not value:
        return f"%fgworkflow {line}"
    return f"%%fgworkflow {line}\n{written(value, indent=2).replace('{{', '{{{{')}"


def _literal(text: str) -> str:
    return shlex.quote(text.replace("{{", "{{{{"))


def _tag(value: Any) -> str:
    """Write a tag so that the option reads the same value: JSON, or else a text."""
    if not isinstance(value, str):
        return written(value)
    try:
        jsontext.loads(value)
    except SyntaxProblem:
        return value if value[:1] not in ("{", "[") else written(value)
    except InputError:
        return written(value)
    return written(value)


def call_text(workflow: str, value: Any, headers: Mapping[str, str], tags: Mapping[str, Any]) -> str:
    """Return the call with the form's input, as Python."""
    given = [workflow, *([value] if value else [])]
    return f"run = {code.call('run', *given, headers=dict(headers) or None, tags=dict(tags) or None)}"


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
