"""What earlier inputs tell of a workflow's input: types, ranges, and the values that came most often."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from fgnb.errors import FgnbError
from fgnb.notebook.node import KINDS, Node, Part
from fgnb.notebook.texts import written
from fgnb.runs.redact import is_secret
from fgnb.secret import HIDDEN
from fgnb.session import Session

LIMIT = 200  # runs that are looked at, the newest
SECONDS = 0.3  # that it may take: a form opens at once, however large earlier inputs are
OFTEN = 8  # values that are offered
LONGEST = 60  # characters of a value that is offered
DEPTH = 6


def earlier_inputs(session: Session, workflow: str) -> list[Any]:
    """Return the inputs of the newest runs in the history, the newest first; none if it is off or can't be read."""
    found: list[Any] = []
    until = time.monotonic() + SECONDS
    try:
        for run in reversed(session.history(workflow, limit=LIMIT)):
            found.append(run.input)
            if time.monotonic() > until:
                break
    except FgnbError:  # it is off, or can't be read: a hint less
        pass
    return found


def with_samples(node: Node, samples: Iterable[Any]) -> Node:
    """Return a shape that also says what inputs were like; what it says already stays, unless they are unlike it."""
    return _with(node, [value for value in samples if isinstance(value, dict)], "", 0)


def _with(node: Node, values: Sequence[Any], key: str, depth: int) -> Node:
    if not values or depth > DEPTH:
        return node
    some = [value for value in values if value is not None and value != HIDDEN]
    kinds = {KINDS[type(value)] for value in some}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1:  # of several types, or null each time
        seen = (f"so far {', '.join(sorted(kinds))}",) if kinds else ()
        mixed = bool(kinds) and node.kind not in ("object", "array")
        return replace(node, kind="any", hints=node.hints + seen) if mixed else node
    kind = kinds.pop()
    if kind == "object":
        return node if node.kind == "array" else _object(node, some, depth)
    if kind == "array":
        return node if node.kind == "object" else _array(node, some, depth)
    if node.kind in ("object", "array", "json"):
        return node
    likely = kind
    if node.kind not in ("any", kind):
        likely = "number" if {node.kind, kind} == {"integer", "number"} else "any"
    hints = node.hints
    if likely == "any" and node.kind != "any":
        hints += (f"so far {kind}",)
    if kind in ("integer", "number") and len(some) > 1:
        hints += (f"so far {_range(some)}",)
    examples = node.examples if is_secret(key) or kind == "boolean" else _offered(node, some)
    return replace(node, kind=likely, hints=hints, examples=examples, nullable=any(one is None for one in values))


def _object(node: Node, values: Sequence[dict[str, Any]], depth: int) -> Node:
    known = {part.key: part for part in node.parts}
    counts = Counter(key for value in values for key in value)
    if len(counts) > 4 * max(4, len(known) + max(map(len, values))):
        return replace(node, kind="object" if known else "json")  # keys are data here, such as ids
    parts = []
    for key in [*known, *(key for key in counts if key not in known)]:
        part = known.get(key, Part(key=key, node=Node()))
        there = [value[key] for value in values if key in value]
        # A place that an input had is no doubt one of the input's
        parts.append(replace(part, node=_with(part.node, there, key, depth + 1), primary=part.primary or bool(there)))
    return replace(
        node, kind="object" if parts else "json", parts=tuple(sorted(parts, key=lambda one: not one.primary))
    )


def _array(node: Node, values: Sequence[list[Any]], depth: int) -> Node:
    items = [item for value in values for item in value[:LIMIT]][: 5 * LIMIT]
    lengths = sorted({len(value) for value in values})
    hints = (f"so far {_range(lengths)} items",) if len(lengths) > 1 else ()
    item = _with(node.item, items, "", depth + 1)
    return replace(node, kind="array", parts=(Part(node=item),), hints=node.hints + hints)


def _offered(node: Node, values: Sequence[Any]) -> tuple[Any, ...]:
    """Return what the definition names, then the values that came most often."""
    texts = {written(value): value for value in (*node.examples, *values)}
    counts = Counter(written(value) for value in values)
    if len(counts) > OFTEN and counts.most_common(1)[0][1] == 1:  # each but once: none is more likely
        counts.clear()
    named = [written(value) for value in node.examples]
    often = [text for text, _ in counts.most_common(OFTEN) if text not in named]
    short = [text for text in (*named, *often)[:OFTEN] if len(text) <= LONGEST and "\\n" not in text]
    return tuple(texts[text] for text in short)


def _range(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"
