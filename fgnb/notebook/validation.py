"""What a user's JSON Schema finds wrong with an input, place by place; by jsonschema-rs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

from fgnb.errors import InputError
from fgnb.paths import Path, format_path

MOST = 500  # issues that are looked at: a list of a million may have as many

Chosen = Callable[[Path], int | None]
"""Gives the variant that is shown at a place with several, by its position in the schema; None if that is open."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong: `missing` if nothing is there yet."""

    path: Path
    message: str
    missing: bool = False


class Validator:
    """Checks inputs against a JSON Schema; nothing is ever fetched.

    Raises:
        InputError: the schema is not valid, or refers to what is not in it.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(
                schema, validate_formats=True, mask="this", retriever=_fetch_nothing
            )
        except (ValueError, TypeError) as error:  # its ValidationError and ReferencingError are ValueErrors
            place = format_path(tuple(getattr(error, "instance_path", ()))) or None
            said = "no such type, value or form" if place else str(error).splitlines()[0]
            raise InputError(f"the schema is not valid: {said}", path=place) from None

    def issues(self, value: Any, chosen: Chosen = lambda path: None) -> list[Issue]:
        """Return what is wrong with a value, each thing once, in the order of the schema.

        Args:
            value: a JSON value.
            chosen: which of several variants is meant.
        """
        found: dict[tuple[Path, str], Issue] = {}
        for issue in _read(self._validator.iter_errors(value), chosen, 0):
            found.setdefault((issue.path, issue.message), issue)
            if len(found) >= MOST:
                break
        return list(found.values())


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not in the schema, and nothing is fetched")


def _read(errors: Iterable[Any], chosen: Chosen, depth: int) -> Iterator[Issue]:
    for error in errors:
        path = tuple(error.instance_path)
        kind = error.kind
        name = kind.name
        if name == "required":
            yield Issue((*path, kind.property), "required", missing=True)
        elif name in ("additionalProperties", "unevaluatedProperties"):
            for key in kind.unexpected:
                yield Issue((*path, key), "not allowed here")
        elif name in ("oneOf", "anyOf") and all(kind.context) and depth < 10:  # in none of which nothing is wrong
            branches = kind.context
            at = chosen(path)
            branch = branches[at] if at is not None and at < len(branches) else min(branches, key=_unlike)
            yield from _read(branch, chosen, depth + 1)
        else:
            yield Issue(path, _said(name, error))


def _unlike(branch: Any) -> tuple[int, int]:
    """Return how little a branch of a choice has to do with a value: a wrong type tells most."""
    return sum(1 for error in branch if error.kind.name in ("type", "const", "enum")), len(branch)


_WORDS = {"false schema": "nothing may stand here", "falseSchema": "nothing may stand here"}


def _said(name: str, error: Any) -> str:
    kind = error.kind
    if name == "type":
        return f"not {' or '.join(_TYPES.get(word, word) for word in kind.types)}"
    if name == "oneOf":
        return "several of the variants fit, but only one may"
    if name == "pattern":
        return f"not of the form {kind.pattern}"
    if name == "format":
        return f"not a valid {kind.format}"
    text: str = _WORDS.get(name) or str(error.message).splitlines()[0][:300]
    return text.removeprefix("this is ") if text.startswith("this is ") else text.removeprefix("this ")


_TYPES = {
    "string": "a text",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
