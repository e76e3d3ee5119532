"""The history: one database for all processes, which loses nothing and is left alone where it can't be used."""

import asyncio
import gc
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

import fgnb
from fgnb.background import BackgroundLoop
from fgnb.runs import database as database_module
from fgnb.runs import keeping
from fgnb.runs.claims import Claim, Opening
from fgnb.runs.database import MIGRATIONS, open_database
from fgnb.runs.history import History
from fgnb.runs.run import new_run_id
from tests.exact import exact
from tests.runs import make_run
from tests.stub import answer
from tests.workflow_stub import WorkflowStub


@pytest.fixture
def path(tmp_path):
    return tmp_path / "kept" / "history.db"


@pytest.fixture
def session(connect, path):
    return connect("local", history=path)


def opening(**more):
    values = {
        "run_id": new_run_id(),
        "workflow": "w",
        "input": b"{}",
        "headers": None,
        "tags": None,
        "connection": "local",
    }
    return Opening(**(values | {"submitted_at": datetime.now(UTC)} | more))


def test_nothing_is_opened_before_the_first_run(connect, path):
    session = connect("local", history=path)
    assert not path.parent.exists()
    session.run("order-triage", {"sku": "A-100", "qty": 3})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_runs_come_back_as_they_were(session):
    done = session.run("order-triage", {"sku": "A-100", "qty": 3, "big": 2**80, "none": None}, tags={"try": 1})
    failed = session.run("order-triage", {"sku": "Z-1"}, headers={"x": "1"}, check=False)
    found = session.history()
    assert list(found) == [done, failed]
    assert exact(found[0].input) == exact(done.input)
    assert found.errors.equals(fgnb.RunSet([done, failed]).errors)


@pytest.mark.parametrize(
    "reply",
    [
        lambda value: (200, {"execution_id": "e", "status": "success", "output": None, "errors": []}),
        lambda value: (200, {"execution_id": "e", "status": "timeout"}),
        lambda value: (200, {"execution_id": "e", "status": "unsent"}),
        lambda value: (200, ["no", "execution"]),
        lambda value: (400, {"error_code": "FGS.3002", "error_msg": "no", "request_id": "r"}),
        lambda value: (500, "what"),
    ],
)
def test_every_kind_of_answer_comes_back_as_it_was(connect, path, reply):
    stub = WorkflowStub(reply)
    session = connect(stub.url, history=path)
    run = session.run("echo", {"n": 1}, check=False)
    stub.close()
    assert list(session.history()) == [run]


def test_runs_from_coroutines_and_in_the_background_are_recorded(session):
    run = asyncio.run(session.arun("order-triage", {"sku": "A-100", "qty": 1}))
    pending = session.submit("order-triage", {"sku": "A-100", "qty": 2}).future.result(5)
    assert list(session.history()) == [run, pending]


def test_wrong_name_leaves_no_record(session):
    with pytest.raises(fgnb.WorkflowNotFound):
        session.run("order-triagee", {})
    with pytest.raises(fgnb.WorkflowNotFound):
        asyncio.run(session.arun("order-triagee", {}))
    assert len(session.history()) == 0


def test_off_keeps_nothing_and_says_so(connect, monkeypatch):
    monkeypatch.setenv("FGNB_HISTORY", "off")
    session = connect("local")
    session.run("order-triage", {"sku": "A-100", "qty": 3})
    run = asyncio.run(session.arun("order-triage", {"sku": "A-100", "qty": 3}))
    assert run.frame.fg.run is run
    with pytest.raises(fgnb.HistoryError, match="is off"):
        session.history()
    with pytest.raises(LookupError, match="no run has the id 'old'"):
        pd.DataFrame({"run_id": ["old"]}).fg.runs  # noqa: B018


def test_a_frame_of_run_ids_leads_to_the_runs_of_the_history(session):
    run = session.run("order-triage", {"sku": "A-100", "qty": 3})
    frame = run.frame.index.to_frame(index=False)
    del run
    gc.collect()  # so that it is in memory nowhere
    assert frame.fg.run == session.history()[0]


