"""The way over the network: what is sent, TLS, proxies, closing, forks: client/transport.py."""

import asyncio
import json
import os
import signal
import socket
import ssl
import sys
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta

import pytest
import trustme

import fgnb
from fgnb.client import retry, transport
from fgnb.client import source as source_module
from fgnb.client.transport import HttpTransport
from fgnb.errors import ConfigError, SecurityWarning
from fgnb.wire import Request
from tests.flows import PROJECT
from tests.stub import answer, kept, raw, stall

ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
DONE = {"execution_id": "e", "status": "success"}
NAME = "service.test"  # nobody's (RFC 6761)
PASSWORD = "pa55-canary"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def bundle(authority, tmp_path_factory):
    """A file with the authority that the stubs' certificates are of."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def encrypted(authority, *names, **options):
    """Return what a server of these names needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names, **options).configure_cert(context)
    return context


@pytest.fixture(scope="module")
def tls(authority):
    return encrypted(authority, "127.0.0.1", NAME)


def attempt(session):
    """Return a run, of whatever status."""
    return session.run(ID, {}, check=False)


def until(condition):
    """Wait until it holds, at most 5 s."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- what is sent --------------------------------------------------------------------------------


def test_the_headers_of_a_request(stub, connect):
    server = stub(kept(200, DONE))
    attempt(connect(server.url))
    assert server.headers == [
        {
            "host": server.url.removeprefix("http://"),
            "user-agent": f"fgnb/{fgnb.__version__}",
            "accept": "*/*",
            "accept-encoding": "gzip",
            "content-type": "application/json",
            "content-length": str(len(server.requests[0][2])),
            "x-project-id": PROJECT,
        }
    ]


def test_no_cookie_is_kept(stub, connect):
    server = stub(kept(200, DONE, set_cookie="session=1; Path=/"))
    session = connect(server.url)
    for _ in range(2):
        assert attempt(session).ok
    assert len(server.headers) == 2
    assert not any("cookie" in headers for headers in server.headers)


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_no_redirect_is_followed(stub, connect, status):
    target = stub(answer(200, DONE))
    server = stub(answer(status, location=f"{target.url}/stolen"))
    run = attempt(connect(server.url))
    assert (run.status, run.http_status, server.posts()) == ("rejected", status, 1)
    assert "A redirect to 127.0.0.1 was not followed" in run.hint
    assert target.connections == 0


def test_headers_of_a_run_are_part_of_its_body_and_bring_none_over_http(stub, connect):
    server = stub(kept(200, DONE))
    given = {"x-a": "1\r\nx-b: 2", "host": "elsewhere", "content-length": "0"}
    assert connect(server.url).run(ID, {}, headers=given).ok
    assert json.loads(server.requests[0][2])["headers"] == given
    assert not {"x-a", "x-b"} & server.headers[0].keys()


# --- TLS -----------------------------------------------------------------------------------------


def test_a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(stub, connect, tls):
    server = stub(kept(200, DONE), tls=tls)
    run = attempt(connect(server.url))
    assert (run.status, server.requests) == ("unsent", [])
    assert "certificate verify failed" in run.reason


def test_a_ca_bundle_says_whom_to_trust(stub, connect, tls, bundle):
    server = stub(kept(200, DONE), tls=tls)
    session = connect(server.url, ca_bundle=bundle)
    assert [attempt(session).status for _ in range(10)] == ["success"] * 10
    assert server.connections == 1


@pytest.mark.parametrize(
    ("names", "options", "reason"),
    [
        (["elsewhere.test"], {}, "IP address mismatch"),
        (["127.0.0.1"], {"not_after": datetime.now(UTC) - timedelta(days=1)}, "certificate has expired"),
    ],
    ids=["name", "expired"],
)
def test_a_certificate_must_be_the_servers_own_and_of_today(stub, connect, authority, bundle, names, options, reason):
    server = stub(kept(200, DONE), tls=encrypted(authority, *names, **options))
    run = attempt(connect(server.url, ca_bundle=bundle))
    assert (run.status, server.requests) == ("unsent", [])
    assert reason in run.reason


def test_certificates_are_not_checked_if_that_is_asked_for_with_a_warning(stub, connect, tls):
    server = stub(kept(200, DONE), tls=tls)
    with pytest.warns(SecurityWarning, match="verify=False"):
        session = connect(server.url, verify=False)
    assert attempt(session).ok


def test_a_server_that_speaks_no_tls_is_unsent(stub, connect, bundle):
    server = stub(raw(b"HTTP/1.1 400 No\r\n\r\n"), greets=True)
    assert attempt(connect(server.url.replace("http:", "https:"), ca_bundle=bundle)).status == "unsent"


def test_a_server_that_says_nothing_to_tls_is_unsent(stub, connect, bundle):
    server = stub(lambda connection: time.sleep(0.3), greets=True)
    run = attempt(connect(server.url.replace("http:", "https:"), ca_bundle=bundle, connect_timeout=0.1))
    assert run.status == "unsent"
    assert "no connection within 0.1 s" in run.reason


def test_a_drop_after_tls_is_unknown(stub, connect, tls, bundle):
    server = stub(raw(b""), tls=tls)
    assert attempt(connect(server.url, ca_bundle=bundle)).status == "unknown"
    assert server.posts() == 1


@pytest.mark.parametrize("busy", [True, False])
def test_an_encrypted_connection_that_the_server_closed_meanwhile_costs_no_run(stub, tls, bundle, busy):
    """Also if the event loop was too busy to read of it."""

    def close_after_answer(connection):
        kept(200, DONE)(connection)
        proceed.wait(10)

    proceed = threading.Event()
    server = stub(close_after_answer, kept(200, DONE), tls=tls)

    async def two():
        way = HttpTransport(server.url, ca_bundle=bundle)
        await way.send(Request(method="POST", path="/", timeout=5))
        proceed.set()
        if busy:
            until(lambda: server.open == 0)
        while server.open:
            await asyncio.sleep(0.005)
        await way.send(Request(method="POST", path="/", timeout=5))
        await way.aclose()

    asyncio.run(two())
    assert (server.posts(), server.connections) == (2, 2)


def test_a_folder_says_whom_to_trust_too(stub, connect, tls, tmp_path):
    server = stub(kept(200, DONE), tls=tls)
    run = attempt(connect(server.url, ca_bundle=tmp_path))  # nobody
    assert (run.status, server.requests) == ("unsent", [])
    assert "certificate verify failed" in run.reason


def test_a_ca_bundle_that_is_none_is_refused_at_once(connect, tmp_path):
    path = tmp_path / "ca.pem"
    for make in (lambda: None, lambda: path.write_text("not a certificate")):
        make()
        with pytest.raises(ConfigError, match=r"ca_bundle|CA bundle"):
            connect("https://127.0.0.1:1", ca_bundle=path)


# --- proxies -------------------------------------------------------------------------------------


def tunnel(server):
    """Be a proxy that connects to `server`, whatever host was asked for."""

    def copy(source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def carry(connection):
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        with socket.create_connection(("127.0.0.1", server.port)) as onward:
            back = threading.Thread(target=copy, args=(onward, connection), daemon=True)
            back.start()
            copy(connection, onward)
            back.join(10)

    return carry


@pytest.fixture
def resolved(monkeypatch):
    """Have `NAME` mean this machine."""
    look_up = socket.getaddrinfo
    local = {NAME: "127.0.0.1"}
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *more, **options: look_up(local.get(host, host), *more, **options)
    )


def test_a_function_is_asked_for_another_token_after_a_401(stub, connect, monkeypatch):
    monkeypatch.setattr(source_module, "PAUSE", 0.0)
    tokens = iter([fgnb.IamToken("first"), fgnb.IamToken("second")])
    server = stub(answer(401, {"error_code": "APIGW.0301", "error_msg": "token expires"}), answer(200, DONE))
    session = connect(server.url, credentials=lambda: next(tokens))
    assert session.run(ID, {}, check=False).status == "rejected"
    assert session.run(ID, {}).ok
    assert [headers["x-auth-token"] for headers in server.headers] == ["first", "second"]


def test_a_proxy_that_is_given_forwards(stub, connect):
    proxy = stub(kept(200, DONE))
    session = connect(f"http://{NAME}", proxy=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
    assert [attempt(session).status for _ in range(3)] == ["success"] * 3
    assert proxy.requests[0][1].startswith(f"http://{NAME}/v2/")
    assert all(headers["proxy-authorization"].startswith("Basic ") for headers in proxy.headers)
    assert all(headers["host"] == NAME for headers in proxy.headers)
    assert proxy.connections == 1
    assert PASSWORD not in repr(session) + session.describe().to_string()


def test_a_proxy_carries_tls_and_sees_nothing_of_it(stub, connect, tls, bundle):
    server = stub(kept(200, DONE), tls=tls)
    proxy = stub(tunnel(server))
    session = connect(f"https://{NAME}", proxy=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}", ca_bundle=bundle)
    assert [attempt(session).status for _ in range(3)] == ["success"] * 3
    assert [(method, path) for method, path, _ in proxy.requests] == [("CONNECT", f"{NAME}:443")]
    assert server.posts() == 3
    assert not any("proxy-authorization" in headers for headers in server.headers)


def test_certificates_are_checked_behind_a_proxy_too(stub, connect, tls, authority, bundle):
    server = stub(kept(200, DONE), tls=encrypted(authority, "elsewhere.test"))
    proxy = stub(tunnel(server))
    run = attempt(connect(f"https://{NAME}", proxy=proxy.url, ca_bundle=bundle))
    assert (run.status, server.requests) == ("unsent", [])
    assert "certificate verify failed" in run.reason


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_the_environment_names_a_proxy(stub, connect, monkeypatch, variable):
    proxy = stub(kept(200, DONE))
    monkeypatch.setenv(variable, proxy.url)
    assert attempt(connect(f"http://{NAME}")).ok
    assert proxy.posts() == 1


def test_a_proxy_of_the_environment_needs_no_scheme(stub, connect, monkeypatch):
    proxy = stub(kept(200, DONE))
    monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
    assert attempt(connect(f"http://{NAME}")).ok
    assert proxy.posts() == 1


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({"NO_PROXY": NAME}, {}),
        ({"no_proxy": "other.test, .test"}, {}),
        ({"NO_PROXY": "*"}, {}),
        ({}, {"proxy": "none"}),
    ],
    ids=["name", "domain", "all", "option"],
)
def test_what_goes_without_the_proxy_of_the_environment(stub, connect, monkeypatch, resolved, environment, options):
    server, proxy = stub(kept(200, DONE)), stub(kept(200, DONE))
    for name, value in ({"http_proxy": proxy.url} | environment).items():
        monkeypatch.setenv(name, value)
    assert attempt(connect(f"http://{NAME}:{server.port}", **options)).ok
    assert (server.posts(), proxy.connections) == (1, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_needs_no_proxy(stub, connect, monkeypatch, host):
    server, proxy = stub(kept(200, DONE)), stub(kept(200, DONE))
    monkeypatch.setenv("http_proxy", proxy.url)
    assert attempt(connect(f"http://{host}:{server.port}")).ok
    assert (server.posts(), proxy.connections) == (1, 0)


def test_a_proxy_that_is_given_goes_for_this_machine_too(stub, connect):
    server, proxy = stub(kept(200, DONE)), stub(kept(200, DONE))
    assert attempt(connect(server.url, proxy=proxy.url)).ok
    assert (server.connections, proxy.posts()) == (0, 1)


def test_a_proxy_that_is_down_is_unsent_and_named_without_its_password(stub, connect):
    proxy = stub(listens=False)
    session = connect(f"http://{NAME}", proxy=f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}")
    with pytest.raises(fgnb.NotSent) as caught:
        session.run(ID, {})
    assert f"by the proxy http://127.0.0.1:{proxy.port}" in str(caught.value)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(407, b"<html>", proxy_authenticate="Basic realm=x"),
        answer(502),
        answer(403),
        answer(302, location="http://login.test/"),
        raw(b""),
        raw(b"HTTP/1.1 2"),
        stall,
    ],
    ids=["407", "502", "403", "302", "drop", "half", "stall"],
)
def test_what_a_proxy_refuses_to_carry_was_not_sent(stub, connect, bundle, behaviour):
    proxy = stub(behaviour)
    address = f"http://user:{PASSWORD}@127.0.0.1:{proxy.port}"
    run = attempt(connect(f"https://{NAME}", proxy=address, ca_bundle=bundle, timeout=0.3))
    assert run.status == "unsent"
    assert PASSWORD not in run.reason
    assert [method for method, _, _ in proxy.requests] == ["CONNECT"]


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [(raw(b""), "unknown"), (stall, "unknown"), (answer(502), "unknown"), (answer(407), "rejected")],
    ids=["drop", "stall", "502", "407"],
)
def test_what_a_forwarding_proxy_got_may_have_run(stub, connect, behaviour, status):
    proxy = stub(behaviour)
    assert attempt(connect(f"http://{NAME}", proxy=proxy.url, timeout=0.3)).status == status
    assert proxy.posts() == 1


def test_a_drop_behind_a_proxy_is_unknown(stub, connect, tls, bundle):
    server = stub(raw(b""), tls=tls)
    proxy = stub(tunnel(server))
    assert attempt(connect(f"https://{NAME}", proxy=proxy.url, ca_bundle=bundle)).status == "unknown"
    assert server.posts() == 1


def cancelled_after(session, condition):
    pending = session.submit(ID, {})
    until(condition)
    pending.cancel()
    return pending.future.result(2).status


def test_a_run_cancelled_while_its_proxy_connects_ran_nothing(stub, connect, bundle):
    proxy = stub(stall)
    session = connect(f"https://{NAME}", proxy=proxy.url, ca_bundle=bundle)
    assert cancelled_after(session, lambda: proxy.requests) == "cancelled"
    until(lambda: proxy.open == 0)


def test_a_run_cancelled_after_it_went_to_a_proxy_is_unknown(stub, connect, tls, bundle):
    forwarding = stub(stall)
    assert cancelled_after(connect(f"http://{NAME}", proxy=forwarding.url), forwarding.posts) == "unknown"
    server = stub(stall, tls=tls)
    tunnelling = stub(tunnel(server))
    session = connect(f"https://{NAME}", proxy=tunnelling.url, ca_bundle=bundle)
    assert cancelled_after(session, server.posts) == "unknown"
    until(lambda: forwarding.open == server.open == 0)


@pytest.mark.parametrize(
    "proxy", ["ftp://h", f"http://user:{PASSWORD}@", f"http://user:{PASSWORD}@h:x", "http://[::1", f"{PASSWORD}"]
)
def test_a_proxy_that_is_none_is_refused_at_once_without_its_password(connect, proxy):
    with pytest.raises(ConfigError, match="proxy") as caught:
        connect("http://127.0.0.1:1", proxy=proxy)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("proxy", ["ftp://h", f"http://user:{PASSWORD}@h:x", f"http://user:{PASSWORD}@"])
def test_a_proxy_of_the_environment_that_is_none_is_refused_without_its_password(connect, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ConfigError, match="proxy") as caught:
        connect(f"http://{NAME}")
    assert PASSWORD not in str(caught.value)


def test_a_socks_proxy_of_the_environment_says_what_it_takes(connect, monkeypatch):
    monkeypatch.setitem(sys.modules, "socksio", None)  # as where it is not installed
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(ConfigError, match=r"pip install 'httpx\[socks\]'"):
        connect(f"http://{NAME}")


def test_an_answer_behind_a_proxy_that_is_too_large_is_lost(stub, connect, monkeypatch):
    monkeypatch.setattr(transport, "BODY_LIMIT", 100_000)
    server = stub(answer(200, bytes(100_001)))
    run = attempt(connect(f"http://{NAME}", proxy=server.url))
    assert run.status == "unknown"
    assert "the answer has more than 100,000 bytes" in run.reason


def test_the_log_tells_of_each_request_and_of_bodies_only_if_asked_for(stub, connect, caplog):
    server = stub(kept(200, DONE))
    with caplog.at_level("DEBUG", "fgnb.client"):
        connect(server.url).run(ID, {"n": "canary"})
    assert "/sync-executions: 200 after" in caplog.text
    assert "canary" not in caplog.text


def test_as_many_runs_at_once_as_there_are_go_through_a_proxy(stub, connect):
    together = threading.Barrier(120)  # httpx's own limit is 100

    def at_once(connection):
        together.wait(20)
        return kept(200, DONE)(connection)

    proxy = stub(at_once)
    session = connect(f"http://{NAME}", proxy=proxy.url)
    pending = [session.submit(ID, {}) for _ in range(120)]
    assert {each.future.result(20).status for each in pending} == {"success"}
    assert proxy.connections == 120


# --- sessions: several, closed, in several processes ---------------------------------------------


@pytest.mark.parametrize("way", ["direct", "proxy"])
def test_closing_a_session_ends_its_runs_as_unknown_and_says_so(stub, connect, way):
    server = stub(stall)
    session = connect(server.url) if way == "direct" else connect(f"http://{NAME}", proxy=server.url)
    pending = [session.submit(ID, {}) for _ in range(3)]
    until(lambda: server.posts() == 3)
    session.close()
    runs = [each.future.result(2) for each in pending]
    assert [run.status for run in runs] == ["unknown"] * 3
    assert [run.reason for run in runs if "closed" not in run.reason] == []
    until(lambda: server.open == 0)


def test_a_session_closed_while_it_connects_sends_nothing_any_more(stub, connect, tls, bundle):
    proceed, received = threading.Event(), []

    def slowly(connection):
        proceed.wait(10)
        with tls.wrap_socket(connection, server_side=True) as encrypted:
            received.append(encrypted.recv(1000))

    server = stub(slowly, greets=True)
    session = connect(server.url.replace("http:", "https:"), ca_bundle=bundle)
    pending = session.submit(ID, {})
    until(lambda: server.connections)
    session.close()
    proceed.set()
    assert pending.future.result(5).status == "unsent"
    until(lambda: server.open == 0)
    assert received in ([], [b""])


def test_a_session_closed_between_two_attempts_still_tells_of_the_run(stub, connect, monkeypatch):
    monkeypatch.setattr(retry, "PAUSE", 0.2)
    server = stub(kept(429))
    session = connect(server.url, retry_for=60)
    pending = session.submit(ID, {})
    until(server.posts)
    time.sleep(0.05)  # until its answer was read
    session.close()
    assert pending.future.result(2).status in ("rejected", "cancelled")
    assert server.posts() == 1


def test_a_closed_session_says_so(stub, connect):
    session = connect(stub(kept(200, DONE)).url)
    assert attempt(session).ok
    session.close()
    run = attempt(session)
    assert run.status == "unsent"
    assert "the session is closed" in run.reason


def test_two_sessions_at_once_reach_each_its_own_service(stub, connect):
    together = threading.Barrier(2)  # passed by two requests that are under way at the same time

    def behaviour(number):
        def reply(connection):
            together.wait(10)
            return kept(200, DONE | {"output": {"n": number}})(connection)

        return reply

    sessions = [connect(stub(behaviour(number)).url) for number in range(2)]
    for _ in range(20):
        pending = [session.submit(ID, {}) for session in sessions]
        assert [each.future.result(10).output for each in pending] == [{"n": 0}, {"n": 1}]


def test_runs_from_one_event_loop_after_another_share_a_connection(stub, connect):
    server = stub(kept(200, DONE))
    session = connect(server.url)
    for _ in range(3):
        assert asyncio.run(session.arun(ID, {})).ok
    assert (server.posts(), server.connections) == (3, 1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_child_of_a_fork_runs_over_http_while_the_parent_waits_for_its_answer(stub, connect):
    done = threading.Event()

    def when_the_child_is_done(connection):
        done.wait(10)
        return kept(200, DONE | {"output": {"of": "parent"}})(connection)

    of_child = kept(200, DONE | {"output": {"of": "child"}})
    server = stub(kept(200, DONE), when_the_child_is_done, of_child, of_child, kept(200, DONE))
    session = connect(server.url)
    assert attempt(session).ok  # now a connection is open, and a second run is under way on it
    pending = session.submit(ID, {})
    until(lambda: server.posts() == 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads, which are the point here
        child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(10)
            outputs = [session.run(ID, {}).output, asyncio.run(session.arun(ID, {})).output]
            code = 0 if outputs == [{"of": "child"}] * 2 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    done.set()
    assert pending.future.result(5).output == {"of": "parent"}
    assert attempt(session).ok
    assert (server.posts(), server.connections) == (5, 2)
