r"""The condition language of definitions: the tests of conditional branches and of error handling.

A condition is ``path operator value`` (the console's guide, pages 01_0309, 01_0413 and 01_0417),
joined by ``&&`` and ``||`` and grouped by parentheses. Where the guide is silent:

- ``&&`` binds closer than ``||``; both stop as soon as the result is known. Extensions: a path or
  a value on either side, and ``!`` before a path or a parenthesis.
- ``==`` is equality of JSON values, whole lists and objects, too: 1 equals 1.0, but true is not 1,
  and nothing is ever converted. ``!=`` is always the opposite.
- ``<``, ``<=``, ``>``, ``>=`` hold between numbers only, and compare them exactly.
- A path that leads nowhere equals nothing, neither null nor another such path.
- A path that can select several places gives the list of what it selects, be it one or none, and so
  equals a list only. What is in its brackets is RFC 9535's and may hold any character: the guide
  reserves the operators', but lists filters all the same.
- A path alone holds where it gives true itself.
- ``path == '*'`` asks whether the path leads anywhere; null counts, an empty selection does not.
- ``nil`` and ``null`` are the same.
- In a text, ``\'`` is a quote, ``\\`` a backslash and ``\*`` an asterisk, so that ``'\*'`` is a text
  and not the wildcard; before anything else, a backslash stands for itself.
- ``$CONST`` is the root of the constants; so is ``$.constants``, where the value has no such path.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import regex

from fgnb.local.expressions import MAX_LENGTH, MISSING, ExpressionError, compile_path, literal, singular_keys

Condition = Callable[[Any, Mapping[str, Any]], bool]
"""Tells whether a condition holds, given the value that ``$`` stands for, and the constants.

