"""Functions in worker processes: local/processes.py and process_worker.py."""

import ast
import asyncio
import contextvars
import ctypes
import functools
import gc
import importlib
import io
import linecache
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import psutil
import pytest

from fgnb.local.context import Context
from fgnb.local.functions import FunctionFailed, Functions, failure_of, registered, result_value
from fgnb.local.loading import load_functions
from fgnb.local.processes import BOOT, Processes
from tests.conftest import unmeasured
from tests.test_kernel import Kernel

cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as it is with a notebook's functions

PATTERN, TEXT = "(a|a)*b", "a" * 60  # keeps `re` busy for years, and the interpreter's lock with it
EXITED = {"errorMessage": "runtime process is exited", "errorType": "RuntimeExited"}


@pytest.fixture(scope="module")
def processes():
    processes = Processes(size=2)
    yield processes
    end(processes)


@pytest.fixture
def own():
    """Processes that no other test uses."""
    processes = Processes(size=2)
    yield processes
    end(processes)


def end(processes):
    """End them; where it is measured what they pass, those that were used by themselves: who is killed can't tell."""
    while os.environ.get("COVERAGE_PROCESS_START") and any(worker.generation is not None for worker in processes._idle):
        failure(processes, crash, "sys.exit")
    processes.close()


def context_of(function, **more):
    told = {"project_id": "p", "workflow_id": "w", "execution_id": "e", "state_id": "s"} | more
    return Context(function_name=function.name, timeout=function.timeout, **told)


async def acall(processes, handler, event=None, *, timeout=20.0, name=None, **more):
    function = Functions().register(handler, name=name, timeout=timeout)
    return await processes.call(function, event, context_of(function, **more))


def call(processes, handler, event=None, **more):
    return asyncio.run(acall(processes, handler, event, **more))


def failure(processes, handler, event=None, **more):
    """Return the failure object of a call that fails."""
    with pytest.raises(FunctionFailed) as caught:
        call(processes, handler, event, **more)
    return caught.value.failure


def pid(event, context):
    return os.getpid()


def echo(event, context):
    return event


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def children():
    return {child.pid for child in psutil.Process().children()}


def wait_until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


async def begun(file):
    """Wait until a function has written a process id into a file, and return it."""
    while not file.exists() or not file.read_text():
        await asyncio.sleep(0.01)
    return int(file.read_text())


# --- values --------------------------------------------------------------------------------------


def test_a_function_runs_in_another_process_which_serves_the_next_call_too(processes):
    first = call(processes, pid)
    assert first != os.getpid()
    assert call(processes, pid) == first


def test_what_a_function_keeps_stays_in_its_process(own):
    calls = []

    def count(event, context):
        calls.append(event)
        return len(calls)

    assert [call(own, count) for _ in range(3)] == [1, 2, 3]
    assert calls == []


@pytest.mark.parametrize(
    "event",
    [None, {}, [], "text", {"n": 10**40, "f": 0.1, "生": ["\ud800", True, {"": None}]}, "x" * 5_000_000],
    ids=["null", "object", "array", "text", "exact", "large"],
)
def test_events_and_results_arrive_as_they_are(processes, event):
    assert call(processes, lambda event, context: [event], event) == [event]


@pytest.mark.parametrize(
    "make",
    [
        lambda: None,
        lambda: '{"a": 1}',
        lambda: (1, {2: 3}),
        lambda: "no JSON",
        lambda: {1, 2},
        lambda: float("nan"),
        lambda: "x" * (6 * 1024 * 1024 + 1),
    ],
    ids=["None", "JSON text", "tuple", "text", "set", "NaN", "over 6 MB"],
)
def test_results_follow_the_same_rules_as_in_a_thread(processes, make):
    def outcome(get):
        try:
            return get()
        except FunctionFailed as failed:
            return failed.failure

    assert outcome(lambda: call(processes, lambda event, context: make())) == outcome(lambda: result_value(make()))


def test_a_value_that_is_nested_too_deeply_is_refused_and_no_process_ends_for_it(own):
    def nest(event, context):
        value = 1
        for _ in range(event["depth"]):
            value = [value]
        return [os.getpid(), value]

    def outcome(depth):
        try:
            return call(own, nest, {"depth": depth})[0]
        except FunctionFailed as failed:
            return failed.failure["errorType"]

    results = [outcome(depth) for depth in [10, *range(970, 1010), 100_000, 10]]
    assert set(results) == {results[0], "InvalidResult"}
    assert results[-2:] == ["InvalidResult", results[0]]

    assert failure(own, echo, nest({"depth": 100_000}, None))["errorType"] == "RequestTooLarge"


