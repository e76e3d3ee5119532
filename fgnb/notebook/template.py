"""A text with ``{{ expression }}`` in it: where the expressions are, and what takes their places.

Standing alone and unquoted, an expression puts in a typed JSON value; inside quotes or running text
it becomes text. A literal ``{{`` is written ``{{{{``. No other character is ever touched.

Each expression is replaced by a token of the same length before the text is parsed, so that the
line and column of every error are those of the cell; its value takes the token's place in the
parsed tree, where no quoting can go wrong.
"""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fgnb import yamltext
from fgnb.errors import InputError, SyntaxProblem, did_you_mean
from fgnb.render.text import one_line
from fgnb.values import to_json

_OPEN, _CLOSE, _LITERAL = "{{", "}}", "{{{{"
_TOKENS = range(0xF0000, 0x10FFFE)  # private use: YAML allows them plain, hardly any text holds one
_COMMENT = re.compile(r"(?:^|[ \t])#", re.MULTILINE)
MAX_ATTEMPTS = 64  # closing braces that are tried as the end of one expression


class ExpressionProblem(SyntaxProblem):
    """A ``{{ expression }}`` is malformed, fails, or has a value that JSON can't hold."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A place in the text: the source between the braces, or None for a literal ``{{``."""

    start: int
    end: int
    source: str | None
    token: str


class Template:
    """A text whose expressions are tokens, and what becomes of them."""

    def __init__(self, text: str, namespace: Mapping[str, Any]) -> None:
        self.source = text
        self.namespace = namespace
        self.expressions = list(_expressions(text))
        self._by_char = {expression.token[0]: expression for expression in self.expressions}
        self._token = re.compile(rf"([{''.join(self._by_char)}])\1*" if self._by_char else r"(?!)")
        self.text = self._with_tokens(quoted=False)

    def _with_tokens(self, *, quoted: bool) -> str:
        """Return the text with tokens; `quoted` puts those outside JSON strings into quotes."""
        parts: list[str] = []
        at = 0
        in_string = False
        for expression in self.expressions:
            between = self.source[at : expression.start]
            parts.append(between)
            in_string = _in_string_after(between, in_string)
            token = expression.token
            parts.append(f'"{token[2:]}"' if quoted and not in_string else token)
            at = expression.end
        parts.append(self.source[at:])
        return "".join(parts)

    def as_json(self) -> str:
        """Return the text for the JSON reader.

        A token that stands alone is two characters shorter and in quotes: as long as before.
        """
        return self._with_tokens(quoted=True)

    def with_source(self, problem: SyntaxProblem) -> SyntaxProblem:
        """Return the problem with the text as the user wrote it instead of the one with tokens."""
        return self.problem(problem.reason, problem.line, problem.column)

    def problem(self, reason: str, line: int, column: int) -> SyntaxProblem:
        """Return a problem at a place of the text."""
        return SyntaxProblem(reason, source=self.source, line=line, column=column)

    def filled(self, value: Any) -> Any:
        """Return a value parsed from `as_json` with expressions in the places of their tokens."""
        if not self.expressions:
            return value
        if isinstance(value, str):
            expression = self._by_char.get(value[:1])
            # Only a token that stood alone lost two characters: within a string it is whole.
            alone = expression is not None and value == expression.token[2:]
            return self.scalar(expression.token if alone and expression else value, alone)
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, dict):
            members: dict[str, Any] = {}
            for key, member in value.items():
                name = self._key(key)
                if name in members:
                    raise InputError(f"duplicate key '{name}'", path=name)
                members[name] = self.filled(member)
            return members
        return value

    def _key(self, key: str) -> str:
        expression = self._by_char.get(key[:1])
        whole = expression.token if expression is not None and key == expression.token[2:] else key
        return str(self.scalar(whole, False))

    def yaml_scalar(self, text: str, plain: bool) -> Any:
        """Give a YAML scalar's value; see `fgnb.yamltext.Scalar`."""
        if not self._token.search(text):
            return yamltext.plain_scalar(text) if plain else text
        return self.scalar(text, plain)

    def scalar(self, text: str, plain: bool) -> Any:
        """Return a scalar's value: typed if it is one plain token, else text with all replaced."""
        found = self._token.fullmatch(text)
        if plain and found:
            expression = self._by_char[text[0]]
            if expression.source is not None:
                return self.typed(expression)
        return self.joined(list(self._parts(text)))

    def _parts(self, text: str) -> Iterator[str | Expression]:
        at = 0
        for found in self._token.finditer(text):
            yield text[at : found.start()]
            expression = self._by_char[found[0][0]]
            yield _OPEN if expression.source is None else expression
            at = found.end()
        yield text[at:]

    def typed(self, expression: Expression) -> Any:
        """Return what stands for an expression alone."""
        return self.value(expression)

    def joined(self, parts: Sequence[str | Expression]) -> str:
        """Return what stands for expressions within a text."""
        return "".join(part if isinstance(part, str) else as_text(self.value(part)) for part in parts)

    def value(self, expression: Expression) -> Any:
        """Return the JSON value of an expression.

        Raises:
            ExpressionProblem: it fails, or its value has no JSON form.
        """
        return self.converted(expression, self.evaluated(expression))

    def evaluated(self, expression: Expression) -> Any:
        """Return what an expression gives in the notebook."""
        source = _as_one_expression(expression.source or "")
        try:
            return eval(compile(source, "<cell>", "eval"), dict(self.namespace))  # noqa: S307
        except SyntaxError as error:
            raise self._problem(expression, f"not a Python expression: {error.msg}") from None
        except Exception as error:  # whatever the user's expression raises
            raise self._problem(expression, told(error, self.namespace)) from None

    def converted(self, expression: Expression, value: Any) -> Any:
        """Return what an expression gave as a JSON value."""
        try:
            return to_json(value)
        except InputError as error:
            raise self._problem(expression, str(error)) from None
        except Exception as error:  # a mapping, or a model, that fails when it is read
            raise self._problem(expression, told(error, self.namespace)) from None

    def _problem(self, expression: Expression, message: str) -> ExpressionProblem:
        line, column = place_of(self.source, expression.start)
        shown = one_line(expression.source or "")
        shown = shown if len(shown) <= 60 else shown[:59] + "…"
        return ExpressionProblem(f"in {{{{ {shown} }}}}: {message}", source=self.source, line=line, column=column)


