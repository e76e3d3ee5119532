"""The fields of a workflow's input: read out of its definition, and as texts that people edit.

Nothing here knows a widget. A field stands for a place in the input that an argument template of
the definition reads, such as ``$.customer.id | 'nobody'``. Its value is shown as a text by `show`
and read back by `read`; an empty text means that the value is absent, so that the default applies.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fgnb import flow, jsontext
from fgnb.errors import InputError, SyntaxProblem
from fgnb.local.expressions import MAX_LENGTH, MISSING, compile_path, literal, singular_keys, split_template
from fgnb.paths import Path, assign, format_path

Kind = Literal["text", "integer", "number", "boolean", "json", "any"]
"""What a field's text means; ``any`` is a JSON value or, where it is not JSON, that text itself."""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A place in the input that the definition reads.

    Attributes:
        path: its keys; it never leads into an array, which is a field as a whole.
        kind: as the default's JSON type suggests; the definition itself says nothing of types.
        default: what the service takes where the input has nothing, MISSING if it has none.
        primary: whether the workflow's own input is read here for certain. A later state may as
            well mean an earlier function's output.
    """

    path: Keys
    kind: Kind = "any"
    default: Any = MISSING
    primary: bool = True

    @property
    def label(self) -> str:
        """The path as text, e.g. ``customer.id``."""
        return format_path(self.path)

    @property
    def has_default(self) -> bool:
        """Whether the definition says what is taken where the input has nothing."""
        return self.default is not MISSING


# --- fields of a definition ----------------------------------------------------------------------


def fields(definition: Any) -> tuple[Field, ...]:
    """Return the fields of a raw definition, primary ones first, each group in the order of the flow.

    A place that is read twice is one field: the first reading wins, a later one only adds a default
    or a type that is still unknown. Where both an object and members of it are read
    (``$.customer`` and ``$.customer.id``), only the members are fields, so that no two fields hold
    the same value; they are primary if the object is.

    Whatever is not as a definition should be is passed over.
    """
    found: dict[Keys, Field] = {}
    for field in _readings(definition):
        known = found.get(field.path)
        found[field.path] = field if known is None else _merged(known, field)
    outer = {path[:length] for path in found for length in range(1, len(path))}
    kept = [
        replace(field, primary=field.primary or any(found[above].primary for above in _above(path) if above in found))
        for path, field in found.items()
        if path not in outer
    ]
    return tuple(sorted(kept, key=lambda field: not field.primary))


def _above(path: Keys) -> Iterator[Keys]:
    return (path[:length] for length in range(1, len(path)))


def _merged(first: Field, again: Field) -> Field:
    return replace(
        first,
        kind=again.kind if first.kind == "any" else first.kind,
        default=first.default if first.has_default else again.default,
    )


def _readings(definition: Any) -> Iterator[Field]:
    """Yield a field for every template that reads a single place, in the order of the flow."""
    raw = _object(definition)
    constants = _object(raw.get("constants"))
    yield from _readings_of(raw, (), constants)


def _readings_of(holder: Mapping[str, Any], root: Path | None, constants: Mapping[str, Any]) -> Iterator[Field]:
    """Yield the fields of a workflow, a branch or a loop.

    Args:
        holder: what has ``start`` and ``states``.
        root: where what comes into it lies in the workflow's input; None if a function has made it,
            or a filter that selects several places.
        constants: the definition's.
    """
    way, aside = flow.in_order(holder)
    roots: dict[str, Path | None] = {way[0]["id"]: root} if way else {}
    for state in (*way, *aside):
        filters = _object(state.get("state_data_filter"))
        given = _filtered(roots.get(str(state.get("id"))), filters.get("input"))
        passes_on = True
        # In a sequence, an action reads the output of the one before
        for number, reference in enumerate(flow.calls(state) if state.get("type") != "Foreach" else ()):
            reads_input = number == 0 or state.get("action_mode") == "parallel"
            yield from _fields_in(reference.get("arguments"), given if reads_input else None, constants)
            passes_on = False
        if state.get("type") == "Foreach":
            yield from _fields_in(state.get("input_collection"), given, constants, kind="json")
            passes_on = False
        for body in flow.objects(state.get("branches")):
            for number, reference in enumerate(flow.calls(body)):
                reads_input = number == 0 or body.get("action_mode") == "parallel"
                yield from _fields_in(reference.get("arguments"), given if reads_input else None, constants)
            yield from _readings_of(body, given, constants)
            passes_on = False
        result = _filtered(given, filters.get("output")) if passes_on and not state.get("workflow_id") else None
        caught = flow.error_targets(state)
        for target in flow.targets(state):
            # Where ways from several places join, what comes in is known only if it is the same
            coming = None if target in caught else result
            roots[target] = coming if roots.get(target, coming) == coming else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _filtered(root: Path | None, filter: Any) -> Path | None:
    text = filter.strip() if isinstance(filter, str) else ""
    keys = singular_keys(text) if text else ()
    return None if root is None or keys is None else root + keys


def _fields_in(
    template: Any, root: Path | None, constants: Mapping[str, Any], *, kind: Kind | None = None
) -> Iterator[Field]:
    for text in _texts(template):
        split = split_template(text)
        keys = singular_keys(split[0]) if split else None
        if split is None or keys is None or keys[:1] == ("constants",):
            continue
        # What is not where the state looks is looked up in the workflow's input
        place = (root or ()) + keys
        path = _keys(place)
        if not path:
            continue
        if len(path) < len(place):  # it leads into an array, whose items' default is not its own
            yield Field(path=path, kind="json", primary=root is not None)
        else:
            default = _default(split[1], constants)
            known = kind or _KINDS.get(type(default), "any")
            yield Field(path=path, kind=known, default=default, primary=root is not None)


def _keys(place: Path) -> Keys:
    """Return the keys before the first position."""
    keys: list[str] = []
    for step in place:
        if not isinstance(step, str):
            break
        keys.append(step)
    return tuple(keys)


def _texts(template: Any) -> Iterator[str]:
    """Yield every text in a template, in its order; not by recursion, which depth could exhaust."""
    stack = [template]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            stack.extend(reversed(node.values()))
        elif isinstance(node, list):
            stack.extend(reversed(node))


def _default(text: str | None, constants: Mapping[str, Any]) -> Any:
    """Return what a default means as far as the definition alone tells, or MISSING."""
    if text is None:
        return MISSING
    if split_template(text) is not None:
        root = next((root for root in ("$CONST", "$.constants") if text.startswith(root)), None)
        path = "$" + text.removeprefix(root) if root else ""
        # Anything else is another place in the input, which is not known here
        known = len(path) <= MAX_LENGTH and singular_keys(path) is not None
        return compile_path(path)(constants) if known else MISSING
    try:
        value = literal(text)
    except ValueError:  # more digits than Python reads
        return MISSING
    return value if not isinstance(value, float) or math.isfinite(value) else MISSING


_KINDS: dict[type, Kind] = {str: "text", bool: "boolean", int: "integer", float: "number", list: "json", dict: "json"}


# --- values as texts -----------------------------------------------------------------------------

_TYPES = {str: "text", bool: "boolean", int: "integer", float: "number", type(None): "null", list: "array"}
_FITTING: dict[Kind, tuple[type, ...]] = {"text": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,)}


def json_type(value: Any) -> str:
    """Return the name of a JSON value's type: text, integer, number, boolean, null, array, object."""
    return _TYPES.get(type(value), "object")


