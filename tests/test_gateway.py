"""What stands before the service: signatures, and requests that are odd, slow, cut off or too large.

local/gateway.py and refusals.py in process; app.py and server.py over raw sockets.
"""

import asyncio
import contextlib
import json
import random
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.errors import ConfigError
from fgnb.local.gateway import Gateway
from fgnb.local.refusals import Refused, answer
from fgnb.local.server import serve as serve_until_interrupted
from fgnb.local.service import Service
from fgnb.secret import Secret
from fgnb.signature import authorize, canonical_request, format_date, payload_hash
from fgnb.wire import Request
from tests.flows import PATH, PROJECT, end, flow, sleep

KEYS = {"first-ak": "canary-sk-of-first", "second-ak": "canary-sk-of-second"}
NOW = 1_700_000_000.0
BODY = b'{"input": {"sku": "A-100"}}'


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gateway(clock: Clock) -> Gateway:
    return Gateway(KEYS, clock=clock)


def request(
    ak: str = "first-ak",
    *,
    sk: str | None = None,
    method: str = "POST",
    path: str = f"{PATH}?limit=1",
    body: bytes = BODY,
    at: float = NOW,
    **more: str,
) -> Request:
    """A request as a client signs it; `more` are headers that are signed, too."""
    headers = {"host": "fgnb.example", "x-sdk-date": format_date(datetime.fromtimestamp(at, UTC))}
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    bare, _, query = path.partition("?")
    signed = authorize(method, bare, query, headers, body, access_key=ak, secret_key=Secret(sk or KEYS[ak]))
    return Request(method=method, path=path, headers={**headers, "authorization": str(signed)}, body=body)


def changed(sent: Request, **changes: object) -> Request:
    """The same request, changed after it was signed; `headers` are added or replaced, None drops one."""
    fields = {name: getattr(sent, name) for name in ("method", "path", "headers", "body")} | changes
    headers = {**sent.headers, **changes.get("headers", {})}
    return Request(**fields | {"headers": {name: value for name, value in headers.items() if value is not None}})


def reason(gateway: Gateway, sent: Request) -> str:
    """Why it is refused: what stands after the gateway's standing text."""
    with pytest.raises(Refused) as caught:
        gateway.check(sent)
    assert (caught.value.status, caught.value.code) == (401, "APIGW.0301")
    start, _, rest = caught.value.message.partition(": ")
    assert start == "Incorrect IAM authentication information"
    return rest


# --- who may pass --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        request(),
        request("second-ak"),
        request(method="GET", body=b"", path=f"{PATH}/a%2Fb!:%E6%B5%81"),
        request(path=f"{PATH}?workflow_name=%E6%B5%81+a&limit=&limit=1"),
        request(content_type="application/json", x_security_token="a-token"),
        changed(request(), headers={"accept": "*/*", "x-request-id": "not signed"}),
    ],
)
def test_what_is_signed_with_a_known_key_may_pass(gateway, sent):
    gateway.check(sent)


def test_the_names_of_headers_may_be_in_any_case(gateway):
    sent = request()
    headers = {name.title(): value for name, value in sent.headers.items()}
    gateway.check(Request(method=sent.method, path=sent.path, headers=headers, body=sent.body))


def test_only_the_date_must_be_signed(gateway):
    date = format_date(datetime.fromtimestamp(NOW, UTC))
    signed = authorize(
        "GET", PATH, "", {"x-sdk-date": date}, b"", access_key="first-ak", secret_key=Secret(KEYS["first-ak"])
    )
    headers = {"host": "any.example", "x-sdk-date": date, "authorization": str(signed)}
    gateway.check(Request(method="GET", path=PATH, headers=headers))


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "PUT"},
        {"path": f"{PATH}/x?limit=1"},
        {"path": f"{PATH}?limit=2"},
        {"path": PATH},
        {"body": BODY + b" "},
        {"body": b""},
        {"headers": {"host": "other.example"}},
        {"headers": {"x-sdk-date": format_date(datetime.fromtimestamp(NOW + 1, UTC))}},
        {"headers": {"x-sdk-content-sha256": "UNSIGNED-PAYLOAD"}},
        {"headers": {"x-security-token": "another"}},
        {"headers": {"host": "fgnb.example, fgnb.example"}},
    ],
    ids=str,
)
def test_whatever_is_changed_on_the_way_is_noticed(gateway, changes):
    sent = request(x_security_token="a-token")
    gateway.check(sent)
    assert reason(gateway, changed(sent, **changes)).startswith("verify aksk signature fail")


