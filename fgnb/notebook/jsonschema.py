"""The shape that a JSON Schema describes, be it written by hand or a pydantic model's.

Read are types, members, items, choices, bounds, formats, variants, references and null. What can't be
expressed by a field (tuples, objects of any keys, ``not``, ``if``) is a field of raw JSON; all of a schema
is checked by `fgnb.notebook.validation`, whatever is shown of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.notebook.node import Kind, Lazily, Node, Part
from fgnb.notebook.texts import written
from fgnb.values import to_json

Schema = Mapping[str, Any]

_KINDS: dict[str, Kind] = {
    "string": "text",
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "null": "choice",
}
_ALIKE = {  # keywords that tell the type where a schema does not name it
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
_FORMATS = {
    "date": "a date such as 2026-01-31",
    "time": "a time such as 09:30:00Z",
    "date-time": "a time such as 2026-01-31T09:30:00Z",
    "duration": "a duration such as P1DT12H",
    "email": "an e-mail address",
    "uri": "a URI",
    "uuid": "a UUID",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "hostname": "a host name",
}
_ANNOTATIONS = ("title", "description", "default", "examples")


def schema_of(given: Any) -> dict[str, Any]:
    """Return the JSON Schema that `given` is or can give.

    Args:
        given: a JSON Schema as a dict; a pydantic model, or a TypeAdapter of pydantic.

    Raises:
        InputError: it is nothing of these.
    """
    for method in ("model_json_schema", "json_schema"):
        make = getattr(given, method, None)
        if callable(make) and not isinstance(given, Mapping):
            given = make()
            break
    if not isinstance(given, Mapping):
        raise InputError(f"a schema is a JSON Schema (a dict) or a pydantic model, not {type(given).__name__}")
    schema: dict[str, Any] = to_json(given, root="schema")
    return schema


def node_of(schema: dict[str, Any]) -> Node:
    """Return the shape of a JSON Schema."""
    return _Reader(schema).node(schema)


class _Reader:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._anchors: dict[str, Any] | None = None

    def node(self, schema: Any) -> Node:
        """Return the node of a part of the schema."""
        if not isinstance(schema, dict):
            return Node(kind="json" if schema is False else "any", strict=True)
        flat = self._flat(schema)
        if flat is None:
            return Node(kind="json", strict=True, help=_text(schema, "description"), title=_text(schema, "title"))
        known: dict[str, Any] = {
            "strict": True,
            "title": _text(flat, "title"),
            "help": _text(flat, "description"),
            "default": flat.get("default", MISSING),
            "examples": tuple(flat["examples"]) if isinstance(flat.get("examples"), list) else (),
        }
        for keyword in ("oneOf", "anyOf"):
            if isinstance(flat.get(keyword), list) and flat[keyword]:
                return self._variants(flat, keyword, known)
        if "const" in flat:
            return Node(kind="choice", choices=(flat["const"],), **known)
        if isinstance(flat.get("enum"), list) and flat["enum"]:
            choices = tuple(flat["enum"])
            return Node(kind="choice", choices=choices, nullable=None in choices, **known)
        return self._typed(flat, known)

    def _typed(self, flat: Schema, known: dict[str, Any]) -> Node:
        types = flat.get("type")
        if types is None:
            types = next((name for name, words in _ALIKE.items() if any(word in flat for word in words)), None)
        names = [types] if isinstance(types, str) else list(types) if isinstance(types, list) else []
        nullable = "null" in names and len(names) > 1
        names = [name for name in names if name != "null" or not nullable]
        known |= {"nullable": nullable, "hints": tuple(_hints(flat))}
        kind = _KINDS.get(names[0], "any") if len(names) == 1 else "any"
        if names == ["null"]:
            return Node(kind="choice", choices=(None,), **known)
        if kind == "object":
            return self._object(flat, known)
        if kind == "array":
            items = flat.get("items", True)
            if "prefixItems" in flat or isinstance(items, list):  # a tuple
                return Node(kind="json", **known)
            return Node(kind="array", parts=Lazily(lambda: (Part(node=self.node(items)),)), **known)
        if kind in ("integer", "number"):
            low = flat.get("minimum", flat.get("exclusiveMinimum"))
            number = isinstance(low, (int, float)) and not isinstance(low, bool)
            return Node(kind=kind, low=low if number else None, **known)
        return Node(kind=kind, **known)

    def _object(self, flat: Schema, known: dict[str, Any]) -> Node:
        members = flat.get("properties")
        if not isinstance(members, dict) or not members:
            return Node(kind="json", **known)
        required = flat.get("required")
        needed = required if isinstance(required, list) else []
        others = flat.get("additionalProperties", False) is not False or bool(flat.get("patternProperties"))

        def parts() -> Sequence[Part]:
            return tuple(
                Part(key=key, node=self.node(member), required=key in needed) for key, member in members.items()
            )

        return Node(kind="object", parts=Lazily(parts), extra=others, **known)

    def _variants(self, flat: dict[str, Any], keyword: str, known: dict[str, Any]) -> Node:
        base = {key: value for key, value in flat.items() if key not in (keyword, *_ANNOTATIONS)}
        given = [self._flat(one) if isinstance(one, dict) else None for one in flat[keyword]]
        places = [at for at, one in enumerate(given) if one is None or not _is_null(one)]
        nullable = len(places) < len(given)
        if all("const" in (given[at] or ()) for at in places) and len(places) > 1:  # names for values
            chosen = [given[at] or {} for at in places]
            labels = tuple(_text(one, "title") or str(one["const"]) for one in chosen)
            choices = tuple(one["const"] for one in chosen)
            if nullable:
                labels, choices = (*labels, "null"), (*choices, None)
            return Node(kind="choice", choices=choices, labels=labels, nullable=nullable, **known)
        if len(places) == 1:
            only = given[places[0]]
            node = self.node(_joined(base, only) if only is not None else flat[keyword][places[0]])
            over = {key: value for key, value in known.items() if key != "strict" and value not in ("", (), MISSING)}
            return replace(node, nullable=nullable or node.nullable, **over)

        def parts() -> Sequence[Part]:
            found = []
            for at in places:
                one = given[at]
                node = self.node(_joined(base, one) if one is not None else flat[keyword][at])
                found.append(Part(key=_variant_name(node, at), node=node, place=at))
            return tuple(found)

        return Node(kind="union", nullable=nullable, parts=Lazily(parts), **known)

    # --- references ------------------------------------------------------------------------------

    def _flat(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        """Return a schema without ``$ref`` and ``allOf``; None if a reference leads nowhere, or in a circle."""
        seen: set[str] = set()
        while isinstance(schema.get("$ref"), str):
            reference = schema["$ref"]
            target = self._resolved(reference)
            if reference in seen or not isinstance(target, dict):
                return None
            seen.add(reference)
            schema = _joined({key: value for key, value in schema.items() if key != "$ref"}, target)
        all_of = schema.get("allOf")
        if not isinstance(all_of, list):
            return schema
        flat = {key: value for key, value in schema.items() if key != "allOf"}
        for one in all_of:
            part = self._flat_once(one)
            if part is None:
                return None
            flat = _joined(flat, part)
        return flat

    def _flat_once(self, schema: Any) -> dict[str, Any] | None:
        if not isinstance(schema, dict):
            return {} if schema is True else None
        try:
            return self._flat(schema)
        except RecursionError:  # an allOf that holds itself
            return None

    def _resolved(self, reference: str) -> Any:
        base, _, pointer = reference.partition("#")
        if base and base != self._root.get("$id"):
            return None  # of another document, which is never fetched
        if pointer and not pointer.startswith("/"):
            if self._anchors is None:
                self._anchors = _anchors(self._root)
            return self._anchors.get(pointer)
        node: Any = self._root
        for step in pointer.split("/")[1:]:
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            elif isinstance(node, dict) and key in node:
                node = node[key]
            else:
                return None
        return node


def _anchors(root: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            for word in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(word), str):
                    found.setdefault(node[word], node)
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return found


def _joined(one: Schema, other: Schema) -> dict[str, Any]:
    """Return a schema that says what both say; where they differ, the first one, which stands closer, is shown."""
    joined = {**other, **one}
    if isinstance(one.get("properties"), dict) and isinstance(other.get("properties"), dict):
        both = dict(other["properties"])
        for key, schema in one["properties"].items():
            both[key] = {"allOf": [schema, both[key]]} if key in both and both[key] != schema else schema
        joined["properties"] = both
    if isinstance(one.get("required"), list) and isinstance(other.get("required"), list):
        joined["required"] = [*one["required"], *(key for key in other["required"] if key not in one["required"])]
    all_of = [part for each in (one, other) if isinstance(each.get("allOf"), list) for part in each["allOf"]]
    return joined | ({"allOf": all_of} if all_of else {})


def _is_null(schema: Schema) -> bool:
    return schema.get("type") in ("null", ["null"]) or schema.get("enum") == [None] or schema.get("const", 0) is None


def _text(schema: Schema, key: str) -> str:
    value = schema.get(key)
    return value if isinstance(value, str) else ""


def _variant_name(node: Node, at: int) -> str:
    if node.title:
        return node.title
    if node.kind == "choice":
        return ", ".join(written(value) for value in node.choices)[:60]
    if node.kind == "object":
        for part in node.parts:  # the member that tells the variants apart
            if part.node.kind == "choice" and len(part.node.choices) == 1:
                value = part.node.choices[0]
                return value if isinstance(value, str) else written(value)
        needed = [part.key for part in node.parts if part.required] or [part.key for part in node.parts]
        return ", ".join(needed)[:60]
    return {"any": f"variant {at + 1}", "json": "JSON", "array": "list"}.get(node.kind, node.kind)


def _hints(flat: Schema) -> list[str]:
    """Return what a schema demands, in words."""
    hints = []
    form = flat.get("format")
    if isinstance(form, str):
        hints.append(_FORMATS.get(form, form))
    low, high = flat.get("minimum"), flat.get("maximum")
    if low is not None and high is not None:
        hints.append(f"{low} to {high}")
    elif low is not None or high is not None:
        hints.append(f"at least {low}" if high is None else f"at most {high}")
    for word, text in (
        ("exclusiveMinimum", "more than"),
        ("exclusiveMaximum", "less than"),
        ("multipleOf", "a multiple of"),
    ):
        if isinstance(flat.get(word), (int, float)) and not isinstance(flat.get(word), bool):
            hints.append(f"{text} {flat[word]}")
    for first, last, what in (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "items")):
        low, high = flat.get(first), flat.get(last)
        if low is not None and high is not None:
            hints.append(f"{low} {what}" if low == high else f"{low} to {high} {what}")
        elif low is not None or high is not None:
            hints.append(f"at least {low} {what}" if high is None else f"at most {high} {what}")
    if isinstance(flat.get("pattern"), str):
        hints.append(f"of the form {flat['pattern']}")
    if flat.get("uniqueItems") is True:
        hints.append("each once")
    return hints