def test_async_functions_run_on_one_loop_call_after_call(own):
    loops = set()

    async def count(event, context):
        await asyncio.sleep(0.001)
        loops.add(asyncio.get_running_loop())
        return len(loops)

    assert [call(own, count) for _ in range(2)] == [1, 1]


def test_the_context_says_the_same_in_the_process(processes):
    def tell(event, context):
        without_argument = [name for name in dir(context) if name.startswith("get") and name != "getUserData"]
        told = {name: getattr(context, name)() for name in without_argument} | {"logger": context.getLogger().name}
        del told["getLogger"], told["getRemainingTimeInMilliSeconds"]
        return told | {"headers": context.headers, "user_data": context.getUserData("KEY")}

    function = Functions().register(tell)
    context = context_of(function, headers={"k": [1]}, user_data={"KEY": "value"})
    told = asyncio.run(processes.call(function, None, context))
    assert told == tell(None, context)
    assert told["user_data"] == "value"


def test_the_remaining_time_counts_from_the_beginning_of_the_call(processes):
    def remaining(event, context):
        time.sleep(0.1)
        return context.getRemainingTimeInMilliSeconds()

    assert 10_000 < call(processes, remaining, timeout=20, started=time.monotonic() - 19.9) <= 19_900


# --- failures ------------------------------------------------------------------------------------


def notebook(source, name):
    """Run a cell as IPython does: in __main__, and with its source in memory only."""
    file = f"/nowhere/ipykernel_1/{name}.py"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    names = {"__name__": "__main__"}
    exec(compile(source, file, "exec"), names)
    return names["handler"]


CELL = """
def helper(values):
    return values["missing"]

def handler(event, context):
    return helper(event)
"""


def test_a_failure_in_a_notebooks_function_is_told_as_in_a_thread(processes):
    handler = notebook(CELL, "cell")
    told = failure(processes, handler, {})
    assert told["stackTrace"] == [
        'File "cell.py", line 6, in handler: return helper(event)',
        'File "cell.py", line 3, in helper: return values["missing"]',
    ]
    with pytest.raises(KeyError) as caught:
        handler({}, None)
    assert told == failure_of(caught.value).failure


def test_an_async_function_fails_in_the_same_form(own):
    told = failure(own, notebook(CELL.replace("def handler", "async def handler"), "acell"), {})
    assert told == {
        "errorMessage": "function invocation exception, error: 'missing'",
        "errorType": "KeyError",
        "stackTrace": [
            'File "acell.py", line 6, in handler: return helper(event)',
            'File "acell.py", line 3, in helper: return values["missing"]',
        ],
    }


def test_a_failure_leaves_its_process_as_it_is(own):
    def fail(event, context):
        raise ValueError("lone \ud800")

    before = call(own, pid)
    assert failure(own, fail)["errorMessage"] == "function invocation exception, error: lone \ud800"
    assert call(own, pid) == before


def crash(event, context):
    print("before")
    match event:
        case "exit":
            os._exit(3)
        case "segfault":
            ctypes.string_at(0)
        case "sys.exit":
            print("bye", end="")
            sys.exit("bye")
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "abort":
            os.abort()


async def acrash(event, context):
    crash(event, context)


@pytest.mark.parametrize(
    ("handler", "how"),
    [(crash, how) for how in ("exit", "segfault", "sys.exit", "kill", "abort")] + [(acrash, "sys.exit")],
)
def test_a_crash_costs_its_own_call_only(processes, handler, how, capsys):
    assert failure(processes, handler, how) == EXITED
    assert capsys.readouterr().out == ("before\nbye" if how == "sys.exit" else "before\n")
    assert call(processes, echo, 5) == 5


def stuck(event, context):
    Path(event["file"]).write_text(str(os.getpid()))
    match event["how"]:
        case "loop":
            while True:
                pass
        case "sleep":
            time.sleep(3600)
        case "regex":
            re.match(PATTERN, TEXT)
        case "print":
            while True:
                print("x" * 1000)
        case "child":
            subprocess.run([sys.executable, "-c", "import time; time.sleep(3600)"], check=False)