@given(st.integers(0, len(BODY) - 1), st.integers(1, 255))
def test_every_byte_of_the_body_counts(place, difference):
    body = bytearray(BODY)
    body[place] ^= difference
    assert "verify aksk" in reason(Gateway(KEYS, clock=Clock()), changed(request(), body=bytes(body)))


def test_an_unsigned_payload_may_change_if_its_sender_says_so(gateway):
    headers = {"x-sdk-content-sha256": "UNSIGNED-PAYLOAD", "x-sdk-date": format_date(datetime.fromtimestamp(NOW, UTC))}
    signed = authorize("POST", PATH, "", headers, BODY, access_key="first-ak", secret_key=Secret(KEYS["first-ak"]))
    headers["authorization"] = str(signed)
    gateway.check(Request(method="POST", path=PATH, headers=headers, body=b"another"))
    del headers["x-sdk-content-sha256"]
    assert "is not in the request" in reason(gateway, Request(method="POST", path=PATH, headers=headers, body=BODY))


# --- what a refusal says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (changed(request(), headers={"authorization": None}), "x-auth-token not found"),
        (Request(method="GET", path=PATH, headers={"x-auth-token": "canary-token"}), "decrypt token fail"),
        (request("nobody", sk="whatever"), "Get secretKey failed,ak:***,err:ak not exist"),
        (changed(request(), headers={"host": None}), "the signed header 'host' is not in the request"),
        (request(x_sdk_date="2023-11-14"), "X-Sdk-Date must have the form YYYYMMDDTHHMMSSZ"),
    ],
)
def test_a_refusal_says_why(gateway, sent, said):
    assert reason(gateway, sent) == said


@pytest.mark.parametrize("header", ["Basic Y2FuYXJ5", "{0}, {0}", "{0};", "", "x" * 50_000])
def test_an_authorization_of_another_form_is_told_so_and_not_repeated(gateway, header):
    sent = request()
    text = header.format(sent.headers["authorization"])
    said = reason(gateway, changed(sent, headers={"authorization": text}))
    assert said == "Authorization must be 'SDK-HMAC-SHA256 Access=..., SignedHeaders=..., Signature=...'"


@pytest.mark.parametrize("header", ["X-Sdk-Date", "X-Security-Token"])
def test_a_date_or_a_token_that_is_not_signed_is_refused(gateway, header):
    sent = request(x_security_token="a-token")
    text = sent.headers["authorization"].replace(f"{header.lower()};", "").replace(f";{header.lower()}", "")
    assert reason(gateway, changed(sent, headers={"authorization": text})) == (
        f"{header} is not among the signed headers"
    )


@pytest.mark.parametrize(
    ("seconds", "passes"), [(900, True), (-900, True), (901, False), (-901, False), (10**9, False)]
)
def test_the_date_may_be_15_minutes_off_either_way(gateway, seconds, passes):
    sent = request(at=NOW + seconds)
    if passes:
        gateway.check(sent)
    else:
        signed = sent.headers["x-sdk-date"]
        assert reason(gateway, sent) == f"signature expired, signature time:{signed},server time:20231114T221320Z"


def test_a_wrong_signature_is_answered_with_the_gateways_own_canonical_request(gateway):
    sent = request(sk="wrong", path=f"{PATH}/a!?b=&a=%20", x_project_id=PROJECT)
    said = reason(gateway, sent)
    assert said == (
        f"verify aksk signature fail, canonicalRequest:POST|{PATH}/a%21/|a=%20&b=|host:fgnb.example|"
        f"x-project-id:{PROJECT}|x-sdk-date:20231114T221320Z||host;x-project-id;x-sdk-date|{payload_hash(BODY)}"
    )
    names = ("host", "x-project-id", "x-sdk-date")
    ours = canonical_request("POST", f"{PATH}/a!", "b=&a=%20", sent.headers, names, payload_hash(BODY))
    assert said.endswith(ours.replace("\n", "|"))


