"""The body of a cell: JSON or YAML 1.2, with ``{{ expression }}`` evaluated in the notebook.

How expressions come in is told in `fgnb.notebook.template`. What stands in a YAML comment is never
evaluated.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping
from typing import Any

from fgnb import jsontext, yamltext
from fgnb.errors import InputError, SyntaxProblem
from fgnb.notebook.template import ExpressionProblem, Template, place_of, told
from fgnb.values import to_json

MAX_GUESSED = 200_000  # characters of what looks like JSON and is none that are read as YAML, which is slow
NO_COMMENTS = "JSON has no comments"
_PYTHON = "<body>"
_ODD_SPACE = re.compile("[\u00a0\u2000-\u200b\u202f\u205f\u3000\ufeff]")  # as pages and editors put them in
_ODD_INDENT = re.compile(f"^[ {_ODD_SPACE.pattern[1:]}+", re.MULTILINE)
_STRINGS = re.compile(r'("(?:[^"\\]|\\.)*")', re.DOTALL)


def read(
    text: str, namespace: Mapping[str, Any], form: str | None = None, *, kind: type[Template] | None = None
) -> Any:
    """Return the JSON value of a cell's body.

    Args:
        text: the body; an empty one is an empty object.
        namespace: the notebook's variables.
        form: ``json``, ``yaml``, or ``python`` for one expression; by default JSON or YAML, as it comes.
        kind: makes the values of expressions; see `fgnb.notebook.code`.

    Raises:
        SyntaxProblem: it can't be read, or an expression in it fails; with the place.
        InputError: a duplicate key, NaN, or an expression whose value has no JSON form; with the
            path or place.
    """
    if not text.strip():
        return {}
    if form == "python":
        return python_value(text, namespace)
    template = (kind or Template)(text, namespace)
    json_problem = None
    if form != "yaml":
        # JSON is read as JSON, not as YAML: exactly, fast, and with escapes of its own.
        try:
            value = _from_json(template.as_json())
        except SyntaxProblem as problem:
            json_problem = _without_comments(template, template.with_source(problem))
            looks_like_json = text.lstrip()[0] in "{["
            if (
                form == "json"
                or json_problem.reason == NO_COMMENTS  # YAML would take it as part of a key
                or (looks_like_json and len(text) > MAX_GUESSED)
            ):
                raise json_problem from None
        else:
            try:
                return template.filled(value)
            except RecursionError:
                raise InputError("the JSON text is nested too deeply") from None
    try:
        value = yamltext.loads(_with_plain_indents(template.text), template.yaml_scalar)
    except ExpressionProblem:
        raise
    except SyntaxProblem as problem:
        yaml_problem = template.with_source(problem)
        if json_problem is None or text.lstrip()[0] not in "{[":
            raise yaml_problem from None
        # Whichever reader came further understood the text better.
        json_further = (json_problem.line, json_problem.column) >= (yaml_problem.line, yaml_problem.column)
        raise (json_problem if json_further else yaml_problem) from None
    if isinstance(value, str):
        message = "a text is not an input: write JSON, or YAML such as  qty: 3"
        line, column = place_of(text, len(text) - len(text.lstrip()))
        raise SyntaxProblem(message, source=text, line=line, column=column)
    return value


def _from_json(text: str) -> Any:
    try:
        return jsontext.loads(text)
    except SyntaxProblem:
        if _ODD_SPACE.search(text) is None:
            raise
    # Pasted from a page: its spaces are no JSON, but mean nothing else outside of strings.
    return jsontext.loads(
        "".join(part if part[:1] == '"' else _ODD_SPACE.sub(" ", part) for part in _STRINGS.split(text))
    )


def _with_plain_indents(text: str) -> str:
    return _ODD_INDENT.sub(lambda found: " " * len(found[0]), text) if _ODD_SPACE.search(text) else text


def _without_comments(template: Template, found: SyntaxProblem) -> SyntaxProblem:
    """Return the problem to tell: a comment is the likeliest reason where one stands."""
    if found.source.split("\n")[found.line - 1][found.column - 1 :].startswith(("//", "/*")):
        return template.problem(NO_COMMENTS, found.line, found.column)
    return found


def python_value(text: str, namespace: Mapping[str, Any]) -> Any:
    """Return the JSON value of a Python expression, which may go over several lines.

    Raises:
        SyntaxProblem: it is no expression, or fails; with the place.
        InputError: its value has no JSON form; with the path.
    """
    source = f"(\n{text}\n)"
    try:
        value = eval(compile(source, _PYTHON, "eval"), dict(namespace))  # noqa: S307  # the user's own code
    except SyntaxError as error:
        line, column = max(1, (error.lineno or 2) - 1), error.offset or 1
        beyond = line > len(text.split("\n"))  # at the bracket that is put behind it
        reason = "it is not complete" if beyond and "closing parenthesis" in error.msg else error.msg
        raise SyntaxProblem(f"not a Python expression: {reason}", source=text, line=line, column=column) from None
    except Exception as error:  # whatever the user's expression raises
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _PYTHON]
        line = max(1, (lines[0] or 2) - 1) if lines else 1
        message = told(error, namespace)
        raise SyntaxProblem(message, source=text, line=line, column=1) from None
    try:
        return to_json(value)
    except InputError:
        raise
    except Exception as error:  # a mapping, or a model, that fails when it is read
        raise InputError(told(error, namespace)) from None


def read_request(
    text: str, namespace: Mapping[str, Any], *, kind: type[Template] | None = None
) -> tuple[Any, dict[str, str]]:
    """Return the input and the headers of a request's body as the API takes it: ``{"headers": ..., "input": ...}``.

    Raises:
        InputError: as of `read`; or it is no such object.
    """
    value = read(text, namespace, kind=kind)
    if not isinstance(value, dict) or not value.keys() <= {"input", "headers"} or "input" not in value:
        raise InputError('--as request takes the API\'s own object, {"headers": {...}, "input": {...}}')
    headers = value.get("headers") or {}
    if not isinstance(headers, dict) or not all(isinstance(text, str) for text in headers.values()):
        raise InputError("headers hold texts", path="headers")
    return value["input"], headers


def read_text(text: str, namespace: Mapping[str, Any], *, kind: type[Template] | None = None) -> str:
    """Return an option's text with each ``{{ expression }}`` in it put in as text."""
    template = (kind or Template)(text, namespace)
    value: str = template.scalar(template.text, False)
    return value


def read_value(text: str, namespace: Mapping[str, Any], *, kind: type[Template] | None = None) -> Any:
    """Return the value of an option's text: a JSON literal, ``{{ expression }}``, else the text itself.

    Raises:
        InputError: NaN, or an expression that fails.
    """
    template = (kind or Template)(text, namespace)
    if template.expressions:
        return template.scalar(template.text, True)
    try:
        return jsontext.loads(text)
    except SyntaxProblem as problem:
        if text.lstrip()[:1] in ("{", "["):
            raise InputError(f"'{text}' is {problem.reason}; quote it as a whole: -p 'key={{\"a\": 1}}'") from None
        return text
