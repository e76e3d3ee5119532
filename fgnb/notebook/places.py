"""Places in a JSON value: what stands there, and a copy in which something else does.

Only what lies on the way is copied; all else is the same object as before, by which a form knows
what it need not paint again.
"""

from __future__ import annotations

from typing import Any

from fgnb.errors import InputError
from fgnb.local.expressions import MISSING
from fgnb.paths import Path, format_path


def member(value: Any, path: Path) -> Any:
    """Return what stands at `path`, or MISSING."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(value, dict) or step not in value:
                return MISSING
        elif not isinstance(value, list) or not 0 <= step < len(value):
            return MISSING
        value = value[step]
    return value


def with_member(value: Any, path: Path, new: Any) -> Any:
    """Return a copy with `new` at `path`, all else kept; objects on the way are made.

    MISSING takes away what is there: a key, or an item of a list. `new` at the position behind the
    last item is appended.

    Raises:
        InputError: the path leads through something that is not what it should be.
    """
    return _with(value, path, 0, new)


def _with(value: Any, path: Path, depth: int, new: Any) -> Any:
    if depth == len(path):
        return new
    step = path[depth]
    if isinstance(step, str):
        if value is MISSING:
            value = {}
        if not isinstance(value, dict):
            raise _misplaced(value, path, depth)
        inner = _with(value.get(step, MISSING), path, depth + 1, new)
        if inner is MISSING:
            return {key: one for key, one in value.items() if key != step} if step in value else value
        return {**value, step: inner}
    if value is MISSING:
        value = []
    if not isinstance(value, list) or not 0 <= step <= len(value):
        raise _misplaced(value, path, depth)
    inner = _with(value[step] if step < len(value) else MISSING, path, depth + 1, new)
    if inner is MISSING:
        return value[:step] + value[step + 1 :]
    return [*value[:step], inner, *value[step + 1 :]]


def _misplaced(value: Any, path: Path, depth: int) -> InputError:
    kind = "list" if isinstance(value, list) else type(value).__name__
    return InputError(f"nothing can be set below a {kind}", path=format_path(path[: depth + 1]))