def test_the_answer_holds_the_canonical_request_however_long_it_is(gateway):
    with pytest.raises(Refused) as caught:
        gateway.check(request(sk="wrong", x_long="y" * 5000))
    response = answer(caught.value)
    body = json.loads(response.body)
    assert response.status == 401
    assert body["error_msg"].endswith(payload_hash(BODY))
    assert body["request_id"] == response.headers["x-request-id"]


def test_no_message_holds_a_secret(gateway):
    wrong = request(sk="canary-wrong-sk", x_security_token="canary-token")
    right = request(x_security_token="canary-token")
    mixed_up = request("canary-sk-of-first", sk="first-ak")
    for sent in (wrong, mixed_up, *[wrong] * 6):
        with pytest.raises(Refused) as caught:
            gateway.check(sent)
        shown = f"{caught.value!r} {caught.value} {answer(caught.value).body!r} {gateway!r} {gateway}"
        assert "canary" not in shown
        assert right.headers["authorization"][-64:] not in shown  # the signature that would have passed


@pytest.mark.parametrize("keys", [{}, {"ak": ""}, {"": "sk"}, {"ak": "sk", "other": ""}])
def test_a_gateway_without_a_whole_key_is_refused(keys):
    with pytest.raises(ConfigError, match="access key"):
        Gateway(keys)


# --- locked keys ---------------------------------------------------------------------------------

LOCKED = "AK access failed to reach the limit,forbidden"


def test_more_than_five_wrong_signatures_in_a_row_lock_the_key_for_five_minutes(gateway, clock):
    for _ in range(6):
        assert "verify aksk" in reason(gateway, request(sk="wrong"))
    assert reason(gateway, request()) == LOCKED
    gateway.check(request("second-ak"))
    clock.now += 299
    assert reason(gateway, request()) == LOCKED
    clock.now += 1
    gateway.check(request())


def test_after_the_lock_the_count_begins_anew(gateway, clock):
    for _ in range(2):
        for _ in range(6):
            assert "verify aksk" in reason(gateway, request(sk="wrong"))
        assert reason(gateway, request(sk="wrong")) == LOCKED
        clock.now += 300


def test_a_right_signature_ends_the_row(gateway):
    for _ in range(3):
        for _ in range(5):
            reason(gateway, request(sk="wrong"))
        gateway.check(request())


def test_only_wrong_signatures_of_known_keys_count(gateway):
    for number in range(20):
        reason(gateway, request(at=NOW - 1000))
        reason(gateway, request(f"nobody-{number % 2}", sk="x"))
        reason(gateway, changed(request(), headers={"authorization": "?"}))
    gateway.check(request())
    assert reason(gateway, request("nobody-0", sk="x")).endswith("ak not exist")


# --- served --------------------------------------------------------------------------------------


class Served(NamedTuple):
    url: str
    log: Path

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0


def start(keys: dict[str, str], patience: float, log: Path) -> Iterator[Served]:
    """Serve in a process of its own; nothing it did may have ended in a traceback."""
    code = (
        "from fgnb.local.server import serve; from fgnb.local.service import Service\n"
        f"serve(Service(keys={keys}), port=0, patience={patience}, ready=lambda url: print(url, flush=True))"
    )
    command = [sys.executable, "-c", code]
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url.startswith("http://127.0.0.1:"), log.read_text()
            yield Served(url, log)
        finally:
            server.terminate()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def secured(tmp_path_factory) -> Iterator[Served]:
    """A service that asks for keys."""
    yield from start(KEYS, 60, tmp_path_factory.mktemp("secured") / "stderr.txt")


@pytest.fixture(scope="module")
def hasty(tmp_path_factory) -> Iterator[Served]:
    """A service without keys that waits half a second for whatever is to come."""
    yield from start({}, 0.5, tmp_path_factory.mktemp("hasty") / "stderr.txt")


