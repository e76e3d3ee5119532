"""Functions that never return: the service answers on time, goes on, and keeps no thread without bound."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.transport import HttpTransport
from fgnb.local import threads, workers
from fgnb.local.limits import within
from fgnb.local.service import Service
from fgnb.local.threads import MAX_THREADS
from tests.flows import PROJECT, failure, flow, one_call, output, runner, sleep, state

STUCK = """
import asyncio, os, threading, time
import fgnb

@fgnb.function(timeout=60)
def sleeping(event, context):
    time.sleep(60)

@fgnb.function(timeout=60)
def spinning(event, context):
    until = time.monotonic() + 5
    while time.monotonic() < until:
        pass

@fgnb.function(timeout=60)
def never(event, context):
    threading.Event().wait()

@fgnb.function(timeout=60)
async def waiting(event, context):
    await asyncio.sleep(60)

@fgnb.function(timeout=60)
async def hogging(event, context):
    time.sleep(5)

@fgnb.function(timeout=60)
def endless(event, context):
    while True:
        pass

@fgnb.function
def crash(event, context):
    os._exit(3)

@fgnb.function
async def fine(event, context):
    return event

@fgnb.function
def plain(event, context):
    return {"pid": os.getpid(), "key": context.getUserData("key", "none")}
"""


@contextlib.contextmanager
def served(folder, *arguments, environment=None):
    """Serve the functions above; give the URL and a client's `run`."""
    (folder / "stuck.py").write_text(STUCK)
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--functions", "stuck.py", *arguments]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            url = server.stdout.readline().split()[-1]
            client = Client(AsyncClient(HttpTransport(url), project_id=PROJECT))
            yield url, runner(client)
            client.close()
        finally:
            server.kill()


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_served_run_ends_as_timeout_on_time_whatever_its_function_does(tmp_path, isolation):
    with served(tmp_path, "--limit", "1", "--isolation", isolation) as (_, run):
        run(one_call("plain", name="warm"))  # the first process takes its time to start
        names = ["sleeping", "spinning", "never", "waiting", "hogging"]
        if isolation == "process":
            names.append("endless")  # on a thread, it would take half of the processor for ever
        for name in names:
            started = time.perf_counter()
            execution = run(one_call(name, name=name))
            assert (execution.status, [error.node_id for error in execution.errors]) == ("timeout", [name])
            assert 0.9 < time.perf_counter() - started < 4
        for name in ("plain", "fine"):
            deadline = time.monotonic() + 10
            while (execution := run(one_call(name, name=name))).status != "success" and time.monotonic() < deadline:
                time.sleep(0.2)
            output(execution)


def test_a_crash_in_a_process_costs_its_own_run_and_nothing_else(tmp_path):
    with served(tmp_path, "--isolation", "process") as (_, run):
        first = output(run(one_call("plain")))
        found = failure(run(one_call("crash", name="crash")))
        assert "exited" in found["errorMessage"]
        assert output(run(one_call("plain")))["key"] == first["key"] == "none"


def test_a_function_says_itself_where_it_runs(functions):
    functions.register(lambda event, context: context.getUserData("key"), name="own", user_data={"key": "1"})
    functions.register(_pid, name="apart", isolation="process", timeout=30)
    functions.register(_pid, name="here", isolation="thread")
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    assert output(run(one_call("own"))) == 1
    assert output(run(one_call("here", name="here"))) == {"pid": os.getpid()}
    assert output(run(one_call("apart", name="apart"))) != {"pid": os.getpid()}
    with pytest.raises(ValueError, match="isolation must be one of thread, process"):
        functions.register(_pid, isolation="container")


def _pid(event, context):
    return {"pid": os.getpid()}


def test_so_many_stuck_calls_are_refused_until_some_return(functions, monkeypatch):
    monkeypatch.setattr(workers, "MAX_LEFT_BEHIND", 3)
    let_go = threading.Event()
    functions.register(lambda event, context: let_go.wait(20) and None, name="stuck", timeout=0.05)
    functions.register(lambda event, context: 1, name="fine")
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    for _ in range(3):
        assert failure(run(one_call("stuck")))["errorType"] == "FunctionTimeout"
    found = failure(run(one_call("fine", name="fine")))
    assert found["errorType"] == "TooManyStuckCalls"
    let_go.set()
    deadline = time.monotonic() + 5
    while (execution := run(one_call("fine", name="fine"))).status == "fail" and time.monotonic() < deadline:
        time.sleep(0.01)
    assert output(execution) == 1


async def hog(event, context):
    time.sleep(event["seconds"])


def loops():
    return [thread for thread in threading.enumerate() if thread.name == "fgnb-functions"]


def test_the_loop_that_an_async_function_has_taken_ends_once_it_returns(functions):
    functions.register(hog, timeout=0.05)
    functions.register(hog, name="fine", timeout=5)
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    before = len(loops())
    for _ in range(3):
        assert failure(run(one_call("hog", {"seconds": 1.2})))["errorType"] == "FunctionTimeout"
        assert output(run(one_call("fine", {"seconds": 0}, name="fine"))) is None
    assert len(loops()) > before + 1
    deadline = time.monotonic() + 10
    while len(loops()) > before + 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(loops()) <= before + 1


