"""Functions in worker processes, so that a crash or an endless loop costs its own call and no other.

A process is a fresh interpreter (a fork of a process with threads may hang) that runs
`fgnb.local.process_worker`. It serves one call at a time, keeps the functions that it has loaded for
later calls, and ends with this process, however that ends. It begins with the environment and the
working directory of that moment, and has the globals of a notebook's function as they were at its
first call. What a function changes there, neither this process nor another worker sees. A changed
module counts from when its functions are registered again.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import io
import json
import linecache
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import ChainMap
from collections.abc import Collection
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, ClassVar

from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.errors import InputError
from fgnb.jsontext import dumps, loads_answer
from fgnb.local import workers
from fgnb.local.context import Context
from fgnb.local.functions import Function, FunctionFailed, Handler, file_name
from fgnb.local.process_worker import CALL, ERR, FAILED, HEADER, LOAD, OUT, RECORD, Call, Load, named_code

LOAD_LIMIT = 30.0  # seconds a process may take to start and to load a function
CHUNK = 1 << 18  # bytes read at once
BOOT = "import sys; sys.path[:] = sys.argv[2:]; from fgnb.local.process_worker import main; main(int(sys.argv[1]))"


class Processes:
    """Calls functions in worker processes, which start when they are needed.

    Args:
        size: calls at once; more wait for their turn. One process more is kept ready, so that the
            call after a crash need not wait for a start.
    """

    def __init__(self, *, size: int = os.cpu_count() or 1) -> None:
        self._size = size
        self._loop = BackgroundLoop("fgnb-processes")
        self._loads: dict[str, tuple[Handler, bytes]] = {}
        self._specs: dict[str, Any] = {}
        self._generation = 0
        self._workers: set[_Worker] = set()
        self.forget()
        forget_in_child(self)
        weakref.finalize(self, _end, self._workers)

    def forget(self) -> None:
        """Leave all processes to the parent, in the child of a fork."""
        for worker in self._workers:
            worker.forget()
        self._workers.clear()
        self._idle: list[_Worker] = []
        self._turns = asyncio.Semaphore(self._size)

    def close(self) -> None:
        """End all processes; calls under way fail, and a later call starts new ones."""
        if self._workers:
            for worker in self._loop.wait(self._loop.submit(self._kill())):
                worker.wait()

    async def call(self, function: Function, event: Any, context: Context) -> Any:
        """Call a function in a process of its own and return its result as a JSON value.

        What it prints goes to ``sys.stdout`` and ``sys.stderr`` in the context of the caller, what
        it logs to the loggers of the same names. Its time begins when a process has loaded it. If
        the caller is cancelled, the process ends.

        Args:
            function: its handler may be async, and defined in a notebook.
            event: a JSON value, as `fgnb.local.functions.event_of` gives it.
            context: what the handler is told; it gets a copy.

        Raises:
            FunctionFailed: it raised, its result is not JSON, it took longer than its timeout, its
                process ended, or it can't be sent to a process. What the runtime says itself has
                the service's words (codes 4010, 4012 and 4204).
        """
        return await asyncio.wrap_future(self._loop.submit(self._call(function, event, context)))

    async def _call(self, function: Function, event: Any, context: Context) -> Any:
        load, call = self._load(function), _call_frame(function, event, context)
        async with self._turns:
            worker = self._take(function)
            try:
                kind, body = await worker.call(function, load, call, _Echo(context.getLogger()))
            except BaseException:
                self._discard(worker)
                raise
            self._idle.append(worker)
        try:
            answer = loads_answer(body)
        except ValueError as error:  # nested as deeply as the other process can write, but not this one read
            raise FunctionFailed(f"function result is not JSON: {error}", "InvalidResult") from None
        if kind == FAILED:
            failure, status = answer
            stack = failure.get("stackTrace")
            raise FunctionFailed(failure["errorMessage"], failure["errorType"], stack, status=status)
        return answer

    def _load(self, function: Function) -> bytes:
        """Return the frame that loads a function; it is made once."""
        name, handler = function.name, function.handler
        known, load = self._loads.get(name, (None, b""))
        if known is not handler:
            load = _load_frame(function)
            module = getattr(handler, "__module__", "")
            spec = getattr(sys.modules.get(module), "__spec__", None)  # a module that is loaded again has a new one
            if known is not None or self._specs.get(module, spec) is not spec:
                self._generation += 1
            self._specs[module] = spec
            self._loads[name] = handler, load
        return load

    def _take(self, function: Function) -> _Worker:
        """Return a process for a call, one that has loaded the function if there is one."""
        for worker in list(self._idle):
            # A function that takes another's place may come with changed modules, which a process that
            # has imported them would not notice.
            if worker.generation not in (None, self._generation) or not worker.alive():
                self._idle.remove(worker)
                self._discard(worker)
        if self._idle:
            # An unused one is kept for later, as long as others have their imports behind them.
            worker = max(self._idle, key=lambda worker: (function.name in worker.loaded, worker.generation is not None))
            self._idle.remove(worker)
        else:
            worker = self._start()
        worker.generation = self._generation
        if not self._idle:
            with contextlib.suppress(FunctionFailed):  # the call that needs it will say so
                self._idle.append(self._start())
        return worker

    def _start(self) -> _Worker:
        try:
            worker = _Worker()
        except OSError as error:
            raise FunctionFailed(f"runtime process can't be started: {error}", "RuntimeNotStarted") from None
        self._workers.add(worker)
        return worker

    async def _kill(self) -> list[_Worker]:
        killed = list(self._workers)
        for worker in killed:
            worker.kill()  # a call under way sees that, and does the rest
        for worker in self._idle:
            self._discard(worker)
        self._idle.clear()
        return killed

    def _discard(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        worker.end()
        threading.Thread(target=worker.wait, name="fgnb-reaper", daemon=True).start()  # a large one takes its time


class _Worker:
    """A process, and the socket to it."""

    def __init__(self) -> None:
        self.generation: int | None = None  # of the functions that it has loaded
        self.loaded: dict[str, Handler] = {}
        self._received = bytearray()
        self._socket, other = socket.socketpair()
        self._socket.setblocking(False)
        command = [sys.executable, "-c", BOOT, str(other.fileno()), *_path()]
        try:
            with other:
                posix = {"pass_fds": [other.fileno()], "start_new_session": True}
                options: dict[str, Any] = {} if sys.platform == "win32" else posix
                self._process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0, **options)  # noqa: S603
                assert self._process.stdin is not None  # noqa: S101  # it is the pipe
                self._lifeline = self._process.stdin  # closes when this process ends, and so tells of that
                if sys.platform == "win32":
                    self._lifeline.write(other.share(self._process.pid))
        except BaseException:
            self._socket.close()
            raise

    async def call(self, function: Function, load: bytes, call: bytes, echo: _Echo) -> tuple[bytes, bytes]:
        """Call a function, loaded before if it must be, and return the kind and the body of the answer.

        Raises:
            FunctionFailed: the process ended, or took too long. It can't be used any more.
        """
        if self.loaded.get(function.name) is not function.handler:
            late = FunctionFailed(f"load function timed out after {LOAD_LIMIT:g}s", "FunctionLoadTimeout")
            kind, body = await self._ask(load, LOAD_LIMIT, late, echo)
            if kind == FAILED:
                return kind, body
            self.loaded[function.name] = function.handler
        return await self._ask(call, function.timeout, workers.timed_out(function), echo)

    async def _ask(self, frame: bytes, limit: float, late: FunctionFailed, echo: _Echo) -> tuple[bytes, bytes]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(limit):
                await loop.sock_sendall(self._socket, frame)
                while True:
                    kind, body = await self._receive(loop)
                    if kind not in (OUT, ERR, RECORD):
                        return kind, body
                    echo.show(kind, body)
                    await asyncio.sleep(0)  # the limit must strike where there is always more
        except TimeoutError:
            raise late from None
        except OSError:
            raise FunctionFailed("runtime process is exited", "RuntimeExited") from None
        finally:
            echo.finish()

    async def _receive(self, loop: asyncio.AbstractEventLoop) -> tuple[bytes, bytes]:
        received, end = self._received, HEADER.size
        while True:
            if len(received) >= end:
                kind, length = HEADER.unpack_from(received)
                end = HEADER.size + length
                if len(received) >= end:
                    body = bytes(received[HEADER.size : end])
                    del received[:end]
                    return kind, body
            piece = await loop.sock_recv(self._socket, CHUNK)
            if not piece:
                raise ConnectionResetError
            received += piece

    def alive(self) -> bool:
        """Return whether an idle process is still there."""
        try:
            return self._socket.recv(1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:  # pragma: no cover  # where the end of a process resets its connections, as on Windows
            return False

    def kill(self) -> None:
        """End the process and those that its functions have started."""
        if self._process.returncode is not None:  # pragma: no cover  # waited for by another thread this instant
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended by itself
            if sys.platform == "win32":
                self._process.kill()
            else:
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and let go of what leads to it."""
        self.kill()
        self._close()

    def wait(self) -> None:
        """Wait for its end after `kill`; until then it is a zombie."""
        self._process.wait()

    def forget(self) -> None:
        """Let go of a process that is not this one's child."""
        self._process.returncode = 0  # there is nothing to wait for
        self._close()

    def _close(self) -> None:
        self._socket.close()
        self._lifeline.close()


