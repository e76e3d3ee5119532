"""What the way to the engine costs: client, service and server, for a workflow of one state.

    python3 tests/benchmarks/http_path.py [--rounds N] [--connections N] [--seconds S]

First within the process, where the subjects take turns: the bare engine, the service, the client over it, the
client for code without an event loop, and the ASGI application without a server. Then through ``fgnb serve``
in a process of its own, beside an echo of the same size on the same server (echo_server.py), both under the
same load from a third process (load.py), taking turns: answers per second, and the CPU time that an answer
costs the server, which does not depend on how much of the machine the load itself takes.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import psutil
from scenarios import add_one, one_state
from turns import Subject, machine, take_turns

from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.transport import HttpTransport
from fgnb.local.app import make_app
from fgnb.local.engine import Engine
from fgnb.local.execution import Execution
from fgnb.local.functions import Functions
from fgnb.local.service import Service
from fgnb.wire import SYNC_EXECUTIONS, Request, execute_body, workflows_path

HERE = Path(__file__).parent
PROJECT = "c53626012ba84727b938ca8bf03108ef"
INPUT, OUTPUT = {"v": 0}, {"v": 1}
FUNCTIONS = """
import fgnb

@fgnb.function
def add_one(event, context):
    return {"v": event["v"] + 1}