def test_filters(session):
    for qty in (1, 2, 3):
        session.run("order-triage", {"sku": "A-100", "qty": qty}, tags={"try": qty, "ok": True})
    session.run("order-triage", {"sku": "Z-1"}, check=False)

    def quantities(**options):
        return [run.input.get("qty") for run in session.history(**options)]

    assert quantities(status="fail") == [None]
    assert quantities(status=["success"], limit=2) == [2, 3]
    assert quantities(tags={"try": 2}) == [2]
    assert quantities(tags={"ok": 1}) == []
    assert quantities(tags={"ok": True, "try": 3}) == [3]
    assert quantities(workflow="batch-order") == []
    assert len(quantities(since="1h")) == 4
    assert quantities(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert len(quantities(since=timedelta(days=1))) == 4
    assert len(quantities(since=datetime.now(UTC).date() - timedelta(days=1))) == 4
    assert quantities(since=datetime.now(UTC).date() + timedelta(days=2)) == []


@pytest.mark.parametrize(
    "options",
    [
        {"since": "yesterday"},
        {"since": 5},
        {"limit": -1},
        {"status": 5},
        {"status": ["fail", 5]},
        {"tags": {"try": [1]}},
        {"tags": {"at": date(2026, 11, 24)}},
        {"name": "mrach"},
    ],
)
def test_wrong_filters_are_told(session, options):
    with pytest.raises((fgnb.InputError, TypeError)):
        session.history(**options)


def test_secrets_are_masked_before_they_are_written(session, path):
    canary = "canary-7f3a91c2"
    run = session.run(
        "order-triage",
        {"sku": "A-100", "qty": 3, "password": canary, "auth": {"access_token": canary}, "max_tokens": 5},
        headers={"X-Auth-Token": canary},
        tags={"apiKey": canary},
    )
    assert run.input["password"] == canary
    found = session.history()[0]
    assert found.input == {
        "sku": "A-100",
        "qty": 3,
        "password": "***",
        "auth": {"access_token": "***"},
        "max_tokens": 5,
    }
    assert found.headers == {"X-Auth-Token": "***"}
    assert found.tags == {"apiKey": "***"}
    assert all(canary.encode() not in file.read_bytes() for file in path.parent.iterdir())


def write_many(path, count, number):
    history = History.at(path)
    stub = datetime.now(UTC)
    claims = [history.begin(opening(workflow=f"w{number}", submitted_at=stub)) for _ in range(20)]
    futures = [history._writer.ask(history._begin, opening(workflow=f"w{number}")) for _ in range(count - 20)]
    claims += [future.result(60) for future in futures]
    for claim in claims:
        assert claim.row is not None
    history.flush()


def test_four_processes_write_ten_thousand_runs_each_at_once(path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write_many, args=(path, 10_000, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    with sqlite3.connect(path) as database:
        counts = Counter(dict(database.execute("SELECT workflow, count(*) FROM runs GROUP BY workflow")))
        assert counts == {f"w{number}": 10_000 for number in range(4)}
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


@pytest.mark.parametrize(
    "content",
    [
        b"this is no database, but long enough to be looked at" * 40,
        b"x",
        b"SQLite format 3\0" + b"and nothing of it from here on" * 40,
    ],
)
def test_damaged_file_is_kept_and_costs_the_record_only(connect, path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    session = connect("local", history=path)
    with pytest.warns(fgnb.HistoryWarning, match="left as it is"):
        assert session.run("order-triage", {"sku": "A-100", "qty": 3}).ok
    assert session.run("order-triage", {"sku": "A-100", "qty": 3}).ok, "told once"
    assert asyncio.run(session.arun("order-triage", {"sku": "A-100", "qty": 3})).ok
    with pytest.raises(fgnb.WorkflowNotFound):
        session.run("order-triagee", {})
    with pytest.raises(fgnb.HistoryError, match="left as it is"):
        session.history()
    with pytest.raises(fgnb.HistoryError):
        session.sweep("order-triage", [{"sku": "A-100", "qty": 1}], name="a", progress=False)
    assert path.read_bytes() == content


def test_newer_and_foreign_databases_are_kept(connect, path):
    connect("local", history=path).run("order-triage", {"sku": "A-100", "qty": 3})
    for change, said in (("user_version = 99", "newer fgnb"), ("application_id = 5", "another program")):
        copy = path.with_name(f"{said}.db")
        with sqlite3.connect(path) as database, sqlite3.connect(copy) as other:
            database.backup(other)
            other.execute(f"PRAGMA {change}")
        database.close()
        other.close()
        before = copy.read_bytes()
        with pytest.raises(fgnb.HistoryError, match=said):
            connect("local", history=copy).history()
        assert copy.read_bytes() == before


def test_an_update_of_the_tables_that_fails_leaves_them_as_they_were(session, path):
    run = session.run("order-triage", {"sku": "A-100", "qty": 3})
    with pytest.raises(sqlite3.OperationalError, match="syntax error"):
        open_database(path, (*MIGRATIONS, "CREATE TABLE more (a);\nNO STATEMENT"))
    assert list(session.history()) == [run]
    with sqlite3.connect(path) as database:
        assert database.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall() == []
    database.close()


def test_a_python_with_an_old_sqlite_is_told_so(session, monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.warns(fgnb.HistoryWarning, match=r"needs SQLite 3\.33 or later"):
        assert session.run("order-triage", {"sku": "A-100", "qty": 3}).ok


def test_a_file_that_another_program_holds_costs_the_record_only(session, path, monkeypatch):
    monkeypatch.setattr(database_module, "BUSY", 0.0)
    path.parent.mkdir()
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.warns(fgnb.HistoryWarning, match="can't be written: database is locked"):
        assert session.run("order-triage", {"sku": "A-100", "qty": 1}).ok
    holder.execute("ROLLBACK")
    holder.close()
    assert session.run("order-triage", {"sku": "A-100", "qty": 2}).ok
    assert [run.input["qty"] for run in session.history()] == [2]


def test_folder_in_place_of_the_file_costs_the_record_only(connect, path):
    path.mkdir(parents=True)
    with pytest.warns(fgnb.HistoryWarning, match="can't be written"):
        assert connect("local", history=path).run("order-triage", {"sku": "A-100", "qty": 3}).ok
    with pytest.raises(fgnb.HistoryError, match="can't be read"):
        connect("local", history=path).history()
    with pytest.raises(fgnb.HistoryError, match="can't be written"):
        connect("local", history=path).sweep("order-triage", [{}], name="a", progress=False)


def test_full_disk_costs_the_record_not_the_run(connect, path):
    session = connect("local", history=path)
    session.run("order-triage", {"sku": "A-100", "qty": 1})
    session._history._asked(lambda database: database.execute("PRAGMA max_page_count = 1").fetchall())
    text = "x" * 100_000
    with pytest.warns(fgnb.HistoryWarning, match="full"):
        assert session.run("order-triage", {"sku": "A-100", "qty": 2, "text": text}).ok
    session._history._asked(lambda database: database.execute("PRAGMA max_page_count = 100000").fetchall())
    assert session.run("order-triage", {"sku": "A-100", "qty": 3}).ok
    assert [run.input["qty"] for run in session.history()] == [1, 3]


def test_a_named_sweep_ends_where_the_history_can_not_keep_its_promise(session, path):
    session.run("order-triage", {"sku": "A-100", "qty": 0})
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER no_room BEFORE INSERT ON runs WHEN CAST(NEW.input AS TEXT) LIKE '%:9}'"
            " BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
    inputs = {"sku": ["A-100"], "qty": [*range(1, 10), *range(20, 30)]}
    with pytest.raises(fgnb.SweepStopped, match=r"no room\. A sweep with a name promises") as stopped:
        session.sweep("order-triage", inputs, name="a", concurrency=1, progress=False)
    assert [run.input["qty"] for run in stopped.value.runs] == list(range(1, 9))
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER no_room")
    database.close()
    runs = session.sweep("order-triage", inputs, name="a", resume=True, progress=False)
    assert [run.run_id for run in runs][:8] == [run.run_id for run in stopped.value.runs]
    assert runs.counts == {"success": 19}


def test_who_waits_no_more_for_the_record_holds_up_nobody(session, path):
    session.run("order-triage", {"sku": "A-100", "qty": 0})
    holder = sqlite3.connect(path, isolation_level=None)

    async def cancelled(qty):
        task = asyncio.ensure_future(session.arun("order-triage", {"sku": "A-100", "qty": qty}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    async def one_and_another():
        holder.execute("BEGIN IMMEDIATE")
        await cancelled(1)
        holder.execute("ROLLBACK")
        return await session.arun("order-triage", {"sku": "A-100", "qty": 2})

    assert asyncio.run(one_and_another()).ok
    holder.execute("BEGIN IMMEDIATE")
    asyncio.run(cancelled(3))  # whose event loop is gone when the record is there
    holder.execute("ROLLBACK")
    holder.close()
    assert session.run("order-triage", {"sku": "A-100", "qty": 4}).ok
    assert [run.input["qty"] for run in session.history(status="success")] == [0, 2, 4]


def test_what_is_queued_at_the_end_of_the_interpreter_is_written(tmp_path):
    program = (
        "import fgnb, sys\n"
        "s = fgnb.connect('local', history=sys.argv[1])\n"
        "pending = [s.submit('order-triage', {'sku': 'A-100', 'qty': n}) for n in range(50)]\n"
        "[p.future.result(10) for p in pending]\n"
    )
    path = tmp_path / "history.db"
    subprocess.run([sys.executable, "-c", program, path], check=True, timeout=30)
    runs = fgnb.connect("local", history=path).history()
    assert runs.counts == {"success": 50}


def test_old_and_many_runs_are_deleted_when_limits_are_set(path):
    old = History(path)
    for age in (10, 5, 0):
        claim = old.begin(opening(submitted_at=datetime.now(UTC) - timedelta(days=age)))
        old.end(claim, fgnb.Run(workflow="w", status="success", submitted_at=datetime.now(UTC), elapsed=0.1), None)
    open_claim = old.begin(opening(submitted_at=datetime.now(UTC) - timedelta(days=9)))
    assert isinstance(open_claim, Claim)
    old.flush()
    young = History(path, max_age=7 * 86400)
    young.flush()
    assert len(young.select()) == 3, "one is too old, and one that is under way stays"
    small = History(path, max_size=1)
    small.flush()
    assert len(small.select()) == 1


@pytest.mark.parametrize(
    ("variable", "text"),
    [("FGNB_HISTORY_MAX_AGE", "90"), ("FGNB_HISTORY_MAX_SIZE", "lots"), ("FGNB_HISTORY_MAX_AGE", "0d")],
)
def test_limits_that_cannot_be_read_are_told(monkeypatch, variable, text):
    monkeypatch.setenv(variable, text)
    with pytest.raises(fgnb.ConfigError, match=variable):
        keeping.history_at()


def test_limits_have_units(monkeypatch, path):
    monkeypatch.setenv("FGNB_HISTORY_MAX_AGE", "1.5D")
    monkeypatch.setenv("FGNB_HISTORY_MAX_SIZE", "2 mb")
    history = keeping.history_at(path)
    assert (history.max_age, history.max_size) == (129_600, 2_000_000)


def test_forked_child_has_a_history_of_its_own(connect, path):
    session = connect("local", history=path)
    session.run("order-triage", {"sku": "A-100", "qty": 1})
    child = os.fork()
    if child == 0:
        try:
            claim = session._history.begin(opening(workflow="child"))
            os._exit(0 if claim.row is not None else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    found = session.history("child")
    assert [run.status for run in found] == ["unknown"]
    assert "ended before the answer came" in found[0].reason


def test_what_is_under_way_in_another_process_is_told_from_what_it_left_open(session, path):
    session.run("order-triage", {"sku": "A-100", "qty": 1})
    (begun, tell), (wait, end) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end)
        try:
            session._history.begin(opening(workflow="child"))
            os.write(tell, b"1")
            os.read(wait, 1)
        finally:
            os._exit(0)
    os.read(begun, 1)
    assert session.history("child")[0].reason == f"still under way in process {child}"
    os.close(end)
    os.waitpid(child, 0)
    assert "ended before the answer came" in session.history("child")[0].reason
    with sqlite3.connect(path) as database:
        database.execute("UPDATE owners SET host = 'elsewhere' WHERE pid = ?", (child,))
    database.close()
    assert session.history("child")[0].reason == f"still under way in process {child} on elsewhere"
    for pipe in (begun, tell, wait):
        os.close(pipe)


def test_runs_with_and_without_a_name_are_recorded_at_once(path):
    history = History(path)
    history.begin(opening())
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")  # so that they are all in one transaction
    named = {"sweep": 1, "key": b"k", "sweep_pass": 1}
    futures = [history._writer.ask(history._begin, opening(**more)) for more in ({}, named, {}, named)]
    holder.execute("ROLLBACK")
    holder.close()
    assert [BackgroundLoop.wait(future).row for future in futures] == [2, 3, 4, 5]
    assert [run.run_id for run in history.select()] == [run.run_id for run in history.select()][:5]


@pytest.mark.parametrize("text", ["\ud800", "order-\udfff"])
def test_texts_with_half_a_character_are_kept(session, text):
    session._history.add([make_run(workflow=text, input={text: text}, tags={text: text})])
    (found,) = session.history()
    assert (found.workflow, found.input, found.tags) == (text, {text: text}, {text: text})


def test_an_answer_that_is_no_json_is_kept_as_it_is(connect, stub, path):
    server = stub(answer(500, b"\xff<html>"))
    session = connect(server.url, history=path)
    run = session.run("48aff955-ea10-4ffd-b426-190bc192dc14", {}, check=False)
    assert run.raw == session.history()[0].raw == b"\xff<html>"


def test_more_ends_than_one_statement_takes_are_written_once_the_file_can_be(connect, path):
    session = connect("local", history=path)
    session.run("order-triage", {"sku": "A-100", "qty": 1})
    history, done = session._history, session.history()[0]
    claims = [BackgroundLoop.wait(history._writer.ask(history._begin, opening())) for _ in range(3)]
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    for _ in range(4000):  # 11 values each
        for claim in claims:
            history.end(claim, done, b"{}")
    blocker.execute("ROLLBACK")
    history.flush()
    assert [run.status for run in session.history()] == ["success"] * 4


def test_the_history_keeps_up_while_another_thread_computes(path):
    history = History.at(path)
    stop = threading.Event()

    def compute():
        while not stop.is_set():
            sum(range(1000))

    thread = threading.Thread(target=compute)
    thread.start()
    try:
        statements = []
        history.begin(opening())
        history._asked(lambda database: database.set_trace_callback(statements.append))
        futures = [history._writer.ask(history._begin, opening()) for _ in range(500)]
        assert len({BackgroundLoop.wait(future).row for future in futures}) == 500
        history._asked(lambda database: database.set_trace_callback(None))
    finally:
        stop.set()
        thread.join()
    # One for each run would wait for the GIL as often.
    assert sum("INSERT INTO runs" in statement for statement in statements) < 100


def test_a_slip_in_a_status_does_not_look_like_no_such_runs(connect, tmp_path):
    session = connect("local", history=tmp_path / "runs.db")
    session.run("order-triage", {"sku": "A-1"})
    with pytest.raises(fgnb.InputError, match="no run has the status 'failed'; did you mean fail"):
        session.history(status="failed")
    assert len(session.history(status="fail")) == 0
    assert len(session.history(status="paused")) == 0  # the service may have others than we know
