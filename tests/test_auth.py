"""Requests that say who is asking: client/auth.py, by the embedded gateway and by the official SDK's signer."""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode
from uuid import uuid4

import httpx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import fgnb
from fgnb.client import finding
from fgnb.client.auth import SigningAuth
from fgnb.client.client import AsyncClient
from fgnb.client.credentials import AccessKey, Credentials, IamToken
from fgnb.client.retry import Retry
from fgnb.client.source import Source
from fgnb.client.transport import HttpTransport
from fgnb.errors import (
    AccessKeyUnknown,
    AuthenticationFailed,
    ConfigError,
    ResourceNotFound,
    SignatureRejected,
    WorkflowNotFound,
)
from fgnb.local.gateway import Gateway
from fgnb.local.refusals import Refused
from fgnb.local.refusals import answer as refusal
from fgnb.signature import format_date, parse_authorization
from fgnb.wire import Request
from tests.conftest import SERVED_FUNCTIONS
from tests.flows import PATH, PROJECT, one_call
from tests.stub import Behaviour, Stub, answer

AK, SK, TOKEN = "an-access-key", "a-secret-key", "a-security-token"
ID = "48aff955-ea10-4ffd-b426-190bc192dc14"
URL = "http://127.0.0.1:9"
DONE = {"execution_id": ID, "status": "success", "output": {}, "errors": []}


class Gate(Stub):
    """A stub behind a gateway, which checks the bytes that arrive; `arrived` holds the requests it read."""

    def __init__(self, *script: Behaviour, keys: dict[str, str] | None = None) -> None:
        self.gateway = Gateway(keys) if keys else None
        self.arrived: list[Request] = []
        super().__init__(*script)

    def _one(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                method, path, _ = stream.readline().decode("latin-1").split()
                headers = {}
                while line := stream.readline().strip():
                    name, _, value = line.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", "0")))
                request = Request(method=method, path=path, headers=headers, body=body)
                self.requests.append((method, path, body))
                self.arrived.append(request)
                self._behaviour(request)(connection)
            except (OSError, ValueError):
                return

    def _behaviour(self, request: Request) -> Behaviour:
        try:
            if self.gateway is not None:
                self.gateway.check(request)
        except Refused as refused:
            return answer(refused.status, refusal(refused).body)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@pytest.fixture
def gate() -> Iterator[Callable[..., Gate]]:
    """Return a function that starts a gate that asks for the tests' key."""
    started: list[Gate] = []

    def start(*script: Behaviour, **options: Any) -> Gate:
        started.append(Gate(*script, **({"keys": {AK: SK}} | options)))
        return started[-1]

    yield start
    for each in started:
        each.close()


def held(credentials: Credentials) -> Source:
    return Source("a test", held=credentials)


def key(token: str | None = None, *, ends: float | None = None, ak: str = AK) -> AccessKey:
    return AccessKey(ak, SK, token, ends)


def passed(request: httpx.Request) -> httpx.Response:
    """What the embedded gateway says to a request."""
    headers = dict(request.headers.items())
    path = request.url.raw_path.decode("ascii")
    try:
        Gateway({AK: SK}).check(Request(method=request.method, path=path, headers=headers, body=request.content))
    except Refused as refused:
        return httpx.Response(401, text=refused.message)
    return httpx.Response(200)


def sent_by(
    kind: str,
    auth: httpx.Auth,
    method: str,
    url: str,
    *,
    change: Callable[[httpx.Request], httpx.Request] = lambda request: request,
    **more: Any,
) -> httpx.Response:
    """Send by a blocking or an asynchronous client of httpx to the embedded gateway, maybe changed on the way."""
    transport = httpx.MockTransport(lambda request: passed(change(request)))
    if kind == "blocking":
        with httpx.Client(auth=auth, transport=transport) as client:
            return client.request(method, url, **more)

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(auth=auth, transport=transport) as client:
            return await client.request(method, url, **more)

    return asyncio.run(send())


both = pytest.mark.parametrize("kind", ["blocking", "asynchronous"])


def signed(request: httpx.Request, credentials: Credentials | None = None, **options: Any) -> httpx.Request:
    """Return the request as `SigningAuth` leaves it."""
    return next(SigningAuth(held(credentials or key()), **options).sync_auth_flow(request))


# --- what the gateway lets pass ------------------------------------------------------------------


@both
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", PATH, {}),
        ("GET", f"{PATH}?limit=10&offset=0&name=函数 流&name=", {}),
        ("POST", f"{PATH}/{ID}/sync-executions", {"json": {"input": {"note": "函数流"}}}),
        ("PUT", f"{PATH}/a%2Fb!:~流", {"content": b"\x00\xff", "headers": {"content-type": "text/plain"}}),
        ("DELETE", PATH, {"content": b"{}", "headers": {"X-Project-Id": PROJECT}}),
        ("POST", PATH, {"data": {"a": "1"}}),
        ("POST", PATH, {"content": b"x", "headers": {"X-Sdk-Content-Sha256": "UNSIGNED-PAYLOAD"}}),
    ],
)
def test_the_gateway_lets_pass_what_is_signed(kind, token, method, path, more):
    response = sent_by(kind, SigningAuth(held(key(token))), method, URL + path, **more)
    assert response.status_code == 200, response.text


