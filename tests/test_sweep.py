"""Sweeps: many inputs, so many at once, and nothing lost whatever happens."""

import asyncio
import itertools
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

import fgnb
from fgnb import Job
from fgnb.client import pace
from fgnb.runs import feed as feed_module
from fgnb.runs import kept as kept_module
from fgnb.runs.order import Item, Order
from fgnb.runs.progress import Meter
from fgnb.runs.sweep import Sweep
from tests.exact import exact
from tests.flows import flow, sleep
from tests.stub import Stub, answer, kept
from tests.workflow_stub import ID, WorkflowStub, success


@pytest.fixture
def session(connect):
    return connect("local", history="off")


def swept(session, *args, **options):
    return session.sweep(*args, progress=False, **options)


def test_results_stand_in_the_order_of_the_inputs(session):
    runs = swept(session, "order-triage", {"sku": ["A-100", "Z-1"], "qty": range(1, 40)})
    assert [run.input for run in runs] == [{"sku": sku, "qty": qty} for sku in ("A-100", "Z-1") for qty in range(1, 40)]
    assert runs.counts == {"success": 39, "fail": 39}
    assert runs.frame["error_node"].notna().sum() == 39


def test_failed_runs_do_not_raise(session):
    runs = swept(session, "order-triage", [{"sku": "Z-1"}] * 3)
    assert [run.status for run in runs] == ["fail"] * 3


def test_tags_headers_and_base_reach_every_run(session):
    runs = swept(session, "order-triage", {"qty": [1, 2]}, base={"sku": "A-100"}, tags={"try": 7}, headers={"x": "1"})
    assert runs.frame["tags.try"].tolist() == [7, 7]
    assert [run.headers for run in runs] == [{"x": "1"}] * 2
    assert [run.input for run in runs] == [{"sku": "A-100", "qty": qty} for qty in (1, 2)]


def test_any_json_value_is_an_input_and_comes_back_unchanged(session):
    inputs = [{"sku": "A-100", "qty": 2**70, "note": None}, [1, 2.0, True], "text", 5, {}]
    assert exact([run.input for run in swept(session, "order-triage", inputs)]) == exact(inputs)


def test_inputs_of_a_set_run_again(session):
    first = swept(session, "order-triage", {"sku": ["A-100", "B-7"], "qty": [1, 2]})
    again = swept(session, "order-triage", inputs=first.inputs)
    assert [run.input for run in again] == [run.input for run in first]
    assert [run.output for run in again] == [run.output for run in first]


def test_no_inputs_give_no_runs(session):
    assert len(swept(session, "order-triage", [])) == 0


def test_iterator_is_not_taken_far_ahead_of_what_runs(connect):
    taken = []

    def numbers():
        for number in itertools.count():
            taken.append(number)
            yield {"sku": "A-100", "qty": 1}

    job = connect("local", history="off").sweep(
        "order-triage", numbers(), concurrency=4, background=True, progress=False
    )
    time.sleep(0.3)
    job.cancel()
    runs = job.wait(10)
    assert len(runs) <= len(taken) <= len(runs) + 2 * feed_module.CHUNK + 4


def test_generator_runs_in_the_thread_that_waits(session):
    threads = []

    def numbers():
        threads.append(threading.current_thread())
        yield {"sku": "A-100", "qty": 1}

    swept(session, "order-triage", numbers())
    assert threads == [threading.current_thread()]


def test_slow_generator_has_its_inputs_sent_as_they_come(session):
    def slow():
        for _ in range(3):
            yield {"sku": "A-100", "qty": 1}
            time.sleep(0.3)

    runs = swept(session, "order-triage", slow())
    assert len(runs) == 3
    times = [run.submitted_at for run in runs]
    assert (times[2] - times[0]).total_seconds() > 0.4, "the first was not kept back for the last"


def test_background_sweep_shows_its_runs_as_they_end(session):
    go = threading.Event()

    def inputs():
        yield {"sku": "A-100", "qty": 1}
        go.wait(10)
        yield {"sku": "A-100", "qty": 2}

    job = swept(session, "order-triage", inputs(), background=True)
    assert isinstance(job, Job)
    until = time.monotonic() + 5
    while len(job.runs) < 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert [run.input["qty"] for run in job.runs] == [1]
    assert not job.done
    assert job.progress.done == 1
    assert repr(job) == "<Sweep of order-triage: running, 1 done, 0 failed>"
    with pytest.raises(TimeoutError, match="has not ended"):
        job.wait(0.1)
    go.set()
    assert [run.input["qty"] for run in job.wait(5)] == [1, 2]
    assert job.done
    assert job.progress.state == "done"


