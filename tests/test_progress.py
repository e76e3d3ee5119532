"""How far a sweep is: counted, and shown in cells, terminals and logs. runs/, render/ and notebook/progress.py."""

import os
import pty
import re
import select
import subprocess
import sys
import time

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient import NotebookClient

from fgnb.notebook import progress as notebook_progress
from fgnb.notebook.progress import open_display
from fgnb.render.html import status_colour
from fgnb.render.progress import line, show
from fgnb.runs.progress import Meter
from fgnb.runs.runset import RunSet
from tests.runs import make_run
from tests.test_kernel import Kernel


class Clock:
    def __init__(self):
        self.at = 100.0

    def __call__(self):
        return self.at


def metered(done=0, failed=0, total=None, seconds=10.0, state="running", skipped=0, unknown=0, note=""):
    clock = Clock()
    meter = Meter("order-triage", total=total, clock=clock)
    for number in range(done):
        meter.began()
        meter.ended("fail" if number < failed else "success")
    for number in range(skipped):
        meter.skipped(unknown=number < unknown)
    meter.now()
    clock.at += seconds
    return meter.now(state, note=note)


# --- counted -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(["began", "success", "fail", "unknown", "skipped", "look"]), st.floats(0, 20))),
    st.none() | st.integers(0, 50),
)
def test_counts_add_up_and_nothing_is_negative_whatever_the_clock_does(events, total):
    clock = Clock()
    meter = Meter("w", total=total, clock=clock)
    for event, seconds in events:
        clock.at += seconds
        if event == "began":
            meter.began()
        elif event == "skipped":
            meter.skipped()
        elif event != "look":
            meter.ended(event)
        progress = meter.now()
        assert progress.done == sum(progress.counts.values())
        assert progress.rate >= 0.0
        assert progress.left is None or progress.left >= 0.0
        assert progress.elapsed >= 0.0
        assert line(progress)


def test_after_a_pause_the_rate_is_that_of_the_pause():
    clock = Clock()
    meter = Meter("w", total=1000, clock=clock)
    for _ in range(100):
        meter.began()
        meter.ended("success")
    clock.at += 1.0
    meter.now()
    for _ in range(50):
        meter.began()
        meter.ended("success")
    clock.at += 100.0  # nobody looked meanwhile
    progress = meter.now()
    assert progress.rate == pytest.approx(0.5)
    assert progress.left == pytest.approx(850 / 0.5)


def test_a_total_that_was_too_small_leaves_no_time_below_zero():
    assert metered(12, 0, 10).left == 0.0


def test_a_bar_of_an_unknown_total_does_not_look_like_the_end():
    under_way, over = (show(metered(50, 0, None, state=state))["text/html"] for state in ("running", "done"))
    assert sum(float(width) for width in re.findall(r";width:([\d.]+)%", under_way)) < 60
    assert sum(float(width) for width in re.findall(r";width:([\d.]+)%", over)) == pytest.approx(100.0)


def test_the_colours_and_the_counts_stand_in_one_order_whatever_came_first():
    meter = Meter("w", total=6)
    for status in ("paused", "cancelled", "unknown", "timeout", "fail", "success"):
        meter.began()
        meter.ended(status)
    progress = meter.now()
    assert "1 fail  1 timeout  1 unknown  1 cancelled  1 paused" in line(progress)
    statuses = ("success", "fail", "timeout", "unknown", "cancelled", "paused")
    bars = re.findall(r"background:(#\w+);width", show(progress)["text/html"])
    assert bars == [status_colour(status) for status in statuses]
    runs = RunSet(make_run(status=status) for status in reversed(statuses))
    assert list(runs.counts) == list(statuses)


