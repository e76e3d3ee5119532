"""What the tests share: a clean environment, an embedded service, a client of it, a served one."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from fgnb import shortcuts
from fgnb.client.blocking import Client
from fgnb.client.client import AsyncClient
from fgnb.client.transport import HttpTransport
from fgnb.local.functions import Functions
from fgnb.local.service import Service
from fgnb.session import Session
from tests.flows import PROJECT
from tests.stub import Stub

ROOT = Path(__file__).parent.parent
SERVED_FUNCTIONS = ROOT / "tests" / "served_functions.py"

hypothesis.settings.register_profile("here", deadline=None, max_examples=60)
hypothesis.settings.register_profile("ci", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "here")


@pytest.fixture(scope="session", autouse=True)
def _clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting of the developer's own reaches a test, and no test writes into the real home."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(("FGNB_", "HUAWEICLOUD_", "HW_", "SSL_CERT_", "XDG_")) or (
                name == "REQUESTS_CA_BUNDLE" or name.lower().endswith("_proxy")
            ):
                patch.delenv(name)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        yield


def unmeasured() -> dict[str, str]:
    """Return the environment for a process that is not measured: a slow one, or one that looks at its own modules."""
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}


@pytest.fixture
def functions() -> Functions:
    """The functions of `service`: register handlers here."""
    return Functions()


@pytest.fixture
def service(functions: Functions) -> Service:
    """A fresh embedded service without sample workflows."""
    return Service(functions=functions, samples=False)


@pytest.fixture
def client(service: Service) -> Client:
    """A client of `service`, within the process."""
    return Client(AsyncClient(service, project_id=PROJECT))


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service in a process of its own, with the functions of served_functions.py."""
    log = tmp_path_factory.mktemp("serve") / "stderr.txt"
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--functions", str(SERVED_FUNCTIONS)]
    with log.open("w") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as server:
        assert server.stdout is not None
        first = server.stdout.readline()
        assert "http://127.0.0.1:" in first, f"{first}{log.read_text()}"
        yield first.split()[-1]
        server.terminate()
        server.wait(10)


@pytest.fixture
def served_client(serve: str) -> Iterator[Client]:
    """A client of `serve`, over HTTP."""
    client = Client(AsyncClient(HttpTransport(serve), project_id=PROJECT))
    yield client
    client.close()


@pytest.fixture
def stub() -> Iterator[Callable[..., Stub]]:
    """A function that starts a stub with a script."""
    started: list[Stub] = []

    def start(*script: Any, **options: Any) -> Stub:
        started.append(Stub(*script, **options))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Session]]:
    """A function like `fgnb.connect`, whose sessions send nothing again and are closed in the end."""
    monkeypatch.setattr(shortcuts, "_default", None)
    started: list[Session] = []

    def start(*target: str, **options: Any) -> Session:
        started.append(shortcuts.connect(*target, **{"project_id": PROJECT, "retry_for": 0, "timeout": 10} | options))
        return started[-1]

    yield start
    for session in started:
        session.close()
