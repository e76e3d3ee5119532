"""The commands about many runs, as a user runs them: fgnb sweep, history, compare."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner, Result

from fgnb.cli import main
from fgnb.cli.tables import inputs_in
from fgnb.errors import InputError
from fgnb.runs.files import read_runs, write_runs
from fgnb.runs.run import NodeError
from tests.exact import exact
from tests.runs import make_run
from tests.workflow_stub import WorkflowStub, success


def fgnb(*arguments: str) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="fgnb")


@pytest.fixture(autouse=True)
def _own_history(tmp_path, monkeypatch):
    monkeypatch.setenv("FGNB_HISTORY", str(tmp_path / "h.db"))


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text("sku,qty\nA-100,1\nA-100,2\nB-7,3\n")
    return path


# --- files of inputs -----------------------------------------------------------------------------


def test_cells_of_csv_are_json_or_text_and_columns_are_paths(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(
        "id,order.qty,order.note,tags,big,flag\n"
        '00123,5,,"[1, ""a""]",123456789012345678901234567890,true\n'
        '"""5""",1.50,"two\nlines",A-100,NaN,null\n'
        "\n",
        encoding="utf-8-sig",
    )
    assert exact(list(inputs_in(path))) == exact(
        [
            {"id": "00123", "order": {"qty": 5}, "tags": [1, "a"], "big": 123456789012345678901234567890, "flag": True},
            {"id": "5", "order": {"qty": 1.5, "note": "two\nlines"}, "tags": "A-100", "big": "NaN", "flag": None},
        ]
    )


def test_lines_of_json_are_inputs_as_they_are(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"a": 1}\n\n[1, 2.0]\n"x"\n')
    assert exact(list(inputs_in(path))) == exact([{"a": 1}, [1, 2.0], "x"])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,a\n1,2\n", "line 1: two columns"),
        ("a.csv", "a,b\n1\n", "line 2: 1 cell below 2 columns"),
        ("a.csv", 'a\n"open', "line 2"),
        ("a.csv", "a,a.b\n1,2\n", "line 2: .*below a int"),
        ("a.csv", "a..b\n1\n", "line 1: .*not a path"),
        ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2: "),
        ("a.txt", "", r"\.csv, \.jsonl"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        list(inputs_in(tmp_path / name))


# --- fgnb sweep ----------------------------------------------------------------------------------


def test_sweep_writes_the_runs_and_exits_with_0(orders, tmp_path):
    done = fgnb("sweep", "order-triage", orders, "-o", tmp_path / "runs.parquet")
    assert done.exit_code == 0, done.output
    assert "3 runs in" in done.output
    assert [run.output["total"] for run in read_runs(tmp_path / "runs.parquet")] == [49.9, 99.8, 129.0 * 3]


def test_sweep_exits_with_1_if_a_run_fails_and_shows_it(orders, tmp_path):
    orders.write_text("sku,qty\nA-100,1\nZ-1,2\n")
    done = fgnb("sweep", "order-triage", orders, "--json")
    assert done.exit_code == 1
    told = json.loads(done.output)
    assert (told["runs"], told["counts"]) == (2, {"success": 1, "fail": 1})
    orders.write_text("sku,qty\n" + "A-100,1\n" + "Z-1,2\n" * 15)
    shown = fgnb("sweep", "order-triage", orders).output
    assert "Those that did not succeed:\n15 runs of order-triage: 15 fail" in shown
    assert "more; -o FILE writes all" in shown
    again = fgnb("sweep", "order-triage", orders, "-o", tmp_path / "again.jsonl").output
    assert f"more; all are in {tmp_path / 'again.jsonl'}" in " ".join(again.split())
    done = fgnb("sweep", "order-triage", orders)
    assert done.exit_code == 1
    assert "Z-1" in done.output


def test_sweep_is_named_and_gone_on_with(orders, tmp_path):
    assert fgnb("sweep", "order-triage", orders, "--name", "march").exit_code == 0
    again = fgnb("sweep", "order-triage", orders, "--name", "march")
    assert again.exit_code == 2
    assert "resume" in again.output
    done = fgnb("sweep", "order-triage", orders, "--name", "march", "--resume", "-o", tmp_path / "r.jsonl")
    assert done.exit_code == 0
    assert "3 done before" in done.output
    assert len(read_runs(tmp_path / "r.jsonl")) == 3


def test_wrong_sweeps_say_so_before_anything_is_sent(orders, tmp_path):
    for arguments, said in (
        (["-o", "runs.xlsx"], ".parquet, .jsonl"),
        (["--retry-unknown"], "is for --resume"),
        (["-c", "0"], "concurrency"),
    ):
        done = fgnb("sweep", "order-triage", orders, *arguments)
        assert done.exit_code == 2
        assert said in done.output
    assert fgnb("sweep", "order-triag", orders).exit_code == 2
    orders.write_text("sku,qty\nA-100,1\nB\n")
    broken = fgnb("sweep", "order-triage", orders, "-o", tmp_path / "r.jsonl")
    assert broken.exit_code == 2
    assert "line 3" in broken.output
    assert len(read_runs(tmp_path / "r.jsonl")) <= 1


def test_an_interrupted_sweep_writes_what_there_is_and_exits_with_130(tmp_path):
    stub = WorkflowStub(lambda value: success(value), delay=0.05)
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(5000)))
    command = [sys.executable, "-m", "fgnb", "sweep", "echo", "in.jsonl", "-o", "r.jsonl", "-c", "4"]
    process = subprocess.Popen(
        [*command, "--endpoint", stub.url], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while len(stub.inputs) < 20 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    stub.close()
    assert process.returncode == 130, err
    assert "cancelled" in out
    runs = read_runs(tmp_path / "r.jsonl")
    assert set(runs.counts) <= {"success", "unknown", "cancelled"}
    assert runs.counts["success"] >= 12


# --- fgnb history --------------------------------------------------------------------------------


def test_history_shows_filters_and_exports(orders, tmp_path):
    orders.write_text("sku,qty\nA-100,1\nZ-1,2\n")
    fgnb("sweep", "order-triage", orders, "--name", "n")
    fgnb("run", "order-triage", "-i", '{"sku": "B-7", "qty": 9}')
    shown = fgnb("history")
    assert shown.exit_code == 0
    assert [line.split()[4] for line in shown.output.splitlines()[1:]] == ["success", "fail", "success"]
    lines = fgnb("history", "--json", "--status", "fail").output.splitlines()
    assert [json.loads(line)["input"]["sku"] for line in lines] == ["Z-1"]
    done = fgnb("history", "--name", "n", "-o", tmp_path / "n.parquet")
    assert done.exit_code == 0
    assert [run.input["qty"] for run in read_runs(tmp_path / "n.parquet")] == [1, 2]
    assert len(fgnb("history", "--limit", "1", "--json").output.splitlines()) == 1
    assert fgnb("history", "--since", "sometime").exit_code == 2
    assert fgnb("history", "-o", "x.csv").exit_code == 2
    assert len(fgnb("history", "other", "--json").output) == 0
    assert fgnb("history", "other").output == "no runs\n"


def test_tables_have_no_escape_sequences_where_nobody_wants_any(orders):
    """A kernel sets FORCE_COLOR for all that it starts, also where the output goes into a cell or a file."""
    fgnb("sweep", "order-triage", orders)
    command = [sys.executable, "-m", "fgnb", "history"]
    done = subprocess.run(command, env={**os.environ, "FORCE_COLOR": "1"}, capture_output=True, check=True)
    assert b"order-triage" in done.stdout
    assert b"\x1b" not in done.stdout


def test_history_says_that_it_shows_the_newest_only(tmp_path):
    write_runs([make_run(run_id=f"r{n:02}", submitted_at=datetime.now(UTC)) for n in range(21)], tmp_path / "r.jsonl")
    fgnb("history", "--import", tmp_path / "r.jsonl")
    lines = fgnb("history").output.splitlines()
    assert len(lines) == 22  # the heads, 20 runs, and this:
    assert lines[-1] == "The newest 20; there are more: --limit N, or -o FILE for all."
    assert len(fgnb("history", "--limit", "21").output.splitlines()) == 22


def test_history_imports_runs_of_elsewhere_once_masked_and_prunes(tmp_path):
    old = datetime.now(UTC) - timedelta(days=100)
    error = NodeError(node_id="n", error_message="m", error_type="T")
    runs = [
        make_run(run_id="a", submitted_at=old, input={"n": 2**70}, output=None, status="fail", node_errors=(error,)),
        make_run(run_id="b", submitted_at=datetime.now(UTC), input={"password": "hidden"}, output={"x": [1, None]},
                 headers={"h": "1"}, tags={"t": 1}, raw=b"\xff", reason="\ud800"),
    ]  # fmt: skip
    write_runs(runs, tmp_path / "r.jsonl")
    assert "2 runs added" in fgnb("history", "--import", tmp_path / "r.jsonl").output
    assert "0 runs added" in fgnb("history", "--import", tmp_path / "r.jsonl").output
    fgnb("history", "-o", tmp_path / "back.parquet")
    first, second = read_runs(tmp_path / "back.parquet")
    assert first == runs[0]
    assert second.input == {"password": "***"}
    assert (second.output, second.headers, second.tags, second.raw, second.reason) == (
        {"x": [1, None]}, {"h": "1"}, {"t": 1}, b"\xff", "\ud800",
    )  # fmt: skip
    assert b"hidden" not in b"".join(path.read_bytes() for path in tmp_path.glob("h.db*"))
    assert len(fgnb("history", "--tag", "t=1", "--json").output.splitlines()) == 1
    assert "1 run deleted" in fgnb("history", "--prune", "90d").output
    assert [json.loads(line)["run_id"] for line in fgnb("history", "--json").output.splitlines()] == ["b"]


def test_a_history_that_is_off_says_so(monkeypatch):
    monkeypatch.setenv("FGNB_HISTORY", "off")
    done = fgnb("history")
    assert done.exit_code == 2
    assert "off" in done.output


# --- fgnb compare --------------------------------------------------------------------------------


def test_compare_tells_changes_of_files_sweeps_and_runs(tmp_path, orders):
    before = [make_run(run_id=f"b{n}", input={"n": n}, output={"x": n, "id": f"b{n}"}) for n in range(5)]
    after = [make_run(run_id=f"a{n}", input={"n": n}, output={"x": n + (n == 3), "id": f"a{n}"}) for n in range(5)]
    write_runs(before, tmp_path / "b.jsonl")
    write_runs(after, tmp_path / "a.parquet")
    files = tmp_path / "b.jsonl", tmp_path / "a.parquet"
    done = fgnb("compare", *files, "--ignore", "output.id")
    assert done.exit_code == 1
    assert "4 equal, 1 changed" in done.output
    told = json.loads(fgnb("compare", *files, "--ignore", "output.id", "--json").output)
    assert told["counts"]["changed"] == 1
    assert told["changes"] == [{"input_key": "n=3", "path": "output.x", "kind": "changed", "before": 3, "after": 4}]
    assert fgnb("compare", *files, "--ignore", "output").exit_code == 0
    assert fgnb("compare", *files, "--ignore", "output.id", "--atol", "1").exit_code == 0
    assert fgnb("compare", *files, "--on", "input.n", "--key", "output.items=sku", "--rtol", "0").exit_code == 1

    write_runs(after[:3], tmp_path / "cut.jsonl")  # a file that was cut off is not the same
    cut = fgnb("compare", tmp_path / "b.jsonl", tmp_path / "cut.jsonl", "--ignore", "output.id")
    assert cut.exit_code == 1
    assert "2 unmatched" in cut.output
    write_runs([], tmp_path / "none.jsonl")
    assert fgnb("compare", tmp_path / "none.jsonl", tmp_path / "none.jsonl").exit_code == 1

    fgnb("sweep", "order-triage", orders, "--name", "one")
    fgnb("sweep", "order-triage", orders, "--name", "two")
    assert fgnb("compare", "one", "two").exit_code == 0
    ids = [json.loads(line)["run_id"] for line in fgnb("history", "--json", "--name", "one").output.splitlines()]
    done = fgnb("compare", ids[0], ids[1])
    assert done.exit_code == 1
    assert "input.qty" in done.output
    assert json.loads(fgnb("compare", ids[0], ids[0], "--json").output) == {"changes": []}
    wrong = fgnb("compare", "one", "three")
    assert wrong.exit_code == 2
    assert "'three' is no file" in wrong.output
    assert fgnb("compare", "one", "two", "--key", "items").exit_code == 2
