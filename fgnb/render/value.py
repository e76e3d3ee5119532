"""A JSON value for a reader, by its shape a tree, a table, a list, a text; cut where big, folded where deep.

What is cut is said where it is cut; the data themselves are never touched. Values under keys that look
like secrets are not shown, since what a cell shows is saved with the notebook.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from fgnb import jsontext
from fgnb.counted import counted
from fgnb.render import html
from fgnb.render.text import columns, cut, one_line
from fgnb.runs.redact import is_secret, masked_text
from fgnb.secret import HIDDEN

MAX_ROWS = 30
MAX_COLUMNS = 12
MAX_DEPTH = 8  # levels that can be opened; what lies deeper is one line
OPEN_DEPTH = 2  # levels that are open to begin with
MAX_INLINE = 8  # items of a list that stand side by side
MAX_TEXT = 300  # characters of a text that are open to begin with
MAX_LONG = 4000  # characters that can be opened
BUDGET = 120_000  # characters of HTML after which values are one line each: a card stays small

_KEYS = re.compile(r"[^.\[\]']+")
_CODE = f"{html.MONO};font-size:12px"


def scalar_text(value: Any) -> str:
    """Return a leaf as text: a string as it is, everything else as in JSON."""
    return value if isinstance(value, str) else jsontext.dumps(value).decode()


def compact(value: Any, width: int, *, hide: bool = True) -> str:
    """Return any value on one line of at most `width` cells; with `hide`, without what looks like a secret."""
    if isinstance(value, str):
        text = value[: 4 * width] if len(value) > width else value
        return cut(one_line(masked_text(text) if hide else text), width)
    if isinstance(value, (dict, list)) and value:
        return cut(one_line(_outline(value, width, hide)), width)
    return cut(one_line(scalar_text(value)), width)


def _outline(value: Any, budget: int, hide: bool) -> str:
    """Write a value as JSON, but no more of it than about `budget` characters need."""
    if isinstance(value, dict) and value:
        parts = []
        for key, member in value.items():
            if budget <= 0:
                parts.append("…")
                break
            hidden = hide and _hides(key, member)
            parts.append(f"{key}: {HIDDEN if hidden else _outline(member, budget, hide)}")
            budget -= len(parts[-1])
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list) and value:
        parts = []
        for item in value:
            if budget <= 0:
                parts.append("…")
                break
            parts.append(_outline(item, budget, hide))
            budget -= len(parts[-1])
        return "[" + ", ".join(parts) + "]"
    if isinstance(value, str):
        return masked_text(value[: budget + 1]) if hide else value[: budget + 1]
    return scalar_text(value)


def _hides(key: str, member: Any) -> bool:
    """Whether a member is not shown: a secret that says something."""
    return member is not None and not isinstance(member, bool) and is_secret(key)


def is_hidden_path(path: str) -> bool:
    """Whether a path, as `fgnb.paths.format_path` writes it, leads through a key that looks like a secret."""
    return any(is_secret(key) for key in _KEYS.findall(path))


def is_table(value: Any) -> bool:
    """Whether a value is a list of objects, of which a table can be made."""
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, dict) and item for item in value)


def _headings(items: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for item in items[:MAX_ROWS] for key in item))


def _more(count: int, shown: int, what: str) -> str:
    return f"… {counted(count - shown, f'more {what}')}" if count > shown else ""


def value_html(value: Any) -> str:
    """Return a JSON value as HTML."""
    return _Writer().value(value, 0)


class _Writer:
    """Writes one value; knows how much it has written."""

    def __init__(self) -> None:
        self.left = BUDGET

    def value(self, value: Any, depth: int) -> str:
        left = self.left
        written = self._value(value, depth)
        self.left = left - len(written)  # with the parts, which have counted themselves
        return written

    def _value(self, value: Any, depth: int) -> str:
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, (dict, list)):
            return html.span(scalar_text(value), _CODE)
        if not value:
            return html.muted("{}" if isinstance(value, dict) else "[]")
        if (
            isinstance(value, list)
            and len(value) <= MAX_INLINE
            and not any(isinstance(item, (dict, list)) for item in value)
        ):
            items = ", ".join(self.value(item, depth + 1) for item in value)
            return f"{html.muted('[')}{items}{html.muted(']')}"
        if depth >= MAX_DEPTH or self.left <= 0:
            return html.span(compact(value, 120), _CODE)
        content = self._content(value, depth)
        return content if depth < OPEN_DEPTH else html.folded(_summary(value), content)

    def _content(self, value: dict[str, Any] | list[Any], depth: int) -> str:
        if isinstance(value, dict):
            rows = [(_key(key), self.member(key, member, depth)) for key, member in islice(value.items(), MAX_ROWS)]
            return html.table(rows) + _note(_more(len(value), MAX_ROWS, "key"))
        if is_table(value):
            return self._table(value, depth)
        if not any(isinstance(item, (dict, list)) for item in islice(value, MAX_ROWS)):
            items = ", ".join(self.value(item, depth + 1) for item in islice(value, MAX_ROWS))
            more = f", {html.muted(_more(len(value), MAX_ROWS, 'item'))}" if len(value) > MAX_ROWS else ""
            return f"{html.muted('[')}{items}{more}{html.muted(']')}"
        rows = [(html.muted(str(number)), self.value(item, depth + 1)) for number, item in _first(value)]
        return html.table(rows) + _note(_more(len(value), MAX_ROWS, "item"))

    def member(self, key: str, member: Any, depth: int) -> str:
        return html.muted(HIDDEN) if _hides(key, member) else self.value(member, depth + 1)

    def _text(self, text: str) -> str:
        if text == "":
            return html.muted('""')
        shown = masked_text(text[:MAX_LONG])
        if len(text) <= MAX_TEXT:
            return html.words(shown)
        if self.left <= 0:
            return html.words(cut(one_line(shown), 120))
        count = html.muted(f" … {len(text):,} characters in all")
        if shown.count("\n") < 2 and len(text) <= 2 * MAX_TEXT:
            return html.words(shown)
        rest = "" if len(text) <= MAX_LONG else count
        return html.words(shown[:MAX_TEXT]) + count + html.folded("show more of it", html.preformatted(shown) + rest)

    def _table(self, items: list[dict[str, Any]], depth: int) -> str:
        heads = _headings(items)
        shown = heads[:MAX_COLUMNS]
        rows = [
            (html.muted(str(number)), *(self.member(key, item[key], depth + 1) if key in item else "" for key in shown))
            for number, item in _first(items)
        ]
        table = html.table(rows, head=["", *(cut(key, 40) for key in shown)])
        notes = (_more(len(heads), len(shown), "column"), _more(len(items), MAX_ROWS, "row"))
        return table + "".join(map(_note, notes))


def _key(key: str) -> str:
    return html.muted(cut(key, 60))


def _first(items: Iterable[Any]) -> Iterable[tuple[int, Any]]:
    return islice(enumerate(items), MAX_ROWS)


def _note(text: str) -> str:
    return f"<div>{html.muted(text)}</div>" if text else ""


def _summary(value: dict[str, Any] | list[Any]) -> str:
    """Say what is folded: how much, and how it begins."""
    return f"{counted(len(value), 'key' if isinstance(value, dict) else 'item')}  {compact(value, 60)}"


def value_lines(value: Any, *, indent: str = "", width: int = 100) -> list[str]:
    """Return a JSON value as lines of plain text."""
    room = width - len(indent)
    rows: list[tuple[str, ...]]
    if isinstance(value, dict) and value:
        shown = islice(value.items(), MAX_ROWS)
        rows = [(cut(key, 40), HIDDEN if _hides(key, member) else compact(member, room)) for key, member in shown]
        more = _more(len(value), MAX_ROWS, "key")
    elif is_table(value):
        heads = _headings(value)[:MAX_COLUMNS]
        rows = [tuple(cut(key, 24) for key in heads)]
        rows += [tuple(_cell(item, key) for key in heads) for item in value[:MAX_ROWS]]
        more = _more(len(value), MAX_ROWS, "row")
    elif isinstance(value, list) and value:
        rows = [(f"[{number}]", compact(item, room)) for number, item in _first(value)]
        more = _more(len(value), MAX_ROWS, "item")
    else:
        return [indent + compact(value, room)]
    return columns(rows, indent=indent, width=width) + ([indent + more] if more else [])


def _cell(item: dict[str, Any], key: str) -> str:
    if key not in item:
        return ""
    return HIDDEN if _hides(key, item[key]) else compact(item[key], 24)