def fits(kind: Kind, value: Any) -> bool:
    """Whether a field of this kind can read this JSON value; any value may stand in one."""
    return type(value) in _FITTING.get(kind, (type(value),))


def read(kind: Kind, text: str) -> Any:
    """Return what a field's text means; MISSING if it is empty, since an empty field is absent.

    A ``text`` field gives exactly that text, ``00123`` too, but for line ends at its end; a JSON
    string in double quotes is the string it stands for, so that ``""`` is the empty text.

    Raises:
        InputError: the text means nothing in a field of this kind.
    """
    if kind == "text":
        return _unquoted(text.rstrip("\n")) if text.rstrip("\n") else MISSING
    if not text.strip():
        return MISSING
    try:
        value = jsontext.loads(text)
    except SyntaxProblem as problem:
        if kind == "any":
            return text.rstrip("\n")
        if kind == "json":
            raise
        raise InputError(f"not {_WANTED[kind]}") from problem
    except InputError as error:
        if kind == "any":
            raise InputError(f"{error}; in double quotes it is a text") from None
        raise
    if not fits(kind, value):
        raise InputError(f"not {_WANTED[kind]}")
    return value


_WANTED: dict[Kind, str] = {"integer": "an integer", "number": "a number", "boolean": "true or false"}


def _unquoted(text: str) -> str:
    if text.startswith('"') and text.endswith('"'):
        try:
            value = jsontext.loads(text)
        except InputError:
            return text
        return value if isinstance(value, str) else text
    return text


