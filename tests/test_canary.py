"""No secret in anything that stays of a notebook: outputs, logs, files, whatever its credentials and its failures.

A notebook runs in a real kernel, with a canary in every kind of credential, against a service that asks
for signatures, gateways that repeat what they were sent, and connections that break. Then everything
that it left is searched for each canary in every form it could have taken.
"""

import base64
import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import fgnb
from fgnb.client.credentials import AccessKey, IamToken
from tests.flows import PROJECT
from tests.stub import Behaviour, answer, raw
from tests.test_auth import Gate

AK = "CANARYAK"  # an access key is no secret
SECRETS = {
    name: f"cn/{name}+7f3a9c==/e5"  # with what URLs, JSON and base64 write otherwise
    for name in (
        "envkey", "envtoken", "filekey", "filetoken", "functionkey", "functiontoken", "iamtoken", "promptkey",
        "proxypassword", "raised", "profile",
    )
}  # fmt: skip


class Echo(Gate):
    """Refuses everything, and repeats all that it was sent but for what is meant for proxies."""

    def _behaviour(self, request: Any) -> Behaviour:
        headers = {name: value for name, value in request.headers.items() if not name.startswith("proxy-")}
        said = f"denied: {json.dumps(headers)}"
        return answer(403, {"error_code": "APIGW.0302", "error_msg": said, "headers": headers}, x_request_id="Req1")