async def astuck(event, context):
    if event["how"] == "await":
        Path(event["file"]).write_text(str(os.getpid()))
        await asyncio.sleep(3600)
    stuck(event, context)


STUCK = [(stuck, how) for how in ("loop", "sleep", "regex", "print", "child")]


@pytest.mark.parametrize(("handler", "how"), [*STUCK, (astuck, "await"), (astuck, "loop")])
def test_a_call_ends_on_time_whatever_it_does_and_so_does_its_process(processes, handler, how, tmp_path, capsys):
    file = tmp_path / "begun"
    begin = time.monotonic()
    told = failure(processes, handler, {"how": how, "file": str(file)}, timeout=0.7)
    assert told == {"errorMessage": "call invoke timeout 0.7s", "errorType": "FunctionTimeout"}
    assert time.monotonic() - begin < 60
    wait_until(lambda: gone(int(file.read_text())))
    assert call(processes, echo, 5) == 5


def test_a_call_ends_on_time_though_it_prints_faster_than_can_be_shown(processes, monkeypatch):
    class Slow(io.StringIO):
        def write(self, text):
            time.sleep(0.01)
            return len(text)

    def flood(event, context):
        while True:
            print("x")

    monkeypatch.setattr(sys, "stdout", Slow())
    assert failure(processes, flood, timeout=0.4)["errorType"] == "FunctionTimeout"


def test_what_a_function_has_started_ends_with_it(processes, tmp_path):
    file = tmp_path / "begun"

    def start(event, context):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        file.write_text(str(child.pid))
        child.wait()

    async def run():
        running = asyncio.create_task(acall(processes, start))
        child = await begun(file)
        assert not gone(child)
        running.cancel()
        await asyncio.to_thread(wait_until, lambda: gone(child))

    asyncio.run(run())


def test_a_process_that_ends_between_two_calls_costs_none(processes):
    victim = call(processes, pid)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: gone(victim))
    time.sleep(0.2)  # a zombie's other threads may still be about to end
    assert call(processes, pid) != victim


def test_a_function_that_cant_be_pickled_says_so(processes):
    lock = threading.Lock()

    def locked(event, context):
        with lock:
            return event

    told = failure(processes, locked)
    assert told["errorType"] == "FunctionNotPicklable"
    assert "function 'locked' can't be sent to a process" in told["errorMessage"]
    assert "lock" in told["errorMessage"].partition("process:")[2]


# --- output --------------------------------------------------------------------------------------


def test_what_a_function_prints_arrives_before_its_result(processes, capsys):
    def talk(event, context):
        print("生" * 50_000, end="")
        print("x", file=sys.stderr)
        sys.stdout.buffer.write(b"\xff\x00|\xe7")
        return 1

    assert call(processes, talk) == 1
    said = capsys.readouterr()
    assert said.out == "生" * 50_000 + "\ufffd\x00|\ufffd"
    assert said.err == "x\n"


def test_what_goes_to_the_descriptors_goes_to_this_process_own(own, capfd):
    def rubbish(event, context):
        noise = bytes(range(256)) * 1000
        os.write(1, noise[:4096])
        os.write(2, b"err")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        return len(noise)

    assert call(own, rubbish) == 256_000
    said = capfd.readouterr()
    assert "from a child" in said.out
    assert said.out.startswith("\x00\x01\x02")
    assert said.err == "err"


def test_there_is_nothing_to_read(processes):
    assert call(processes, lambda event, context: [sys.stdin.read(), sys.argv[1:]]) == ["", []]


def test_what_a_function_prints_belongs_to_its_caller(processes, monkeypatch):
    cell = contextvars.ContextVar("cell")
    said = []

    class Stream(io.StringIO):
        def write(self, text):
            said.append((cell.get(), text))
            return len(text)

    async def run(name):
        cell.set(name)
        await acall(processes, lambda event, context: print(event), name, name="talk")

    async def both():
        await asyncio.gather(run("a"), run("b"))

    monkeypatch.setattr(sys, "stdout", Stream())
    asyncio.run(both())
    assert sorted(said) == [("a", "a\n"), ("b", "b\n")]


def test_a_stream_that_fails_does_not_fail_the_call(processes, monkeypatch):
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    assert call(processes, lambda event, context: print("lost")) is None


