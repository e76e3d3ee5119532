"""The notebooks run from top to bottom in a real kernel, give what they say, and leave nothing behind."""

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbclient import NotebookClient

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in NOTEBOOKS]
MARK = "FGNB_TEST_OF_A_NOTEBOOK"  # a variable that every process of a notebook inherits
KILOBYTES = 300
WITH_HISTORY = ("explore", "forms")  # which show what they know of earlier runs
WIDTH = 114  # characters of a line of code that JupyterLab shows on a page of 1,400 pixels
PLACES = r"(?<![\w.}:])/(?:tmp|home|root|Users|usr|etc|var|opt|mnt|work|data)\b"


@dataclass(frozen=True)
class Executed:
    """A notebook that was run: each code cell's outputs by the cell's id, and what was left in its folders."""

    outputs: dict[str, list[Any]]
    size: int
    folder: list[Path]
    temporary: list[Path]
    kept: list[Path]
    processes: list[str]

    def text(self, cell: str) -> str:
        """Return the plain text of a cell's outputs, whatever they are."""
        return "\n".join(
            output.get("text") or output.get("evalue") or output["data"]["text/plain"] for output in self.outputs[cell]
        )

    def value(self, cell: str) -> str:
        """Return the plain text of a cell's value, which is the last of its outputs."""
        text: str = self.outputs[cell][-1]["data"]["text/plain"]
        return text

    def html(self, cell: str) -> str:
        """Return the HTML of a cell's value."""
        text: str = self.outputs[cell][-1]["data"]["text/html"]
        return text

    def error(self, cell: str) -> str:
        """Return the class of a cell's error."""
        name: str = self.outputs[cell][-1]["ename"]
        return name


def processes_of(mark: str) -> list[str]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def executed(name: str, place: Path) -> Executed:
    folder, temporary, home = (place / each for each in ("folder", "temporary", "home"))
    for each in (folder, temporary, home):
        each.mkdir()
    own = {"TMPDIR": temporary, "HOME": home, "IPYTHONDIR": place / "ipython", "MPLCONFIGDIR": place / "matplotlib"}
    notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    client.execute(env=os.environ | {key: str(value) for key, value in own.items()} | {MARK: str(place)})
    until = time.monotonic() + 5
    while (processes := processes_of(str(place))) and time.monotonic() < until:
        time.sleep(0.1)  # the kernel is on its way
    notebook.metadata.pop("widgets", None)  # nbclient stores what JupyterLab does not
    return Executed(
        outputs={cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"},
        size=len(nbformat.writes(notebook).encode()),
        folder=list(folder.iterdir()),
        temporary=list(temporary.iterdir()),
        kept=list(home.rglob("*fgnb*")),
        processes=processes,
    )


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """A function that runs a notebook, once for all tests."""
    done: dict[str, Executed] = {}

    def of(name: str) -> Executed:
        if name not in done:
            done[name] = executed(name, tmp_path_factory.mktemp(name))
        return done[name]

    return of


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_notebook_is_committed_without_outputs_and_names_no_place_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(codes) <= 15
    for cell in codes:
        assert max(map(len, cell.source.splitlines())) <= WIDTH
        assert cell.outputs == []
        assert cell.execution_count is None
    for cell in notebook.cells:
        assert re.search(PLACES, cell.source) is None
        assert re.findall(r"https?://(?!127\.0\.0\.1)", cell.source) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=NAMES)
def test_a_link_of_a_notebook_leads_to_another_one(path):
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)]*)\)", cell.source):
                assert (path.parent / target).is_file(), target


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_no_noise_no_script_and_no_address_elsewhere(run_of, name):
    done = run_of(name)
    for cell, outputs in done.outputs.items():
        for output in outputs:
            assert output.get("name") != "stderr", f"{cell}: {output.get('text')}"
        text = json.dumps(outputs)
        assert "<script" not in text
        assert re.findall(r"https?://(?!127\.0\.0\.1)[^\s\"\\]*", text) == [], cell
    assert done.size < KILOBYTES * 1000


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_leaves_nothing_behind(run_of, name):
    done = run_of(name)
    assert done.processes == []
    assert done.folder == []
    assert done.temporary == []
    assert done.kept == [] or name in WITH_HISTORY