# Each cell, and the name of the exception that it ends in.
CELLS = [
    ("""
import asyncio, contextlib, functools, getpass, logging, os, pickle, sys, warnings
from pathlib import Path
from urllib.parse import quote

logging.basicConfig(level=logging.DEBUG, handlers=[
    logging.FileHandler(Path.home() / "debug.log"), logging.StreamHandler(sys.stdout)])
import fgnb
%load_ext fgnb
%xmode Verbose
secret = os.environ.__getitem__
connect = functools.partial(fgnb.connect, project_id=secret("T_PROJECT"), log_bodies=True, retry_for=0.0)
""", None),
    # Keys of the environment, a served service that knows them
    ("""
session = connect(secret("T_SERVED"))
display(session.describe())
print(repr(session), session.client, session.settings, session.settings.rows())
print(vars(session.settings.credentials), session.settings.credentials.describe())
print(vars(session), vars(session.client), vars(session.client.asynchronous))
""", None),
    ("""
run = session.run("order-triage", {"sku": "A-100", "qty": 3})
print(repr(run), run.raw)
run.frame.to_csv(Path.home() / "runs.csv")
Path.home().joinpath("runs.pickle").write_bytes(pickle.dumps(run))
run
""", None),
    ("%%fgworkflow order-triage -o failed\nsku: Z-1\n", "WorkflowFailed"),
    ("display(failed.errors, failed.raw, session.workflows(), session.workflow('order-triage'))", None),
    ("session.form('order-triage')", None),
    ("print(session.deploy(session.workflow('order-triage').definition, dry_run=True))", None),
    # Another secret key for the same access key: the gateway says what it read
    ("""
by_file = connect(secret("T_SERVED"), credentials="file")
display(by_file.describe())
by_file.run("order-triage")
""", "RequestRejected"),
    ("""
getpass.getpass = lambda question: secret("T_AK") if "AK" in question else secret("S_promptkey")
prompted = connect(secret("T_SERVED"), credentials="prompt")
prompted.run("00000000-0000-0000-0000-000000000000", {"a": 1})
""", "RequestRejected"),
    # A gateway that repeats every header, tokens among them
    ("""
def give():
    return fgnb.AccessKey(secret("T_AK"), secret("S_functionkey"), secret("S_functiontoken"), 4e9)

echoed = connect(secret("T_ECHO"), credentials=give)
refused = echoed.run("00000000-0000-0000-0000-000000000000", {"a": 1}, check=False)
print(refused.raw, refused.reason, refused.hint, repr(refused), refused.frame.to_string())
display(refused, echoed.describe())
""", None),
    ("await echoed.arun('00000000-0000-0000-0000-000000000000')", "RequestRejected"),
    ("echoed.workflows()", "PermissionDenied"),
    ("%%fgworkflow 00000000-0000-0000-0000-000000000000\na: 1\n", "RequestRejected"),
    ("""
token = fgnb.IamToken(secret("S_iamtoken"))
with_token = connect(secret("T_ECHO"), credentials=token)
print(token, repr(token), with_token.run("00000000-0000-0000-0000-000000000000", check=False).raw)
display(with_token.describe())
with_token.run("00000000-0000-0000-0000-000000000000")
""", "RequestRejected"),
    ("connect('http://functiongraph.example.com', credentials=token).run('w')", "ConfigError"),
    # Clocks and connections
    ("connect(secret('T_LATE')).run('00000000-0000-0000-0000-000000000000')", "RequestRejected"),
    ("connect(secret('T_DROP')).run('00000000-0000-0000-0000-000000000000')", "OutcomeUnknown"),
    ("connect('http://127.0.0.1:1').run('00000000-0000-0000-0000-000000000000')", "NotSent"),
    ("""
many = [connect(secret(name), credentials=give) for name in ("T_DROP", "T_ECHO", "T_LATE") for _ in range(3)]
calls = [session.arun("00000000-0000-0000-0000-000000000000", {}) for session in many]
problems = await asyncio.gather(*calls, return_exceptions=True)
print([(repr(error), error.args, vars(error)) for error in problems])
Path.home().joinpath("errors.pickle").write_bytes(pickle.dumps(problems))
""", None),
    # A proxy that asks for a password
    ("""
proxy = f"user:{quote(secret('S_proxypassword'), safe='')}@"
keyed = fgnb.AccessKey(secret("T_AK"), secret("S_functionkey"))
proxied = connect("http://functiongraph.example.com", credentials=keyed, proxy=f"http://{proxy}{secret('T_ECHO')[7:]}")
display(proxied.describe(), proxied.settings.proxy, proxied.settings)
proxied.run("00000000-0000-0000-0000-000000000000")
""", "RequestRejected"),
    ("""
os.environ["HTTP_PROXY"] = f"http://{proxy}127.0.0.1:1"
connect("http://functiongraph.example.com", credentials=keyed).run("00000000-0000-0000-0000-000000000000")
""", "NotSent"),
    ("del os.environ['HTTP_PROXY']", None),
    ("""
os.environ["HTTPS_PROXY"] = f"http://{proxy}{secret('T_ECHO')[7:]}"
connect("https://functiongraph.example.com", credentials=keyed).run("00000000-0000-0000-0000-000000000000")
""", "NotSent"),
    ("connect('https://functiongraph.example.com', credentials=keyed, verify=False).close()", None),
    ("del os.environ['HTTPS_PROXY']", None),
    ("connect('https://functiongraph.example.com', proxy=f'socks9://{proxy}x', credentials=keyed)", "ConfigError"),
    ("connect(f'http://{proxy}127.0.0.1:1', credentials=keyed)", "ConfigError"),
    # Settings that are wrong
    ("connect(secret('T_SERVED'), credentials=secret('S_iamtoken'))", "ConfigError"),
    ("connect(secret('T_SERVED'), credentials={'sk': secret('S_envkey')})", "ConfigError"),
    ("fgnb.AccessKey(secret('S_envkey') + ' ,', secret('S_envkey'))", "ConfigError"),
    ("fgnb.AccessKey(secret('T_AK'), secret('S_envkey') + chr(233))", "ConfigError"),
    ("fgnb.IamToken(secret('S_iamtoken'), secret('S_iamtoken'))", "ConfigError"),
    ("""
def leaky():
    raise RuntimeError(secret("S_raised"))

connect(secret("T_SERVED"), credentials=leaky).run("order-triage")
""", "ConfigError"),
    ("connect(secret('T_SERVED'), credentials=lambda: secret('S_raised')).run('order-triage')", "ConfigError"),
    ("""
with contextlib.chdir(secret("T_PROFILE")):
    connect(profile="leaky")
""", "ConfigError"),
    ("os.environ['FGNB_AUTH_TOKEN'] = secret('S_iamtoken')\nconnect(secret('T_SERVED'))", "ConfigError"),
    ("del os.environ['FGNB_AUTH_TOKEN'], os.environ['HUAWEICLOUD_SDK_SK']\nconnect(secret('T_SERVED'))", "ConfigError"),
    # What a notebook shows of its own mistakes
    ("""
def mistake(key, token, session, source, refused):
    return key, token, session, source, refused, session.settings, session.client, 1 / 0

mistake(keyed, token, session, session.settings.credentials, refused)
""", "ZeroDivisionError"),
    ("%tb", "ZeroDivisionError"),
    ("pickle.dumps(keyed)", "TypeError"),
    ("import json\njson.dumps({'key': keyed, 'token': token})", "TypeError"),
    ("logging.getLogger().handlers.clear()", None),  # the kernel's own end is none of our matter
]  # fmt: skip