Raises ExpressionError where a path can't be applied to the value.
"""

MAX_NESTING = 50  # parentheses within each other

_Read = Callable[[Any, Mapping[str, Any]], Any]
# A name holds no character that looks like a blank, a quote or an operator, although RFC 9535 lets it. (The standard
# library's patterns can't say so: they know no classes of Unicode.)
_NAME_CHAR = r"[0-9A-Za-z_[[\u0080-\U0010FFFF]--[\p{P}\p{Z}\p{Cc}\p{Cf}\p{Sc}\p{Sm}]]]"
_BLANKS = r"[\ \t\n\r]*"
_TEXT = r"'[^'\\]*(?:\\.[^'\\]*)*'"
_TOKEN = regex.compile(
    rf"""{_BLANKS}(?:
      (?P<path>\$(?:CONST(?!{_NAME_CHAR}))?)
    | (?P<text>{_TEXT})
    | (?P<number>[-+]?\.?[0-9](?:[0-9A-Za-z_.]|(?<=[eE])[-+])*)
    | (?P<word>[A-Za-z_][0-9A-Za-z_]*)
    | (?P<foreign>===|!==|=<|=>|<>)
    | (?P<comparison>==|!=|<=|>=|<|>)
    | (?P<other>&&|\|\||.)
    )?""",
    regex.VERBOSE | regex.DOTALL | regex.VERSION1,
)
_STEP = regex.compile(
    rf"{_BLANKS}(?:\.\.?(?:(?![0-9]){_NAME_CHAR}+|\*)|(?:\.\.)?(?P<bracket>\[)|(?P<dots>\.\.?))", regex.VERSION1
)
_IN_BRACKETS = regex.compile(
    rf"""{_TEXT}|{_TEXT.replace("'", '"')}|[[\x00-\x7F]--['"]]|{_NAME_CHAR}""", regex.DOTALL | regex.VERSION1
)
_CONSTANTS = regex.compile(rf"\$\.constants(?!{_NAME_CHAR})", regex.VERSION1)
_PLACE = regex.compile(r", line [0-9]+, column ([0-9]+)$")  # jsonpath-rfc9535's: counted from 0, through all lines
_ESCAPED = regex.compile(r"\\(['\\*])")
_WILDCARD = "'*'"

_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_NUMBERS = frozenset({int, float})  # bool, a subclass of int, is none
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_WORDS = {"true": True, "false": False, "null": None, "nil": None}
_OFTEN = {  # what people write for each, which an error then names
    "==": "= ===",
    "!=": "!== <> ≠",
    "<=": "=< ≤",
    ">=": "=> ≥",
    "&&": "& and",
    "||": "| or",
    "!": "not",
    "$": "@",
}
_INSTEAD = {other: right for right, others in _OFTEN.items() for other in others.split()}
_INSTEAD |= dict.fromkeys('"‘’“”', "'") | {"none": "null"} | {word: word for word in _WORDS}


def compile_condition(text: str, *, missing_fails: bool = False, constants_win: bool = False) -> Condition:
    """Compile a condition.

    Args:
        text: the condition, up to 4,096 characters.
        missing_fails: whether a path that leads nowhere raises ExpressionError when the condition is
            applied, instead of making its comparison false. ``== '*'`` may ask for it in any case.
        constants_win: whether ``$.constants`` means the constants even where the value has such a path.

    Raises:
        ExpressionError: it is malformed; with the column, counted from 1, and what was expected.

    >>> large = compile_condition("$.qty >= $CONST.large && $.kind == 'retail'")
    >>> large({"qty": 12, "kind": "retail"}, {"large": 10})
    True
    """
    if len(text) > MAX_LENGTH:
        raise _error(MAX_LENGTH, f"a condition may have {MAX_LENGTH} characters, not {len(text)}")
    return _Parser(text, missing_fails, constants_win).condition()


@dataclass(frozen=True, slots=True)
class _Operand:
    """One side of a comparison: a path, or a value."""

    read: _Read
    exists: Condition | None = None  # of a path
    value: Any = MISSING  # of a value


class _Parser:
    """Reads a condition from left to right, one token ahead."""

    def __init__(self, source: str, missing_fails: bool, constants_win: bool) -> None:
        self.source = source
        self.missing_fails = missing_fails
        self.constants_win = constants_win
        self.at = self.end = self.depth = 0
        self.advance()

    def advance(self) -> None:
        found = _TOKEN.match(self.source, self.end)
        self.kind, self.end = found.lastgroup, found.end()
        self.at = found.start(self.kind) if self.kind else self.end
        if self.kind == "path":
            self.end = _path_end(self.source, self.end)
        self.part = self.source[self.at : self.end]
        if self.part == "'":
            raise _error(self.at, "this quote is never closed")

    def expected(self, what: str) -> ExpressionError:
        return _error(self.at, f"expected {what}, not {_shown(self.part)}{_hint(self.part)}")

    def condition(self) -> Condition:
        condition = self.any_of()
        if self.part:
            raise self.expected("&&, || or the end")
        return condition

    def any_of(self) -> Condition:
        conditions = [self.all_of()]
        while self.part == "||":
            self.advance()
            conditions.append(self.all_of())
        return _chain(conditions, until=True)

    def all_of(self) -> Condition:
        conditions = [self.term()]
        while self.part == "&&":
            self.advance()
            conditions.append(self.term())
        return _chain(conditions, until=False)

    def term(self) -> Condition:
        marks = 0
        while self.part == "!":
            marks += 1
            self.advance()
        if self.part == "(":
            condition = self.group()
        else:
            left = self.operand()
            if marks and self.kind == "comparison":
                raise _error(self.at, "! before a comparison needs parentheses: !(…)")
            condition = self.comparison(left)
        return _not(condition) if marks % 2 else condition

    def group(self) -> Condition:
        opened = self.at
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise _error(opened, f"parentheses may be nested {MAX_NESTING} deep")
        self.advance()
        condition = self.any_of()
        if not self.part:
            raise _error(opened, "this ( is never closed")
        if self.part != ")":
            raise self.expected("&&, || or )")
        self.depth -= 1
        self.advance()
        return condition

    def comparison(self, left: _Operand) -> Condition:
        if self.kind != "comparison":
            if self.part not in ("", ")", "&&", "||") or (left.exists is None and not isinstance(left.value, bool)):
                raise self.expected("a comparison (==, !=, <, <=, > or >=)")
            return _equality(left, _constant(True))
        sign = self.part
        self.advance()
        if self.part == _WILDCARD and sign == "==" and left.exists is not None:
            self.advance()
            return left.exists
        right = self.operand()
        if sign in _ORDERS:
            return _order(sign, left, right)
        return _equality(left, right) if sign == "==" else _not(_equality(left, right))

    def operand(self) -> _Operand:
        if self.part == _WILDCARD:
            raise _error(self.at, r"'*' may stand only after a path and ==; the text is written '\*'")
        if self.kind == "path":
            operand = self.path()
        elif self.kind == "text":
            operand = _constant(_ESCAPED.sub(r"\1", self.part[1:-1]))
        elif self.kind == "number":
            operand = self.number()
        elif self.part in _WORDS:
            operand = _constant(_WORDS[self.part])
        else:
            raise self.expected("a path, a number, a text in single quotes, true, false or null")
        self.advance()
        return operand

    def number(self) -> _Operand:
        try:
            value = literal(self.part)
        except ExpressionError as error:
            raise _error(self.at, str(error)) from None
        if isinstance(value, str):
            raise self.expected("a number as JSON writes it")
        return _constant(value)

    def path(self) -> _Operand:
        path = self.part
        root = "$CONST" if path.startswith("$CONST") else "$"
        try:
            read, nothing = _reader("$" + path.removeprefix(root))
        except ExpressionError as error:
            place = _PLACE.search(str(error))
            at = self.at + len(root) - 1 + int(place[1]) if place else self.at
            raise _error(at, _PLACE.sub("", str(error))) from None
        if root == "$CONST":
            read = _of_constants(read)
        elif _CONSTANTS.match(path):
            own, none = _reader("$" + path.removeprefix("$.constants"))
            constant = _of_constants(own)
            read = _either(constant, none, read) if self.constants_win else _either(read, nothing, constant)
        return _Operand(_required(read, path) if self.missing_fails else read, _gives_other(read, nothing))


def _path_end(text: str, at: int) -> int:
    """Return where the path ends whose steps begin at `at`."""
    while step := _STEP.match(text, at):
        if step["dots"]:
            found = _shown(text[step.end() : step.end() + 1])
            raise _error(step.end(), f"expected a name after a dot, not {found}; any key can be written ['…']")
        if step["bracket"]:
            at = _bracket_end(text, step.end() - 1)
            continue
        at = step.end()
        if text.startswith("-", at):
            raise _error(at, "a name holds no '-'; a key that does is written ['…']")
    return at


def _bracket_end(text: str, at: int) -> int:
    opened, depth = at, 0
    while part := _IN_BRACKETS.match(text, at):
        at = part.end()
        depth += {"[": 1, "]": -1}.get(part[0], 0)
        if depth == 0:
            return at
    if at == len(text):
        raise _error(opened, "this [ is never closed")
    if text[at] in "'\"":
        raise _error(at, "this quote is never closed")
    raise _error(at, f"unexpected {_shown(text[at])} outside quotes{_hint(text[at])}")


def _error(at: int, message: str) -> ExpressionError:
    return ExpressionError(f"column {at + 1}: {message}")


def _shown(text: str) -> str:
    if len(text) == 1 and not text.isprintable():
        return f"U+{ord(text):04X}"
    start = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:20])
    return f"'{start}{'…' if len(text) > 20 else ''}'" if text else "the end"


