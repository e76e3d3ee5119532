"""The Python call that does what a cell does: ``%%fgworkflow --code``.

Expressions of the body stand in it as they are written; they are evaluated all the same, so that what
is wrong with one is told here, too, and a text is put together as the cell would do it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fgnb.notebook.template import Expression, Template, as_text
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
        """Return the text as an f-string would give it."""
        if all(isinstance(part, str) for part in parts):
            return "".join(part for part in parts if isinstance(part, str))
        text, source = "", ""
        for part in parts:
            if isinstance(part, str):
                text += part
                source += repr(part)[1:-1].replace("{", "{{").replace("}", "}}") if part else ""
                continue
            value = as_text(self.value(part))
            text += value
            source += self._inserted(part, value)
        # repr chooses the quotes by what a part holds: one that holds others is no part of an f-string.
        quoted = f"f'{source}'"
        return CodeText.of(text, quoted if _gives(quoted, text, self.namespace) else repr(text))

    def _inserted(self, expression: Expression, value: str) -> str:
        source = _source(expression)
        plain = not ({"'", '"', "\\", "\n", "{", "}", "!", ":"} & set(source))
        return f"{{{source}}}" if plain else value.replace("{", "{{").replace("}", "}}")


def _source(expression: Expression) -> str:
    source = (expression.source or "").strip()
    return f"({source})" if "\n" in source else source


def _gives(source: str, text: str, namespace: Mapping[str, Any]) -> bool:
    """Whether an f-string of the cell's own expressions gives the same text as the cell."""
    try:
        return bool(eval(source, dict(namespace)) == text)  # noqa: S307  # the user's own expressions
    except Exception:  # such as of quotes within quotes
        return False


def merged(name: str, variable: Any, over: Mapping[str, Any]) -> Any:
    """Return a variable's input with keys over it, as code."""
    value = to_json(variable, root=name)
    if not over:
        return Code(name, value)
    if isinstance(variable, dict):
        members = ", ".join(f"{written(key)}: {written(member)}" for key, member in over.items())
        return Code(f"{{**{name}, {members}}}", value | plain(over))
    return value | dict(over)


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