def show(kind: Kind, value: Any) -> str:
    """Return the text that `read` gives this value back for; empty if it is MISSING.

    A value that does not fit the kind, which `read` would refuse, is shown as JSON.
    """
    if value is MISSING:
        return ""
    return value if isinstance(value, str) and _is_plain(kind, value) else written(value)


def _is_plain(kind: Kind, text: str) -> bool:
    """Whether a text shows as it is, survives being edited in a text area, and means itself."""
    if text != text.strip() or not _encodable(text) or any(char < " " and char not in "\n\t" for char in text):
        return False
    try:
        return kind in ("text", "any") and bool(read(kind, text) == text)
    except InputError:
        return False


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def written(value: Any, *, indent: int | None = None) -> str:
    """Return a JSON value as a text that can be shown.

    Raises:
        InputError: it is nested too deeply, or an integer has more digits than Python writes.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=indent)
        return text if _encodable(text) else json.dumps(value, allow_nan=False, indent=indent)
    except RecursionError:
        raise InputError("the value is nested too deeply") from None
    except ValueError:
        raise InputError(jsontext.DIGITS) from None


# --- the input as a whole ------------------------------------------------------------------------


def read_input(text: str) -> dict[str, Any]:
    """Return the input that a JSON text stands for; an empty text is an empty object.

    Raises:
        InputError: it is not JSON, or not an object, which the service requires.
    """
    value = jsontext.loads(text) if text.strip() else {}
    if not isinstance(value, dict):
        raise InputError(f"the input must be a JSON object, not {written(value)[:40]}")
    return value


def member(value: Any, path: Keys) -> Any:
    """Return what stands at `path`, or MISSING."""
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


def with_member(value: dict[str, Any], path: Keys, new: Any) -> dict[str, Any]:
    """Return a copy with `new` at `path`, all else kept; MISSING takes away what is there.

    An object that holds nothing else goes with its last member.

    Raises:
        InputError: the path leads through something that is not an object.
    """
    if new is not MISSING:
        return assign(value, path, new)
    if member(value, path) is MISSING:
        return value
    rest = {key: one for key, one in value.items() if key != path[0]}
    inner = with_member(value[path[0]], path[1:], MISSING) if len(path) > 1 else {}
    return {key: inner if key == path[0] else one for key, one in value.items()} if inner else rest


def template(fields: Sequence[Field], value: dict[str, Any]) -> dict[str, Any]:
    """Return `value` with the primary fields that it lacks: their defaults, else null."""
    for field in fields:
        if field.primary and member(value, field.path) is MISSING:
            try:
                value = with_member(value, field.path, field.default if field.has_default else None)
            except InputError:  # what is there is no object: the user's value stands
                continue
    return value