def test_log_records_arrive_at_the_loggers_of_the_same_names(own, caplog):
    def log(event, context):
        logger = context.getLogger()
        logger.debug("no")
        logger.info("n is %d", 5, extra={"step": object})
        logging.getLogger("other").warning("careful")
        logging.getLogger("quiet").warning("no")
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("failed")

    logging.getLogger("quiet").setLevel(logging.ERROR)
    with caplog.at_level(logging.INFO, "fgnb.function.logs"):
        call(own, log, name="logs")
    assert [(record.name, record.levelname, record.getMessage()) for record in caplog.records] == [
        ("fgnb.function.logs", "INFO", "n is 5"),
        ("other", "WARNING", "careful"),
        ("fgnb.function.logs", "ERROR", "failed"),
    ]
    assert caplog.records[0].funcName == "log"
    assert caplog.records[0].step == str(object)
    assert "ValueError: bad" in caplog.text


def test_a_log_record_that_can_not_be_told_is_reported_as_in_a_thread(own, capsys):
    def log(event, context):
        logging.getLogger("other").warning("%d of them", "many")

    assert call(own, log) is None
    assert "--- Logging error ---" in (told := capsys.readouterr().err)
    assert "Message: '%d of them'" in told


def test_a_function_may_set_the_level_of_its_logger(processes, caplog):
    def log(event, context):
        context.getLogger().setLevel(logging.DEBUG)
        context.getLogger().debug("yes")

    call(processes, log, name="verbose")
    assert [record.getMessage() for record in caplog.records] == ["yes"]


# --- forks of a worker ---------------------------------------------------------------------------


def test_a_fork_of_a_function_is_no_part_of_its_call(own, capfd):
    def fork(event, context):
        child = os.fork()
        if child == 0:
            print("from the fork", flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        return ["from the function"]

    assert call(own, fork) == ["from the function"]
    assert capfd.readouterr().out == "from the fork\n"


def test_a_crash_is_seen_while_a_fork_of_the_function_lives(processes):
    def fork(event, context):
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(3)

    begin = time.monotonic()
    assert failure(processes, fork, timeout=60) == EXITED
    assert time.monotonic() - begin < 30


# --- many calls ----------------------------------------------------------------------------------


def test_many_calls_at_once_wait_for_their_turn(own):
    def slow(event, context):
        begin = time.time()
        time.sleep(0.02)
        return [event, os.getpid(), begin, time.time()]

    async def all_of_them():
        return await asyncio.gather(*(acall(own, slow, n) for n in range(20)))

    results = asyncio.run(all_of_them())
    assert [n for n, *_ in results] == list(range(20))
    assert len({pid for _, pid, *_ in results}) == 2
    begins = sorted((begin, +1) for *_, begin, _ in results)
    ends = sorted((end, -1) for *_, end in results)
    at_once, most = 0, 0
    for _, step in sorted(begins + ends):
        at_once += step
        most = max(most, at_once)
    assert most == 2


def test_calls_may_come_from_several_loops(processes):
    results = {}

    def run(n):
        results[n] = [call(processes, echo, [n, m]) for m in range(10)]

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: [[n, m] for m in range(10)] for n in range(4)}


def test_cancelling_a_call_ends_its_process_and_no_other(processes, tmp_path):
    def slow(event, context):
        time.sleep(event)
        return ["done"]

    async def run():
        file = tmp_path / "begun"
        other = asyncio.create_task(acall(processes, slow, 0.5))
        cancelled = asyncio.create_task(acall(processes, stuck, {"how": "loop", "file": str(file)}))
        ended = await begun(file)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await asyncio.to_thread(wait_until, lambda: gone(ended))
        assert await other == ["done"]

    asyncio.run(run())


def test_a_call_cancelled_while_it_waits_takes_no_turn(processes):
    def slow(event, context):
        time.sleep(0.2)
        return event

    async def run():
        calls = [asyncio.create_task(acall(processes, slow, n)) for n in range(8)]
        await asyncio.sleep(0.05)
        for task in calls[2:6]:
            task.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert [result for result in results if isinstance(result, int)] == [0, 1, 6, 7]
        assert sorted(await asyncio.gather(*(acall(processes, echo, n) for n in range(4)))) == [0, 1, 2, 3]

    asyncio.run(run())


# --- what a process loads ------------------------------------------------------------------------


