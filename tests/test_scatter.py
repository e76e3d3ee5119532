"""Sweeps over workers: threads, processes, Dask; and what becomes of the inputs of a worker that is lost."""

import multiprocessing
import os
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import fgnb
from fgnb.client.credentials import AccessKey
from fgnb.errors import InputError
from fgnb.runs import scatter
from fgnb.runs.chunks import BLOCK, Folder
from fgnb.runs.files import read_runs
from tests.exact import exact
from tests.runs import make_run
from tests.workflow_stub import WorkflowStub, success


@pytest.fixture
def stub():
    stub = WorkflowStub(lambda value: success({"double": 2 * value["n"], "big": 2**70}), delay=0.002)
    yield stub
    stub.close()


@pytest.fixture
def threads():
    with ThreadPoolExecutor(3) as executor:
        yield executor


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


def swept(session, *args, **options):
    return session.sweep(*args, **({"progress": False, "concurrency": 8} | options))


def sent(stub):
    return Counter(value["n"] for value in stub.inputs)


def test_threads_share_the_embedded_service_of_their_process(connect, threads, tmp_path):
    session = connect("local", history=tmp_path / "h.db")
    inputs = {"sku": ["A-100", "Z-1"], "qty": range(1, 101)}
    runs = swept(session, "order-triage", inputs, executor=threads, tags={"t": 1}, name="n")
    plain = swept(session, "order-triage", inputs)
    assert exact([run.output for run in runs]) == exact([run.output for run in plain])
    assert [run.input for run in runs] == [run.input for run in plain]
    assert runs.counts == {"success": 100, "fail": 100}
    assert runs[150].node_errors[0].node_id == plain[150].node_errors[0].node_id
    kept = session.history(name="n")
    assert [run.run_id for run in kept] == [run.run_id for run in runs]
    assert list(kept) == list(runs)
    assert swept(session, "order-triage", inputs, executor=threads, name="n", resume=True) == runs