"""


def in_process(rounds: int) -> None:
    """Measure the floors above the engine without a network, and print."""
    functions = Functions()
    functions.register(add_one)
    service = Service(functions=functions, samples=False)
    client = AsyncClient(service, project_id=PROJECT)
    with asyncio.Runner() as runner:
        workflow = runner.run(client.create(one_state()))
        subjects = _in_process(service, client, workflow.id, runner)
        samples = take_turns(subjects, rounds=rounds)
    bare = samples["bare engine"]
    print(f"{'in process, one state':<34}{'median':>9}{'best':>9}{'CPU':>9}{'x engine':>10}   us per run")
    for name, sample in samples.items():
        figures = f"{sample.median:>9,.0f}{sample.best:>9,.0f}{sample.least_cpu:>9,.0f}"
        print(f"  {name:<32}{figures}{sample.ratio(bare):>10.2f}")


def _in_process(service: Service, client: AsyncClient, workflow: str, runner: asyncio.Runner) -> dict[str, Subject]:
    engine = Engine(service.engine.functions)
    plan = service.catalog[workflow].plan
    path = workflows_path(PROJECT, workflow, SYNC_EXECUTIONS)
    body = execute_body(json.dumps(INPUT).encode())
    app = make_app(service)
    blocking = Client(client)

    async def bare() -> None:
        execution = Execution(plan=plan, input=INPUT, headers={}, project_id=PROJECT, workflow_id=workflow)
        assert (await engine.run(execution)).output == OUTPUT

    async def service_alone() -> None:
        headers = {"content-type": "application/json"}
        response = await service.send(Request(method="POST", path=path, headers=headers, body=body))
        assert b'"success"' in response.body

    async def through_client() -> None:
        execution = (await client.execute("add", INPUT)).execution
        assert execution is not None
        assert execution.output == OUTPUT

    async def through_app() -> None:
        assert b'"success"' in await _asked(app, path, body)

    def through_blocking_client(times: int) -> None:
        for _ in range(times):
            execution = blocking.execute("add", INPUT).execution
            assert execution is not None
            assert execution.output == OUTPUT

    def repeated(once: Callable[[], Coroutine[Any, Any, None]]) -> Subject:
        async def repeat(times: int) -> None:
            for _ in range(times):
                await once()

        return lambda times: runner.run(repeat(times))

    return {
        "bare engine": repeated(bare),
        "service (a request, no client)": repeated(service_alone),
        "AsyncClient over the service": repeated(through_client),
        "Client (from a plain thread)": through_blocking_client,
        "ASGI application, no server": repeated(through_app),
    }


async def _asked(app: Callable[..., Awaitable[None]], path: str, body: bytes) -> bytes:
    """Return what an ASGI application answers to a POST."""
    sent: list[bytes] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))

    headers = [
        (b"host", b"127.0.0.1:9000"),
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "server": ("127.0.0.1", 9000),
        "client": ("127.0.0.1", 50000),
    }
    await app(scope, receive, send)
    return b"".join(sent)


@contextlib.contextmanager
def _started(*command: str) -> Iterator[tuple[psutil.Process, str]]:
    """Start a Python program; gives its process and the first line it prints, and ends it."""
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield psutil.Process(process.pid), process.stdout.readline().strip()
        finally:
            process.terminate()


async def _deployed(url: str) -> tuple[str, bytes]:
    """Return the path that executes the workflow of a served service, and an answer of it."""
    transport = HttpTransport(url)
    client = AsyncClient(transport, project_id=PROJECT)
    try:
        path = workflows_path(PROJECT, await client.workflow_id("add"), SYNC_EXECUTIONS)
        headers = {"content-type": "application/json"}
        body = execute_body(json.dumps(INPUT).encode())
        response = await transport.send(Request(method="POST", path=path, headers=headers, body=body))
    finally:
        await client.aclose()
    assert json.loads(response.body)["output"] == OUTPUT, response
    return path, response.body


def served(rounds: int, *, connections: int, seconds: float) -> None:
    """Measure ``fgnb serve`` beside the echo, and print."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as programs:
        (Path(folder) / "add.json").write_text(json.dumps(one_state()))
        functions = Path(folder) / "functions.py"
        functions.write_text(FUNCTIONS)
        fgnb, line = programs.enter_context(
            _started("-m", "fgnb", "serve", "--port", "0", "--functions", str(functions), "--workflows", folder)
        )
        url = line.split()[-1]
        path, answer = asyncio.run(_deployed(url))
        canned = Path(folder) / "answer.bin"
        canned.write_bytes(answer)
        echo, echo_port = programs.enter_context(_started(str(HERE / "echo_server.py"), str(canned)))
        servers = {"minimal ASGI echo": (echo, echo_port), "fgnb serve": (fgnb, url.rpartition(":")[2])}
        figures: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
        for _ in range(rounds + 1):  # the first round warms up
            for name, (process, port) in servers.items():
                figures[name].append(_load(process, port, path, connections=connections, seconds=seconds))
    medians = {
        name: {key: statistics.median(one[key] for one in found[1:]) for key in found[0]}
        for name, found in figures.items()
    }

    def ratio(key: str) -> float:
        mine, least = figures["fgnb serve"][1:], figures["minimal ASGI echo"][1:]
        return statistics.median(one[key] / other[key] for one, other in zip(mine, least, strict=True))

    print(f"\n{f'served, {connections} connections':<34}{'per second':>11}{'CPU us':>9}{'p50 ms':>9}{'p99 ms':>9}")
    for name, found in medians.items():
        counts = f"{found['rate']:>11,.0f}{found['cpu']:>9,.0f}{found['median_ms']:>9.2f}{found['p99_ms']:>9.2f}"
        print(f"  {name:<32}{counts}")
    print(f"  fgnb / echo: {ratio('rate'):.2f} of the answers per second, {ratio('cpu'):.2f} times the CPU time")


def _load(server: psutil.Process, port: str, path: str, *, connections: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, str(HERE / "load.py"), port, path, execute_body(json.dumps(INPUT).encode()).decode()]
    options = ["--connections", str(connections), "--seconds", str(seconds)]
    before = server.cpu_times()
    printed = subprocess.run(command + options, check=True, stdout=subprocess.PIPE).stdout
    found: dict[str, float] = json.loads(printed)
    after = server.cpu_times()
    used = after.user + after.system - before.user - before.system
    return found | {"rate": found["answers"] / found["seconds"], "cpu": used / found["answers"] * 1e6}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the way to the engine costs.")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=2.0, help="of load in a turn")
    given = parser.parse_args()
    print(machine(), end="\n\n")
    in_process(given.rounds)
    served(given.rounds, connections=given.connections, seconds=given.seconds)


if __name__ == "__main__":
    main()
