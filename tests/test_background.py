"""The loop in a thread of its own: results, interrupts, forks."""

import asyncio
import contextvars
import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as FutureTimeout

import pytest

import fgnb
from fgnb import background
from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.client import blocking
from fgnb.client.blocking import Submission
from tests.stub import stall

VARIABLE = contextvars.ContextVar("VARIABLE", default="unset")


@pytest.fixture
def loop():
    loop = BackgroundLoop("test")
    yield loop
    end(loop.loop)


def end(event_loop):
    event_loop.call_soon_threadsafe(event_loop.stop)
    while not event_loop.is_closed():  # by its own thread: two that close it at once would be in each other's way
        time.sleep(0.001)


async def soon(value, seconds=0.0):
    await asyncio.sleep(seconds)
    return value


async def fail(error):
    raise error


def test_no_thread_is_started_before_it_is_needed():
    before = threading.active_count()
    BackgroundLoop("idle")
    assert threading.active_count() == before


def test_run_gives_the_result(loop):
    assert loop.run(soon(5)) == 5
    assert loop.run(soon(6, 0.25)) == 6  # longer than a slice


@pytest.mark.parametrize(
    "error", [ValueError("no"), TimeoutError("t"), FutureTimeout("t"), TimeoutError(), KeyboardInterrupt()]
)
def test_run_raises_what_the_coroutine_raises(loop, error):
    with pytest.raises(type(error)) as caught:
        loop.run(fail(error))
    assert caught.value is error


def test_coroutines_run_at_once_in_one_daemon_thread(loop):
    async def where():
        nonlocal waiting
        waiting += 1
        while waiting < 20:  # for all the others
            await asyncio.sleep(0.01)
        return threading.current_thread()

    waiting = 0
    threads = {future.result(20) for future in [loop.submit(where()) for _ in range(20)]}
    (thread,) = threads
    assert (thread.name, thread.daemon) == ("test", True)
    assert thread is not threading.current_thread()


def test_a_coroutine_runs_in_a_copy_of_its_callers_context(loop):
    async def get_and_set():
        seen = VARIABLE.get()
        VARIABLE.set("changed")
        return seen

    token = VARIABLE.set("of the caller")
    try:
        assert loop.run(get_and_set()) == "of the caller"
        assert VARIABLE.get() == "of the caller"
    finally:
        VARIABLE.reset(token)


def test_cancelling_the_future_cancels_the_coroutine(loop):
    begun, cancelled = threading.Event(), threading.Event()

    async def endless():
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    future = loop.submit(endless())
    assert begun.wait(2)
    assert future.cancel()
    assert cancelled.wait(2)
    with pytest.raises(CancelledError):
        future.result(1)


def test_a_coroutine_that_is_cancelled_on_the_loop_ends_its_future(loop):
    async def cancel_itself():
        asyncio.current_task().cancel()
        await asyncio.sleep(60)

    with pytest.raises(CancelledError):
        loop.submit(cancel_itself()).result(2)


def test_an_error_after_the_cancellation_is_not_reported_as_lost(loop, caplog):
    begun = threading.Event()

    async def stubborn():
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("on the way out")

    future = loop.submit(stubborn())
    assert begun.wait(2)
    future.cancel()
    loop.run(soon(None, 0.05))
    gc.collect()
    assert caplog.text == ""


def test_a_cancel_in_the_instant_of_the_result_loses_neither(loop, caplog, monkeypatch):
    class Late(Future):
        def set_result(self, result):
            cancelled.append(self.cancel())  # by the thread that waits for it
            super().set_result(result)

    cancelled = []
    monkeypatch.setattr(background, "Future", Late)
    assert loop.submit(soon(5)).result(2) == 5
    assert cancelled == [False]
    assert caplog.text == ""


def test_a_forgotten_loop_is_replaced_at_the_next_use(loop):
    stuck = loop.loop
    release = threading.Event()
    stuck.call_soon_threadsafe(release.wait)
    loop.forget()
    assert loop.run(soon(1)) == 1
    assert loop.loop is not stuck
    release.set()
    end(stuck)


def test_a_loop_that_is_replaced_ends_once_it_has_done_what_it_has_to_do(loop):
    go, left = threading.Event(), loop.loop

    async def late():
        while not go.is_set():
            await asyncio.sleep(0.001)
        return threading.current_thread()

    under_way = loop.submit(late())
    for _ in range(2):  # by two who found that it does not answer
        loop.replace(left)
    assert loop.run(soon(1)) == 1
    assert loop.loop is not left
    assert loop.left_behind == 1
    go.set()
    thread = under_way.result(60)
    thread.join(10)
    assert (loop.left_behind, left.is_closed()) == (0, True)