def test_quickstart_runs_a_cell_and_reads_its_frame(run_of):
    done = run_of("quickstart")
    assert "order-triage" in done.value("connect")
    assert "data:image/svg+xml" in done.html("graph")
    assert done.value("run").startswith("✓ success  order-triage")
    assert "149.7" in done.html("run")
    assert "149.7" in done.html("frame")


def test_quickstart_fails_a_cell_and_reads_the_errors_frame(run_of):
    done = run_of("quickstart")
    card, error = done.outputs["fail"]
    assert card["data"]["text/plain"].startswith("✗ fail")
    assert error["ename"] == "WorkflowFailed"
    assert "120 in stock" in error["evalue"]
    assert len(error["traceback"]) <= 15
    assert "OutOfStock" in done.html("errors")


def test_quickstart_compares_sweeps_and_draws_where_runs_failed(run_of):
    done = run_of("quickstart")
    assert re.search(r"output\.decision +ship +\* review", done.value("compare"))
    assert done.value("sweep").startswith("240 runs of order-triage: 166 success, 74 fail")
    assert re.search(r"D-9 +60 +0\.25 +54", done.value("summary"))
    assert "stock (Reserve-stock) → decide [74 failed (31 %)]" in done.value("failures")


def test_the_cloud_notebook_tells_where_settings_come_from_and_shows_no_key(run_of):
    done = run_of("cloud")
    assert "access key BAKE…" in done.html("connect")
    assert "HUAWEICLOUD_SDK_AK" in done.html("connect")
    assert "Authorization" in done.value("dry-run")
    assert "***" in done.value("dry-run")
    assert "file team-keys" in done.html("file")
    assert re.search(r"timeout +60 s +profile 'team' of", re.sub(r"<[^>]*>|\s+", " ", done.html("profile")))
    text = json.dumps(done.outputs)
    assert re.search(r"BAKERY[0-9A-F]{14}", text) is None
    assert re.search(r"(?<![0-9a-f])[0-9a-f]{40}(?![0-9a-f])", text) is None


def test_the_cloud_notebook_runs_signed_and_says_what_is_wrong_with_other_keys(run_of):
    done = run_of("cloud")
    assert done.value("run").startswith("✓ success  order-triage")
    assert done.error("wrong-secret") == "RequestRejected"
    assert "the secret key (SK) does not belong to this access key" in done.text("wrong-secret")
    assert done.text("unknown-key").split()[:3] == ["AccessKeyUnknown", "401", "APIGW.0301"]
    assert done.error("region") == "ConfigError"
    assert "cn-north-4" in done.text("region")
    assert done.value("two-profiles").startswith("2 runs of order-triage do not differ")
    assert done.value("end").startswith("? unsent")


def test_the_notebook_of_a_workflow_of_ones_own_names_mistakes_and_shows_changes(run_of):
    done = run_of("own-workflow")
    assert done.error("mistakes") == "DefinitionError"
    assert "has 2 problems" in done.text("mistakes")
    assert "did you mean 'how'?" in done.text("mistakes")
    assert done.value("validate").startswith("claim: would be created (dry run)")
    assert "$.constants.limit: 800 → 1300" in done.value("change")
    assert re.search(r"van +6 +2 +0 +0", done.value("deploy"))


