"""The expression language of definitions: JSONPaths, filters and argument templates.

JSONPath is RFC 9535's, by the library jsonpath-rfc9535; a path to one place (``$.a.b[0].c``) is
compiled to its keys, which is what nearly all real mappings are. Nothing is ever evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import jsonpath_rfc9535
import regex
from iregexp_check import check as is_iregexp
from jsonpath_rfc9535.function_extensions import Match, Search

from fgnb.jsontext import loads_answer
from fgnb.local.options import DEFAULTS, Options

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "MISSING"})()
"""What a path gives that leads nowhere; not the same as null."""

MAX_LENGTH = 4096
REGEX_LIMIT = 0.2  # seconds one match() or search() may take
MAX_DEPTH = 100  # levels of an argument template
MAX_DESCENTS = 2  # `..` in a path; each more multiplies its work by the depth of the value
_NAME = r"[A-Za-z_\u0080-\U0010FFFF][0-9A-Za-z_\u0080-\U0010FFFF]*"
_NAME_ENDS = r"(?![0-9A-Za-z_\u0080-\U0010FFFF])"
_SINGULAR = re.compile(rf"\$(?:\.{_NAME}|\[(?:0|-?[1-9][0-9]{{0,14}})\]|\['[^'\\\x00-\x1F]*'\])*")
_STEP = re.compile(rf"\.(?P<name>{_NAME})|\[(?P<position>-?\d+)\]|\['(?P<quoted>[^'\\]*)'\]")
_PATH_START = re.compile(rf"\$(?:CONST{_NAME_ENDS}|[.\[]|\s*$)")
_CONSTANTS = re.compile(rf"\$\.constants{_NAME_ENDS}")
_QUOTED = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")

Query = Callable[[Any], Any]
"""Gives what a path selects in a value, or MISSING; may raise ExpressionError."""


class ExpressionError(ValueError):
    """An expression is malformed, or can't be applied to the value at hand."""


class _TimedMatch(Match):
    """The standard ``match()``, but a pattern that backtracks without end is an error."""

    def __call__(self, string: Any, pattern: Any) -> bool:
        return _matches(regex.fullmatch, string, pattern)


class _TimedSearch(Search):
    """The standard ``search()``, likewise."""

    def __call__(self, string: Any, pattern: Any) -> bool:
        return _matches(regex.search, string, pattern)


_DOT = re.compile(r"\\.|\[(?:\\.|[^\]\\])*\]|\.", re.DOTALL)


def _matches(find: Callable[..., Any], string: Any, pattern: Any) -> bool:
    if not isinstance(string, str) or not isinstance(pattern, str) or not is_iregexp(pattern):
        return False
    # In an I-Regexp (RFC 9485), a dot stands for anything but a line break.
    spelled = _DOT.sub(lambda part: r"[^\n\r]" if part[0] == "." else part[0], pattern)
    try:
        return find(spelled, string, regex.VERSION1, timeout=REGEX_LIMIT) is not None
    except regex.error:
        return False
    except TimeoutError:
        raise ExpressionError(f"the pattern '{_cut(pattern)}' takes longer than {REGEX_LIMIT:g} s") from None


class _Environment(jsonpath_rfc9535.JSONPathEnvironment):
    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        self.function_extensions |= {"match": _TimedMatch(), "search": _TimedSearch()}


_ENVIRONMENT = _Environment()

Template = Callable[[Any, Any, Mapping[str, Any]], Any]
"""Gives an argument's value, or MISSING, from the state's filtered input, the execution's input and the constants."""


def singular_keys(path: str) -> tuple[str | int, ...] | None:
    """Return the keys and positions of a path to one place, or None if it can select several."""
    if not _SINGULAR.fullmatch(path):
        return None
    return tuple(
        int(step["position"]) if step["position"] is not None else step["name"] or step["quoted"] or ""
        for step in _STEP.finditer(path)
    )


def compile_path(path: str) -> Query:
    """Compile a JSONPath.

    A path to one place gives its value, or MISSING; any other gives the list of what it selects.

    Raises:
        ExpressionError: it is not a JSONPath.
    """
    return _compile(path)[0]


@lru_cache(4096)  # definitions use the same few over and over
def _compile(path: str) -> tuple[Query, bool]:
    """Return the query, and whether it gives the list of what it selects."""
    path = path.strip()
    if len(path) > MAX_LENGTH:
        raise ExpressionError(f"a path may have {MAX_LENGTH} characters, not {len(path)}")
    keys = singular_keys(path)
    if keys is not None:
        return _singular(keys), False
    try:
        compiled = _ENVIRONMENT.compile(path)
    except (jsonpath_rfc9535.JSONPathError, RecursionError, OverflowError, ValueError) as error:
        raise ExpressionError(f"'{_cut(path)}' is not a JSONPath: {_reason(error)}") from None
    several = not compiled.singular_query()
    if _QUOTED.sub("", str(compiled)).count("..") > MAX_DESCENTS:
        raise ExpressionError(f"'{_cut(path)}' descends more than {MAX_DESCENTS} times (..)")

    def query(value: Any) -> Any:
        try:
            found = compiled.find(value).values()
        except (jsonpath_rfc9535.JSONPathError, RecursionError) as error:
            raise ExpressionError(f"'{_cut(path)}' can't be applied: {_reason(error)}") from None
        return found if several else found[0] if found else MISSING

    return query, several


def _reason(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else "nested too deeply"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:79] + "…"


