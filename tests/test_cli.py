"""The command line, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from fgnb.cli import main
from tests.stub import Stub, answer

ORDERS = """
import fgnb

@fgnb.function
def cli_double(event, context):
    return {"n": 2 * event["n"]}
"""

ENDLESS = """
import asyncio
import pathlib

import fgnb


@fgnb.function(timeout=100)
async def cli_double(event, context):
    pathlib.Path({begun!r}).touch()
    await asyncio.sleep(60)
"""

SLOW = {
    "name": "slow",
    "mode": "EXPRESS",
    "start": "wait",
    "functions": [],
    "constants": {},
    "retries": [],
    "states": [{"id": "wait", "name": "wait", "type": "Sleep", "duration": 60, "end": True, "transition": ""}],
}

DOUBLE = """
name: double
mode: EXPRESS
start: double
functions: [{name: double, operation: "urn:fss:local:p:function:default:cli_double:latest"}]
constants: {}
retries: []
states:
  - id: double
    name: double
    type: Operation
    end: true
    transition: ""
    actions: [{function_ref: {ref_name: double, arguments: {n: $.n}}}]
"""


WRONG = DOUBLE.replace("end: true", "end: false").replace('transition: ""', "transition: dobule")


def fgnb(*arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments, prog_name="fgnb")


def test_run_shows_the_card_and_exits_with_0() -> None:
    result = fgnb("run", "order-triage", "-i", '{"sku": "A-100", "qty": 3}')
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("✓ success  order-triage")
    assert "149.7" in result.stdout


def test_a_failing_run_exits_with_1_and_names_the_node() -> None:
    result = fgnb("run", "order-triage", "-i", '{"sku": "A-100", "qty": 1000}')
    assert result.exit_code == 1
    assert "Reserve-stock (stock)  OutOfStock" in result.stdout


def test_run_prints_json_for_machines() -> None:
    result = fgnb("run", "order-triage", "-i", '{"sku": "A-100", "qty": 1000}', "--json")
    assert result.exit_code == 1
    record = json.loads(result.stdout)
    assert record["status"] == "fail"
    assert record["input"] == {"sku": "A-100", "qty": 1000}
    assert record["node_errors"][0]["error_type"] == "OutOfStock"


@pytest.mark.parametrize(
    ("name", "text"),
    [("in.json", '{"sku": "A-1"}'), ("in.yaml", "sku: A-1\n"), ("in", '{"sku":\n\t"A-1"}'), ("in.txt", "sku: A-1")],
)
def test_the_input_may_be_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    result = fgnb("run", "order-triage", "-i", f"@{tmp_path / name}", "--json")
    assert json.loads(result.stdout)["output"]["sku"] == "A-1"


def test_a_file_that_is_given_as_the_input_itself_is_told_how(tmp_path: Path) -> None:
    path = tmp_path / "order.yaml"
    path.write_text("sku: A-100\n")
    for source in (str(path), "-"):
        result = fgnb("run", "order-triage", "-i", source)
        assert result.exit_code == 2
        assert f"To read it from there: -i @{source}" in result.stderr
    assert "read it from there" not in fgnb("run", "order-triage", "-i", "{sku").stderr


def test_the_input_may_come_in() -> None:
    for text in ('{"sku": "A-1"}', "sku: A-1\n"):
        result = CliRunner().invoke(main, ["run", "order-triage", "-i", "@-", "--json"], input=text)
        assert json.loads(result.stdout)["output"]["sku"] == "A-1"
    result = CliRunner().invoke(main, ["run", "order-triage", "-i", "@-"], input='{"sku":')
    assert result.exit_code == 2
    assert "what came in: not JSON" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_a_script_that_completes(shell: str) -> None:
    result = fgnb("completion", shell)
    assert result.exit_code == 0
    assert "_FGNB_COMPLETE" in result.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fgnb ru", {"run"}),
        ("fgnb run order-", {"order-triage"}),
        ("fgnb sweep b", {"batch-order"}),
        ("fgnb run order-triage --ti", {"--timeout"}),
        ("fgnb run order-triage --profile ", {"prod", "staging"}),
    ],
)
def test_bash_completes_commands_options_workflows_and_profiles(tmp_path: Path, line: str, expected: set[str]) -> None:
    (tmp_path / "fgnb.toml").write_text('[prod]\nregion = "cn-north-4"\n[staging]\nregion = "cn-north-4"\n')
    words = line.split(" ")
    asked = {"_FGNB_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [sys.executable, "-m", "fgnb"], env=os.environ | asked, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert {entry.partition(",")[2] for entry in done.stdout.split()} == expected


def test_the_list_of_commands_is_not_cut() -> None:
    listed = fgnb("--help").stdout.partition("Commands:")[2]
    assert "..." not in listed
    assert set(main.commands) == {row.split()[0] for row in listed.strip().splitlines()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "order-triage", "-i", '{"sku": NaN}'], "NaN is not a JSON value (at sku)"),
        (["run", "order-triage", "-i", '{"a": 1, "a": 2}'], "duplicate key 'a'"),
        (["run", "order-triage", "-i", "{"], "not JSON"),
        (["run", "order-triage", "-i", "@nowhere.json"], "can't read nowhere.json: No such file or directory"),
        (["validate", "nowhere.yaml"], "File 'nowhere.yaml' does not exist"),
        (["validate"], "Missing argument 'FILE...'"),
        (["deploy", "nowhere.yaml"], "File 'nowhere.yaml' does not exist"),
        (["run", "order-traige"], "did you mean 'order-triage'?"),
        (["run", "order-triage", "--endpoint", "cloud"], "neither 'local' nor the URL of a service"),
        (["serve", "--host", "0.0.0.0"], "listens on loopback only"),
        (["serve", "--workflows", "nowhere"], "can't read the folder of workflows nowhere"),
        (
            ["serve", "--workflows", str(Path(__file__).parent.parent / "fgnb")],
            "fgnb holds no workflow (*.yaml, *.yml, *.json)",
        ),
        (["serve", "--functions", "nowhere.py"], "there is no Python file nowhere.py"),
        (["serve", "--functions", "no_such_module"], "can't load functions from no_such_module"),
    ],
)
def test_what_is_wrong_is_said_in_one_message_and_exits_with_2(arguments: list[str], message: str) -> None:
    result = fgnb(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_run_that_can_not_be_sent_says_so() -> None:
    result = fgnb("run", "order-triage", "--endpoint", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "unsent" in result.stdout


def test_workflows_lists_names_and_ids() -> None:
    result = fgnb("workflows")
    assert result.exit_code == 0
    assert "order-triage" in result.stdout
    listed = json.loads(fgnb("workflows", "--json").stdout)
    assert {"order-triage", "document-extraction", "image-pipeline"} <= {workflow["name"] for workflow in listed}


# --- definitions ---------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a valid and a wrong definition in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "double.yaml").write_text(DOUBLE)
    (tmp_path / "wrong.yaml").write_text(WRONG)
    return tmp_path


def test_validate_says_of_each_file_that_it_is_valid(here: Path) -> None:
    (here / "slow.json").write_text(json.dumps(SLOW))
    result = fgnb("validate", "double.yaml", "slow.json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "double.yaml: workflow 'double' is valid\nslow.json: workflow 'slow' is valid\n"


def test_validate_names_each_problem_with_its_line_and_exits_with_1(here: Path) -> None:
    (here / "wrong.json").write_text(json.dumps(SLOW | {"start": "wiat", "mode": "SLOW"}, indent=2))
    (here / "broken.yaml").write_text("name: w\nstates: [")
    (here / "twice.json").write_text('{"a": 1, "a": 2}')
    (here / "bytes.yaml").write_bytes(b"name: \xff")
    (here / "wrong.yaml").write_text(WRONG.replace("ref_name: double", "ref_name: dobule"))
    result = fgnb("validate", "wrong.yaml", "double.yaml", "wrong.json", "broken.yaml", "twice.json", "bytes.yaml")
    assert result.exit_code == 1
    assert [line.partition("; ")[0] for line in result.stdout.splitlines()] == [
        "wrong.yaml:13: state 'double', $.states[0].transition: there is no state 'dobule'",
        "wrong.yaml:14: state 'double', $.states[0].actions[0].function_ref.ref_name: there is no function 'dobule'",
        "double.yaml: workflow 'double' is valid",
        "wrong.json:3: $.mode: invalid enum value 'SLOW'",
        "wrong.json:4: $.start: there is no state 'wiat'",
        "broken.yaml:2:10: not YAML: a flow node is not closed",
        "twice.json: duplicate key 'a' (at a)",
        "bytes.yaml: can't be read: byte 7 is not UTF-8",
    ]


def test_validate_warns_of_a_misspelt_field_without_failing(here: Path) -> None:
    (here / "odd.yaml").write_text(DOUBLE + "    action_mod: parallel\n")
    result = fgnb("validate", "odd.yaml")
    assert (result.exit_code, result.stdout) == (0, "odd.yaml: workflow 'double' is valid\n")
    assert result.stderr.startswith("odd.yaml:15: warning: state 'double', $.states[0].action_mod: unknown field")
    deployed = fgnb("deploy", "odd.yaml", "--dry-run")
    assert deployed.exit_code == 0
    assert deployed.stderr.count("unknown field") == 1


def test_validate_prints_json_for_machines(here: Path) -> None:
    (here / "odd.yaml").write_text(DOUBLE + "    action_mod: parallel\n")
    result = fgnb("validate", "wrong.yaml", "odd.yaml", "--json")
    assert result.exit_code == 1
    wrong, odd = json.loads(result.stdout)
    assert wrong["file"] == "wrong.yaml"
    assert (wrong["name"], wrong["valid"], wrong["warnings"]) == (None, False, [])
    (problem,) = wrong["problems"]
    assert problem.pop("message").startswith("there is no state 'dobule'")
    assert problem == {"line": 13, "column": None, "path": "$.states[0].transition", "state": "double"}
    assert (odd["name"], odd["valid"], odd["problems"]) == ("double", True, [])
    assert [(warning["path"], warning["line"]) for warning in odd["warnings"]] == [("$.states[0].action_mod", 15)]


def test_nothing_in_a_file_reaches_the_terminal_as_a_command(here: Path) -> None:
    (here / "odd.json").write_text(json.dumps(SLOW | {"start": "\x1b[31m\nx"}))
    for command in ("validate", "deploy"):
        result = fgnb(command, "odd.json")
        assert result.exit_code == 1
        assert "\x1b" not in result.output
        assert len(result.output.splitlines()) == 1


def test_deploy_shows_first_and_then_creates_updates_and_leaves_alone(here: Path, serve: str) -> None:
    (here / "deployed.json").write_text(json.dumps(SLOW | {"name": "cli-deployed"}))
    arguments = ("deploy", "deployed.json", "--endpoint", serve)
    listed = fgnb("workflows", "--endpoint", serve).stdout
    shown = fgnb(*arguments, "--dry-run")
    at = f"fgnb: at {serve} (given on the command line)\n"
    assert (shown.exit_code, shown.stderr) == (0, at)
    assert shown.stdout.startswith("cli-deployed: would be created (dry run)\n")
    assert '  + $.name: "cli-deployed"\n' in shown.stdout
    assert fgnb("workflows", "--endpoint", serve).stdout == listed

    created = fgnb(*arguments)
    assert (created.exit_code, created.stderr) == (0, at)
    assert created.stdout.startswith("cli-deployed: created, id ")
    assert fgnb(*arguments).stdout.startswith("cli-deployed: unchanged, nothing was sent, id ")

    (here / "deployed.json").write_text(json.dumps(SLOW | {"name": "cli-deployed", "mode": "NORMAL"}))
    updated = json.loads(fgnb(*arguments, "--json").stdout)
    (workflow,) = (
        w for w in json.loads(fgnb("workflows", "--endpoint", serve, "--json").stdout) if w["name"][0] == "c"
    )
    assert updated == [
        {
            "file": "deployed.json",
            "name": "cli-deployed",
            "id": workflow["id"],
            "action": "update",
            "dry_run": False,
            "changes": [{"path": "$.mode", "kind": "changed", "before": "EXPRESS", "after": "NORMAL"}],
            "reordered": [],
        }
    ]


def test_json_of_a_deployment_tells_missing_from_null(here: Path, serve: str) -> None:
    arguments = ("deploy", "flow.json", "--endpoint", serve, "--json")
    for constants in ({"gone": None}, {"new": None}):
        (here / "flow.json").write_text(json.dumps(SLOW | {"name": "cli-null", "constants": constants}))
        result = fgnb(*arguments)
    assert json.loads(result.stdout)[0]["changes"] == [
        {"path": "$.constants.gone", "kind": "removed", "before": None},
        {"path": "$.constants.new", "kind": "added", "after": None},
    ]


def test_deploy_checks_all_files_before_it_sends_one(here: Path, serve: str) -> None:
    (here / "again.yaml").write_text(DOUBLE)
    listed = fgnb("workflows", "--endpoint", serve).stdout
    for files, message in [
        (("double.yaml", "wrong.yaml"), "wrong.yaml:13: state 'double'"),
        (("double.yaml", "again.yaml"), "again.yaml: $.name: the name 'double' is already used by double.yaml"),
    ]:
        result = fgnb("deploy", *files, "--endpoint", serve)
        assert (result.exit_code, result.stdout) == (1, "")
        assert message in result.stderr
    assert fgnb("workflows", "--endpoint", serve).stdout == listed


def test_a_deployment_that_the_service_does_not_take_exits_with_1_and_names_the_file(here: Path) -> None:
    result = fgnb("deploy", "double.yaml", "--endpoint", "http://127.0.0.1:9")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "\nfgnb: double.yaml: can't connect to http://127.0.0.1:9" in result.stderr
    result = fgnb("deploy", "double.yaml", "--endpoint", "http://127.0.0.1:9", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, [])


def test_deploying_to_a_service_that_ends_with_the_command_says_so(here: Path) -> None:
    (here / "slow.json").write_text(json.dumps(SLOW | {"name": "cli-in-process"}))
    assert "the embedded service ends with this command" in fgnb("deploy", "slow.json").stderr
    assert fgnb("deploy", "slow.json", "--dry-run").stderr == "fgnb: at the embedded service (default)\n"


def test_the_service_that_was_asked_is_named_beside_the_result(monkeypatch: pytest.MonkeyPatch, serve: str) -> None:
    monkeypatch.setenv("FGNB_ENDPOINT", serve)
    for command in (("workflows",), ("run", "order-triage", "-i", '{"sku": "A-100"}')):
        assert fgnb(*command).stderr == f"fgnb: at {serve} (environment variable FGNB_ENDPOINT)\n"
        assert fgnb(*command, "--json").stderr == ""


def test_a_wrong_option_is_told_as_one_of_the_command_line() -> None:
    result = fgnb("workflows", "--endpoint", "ftp://x")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "endpoint (given on the command line) must be 'local' or an http or https URL" in result.stderr
    assert "connect()" not in result.stderr


def test_the_project_is_an_option(stub: Callable[..., Stub]) -> None:
    server = stub(answer(200, {"workflows": [], "total": 0, "size": 0}))
    assert fgnb("workflows", "--endpoint", server.url, "--project-id", "team7").exit_code == 0
    assert server.requests[0][1].startswith("/v2/team7/fgs/workflows")


def test_serve_names_every_file_that_is_wrong_not_only_the_first(here: Path) -> None:
    (here / "again.json").write_text(json.dumps(SLOW | {"name": "double"}))
    (here / "broken.yml").write_text("name: [")
    (here / "notes.txt").write_text("no definition")
    result = fgnb("serve", "--port", "0", "--workflows", ".")
    assert (result.exit_code, result.stdout) == (2, "")
    title, *lines = result.stderr.splitlines()
    assert title == "fgnb: 3 of 4 files in the folder . can't be served"
    assert [line.partition("; ")[0] for line in lines] == [
        "  broken.yml:1:8: not YAML: a flow node is not closed",
        "  double.yaml: $.name: the name 'double' is already used by again.json",
        "  wrong.yaml:13: state 'double', $.states[0].transition: there is no state 'dobule'",
    ]


# --- serving -------------------------------------------------------------------------------------


def test_serve_ends_quietly_while_a_run_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "double.yaml").write_text(DOUBLE)
    begun = tmp_path / "begun"
    (tmp_path / "slow.py").write_text(ENDLESS.format(begun=str(begun)))
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--workflows", str(tmp_path)]
    command += ["--functions", str(tmp_path / "slow.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        run = [sys.executable, "-m", "fgnb", "run", "double", "--endpoint", url]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as client:
            until = time.monotonic() + 20
            while not begun.exists() and time.monotonic() < until:
                time.sleep(0.05)
            server.send_signal(signal.SIGINT)
            _, errors = server.communicate(timeout=10)
            shown, _ = client.communicate(timeout=10)
    assert server.returncode == 0
    assert "Traceback" not in errors
    assert "unknown" in shown
    assert "the service was stopped" in shown


def test_serve_loads_functions_and_workflows_and_ends_by_interrupt(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text(ORDERS)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "double.yaml").write_text(DOUBLE)
    arguments = ["--port", "0", "--functions", "orders.py", "--workflows", "flows"]
    command = [sys.executable, "-m", "fgnb", "serve", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        try:
            shown = subprocess.run(
                [sys.executable, "-m", "fgnb", "run", "double", "-i", '{"n": 21}', "--json"],
                env=os.environ | {"FGNB_ENDPOINT": url},
                capture_output=True,
                text=True,
                check=True,
            )
            assert json.loads(shown.stdout)["output"] == {"n": 42}
            assert json.loads(shown.stdout)["connection"] == url
            assert httpx.get(f"{url}/v2/p/fgs/workflows").json()["total"] == 5
        finally:
            server.send_signal(signal.SIGINT)
        server.wait(10)


def test_serve_names_the_functions_that_nobody_registered(tmp_path: Path) -> None:
    (tmp_path / "double.yaml").write_text(DOUBLE)
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--workflows", "."]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url = server.stdout.readline().split()[-1]
            assert httpx.get(f"{url}/v2/p/fgs/workflows").status_code == 200
        finally:
            server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
    assert errors == "fgnb: workflow 'double' calls 'cli_double', which no --functions registers\n"


def test_a_demo_that_goes_wrong_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fgnb.notebook.demo.CELLS", ("1 / 0",))
    assert fgnb("demo").exit_code == 1


def test_demo_shows_a_success_a_failure_and_both_frames() -> None:
    shown = subprocess.run([sys.executable, "-m", "fgnb", "demo"], capture_output=True, text=True, check=True)
    assert "✓ success  order-triage" in shown.stdout
    assert "WorkflowFailed: order-triage: fail" in shown.stdout
    assert "output.total" in shown.stdout
    assert "OutOfStock" in shown.stdout
    assert shown.stderr == ""


@pytest.mark.parametrize("command", [[], ["run"], ["workflows"], ["validate"], ["deploy"], ["serve"], ["demo"]])
def test_help_teaches(command: list[str]) -> None:
    result = fgnb(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: fgnb" in result.stdout


@pytest.mark.parametrize(
    ("option", "message"),
    [("unresolved", "an option is written NAME=VALUE, not 'unresolved'"), ("max_depth = many", "max_depth")],
)
def test_serve_asks_for_the_key_and_tells_wrong_options(option: str, message: str) -> None:
    result = CliRunner().invoke(main, ["serve", "--ak", "team", "--option", option], input="geheim\n")
    assert result.exit_code == 2
    assert "secret key: " in result.output
    assert message in result.output
    assert "geheim" not in result.output


def test_warnings_are_one_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fgnb.toml").write_text('[here]\nendpoint = "local"\ntimeuot = 5\n')
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        result = fgnb("workflows", "--profile", "here")
    assert result.exit_code == 0
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("fgnb: warning: ")]
    assert line.startswith("fgnb: warning: profile 'here' of ")
    assert "'timeuot' is not a setting and was passed over; did you mean 'timeout'?" in line


def test_a_secret_key_without_its_access_key_does_not_serve_unprotected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGNB_SERVE_SK", "a-secret")
    done = subprocess.run(
        [sys.executable, "-m", "fgnb", "serve", "--port", "0"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "give --ak, too" in done.stderr
