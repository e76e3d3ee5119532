"""A form without widgets: its fields and its input as plain text and as HTML, for a terminal and a saved notebook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fgnb.local.expressions import MISSING
from fgnb.notebook.fields.compound import LATER
from fgnb.notebook.node import MAX_DEPTH, Node, initial
from fgnb.notebook.places import member
from fgnb.notebook.texts import written
from fgnb.paths import Path, format_path
from fgnb.render import html
from fgnb.render.text import columns, cut
from fgnb.visible import visible

MOST = 300  # rows: a shape may hold itself

Cells = tuple[str, str, str, str]


def template(node: Node, value: dict[str, Any]) -> dict[str, Any]:
    """Return `value` with the members that it lacks and that the workflow surely reads: their defaults, else null."""
    filled = dict(value)
    for part in node.parts:
        if part.key not in filled and part.primary and (part.required or not part.node.strict):
            filled[part.key] = _template(part.node, 0)
    return filled


def _template(node: Node, depth: int) -> Any:
    value = initial(node)
    if value is not MISSING and value != {}:
        return value
    if node.kind == "object" and depth < MAX_DEPTH:
        return {
            part.key: _template(part.node, depth + 1)
            for part in node.parts
            if part.primary and (part.required or not part.node.strict)
        }
    return [] if node.kind == "array" else None


def _rows(node: Node, path: str, depth: int) -> Iterator[Cells]:
    """Yield path, kind, default and help of all places in a node."""
    for part in node.parts if depth < 5 else ():
        here = (
            path + "[]" if node.kind == "array" else format_path((part.key,), path) if node.kind == "object" else path
        )
        inner = part.node
        if node.kind == "union":
            yield here, f"variant: {part.key}", "", inner.help
        elif node.kind == "object":
            yield (
                here,
                kind_of(inner),
                _said(inner, required=part.required),
                "; ".join(filter(None, (inner.title, inner.help, *inner.hints))),
            )
        yield from _rows(inner, here, depth + 1)


def kind_of(node: Node) -> str:
    """Return what may stand at a place, in words."""
    if node.kind == "choice":
        kind = " | ".join(written(value) for value in node.choices)
    elif node.kind == "array":
        kind = f"list of {kind_of(node.item)}" if node.item.kind not in ("any", "object", "array") else "list"
    else:
        kind = {"any": "text or JSON", "json": "JSON", "union": "one of"}.get(node.kind, node.kind)
    return f"{kind} or null" if node.nullable and node.kind != "choice" else kind


def _said(node: Node, *, required: bool) -> str:
    said = ["required"] if required else []
    if node.has_default:
        said.append(f"default {written(node.default)}")
    elif node.examples:
        said.append(f"such as {', '.join(written(value) for value in node.examples[:3])}")
    return ", ".join(said)


def _groups(node: Node) -> list[tuple[str, list[Cells]]]:
    groups: list[tuple[str, list[Cells]]] = []
    for title, primary in (("fields", True), (LATER, False)):
        parts = tuple(part for part in node.parts if part.primary == primary)
        rows: list[Cells] = []
        for row in _rows(Node(kind=node.kind, parts=parts), "", 0):
            rows.append((row[0], cut(row[1], 60), cut(row[2], 60), cut(row[3], 120)))
            if len(rows) == MOST:
                break
        if rows:
            groups.append((title, rows))
    return groups


def as_text(name: str, node: Node, value: dict[str, Any]) -> str:
    """Return the fields and the input, or a template of one, as plain text."""
    parts = [f"{name}: the input's fields"]
    for title, rows in _groups(node):
        parts += [*([title] if title == LATER else []), *columns(rows, indent="  ")]
    title, shown = _input(node, value)
    return "\n".join([*parts, title, *(f"  {visible(text)}" for text in shown.splitlines())])


def as_html(name: str, node: Node, value: dict[str, Any]) -> str:
    """Return the same as HTML."""
    parts = [html.heading(name)]
    for title, rows in _groups(node):
        parts.append(html.section(title, html.table([[html.escape(cell) for cell in row] for row in rows])))
    title, shown = _input(node, value)
    parts.append(html.section(title, html.preformatted(shown)))
    return html.frame_box("".join(parts), html.OTHER_COLOUR)


def _input(node: Node, value: dict[str, Any]) -> tuple[str, str]:
    if value:
        return "the input", written(value, indent=2)
    return "an input to start from", written(template(node, value), indent=2)


def primary_places(node: Node, value: Any) -> list[Path]:
    """Return the places of folded members that a value has."""
    return [(part.key,) for part in node.parts if not part.primary and member(value, (part.key,)) is not MISSING]
