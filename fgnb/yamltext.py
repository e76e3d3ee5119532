"""YAML 1.2 texts to JSON values: ``NO`` is a string, a date stays text, nothing is lost silently.

The syntax is read by ruamel.yaml's event parser; what a plain scalar means is decided here, by the
core schema of YAML 1.2.2 section 10.3. A key is always the text that stands there, since JSON has no
other keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from fgnb.errors import InputError, SyntaxProblem
from fgnb.jsontext import DIGITS

MAX_DEPTH = 200
MAX_NODES = 1_000_000
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS = {"": None, "~": None} | {
    spelled: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelled in (word, word.capitalize(), word.upper())
}
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
_HINTS = (
    ("mapping values are not allowed here", "put a text that holds ': ' in quotes"),
    ("'\\t' that cannot start any token", "indent with blanks, not tabs"),
    ("escape", "a text with backslashes goes in single quotes"),
    ("could not find expected ':'", "a key needs a colon and a blank after it"),
)
_NOT_JSON = re.compile(r"[-+]?(\.inf|\.Inf|\.INF|Infinity)|\.nan|\.NaN|\.NAN|NaN")
_CORE = "tag:yaml.org,2002:"
_TAGGED = {"int": (int,), "float": (float, int), "bool": (bool,), "null": (type(None),)}

Scalar = Callable[[str, bool], Any]
"""Gives a scalar's value from its text and whether it stands plain (unquoted, without a tag)."""


def plain_scalar(text: str) -> Any:
    """Return what an unquoted scalar means in YAML 1.2's core schema.

    Raises:
        ValueError: JSON has no such value (``.nan``, ``.inf``, a number that overflows), or YAML
            reads something that hardly anyone means: ``NaN``, ``Infinity`` and ``None`` as text,
            ``00123`` as 123.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _LEADING_ZERO.fullmatch(text):
        raise ValueError(f"{text} as a number would lose its zeros; put it in quotes if you mean text")
    if text == "None":
        raise ValueError("None is Python's: write null, or put it in quotes if you mean text")
    if _INT.fullmatch(text):
        try:
            return int(text)
        except ValueError:
            raise ValueError(DIGITS) from None
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"{text} is beyond the range of a number")
        return value
    if _NOT_JSON.fullmatch(text):
        raise ValueError(f"{text} is not a JSON value; put it in quotes if you mean text")
    return text


def _tagged(text: str, tag: str) -> Any:
    value = plain_scalar(text)
    if type(value) not in _TAGGED[tag]:
        raise ValueError(f"{text!r} is not a value of the tag !!{tag}")
    return float(value) if tag == "float" else value


def _scalar(text: str, plain: bool) -> Any:
    return plain_scalar(text) if plain else text


def loads(text: str, scalar: Scalar = _scalar) -> Any:
    """Read a YAML 1.2 text that holds one document; an empty one is null.

    Args:
        text: the text.
        scalar: gives the value of each scalar; may raise ValueError.

    Raises:
        SyntaxProblem: it is not YAML, or not a JSON value: a duplicate key, a tag, NaN; with line
            and column.
    """
    return _Reader(text, scalar).read()


class _Reader:
    """Builds one value from the parser's events."""

    def __init__(self, text: str, scalar: Scalar) -> None:
        self.text = text
        self.scalar = scalar
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.nodes = 0
        self.depth = 0

    def read(self) -> Any:
        self.events = iter(YAML(typ="base", pure=True).parse(self.text))
        value: Any = None
        documents = 0
        try:
            for event in self.events:
                if isinstance(event, DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        raise self.problem("a second document starts here", event.start_mark)
                    value = self.value(next(self.events))
        except MarkedYAMLError as error:
            raise self.syntax_problem(error) from None
        except ReaderError as error:
            before = self.text[: error.position]
            line, column = before.count("\n") + 1, error.position - before.rfind("\n")
            message = f"not YAML: the character {self.text[error.position]!a} must be escaped, in double quotes"
            raise SyntaxProblem(message, source=self.text, line=line, column=column) from None
        return value

    def syntax_problem(self, error: MarkedYAMLError) -> SyntaxProblem:
        ended = any(words in (error.problem or "") for words in ("<stream end>", "unexpected end of stream"))
        if ended and error.context_mark is not None:
            # The place where it begins helps more than the end of the text.
            what = (error.context or "").removeprefix("while parsing ").removeprefix("while scanning ")
            return self.problem(f"not YAML: {what} is not closed", error.context_mark)
        reason = error.problem or error.context or ""
        hint = next((f"; {advice}" for words, advice in _HINTS if words in reason), "")
        return self.problem(f"not YAML: {reason}{hint}", error.problem_mark or error.context_mark)

    def problem(self, message: str, mark: Any) -> SyntaxProblem:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return SyntaxProblem(message, source=self.text, line=line, column=column)

    def value(self, event: Any) -> Any:
        before = self.nodes
        self.nodes += 1
        if isinstance(event, AliasEvent):
            if event.anchor not in self.anchors:
                raise self.problem(f"no finished value is anchored as '{event.anchor}'", event.start_mark)
            value, size = self.anchors[event.anchor]
            self.nodes += size  # an alias counts as what it stands for: no billion laughs
        elif isinstance(event, ScalarEvent):
            value = self.scalar_value(event)
        else:
            value = self.collection(event)
        if self.nodes > MAX_NODES:
            raise self.problem(f"the document holds more than {MAX_NODES:,} values", event.start_mark)
        if getattr(event, "anchor", None) and not isinstance(event, AliasEvent):
            self.anchors[event.anchor] = (value, self.nodes - before)
        return value

    def collection(self, event: Any) -> Any:
        if event.tag not in (None, "!", _CORE + ("map" if isinstance(event, MappingStartEvent) else "seq")):
            raise self.bad_tag(event)
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.problem(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        result = self.mapping() if isinstance(event, MappingStartEvent) else self.sequence(event)
        self.depth -= 1
        return result

    def sequence(self, event: SequenceStartEvent) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self.value(event))
        return items

    def mapping(self) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            if not isinstance(event, ScalarEvent):
                raise self.problem("a key must be a text, not a list, a mapping or an alias", event.start_mark)
            if event.value == "<<" and not event.style and not event.tag:
                message = "YAML 1.2 has no merge keys: write the members out, or put '<<' in quotes"
                raise self.problem(message, event.start_mark)
            key = self.scalar_value(event, key=True)
            if key in members:
                raise self.problem(f"duplicate key '{key}'", event.start_mark)
            members[key] = self.value(next(self.events))
        return members

    def scalar_value(self, event: ScalarEvent, *, key: bool = False) -> Any:
        text = _joined_surrogates(event.value)
        tag = (event.tag or "").removeprefix(_CORE)
        if tag not in ("", "!", "str", *_TAGGED):
            raise self.bad_tag(event)
        try:
            if tag in _TAGGED and not key:
                return _tagged(text, tag)
            return self.scalar(text, not (key or tag or event.style))
        except ValueError as error:
            if isinstance(error, SyntaxProblem):
                raise
            message = error.message if isinstance(error, InputError) else str(error)
            raise self.problem(message, event.start_mark) from None

    def bad_tag(self, event: Any) -> SyntaxProblem:
        return self.problem(f"the tag {event.tag.replace(_CORE, '!!')} is not allowed here", event.start_mark)


def _joined_surrogates(text: str) -> str:
    r"""Join escaped pairs such as ``\ud83d\ude00``, which the parser leaves as two halves."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