@both
def test_a_body_that_is_a_stream_is_read_and_signed(kind):
    async def later():
        yield b"in "
        yield b"pieces"

    content = later() if kind == "asynchronous" else iter([b"in ", b"pieces"])
    assert sent_by(kind, SigningAuth(held(key())), "POST", URL + PATH, content=content).status_code == 200


def rebuilt(request: httpx.Request, **changes: Any) -> httpx.Request:
    parts = {"method": request.method, "url": request.url, "content": request.content} | changes
    headers = {**request.headers, **parts.pop("headers", {})}
    headers.pop("content-length", None)
    return httpx.Request(**parts, headers=headers)


CHANGES: dict[str, Callable[[httpx.Request], httpx.Request]] = {
    "method": lambda request: rebuilt(request, method="PUT"),
    "path": lambda request: rebuilt(request, url=str(request.url).replace("workflows", "workflowz")),
    "query": lambda request: rebuilt(request, url=str(request.url).replace("limit=1", "limit=2")),
    "body": lambda request: rebuilt(request, content=request.content[:-1] + b"x"),
    "host": lambda request: rebuilt(request, headers={"host": "127.0.0.1:8"}),
    "content type": lambda request: rebuilt(request, headers={"content-type": "text/plain"}),
    "project": lambda request: rebuilt(request, headers={"x-project-id": "0"}),
    "date": lambda request: rebuilt(
        request, headers={"x-sdk-date": format_date(datetime.now(UTC) - timedelta(seconds=9))}
    ),
    "token": lambda request: rebuilt(request, headers={"x-security-token": "another"}),
}


@both
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_whatever_is_changed_on_the_way_is_refused(kind, change):
    auth = SigningAuth(held(key(TOKEN)), project_id=PROJECT)
    more: dict[str, Any] = {"json": {"input": {}}}
    assert sent_by(kind, auth, "POST", f"{URL}{PATH}?limit=1", **more).status_code == 200
    response = sent_by(kind, auth, "POST", f"{URL}{PATH}?limit=1", change=change, **more)
    assert (response.status_code, "verify aksk signature fail" in response.text) == (401, True)


@both
def test_what_proxies_change_is_not_signed(kind):
    def through(request: httpx.Request) -> httpx.Request:
        names = {"user-agent": "a proxy", "accept": "x", "accept-encoding": "br", "via": "1.1 p", "connection": "close"}
        return rebuilt(request, headers=names | {"x-forwarded-for": "192.0.2.1"})

    assert sent_by(kind, SigningAuth(held(key())), "GET", URL + PATH, change=through).status_code == 200


# --- the same as the official signer -------------------------------------------------------------

segments = st.text(st.one_of(st.sampled_from("aZ09-._~!:/%?&=+*'()@,; 流"), st.characters(codec="utf-8")), max_size=8)
paths = st.lists(
    st.one_of(
        segments.map(lambda text: quote(text, safe="")),
        segments.map(lambda text: quote(text, safe="!:~*'()@,;=+&")),
        st.sampled_from(["%2F", "%2f", "a!b:c", "%E6%B5%81", "流", "%ff", "a%252Fb", ".", "..", ""]),
    ),
    max_size=4,
).map(lambda parts: "/" + "/".join(["v2", *parts]))
queries = st.lists(st.tuples(segments, segments), max_size=3).map(urlencode)


