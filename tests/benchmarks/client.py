"""What a call costs the client, beside the official SDK, httpx, aiohttp and a bare socket, in one run.

    python3 tests/benchmarks/client.py [--rounds N] [--quick]

The server is fast_server.py in a process of its own, every answer is checked, and the subjects take turns. CPU time
is that of this process, over all its threads. One call at a time; then 2,000 calls with 64 under way, answered at
once and after 20 ms, and fgnb's with 16 to 1,024 under way; then signing, and importing. A "bare" client sends the
bytes that fgnb does, unsigned, and does not parse the answer; a "whole" one signs with fgnb's signature and parses.
"Behind a thread": on a background loop, as `fgnb.client.blocking.Client` is, and over fgnb's transport. With many calls
under way, httpx and the SDK get a pool as large as that. aiohttp is left out if it isn't installed.
"""

import argparse
import asyncio
import gc
import hashlib
import hmac
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from fast_server import OUTPUT, WORKFLOW, WORKFLOW_ID, connections, served
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkfunctiongraph import v2 as sdk
from turns import Subject, machine, take_turns

from fgnb import jsontext, signature
from fgnb.background import BackgroundLoop
from fgnb.client.auth import SigningAuth
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.credentials import AccessKey
from fgnb.client.finding import source
from fgnb.client.http1 import Http1Transport
from fgnb.client.outcome import Outcome
from fgnb.client.transport import HttpTransport
from fgnb.wire import PROJECT_HEADER, SYNC_EXECUTIONS, execute_body, workflows_path

try:
    import aiohttp
except ImportError:  # of the extra `bench`
    aiohttp = None  # type: ignore[assignment]

PROJECT = "c53626012ba84727b938ca8bf03108ef"
ACCESS_KEY, SECRET_KEY = "an-access-key", "a-secret-key"
KEY = AccessKey(ACCESS_KEY, SECRET_KEY)
INPUT = {"sku": "A-100", "qty": 3, "customer": {"id": 1007, "tags": ["known", "north"]}}
PATH = workflows_path(PROJECT, WORKFLOW_ID, SYNC_EXECUTIONS)
BODY = execute_body(jsontext.dumps(INPUT))
HEADERS = {"content-type": "application/json"}
UNDER_WAY, LEVELS = 64, (16, 64, 256, 1024)
FEWER = 4  # so many times fewer calls of httpx as it comes, which take long

SDK, OURS, BLOCKING, FLOOR = "official SDK", "fgnb AsyncClient", "fgnb Client", "bare socket (limit)"
BARE, BARE_BEHIND, HTTPX = "bare httpx, our transport", "bare httpx, behind a thread", "bare httpx as it comes"
AIOHTTP, WHOLE = "bare aiohttp", "whole aiohttp"

Call = Callable[[], Coroutine[Any, Any, None]]
Opened = Callable[[AsyncExitStack, str, int], Coroutine[Any, Any, Call]]
"""Opens a client until the stack is left, of the server at a URL, for so many calls under way; gives a checked call."""


def our_client(url: str) -> AsyncClient:
    """Return fgnb's client as the product has it: with an access key, over its own transport."""
    return AsyncClient(HttpTransport(url, auth=SigningAuth(source(KEY))), project_id=PROJECT)


def httpx_transport(under_way: int) -> httpx.AsyncBaseTransport:
    """Return what is under httpx by default, its limits (100 and 20) raised where that is too little."""
    limits = httpx.Limits(max_connections=max(100, under_way), max_keepalive_connections=max(20, under_way))
    return httpx.AsyncHTTPTransport(limits=limits)


async def ours(stack: AsyncExitStack, url: str, under_way: int) -> Call:
    """Open fgnb's client."""
    client = our_client(url)
    stack.push_async_callback(client.aclose)

    async def call() -> None:
        _check(await client.execute(WORKFLOW, INPUT))

    return call


def _check(outcome: Outcome) -> None:
    assert outcome.execution is not None, outcome
    assert outcome.execution.output == OUTPUT, outcome


async def bare_httpx(
    make: Callable[[int], httpx.AsyncBaseTransport], stack: AsyncExitStack, url: str, under_way: int
) -> Call:
    """Open httpx over a transport that is made for so many calls under way."""
    client = await stack.enter_async_context(httpx.AsyncClient(transport=make(under_way), timeout=60))

    async def call() -> None:
        answer = await client.post(url + PATH, content=BODY, headers=HEADERS)
        assert answer.status_code == 200, answer
        assert b'"success"' in answer.content, answer.content

    return call