def test_the_notebook_of_a_workflow_of_ones_own_retries_and_chooses(run_of):
    done = run_of("own-workflow")
    assert re.search(r"decision +paid\n +amount +270", done.value("run"))
    assert [line.split()[1:3] for line in done.value("trace").splitlines() if " estimate " in line] == [
        ["1", "handled"],
        ["2", "success"],
    ]
    rows = [line.split()[-2:] for line in done.value("claims").splitlines()[2:]]
    assert rows == [["1", "2"], ["3", "0"], ["1", "1"], ["3", "0"], ["3", "0"], ["3", "0"]]
    assert "there is no policy P-3" in done.value("graph")


def test_the_notebook_of_sweeps_ends_in_frames_plots_and_files(run_of):
    done = run_of("sweeps")
    assert done.value("grid").startswith("120 runs of delivery: 90 success, 30 fail")
    assert re.search(r"40 +0 +10 +<NA> +7\.95", done.value("pivot"))
    assert re.search(r"60 +20 +0\.16\d* +10 +0\.5", done.value("summary"))
    assert done.value("dataframe").startswith("12 runs of delivery: 10 success, 2 fail")
    assert re.search(r"School +2026-03-02 +<NA> +6\.6 +van", done.value("cheapest"))
    assert re.search(r"2026-03-02 +2 +9\.9", done.value("groupby"))
    for plot in ("elapsed", "outcomes", "parallel"):
        assert len(done.outputs[plot][-1]["data"]["image/png"]) > 5000
    assert "5 crates do not fit on a bicycle" in done.value("parquet")


def test_the_notebook_of_failing_nodes_finds_and_mends_the_causes(run_of):
    done = run_of("failing-nodes")
    assert done.value("sweep") == "{'success': 255, 'fail': 45}"
    assert "[30 failed (10 %)]" in done.value("graph")
    for failed in (r"bill +KeyError +15", r"read +KeyError +21", r"Implausible +9"):
        assert re.search(failed, done.value("summary"))
    assert "Implausible" in done.html("errors")
    assert "in bill: return" in done.text("stack")
    assert re.search(r"Garden +15 +0\.05\d* +15 +0\.0", done.value("which"))
    assert "NotRead" in done.value("mend")
    assert re.search(r"Garden +15 +15 +0 +15", done.value("compare"))
    assert re.search(r"regressions +0\nfixes +24", done.value("all"))


def test_the_notebook_of_the_history_goes_on_with_a_killed_sweep_and_sends_nothing_twice(run_of):
    done = run_of("history")
    assert done.value("some").startswith("7 runs of set-price: 4 success, 3 fail")
    assert done.value("filters").count("fail ") == 3
    left, resumed = (json.loads(done.value(cell).replace("'", '"')) for cell in ("morning", "resume"))
    assert 300 <= left["success"] < 1500
    assert 1 <= left["unknown"] <= 16
    assert "the service may have run it" in done.text("unknown")
    assert resumed == {"success": 1500 - left["unknown"], "unknown": left["unknown"]}
    assert "each once" in done.text("once")
    assert done.value("retry") == "({'success': 1500}, 1500)"


def test_the_notebook_of_dask_spreads_a_sweep_and_loses_a_worker(run_of):
    done = run_of("dask")
    assert done.value("cluster") == "2"
    assert done.value("sweep").startswith("2,000 runs of loan: 1,980 success, 20 fail")
    assert done.value("parts") == "({'.parquet'}, {'success': 1980, 'fail': 20})"
    lost = json.loads(done.value("lost").replace("'", '"'))
    assert sum(lost.values()) == 2000
    assert set(lost) <= {"success", "fail", "unknown"}
    assert json.loads(done.value("resume").replace("'", '"')) == {"success": 1980, "fail": 20}