def official(request: httpx.Request) -> str:
    """Sign what was sent with the SDK: the same headers, path, query and body."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    names = parse_authorization(request.headers["authorization"]).signed
    spelled = {"x-sdk-date": "X-Sdk-Date", "content-type": "Content-Type"}  # as the SDK looks for them
    headers = {spelled.get(name, name): request.headers[name] for name in names}
    pairs = parse_qsl(query, keep_blank_values=True)
    host = request.headers["host"]
    asked = SdkRequest(request.method, "http", host, path, None, pairs, headers, request.content)
    return str(Signer(BasicCredentials(AK, SK)).sign(asked).header_params["Authorization"])


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    paths,
    queries,
    st.binary(max_size=40),
    st.sampled_from([None, "application/json", "application/json;charset=utf-8"]),
    st.sampled_from([None, TOKEN]),
    st.sampled_from([None, PROJECT]),
)
def test_signatures_equal_the_official_signers_and_pass(method, path, query, body, content_type, token, project):
    headers = {} if content_type is None else {"content-type": content_type}
    try:
        request = httpx.Request(method, f"{URL}{path}?{query}", content=body, headers=headers)
    except httpx.InvalidURL:
        assume(False)
    signed(request, key(token), project_id=project)
    assert request.headers["authorization"] == official(request)
    assert passed(request).status_code == 200
    names = parse_authorization(request.headers["authorization"]).signed
    optional = {"content-type": content_type, "x-project-id": project, "x-security-token": token}
    assert set(names) == {"host", "x-sdk-date"} | {name for name, value in optional.items() if value}


# --- what arrives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a!b:c", "函数 流", "a/b", "%2F", "a%252Fb", "~'()*", "a+b&c=d?e#f", "%", "a;b,c@d", ".hidden", "\u007f"]
)
def test_the_path_that_arrives_is_the_one_that_was_signed(gate, name):
    server = gate(answer(200, {"id": ID, "definition": {}, "workflows": [{"id": name, "name": "w"}], "total": 1}))
    session = fgnb.connect(server.url, project_id=PROJECT, credentials=key(TOKEN))
    session.client.show("w")
    session.run("w", {"sku": "函数"}, check=False)
    session.close()
    quoted = quote(name, safe="")
    assert [path.partition("?")[0] for _, path, _ in server.requests[1:3]] == [
        f"{PATH}/{quoted}",
        f"{PATH}/{quoted}/sync-executions",
    ]
    for request in server.arrived:
        Gateway({AK: SK}).check(request)
        assert request.headers["x-project-id"] == PROJECT
        assert request.headers["x-security-token"] == TOKEN
        names = parse_authorization(request.headers["authorization"]).signed
        assert {"host", "x-sdk-date", "x-project-id", "x-security-token"} <= set(names)


def test_a_project_that_the_request_names_is_left_alone():
    request = httpx.Request("GET", URL + PATH, headers={"X-Project-Id": "of-the-request"})
    assert signed(request, project_id="of-the-auth").headers["x-project-id"] == "of-the-request"
    assert "x-project-id" not in signed(httpx.Request("GET", URL + PATH)).headers


class Ticking(datetime):
    """A clock that is a minute later each time."""

    moment = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)

    @classmethod
    def now(cls, tz=None):
        cls.moment += timedelta(minutes=1)
        return cls.moment


def test_each_attempt_has_a_date_and_a_signature_of_its_own(gate, monkeypatch):
    monkeypatch.setattr(Ticking, "moment", datetime(2026, 11, 22, 8, 0, tzinfo=UTC))
    monkeypatch.setattr("fgnb.client.auth.datetime", Ticking)
    monkeypatch.setattr("fgnb.client.caller.Retry", partial(Retry, chance=lambda: 0.0))
    throttled = answer(429, {"error_code": "APIGW.0308", "error_msg": "throttled"}, retry_after="0")
    server = gate(throttled, answer(200, DONE), keys=None)
    session = fgnb.connect(server.url, project_id=PROJECT, credentials=key())
    assert session.run(ID, {"sku": "A-100"}).ok
    session.close()
    first, second = (request.headers for request in server.arrived)
    assert (first["x-sdk-date"], second["x-sdk-date"]) == ("20261122T080100Z", "20261122T080200Z")
    assert first["authorization"] != second["authorization"]
    for request in server.arrived:
        Gateway({AK: SK}, clock=datetime(2026, 11, 22, 8, 2, tzinfo=UTC).timestamp).check(request)


# --- tokens --------------------------------------------------------------------------------------


@both
def test_an_iam_token_is_a_header_and_nothing_is_signed(kind):
    seen: list[httpx.Request] = []
    sent_by(kind, SigningAuth(held(IamToken(TOKEN)), project_id=PROJECT), "GET", URL + PATH, change=_kept(seen))
    assert seen[0].headers["x-auth-token"] == TOKEN
    assert seen[0].headers["x-project-id"] == PROJECT
    assert not {"authorization", "x-sdk-date", "x-security-token"} & set(seen[0].headers)


def _kept(seen: list[httpx.Request]) -> Callable[[httpx.Request], httpx.Request]:
    def keep(request: httpx.Request) -> httpx.Request:
        seen.append(request)
        return request

    return keep


@both
@pytest.mark.parametrize("credentials", [IamToken(TOKEN), key(TOKEN)], ids=["IAM token", "security token"])
@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://functiongraph.example.com", True),
        ("http://127.0.0.1:9", True),
        ("http://[::1]:9", True),
        ("http://localhost:9", True),
        ("http://functiongraph.example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("http://192.168.0.1:9", False),
        ("http://127.0.0.1@example.com", False),
    ],
)
def test_a_token_goes_over_the_network_encrypted_only(kind, credentials, url, safe):
    seen: list[httpx.Request] = []
    send = partial(sent_by, kind, SigningAuth(held(credentials)), "GET", url + PATH, change=_kept(seen))
    if safe:
        send()
        assert len(seen) == 1
        return
    with pytest.raises(ConfigError, match="unencrypted: use https") as caught:
        send()
    assert seen == []
    assert TOKEN not in str(caught.value)


def test_an_access_key_alone_may_go_unencrypted():
    assert sent_by("blocking", SigningAuth(held(key())), "GET", f"http://fg.example.com{PATH}").status_code == 200


def test_a_run_with_a_token_that_would_go_unencrypted_sends_nothing(monkeypatch):
    server = Stub(answer(200, DONE))
    monkeypatch.setattr("fgnb.client.auth.is_loopback", lambda url: False)
    session = fgnb.connect(server.url, project_id=PROJECT, credentials=IamToken(TOKEN))
    with pytest.raises(ConfigError, match="unencrypted"):
        session.run(ID)
    assert server.requests == []
    session.close()
    server.close()


# --- credentials that change ---------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@both
def test_credentials_that_were_refreshed_in_between_sign_the_next_request(kind):
    clock, made = Clock(), []

    def fetch() -> Credentials:
        made.append(key(f"token-{len(made)}", ends=clock.now + 3600, ak=f"ak-{len(made)}"))
        return made[-1]

    auth = SigningAuth(Source("a test", fetch=fetch, clock=clock))
    seen: list[httpx.Request] = []
    for later in (0, 60, 3600):
        clock.now += later
        sent_by(kind, auth, "GET", URL + PATH, change=_kept(seen))
    names = [parse_authorization(request.headers["authorization"]).access_key for request in seen]
    assert names == ["ak-0", "ak-0", "ak-1"]
    assert [request.headers["x-security-token"] for request in seen] == ["token-0", "token-0", "token-1"]


@both
def test_keys_that_were_changed_in_the_file_sign_the_next_request(kind, tmp_path, monkeypatch):
    path = tmp_path / "credentials"
    monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    seen: list[httpx.Request] = []
    auth = None
    for number in (1, 2):
        path.write_text(f"[basic]\nak = ak-{number}\nsk = sk\n")
        path.chmod(0o600)
        os.utime(path, (number, number))
        auth = auth or SigningAuth(finding.source("file"))
        sent_by(kind, auth, "GET", URL + PATH, change=_kept(seen))
    names = [parse_authorization(request.headers["authorization"]).access_key for request in seen]
    assert names == ["ak-1", "ak-2"]


@both
def test_a_function_that_gives_no_credentials_is_an_error_and_nothing_is_sent(kind):
    seen: list[httpx.Request] = []
    with pytest.raises(ConfigError, match="credentials: function"):
        sent_by(kind, SigningAuth(finding.source(lambda: None)), "GET", URL + PATH, change=_kept(seen))
    assert seen == []


def test_a_function_that_takes_its_time_does_not_hold_up_the_event_loop():
    """It waits for something that only the event loop can give it."""
    asked, freed = threading.Event(), threading.Event()

    def slow() -> Credentials:
        asked.set()
        assert freed.wait(20)
        return key()

    async def main() -> tuple[httpx.Response, ...]:
        transport = httpx.MockTransport(passed)
        async with httpx.AsyncClient(auth=SigningAuth(finding.source(slow)), transport=transport) as client:
            waiting = [asyncio.create_task(client.get(URL + PATH)) for _ in range(3)]
            while not asked.is_set():
                await asyncio.sleep(0)
            freed.set()
            return tuple(await asyncio.gather(*waiting))

    assert [response.status_code for response in asyncio.run(main())] == [200, 200, 200]


def test_a_function_is_asked_once_by_many_runs(gate):
    server, calls = gate(answer(200, DONE)), []

    def give() -> Credentials:
        calls.append(threading.current_thread().name)
        return key()

    session = fgnb.connect(server.url, project_id=PROJECT, credentials=give)
    assert calls == []

    async def main() -> list[fgnb.Run]:
        return await asyncio.gather(*(session.arun(ID, {"number": number}) for number in range(20)))

    assert all(run.ok for run in asyncio.run(main()))
    assert len(calls) == 1
    assert "fgnb-client" not in calls[0]
    session.close()


# --- fgnb itself, served with keys ----------------------------------------------------------------


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of ``fgnb serve --ak --sk``."""
    log: Path = tmp_path_factory.mktemp("secured") / "stderr.txt"
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--functions", str(SERVED_FUNCTIONS)]
    with (
        log.open("w") as written,
        subprocess.Popen(
            [*command, "--ak", AK, "--sk", SK], stdout=subprocess.PIPE, stderr=written, text=True
        ) as serve,
    ):
        try:
            assert serve.stdout is not None
            first = serve.stdout.readline()
            assert "http://127.0.0.1:" in first, log.read_text()
            yield first.split()[-1]
        finally:
            serve.terminate()
            serve.wait(10)
    assert log.read_text() == ""