def as_text(value: Any) -> str:
    """Return a JSON value as it stands within a text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def told(error: Exception, namespace: Mapping[str, Any]) -> str:
    """Say in a line what an expression raised."""
    if isinstance(error, NameError) and error.name:
        visible = [word for word in namespace if not word.startswith("_")]
        return f"name '{error.name}' is not defined{did_you_mean(error.name, visible)}"
    return f"{type(error).__name__}: {one_line(str(error))[:200]}"


def place_of(text: str, at: int) -> tuple[int, int]:
    """Return the line and the column of a position, from 1."""
    before = text[:at]
    return before.count("\n") + 1, at - (before.rfind("\n") + 1) + 1


def _in_string_after(text: str, in_string: bool) -> bool:
    """Whether a JSON string is open after `text`, given whether one was open before."""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and in_string:
            escaped = True
        elif char == '"':
            in_string = not in_string
    return in_string


def _expressions(text: str) -> Iterator[Expression]:
    """Find the expressions of a text, in order."""
    if _OPEN not in text:
        return
    tokens = _unused_characters(text)
    at = text.find(_OPEN)
    while at >= 0:
        if text.startswith(_LITERAL, at):
            yield Expression(at, at + 4, None, next(tokens) * 4)
            at = text.find(_OPEN, at + 4)
            continue
        start = at + len(_OPEN)
        end = end_of_expression(text, start)
        if end < 0 or ("\n" in text[start:end] and _COMMENT.search(text, text.rfind("\n", 0, at) + 1, at)):
            line, column = place_of(text, at)
            # A comment ends with its line: what closes it further on belongs to another one.
            where = "never closed" if end < 0 else "not closed in its line, where a comment ends"
            message = f"this {{{{ is {where}; write {{{{{{{{ for a literal {{{{"
            raise ExpressionProblem(message, source=text, line=line, column=column)
        yield Expression(at, end + len(_CLOSE), text[start:end], next(tokens) * (end + len(_CLOSE) - at))
        at = text.find(_OPEN, end + len(_CLOSE))


def _unused_characters(text: str) -> Iterator[str]:
    """Yield characters that `text` does not hold, neither as themselves nor as an escape."""
    folded = text.casefold() if "\\u" in text or "\\U" in text else ""
    for code in _TOKENS:  # pragma: no branch  # no text holds all of them
        char = chr(code)
        pair = char.encode("utf-16-be").hex()
        if char not in text and f"\\u{pair[:4]}\\u{pair[4:]}" not in folded and f"\\u{code:08x}" not in folded:
            yield char


def _as_one_expression(source: str) -> str:
    """Return Python source that may go over several lines, as it may between brackets."""
    source = source.strip()
    return f"(\n{source}\n)" if "\n" in source else source


def end_of_expression(text: str, start: int) -> int:
    """Return where the expression that begins at `start` ends, or -1 if it never does.

    ``}}`` may also stand inside the expression, as in ``{{ {"a": {}} }}``: the first place counts
    up to which it is a Python expression, or else the first of all, to be reported there.
    """
    first = end = text.find(_CLOSE, start)
    for _ in itertools.repeat(None, MAX_ATTEMPTS):
        if end < 0:
            break
        try:
            ast.parse(_as_one_expression(text[start:end]), mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            end = text.find(_CLOSE, end + 1)
        else:
            return end
    return first