def _hint(token: str) -> str:
    plain = unicodedata.normalize("NFKC", token) if len(token) == 1 else token  # full width to half
    instead = _INSTEAD.get(token.lower(), plain)
    return f"; write {instead.strip() or 'a blank'}" if instead != token and instead.isascii() else ""


# --- what the parts become: functions of the value and the constants ------------------------------


def _constant(value: Any) -> _Operand:
    return _Operand(lambda _value, _constants: value, value=value)


def _reader(path: str) -> tuple[_Read, Any]:
    """Return what reads a path, and what that gives where the path leads nowhere: MISSING or []."""
    keys = singular_keys(path)
    if keys is None or not all(isinstance(key, str) for key in keys):
        query = compile_path(path)
        return lambda value, _constants: query(value), query(None)

    def read(value: Any, _constants: Mapping[str, Any]) -> Any:
        for name in keys:
            if not isinstance(value, dict):
                return MISSING
            value = value.get(name, MISSING)
        return value

    return read, MISSING


def _gives_other(read: _Read, nothing: Any) -> Condition:
    return lambda value, constants: bool(read(value, constants) != nothing)


def _of_constants(read: _Read) -> _Read:
    return lambda _value, constants: read(constants if isinstance(constants, dict) else dict(constants), constants)


def _either(read: _Read, nothing: Any, other: _Read) -> _Read:
    return lambda value, constants: found if (found := read(value, constants)) != nothing else other(value, constants)


def _required(read: _Read, path: str) -> _Read:
    def required(value: Any, constants: Mapping[str, Any]) -> Any:
        if (found := read(value, constants)) is MISSING:
            raise ExpressionError(f"the path {_shown(path)} leads nowhere")
        return found

    return required


def _not(condition: Condition) -> Condition:
    return lambda value, constants: not condition(value, constants)


def _chain(conditions: list[Condition], *, until: bool) -> Condition:
    """Join by || (until one is true) or && (until one is false)."""
    if len(conditions) == 1:
        return conditions[0]

    def chain(value: Any, constants: Mapping[str, Any]) -> bool:
        for condition in conditions:
            if condition(value, constants) is until:
                return until
        return not until

    return chain


def _equality(left: _Operand, right: _Operand) -> Condition:
    if right.value is MISSING:
        left, right = right, left
    read, other, expected = left.read, right.read, right.value
    if expected is MISSING:
        return lambda value, constants: _equal(read(value, constants), other(value, constants))
    if expected is None or isinstance(expected, bool):
        return lambda value, constants: read(value, constants) is expected
    return lambda value, constants: (found := read(value, constants)) == expected and not isinstance(found, bool)


def _equal(left: Any, right: Any) -> bool:
    pairs = [(left, right)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pairs.extend((member, other[key]) for key, member in one.items())
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif one is MISSING or one != other or isinstance(one, bool) is not isinstance(other, bool):
            return False
    return True


def _order(sign: str, left: _Operand, right: _Operand) -> Condition:
    if right.value is MISSING:
        sign, left, right = _MIRRORED[sign], right, left
    read, other, limit = left.read, right.read, right.value
    holds = _ORDERS[sign]
    if type(limit) in _NUMBERS:
        return lambda value, constants: type(one := read(value, constants)) in _NUMBERS and holds(one, limit)

    def order(value: Any, constants: Mapping[str, Any]) -> bool:
        one, two = read(value, constants), other(value, constants)
        return type(one) in _NUMBERS and type(two) in _NUMBERS and holds(one, two)

    return order