@pytest.mark.parametrize("parts", [False, True])
def test_processes_each_have_a_client_and_every_input_is_sent_once(
    connect, stub, processes, tmp_path, parts, monkeypatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    session = connect(stub.url, history=tmp_path / "h.db")
    folder = tmp_path / "parts" if parts else None
    runs = swept(session, "echo", {"n": range(700)}, executor=processes, parts=folder, headers={"x": "1"})
    assert sent(stub) == Counter(range(700))
    assert [run.output for run in runs] == [{"double": 2 * n, "big": 2**70} for n in range(700)]
    assert runs[3].headers == {"x": "1"}
    assert list(session.history()) == sorted(runs, key=lambda run: run.submitted_at)
    assert list((tmp_path / "temporary").iterdir()) == []
    if folder is not None:
        assert all(entry.suffix == ".parquet" for entry in folder.iterdir())
        landed = {run.run_id: run.output for run in read_runs(folder)}
        assert landed == {run.run_id: run.output for run in runs}
        with pytest.raises(InputError, match="empty folder"):
            swept(session, "echo", {"n": range(3)}, executor=processes, parts=folder)


def test_what_a_killed_process_may_have_sent_is_unknown_and_the_rest_is_gone_on_with(connect, stub, tmp_path):
    session = connect(stub.url, history=tmp_path / "h.db", retry_for=0)
    executor = ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn"))
    pids = [executor.submit(os.getpid).result()]
    job = swept(session, "echo", {"n": range(1500)}, executor=executor, name="k", background=True)
    while len(stub.inputs) < 200 and not job.done:
        time.sleep(0.01)
    os.kill(pids[0], signal.SIGKILL)  # which breaks the whole pool
    with pytest.raises(fgnb.SweepStopped, match="takes no more work") as stopped:
        job.wait(30)
    time.sleep(0.3)  # the other worker is ended by the pool
    statuses = stopped.value.runs.counts
    assert statuses["unknown"] <= 2 * (8 + BLOCK)
    assert max(sent(stub).values()) == 1
    with ThreadPoolExecutor(2) as threads:
        runs = swept(session, "echo", {"n": range(1500)}, executor=threads, name="k", resume=True)
    assert runs.counts == {"success": 1500 - statuses["unknown"], "unknown": statuses["unknown"]}
    assert max(sent(stub).values()) == 1
    assert {run.input["n"] for run in runs} == set(range(1500))
    known = {run.input["n"] for run in runs if run.ok}
    assert known <= set(sent(stub))
    executor.shutdown(wait=False, cancel_futures=True)


class Losing(Executor):
    """Loses the results of some chunks: after all of the work, half of it, or before it began."""

    def __init__(self, *, lose):
        self.lose = lose
        self.count = 0

    def submit(self, fn, /, *args, **kwargs):
        self.count += 1
        future: Future = Future()
        how = self.lose(self.count)

        def work():
            try:
                if how == "before":
                    raise RuntimeError("the worker is gone")
                if how == "half":
                    chunk = args[0]
                    folder = Folder(Path(chunk.folder), chunk.token)
                    folder.claim(chunk.number, 0)  # as if it was about to send the first block, and died
                    journal = folder.journal(chunk.number)
                    journal.write(chunk.positions[0], make_run(run_id=chunk.run_ids[0], output={"half": True}))
                    os.write(journal._file, b'{"position":')  # and was about to note the end of another
                    journal.close()
                    raise RuntimeError("the worker is gone")
                done = fn(*args, **kwargs)
                if how == "after":
                    raise RuntimeError("the result is gone")
                future.set_result(done)
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return future


@pytest.mark.parametrize("how", ["before", "after", "half"])
@pytest.mark.parametrize("parts", [False, True])
def test_a_lost_chunk_is_gone_on_with_and_nothing_is_sent_twice(connect, stub, how, parts, tmp_path):
    session = connect(stub.url, history="off")
    executor = Losing(lose=lambda count: how if count == 2 else None)
    folder = tmp_path / "parts" if parts else None
    runs = swept(session, "echo", {"n": range(100)}, executor=executor, parts=folder)
    if folder is not None:  # the parts hold each run once, whoever wrote it
        landed = read_runs(folder)
        assert sorted((run.run_id, run.status) for run in landed) == sorted((run.run_id, run.status) for run in runs)
    assert len(runs) == 100
    assert max(sent(stub).values()) == 1
    if how == "half":  # one run of the claimed block is in the journal, the others may have run
        assert runs.counts == {"success": 100 - (BLOCK - 1), "unknown": BLOCK - 1}
        assert sum(run.output == {"half": True} for run in runs if run.ok) == 1
        assert all("worker was lost" in run.reason for run in runs if not run.ok)
    else:  # not begun: sent by another worker; all done: known by the journal
        assert runs.counts == {"success": 100}


def test_inputs_over_which_workers_are_lost_again_and_again_are_left_alone(connect, stub):
    session = connect(stub.url, history="off")
    runs = swept(session, "echo", {"n": range(10)}, executor=Losing(lose=lambda count: "before"))
    assert runs.counts == {"unsent": 10}
    assert "3 workers were lost" in runs[0].reason
    assert not stub.inputs


@pytest.mark.parametrize("first", [scatter.FIRST, scatter.MOST])
@pytest.mark.parametrize("drop", [False, True])
def test_cancel_reaches_the_workers(connect, threads, drop, first, monkeypatch):
    monkeypatch.setattr(scatter, "FIRST", first)
    stub = WorkflowStub(lambda value: success(value), delay=0.05)
    session = connect(stub.url, history="off")
    job = swept(session, "echo", {"n": range(5000)}, concurrency=5, executor=threads, background=True)
    while len(stub.inputs) < 30 and not job.done:
        time.sleep(0.01)
    job.cancel(drop=drop)
    runs = job.wait(10)
    assert set(runs.counts) <= ({"success", "unknown", "cancelled"} if drop else {"success", "cancelled"})
    assert {run.input["n"] for run in runs if run.ok} <= set(sent(stub))
    assert not {run.input["n"] for run in runs if run.status == "cancelled"} & set(sent(stub))
    assert len(stub.inputs) < 200
    stub.close()


def test_cancel_ends_the_wait_for_inputs_and_for_a_sweep_that_has_not_begun(connect, stub, threads):
    session = connect(stub.url, history="off")
    go = threading.Event()

    def inputs():
        yield {"n": 1}
        go.wait(10)
        yield {"n": 2}

    job = swept(session, "echo", inputs(), executor=threads, background=True)
    while job._sweep._taking is None:
        time.sleep(0.001)
    job.cancel()
    go.set()
    assert {run.input["n"] for run in job.wait(10)} <= {1}
    hold, held = threading.Event(), threading.Event()

    async def busy() -> None:
        held.set()
        hold.wait(10)  # so that the sweep can't begin

    session.client.start(busy())
    assert held.wait(10)
    job = session.plan_sweep("echo", {"n": range(100)}, executor=threads, progress=False)
    job.cancel()
    hold.set()
    job.start()
    assert len(job.wait(10)) == 0
    assert {value["n"] for value in stub.inputs} <= {1}


def test_a_refused_signature_stops_the_workers_instead_of_locking_the_key(connect, threads):
    refusal = {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}
    stub = WorkflowStub(lambda value: (401, refusal) if value["n"] >= 5 else success(value))
    session = connect(stub.url, history="off")
    with pytest.raises(fgnb.SweepStopped, match="Incorrect IAM authentication") as stopped:
        swept(session, "echo", {"n": range(1000)}, executor=threads, concurrency=1)
    assert 0 < stopped.value.runs.counts["success"] <= 5
    assert len(stub.inputs) < 100
    stub.close()


def test_a_history_that_can_not_keep_the_promise_of_a_named_sweep_stops_it(connect, stub, threads, tmp_path):
    session = connect(stub.url, history=tmp_path / "h.db")
    session.run("echo", {"n": 0})
    with sqlite3.connect(tmp_path / "h.db") as database:
        database.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON runs WHEN CAST(NEW.input AS TEXT) = '{\"n\":300}'"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    database.close()
    with pytest.raises(fgnb.SweepStopped, match=r"no room\. A sweep with a name promises") as stopped:
        swept(session, "echo", {"n": range(1, 1000)}, executor=threads, name="a")
    assert {run.input["n"] for run in stopped.value.runs if run.status != "cancelled"} == set(sent(stub)) - {0}
    assert 300 not in sent(stub)


def test_a_folder_that_can_not_be_tidied_up_stops_the_sweep_and_keeps_its_runs(connect, stub):
    class Littering(Losing):
        def submit(self, fn, /, *args, **kwargs):
            (Path(args[0].folder) / f"{args[0].number}.not-ours").mkdir()
            return super().submit(fn, *args, **kwargs)

    with pytest.raises(fgnb.SweepStopped, match="not-ours") as stopped:
        swept(connect(stub.url, history="off"), "echo", {"n": range(10)}, executor=Littering(lose=lambda count: None))
    assert stopped.value.runs.counts == {"success": 10}


def test_inputs_are_taken_as_they_are_needed(connect, stub, threads, monkeypatch):
    monkeypatch.setattr(scatter, "MOST", 32)
    session = connect(stub.url, history="off")
    most = 0

    def inputs():
        nonlocal most
        for n in range(2000):
            most = max(most, n - len(stub.inputs))
            yield {"n": n}

    runs = swept(session, "echo", inputs(), executor=threads)
    assert len(runs) == 2000
    assert most < 6 * 32 + 600  # chunks under way, and what is made ahead


def test_a_folder_that_goes_away_stops_the_sweep_and_no_run_is_forgotten(connect, threads, monkeypatch):
    stub = WorkflowStub(lambda value: success(value), delay=0.02)
    session = connect(stub.url, history="off")
    monkeypatch.setattr(Folder, "ended", lambda self, chunk: (_ for _ in ()).throw(OSError("the disk is gone")))
    lost = Losing(lose=lambda count: "half" if count == 1 else None)
    with pytest.raises(fgnb.SweepStopped, match="the disk is gone") as stopped:
        swept(session, "echo", {"n": range(16)}, executor=lost)
    assert len(stopped.value.runs) == 16
    assert stopped.value.runs.counts == {"unknown": 16}
    stub.close()


def test_wrong_executors_and_connections_are_told(connect, stub, threads, processes, monkeypatch, tmp_path):
    session = connect(stub.url, history="off")
    with pytest.raises(InputError, match=r"executor must be.*not int"):
        swept(session, "echo", {"n": [1]}, executor=2)
    with pytest.raises(InputError, match="give executor="):
        swept(session, "echo", {"n": [1]}, parts=tmp_path)
    with pytest.raises(fgnb.WorkflowNotFound):
        swept(session, "ecko", {"n": [1]}, executor=threads)
    with pytest.raises(fgnb.FgnbError, match="lives in the process that started it"):
        swept(connect("local", history="off"), "order-triage", {"qty": [1]}, executor=processes)
    secret = "top-secret-key-000000000000000000000000"
    keyed = connect(stub.url, credentials=AccessKey("AK0000000000000000", secret), project_id="p", history="off")
    with pytest.raises(InputError, match="don't travel") as refused:
        swept(keyed, "echo", {"n": [1]}, executor=processes)
    assert secret not in str(refused.value)
    proxied = connect(stub.url, proxy="http://u:hidden@127.0.0.1:1", history="off")
    with pytest.raises(InputError, match="does not travel") as refused:
        swept(proxied, "echo", {"n": [1]}, executor=processes)
    assert "hidden" not in str(refused.value)


def test_a_worker_that_does_not_see_the_folder_says_so(connect, stub, threads, monkeypatch):
    real = Folder.check  # as on a machine where another folder, or none, is mounted there
    monkeypatch.setattr(Folder, "check", lambda self: real(Folder(Path("/nowhere"), self.token)))
    session = connect(stub.url, history="off")
    with pytest.raises(fgnb.FgnbError, match="give the sweep parts="):
        swept(session, "echo", {"n": range(5)}, executor=threads)
    assert not stub.inputs


def test_an_error_of_the_inputs_stops_the_sweep_with_the_runs_there_are(connect, stub, threads):
    def inputs():
        yield from ({"n": n} for n in range(40))
        raise ZeroDivisionError("no more")

    session = connect(stub.url, history="off")
    with pytest.raises(fgnb.SweepStopped, match="no more") as stopped:
        swept(session, "echo", inputs(), executor=threads)
    assert max(sent(stub).values(), default=1) == 1
    assert len(stopped.value.runs) <= 40


def test_dask_runs_chunks_and_goes_on_when_a_worker_dies(connect, stub, tmp_path):
    distributed = pytest.importorskip("distributed")
    session = connect(stub.url, history=tmp_path / "h.db", retry_for=0)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0", host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        job = swept(
            session, "echo", {"n": range(1200)}, executor=client.get_executor(), parts=tmp_path / "p", name="d",
            background=True,
        )  # fmt: skip
        while len(stub.inputs) < 150 and not job.done:
            time.sleep(0.01)
        victim = next(iter(client.run(os.getpid).values()))
        os.kill(victim, signal.SIGKILL)
        runs = job.wait(60)
    assert len(runs) == 1200
    assert max(sent(stub).values()) == 1
    assert set(runs.counts) <= {"success", "unknown"}
    assert runs.counts.get("unknown", 0) <= 8 + BLOCK
    assert {run.input["n"] for run in runs if run.ok} <= set(sent(stub))
