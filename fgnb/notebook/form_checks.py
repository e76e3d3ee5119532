"""What has to be mended in a form before it can run: counted, named, and said beside its field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.notebook.fields.compound import UnionField
from fgnb.notebook.fields.field import Field
from fgnb.notebook.hidden import lost
from fgnb.notebook.validation import Issue, Validator
from fgnb.paths import Path, format_path

NAMED = 3  # fields with a problem that are named beside the buttons


class Checks:
    """The problems of a form: texts that can't be read, what a schema finds, and secrets that are lost.

    Args:
        root: the field of the whole input.
        validator: checks it against the user's schema, if there is one.
        others: returns the names of what else can't be read.
    """

    def __init__(self, root: Field, validator: Validator | None, others: Callable[[], list[str]]) -> None:
        self._root, self._validator, self._others = root, validator, others
        self._issues: list[Issue] = []
        self.json: InputError | None = None  # why the JSON can't be read, while it can't

    def of(self, value: Any) -> list[Issue]:
        """Return what is wrong with an input."""
        found = self._validator.issues(value, self._variant_at) if self._validator is not None else []
        told = "the history keeps no secrets: write it again"
        return [*found, *(Issue(path, told) for path in lost(value))]

    def _variant_at(self, path: Path) -> int | None:
        field: Field | None = self._root.at(path)
        while field is not None and field.path == path:
            if isinstance(field, UnionField):
                return field.place()
            field = field.parent
        return None

    def paint(self, value: Any) -> None:
        """Say beside each field what is wrong there."""
        fields = list(self._root.everything())
        for field in fields:
            field.issues = []
        unread = {field.path for field in fields if field.problem() is not None}
        for issue in self.of(value):
            if issue.path not in unread:
                self._root.at(issue.path).issues.append(issue)
        self._issues = [issue for field in fields for issue in field.issues]  # in the order of the fields
        for field in fields:
            field.paint_note()

    def unread(self) -> list[tuple[str, str]]:
        """Return the fields whose text can't be read, by name, and why."""
        return [
            (field.name or "input", str(problem).splitlines()[0])
            for field in self._root.everything()
            if (problem := field.problem()) is not None
        ]

    def all(self) -> list[tuple[str, str]]:
        """Return everything that is wrong: where, and what."""
        if self.json is not None:
            return [("JSON", str(self.json).splitlines()[0])]
        issues = [(format_path(issue.path) or "input", issue.message) for issue in self._issues]
        return [*self.unread(), *issues, *((name, "can't be read") for name in self._others())]

    def told(self) -> str | None:
        """Return it on one line, or None if nothing is wrong."""
        if self.json is not None:
            return "the JSON needs mending"
        problems = self.all()
        if not problems:
            return None
        names = list(dict.fromkeys(name for name, _ in problems))
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return f"{counted(len(problems), 'problem')}: {', '.join(names[:NAMED])}{more}"