@contextlib.contextmanager
def connected(url: str, credentials: Any) -> Iterator[fgnb.Session]:
    session = fgnb.connect(url, credentials=credentials)
    try:
        yield session
    finally:
        session.close()


@pytest.mark.parametrize("credentials", [key(), key(TOKEN), lambda: key()], ids=["key", "with a token", "function"])
def test_a_session_lists_deploys_runs_and_shows_with_signatures_verified(secured, credentials):
    with connected(secured, credentials) as session:
        assert "order-triage" in session.workflows().index
        name = f"签名-{uuid4()}"
        assert session.deploy(one_call("echo", {"a": 1}, name=name)).action == "create"
        assert session.deploy(one_call("echo", {"a": 2}, name=name)).action == "update"
        assert session.run(name, {"note": "函数流"}).ok
        assert asyncio.run(session.arun(name, {"note": "函数流"})).ok
        assert session.workflow(name).definition["name"] == name
        with pytest.raises(WorkflowNotFound):
            session.run("nobody-knows-it")


def test_a_session_says_why_it_may_not(secured):
    for credentials, kind, said in (
        (AccessKey(AK, "another"), SignatureRejected, "does not belong to this access key"),
        (AccessKey("nobody", SK), AccessKeyUnknown, "Check the access key (AK)"),
        (IamToken("canary"), AuthenticationFailed, "Get a new IAM token"),
        (None, AuthenticationFailed, "credentials="),
    ):
        with connected(secured, credentials) as session:
            for call in (session.workflows, lambda session=session: session.run(ID)):
                with pytest.raises(kind) as caught:
                    call()
                assert caught.value.status == 401
                assert said in (caught.value.hint or "")
                assert "canary" not in str(caught.value)
    with connected(secured, key()) as session:  # ends the row of wrong signatures
        session.workflows()


def test_the_keys_of_the_environment_pass(secured, monkeypatch):
    monkeypatch.setenv("HUAWEICLOUD_SDK_AK", AK)
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", SK)
    monkeypatch.setenv("FGNB_ENDPOINT", secured)
    session = fgnb.connect()
    assert session.run("order-triage", {"sku": "A-100", "qty": 3}).ok
    session.close()


@pytest.mark.parametrize("name", ["a!b:c", "函数 流", "a/b", "%2F", "~'()*", "a+b&c=d", "%"])
def test_odd_names_pass_the_gateway(secured, name):
    """Past it, there is no such workflow, or no such API."""

    async def main() -> None:
        client = AsyncClient(HttpTransport(secured, auth=SigningAuth(held(key()))), project_id=PROJECT)
        with pytest.raises(ResourceNotFound):
            await client._show(name)
        await client.aclose()

    asyncio.run(main())
