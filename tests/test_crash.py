"""What is left of a sweep whose process was killed, and how it is gone on with: nothing is sent twice."""

import multiprocessing
import random
import signal
import time
from collections import Counter
from multiprocessing.connection import Connection

import pytest

import fgnb
from tests.workflow_stub import WorkflowStub, success

INPUTS = 800
KILLS = 50


@pytest.fixture
def stub():
    """A service that takes some milliseconds for each run."""
    stub = WorkflowStub(lambda value: success(value | {"double": 2 * value["n"]}), delay=0.004)
    yield stub
    stub.close()


@pytest.fixture(scope="module")
def processes():
    """Processes that are forked from one that has imported what a sweep needs, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.test_crash", "fgnb.session", "fgnb.runs.sweep", "fgnb.client.transport"])
    return context


def sweep(said: Connection, url: str, history: str, resume: bool | str, count: int) -> None:
    session = fgnb.connect(url, history=history, retry_for=0)
    said.send("ready")
    inputs = {"n": range(count)}
    runs = session.sweep("echo", inputs, name="march", resume=resume, concurrency=8, progress=False)
    said.send([(run.input["n"], run.status) for run in runs])


@pytest.fixture
def sweeping(processes, tmp_path, stub):
    """A function that starts a sweep in a process of its own; it gives the process and what it says."""

    def start(resume=True, count=INPUTS):
        said, its = processes.Pipe(duplex=False)
        arguments = (its, stub.url, str(tmp_path / "history.db"), resume, count)
        process = processes.Process(target=sweep, args=arguments)
        process.start()
        its.close()
        assert said.recv() == "ready"
        return process, said

    return start


def finished(process, said):
    results = said.recv()
    process.join(60)
    assert process.exitcode == 0
    return results


def test_killed_fifty_times_and_resumed_until_done_no_input_is_sent_twice(sweeping, tmp_path, stub):
    chance = random.Random(20261124)
    killed = 0
    for _ in range(KILLS):
        process, _ = sweeping()
        time.sleep(chance.uniform(0.0, 0.06))
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
    results = finished(*sweeping())
    assert killed == KILLS

    sent = Counter(value["n"] for value in stub.inputs)
    assert max(sent.values()) == 1, "no input was sent twice"
    assert [number for number, _ in results] == list(range(INPUTS)), "one record for each input, in their order"
    statuses = Counter(status for _, status in results)
    assert set(statuses) <= {"success", "unknown"}
    assert statuses["success"] >= INPUTS - 8 * KILLS
    unknown = {number for number, status in results if status == "unknown"}
    assert set(range(INPUTS)) - unknown <= set(sent), "what is a success was sent"

    runs = fgnb.connect(stub.url, history=tmp_path / "history.db").history(name="march")
    assert sorted(run.input["n"] for run in runs) == list(range(INPUTS))
    assert all(run.output["double"] == 2 * run.input["n"] for run in runs if run.ok)
    assert all("ended" in run.reason for run in runs if run.status == "unknown")

    retried = finished(*sweeping("retry-unknown"))
    assert Counter(status for _, status in retried) == {"success": INPUTS}
    again = Counter(value["n"] for value in stub.inputs)
    assert {number for number, count in again.items() if count > 1} <= unknown, "only what was asked for"


def test_two_that_resume_the_same_sweep_at_once_never_send_one_input_twice(sweeping, tmp_path, stub):
    both = [sweeping(count=1000) for _ in range(2)]
    results = [finished(*one) for one in both]
    sent = Counter(value["n"] for value in stub.inputs)
    assert sent == Counter(range(1000))
    for result in results:
        assert sorted(number for number, _ in result) == list(range(1000))
    runs = fgnb.connect(stub.url, history=tmp_path / "history.db").history(name="march")
    assert Counter(run.status for run in runs) == {"success": 1000}


def test_input_that_was_dropped_before_it_was_sent_is_sent_by_a_resume(tmp_path, stub, connect):
    session = connect("http://127.0.0.1:9", history=tmp_path / "history.db")  # nobody listens there
    lost = session.sweep("48aff955-ea10-4ffd-b426-190bc192dc14", {"n": range(3)}, name="a", progress=False)
    assert lost.counts == {"unsent": 3}
    again = session.sweep(
        "48aff955-ea10-4ffd-b426-190bc192dc14", {"n": range(3)}, name="a", resume=True, progress=False
    )
    assert again.counts == {"unsent": 3}
    assert {run.run_id for run in again}.isdisjoint({run.run_id for run in lost}), "they were tried again"
    assert len(session.history(name="a")) == 3
    assert len(session.history()) == 6, "each attempt is kept"


def test_resume_sends_only_what_has_no_final_record(tmp_path, stub, connect):
    session = connect(stub.url, history=tmp_path / "history.db")
    first = session.sweep("echo", {"n": range(5)}, name="march", progress=False)
    more = session.sweep("echo", {"n": range(8)}, name="march", resume=True, progress=False)
    assert [run.input["n"] for run in more] == list(range(8))
    assert list(more[:5]) == list(first)
    assert Counter(value["n"] for value in stub.inputs) == Counter(range(8))


def test_what_a_resume_leaves_alone_is_told_as_what_it_is(tmp_path, stub, connect):
    session = connect(stub.url, history=tmp_path / "history.db")
    session.sweep("echo", {"n": range(3)}, name="march", progress=False)
    lost = WorkflowStub(lambda value: 1 / 0)  # drops the connection
    try:
        losing = connect(lost.url, history=tmp_path / "history.db")
        losing.sweep("echo", {"n": range(2)}, name="lost", progress=False)
        again = losing.sweep("echo", {"n": range(2)}, name="lost", resume=True, progress=False, background=True)
        assert again.wait().counts == {"unknown": 2}
    finally:
        lost.close()
    progress = again.progress
    assert (progress.done, progress.skipped, progress.unknown_before) == (0, 2, 2)
    assert "2 unknown before" in again._repr_mimebundle_()["text/plain"]
    assert "done before" not in again._repr_mimebundle_()["text/html"]
    done = session.sweep("echo", {"n": range(3)}, name="march", resume=True, progress=False, background=True)
    done.wait()
    assert (done.progress.skipped, done.progress.unknown_before) == (3, 0)


def test_one_input_given_three_times_is_three_runs_and_a_resume_sends_none_again(tmp_path, stub, connect):
    session = connect(stub.url, history=tmp_path / "history.db")
    inputs = [{"n": 1}, {"n": 2}, {"n": 1}, {"n": 1}]
    first = session.sweep("echo", inputs, name="march", progress=False)
    again = session.sweep("echo", inputs, name="march", resume=True, progress=False)
    assert len(stub.inputs) == 4
    assert sorted(run.run_id for run in again) == sorted(run.run_id for run in first)
    assert [run.input for run in again] == inputs


def test_order_of_keys_does_not_make_another_input(tmp_path, stub, connect):
    session = connect(stub.url, history=tmp_path / "history.db")
    session.sweep("echo", [{"n": 1, "m": {"a": 1, "b": 2}}], name="march", progress=False)
    session.sweep("echo", [{"m": {"b": 2, "a": 1}, "n": 1}], name="march", resume=True, progress=False)
    assert len(stub.inputs) == 1


def test_taken_name_is_refused_before_anything_is_sent(tmp_path, stub, connect):
    session = connect(stub.url, history=tmp_path / "history.db")
    session.sweep("echo", {"n": range(2)}, name="march", progress=False)
    with pytest.raises(fgnb.InputError, match="resume=True"):
        session.sweep("echo", {"n": range(4)}, name="march", progress=False)
    with pytest.raises(fgnb.InputError, match="march"):
        session.sweep("other", {"n": range(4)}, name="march", resume=True, progress=False)
    assert len(stub.inputs) == 2


def test_run_that_is_under_way_is_on_disk_before_it_is_sent(tmp_path, connect):
    seen = []

    def reply(value):
        seen.extend(fgnb.connect("local", history=tmp_path / "history.db").history())
        return success(value)

    stub = WorkflowStub(reply)
    run = connect(stub.url, history=tmp_path / "history.db").run("echo", {"n": 1})
    stub.close()
    assert [(found.run_id, found.status, found.input) for found in seen] == [(run.run_id, "unknown", {"n": 1})]
    assert "under way" in seen[0].reason