@dataclass
class Left:
    """What a notebook left: its file, its cells' outputs, and the folder of its files."""

    path: Path
    cells: list[Any]
    folder: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("canary")


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[str]:
    """The URL of ``fgnb serve --ak``, whose secret key is that of the environment; it logs into the folder."""
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--ak", AK]
    environment = os.environ | {"FGNB_SERVE_SK": SECRETS["envkey"]}
    log = folder / "served.log"
    with (
        log.open("w") as written,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True, env=environment) as server,
    ):
        try:
            assert server.stdout is not None
            first = server.stdout.readline()
            assert "http://127.0.0.1:" in first, log.read_text()
            yield first.split()[-1]
        finally:
            server.terminate()
            server.wait(10)


@pytest.fixture(scope="module")
def left(folder: Path, served: str) -> Iterator[Left]:
    """A notebook that has run, and everything that it left."""
    home, given = folder / "home", folder / "given"  # what is given to it holds secrets, of course
    for path in (home, given):
        path.mkdir()
    credentials = given / "credentials"
    credentials.touch(mode=0o600)
    credentials.write_text(f"[basic]\nak = {AK}\nsk = {SECRETS['filekey']}\nsecurity_token = {SECRETS['filetoken']}\n")
    (given / "fgnb.toml").write_text(f"[leaky]\nendpoint = 'http://127.0.0.1:1'\nsk = '{SECRETS['profile']}'\n")
    late = Gate(raw(b""), keys={AK: SECRETS["envkey"]})
    late.gateway._clock = lambda: time.time() + 3600  # type: ignore[union-attr]
    stubs = {"T_ECHO": Echo(raw(b"")), "T_DROP": Gate(raw(b"")), "T_LATE": late}
    environment = {
        **os.environ,
        **{f"S_{name}": secret for name, secret in SECRETS.items()},
        **{name: stub.url for name, stub in stubs.items()},
        "T_SERVED": served,
        "T_AK": AK,
        "T_PROJECT": PROJECT,
        "T_PROFILE": str(given),
        "HOME": str(home),
        "HUAWEICLOUD_SDK_AK": AK,
        "HUAWEICLOUD_SDK_SK": SECRETS["envkey"],
        "HUAWEICLOUD_SDK_SECURITY_TOKEN": SECRETS["envtoken"],
        "HUAWEICLOUD_SDK_CREDENTIALS_FILE": str(credentials),
    }
    notebook = new_notebook(cells=[new_code_cell(code.strip("\n")) for code, _ in CELLS])
    client = NotebookClient(
        notebook,
        timeout=60,
        allow_errors=True,
        ipython_hist_file=str(home / "history.sqlite"),
        resources={"metadata": {"path": str(home)}},
    )
    client.execute(env=environment)
    path = home / "notebook.ipynb"
    nbformat.write(notebook, path)
    yield Left(path, notebook.cells, folder)
    for stub in stubs.values():
        stub.close()


def forms(secret: str) -> set[str]:
    """Whatever a secret may look like: plain, in URLs, in JSON, in hexadecimal, within base64."""
    data = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), data.hex()}
    found |= {secret.replace("/", "\\/"), secret.replace("=", "\\u003d")}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data).decode()
        start, end = (before * 8 + 5) // 6, (before + len(data)) * 8 // 6  # the characters that are of it alone
        found |= {text[start:end], text[start:end].translate(str.maketrans("+/", "-_"))}
    return {packed(form) for form in found}


def packed(text: str) -> str:
    """The text without what wrapping, quoting and JSON put between its characters."""
    return re.sub(r"\\n|[\s\\\"',]", "", text)


def leaks(text: str) -> list[str]:
    """The names of the secrets that a text holds in any form."""
    small = packed(text)
    return [name for name, secret in SECRETS.items() if any(form in small for form in forms(secret))]


SECRET = SECRETS["iamtoken"]


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        repr({"a": [SECRET]}),
        json.dumps({"a": json.dumps(SECRET)}),
        f"http://user:{quote(SECRET, safe='')}@127.0.0.1",
        base64.b64encode(f"user:{SECRET}".encode()).decode(),
        base64.b64encode(f"x{SECRET} and more".encode()).decode(),
        base64.b64encode(json.dumps({"token": SECRET}).encode()).decode(),
        f"{SECRET[:7]}\n      {SECRET[7:]}",
        SECRET.encode().hex(),
    ],
)
def test_a_secret_would_be_found(text):
    assert leaks(text) == ["iamtoken"]