async def with_aiohttp(whole: bool, stack: AsyncExitStack, url: str, under_way: int) -> Call:
    """Open aiohttp, with the rest of a client's work around it or without."""
    session = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
    host = url.partition("//")[2]

    async def call() -> None:
        body = execute_body(jsontext.dumps(INPUT)) if whole else BODY
        headers = _signed(host, signature.format_date(datetime.now(UTC)), body) if whole else HEADERS
        async with session.post(url + PATH, data=body, headers=headers) as answer:
            content = await answer.read()
            assert answer.status == 200, content
            assert json.loads(content)["output"] == OUTPUT if whole else b'"success"' in content, content

    return call


def _signed(host: str, date: str, body: bytes) -> dict[str, str]:
    """Return the headers of a POST with their signature, by fgnb's pure functions."""
    headers = HEADERS | {"host": host, signature.DATE_HEADER: date}
    key, secret = KEY.access_key, KEY.secret_key
    signed = signature.authorize("POST", PATH, "", headers, body, access_key=key, secret_key=secret)
    return headers | {"Authorization": str(signed)}


OPENED: dict[str, Opened] = {
    OURS: ours,
    BARE: partial(bare_httpx, lambda under_way: Http1Transport()),
    HTTPX: partial(bare_httpx, httpx_transport),
}
if aiohttp is not None:
    OPENED |= {WHOLE: partial(with_aiohttp, True), AIOHTTP: partial(with_aiohttp, False)}


def repeated(call: Callable[[], object]) -> Subject:
    """Return a subject that makes a call as many times as it is told."""

    def calls(times: int) -> None:
        for _ in range(times):
            call()

    return calls


def official(url: str, under_way: int) -> Subject:
    """Return calls of the official SDK, which block: many are under way from as many threads."""
    config = HttpConfig(pool_maxsize=max(10, under_way))  # 10 by default
    builder = sdk.FunctionGraphClient.new_builder().with_http_config(config).with_endpoint(url)
    client = builder.with_credentials(BasicCredentials(ACCESS_KEY, SECRET_KEY, PROJECT)).build()

    def call() -> None:
        body = sdk.FlowExecuteBody(input=INPUT)
        request = sdk.StartSyncWorkflowExecutionRequest(workflow_id=WORKFLOW_ID, body=body)
        answer = client.start_sync_workflow_execution(request)
        assert answer.output == OUTPUT, answer

    return repeated(call)


def bare_socket(connection: socket.socket) -> Subject:
    """Return calls that send ready bytes and look at what comes: no client can be cheaper."""
    head = f"POST {PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(BODY)}\r\n\r\n"
    request = head.encode() + BODY

    def call() -> None:
        connection.sendall(request)
        answer = connection.recv(65536)  # so small an answer comes whole
        assert b'"success"' in answer, answer
        assert answer.endswith(b"}"), answer

    return repeated(call)


