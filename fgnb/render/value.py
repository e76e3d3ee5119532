"""A JSON value for a reader: by its shape a table, a list of rows, a text; cut where it is big.

What is cut is said where it is cut; the data themselves are never touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fgnb import jsontext
from fgnb.render import html
from fgnb.render.text import columns, cut, one_line

MAX_ROWS = 30
MAX_COLUMNS = 12
MAX_DEPTH = 3
MAX_TEXT = 600


def scalar_text(value: Any) -> str:
    """Return a leaf as text: a string as it is, everything else as in JSON."""
    return value if isinstance(value, str) else jsontext.dumps(value).decode()


def compact(value: Any, width: int) -> str:
    """Return any value on one line of at most `width` cells."""
    if isinstance(value, str) and len(value) > width:
        return cut(one_line(value[: 4 * width]), width)
    if isinstance(value, (dict, list)) and value:
        return cut(one_line(_outline(value, width)), width)
    return cut(one_line(scalar_text(value)), width)


def _outline(value: Any, budget: int) -> str:
    """Write a value as JSON, but no more of it than about `budget` characters need."""
    if isinstance(value, dict) and value:
        parts = []
        for key, member in value.items():
            if budget <= 0:
                parts.append("…")
                break
            parts.append(f"{key}: {_outline(member, budget)}")
            budget -= len(parts[-1])
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list) and value:
        parts = []
        for item in value:
            if budget <= 0:
                parts.append("…")
                break
            parts.append(_outline(item, budget))
            budget -= len(parts[-1])
        return "[" + ", ".join(parts) + "]"
    return value[: budget + 1] if isinstance(value, str) else scalar_text(value)


def is_table(value: Any) -> bool:
    """Whether a value is a list of objects, of which a table can be made."""
    return isinstance(value, list) and len(value) > 0 and all(isinstance(item, dict) and item for item in value)


def _headings(items: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for item in items[:MAX_ROWS] for key in item))


def _more(count: int, shown: int, what: str) -> str:
    return f"… {count - shown:,} more {what}" if count > shown else ""


def value_html(value: Any, depth: int = 0) -> str:
    """Return a JSON value as HTML."""
    if isinstance(value, str):
        return _text_html(value)
    if not isinstance(value, (dict, list)):
        return html.span(scalar_text(value), f"{html.MONO};font-size:12px")
    if not value:
        return html.muted("{}" if isinstance(value, dict) else "[]")
    if depth >= MAX_DEPTH:
        return html.span(compact(value, 120), f"{html.MONO};font-size:12px")
    if isinstance(value, dict):
        rows = [(html.muted(cut(key, 60)), value_html(member, depth + 1)) for key, member in _first(value.items())]
        return html.table(rows) + _note(len(value), "keys")
    if is_table(value):
        return _table_html(value, depth)
    if all(not isinstance(item, (dict, list)) for item in value) and len(value) <= 8:
        items = ", ".join(value_html(item, depth + 1) for item in value)
        return f"{html.muted('[')}{items}{html.muted(']')}"
    rows = [(html.muted(str(number)), value_html(item, depth + 1)) for number, item in _first(enumerate(value))]
    return html.table(rows) + _note(len(value), "items")


def _first(items: Any) -> list[Any]:
    return [item for _, item in zip(range(MAX_ROWS), items, strict=False)]


def _note(count: int, what: str, shown: int = MAX_ROWS) -> str:
    more = _more(count, shown, what)
    return f"<div>{html.muted(more)}</div>" if more else ""


def _text_html(text: str) -> str:
    if text == "":
        return html.muted('""')
    shown = text[:MAX_TEXT]
    more = html.muted(f" … {len(text):,} characters in all") if len(text) > MAX_TEXT else ""
    return f'<span style="white-space:pre-wrap;overflow-wrap:anywhere">{html.escape(shown)}</span>{more}'


def _table_html(items: list[dict[str, Any]], depth: int) -> str:
    heads = _headings(items)
    shown = heads[:MAX_COLUMNS]
    rows = [
        (html.muted(str(number)), *(value_html(item[key], depth + 1) if key in item else "" for key in shown))
        for number, item in enumerate(items[:MAX_ROWS])
    ]
    table = html.table(rows, head=["", *(cut(key, 40) for key in shown)])
    return table + _note(len(heads), "columns", len(shown)) + _note(len(items), "rows")


def value_lines(value: Any, *, indent: str = "", width: int = 100) -> list[str]:
    """Return a JSON value as lines of plain text."""
    room = width - len(indent)
    rows: list[tuple[str, ...]]
    if isinstance(value, dict) and value:
        rows = [(cut(key, 40), compact(member, room)) for key, member in _first(value.items())]
        more = _more(len(value), MAX_ROWS, "keys")
    elif is_table(value):
        heads = _headings(value)[:MAX_COLUMNS]
        rows = [tuple(cut(key, 24) for key in heads)]
        rows += [tuple(compact(item[key], 24) if key in item else "" for key in heads) for item in value[:MAX_ROWS]]
        more = _more(len(value), MAX_ROWS, "rows")
    elif isinstance(value, list) and value:
        rows = [(f"[{number}]", compact(item, room)) for number, item in _first(enumerate(value))]
        more = _more(len(value), MAX_ROWS, "items")
    else:
        return [indent + compact(value, room)]
    return columns(rows, indent=indent, width=width) + ([indent + more] if more else [])
