"""Functions of a workflow: plain Python, called as FunctionGraph calls them.

A handler takes ``event`` (the arguments, as a dict) and ``context``, and returns a value that JSON
can hold (page 02_0420 of the service's developer guide): None is null, a str must be a JSON text,
anything else goes through ``json.dumps``. It may be ``async``.
"""

from __future__ import annotations

import inspect
import json
import logging
import time
import traceback
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, overload
from uuid import uuid4

from fgnb.errors import InputError
from fgnb.jsontext import copied, loads_answer
from fgnb.wire import ERROR_MESSAGE_LIMIT, PAYLOAD_LIMIT

DEFAULT_TIMEOUT = 3.0  # seconds; the service's own default

Handler = Callable[[Any, "Context"], Any]
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function; `timeout` in seconds."""

    name: str
    handler: Handler
    timeout: float = DEFAULT_TIMEOUT
    is_async: bool = False


class Functions(dict[str, Function]):
    """A set of functions by name."""

    def register(self, handler: Handler, *, name: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Function:
        """Add a handler under `name` (its own by default); a later one takes the place of an earlier.

        Raises:
            TypeError: it can't be called with ``(event, context)``.
            ValueError: the timeout is not a positive number.
        """
        try:
            inspect.signature(handler).bind(None, None)
        except TypeError:
            raise TypeError(
                f"a function takes (event, context), but {handler!r} takes {inspect.signature(handler)}"
            ) from None
        if not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        name = name or getattr(handler, "__name__", None) or ""
        if not name:
            raise ValueError(f"{handler!r} has no name of its own: give name=")
        self[name] = Function(name, handler, timeout, inspect.iscoroutinefunction(handler))
        return self[name]


registered = Functions()
"""What `function` has registered in this process."""


@overload
def function(handler: H, /) -> H: ...
@overload
def function(*, name: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Callable[[H], H]: ...
def function(handler: H | None = None, /, *, name: str | None = None, timeout: float = DEFAULT_TIMEOUT) -> Any:
    """Register a Python function that workflows of the embedded service may call.

    The handler itself is returned unchanged, so it can still be called and tested as it is. A
    workflow finds it by the name segment of the URN in its ``functions[].operation``
    (``urn:fss:…:function:default:price:latest`` finds ``price``), else by ``functions[].name``.

    Args:
        handler: takes ``event`` and ``context``; may be async.
        name: the name to register it under; the handler's own by default.
        timeout: seconds a call may take; 3 by default, as in the service.

    >>> @function
    ... def price(event, context):
    ...     return {"total": event["qty"] * event["unit"]}
    >>> price({"qty": 2, "unit": 5}, None)
    {'total': 10}
    """

    def register(handler: H) -> H:
        registered.register(handler, name=name, timeout=timeout)
        return handler

    return register if handler is None else register(handler)


@dataclass(slots=True, kw_only=True, eq=False)
class Context:
    """What a handler is told about its call; the getters are named as in the service's runtime."""

    function_name: str
    project_id: str
    workflow_id: str
    execution_id: str
    state_id: str
    timeout: float
    headers: Mapping[str, Any] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    _request_id: str = ""

    def getRequestID(self) -> str:
        """Return the id of this call."""
        self._request_id = self._request_id or str(uuid4())  # made when asked for: few functions ask
        return self._request_id

    def getRemainingTimeInMilliSeconds(self) -> int:
        """Return how long the function may still run."""
        return max(0, round((self.timeout - (time.monotonic() - self.started)) * 1000))

    def getFunctionName(self) -> str:
        """Return the function's name."""
        return self.function_name

    def getProjectID(self) -> str:
        """Return the id of the project."""
        return self.project_id

    def getWorkflowID(self) -> str:
        """Return the id of the workflow."""
        return self.workflow_id

    def getWorkflowRunID(self) -> str:
        """Return the id of the execution."""
        return self.execution_id

    def getWorkflowStateID(self) -> str:
        """Return the id of the state that makes this call."""
        return self.state_id

    def getLogger(self) -> logging.Logger:
        """Return the function's logger, ``fgnb.function.<name>``."""
        return logging.getLogger(f"fgnb.function.{self.function_name}")


class FunctionFailed(Exception):
    """A call that gave no result; `failure` is the runtime's failure object."""

    def __init__(self, message: str, kind: str, stack: list[str] | None = None) -> None:
        self.failure: dict[str, Any] = {"errorMessage": message, "errorType": kind}
        if stack:
            self.failure["stackTrace"] = stack
        super().__init__(message)

    def text(self, limit: int = ERROR_MESSAGE_LIMIT) -> str:
        """Return the failure object as JSON text of at most `limit` characters, still valid JSON.

        The outermost stack lines go first, then the end of the message.
        """
        message, kind = self.failure["errorMessage"], self.failure["errorType"][:200]
        stack = self.failure.get("stackTrace", [])[-limit:]

        def dump(characters: int, lines: int) -> str:
            shown = message if characters == len(message) else message[:characters] + "…"
            trace = {"stackTrace": stack[-lines:]} if lines else {}
            return json.dumps({"errorMessage": shown, "errorType": kind} | trace, ensure_ascii=False)

        if len(message) <= limit and len(dump(len(message), 0)) <= limit:
            lines = range(len(stack) + 1)
            return dump(len(message), bisect_right(lines, limit, key=lambda n: len(dump(len(message), n))) - 1)
        characters = range(min(len(message), limit))
        return dump(bisect_right(characters, limit, key=lambda n: len(dump(n, 0))) - 1, 0)


def event_of(arguments: Any) -> Any:
    """Return the arguments as a function gets them: its own copy, which it may change.

    Args:
        arguments: a JSON value.

    Raises:
        FunctionFailed: they are over 6 MB, or nested too deeply.
    """
    try:
        event, size = copied(arguments)
    except InputError as error:
        raise FunctionFailed(f"the event can't be sent: {error.message}", "RequestTooLarge") from None
    if size > PAYLOAD_LIMIT:
        raise FunctionFailed(
            f"the size of request body is beyond maximum:{PAYLOAD_LIMIT}, body size:{size}", "RequestTooLarge"
        )
    return event


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


_encode = json.JSONEncoder(allow_nan=False, ensure_ascii=False).encode  # what json.dumps would make anew each time


def result_value(result: Any) -> Any:
    """Return what a handler returned as a JSON value, through text as the service sends it.

    Raises:
        FunctionFailed: it is not JSON, or over 6 MB.
    """
    try:
        text = result if isinstance(result, str) else "null" if result is None else _encode(result)
        if (size := _size(text)) > PAYLOAD_LIMIT:
            raise FunctionFailed(f"response body size {size} exceeds the limit of {PAYLOAD_LIMIT}", "ResponseTooLarge")
        return loads_answer(text)
    except (TypeError, ValueError, RecursionError) as error:
        hint = "; a text must be a JSON text itself, such as json.dumps gives" if isinstance(result, str) else ""
        raise FunctionFailed(f"function result is not JSON: {error}{hint}", "InvalidResult") from None


def failure_of(error: BaseException) -> FunctionFailed:
    """Return the runtime's failure object for an exception that a handler raised."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is fgnb's own call
    stack = [
        f'File "{Path(frame.filename).name}", line {frame.lineno}, in {frame.name}: {frame.line or ""}'.rstrip(": ")
        for frame in frames
    ]
    try:
        said = str(error)
    except Exception:  # whatever an exception of the user's does when it is asked
        said = "<no message>"
    return FunctionFailed(f"function invocation exception, error: {said}", type(error).__name__, stack)