def head(method: str = "POST", path: str = PATH, **headers: object) -> bytes:
    sent = {"host": "127.0.0.1", "content-type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode()


def whole(method: str = "POST", path: str = PATH, body: bytes = b"", **headers: object) -> bytes:
    return head(method, path, **{"content_length": len(body)} | headers) + body


def read(connection: socket.socket) -> tuple[int, dict[str, str], dict]:
    """Read one answer."""
    with connection.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        headers = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, json.loads(stream.read(int(headers["content-length"])))


def exchange(server: Served, data: bytes) -> tuple[int, dict[str, str], dict]:
    with socket.create_connection(server.address, 20) as connection:
        connection.sendall(data)
        return read(connection)


def is_dropped(connection: socket.socket) -> bool:
    """Whether the server ends the connection before the socket's own time limit of 20 s."""
    connection.settimeout(20)
    try:
        with contextlib.suppress(ConnectionError):
            while connection.recv(65536):
                pass
    except TimeoutError:
        return False
    return True


def create(server: Served, definition: dict) -> str:
    status, _, summary = exchange(server, whole(body=json.dumps(definition).encode()))
    assert status == 201, summary
    return summary["id"]


def names(server: Served) -> set[str]:
    return {entry["name"] for entry in exchange(server, whole("GET"))[2]["workflows"]}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content_type": "application/json; charset=utf-8"}, 404),
        ({"content_type": "Application/JSON"}, 404),
        ({"content_type": "text/plain"}, 400),
        ({"content_type": "application/json-seq"}, 400),
        ({"content_type": "application/x-www-form-urlencoded"}, 400),
        ({"content_type": None}, 400),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_a_body_must_be_json_by_its_content_type_whatever_the_method(hasty, method, headers, status):
    path = f"{PATH}/{uuid4()}" + ("/sync-executions" if method == "POST" else "")
    got, _, body = exchange(hasty, whole(method, path, BODY, **headers))
    if status == 400:
        assert (got, body["error_code"]) == (400, "FGS.3002")
        assert "Content-Type" in body["error_msg"]
    else:
        assert got == 404


def test_without_a_body_no_content_type_is_needed_and_a_get_may_have_one(hasty):
    assert exchange(hasty, whole("GET", content_type=None))[0] == 200
    assert exchange(hasty, whole("GET", body=b"{}"))[0] == 200


@pytest.mark.parametrize(
    "host", ["example.com", "127.0.0.1.example.com", "localhost.example.com:80", "[::2]", "", "127.0.0.1:x"]
)
def test_without_keys_another_host_name_is_not_answered(hasty, host):
    status, _, body = exchange(hasty, whole("GET", host=host))
    assert (status, body["error_code"]) == (404, "APIGW.0101")
    assert "host name" in body["error_msg"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9000", "127.0.0.1:1", "[::1]:9000"])
def test_the_names_of_loopback_are_answered(hasty, host):
    assert exchange(hasty, whole("GET", host=host))[0] == 200


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(hasty):
    with socket.create_connection(hasty.address, 20) as connection:
        connection.sendall(head(content_length=10**10, expect="100-continue"))
        status, _, body = read(connection)
        assert (status, body["error_code"], body["error_msg"]) == (413, "APIGW.0201", "Request entity too large.")
        connection.sendall(b"x" * 100_000)  # it comes nevertheless, and stops
        assert is_dropped(connection)


def test_a_body_without_an_end_is_refused_and_its_connection_dropped(hasty):
    with socket.create_connection(hasty.address, 20) as connection:
        connection.sendall(head(transfer_encoding="chunked"))
        chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(13):
            connection.sendall(chunk)
        status, _, body = read(connection)
        assert (status, body["error_code"]) == (413, "APIGW.0201")
        with pytest.raises(ConnectionError):  # noqa: PT012  # which send meets it, is not told
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                connection.sendall(chunk)


@pytest.mark.parametrize("pace", ["nothing", "a byte at a time"])
@pytest.mark.parametrize("encoding", ["declared", "chunked"])
def test_a_body_that_comes_too_slowly_is_answered_with_408_and_not_carried_out(hasty, pace, encoding):
    name = f"slow-{uuid4()}"
    body = json.dumps(flow(end(), name=name)).encode()
    with socket.create_connection(hasty.address, 20) as connection:
        if encoding == "declared":
            connection.sendall(head(content_length=len(body) + 1000) + body)
        else:
            connection.sendall(head(transfer_encoding="chunked") + b"%x\r\n%b\r\n" % (len(body), body))
        stop = threading.Event()
        if pace != "nothing":
            threading.Thread(
                target=_trickle, args=(connection, b"1\r\n \r\n" if encoding == "chunked" else b" ", stop)
            ).start()
        try:
            status, headers, answered = read(connection)
        finally:
            stop.set()
        assert (status, answered["error_code"], answered["error_msg"]) == (408, "FSS.0408", "Request timeout.")
        assert headers["connection"] == "close"
        assert is_dropped(connection)
    assert name not in names(hasty)


def _trickle(connection: socket.socket, piece: bytes, stop: threading.Event) -> None:
    while not stop.wait(0.05):
        try:
            connection.sendall(piece)
        except OSError:
            return


@pytest.mark.parametrize("before", ["nothing", "an exchange"])
@pytest.mark.parametrize("sent", [b"", b"GET / HT", head()[:-2]])
def test_a_head_that_does_not_come_ends_the_connection(hasty, before, sent):
    with socket.create_connection(hasty.address, 20) as connection:
        if before == "an exchange":
            connection.sendall(whole("GET"))
            assert read(connection)[0] == 200
        connection.sendall(sent)
        stop = threading.Event()
        if sent:
            threading.Thread(target=_trickle, args=(connection, b"x", stop)).start()
        try:
            assert is_dropped(connection)
        finally:
            stop.set()


def test_an_answer_that_is_not_taken_ends_the_connection(hasty):
    id = create(hasty, flow(end(), name=f"large-{uuid4()}"))
    body = json.dumps({"input": "x" * 10_000_000}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(20)
        connection.connect(hasty.address)
        connection.sendall(whole(path=f"{PATH}/{id}/sync-executions", body=body))
        time.sleep(2)
        received = 0
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(1 << 20):
                received += len(data)
        assert 0 < received < len(body)  # what the system held; the rest was thrown away


def test_patience_does_not_end_what_runs_or_is_in_use(hasty):
    id = create(hasty, flow(sleep("a", 1.2, transition="end"), end(), name=f"long-{uuid4()}"))
    with socket.create_connection(hasty.address, 20) as used, socket.create_connection(hasty.address, 20) as running:
        running.sendall(whole(path=f"{PATH}/{id}/sync-executions", body=b'{"input": 1}'))
        for _ in range(10):
            used.sendall(whole("GET"))
            assert read(used)[0] == 200
            time.sleep(0.1)
        status, _, body = read(running)
        assert (status, body["status"]) == (200, "success")


@pytest.mark.parametrize("keep", ["half of the head", "the head", "half of the body", "all but one byte"])
def test_what_is_cut_off_is_not_carried_out(hasty, keep):
    name = f"cut-{uuid4()}"
    body = json.dumps(flow(end(), name=name)).encode() + b" "
    data = whole(body=body)
    start = len(data) - len(body)
    size = {"half of the head": start // 2, "the head": start, "half of the body": start + len(body) // 2}
    with socket.create_connection(hasty.address, 20) as connection:
        connection.sendall(data[: size.get(keep, len(data) - 1)])
    time.sleep(0.2)  # it may take a moment until the server sees the end
    assert name not in names(hasty)


def test_the_server_is_well_after_many_broken_requests(hasty):
    dice = random.Random(7)
    data = whole(body=BODY, path=f"{PATH}/x/sync-executions")
    for _ in range(100):
        with socket.create_connection(hasty.address, 20) as connection:
            broken = bytearray(data[: dice.randrange(len(data) + 1)])
            for _ in range(dice.randrange(3)):
                if broken:
                    broken[dice.randrange(len(broken))] = dice.randrange(256)
            connection.sendall(broken)
    for rubbish in (b"\x16\x03\x01\x00\xa5" * 100, b"\r\n" * 1000, b"GET " + b"/" * 100_000, head(x="y" * 100_000)):
        with socket.create_connection(hasty.address, 20) as connection:
            connection.sendall(rubbish)
            assert is_dropped(connection)
    assert exchange(hasty, whole("GET"))[0] == 200
    assert "Traceback" not in hasty.log.read_text()


# --- served with keys ----------------------------------------------------------------------------


def signed(method: str = "GET", path: str = PATH, body: bytes = b"", host: str = "fgnb.internal:9000") -> bytes:
    headers = {"host": host, "x-sdk-date": format_date(datetime.now(UTC)), "content-type": "application/json"}
    bare, _, query = path.partition("?")
    sent = authorize(method, bare, query, headers, body, access_key="first-ak", secret_key=Secret(KEYS["first-ak"]))
    return whole(method, path, body, authorization=sent, **{n.replace("-", "_"): v for n, v in headers.items()})


def test_with_keys_any_host_name_is_answered_if_the_request_is_signed(secured):
    assert exchange(secured, signed())[0] == 200
    status, headers, body = exchange(secured, whole("GET"))
    assert (status, body["error_code"]) == (401, "APIGW.0301")
    assert body["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize("name", [b"authorization", b"x-sdk-date"])
def test_a_header_that_comes_twice_is_refused(secured, name):
    data = signed()
    line = re.search(rb"\r\n(" + name + rb": [^\r]*)", data)[1]
    status, _, body = exchange(secured, data.replace(line, line + b"\r\n" + line))
    assert (status, body["error_code"]) == (401, "APIGW.0301")


def test_a_header_in_chinese_is_read_as_it_was_signed(secured):
    headers = {"x-sdk-date": format_date(datetime.now(UTC)), "x-note": "函数流"}
    sent = authorize("GET", PATH, "", headers, b"", access_key="first-ak", secret_key=Secret(KEYS["first-ak"]))
    assert (
        exchange(secured, whole("GET", authorization=sent, **{n.replace("-", "_"): v for n, v in headers.items()}))[0]
        == 200
    )


@pytest.fixture
def sdk(secured):
    """The official SDK's client of it, by key; it still calls what Python 3.12 deprecates."""
    import huaweicloudsdkfunctiongraph.v2 as module
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    def client(ak: str = "first-ak", sk: str | None = None, token: str | None = None):
        credentials = BasicCredentials(ak, sk or KEYS[ak], PROJECT)
        if token:
            credentials = credentials.with_security_token(token)
        builder = module.FunctionGraphClient.new_builder().with_credentials(credentials)
        return module, builder.with_endpoint(secured.url).build()

    return client


official = pytest.mark.filterwarnings("ignore::DeprecationWarning:huaweicloudsdk.*")


@official
@pytest.mark.parametrize("token", [None, "a-security-token"])
def test_the_official_sdk_may_pass(sdk, token):
    module, client = sdk(token=token)
    page = client.list_workflow(module.ListWorkflowRequest(workflow_name="order-triage", limit=1, mode="EXPRESS"))
    body = module.FlowExecuteBody(input={"sku": "A-100", "qty": 3, "note": "函数流"})
    run = client.start_sync_workflow_execution(
        module.StartSyncWorkflowExecutionRequest(workflow_id=page.workflows[0].id, body=body)
    )
    assert run.status == "success"


@official
@pytest.mark.parametrize("name", ["函数 流", "a!b:c", "a/b%2Fc", "a+b&c=d", "~'()*", "%"])
def test_the_official_sdk_may_pass_with_odd_paths_and_queries(sdk, name):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    module, client = sdk()
    assert client.list_workflow(module.ListWorkflowRequest(workflow_name=name)).total == 0
    with pytest.raises(ClientRequestException) as caught:
        client.show_work_flow(module.ShowWorkFlowRequest(workflow_id=name))
    assert caught.value.status_code == 404  # past the gateway


@official
def test_the_official_sdk_is_told_what_is_wrong(sdk):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    for ak, sk, word in (
        ("nobody", "x", "ak not exist"),
        ("second-ak", "wrong", f"canonicalRequest:GET|{PATH}/|limit=1|"),
    ):
        module, client = sdk(ak, sk)
        with pytest.raises(ClientRequestException) as caught:
            client.list_workflow(module.ListWorkflowRequest(limit=1))
        assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
        assert word in caught.value.error_msg


def test_with_keys_the_host_need_not_be_loopback():
    with pytest.raises(ConfigError, match=r"can't listen on 192\.0\.2\.1 port"):  # not an address of this machine
        serve_until_interrupted(Service(keys=KEYS), host="192.0.2.1", port=0)
    with pytest.raises(ConfigError, match=r"loopback only.*secret key"):
        serve_until_interrupted(Service(), host="192.0.2.1", port=0)


def test_within_the_process_a_refusal_is_an_answer_too():
    response = asyncio.run(Service(keys=KEYS).send(Request(method="GET", path=PATH)))
    assert (response.status, json.loads(response.body)["error_code"]) == (401, "APIGW.0301")
