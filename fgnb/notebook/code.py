"""The Python call that does what a cell does: ``%%fgworkflow --code``.

Expressions of the body stand in it as they are written; they are evaluated all the same, so that what
is wrong with one is told here, too, and a text is put together as the cell would do it.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from fgnb.notebook.template import Expression, Template, as_text
from fgnb.runs.redact import masked
from fgnb.values import to_json

WIDTH = 88  # columns of a line of code, as formatters have it


@dataclass(frozen=True, slots=True)
class Code:
    """A Python expression, and the JSON value that it has."""

    source: str
    value: Any


class CodeText(str):
    """A text that a Python expression gives."""

    __slots__ = ("source",)
    source: str

    @classmethod
    def of(cls, text: str, source: str) -> CodeText:
        """Make one of both."""
        made = cls(text)
        made.source = source
        return made


class CodeTemplate(Template):
    """Keeps the source of expressions beside their values."""

    def typed(self, expression: Expression) -> Any:
        """Return the expression."""
        return Code(_source(expression), self.value(expression))

    def joined(self, parts: Sequence[str | Expression]) -> str:
        """Return the text as an f-string would give it, or `str.format` where a source is none for an f-string."""
        if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if isinstance(part, str))
        inserted = [part if isinstance(part, str) else self._inserted(part) for part in parts]
        text = "".join(str(part.value) if isinstance(part, Code) else part for part in inserted)
        sources = [part.source for part in inserted if isinstance(part, Code)]
        if not sources:
            return text
        plain = all(_NO_PART_OF_AN_F_STRING.isdisjoint(source) for source in sources)
        # repr chooses the quotes by what a part holds: one that holds others is no part of an f-string.
        source = "".join(
            f"{{{part.source if plain else ''}}}" if isinstance(part, Code) else _literal(part) for part in inserted
        )
        return CodeText.of(text, f"f'{source}'" if plain else f"'{source}'.format({', '.join(sources)})")

    def _inserted(self, expression: Expression) -> Code | str:
        """Return an expression as code that gives its text; the text itself where its own is another in Python."""
        given = self.evaluated(expression)
        value = self.converted(expression, given)
        text = as_text(value)
        if isinstance(given, (datetime, time)):
            return Code(f"({_source(expression)}).isoformat()", text)
        if isinstance(value, (str, int, float)) and f"{given}" == text:
            return Code(_source(expression), text)
        # An object, true, null: what it holds is shown here, and saved with the notebook.
        return as_text(masked(value))


_NO_PART_OF_AN_F_STRING = frozenset("'\"\\\n{}!:")


def _literal(text: str) -> str:
    return repr(f'"{text}')[2:-1].replace("{", "{{").replace("}", "}}")  # with a quote of one kind, always in the other


def _source(expression: Expression) -> str:
    return standing_alone(expression.source or "")


def standing_alone(source: str) -> str:
    """Return a Python expression as it can stand within others."""
    source = source.strip()
    tree = ast.parse(f"(\n{source}\n)", mode="eval").body
    if "#" in source or isinstance(tree, ast.Tuple):  # a comment hides what comes after it, and so does a comma
        return ast.unparse(tree)
    return f"({source})" if "\n" in source else source


def merged(name: str, variable: Any, over: Mapping[str, Any]) -> Any:
    """Return a variable's input with keys over it, as code."""
    value = to_json(variable, root=name)
    members = ", ".join(f"{written(key)}: {written(member)}" for key, member in over.items())
    mapping = name if isinstance(variable, Mapping) else f"fgnb.values.to_json({name})"
    return Code(f"{{**{mapping}, {members}}}", value | plain(over))


def plain(value: Any) -> Any:
    """Return a JSON value in which each piece of code is replaced by the value that it has."""
    if isinstance(value, Code):
        return value.value
    if isinstance(value, CodeText):
        return str(value)
    if isinstance(value, dict):
        return {str(key): plain(member) for key, member in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def call(name: str, *arguments: Any, **options: Any) -> str:
    """Return a call of a function of fgnb, over as many lines as it needs; options that are None are left out."""
    parts = [*map(written, arguments)]
    parts += [f"{option}={written(value)}" for option, value in options.items() if value is not None]
    line = f"fgnb.{name}({', '.join(parts)})"
    if len(line) <= WIDTH:
        return line
    parts = [written(argument, 4) for argument in arguments]
    parts += [f"{option}={written(value, 4)}" for option, value in options.items() if value is not None]
    return f"fgnb.{name}(\n" + "".join(f"    {part},\n" for part in parts) + ")"


def written(value: Any, indent: int | None = None) -> str:
    """Return a JSON value, which may hold code, as Python source.

    Args:
        value: the value.
        indent: columns before it; given, what is too long for one line goes over several.
    """
    if isinstance(value, (Code, CodeText)):
        return value.source
    if isinstance(value, str):
        return _quoted(value)
    if not isinstance(value, (dict, list)):
        return repr(value)
    if isinstance(value, dict):
        parts = [(f"{written(key)}: ", member) for key, member in value.items()]
        opening, closing = "{", "}"
    else:
        parts = [("", item) for item in value]
        opening, closing = "[", "]"
    line = f"{opening}{', '.join(head + written(each) for head, each in parts)}{closing}"
    if indent is None or len(line) + indent <= WIDTH - 20 or not parts:
        return line
    inner = "".join(f"{' ' * (indent + 4)}{head}{written(each, indent + 4)},\n" for head, each in parts)
    return f"{opening}\n{inner}{' ' * indent}{closing}"


def _quoted(text: str) -> str:
    """Return a text in double quotes, as formatters have it, where Python reads that as the same."""
    if '"' in text or "'" in text or not text.isprintable():
        return repr(text)
    return json.dumps(text, ensure_ascii=False)
