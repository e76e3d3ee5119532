"""What a worker process does: load functions, call them one at a time, send back what comes of it.

The other end is `fgnb.local.processes`. Frames go over a socket: one byte that says what it is, a
length, a body. Results and failures are JSON; what a function prints or logs goes before them. The
descriptors 1 and 2 are the parent's own and take no part, whatever is written to them.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import linecache
import logging
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from fgnb.errors import InputError
from fgnb.jsontext import dumps, loads_answer
from fgnb.local.context import Context
from fgnb.local.functions import FunctionFailed, Handler, failure_of, result_value

if TYPE_CHECKING:
    import asyncio

HEADER = struct.Struct("!cQ")
LOAD, CALL = b"L", b"C"  # what a worker is asked to do
DONE, FAILED = b"D", b"F"  # how that ended
OUT, ERR, RECORD = b"O", b"E", b"R"  # printed and logged before the end
PIECE = 1 << 16  # bytes of output in a frame
MOST = 1 << 20  # bytes received at once
GRACE = 2.0  # seconds past its limit until a worker ends itself; only if nobody has ended it in time


class Load(NamedTuple):
    """A function, and what it takes to load it; its handler is pickled."""

    name: str
    handler: bytes
    is_async: bool
    path: list[str]  # sys.path
    files: dict[str, str]  # of modules that are not on the path
    sources: dict[str, list[str]]  # lines of code that stands in no file, such as a notebook's cells
    limit: float  # seconds


class Call(NamedTuple):
    """A call of a loaded function; the event is JSON."""

    name: str
    event: bytes
    context: Context
    log_level: int
    limit: float  # seconds


def main(descriptor: int) -> None:
    """Serve whoever holds the other end of the socket `descriptor`, until that is closed."""
    if sys.platform == "win32":
        channel = _Channel(socket.fromshare(os.read(0, PIECE)))
    else:
        channel = _Channel(socket.socket(fileno=descriptor))
        os.set_inheritable(descriptor, False)
    _watch_lifeline()
    _relay_output(channel)
    faulthandler.enable()
    sys.argv[1:] = []
    sys.meta_path.insert(0, _finder)
    functions = _Functions()
    while True:
        kind, body = channel.receive()
        channel.send(*_answer(functions, kind, body))


def _answer(functions: _Functions, kind: bytes, body: bytes) -> tuple[bytes, bytes]:
    request = pickle.loads(body)  # noqa: S301  # it comes from the parent
    try:
        with _backstop(request.limit):
            return DONE, functions.load(request) if kind == LOAD else functions.call(request)
    except FunctionFailed as failed:
        return FAILED, dumps([failed.failure, failed.status])
    except SystemExit:  # the runtime is gone, as in the service
        _flush()
        os._exit(1)
    finally:
        _flush()


def named_code(filename: str, rebuild: Callable[..., CodeType], arguments: tuple[Any, ...]) -> CodeType:
    """Return a pickled function's code under the name of the file or cell that it stands in."""
    return rebuild(*arguments).replace(co_filename=filename)


class _Functions:
    """The functions that this process has loaded."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def load(self, load: Load) -> bytes:
        """Load a function.

        Raises:
            FunctionFailed: the import of a module that it needs failed.
        """
        sys.path[:] = load.path
        _finder.files.update(load.files)
        for name, lines in load.sources.items():
            linecache.cache[name] = (sum(map(len, lines)), None, lines, name)
        try:
            handler = pickle.loads(load.handler)  # noqa: S301  # it comes from the parent
        except SystemExit:
            raise
        except BaseException as error:  # whatever a module of the user's raises
            failed = failure_of(error)
            message = failed.failure["errorMessage"]
            failed.failure["errorMessage"] = message.replace(
                "invocation exception, error", "initialization exception", 1
            )
            raise failed from None
        self._handlers[load.name] = self._blocking(handler) if load.is_async else handler
        return b""

    def call(self, call: Call) -> bytes:
        """Call a function and return its result as JSON text.

        Raises:
            FunctionFailed: it raised, or its result is not JSON.
        """
        logging.getLogger().setLevel(call.log_level)
        call.context.started = time.monotonic()  # the clocks of two processes need not agree
        handler, event = self._handlers[call.name], loads_answer(call.event)
        try:
            result = handler(event, call.context)
        except (FunctionFailed, SystemExit):
            raise
        except BaseException as error:
            raise failure_of(error) from None
        value = result_value(result)
        try:
            return dumps(value)
        except InputError as error:  # nested as deeply as this process can read, but not write
            raise FunctionFailed(f"function result is not JSON: {error.message}", "InvalidResult") from None

    def _blocking(self, handler: Handler) -> Handler:
        """Return a plain function that runs an async one, on the only event loop of this process."""
        import asyncio  # few functions need it, and it takes its time

        loop = self._loop = self._loop or asyncio.new_event_loop()

        async def outcome(event: Any, context: Context) -> Any:
            try:
                return await handler(event, context)
            except SystemExit:
                raise
            except BaseException as error:
                raise failure_of(error) from None

        return lambda event, context: loop.run_until_complete(outcome(event, context))


class _Finder:
    """Finds modules that the parent has loaded from files that are not on the path."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.files.get(name)
        return spec_from_file_location(name, file) if file else None