def _singular(keys: tuple[str | int, ...]) -> Query:
    """Return a query for a path to one place; this is where runs spend their time."""
    if len(keys) == 1 and isinstance(keys[0], str):
        name = keys[0]
        return lambda value: value.get(name, MISSING) if isinstance(value, dict) else MISSING

    def descend(value: Any) -> Any:
        for key in keys:
            if isinstance(key, str):
                if not isinstance(value, dict) or key not in value:
                    return MISSING
            elif not isinstance(value, list) or not -len(value) <= key < len(value):
                return MISSING
            value = value[key]
        return value

    return descend


def compile_filter(path: str) -> Query | None:
    """Compile a ``state_data_filter`` path; None for ``""`` and ``"$"``, which pass all through."""
    return None if path.strip() in ("", "$") else compile_path(path)


def split_template(text: str) -> tuple[str, str | None] | None:
    """Split ``path | default``; None if `text` is a literal, which does not start with a path.

    ``|`` inside quotes or brackets belongs to the path.
    """
    if not _PATH_START.match(text.lstrip()):
        return None
    quote, depth, escaped = "", 0, False
    for at, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "'\"":
            quote = char
        elif char in "[(":
            depth += 1
        elif char in ")]":
            depth -= 1
        elif char == "|" and depth == 0:
            return text[:at].strip(), text[at + 1 :].strip()
    return text.strip(), None


def literal(text: str) -> Any:
    """Return what a default written without a path means: a number, a boolean, null, or text.

    Text may stand in single quotes, and must where it looks like one of the others.

    Raises:
        ExpressionError: it is a number that JSON or Python can't hold.
    """
    if len(text) >= 2 and text[0] == text[-1] == "'":
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    if text == "null":
        return None
    if _NUMBER.fullmatch(text):
        try:
            return loads_answer(text)
        except ValueError:
            raise ExpressionError(f"the number {_cut(text)} is out of range") from None
    return text


def compile_template(
    template: Any, on_error: Callable[[tuple[str | int, ...], str], None], options: Options = DEFAULTS
) -> Template:
    """Compile an argument template; objects and lists are walked, texts may be paths.

    An argument whose path leads nowhere and that has no default is left out, so that a handler's
    own default applies; in a list it is null, so that positions hold.

    Args:
        template: the JSON value of ``arguments`` or a part of it.
        on_error: told the place and the text of each malformed expression.
        options: `unresolved`, `argument_scope` and `constants_clash` matter here.
    """

    def build(node: Any, place: tuple[str | int, ...]) -> Template:
        if len(place) > MAX_DEPTH:
            on_error(place, f"arguments may be nested {MAX_DEPTH} levels deep")
            return _constant(None)
        if isinstance(node, dict):
            members = {key: build(member, (*place, key)) for key, member in node.items()}
            return lambda data, given, constants: {
                key: value
                for key, member in members.items()
                if (value := member(data, given, constants)) is not MISSING
            }
        if isinstance(node, list):
            items = [build(item, (*place, position)) for position, item in enumerate(node)]
            return lambda data, given, constants: [
                None if (value := item(data, given, constants)) is MISSING else value for item in items
            ]
        if isinstance(node, str):
            try:
                return _text_template(node, options)
            except ExpressionError as error:
                on_error(place, str(error))
        return _constant(node)

    return build(template, ())


def _constant(value: Any) -> Template:
    return lambda data, given, constants: value


def _text_template(text: str, options: Options) -> Template:
    split = split_template(text)
    if split is None:
        return _constant(text)
    candidate = _reference(split[0], options)
    if split[1] is None:
        return _resolved(candidate, text, options)
    if not _PATH_START.match(split[1]):
        value = literal(split[1])
        return lambda data, given, constants: (
            value if (found := candidate(data, given, constants)) is MISSING else found
        )
    fallback = _reference(split[1], options)
    return _resolved(
        lambda data, given, constants: (
            fallback(data, given, constants) if (found := candidate(data, given, constants)) is MISSING else found
        ),
        text,
        options,
    )


def _resolved(template: Template, text: str, options: Options) -> Template:
    """Return the template with what `options` want where nothing is found."""
    if options.unresolved == "omit":
        return template

    def resolved(data: Any, given: Any, constants: Mapping[str, Any]) -> Any:
        found = template(data, given, constants)
        if found is MISSING and options.unresolved == "fail":
            raise ExpressionError(f"'{_cut(text)}' leads nowhere")
        return None if found is MISSING else found

    return resolved


def _of_constants(query: Query) -> Template:
    return lambda data, given, constants: query(constants)


def _reference(path: str, options: Options) -> Template:
    if path.startswith("$CONST"):
        return _of_constants(compile_path("$" + path.removeprefix("$CONST")))
    query, several = _compile(path)
    # The official examples also write the root of the constants as $.constants
    among_constants = compile_path("$" + path.removeprefix("$.constants")) if _CONSTANTS.match(path) else None
    if among_constants is None and not several and options.argument_scope == "state":
        return lambda data, given, constants: query(data)
    if among_constants is None and not several:
        return lambda data, given, constants: query(given) if (found := query(data)) is MISSING else found
    looks: list[Template] = [lambda data, given, constants: query(data)]
    if options.argument_scope == "both":
        looks.append(lambda data, given, constants: query(given) if given is not data else MISSING)
    if among_constants is not None:
        at = len(looks) if options.constants_clash == "input" else 0
        looks.insert(at, _of_constants(among_constants))

    def reference(data: Any, given: Any, constants: Mapping[str, Any]) -> Any:
        found = MISSING
        for look in looks:
            found = look(data, given, constants)
            if found is not MISSING and not (several and not found):
                break
        return found

    return reference
