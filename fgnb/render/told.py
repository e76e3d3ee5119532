"""What a state of a raw definition does, in a few words, whatever stands in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fgnb import flow


def text(holder: Mapping[str, Any], name: str) -> str:
    """Return a field as text: empty if it is not there; of a list or an object no more than that it is one."""
    value = holder.get(name)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, (list, dict)):
        return "[…]" if isinstance(value, list) else "{…}"
    try:
        return str(value)
    except ValueError:  # an int of more digits than Python writes
        return "…"


def does(state: Mapping[str, Any]) -> str:
    """Say what a state does."""
    kind = text(state, "type")
    if kind == "Sleep":
        return f"waits {text(state, 'duration')} s"
    if kind == "End":
        return "ends"
    if kind == "Switch":
        return "chooses"
    if kind == "Parallel":
        needed = {"any": ", first to end", "n_of_m": f", first {text(state, 'num_completed')} to end"}
        return "at once" + needed.get(text(state, "completion_type"), "")
    if kind == "Foreach":
        return f"for each of {text(state, 'input_collection')} {body_does(state)}"
    return body_does(state) or kind


def body_does(body: Mapping[str, Any]) -> str:
    """Say what actions, another workflow or inner states do."""
    if body.get("workflow_id"):
        return f"runs workflow {text(body, 'workflow_id')}"
    if body.get("states"):
        return f"goes from {text(body, 'start')}"
    joint = " and " if body.get("action_mode") == "parallel" else ", then "
    names = joint.join(text(reference, "ref_name") for reference in flow.calls(body))
    return f"calls {names}" if names else ""