def test_a_sweep_whose_total_is_known_says_so(session):
    job = session.plan_sweep("order-triage", {"sku": ["Z-1"], "qty": range(1200)}, progress=False)
    job.run()
    assert repr(job) == "<Sweep of order-triage: done, 1,200 of 1,200 done, 1,200 failed>"


def test_unknown_workflow_is_told_once_and_nothing_is_sent(session):
    with pytest.raises(fgnb.WorkflowNotFound, match="order-triage"):
        swept(session, "order-triagee", {"qty": range(100)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "takes its inputs once"),
        ({"given": [{}], "inputs": [{}]}, "takes its inputs once"),
        ({"given": [{}], "concurrency": 0}, "from 1 to 1,000"),
        ({"given": [{}], "concurrency": True}, "from 1 to 1,000"),
        ({"given": [{}], "resume": "yes"}, "retry-unknown"),
        ({"given": [{}], "resume": True}, "give name="),
        ({"given": [{}], "name": ""}, "name must be a text"),
        ({"given": [{}], "name": "march"}, "needs the history"),
        ({"given": [{}], "timeout": -1}, "timeout"),
        ({"given": "A-100"}, "mapping of lists"),
        ({"given": {"qty": [1]}, "how": "both"}, "'grid' or 'zip'"),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_sent(session, options, message):
    with pytest.raises(fgnb.InputError, match=message):
        swept(session, "order-triage", **options)


def test_first_input_that_cannot_be_sent_raises_as_it_is(session):
    with pytest.raises(fgnb.InputError, match=r"inputs\[0\]\.qty"):
        swept(session, "order-triage", [{"qty": float("nan")}])
    with pytest.raises(fgnb.InputError, match=r"digits.*inputs\[0\]"):
        swept(session, "order-triage", [{"qty": 10**5000}])


def test_later_input_that_cannot_be_sent_stops_the_sweep_and_keeps_what_ran(session):
    inputs = [{"sku": "A-100", "qty": 1}] * 5 + [{"qty": {1, 2}}]
    with pytest.raises(fgnb.SweepStopped, match=r"inputs\[5\]\.qty") as stopped:
        swept(session, "order-triage", inputs)
    assert stopped.value.runs.counts == {"success": 5}
    assert isinstance(stopped.value.__cause__, fgnb.InputError)


def test_generator_that_raises_stops_the_sweep_and_keeps_what_ran(session):
    def broken():
        yield {"sku": "A-100", "qty": 1}
        raise RuntimeError("the file ends here")

    with pytest.raises(fgnb.SweepStopped, match="the file ends here") as stopped:
        swept(session, "order-triage", broken())
    assert len(stopped.value.runs) == 1
    assert isinstance(stopped.value.__cause__, RuntimeError)


def test_a_workflow_that_goes_away_stops_the_sweep_and_keeps_what_ran(session):
    session.deploy(flow(sleep("nap", 0.001), name="brief"))

    def inputs():
        yield {"n": 1}
        while len(job.runs) < 1:
            time.sleep(0.001)
        session.client.delete([session.workflow("brief").urn])
        yield {"n": 2}

    job = session.plan_sweep("brief", inputs(), concurrency=1, progress=False)
    with pytest.raises(fgnb.SweepStopped, match="brief") as stopped:
        job.run()
    assert isinstance(stopped.value.__cause__, fgnb.WorkflowNotFound)
    assert [(run.input["n"], run.status) for run in stopped.value.runs] == [(1, "success"), (2, "cancelled")]


@pytest.fixture
def slow(connect):
    """A session whose workflow `hold` waits until it is told to go on."""
    release = threading.Event()

    @fgnb.function(name="hold", timeout=30)
    def hold(event, context):
        release.wait(20)
        return event

    session = connect("local", history="off")
    session.deploy(
        {
            "name": "hold",
            "mode": "EXPRESS",
            "start": "a",
            "constants": {},
            "retries": [],
            "functions": [{"name": "hold", "operation": "urn:fss:local:me:function:default:hold:latest"}],
            "states": [
                {
                    "id": "a",
                    "name": "a",
                    "type": "Operation",
                    "end": True,
                    "transition": "",
                    "actions": [{"function_ref": {"ref_name": "hold", "arguments": {}}}],
                }
            ],
        }
    )
    yield session, release
    release.set()


def under_way(job, count):
    until = time.monotonic() + 10
    while job.progress.under_way < count and time.monotonic() < until:
        time.sleep(0.01)
    assert job.progress.under_way == count


def test_cancel_finishes_what_is_under_way(slow):
    session, release = slow
    job = swept(session, "hold", {"n": range(100)}, concurrency=4, background=True)
    under_way(job, 4)
    job.cancel()
    assert job.progress.state == "finishing"
    release.set()
    runs = job.wait(10)
    assert runs.counts == {"success": 4}
    assert job.progress.state == "cancelled"


def test_cancel_with_drop_gives_up_what_is_under_way(slow):
    session, _ = slow
    job = swept(session, "hold", {"n": range(100)}, concurrency=4, background=True)
    under_way(job, 4)
    job.cancel(drop=True)
    runs = job.wait(20)  # what is under way never ends by itself
    assert runs.counts == {"unknown": 4}


def test_a_sweep_that_is_cancelled_before_it_began_ends(slow):
    session, _ = slow

    async def busy() -> None:
        time.sleep(0.3)  # so that the sweep can't begin

    session.client.start(busy())
    job = swept(session, "hold", {"n": range(100)}, concurrency=4, background=True)
    job.cancel(drop=True)
    assert len(job.wait(5)) == 0


def test_what_is_dropped_while_it_is_recorded_is_not_sent(served, tmp_path):
    path = tmp_path / "history.db"
    stub, session = served(history=path)
    session.run("echo", {"n": 0})
    taken = threading.Event()

    def inputs():
        yield {"n": 1}
        taken.set()
        yield {"n": 2}

    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    job = swept(session, "echo", inputs(), concurrency=1, background=True)
    assert taken.wait(10)
    for _ in range(20):  # turns of the event loop, so that the record has been asked for
        session.client.start(asyncio.sleep(0)).result(10)
    job.cancel(drop=True)
    session.client.start(asyncio.sleep(0)).result(10)
    holder.execute("ROLLBACK")
    holder.close()
    assert job.wait(10).counts == {"cancelled": 1}
    assert stub.inputs == [{"n": 0}]
    assert session.history().counts == {"success": 1, "cancelled": 1}


def test_a_sweep_whose_task_is_cancelled_sends_nothing_more(slow):
    session, release = slow
    go, meter = threading.Event(), Meter("", total=None)

    def inputs():
        yield Item(0, {"n": 1}, b'{"n":1}')
        go.wait(10)
        yield Item(1, {"n": 2}, b'{"n":2}')

    order = Order(
        workflow="hold", headers={}, tags={}, timeout=None, connection="", concurrency=2, name=None, sweep=None,
        retry_unknown=False,
    )  # fmt: skip
    feed = feed_module.Feed(inputs())
    sweep = Sweep(session.client.asynchronous, order, feed, None, kept_module.Kept(None), meter)
    future = session.client.start(sweep.run())
    server = threading.Thread(target=feed.serve, args=(future, lambda: None))
    server.start()
    while meter.now().under_way < 1:
        time.sleep(0.001)
    future.cancel()  # while one waits for its answer, and another one for its input
    session.client.start(asyncio.sleep(0.05)).result(10)  # the event loop has seen to it
    go.set()
    release.set()
    server.join(10)
    assert session.run("hold", {}).ok
    assert (meter.now().under_way, meter.now().done) == (1, 0)


def test_memory_holds_a_bounded_number_of_runs_once_they_are_recorded(connect, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_module, "IN_MEMORY", 10)
    session = connect("local", history=tmp_path / "history.db")
    runs = swept(session, "order-triage", {"sku": ["A-100"], "qty": range(1, 101)})
    assert sum(isinstance(entry, fgnb.Run) for entry in runs._runs._entries) == 10
    assert [run.input["qty"] for run in runs] == list(range(1, 101))
    assert runs[50].input["qty"] == 51
    assert runs[90:].frame["input.qty"].tolist() == list(range(91, 101))
    assert runs.frame["output.total"].notna().all()


@pytest.fixture
def served(connect):
    """A function that serves the workflow `echo` with a reply and gives the stub and a session."""
    started = []

    def start(reply=success, *, delay=0.0, **options):
        stub = WorkflowStub(reply, delay=delay)
        started.append(stub)
        return stub, connect(stub.url, **{"history": "off"} | options)

    yield start
    for stub in started:
        stub.close()


def test_concurrency_is_a_limit_and_is_reached(served):
    full = threading.Event()

    def reply(value):
        if stub.most >= 7:
            full.set()
        if not full.wait(10):  # until as many are under way as may be, however slowly they come
            full.set()
        time.sleep(0.02)  # in which one more would come, too
        return success(value)

    stub, session = served(reply)
    runs = swept(session, "echo", {"n": range(60)}, concurrency=7)
    assert runs.counts == {"success": 60}
    assert stub.most == 7
    assert Counter(value["n"] for value in stub.inputs) == Counter(range(60))


def test_rate_limit_slows_the_sweep_and_fails_no_run(served, monkeypatch):
    monkeypatch.setattr(pace, "PAUSE", 0.2)
    began = time.monotonic()
    refusals = []

    def reply(value):
        if time.monotonic() - began < 0.5:
            refusals.append(value)
            return 429, {"error_code": "APIGW.0308", "error_msg": "throttled"}, {"retry-after": "0"}
        return success(value)

    _, session = served(reply)
    runs = swept(session, "echo", {"n": range(50)}, concurrency=16)
    assert runs.counts == {"success": 50}
    assert 1 <= len(refusals) < 60, "all of them waited together"
    waited = [run.elapsed for run in runs if run.input in refusals]
    assert min(waited) < 0.4, "waiting for a turn is not the run's own time"


def test_service_that_is_away_for_a_moment_fails_no_run(served):
    stub, session = served(retry_for=20)
    stub.close()
    port = int(stub.url.rpartition(":")[2])
    job = swept(session, ID, {"n": range(20)}, concurrency=8, background=True)
    time.sleep(1.0)
    again = Stub(kept(200, success({})[1]), listens=False)
    again._listener.close()
    again._listener = socket.socket()
    again._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    again._listener.bind(("127.0.0.1", port))
    again.listen()
    try:
        assert job.wait(20).counts == {"success": 20}
    finally:
        again.close()


def test_lost_connections_are_unknown_and_not_sent_again(served):
    def reply(value):
        if value["n"] % 3 == 0:
            raise ConnectionResetError
        return success(value)

    stub, session = served(reply)
    runs = swept(session, "echo", {"n": range(30)})
    assert runs.counts == {"unknown": 10, "success": 20}
    assert Counter(value["n"] for value in stub.inputs) == Counter(range(30))


def test_timeout_is_each_runs_own(served):
    def reply(value):
        time.sleep(3 if value["n"] == 5 else 0)
        return success(value)

    _, session = served(reply)
    runs = swept(session, "echo", {"n": range(10)}, timeout=0.5)
    assert [run.input["n"] for run in runs if run.status == "unknown"] == [5]


def test_refused_signature_stops_the_sweep_instead_of_locking_the_key(served):
    refusal = {
        "error_code": "APIGW.0301",
        "error_msg": "Incorrect IAM authentication information: verify aksk signature fail",
    }
    stub, session = served(lambda value: (401, refusal) if value["n"] >= 5 else success(value), delay=0.01)
    with pytest.raises(fgnb.SweepStopped) as stopped:
        swept(session, "echo", {"n": range(1000)}, concurrency=2)
    assert isinstance(stopped.value.__cause__, fgnb.AuthenticationFailed)
    assert len(stub.inputs) < 10
    assert stopped.value.runs.counts["success"] == 5


def test_refused_look_up_ends_the_sweep_before_a_run_is_sent(connect, stub):
    refusal = {
        "error_code": "APIGW.0301",
        "error_msg": "Incorrect IAM authentication information: verify aksk signature fail",
    }
    server = stub(answer(401, refusal))
    with pytest.raises(fgnb.AuthenticationFailed):
        swept(connect(server.url, history="off"), ID, {"n": range(100)})
    assert server.posts() == 0
    assert len(server.requests) == 1


def test_interrupt_returns_the_runs_that_there_are(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, sys, threading, time\n"
        "import fgnb\n"
        "session = fgnb.connect(sys.argv[1], history='off')\n"
        "threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "began = time.monotonic()\n"
        "runs = session.sweep('echo', {'n': range(10**6)}, concurrency=4, progress=False)\n"
        "print(time.monotonic() - began, len(runs), runs.counts)\n"
    )
    stub = WorkflowStub(lambda value: success(value) if value["n"] < 8 else (time.sleep(60), success(value))[1])
    try:
        done = subprocess.run([sys.executable, program, stub.url], capture_output=True, text=True, timeout=60)
    finally:
        stub.close()
    seconds, count, counts = done.stdout.split(" ", 2)
    assert float(seconds) < 20, done.stderr
    assert (int(count), counts.strip()) == (12, "{'success': 8, 'unknown': 4}")