def test_who_would_wait_for_itself_is_told_so(loop):
    async def inside():
        with pytest.raises(RuntimeError, match="the thread of fgnb's event loop, which must not wait"):
            loop.run(soon(1))

    loop.run(inside())


INTERRUPTED = """
import asyncio, os, signal, sys, threading, time
from fgnb.background import BackgroundLoop

async def endless():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise

started = time.monotonic()
try:
    BackgroundLoop("test").run(endless())
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - started, flush=True)
"""


def test_an_interrupt_cancels_the_coroutine_and_comes_back_within_a_second():
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=20, check=True)
    first, second = done.stdout.splitlines()
    word, seconds = second.split()
    assert (first, word) == ("cancelled", "interrupted")
    assert float(seconds) < 15  # it would take for ever


INTERRUPTED_RUN = """
import os, signal, sys, threading, time
import fgnb

fgnb.connect("local")
fgnb.deploy({"name": "sleeps", "mode": "EXPRESS", "start": "s", "functions": [], "constants": {}, "retries": [],
    "states": [{"id": "s", "name": "s", "type": "Sleep", "end": True, "transition": "", "duration": 60}]})
threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
started = time.monotonic()
try:
    fgnb.run("sleeps")
except KeyboardInterrupt as interrupt:
    print(time.monotonic() - started, interrupt.run.status, type(interrupt).__name__)
"""


def test_an_interrupted_run_is_told_as_unknown_within_a_second():
    command = [sys.executable, "-c", INTERRUPTED_RUN]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    seconds, status, error = done.stdout.split()
    assert float(seconds) < 15  # it would take a minute
    assert (status, error) == ("unknown", "RunInterrupted")


@pytest.mark.parametrize("at", ["the cancel", "the start"])
def test_a_second_interrupt_loses_neither_the_run_nor_its_record(at, stub, connect, tmp_path, monkeypatch):
    class Interrupts(Submission):
        again = True

        def __init__(self, *args):
            super().__init__(*args)
            if at == "the start":
                time.sleep(0.3)
                raise KeyboardInterrupt  # when it is under way, but nobody has it

        def cancel(self):
            if Interrupts.again:
                Interrupts.again = False
                raise KeyboardInterrupt
            super().cancel()

    monkeypatch.setattr(blocking, "Submission", Interrupts)
    session = connect(stub(stall).url, history=tmp_path / "history.db")
    if at == "the cancel":
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(fgnb.RunInterrupted) as caught:
        session.run("48aff955-ea10-4ffd-b426-190bc192dc14", {"n": 1})
    assert caught.value.run.status == "unknown"
    (kept,) = session.history()
    assert (kept.run_id, kept.status, kept.input) == (caught.value.run.run_id, "unknown", {"n": 1})


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")


def in_child(work):
    """Run `work` in the child of a fork and return whether it gave a true value within 10 s."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, which are the point here
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(10)
            code = 0 if work() else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


@needs_fork
def test_the_child_of_a_fork_gets_a_loop_of_its_own(loop):
    assert loop.run(soon(1)) == 1
    assert in_child(lambda: loop.run(soon(2)) == 2)
    assert loop.run(soon(3)) == 3


@needs_fork
def test_the_child_of_a_fork_can_run_workflows_of_the_embedded_service(client, functions):
    from tests.flows import one_call

    async def quick(event, context):
        return event

    functions.register(lambda event, context: event, name="plain", timeout=2)
    functions.register(quick, timeout=2)
    for name in ("plain", "quick"):
        client.create(one_call(name, name=name))

    def works():
        return all(client.execute(name, {"n": 1}).status == "success" for name in ("plain", "quick"))

    assert works()  # now threads are idle that the child does not have
    assert in_child(works)
    assert works()


@needs_fork
def test_the_child_of_a_fork_connects_anew(served_client):
    def works():
        return served_client.execute("order-triage", {"sku": "A-1", "qty": 1}).status == "success"

    assert works()  # now a connection is open that belongs to the parent
    assert in_child(works)
    assert works()


@needs_fork
def test_what_is_gone_is_not_kept_alive_for_the_sake_of_a_fork():
    class Holder:
        def forget(self):
            raise AssertionError("never called")

    holder = Holder()
    forget_in_child(holder)
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None