_finder = _Finder()


class _Channel:
    """Frames to and from the parent."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._lock = threading.RLock()  # a destructor that prints may run in the middle of a send
        self.open = True

    def send(self, kind: bytes, body: bytes) -> None:
        with self._lock:
            self._socket.sendall(HEADER.pack(kind, len(body)) + body)

    def receive(self) -> tuple[bytes, bytes]:
        kind, length = HEADER.unpack(self._exactly(HEADER.size))
        return kind, self._exactly(length)

    def _exactly(self, size: int) -> bytes:
        body = bytearray()
        while len(body) < size:
            piece = self._socket.recv(min(size - len(body), MOST))
            if not piece:
                os._exit(0)  # the parent is gone
            body += piece
        return bytes(body)

    def close(self) -> None:
        self._socket.close()
        self.open = False


class _Stream(io.RawIOBase):
    """What stands for standard output or error: sends what is written to the parent."""

    def __init__(self, channel: _Channel, kind: bytes, descriptor: int) -> None:
        self._channel, self._kind, self._descriptor = channel, kind, descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: Any) -> int:
        piece = bytes(data[:PIECE])
        if not self._channel.open:
            return os.write(self._descriptor, piece)
        self._channel.send(self._kind, piece)
        return len(piece)


class _Relay(logging.Handler):
    """Sends log records to the parent, whose handlers they are for."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        try:
            told = vars(record) | {"msg": record.getMessage(), "args": None, "exc_info": None}
            if record.exc_info:
                told["exc_text"] = record.exc_text or _FORMATTER.formatException(record.exc_info)
            self._channel.send(RECORD, json.dumps(told, default=str).encode())
        except Exception:  # whatever a record of the user's does when it is asked
            self.handleError(record)


_FORMATTER = logging.Formatter()


def _relay_output(channel: _Channel) -> None:
    """Send what is printed and logged to the parent; from a fork of this process, do not."""
    for name, kind, descriptor in (("stdout", OUT, 1), ("stderr", ERR, 2)):
        buffer = io.BufferedWriter(_Stream(channel, kind, descriptor))
        text = io.TextIOWrapper(buffer, "utf-8", "backslashreplace", line_buffering=True)
        setattr(sys, name, text)
    relay = _Relay(channel)
    logging.getLogger().addHandler(relay)

    def in_fork() -> None:
        channel.close()  # else the parent would not see this process end while its fork lives
        logging.getLogger().removeHandler(relay)

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_fork)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the function has closed it, or put something else in its place
            stream.flush()


def _watch_lifeline() -> None:
    """End this process, and those that its functions have started, as soon as the parent is gone.

    Descriptor 0 is a pipe into which nobody writes, and whose other end closes with the parent.
    """
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        os.read(lifeline, 1)
        if sys.platform == "win32":
            os._exit(1)
        os.killpg(0, signal.SIGKILL)  # pragma: no cover  # it can't tell

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _backstop(limit: float) -> Iterator[None]:
    """Have the system end this process some time after `limit` seconds.

    The parent does so on time. If it is gone, a function that holds the interpreter's lock for ever
    would keep this process from seeing that.
    """
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, min(limit + GRACE, 1e8))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