@pytest.fixture
def changing(tmp_path, monkeypatch):
    """Return a function that gives a module's source, and the module as it is now."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def change(source):
        monkeypatch.syspath_prepend(tmp_path)  # processes may have started before
        (tmp_path / "changing_module.py").write_text(source)
        return importlib.reload(importlib.import_module("changing_module"))

    yield change
    del sys.modules["changing_module"]


SOURCE = "def {}(event, context): return ['{}']\n"


def test_functions_of_a_module_that_was_loaded_again_are_the_new_ones(own, changing):
    call(own, echo)
    assert call(own, changing(SOURCE.format("one", "old")).one) == ["old"]
    module = changing(SOURCE.format("one", "newer") + SOURCE.format("two", "new"))
    assert call(own, module.two) == ["new"]  # which is not in the old one
    assert call(own, module.one) == ["newer"]


def test_a_function_that_is_registered_again_sees_changed_modules(own, changing):
    def using(module):
        def use(event, context):
            return module.one(event, context)

        return use

    assert call(own, using(changing(SOURCE.format("one", "old")))) == ["old"]
    assert call(own, using(changing(SOURCE.format("one", "newer")))) == ["newer"]


def test_handlers_of_one_name_that_wait_together_are_not_mixed_up(tmp_path):
    processes = Processes(size=1)
    file = tmp_path / "begun"

    def slow(event, context):
        file.write_text(str(os.getpid()))
        time.sleep(0.2)

    async def run():
        first = asyncio.create_task(acall(processes, slow))
        await begun(file)
        letters = [
            acall(processes, functools.partial(lambda letter, event, context: [letter], x), name="f") for x in "abc"
        ]
        assert await asyncio.gather(*letters) == [["a"], ["b"], ["c"]]
        await first

    asyncio.run(run())
    processes.close()


def test_a_function_returns_to_the_process_that_has_loaded_it(own):
    def one(event, context):
        time.sleep(0.1)
        return ["one", os.getpid()]

    def two(event, context):
        time.sleep(0.1)
        return ["two", os.getpid()]

    async def both():
        return await asyncio.gather(acall(own, one), acall(own, two))

    first, second = asyncio.run(both())
    assert first[1] != second[1]
    assert [call(own, handler) for handler in (two, two, one, one, two)] == [second, second, first, first, second]


def test_functions_from_a_file_that_is_not_on_the_path_are_found(processes, tmp_path):
    (tmp_path / "apart.py").write_text("import fgnb\n\n@fgnb.function\ndef apart(event, context): return [event]\n")
    load_functions(str(tmp_path / "apart.py"))
    handler = registered.pop("apart").handler
    assert call(processes, handler, 1) == [1]
    assert call(processes, functools.partial(handler), 2, name="part") == [2]
    del sys.modules["apart"]


def test_a_module_that_cant_be_loaded_there_says_so(own, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "vanishing_module.py").write_text("def handler(event, context): return 1")
    module = importlib.import_module("vanishing_module")
    (tmp_path / "vanishing_module.py").unlink()
    told = failure(own, module.handler)
    assert told["errorType"] == "ModuleNotFoundError"
    assert told["errorMessage"] == "function initialization exception: No module named 'vanishing_module'"
    (tmp_path / "vanishing_module.py").write_text("raise SystemExit")
    assert failure(own, module.handler) == EXITED
    assert call(own, echo, 5) == 5
    del sys.modules["vanishing_module"]


# --- life and death ------------------------------------------------------------------------------


def test_processes_start_when_they_are_needed_and_one_is_kept_ready():
    before = children()
    processes = Processes(size=2)
    assert children() <= before  # those of other tests may end meanwhile
    used = call(processes, pid)
    wait_until(lambda: len(children() - before) == 2)
    assert used in children()
    assert failure(processes, crash, "exit") == EXITED
    wait_until(lambda: used not in children())
    assert call(processes, echo, 1) == 1
    wait_until(lambda: len(children() - before) == 2)
    processes.close()
    assert children() <= before  # no zombie either


def test_a_process_that_can_not_be_started_fails_its_call(monkeypatch):
    processes = Processes(size=2)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    told = failure(processes, echo)
    assert told["errorType"] == "RuntimeNotStarted"
    assert "runtime process can't be started" in told["errorMessage"]
    monkeypatch.undo()
    processes.close()  # there is none
    assert call(processes, echo, 5) == 5
    processes.close()


def test_a_process_ends_as_soon_as_nobody_holds_the_other_end():
    here, there = socket.socketpair()
    command = [sys.executable, "-c", BOOT, str(there.fileno()), *sys.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[there.fileno()], start_new_session=True) as process:
        there.close()
        here.close()
        assert process.wait(30) == 0


def test_close_ends_the_calls_under_way_and_a_later_call_begins_anew(own, tmp_path):
    async def run():
        file = tmp_path / "begun"
        running = asyncio.create_task(acall(own, stuck, {"how": "loop", "file": str(file)}))
        await begun(file)
        await asyncio.to_thread(own.close)
        with pytest.raises(FunctionFailed, match="runtime process is exited"):
            await running
        assert await acall(own, echo, 5) == 5

    asyncio.run(run())


def test_processes_end_when_nobody_needs_them_any_more():
    before = children()
    processes = Processes(size=2)
    call(processes, echo, 1)
    assert children() - before
    del processes
    wait_until(lambda: gc.collect() >= 0 and children() <= before)


PARENT = f"""
import asyncio, os, re, sys, time
from fgnb.local.context import Context
from fgnb.local.functions import Functions
from fgnb.local.processes import Processes