def _end(workers: Collection[_Worker]) -> None:
    ended = list(workers)  # at the interpreter's end, others still come and go
    for worker in ended:
        worker.end()
    for worker in ended:
        worker.wait()


class _Echo:
    """Prints and logs here what a call prints and logs there."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._decoders: dict[bytes, codecs.IncrementalDecoder] = {}

    def show(self, kind: bytes, body: bytes) -> None:
        if kind == RECORD:
            self._log(body)
            return
        if kind not in self._decoders:
            self._decoders[kind] = codecs.getincrementaldecoder("utf-8")("replace")
        _print(kind, self._decoders[kind].decode(body))

    def finish(self) -> None:
        """Print what is left of characters that were not whole."""
        for kind, decoder in self._decoders.items():
            _print(kind, decoder.decode(b"", final=True))
        self._decoders.clear()

    def _log(self, body: bytes) -> None:
        record = logging.makeLogRecord(json.loads(body))
        logger = logging.getLogger(record.name)
        # The function's own logger has let it pass already, by a level that the function may have set.
        if logger is self._logger or logger.isEnabledFor(record.levelno):
            with contextlib.suppress(Exception):  # whatever a filter of the user's raises
                logger.handle(record)


def _print(kind: bytes, text: str) -> None:
    stream = sys.stdout if kind == OUT else sys.stderr
    with contextlib.suppress(Exception):  # a stream that is closed, or can't show it, is no concern of the call's
        if text:
            stream.write(text)


def _frame(kind: bytes, request: Load | Call) -> bytes:
    body = pickle.dumps(request)
    return HEADER.pack(kind, len(body)) + body


def _call_frame(function: Function, event: Any, context: Context) -> bytes:
    context.getRequestID()  # made here, so that both sides say the same
    try:
        text = dumps(event)
    except InputError as error:
        raise FunctionFailed(f"the event can't be sent: {error.message}", "RequestTooLarge", status=413) from None
    log_level = context.getLogger().getEffectiveLevel()
    return _frame(CALL, Call(function.name, text, context, log_level, function.timeout))


def _load_frame(function: Function) -> bytes:
    try:
        handler = _pickled(function.handler)
    except Exception as error:  # whatever an object of the user's does when it is asked
        message = f"function '{function.name}' can't be sent to a process: {error}"
        raise FunctionFailed(message, "FunctionNotPicklable") from None
    path = _path()
    known = list(linecache.cache.items())
    sources = {file_name(name): entry[2] for name, entry in known if len(entry) == 4 and entry[1] is None}
    files = _files_beside(path)
    return _frame(LOAD, Load(function.name, handler, function.is_async, path, files, sources, LOAD_LIMIT))


def _pickled(handler: Handler) -> bytes:
    """Return a function pickled with its globals, its code under the names of its own files or cells.

    cloudpickle 3.1.3 and later replace the name by a constant, and with it the lines of a stack trace.
    """
    import cloudpickle  # type: ignore[import-untyped]  # only where it is needed

    def code(value: CodeType) -> tuple[Any, ...]:
        rebuild, arguments = cloudpickle.Pickler.dispatch_table[CodeType](value)
        return named_code, (file_name(value.co_filename), rebuild, arguments)

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        dispatch_table: ClassVar = ChainMap({CodeType: code}, cloudpickle.Pickler.dispatch_table)

    file = io.BytesIO()
    Pickler(file).dump(handler)
    return file.getvalue()


def _path() -> list[str]:
    return [str(Path(entry).absolute()) for entry in sys.path if isinstance(entry, str)]


def _files_beside(path: list[str]) -> dict[str, str]:
    """Return the files of modules that were loaded from elsewhere than the path, as `fgnb serve` may do."""
    files = {}
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if "." in name or name == "__main__" or not isinstance(file, str):
            continue
        folder = Path(file).absolute().parent
        if str(folder.parent if Path(file).stem == "__init__" else folder) not in path:
            files[name] = file
    return files
