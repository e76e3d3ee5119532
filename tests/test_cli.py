"""The command line, as a user runs it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from fgnb.cli import main

ORDERS = """
import fgnb

@fgnb.function
def cli_double(event, context):
    return {"n": 2 * event["n"]}
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


@pytest.mark.parametrize(("name", "text"), [("in.json", '{"sku": "A-1"}'), ("in.yaml", "sku: A-1\n")])
def test_the_input_may_be_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    result = fgnb("run", "order-triage", "-i", f"@{tmp_path / name}", "--json")
    assert json.loads(result.stdout)["output"]["sku"] == "A-1"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "order-triage", "-i", '{"sku": NaN}'], "NaN is not a JSON value (at sku)"),
        (["run", "order-triage", "-i", '{"a": 1, "a": 2}'], "duplicate key 'a'"),
        (["run", "order-triage", "-i", "{"], "not JSON"),
        (["run", "order-triage", "-i", "@nowhere.json"], "can't read nowhere.json"),
        (["run", "order-traige"], "did you mean 'order-triage'?"),
        (["run", "order-triage", "--endpoint", "cloud"], "neither 'local' nor the URL of a service"),
        (["serve", "--host", "0.0.0.0"], "listens on loopback only"),
        (["serve", "--workflows", "nowhere"], "can't read the folder of workflows nowhere"),
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


def test_serve_ends_quietly_while_a_run_is_under_way(tmp_path: Path) -> None:
    (tmp_path / "slow.json").write_text(json.dumps(SLOW))
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--workflows", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[-1]
        run = [sys.executable, "-m", "fgnb", "run", "slow", "--endpoint", url]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as client:
            time.sleep(1.5)
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
            assert httpx.get(f"{url}/v2/p/fgs/workflows").json()["total"] == 4
        finally:
            server.send_signal(signal.SIGINT)
        server.wait(10)


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


@pytest.mark.parametrize("command", [[], ["run"], ["workflows"], ["serve"], ["demo"]])
def test_help_teaches(command: list[str]) -> None:
    result = fgnb(*command, "--help")
    assert result.exit_code == 0
    assert "Usage: fgnb" in result.stdout
