"""What happens to data at a state, besides its work: filters, results that are errors, merging.

All of it may take a while on large values, so it is done on worker threads.
"""

from __future__ import annotations

from typing import Any

from fgnb.local.execution import Execution
from fgnb.local.expressions import MISSING, Query
from fgnb.local.functions import FunctionFailed
from fgnb.local.plan import Choice, Handler, Loop, Pause, Step


class ResultRefused(FunctionFailed):
    """A state gave a result for which the condition of an ``on_errors`` entry is true."""

    def __init__(self, handler: Handler, result: Any) -> None:
        super().__init__("the result is one that on_errors names as an error", "ResultRefused")
        self.handler = handler
        self.result = result


def items_of(work: Loop, data: Any) -> list[Any]:
    """Return the items that a loop runs over."""
    items = work.items(data)
    if not isinstance(items, list):
        found = "nothing" if items is MISSING else f"a {type(items).__name__}"
        raise FunctionFailed(f"input_collection selects {found}, not an array", "NotAnArray")
    return items


def filtered(query: Query, data: Any, which: str) -> Any:
    """Apply a filter; a path that leads nowhere fails the state rather than passing null on."""
    found = query(data)
    if found is MISSING:
        raise FunctionFailed(f"the {which} filter selects nothing", "FilterFailed")
    return found


def check_result(step: Step, result: Any, execution: Execution) -> None:
    """Treat a result as a failure if the state's ``on_errors`` say so (a business error code)."""
    if isinstance(step.work, Pause | Choice | None):  # these only pass on what they got
        return
    constants = execution.plan.definition.constants
    for handler in step.handlers:
        if handler.condition is not None and handler.condition(result, constants):
            raise ResultRefused(handler, result)


def handler_of(step: Step, failure: FunctionFailed, execution: Execution) -> Handler | None:
    """Return the first entry of the state's ``on_errors`` that handles a failure."""
    if isinstance(failure, ResultRefused):
        return failure.handler
    constants = execution.plan.definition.constants
    for handler in step.handlers:
        if handler.condition is None or handler.condition(failure.facts, constants):
            return handler
    return None


def left_over(step: Step, failure: FunctionFailed) -> Any:
    """Return what goes on to the state that handles a failure: the result, or what is known of the failure."""
    if not isinstance(failure, ResultRefused):
        return failure.facts
    return failure.result if step.output_filter is None else filtered(step.output_filter, failure.result, "output")


def merged(older: Any, newer: Any) -> Any:
    """Return two objects as one, in which the newer wins; anything else is replaced."""
    return {**older, **newer} if isinstance(older, dict) and isinstance(newer, dict) else newer


def with_value(data: Any, keys: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return the object with a value at a path; what has another form gives way."""
    own = dict(data) if isinstance(data, dict) else {}
    first, *rest = keys
    own[first] = with_value(own.get(first), tuple(rest), value) if rest else value
    return own
