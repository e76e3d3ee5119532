"""What a hostile look at the client found: wrong statuses, second runs, hangs, tokens in the wrong hands."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future

import pytest

import fgnb
from fgnb.background import BackgroundLoop
from fgnb.client import source
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.outcome import Attempt
from fgnb.client.refusal import error_body
from fgnb.client.transport import HttpTransport
from fgnb.errors import ConfigError, ServiceError
from fgnb.wire import Request, Response
from tests.flows import PROJECT
from tests.stub import answer, kept, stall

ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
DONE = {"execution_id": "e", "status": "success"}
TOKEN = "canary-token-5f2e"  # of nobody


def page(**ids):
    entries = [{"id": id, "name": name} for name, id in ids.items()]
    return answer(200, {"workflows": entries, "total": len(entries), "size": len(entries)})


# --- statuses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 504])
def test_a_fault_with_the_code_of_not_found_is_not_sent_again(stub, connect, status):
    server = stub(page(flow="id-1"), answer(status, {"error_code": "FGS.5002"}), page(flow="id-2"), answer(200, DONE))
    assert connect(server.url).run("flow", check=False).status == "unknown"
    assert server.posts() == 1


def test_what_was_given_up_is_never_sent_afterwards():
    """Who gave up may have said already that nothing was sent."""
    attempt = Attempt()
    attempt.given_up = True
    with pytest.raises(asyncio.CancelledError):
        attempt.mark_sent()
    assert attempt.abandoned("given up").status == "cancelled"


def test_a_run_that_a_busy_loop_could_not_cancel_in_time_is_not_sent(stub, monkeypatch):
    server = stub(kept(200, DONE))
    loop = BackgroundLoop("test")
    client = Client(AsyncClient(HttpTransport(server.url), project_id=PROJECT), loop=loop)
    assert client.execute(ID, {}).status == "success"  # an idle connection is there
    monkeypatch.setattr("fgnb.client.blocking.GRACE", 0.05)
    reached, gate = threading.Event(), threading.Event()

    def block() -> None:
        reached.set()
        gate.wait(5)

    loop.loop.call_soon_threadsafe(block)
    reached.wait(5)
    submission = client.submit(ID, {})
    assert submission.give_up().status == "cancelled"
    gate.set()
    assert submission.future.result(5).status == "cancelled"
    client.close()
    assert server.posts() == 1


def test_a_second_interrupt_while_giving_up_still_gives_the_outcome(stub, connect, monkeypatch):
    server = stub(stall)
    submission = connect(server.url, project_id=PROJECT).client.submit(ID, {})
    while not server.posts():
        time.sleep(0.01)

    def interrupted(self: Future, timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Future, "result", interrupted)
        outcome = submission.give_up()
    assert outcome.status == "unknown"


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "application/xhtml+xml", "Text/HTML"])
def test_what_somebody_on_the_way_may_have_said_is_no_streamed_result(kind):
    headers = {"transfer-encoding": "chunked"} | ({"content-type": kind} if kind else {})
    outcome = Attempt().answered(Response(status=200, headers=headers, body=b"upstream connect error"))
    assert (outcome.status, outcome.streamed, outcome.raw) == ("unknown", False, b"upstream connect error")


# --- hangs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_credentials_function_that_wants_to_end_everything_ends_its_run_only(stub, connect, error):
    def give():
        raise error

    server = stub(kept(200, DONE))
    for _ in range(3):
        with pytest.raises(ConfigError, match=error.__name__):
            connect(server.url, credentials=give).run(ID)
    assert connect(server.url).run(ID).ok  # the loop still runs


def test_a_task_that_exits_leaves_the_loop_to_the_others():
    loop = BackgroundLoop("test")

    async def leave():
        raise SystemExit(3)

    async def stay():
        return "here"

    with pytest.raises(SystemExit):
        loop.run(leave())
    assert loop.run(stay()) == "here"


def test_a_callback_that_waits_for_the_loop_it_runs_on_is_told(stub, connect):
    session = connect(stub(kept(200, DONE)).url)
    told: Future = Future()

    def again(done: Future) -> None:
        try:
            session.run(ID)
        except RuntimeError as error:
            told.set_result(str(error))

    session.submit(ID).future.add_done_callback(again)
    assert "must not wait" in told.result(5)
    assert session.run(ID).ok
    assert session.workflows  # nothing hangs


def test_a_credentials_function_that_uses_its_own_session_is_told(stub, connect):
    server = stub(kept(200, DONE))
    sessions = []

    def give():
        sessions[0].run(ID)

    sessions.append(connect(server.url, credentials=give))
    with pytest.raises(ConfigError, match="uses a session that is waiting for it"):
        sessions[0].run(ID)
    assert server.requests == []


def test_a_credentials_function_that_never_answers_is_given_up(stub, connect, monkeypatch):
    monkeypatch.setattr(source, "PATIENCE", 0.1)
    gate = threading.Event()
    session = connect(stub(kept(200, DONE)).url, credentials=lambda: gate.wait(20))
    for _ in range(2):  # the second one waits for the first
        with pytest.raises(ConfigError, match=r"has not answered for 0\.1 s"):
            session.run(ID)
    gate.set()


def test_nothing_is_sent_once_a_session_is_closed_while_credentials_are_asked_for(stub, connect):
    server = stub(kept(200, DONE))
    asked, gate = threading.Event(), threading.Event()

    def give():
        asked.set()
        gate.wait(5)
        return fgnb.AccessKey("ak", "sk")

    session = connect(server.url, credentials=give)
    pending = session.submit(ID)
    asked.wait(5)
    session.close()
    gate.set()
    run = pending.future.result(5)
    assert (run.status, server.requests) == ("unsent", [])
    assert "closed" in run.reason


SCRIPT = """
import sys, fgnb
try:
    fgnb.connect(sys.argv[1]).run(sys.argv[2])