def test_the_notebook_of_scripts_and_ci_ends_commands_with_their_exit_codes(run_of):
    done = run_of("scripts-and-ci")

    def codes(cell):
        return [int(code) for code in re.findall(r"→ exit code (\d+)", done.text(cell))]

    assert codes("run") == [0, 1, 2]
    assert "did you mean 'bread'?" in done.text("run")
    assert codes("sweep") == [0]
    assert codes("slip") == [1]
    assert "new.yaml:15" in done.text("slip")
    assert codes("deploy") == [0, 0]
    assert codes("compare") == [0, 1]
    assert "40 equal, 80 changed" in done.text("compare")
    assert codes("nightly") == [0]
    assert "ordered for 64.8" in done.text("nightly")
    assert codes("stopped") == [1]
    assert "WorkflowFailed\nbread: fail" in done.text("stopped")
    assert "the cell after it: []" in done.text("stopped")
    assert codes("history") == [0, 0]
    assert done.text("history").count("brioche") == 4


def test_the_regression_notebook_sweeps_2000_inputs_over_both_versions(run_of):
    done = run_of("regression")
    assert done.value("before").startswith("2,000 runs of order-triage: 1,384 success, 616 fail")
    assert "2,000 runs in" in done.outputs["before"][0]["data"]["text/plain"]
    assert done.value("after").startswith("2,000 runs of order-triage-v2: 1,360 success, 640 fail")


def test_the_regression_notebook_finds_what_changed_and_for_which_inputs(run_of):
    done = run_of("regression")
    text = done.value("compare")
    assert text.startswith("2,000 pairs of runs of order-triage and order-triage-v2: 1,280 equal, 720 changed, 24 regr")
    assert "where it changed: input.sku" in text
    assert done.value("by-sku").splitlines()[-1].split()[:5] == ["D-9", "400", "400", "24", "0"]
    assert "KeyError" in done.value("regressions")
    assert "output.total" in done.value("changes")
    assert "2,000 equal, 0 changed" in done.value("mend")


def test_the_forms_notebook_shows_forms_and_what_came_of_their_last_run(run_of):
    done = run_of("forms")
    for cell, word in (("form", "customer.city"), ("again", "such as"), ("schema", "配件")):
        fields, _ = done.outputs[cell]
        assert "application/vnd.jupyter.widget-view+json" in fields["data"]
        assert word in fields["data"]["text/html"]
    assert "KeyError" in done.html("form")  # of the run in a later cell
    assert "9 runs of repair-quote" in done.value("schema")


def test_the_forms_notebook_runs_from_code_as_from_the_button(run_of):
    done = run_of("forms")
    assert "success" in done.value("run")
    assert "'total': 905.5" in done.value("value")
    assert "crane" in done.value("fails")
    assert done.value("runs").count("success") == 2
    assert done.value("end") == "(3, 10)"


def test_the_forms_notebook_checks_against_a_schema_or_a_model_and_sweeps(run_of):
    done = run_of("forms")
    for said in ("hours: greater than the maximum of 40", "parts[0].no: not of the form", "customer: required"):
        assert said in done.value("problems")
    assert done.value("mended") == "1030.0"
    assert done.value("model") == "({'hours': 1, 'urgent': False}, ['device: required'])"
    assert done.value("sweep") == "9"
    assert done.value("table").splitlines()[-1].split() == ["pump", "390.0", "710.0", "1030.0"]


def test_the_explorer_of_a_notebook_without_a_page_is_a_table(run_of):
    data = run_of("explore").outputs["sweep"][0]["data"]
    assert "application/vnd.jupyter.widget-view+json" in data
    assert data["text/plain"].startswith("1,200 runs of order-triage: ")
    assert "1,150 more" in data["text/html"]


def test_the_explorer_notebook_chooses_runs_compares_them_and_tells_where_they_fail(run_of):
    done = run_of("explore")
    assert "1 success, 1 fail" in done.value("select")
    assert done.value("compare").startswith("2 runs of order-triage differ")
    assert "41" in done.value("compare")
    assert "OutOfStock" in done.value("errors")
    assert "UnknownSku" in done.value("errors")
    assert "stock" in done.value("graph")
    for cell in ("outcomes", "scatter", "parallel"):
        assert any("image/png" in output.get("data", {}) for output in done.outputs[cell])
