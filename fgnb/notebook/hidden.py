"""Secrets in an input: what a form shows, and what a browser and a saved notebook get, is a mark instead.

A form's widgets hold what they show, and a notebook may save that. So a value under a key that looks
like a secret is kept here, and each has a mark of its own, such as ``***1``: wherever the mark comes
back, as itself or moved to another place, it means that value.
"""

from __future__ import annotations

from typing import Any

from fgnb.notebook.texts import written
from fgnb.paths import Path
from fgnb.runs.redact import is_secret
from fgnb.secret import HIDDEN


class Hidden:
    """The secrets of one form, by their marks."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def shown(self, value: Any, key: str = "") -> Any:
        """Return a value as it may be shown: the same object if it holds no secret.

        Args:
            value: a JSON value.
            key: under which it stands.
        """
        return self._shown(value, key, bool(key) and is_secret(key))

    def _shown(self, value: Any, key: str, secret: bool) -> Any:
        if isinstance(value, dict):
            members = {name: self._shown(one, name, secret or is_secret(name)) for name, one in value.items()}
            return value if all(members[name] is one for name, one in value.items()) else members
        if isinstance(value, list):
            items = [self._shown(one, key, secret) for one in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        if not secret or value is None or isinstance(value, bool) or value in ("", HIDDEN):
            return value
        if not isinstance(value, str) and key.lower().endswith("tokens"):  # which counts something
            return value
        return value if isinstance(value, str) and value in self._values else self._mark(value)

    def _mark(self, value: Any) -> str:
        text = written(value)
        mark = self._marks.get(text)
        if mark is None:
            mark = self._marks[text] = f"{HIDDEN}{len(self._marks) + 1}"
            self._values[mark] = value
        return mark

    def is_mark(self, text: str) -> bool:
        """Whether a text stands for a secret."""
        return text in self._values

    def real(self, value: Any) -> Any:
        """Return what a shown value stands for: the same object if it holds no mark."""
        if not self._values:
            return value
        if isinstance(value, dict):
            members = {key: self.real(one) for key, one in value.items()}
            return value if all(members[key] is one for key, one in value.items()) else members
        if isinstance(value, list):
            items = [self.real(one) for one in value]
            return value if all(a is b for a, b in zip(items, value, strict=True)) else items
        return self._values.get(value, value) if isinstance(value, str) else value


def lost(value: Any, path: Path = ()) -> list[Path]:
    """Return the places of secrets that a record does not hold: they have to be written again."""
    if isinstance(value, dict):
        return [place for key, one in value.items() for place in lost(one, (*path, key))]
    if isinstance(value, list):
        return [place for at, one in enumerate(value) for place in lost(one, (*path, at))]
    return [path] if value == HIDDEN and any(isinstance(key, str) and is_secret(key) for key in path) else []