except KeyboardInterrupt as interrupt:
    print(interrupt.run.status)
    sys.exit(130)
"""


@pytest.mark.parametrize("how", ["a script", "the command line", "a terminal"])
def test_ctrl_c_ends_a_run_within_a_second(stub, how):
    server = stub(stall)
    command = [sys.executable, "-m", "fgnb", "run", ID, "--endpoint", server.url]
    if how == "a script":
        command = [sys.executable, "-c", SCRIPT, server.url, ID]
    leader, follower = os.openpty()
    streams = {"stdin": follower, "start_new_session": True} if how == "a terminal" else {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **streams) as process:
        while not server.posts():
            time.sleep(0.01)
        if how == "a terminal":
            os.killpg(process.pid, signal.SIGINT)  # what a terminal does at Ctrl-C: all of its processes get it
        else:
            process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)  # the service never answers
    os.close(leader)
    os.close(follower)
    assert process.returncode == 130
    assert "unknown" in said
    assert "Traceback" not in said


def test_a_list_whose_total_is_wrong_ends(stub, connect):
    entries = [{"id": "id-1", "name": "flow"}]
    server = stub(kept(200, {"workflows": entries, "total": 1_000_000, "size": 1}))
    assert connect(server.url).workflows().index.tolist() == ["flow"]
    assert len(server.requests) == 2


# --- tokens and names ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "named"),
    [("endpoint = 'https://service.test'", False), ("endpoint = 'https://service.test'", True)],
    ids=["nobody named the file", "its profile is named"],
)
def test_a_file_that_merely_lies_there_does_not_say_where_tokens_go(
    tmp_path, monkeypatch, connect, setting, named
):  # as in a repository that somebody cloned
    (tmp_path / "fgnb.toml").write_text(f"[default]\n{setting}\nproject_id = 'p'\nconnect_timeout = 0.1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FGNB_AUTH_TOKEN", TOKEN)
    session = connect(profile="default") if named else connect()
    assert session.connection == "https://service.test"
    if named:
        assert session.run(ID, check=False).status == "unsent"  # there is no such host
        return
    with pytest.raises(ConfigError, match=r"endpoint comes from profile 'default' of .*fgnb\.toml, which nobody named"):
        session.run(ID)


@pytest.mark.parametrize("setting", ["verify = false", "proxy = 'http://127.0.0.1:9'", "ca_bundle = 'fgnb.toml'"])
def test_nor_how_they_are_protected_on_their_way(tmp_path, monkeypatch, setting):
    (tmp_path / "fgnb.toml").write_text(f"[default]\nregion = 'cn-north-4'\n{setting}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FGNB_AUTH_TOKEN", TOKEN)
    from fgnb.config import settle
    from fgnb.connection import found_credentials

    settings = settle(find=found_credentials)
    assert setting.split()[0] in (settings.no_tokens() or "")
    assert settle(profile="default", find=found_credentials).no_tokens() is None


def test_a_proxy_gets_no_token_unencrypted(stub, connect):
    server = stub(kept(200, DONE))
    credentials = fgnb.IamToken(TOKEN)
    with pytest.raises(ConfigError, match="to the proxy unencrypted"):
        connect("http://127.0.0.1:1", credentials=credentials, proxy=server.url).run(ID)
    assert server.requests == []


def test_a_token_that_an_answer_repeats_is_kept_nowhere(stub, connect, caplog):
    caplog.set_level(logging.DEBUG)
    server = stub(kept(200, {"headers": {"x-auth-token": TOKEN}}))
    run = connect(server.url, credentials=fgnb.IamToken(TOKEN), log_bodies=True).run(ID, check=False)
    assert server.headers[0]["x-auth-token"] == TOKEN
    assert TOKEN not in f"{run.raw}{run.reason}{caplog.text}"


def test_certificate_authorities_that_are_gone_are_said_clearly(tmp_path, connect, monkeypatch, stub):
    bundle = tmp_path / "ca.pem"
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    transport = HttpTransport(stub(kept(200, DONE)).url.replace("http:", "https:"))
    request = Request(method="GET", path="/", timeout=5)
    with pytest.raises(ConfigError, match="CA bundle"):
        asyncio.run(transport.send(request))


@pytest.mark.parametrize("id", ["", ".", ".."])
def test_an_id_that_would_be_another_path_is_not_followed(stub, connect, id):
    server = stub(page(flow=id))
    assert connect(server.url).run("flow", check=False).status == "unsent"
    assert server.posts() == 0


def test_the_services_words_are_shown_without_what_a_terminal_would_obey(stub, connect):
    server = stub(answer(400, {"error_msg": "\x1b[2Jgone\r\nforged: line", "request_id": "r\nforged: id"}))
    with pytest.raises(ServiceError) as caught:
        connect(server.url).workflows()
    assert "\x1b" not in str(caught.value)
    assert not any(line.startswith("forged") for line in str(caught.value).splitlines())
    assert len(error_body(b'{"error_msg": "%s"}' % (b"x" * 100_000)).error_msg) < 3000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_of_a_fork_closes_without_the_parents_calls(stub, connect, caplog):
    server = stub(stall)
    session = connect(server.url)
    pending = session.submit(ID)
    while not server.posts():
        time.sleep(0.01)
    session.client.asynchronous._caller.forget()  # what a fork does in the child
    session.close()
    assert "under way" not in caplog.text
    assert pending.future.result(5).status == "unknown"