def test_the_rate_is_of_late_and_the_time_left_follows_from_it():
    clock = Clock()
    meter = Meter("w", total=1000, clock=clock)
    for second in range(60):
        for _ in range(10 if second < 30 else 2):
            meter.began()
            meter.ended("success")
        clock.at += 1.0
        progress = meter.now()
    assert progress.rate == pytest.approx(2.0, rel=0.1)
    assert progress.left == pytest.approx((1000 - 360) / 2.0, rel=0.1)
    clock.at += 100
    assert meter.now("done").rate == pytest.approx(360 / 160, rel=0.01)
    clock.at += 100
    assert meter.now("done").elapsed == pytest.approx(160)


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (metered(total=2000), "order-triage  0 of 2,000 (0%)  0/s"),
        (metered(1234, 12, 2000), "order-triage  1,234 of 2,000 (62%)  12 fail  123/s  7 s left"),
        (metered(5, 0, None), "order-triage  5 runs  0.5/s"),
        (metered(5, 1, 10, state="waiting", note="the service has no room"), "order-triage  5 of 10 (50%)  1 fail"),
        (metered(2000, 12, 2000, state="done"), "order-triage  2,000 runs in 10.0 s  12 fail"),
        (metered(12345, 0, 20000), "order-triage  12,345 of 20,000 (62%)  1,234/s  7 s left"),
        (metered(99, 0, 1000), "order-triage  99 of 1,000 (10%)  9.9/s"),
        (metered(7, 0, 10, state="finishing"), "order-triage  finishing  7 of 10 (70%)"),
        (metered(7, 0, 10, state="cancelling"), "order-triage  cancelling  7 of 10 (70%)"),
        (metered(7, 0, 10, state="interrupted"), "order-triage  interrupted  7 runs in 10.0 s"),
        (metered(200, 0, 1000, skipped=800, state="done"), "order-triage  200 runs in 10.0 s  800 done before"),
        (metered(1, 0, 9, skipped=8, unknown=8, state="done"), "order-triage  1 run in 10.0 s  8 unknown before"),
        (metered(1, 0, 9, skipped=8, unknown=1), "order-triage  9 of 9 (100%)  7 done before  1 unknown before"),
    ],
)
def test_a_line_tells_it(progress, told):
    assert line(progress).startswith(told)
    assert len(line(progress, 40)) <= 40
    bundle = show(progress)
    assert bundle["text/plain"] == line(progress)
    shares = [float(width) for width in re.findall(r";width:([\d.]+)%", bundle["text/html"])]
    assert sum(shares) <= 100.01


# --- a log ---------------------------------------------------------------------------------------


def test_a_log_has_lines_of_long_sweeps_only(capsys):
    display = open_display(metered(total=10))
    display.update(metered(1, total=10, seconds=9.0))
    display.close(metered(10, total=10, seconds=9.5, state="done"))
    assert capsys.readouterr().err == ""
    display = open_display(metered(total=10))
    for seconds in (9, 11, 12, 40, 42):
        display.update(metered(1, total=10, seconds=seconds))
    display.close(metered(10, total=10, seconds=50, state="done"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[-1] == "order-triage  10 runs in 50.0 s"


# --- a terminal ----------------------------------------------------------------------------------


def in_a_terminal(command, environment):
    """Run a program in a terminal and return all that it writes."""
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, **environment})
    os.close(slave)
    written = b""
    while select.select([master], [], [], 30)[0]:
        try:
            data = os.read(master, 4096)
        except OSError:
            break
        if not data:
            break
        written += data
    assert process.wait(30) == 0, written.decode()
    os.close(master)
    return written.decode()


PROGRAM = """
import fgnb
session = fgnb.connect("local", history="off")
done = session.deploy({"name": "naps", "mode": "EXPRESS", "start": "n", "functions": [], "constants": {}, "retries": [],
    "states": [{"id": "n", "name": "n", "type": "Sleep", "duration": 1, "end": True, "transition": ""}]})
session.sweep("naps", {"n": range(24)}, concurrency=8)
print("after")
"""


def test_a_terminal_has_one_line_that_is_written_over(tmp_path):
    (tmp_path / "p.py").write_text(PROGRAM)
    text = in_a_terminal([sys.executable, str(tmp_path / "p.py")], {"COLUMNS": "70"})
    shown = text.split("\r")
    assert any("8 of 24 (33%)" in part for part in shown)
    assert max(len(part.strip("\n")) for part in shown) <= 70
    last, after = text.replace("\r\n", "\n").splitlines()[-2:]
    assert last.split("\r")[-1].startswith("naps  24 runs in")
    assert after == "after"


CELLS = """%load_ext fgnb
import fgnb; session = fgnb.connect("local")
nap = {"name": "nap", "mode": "EXPRESS", "start": "w", "functions": [], "constants": {}, "retries": []}
nap["states"] = [{"id": "w", "name": "w", "type": "Sleep", "duration": 1, "end": True, "transition": "", "actions": []}]
done = fgnb.deploy(nap)
run = %fgworkflow nap
display(run)
"""