def test_what_only_looks_like_a_secret_is_none():
    assert leaks(repr({name: secret[:-1] for name, secret in SECRETS.items()})) == []


def test_the_notebook_came_by_every_success_and_failure(left):
    ended = []
    for cell in left.cells:
        (ename,) = [output.ename for output in cell.outputs if output.output_type == "error"] or [None]
        ended.append(ename)
    assert ended == [name for _, name in CELLS]


def test_what_was_looked_for_was_there_to_be_found(left):
    """The log holds bodies, and the gateways' repetitions of the tokens in a masked form."""
    log = (left.folder / "home" / "debug.log").read_text()
    assert '"sku":"A-100"' in log.replace(" ", "")
    assert log.count('"x-security-token":"***"') >= 3
    assert log.count('"x-auth-token":"***"') >= 2
    outputs = left.path.read_text()
    assert "AccessKey('CANA…', secret_key=***)" in outputs
    assert "x-security-token" in outputs
    assert "//***:***@" in outputs
    assert "does not belong to this access key" in outputs
    assert "ZeroDivisionError" in outputs


def test_no_output_of_any_cell_holds_a_secret(left):
    for number, cell in enumerate(left.cells):
        assert leaks(json.dumps(cell.outputs, ensure_ascii=False)) == [], f"cell {number}: {cell.source}"


def test_the_saved_notebook_holds_no_secret(left):
    assert leaks(left.path.read_text()) == []


def test_no_file_that_it_left_holds_a_secret(left):
    """Logs, frames, pickles, IPython's history, and whatever else lies below the home."""
    files = [path for path in left.folder.rglob("*") if path.is_file() and path.parent.name != "given"]
    names = {path.name for path in files}
    assert {"debug.log", "runs.csv", "runs.pickle", "errors.pickle", "served.log", "notebook.ipynb"} <= names
    assert "history.sqlite" in names
    for path in files:
        assert leaks(path.read_bytes().decode("latin-1")) == [], path


# --- what the notebook does not come by -----------------------------------------------------------


@pytest.mark.parametrize("write", [json.dumps, lambda value: json.dumps(value).replace("/", "\\/")],
    ids=["as it is", "as PHP writes it"],
)  # fmt: skip
@pytest.mark.parametrize("credentials", [AccessKey(AK, "x", SECRET), IamToken(SECRET)], ids=["security", "IAM"])
def test_a_token_that_a_refusal_repeats_is_not_kept(write, credentials, caplog):
    def repeat(connection: socket.socket) -> None:
        body = write({"error_code": "APIGW.0301", "error_msg": f"denied: {SECRET}"}).encode()
        answer(401, body)(connection)

    server = Gate(repeat)
    caplog.set_level(logging.DEBUG)
    session = fgnb.connect(server.url, project_id=PROJECT, credentials=credentials, log_bodies=True)
    run = session.run("00000000-0000-0000-0000-000000000000", check=False)
    session.close()
    server.close()
    assert run.status == "rejected"
    assert leaks(f"{run.raw} {run.reason} {run.hint} {run!r} {caplog.text}") == []


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"HUAWEICLOUD_SDK_SK": SECRET}, None),
        ({"HUAWEICLOUD_SDK_SECURITY_TOKEN": SECRET}, None),
        ({"HUAWEICLOUD_SDK_AK": AK, "HUAWEICLOUD_SDK_SK": "x", "FGNB_AUTH_TOKEN": SECRET}, None),
        ({}, f"[basic]\nsk = {SECRET}\n"),
        ({}, f"sk = {SECRET}\n"),
    ],
    ids=["no access key", "no keys", "a token beside", "half a file", "a broken file"],
)
def test_a_traceback_that_shows_local_variables_shows_none(variables, file, monkeypatch, tmp_path):
    """As Secret promises; IPython shows fgnb's errors without them, other tools do not."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if file is not None:
        path = tmp_path / "credentials"
        path.touch(mode=0o600)
        path.write_text(file)
        monkeypatch.setenv("HUAWEICLOUD_SDK_CREDENTIALS_FILE", str(path))
    with pytest.raises(fgnb.ConfigError) as caught:
        fgnb.connect("http://127.0.0.1:1")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    own = [str(frame.locals) for frame in shown.stack if Path(frame.filename).parts[-2:] != ("tests", "test_canary.py")]
    assert leaks("".join(own)) == []
