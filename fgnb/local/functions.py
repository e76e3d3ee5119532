"""Functions of a workflow: plain Python, called as FunctionGraph calls them.

A handler takes ``event`` (the arguments, as a dict) and ``context``, and returns a value that JSON
can hold (page 02_0420 of the service's developer guide): None is null, a str must be a JSON text,
anything else goes through ``json.dumps``. It may be ``async``.
"""

from __future__ import annotations

import inspect
import json
import traceback
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, overload

from fgnb import wiring
from fgnb.errors import InputError
from fgnb.jsontext import copied, loads_answer
from fgnb.local.context import Context
from fgnb.wire import ERROR_MESSAGE_LIMIT, PAYLOAD_LIMIT

DEFAULT_TIMEOUT = 3.0  # seconds; the service's own default

Isolation = Literal["thread", "process"]
ISOLATIONS = get_args(Isolation)

Handler = Callable[[Any, Context], Any]
H = TypeVar("H", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Function:
    """A registered function; `timeout` in seconds, `isolation` None where the service decides."""

    name: str
    handler: Handler
    timeout: float = DEFAULT_TIMEOUT
    is_async: bool = False
    isolation: Isolation | None = None
    user_data: Mapping[str, str] = field(default_factory=dict)


class Functions(dict[str, Function]):
    """A set of functions by name."""

    def register(
        self,
        handler: Handler,
        *,
        name: str | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        isolation: Isolation | None = None,
        user_data: Mapping[str, str] | None = None,
    ) -> Function:
        """Add a handler under `name` (its own by default); a later one takes the place of an earlier.

        The arguments are those of `function`.

        Raises:
            TypeError: it can't be called with ``(event, context)``.
            ValueError: the timeout is not a positive number, or the isolation unknown.
        """
        try:
            inspect.signature(handler).bind(None, None)
        except TypeError:
            raise TypeError(
                f"a function takes (event, context), but {handler!r} takes {inspect.signature(handler)}"
            ) from None
        if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
            raise ValueError(f"timeout must be a positive number of seconds, not {timeout!r}")
        if isolation not in (None, *ISOLATIONS):
            raise ValueError(f"isolation must be one of {', '.join(ISOLATIONS)}, not {isolation!r}")
        name = name or getattr(handler, "__name__", None) or ""
        if not name:
            raise ValueError(f"{handler!r} has no name of its own: give name=")
        is_async = inspect.iscoroutinefunction(handler)
        self[name] = Function(name, handler, timeout, is_async, isolation, dict(user_data or {}))
        return self[name]


registered = Functions()
"""What `function` has registered in this process."""


@overload
def function(handler: H, /) -> H: ...
@overload
def function(
    *,
    name: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    isolation: Isolation | None = None,
    user_data: Mapping[str, str] | None = None,
) -> Callable[[H], H]: ...
def function(
    handler: H | None = None,
    /,
    *,
    name: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    isolation: Isolation | None = None,
    user_data: Mapping[str, str] | None = None,
) -> Any:
    """Register a Python function that workflows of the embedded service may call.

    The handler itself is returned unchanged, so it can still be called and tested as it is. A
    workflow finds it by the name segment of the URN in its ``functions[].operation``
    (``urn:fss:…:function:default:price:latest`` finds ``price``), else by ``functions[].name``.

    Args:
        handler: takes ``event`` and ``context`` as in FunctionGraph, and returns what JSON can hold (a text
            must be a JSON text itself); may be async.
        name: the name to register it under; the handler's own by default.
        timeout: seconds a call may take; 3 by default, as in the service.
        isolation: ``"process"`` calls it in a process of its own, which can be ended: a crash or an
            endless loop costs that call and nothing else. A call takes some 200 microseconds more, and
            a notebook's function has the values and helpers of its first call there: run its cell again
            when they change. In a ``"thread"`` a call that outlives its timeout is left behind, since
            Python can't end it, and its run goes on without it. By default as the service says.
        user_data: what ``context.getUserData(key)`` gives; the cloud's environment variables.

    >>> @function
    ... def price(event, context):
    ...     return {"total": event["qty"] * event["unit"]}
    >>> price({"qty": 2, "unit": 5}, None)
    {'total': 10}
    """

    def register(handler: H) -> H:
        registered.register(handler, name=name, timeout=timeout, isolation=isolation, user_data=user_data)
        return handler

    return register if handler is None else register(handler)


class FunctionFailed(Exception):
    """A call, or a state, that gave no result.

    `failure` is the runtime's failure object; `status` an HTTP status that says the same, which
    ``on_errors`` can test.
    """

    def __init__(self, message: str, kind: str, stack: list[str] | None = None, *, status: int = 500) -> None:
        self.failure: dict[str, Any] = {"errorMessage": message, "errorType": kind}
        if stack:
            self.failure["stackTrace"] = stack
        self.status = status
        super().__init__(message)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``on_errors`` can test: the failure object with ``errorCode`` and ``status``."""
        return {**self.failure, "errorCode": self.status, "status": self.status}


def failure_text(failure: Mapping[str, Any], limit: int = ERROR_MESSAGE_LIMIT) -> str:
    """Return a failure object as JSON text of at most `limit` characters, still valid JSON.

    The outermost stack lines go first, then the end of the message.
    """
    message, kind = failure["errorMessage"], failure["errorType"][:200]
    stack = failure.get("stackTrace", [])[-limit:]

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
        raise FunctionFailed(f"the event can't be sent: {error.message}", "RequestTooLarge", status=413) from None
    if size > PAYLOAD_LIMIT:
        raise FunctionFailed(
            f"the size of request body is beyond maximum:{PAYLOAD_LIMIT}, body size:{size}",
            "RequestTooLarge",
            status=413,
        )
    return event


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _make_encode() -> Callable[[Any], str]:
    """Return ``json.dumps`` for results, with its C encoder made once: making it takes longer than its work."""
    python = json.JSONEncoder(allow_nan=False, ensure_ascii=False, check_circular=False)
    try:
        write = json.encoder.c_make_encoder(  # type: ignore[attr-defined]  # CPython's own, as json uses it
            None, python.default, json.encoder.encode_basestring, None, ": ", ", ", False, False, False
        )
        return lambda value: "".join(write(value, 0))
    except (AttributeError, TypeError):  # pragma: no cover  # another Python
        return python.encode


_encode = _make_encode()


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


def file_name(filename: str) -> str:
    """Return the file that code stands in; a cell of a notebook by its number, which its reader sees."""
    return wiring.call("cell name", filename) or filename


def failure_of(error: BaseException) -> FunctionFailed:
    """Return the runtime's failure object for an exception that a handler raised."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is fgnb's own call
    named = [(Path(file_name(frame.filename)).name, frame) for frame in frames]
    stack = [
        f'File "{name}", line {frame.lineno}, in {frame.name}: {frame.line or ""}'.rstrip(": ") for name, frame in named
    ]
    try:
        said = str(error)
    except Exception:  # whatever an exception of the user's does when it is asked
        said = "<no message>"
    return FunctionFailed(f"function invocation exception, error: {said}", type(error).__name__, stack)