def test_a_cell_in_a_terminal_shows_the_elapsed_time_and_leaves_only_the_card(tmp_path):
    (tmp_path / "cells.ipy").write_text(CELLS)
    command = [sys.executable, "-m", "IPython", "--colors=NoColor", "--no-banner", str(tmp_path / "cells.ipy")]
    text = in_a_terminal(command, {"IPYTHONDIR": str(tmp_path), "TERM": "dumb", "COLUMNS": "60", "LINES": "24"})
    parts = text.split("\r")
    running = [part for part in parts if part.startswith("… running  nap")]
    assert len(running) >= 3
    assert max(len(part) for part in running) < 60
    lines = [line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    assert not any("running  nap" in line for line in lines)  # written over
    assert any(line.startswith("✓ success  nap") for line in lines)


# --- a kernel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    assert kernel.run(PROGRAM.split("session.sweep")[0]).outputs == []
    yield kernel
    kernel.stop()


def test_two_sweeps_in_the_background_each_show_in_their_own_cell(kernel):
    cells = {}
    for name in ("one", "two"):
        code = f"{name} = session.sweep('naps', {{'n': range(16)}}, concurrency=8, background=True)"
        (shown,) = kernel.run(code).outputs
        assert shown["kind"] == "display_data"
        cells[shown["transient"]["display_id"]] = []
    identity = kernel.start("import time\nfor _ in range(8):\n    time.sleep(0.5)\nprint('busy')")
    strays = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        message = kernel.client.get_iopub_msg(timeout=30)
        content = message["content"]
        if message["msg_type"] == "update_display_data":
            cells[content["transient"]["display_id"]].append(content["data"]["text/plain"])
        elif message["msg_type"] in ("stream", "display_data", "execute_result", "error"):
            strays.append(content.get("text"))
        elif content.get("execution_state") == "idle" and message["parent_header"].get("msg_id") == identity:
            break
    assert strays == ["busy\n"]
    for updates in cells.values():
        assert any("8 of 16 (50%)" in update for update in updates)
        assert updates[-1].startswith("naps  16 runs in ")
        assert len(updates) <= 40


def test_a_saved_notebook_holds_the_last_state():
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell(PROGRAM.split("session.sweep")[0]),
            nbformat.v4.new_code_cell("job = session.sweep('naps', {'n': range(4)}, background=True)"),
            nbformat.v4.new_code_cell("runs = job.wait()\nimport time; time.sleep(0.5)"),
        ]
    )
    NotebookClient(notebook, timeout=60).execute()
    (shown,) = notebook.cells[1].outputs
    assert shown["data"]["text/plain"].startswith("naps  4 runs in 1.")
    assert "naps" in shown["data"]["text/html"]
    assert notebook.cells[2].outputs == []


def test_a_display_is_updated_only_when_something_has_changed():
    updates = []

    class Handle:
        def update(self, shown, *, raw):
            updates.append(shown["text/plain"])

    cell = object.__new__(notebook_progress.Cell)
    cell._handle, cell._shown = Handle(), {}
    for done in (1, 1, 2, 2):
        cell.update(metered(done, total=5))
    assert len(updates) == 2


class Broken:
    """A display in a notebook that is gone."""

    def __init__(self, *, from_any_thread):
        self.from_any_thread = from_any_thread
        self.asked = 0

    def update(self, state):
        self.asked += 1
        raise OSError("gone")

    close = update


@pytest.mark.parametrize("from_any_thread", [True, False])
def test_a_display_that_fails_is_left_out_and_the_sweep_goes_on(connect, from_any_thread):
    session = connect("local", history="off")
    job = session.plan_sweep("order-triage", {"sku": ["A-100"], "qty": range(400)}, progress=False)
    broken = Broken(from_any_thread=from_any_thread)
    job.show_in(broken)
    assert len(job.run()) == 400
    assert broken.asked == 1
    assert job.views == []


class Impatient:
    """Where a user who interrupts looks on: interrupts once while it is painted, and once more at its end."""

    from_any_thread = False

    def __init__(self):
        self.states = []

    def update(self, state):
        raise KeyboardInterrupt

    def close(self, state):
        self.states.append(state.state)
        if len(self.states) == 1:
            raise KeyboardInterrupt


def test_a_second_interrupt_loses_no_run_and_leaves_no_display_behind(connect):
    session = connect("local", history="off")
    job = session.plan_sweep("order-triage", {"sku": ["A-100"], "qty": range(4000)}, concurrency=4, progress=False)
    impatient = Impatient()
    job.show_in(impatient)
    runs = job.run()
    assert job.interrupted
    assert len(runs) < 4000
    assert impatient.states[-1] == "interrupted"
    assert len(impatient.states) == 2