def test_so_many_taken_loops_are_refused_too(functions, monkeypatch):
    monkeypatch.setattr(workers, "MAX_LEFT_BEHIND", 2)
    functions.register(hog, timeout=0.05)
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    kinds = [failure(run(one_call("hog", {"seconds": 3})))["errorType"] for _ in range(3)]
    assert kinds == ["FunctionTimeout", "FunctionTimeout", "TooManyStuckCalls"]


def test_plain_functions_never_run_on_the_loop_of_async_ones(functions):
    def where(event, context):
        return event | {f"at{len(event)}": threading.current_thread().name}

    async def where_async(event, context):
        await asyncio.sleep(0)
        return event | {f"at{len(event)}": threading.current_thread().name}

    functions.register(where)
    functions.register(where_async)
    calls = ["where_async", "where_async", "where", "where", "where_async", "where"]
    states = [
        state(
            f"s{at}", {"function_ref": {"ref_name": name, "arguments": {}}}, transition=f"s{at + 1}" if at < 5 else ""
        )
        for at, name in enumerate(calls)
    ]
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    found = output(run(flow(*states)))
    expected = ["fgnb-functions" if name == "where_async" else "fgnb-function" for name in calls]
    assert [found[f"at{at}"] for at in range(6)] == expected


def test_threads_serve_again_once_their_function_returns(functions):
    functions.register(lambda event, context: time.sleep(0.15), name="late", timeout=0.02)
    run = runner(Client(AsyncClient(Service(functions=functions, samples=False), project_id=PROJECT)))
    counts = []
    for _ in range(12):
        failure(run(one_call("late")))
        time.sleep(0.2)
        counts.append(threading.active_count())
    assert max(counts[2:]) <= counts[1] + 1


def test_more_runs_than_threads_take_turns(functions, monkeypatch):
    monkeypatch.setattr(threads, "MAX_THREADS", 4)
    lock, now, most = threading.Lock(), [0], [0]

    @functions.register
    def work(event, context):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        return event["n"]

    service = Service(functions=functions, samples=False)
    client = AsyncClient(service, project_id=PROJECT)

    async def all_at_once():
        await client.create(one_call("work", {"n": "$.n"}))
        return await asyncio.gather(*(client.execute("flow", {"n": n}) for n in range(20)))

    outcomes = asyncio.run(all_at_once())
    assert [outcome.execution.output for outcome in outcomes] == list(range(20))
    assert 1 < most[0] <= 4


def test_runs_that_only_wait_hold_no_thread(functions):
    service = Service(functions=functions, samples=False)
    client = AsyncClient(service, project_id=PROJECT)
    before = threading.active_count()

    async def all_at_once():
        await client.create(flow(sleep("wait", 0.5)))
        tasks = [asyncio.ensure_future(client.execute("flow", {})) for _ in range(500)]
        await asyncio.sleep(0.3)
        seen = threading.active_count()
        await asyncio.gather(*tasks)
        return seen

    assert asyncio.run(all_at_once()) <= before + MAX_THREADS


@pytest.mark.parametrize(
    ("option", "expected"), [("unresolved=null", {"x": None}), ("argument_scope=state", {}), ("max_depth=3", {})]
)
def test_serve_takes_options(tmp_path, option, expected):
    with served(tmp_path, "--option", option) as (_, run):
        assert output(run(flow(state("a", _echo_call())))) == expected


def _echo_call():
    return {"function_ref": {"ref_name": "fine", "arguments": {"x": "$.nope"}}}


def test_serve_with_keys_refuses_what_is_not_signed(tmp_path):
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkfunctiongraph.v2 import FunctionGraphClient, ListWorkflowRequest

    environment = os.environ | {"FGNB_SERVE_SK": "secret-of-the-test"}
    with served(tmp_path, "--ak", "team", environment=environment) as (url, _):
        response = asyncio.run(_unsigned(url))
        assert response.status == 401
        assert json.loads(response.body)["error_code"] == "APIGW.0301"
        credentials = BasicCredentials("team", "secret-of-the-test", PROJECT)
        sdk = FunctionGraphClient.new_builder().with_credentials(credentials).with_endpoint(url).build()
        assert sdk.list_workflow(ListWorkflowRequest()).total == 4


async def _unsigned(url):
    from fgnb.wire import Request, workflows_path

    transport = HttpTransport(url)
    try:
        return await transport.send(Request(method="GET", path=workflows_path(PROJECT)))
    finally:
        await transport.aclose()


# --- the limit itself ----------------------------------------------------------------------------


def test_a_limit_ends_what_waits_and_leaves_the_rest_alone():
    seen = []

    async def work(pause):
        seen.append("begun")
        try:
            if pause:
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return pause

    async def all_ways():
        assert await within(5, work(0)) == 0
        assert await within(None, work(0.01)) == 0.01
        assert await within(5, work(0.01)) == 0.01
        with pytest.raises(TimeoutError):
            await within(0.02, work(30))

    asyncio.run(all_ways())
    assert seen == ["begun"] * 4 + ["cancelled"]


def test_what_a_limited_coroutine_raises_comes_through_and_a_cancelled_one_can_tidy_up():
    async def fails(pause):
        await asyncio.sleep(pause)
        raise KeyError("x")

    async def tidy():
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0)
            tidied.append(True)

    async def all_ways():
        for pause in (0, 0.01):
            with pytest.raises(KeyError):
                await within(5, fails(pause))
        task = asyncio.ensure_future(within(30, tidy()))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    tidied = []
    asyncio.run(all_ways())
    assert tidied == [True]