def work(event, context):
    if event == "start":
        return time.sleep(1)
    print(os.getpid(), flush=True)
    sys.__stdout__.write(f"{{os.getpid()}}\\n")
    sys.__stdout__.flush()
    if event == "regex":
        time.sleep(0.5)  # what was printed goes out by a thread, which gets no turn during the match
        re.match({PATTERN!r}, {TEXT!r})
    while event == "loop":
        pass
    while event == "sleep":
        time.sleep(100)

async def main():
    processes = Processes(size=4)
    async def call(event):
        function = Functions().register(work, timeout=10 if event == "regex" else 1000)
        context = Context(
            function_name="work", project_id="", workflow_id="", execution_id="", state_id="", timeout=1
        )
        await processes.call(function, event, context)
    await asyncio.gather(*map(call, ["start"] * 4))  # before two of them take the processors
    others = [asyncio.create_task(call(event)) for event in ("idle", "loop", "sleep")]
    await asyncio.sleep(1)
    await call("regex")

asyncio.run(main())
"""


def test_no_process_outlives_a_parent_that_is_killed():
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(command, env=unmeasured(), stdout=subprocess.PIPE, text=True) as parent:
        pids = {int(parent.stdout.readline()) for _ in range(8)}
        pids |= {child.pid for child in psutil.Process(parent.pid).children(recursive=True)}
        assert len(pids) >= 4
        assert not any(map(gone, pids))
        parent.kill()
        parent.wait()
        wait_until(lambda: all(map(gone, pids)), 40)


FORK = """
import asyncio, os
from fgnb.local.context import Context
from fgnb.local.functions import Functions
from fgnb.local.processes import Processes

processes = Processes(size=1)
function = Functions().register(lambda event, context: [event, os.getpid()], name="f")

def call(event):
    context = Context(function_name="f", project_id="", workflow_id="", execution_id="", state_id="", timeout=1)
    return asyncio.run(processes.call(function, event, context))

first = call(1)
child = os.fork()
if child == 0:
    result, worker = call(2)
    assert (result, worker != first[1]) == (2, True)
    raise SystemExit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert call(1) == first
print("well")
"""


def test_the_child_of_a_fork_has_processes_of_its_own_and_ends_none_of_its_parents():
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK]  # that forks and threads go ill together
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "well\n", "")


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    yield kernel
    kernel.stop()


SETUP = """
from fgnb.local.context import Context
from fgnb.local.functions import FunctionFailed, Functions
from fgnb.local.processes import Processes
processes = Processes(size=1)
async def call(handler):
    function = Functions().register(handler)
    context = Context(function_name="f", project_id="", workflow_id="", execution_id="", state_id="", timeout=3)
    return await processes.call(function, {}, context)
"""


def test_a_notebooks_function_prints_into_its_cell_and_tells_its_lines(kernel):
    assert kernel.run(SETUP).status == "ok"
    kernel.run("rate = 7\ndef helper():\n    print('from the process')\n    return rate / 0")
    kernel.run("def handler(event, context):\n    return helper()")
    reply = kernel.run("""
try:
    await call(handler)
except FunctionFailed as failed:
    lines = failed.failure["stackTrace"]
""")
    assert [(output["name"], output["text"]) for output in reply.outputs] == [("stdout", "from the process\n")]
    first, second = ast.literal_eval(kernel.value("lines"))
    assert first.endswith("line 2, in handler: return helper()")
    assert second.endswith("line 4, in helper: return rate / 0")