def one_at_a_time(url: str, rounds: int) -> None:
    """Measure single calls, and print."""
    behind, client = BackgroundLoop("benchmark"), Client(our_client(url))
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    with asyncio.Runner() as runner, ExitStack() as stack:

        def opened(how: Opened, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> Call:
            clients = AsyncExitStack()
            stack.callback(lambda: run(clients.aclose()))
            call: Call = run(how(clients, url, 1))
            return call

        def on_loop(how: Opened) -> Subject:
            call = opened(how, runner.run)

            async def repeat(times: int) -> None:
                for _ in range(times):
                    await call()

            return lambda times: runner.run(repeat(times))

        stack.callback(client.close)
        bare_behind = opened(OPENED[BARE], behind.run)
        subjects: dict[str, Subject] = {
            SDK: official(url, 1),
            BLOCKING: repeated(lambda: _check(client.execute(WORKFLOW, INPUT))),
            BARE_BEHIND: repeated(lambda: behind.run(bare_behind())),
            **{name: on_loop(how) for name, how in OPENED.items()},
            FLOOR: bare_socket(stack.enter_context(socket.create_connection(address))),
        }
        samples = take_turns(subjects, rounds=rounds)
    cpu = {name: sample.cpu for name, sample in samples.items()}
    print(f"{'one call at a time':<34}{'CPU':>9}{'least':>9}{'wall':>9}{'x SDK':>9}{'x limit':>9}   us per call")
    for name, sample in samples.items():
        times = f"{statistics.median(sample.cpu):>9,.0f}{sample.least_cpu:>9,.0f}{sample.median:>9,.0f}"
        print(f"  {name:<32}{times}{_ratio(cpu[name], cpu[SDK]):>9.2f}{_ratio(cpu[name], cpu[FLOOR]):>9.2f}")
    for mine, other, target in ((BLOCKING, SDK, 0.5), (BLOCKING, BARE_BEHIND, 1.15), (OURS, BARE, 1.15)):
        print(f"  {mine} / {other}: {_ratio(cpu[mine], cpu[other]):.2f} (target: at most {target})")


def _ratio(mine: Sequence[float], others: Sequence[float]) -> float:
    """Return how many times the others' time this is: the median of the rounds, each compared by itself."""
    return statistics.median(one / other for one, other in zip(mine, others, strict=True))


class Burst(NamedTuple):
    """What many calls took together."""

    cpu: float  # s per 1,000 calls
    rate: float  # calls per s
    connections: int  # that the server saw, from the warm-up on


def on_a_loop(how: Opened, url: str, under_way: int, calls: int) -> Burst:
    """Make calls on an event loop of their own."""
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        call = runner.run(how(stack, url, under_way))

        async def work(left: Iterator[int]) -> None:
            for _ in left:
                await call()

        async def together(calls: int) -> None:
            left = iter(range(calls))
            await asyncio.gather(*(work(left) for _ in range(under_way)))

        burst = _burst(lambda calls: runner.run(together(calls)), url, under_way, calls)
        runner.run(stack.aclose())
    return burst


def on_threads(url: str, under_way: int, calls: int) -> Burst:
    """Make calls of the official SDK from threads."""
    subject = official(url, under_way)
    with ThreadPoolExecutor(under_way) as threads:

        def together(calls: int) -> None:
            list(threads.map(subject, [len(range(at, calls, under_way)) for at in range(under_way)]))

        return _burst(together, url, under_way, calls)


def _burst(together: Subject, url: str, under_way: int, calls: int) -> Burst:
    before = connections(url)
    together(under_way)  # opens the connections
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    together(calls)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Burst(cpu / calls * 1e3, calls / wall, connections(url) - before)


def many_at_once(url: str, *, title: str, rounds: int, calls: int) -> None:
    """Measure many calls under way together, and print."""
    subjects: dict[str, Callable[[], Burst]] = {SDK: partial(on_threads, url, UNDER_WAY, calls)}
    for name, how in OPENED.items():
        subjects[name] = partial(on_a_loop, how, url, UNDER_WAY, calls // FEWER if name == HTTPX else calls)
    found = _bursts(f"{calls:,} calls, {UNDER_WAY} at once, {title}", subjects, rounds)
    for other, target in ((SDK, 3), (WHOLE, 0.6), (AIOHTTP, 0.6)):
        if other in found:
            ratio = _ratio(found[other], found[OURS])
            print(f"  calls per CPU second, {OURS} / {other}: {ratio:.2f} (target: at least {target})")


def _bursts(title: str, subjects: Mapping[str, Callable[[], Burst]], rounds: int) -> dict[str, list[float]]:
    """Let every subject have its turn in each round, print what they took, and return the CPU times."""
    found: dict[str, list[Burst]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            found[name].append(subject())
    costs = {name: [burst.cpu for burst in bursts] for name, bursts in found.items()}
    first = next(iter(costs.values()))
    print(f"\n{title:<38}{'CPU':>9}{'rate':>9}{'opened':>9}{'x first':>9}   s per 1,000 calls, calls/s, connections")
    for name, bursts in found.items():
        cpu, rate, opened = (statistics.median(column) for column in zip(*bursts, strict=True))
        print(f"  {name:<36}{cpu:>9.3f}{rate:>9,.0f}{opened:>9,.0f}{_ratio(costs[name], first):>9.2f}", flush=True)
    return costs


def signing(rounds: int) -> None:
    """Measure signatures of a request with a body of 2 kB, and print."""
    host, date, body = "functiongraph.example.com", "20260101T080000Z", execute_body(jsontext.dumps("x" * 1_988))
    headers = HEADERS | {"host": host, signature.DATE_HEADER: date}
    digest = signature.payload_hash(body)
    canonical = signature.canonical_request("POST", PATH, "", headers, sorted(headers), digest)
    text, secret = signature.string_to_sign(date, canonical).encode(), SECRET_KEY.encode()
    expected = _signed(host, date, body)["Authorization"]
    signer = Signer(BasicCredentials(ACCESS_KEY, SECRET_KEY, PROJECT))
    auth = SigningAuth(source(KEY))
    asked = httpx.Request("POST", f"https://{host}{PATH}", headers=HEADERS | {PROJECT_HEADER: PROJECT}, content=body)

    def pure() -> None:
        assert _signed(host, date, body)["Authorization"] == expected

    def whole() -> None:
        assert signature.ALGORITHM in next(auth.sync_auth_flow(asked)).headers["authorization"]

    def official_signer() -> None:
        request = SdkRequest("POST", "https", host, PATH, None, [], dict(headers), body)
        assert signer.sign(request).header_params["Authorization"] == expected

    def floor() -> None:
        hashlib.sha256(canonical.encode()).hexdigest()
        assert hashlib.sha256(body).hexdigest() == digest
        assert expected.endswith(hmac.digest(secret, text, "sha256").hex())

    subjects = {
        "fgnb.signature": pure,
        "fgnb SigningAuth, all its work": whole,
        "official SDK's signer": official_signer,
        "two SHA-256, one HMAC (limit)": floor,
    }
    samples = take_turns({name: repeated(sign) for name, sign in subjects.items()}, rounds=rounds)
    print(f"\n{f'signing, {len(body):,} bytes':<34}{'CPU':>9}{'least':>9}   us (target: fgnb's at most 30)")
    for name, sample in samples.items():
        print(f"  {name:<32}{statistics.median(sample.cpu):>9.1f}{sample.least_cpu:>9.1f}")


TIMED = "import time; began = time.process_time(); {}; print(time.process_time() - began)"
SHELL = "from IPython.core.interactiveshell import InteractiveShell; shell = InteractiveShell.instance(); "
LOADED = SHELL + TIMED.format("shell.run_line_magic('load_ext', '{}')")


def importing(rounds: int) -> None:
    """Measure what imports take in fresh processes, and print."""
    modules = ("httpx", "fgnb", "fgnb.client.transport")
    programs = {f"import {module}": TIMED.format(f"import {module}") for module in modules}
    programs |= {f"%load_ext {module}": LOADED.format(module) for module in ("nothing", "fgnb")}
    found: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "nothing.py").write_text("def load_ipython_extension(shell):\n    pass\n")
        environment = os.environ | {"IPYTHONDIR": folder, "PYTHONPATH": folder}
        for _ in range(rounds + 1):  # the first round compiles what is new
            for name, program in programs.items():
                printed = subprocess.check_output([sys.executable, "-c", program], env=environment)
                found[name].append(float(printed) * 1e3)
    print(f"\n{'in a fresh process':<34}{'CPU':>9}{'least':>9}{'x httpx':>9}   ms")
    for name, (_, *times) in found.items():
        ratio = _ratio(times, found["import httpx"][1:])
        print(f"  {name:<32}{statistics.median(times):>9.1f}{min(times):>9.1f}{ratio:>9.2f}")
    print("  targets: import fgnb at most 1.15 times httpx, %load_ext fgnb at most 40 ms")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What a call costs the client.")
    parser.add_argument("--rounds", type=int, default=3, help="of many calls; of single ones, four times as many")
    parser.add_argument("--quick", action="store_true", help="one round of few calls: shows only that it works")
    given = parser.parse_args()
    rounds, calls, levels = (1, 128, LEVELS[:2]) if given.quick else (given.rounds, 2_000, LEVELS)
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # the way to the server is the same for all
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # each connection is a file
    gc.freeze()  # what some subjects imported is not looked through in the turns of the others
    print(machine(), end="\n\n", flush=True)
    with served() as url, served(delay=0.02) as late:
        one_at_a_time(url, rounds * 4)
        many_at_once(url, title="no delay", rounds=rounds, calls=calls)
        many_at_once(late, title="20 ms", rounds=rounds, calls=calls)
        more = {f"{level:,} at once": partial(on_a_loop, ours, url, level, calls) for level in levels}
        _bursts(f"{calls:,} calls of {OURS}", more, rounds)  # a call's cost should stay the same
    signing(rounds * 4)
    importing(rounds)


if __name__ == "__main__":
    main()
