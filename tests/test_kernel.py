"""The cell in a real kernel: interrupts, error outputs, output routing."""

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager

import fgnb
from tests.stub import Behaviour, Stub, answer, stall
from tests.workflow_stub import LISTED, success

SLOW = """
slow = {
    "name": "slow", "mode": "EXPRESS", "start": "wait", "functions": [], "constants": {}, "retries": [],
    "states": [
        {"id": "wait", "name": "wait", "type": "Sleep", "duration": 60, "end": True, "transition": "", "actions": []},
    ],
}
"""


FAILING = """
@fgnb.function(name="bad-{isolation}", isolation="{isolation}")
def handler(event, context):
    return helper(event)

session = fgnb.connect("local")
done = session.deploy({{
    "name": "bad", "mode": "EXPRESS", "start": "a", "constants": {{}}, "retries": [],
    "functions": [{{"name": "f", "operation": "bad-{isolation}"}}],
    "states": [
        {{"id": "a", "name": "a", "type": "Operation", "end": True, "transition": "",
         "actions": [{{"function_ref": {{"ref_name": "f", "arguments": {{}}}}}}]}},
    ],
}})
number = len(In) - 1
"""


@dataclass
class Reply:
    """What a cell gave: its reply's status, its outputs, and when it ended."""

    status: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    ended: float = 0.0


class Kernel:
    """A kernel with the extension loaded."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []  # all outputs of all cells, as they are by now
        self.manager = KernelManager()
        self.manager.start_kernel()
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def start(self, code: str) -> str:
        """Start a cell."""
        identity: str = self.client.execute(code)
        return identity

    def begun(self, identity: str) -> None:
        """Wait until a cell is under way."""
        kind = parent = None
        while (kind, parent) != ("execute_input", identity):
            message = self.client.get_iopub_msg(timeout=30)
            kind, parent = message["msg_type"], message["parent_header"].get("msg_id")
            if kind == "update_display_data":
                self._update(message["content"])

    def finish(self, identity: str, timeout: float = 30) -> Reply:
        """Wait until a cell has ended."""
        outputs: list[dict[str, Any]] = []
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            except Empty:
                pytest.fail(f"the cell did not end within {timeout} s")
            kind, content = message["msg_type"], message["content"]
            if kind == "update_display_data":
                self._update(content)
                continue
            if message["parent_header"].get("msg_id") != identity:
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind in ("stream", "display_data", "execute_result", "error"):
                outputs.append({"kind": kind, "states": [content.get("data")], **content})
                self.shown.append(outputs[-1])
        ended = time.monotonic()
        reply = self.client.get_shell_msg(timeout=10)
        while reply["parent_header"].get("msg_id") != identity:
            reply = self.client.get_shell_msg(timeout=10)
        return Reply(reply["content"]["status"], outputs, ended)

    def _update(self, content: dict[str, Any]) -> None:
        """Do what a front end does: replace the content of displays, of earlier cells, too."""
        for output in self.shown:
            if output.get("transient") == content["transient"]:
                output["data"] = content["data"]
                output["states"].append(content["data"])

    def settle(self, seconds: float) -> None:
        """Take in what is displayed while no cell runs, for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                message = self.client.get_iopub_msg(timeout=left)
                if message["msg_type"] == "update_display_data":
                    self._update(message["content"])
                elif message["msg_type"] == "display_data":
                    self.shown.append({"kind": "display_data", "states": [], **message["content"]})

    def run(self, code: str) -> Reply:
        """Run a cell to its end."""
        return self.finish(self.start(code))

    def complete(self, code: str, position: int) -> dict[str, Any]:
        """Return the answer to a completion request."""
        identity = self.client.complete(code, position)
        while (reply := self.client.get_shell_msg(timeout=20))["parent_header"].get("msg_id") != identity:
            pass
        content: dict[str, Any] = reply["content"]
        return content

    def stop(self) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel()  # by itself, so that what ran in it is measured, too

    def value(self, expression: str) -> str:
        """Return the text of an expression's value."""
        (output,) = self.run(expression).outputs
        text: str = output["data"]["text/plain"]
        return text


@pytest.fixture(scope="module")
def one_kernel() -> Iterator[Kernel]:
    """A real kernel with a slow workflow in its embedded service."""
    kernel = Kernel()
    reply = kernel.run(
        f"%load_ext fgnb\nimport fgnb\nsession = fgnb.connect('local')\n{SLOW}\ndone = fgnb.deploy(slow)"
    )
    assert reply.outputs == []
    yield kernel
    kernel.stop()


@pytest.fixture
def kernel(one_kernel: Kernel) -> Kernel:
    """The kernel, connected to its own embedded service, wherever an earlier test has left it."""
    one_kernel.run("session = fgnb.connect('local')")
    return one_kernel


def interrupted_within_a_second(kernel: Kernel, code: str) -> Reply:
    """Interrupt a cell that waits, check how soon it ends, and return what it gave."""
    waiting = kernel.start(code)
    kernel.begun(waiting)
    time.sleep(1.5)
    interrupted = time.monotonic()
    kernel.manager.interrupt_kernel()
    reply = kernel.finish(waiting)
    assert reply.status == "error"
    assert reply.ended - interrupted < 1
    return reply


@pytest.mark.parametrize("served", [False, True], ids=["in process", "over HTTP"])
@pytest.mark.parametrize(
    "code",
    ["%%fgworkflow slow -o run\na: 1\n", "fgnb.run('slow', {'a': 1})"],
    ids=["cell", "run"],
)
def test_an_interrupt_gives_the_prompt_back_within_a_second(
    kernel: Kernel, serve: str, code: str, served: bool
) -> None:
    target = serve if served else "local"
    assert kernel.run(f"run = 'old'\nsession = fgnb.connect({target!r})\ndone = fgnb.deploy(slow)").status == "ok"
    reply = interrupted_within_a_second(kernel, code)
    *cards, output = reply.outputs
    assert (output["kind"], output["ename"]) == ("error", "RunInterrupted")
    assert "slow: unknown" in output["evalue"]
    assert "may still be running" in output["evalue"]
    assert len(output["traceback"]) <= 15
    if "-o run" in code:
        (card,) = cards  # the place that showed the elapsed time
        assert "running  slow" in card["states"][0]["text/plain"]
        assert card["data"]["text/plain"].startswith("? unknown  slow")
        assert kernel.value("run.status, run.input, round(run.elapsed) in (1, 2)") == "('unknown', {'a': 1}, True)"
    after = kernel.run("%%fgworkflow order-triage\nsku: A-100\n")
    assert after.status == "ok"
    assert after.outputs[0]["data"]["text/plain"].startswith("✓ success")


@pytest.fixture
def elsewhere(kernel: Kernel, stub: Callable[..., Stub]) -> Iterator[Callable[..., Kernel]]:
    """A function that connects the kernel to a stub with a script; in the end, it is connected as before."""

    def connect(*script: Behaviour) -> Kernel:
        assert kernel.run(f"session = fgnb.connect({stub(*script).url!r})").status == "ok"
        return kernel

    yield connect
    kernel.run("session = fgnb.connect('local')")


def late(seconds: float, behaviour: Behaviour) -> Behaviour:
    """Behave so after a while."""

    def behave(connection: socket.socket) -> object:
        time.sleep(seconds)
        return behaviour(connection)

    return behave


def test_an_interrupt_while_the_picture_is_asked_for_keeps_the_run_and_its_card(
    elsewhere: Callable[..., Kernel],
) -> None:
    kernel = elsewhere(answer(200, LISTED), late(1, answer(*success({"a": 1}))), stall)
    card, error = interrupted_within_a_second(kernel, "%%fgworkflow echo -o run\na: 1\n").outputs
    assert card["data"]["text/plain"].startswith("✓ success  echo")
    assert (error["ename"], error["evalue"]) == ("RunInterrupted", "echo: success, and interrupted after that")
    assert kernel.value("run.ok") == "True"


def test_an_interrupt_while_awaiting_gives_the_prompt_back_within_a_second(kernel: Kernel) -> None:
    # The traceback of a CancelledError is IPython's, whose first one of these files takes as long as it takes.
    waiting = kernel.start("await fgnb.arun('slow')")
    kernel.begun(waiting)
    time.sleep(0.5)
    kernel.manager.interrupt_kernel()
    assert kernel.finish(waiting).status == "error"
    interrupted_within_a_second(kernel, "await fgnb.arun('slow')")
    assert kernel.value("(await fgnb.arun('order-triage', {'sku': 'A-1'})).status") == "'success'"


def test_a_failing_run_is_a_card_and_a_short_error_output(kernel: Kernel) -> None:
    reply = kernel.run("%%fgworkflow order-triage -o bad\nsku: A-100\nqty: 1000\n")
    card, error = reply.outputs
    assert card["kind"] == "display_data"
    assert set(card["data"]) == {"text/plain", "text/html"}
    assert (error["kind"], error["ename"]) == ("error", "WorkflowFailed")
    assert len(error["traceback"]) <= 15
    assert not any("site-packages" in line or "File " in line for line in error["traceback"])
    assert kernel.value("bad.errors['error_type'].tolist()") == "['OutOfStock']"


TALK = """
@fgnb.function
def talk(event, context):
    print("heard", event["word"])
    return {}

flow = slow | {"name": "talk", "start": "talk", "functions": [{"name": "talk", "operation": "talk"}]}
call = {"function_ref": {"ref_name": "talk", "arguments": {}}}
flow["states"] = [{"id": "talk", "name": "talk", "type": "Operation", "end": True, "transition": "", "actions": [call]}]
done = fgnb.connect("local").deploy(flow)
"""


def test_what_a_function_prints_lands_in_the_cell_that_runs_it(kernel: Kernel) -> None:
    assert kernel.run(TALK).status == "ok"
    reply = kernel.run("%%fgworkflow talk -q\nword: once\n")
    assert "".join(output.get("text", "") for output in reply.outputs) == "heard once\n"


@pytest.mark.parametrize("isolation", ["thread", "process"])
def test_a_stack_trace_names_the_cells_that_a_function_stands_in(kernel: Kernel, isolation: str) -> None:
    cell = "def helper(event):\n    return event['missing']\n\nbefore = len(In) - 1"
    assert kernel.run(cell).status == "ok"
    assert kernel.run(FAILING.format(isolation=isolation)).status == "ok"
    told = kernel.value("session.run('bad', {}, check=False).errors['stack_trace'].iloc[0]")
    before, number = eval(kernel.value("before, number"))
    assert eval(told).splitlines() == [
        f'File "cell [{number}]", line 3, in handler: return helper(event)',
        f"File \"cell [{before}]\", line 2, in helper: return event['missing']",
    ]


def test_a_typo_is_one_error_output_and_nothing_on_stderr(kernel: Kernel) -> None:
    reply = kernel.run("%%fgworkflow order-triage --outt x\nsku: A-100\n")
    (error,) = reply.outputs
    assert error["ename"] == "OptionError"
    assert "did you mean --out?" in error["evalue"]


def test_loading_the_extension_imports_no_heavy_library() -> None:
    kernel = Kernel()
    try:
        kernel.run("import sys\n%load_ext fgnb")
        heavy = ("pandas", "ipywidgets", "httpx", "msgspec", "ruamel.yaml", "starlette", "rich")
        loaded = kernel.value(f"[name for name in {heavy} if name in sys.modules]")
    finally:
        kernel.stop()
    assert loaded == "[]"


def test_keys_are_asked_for_without_echo_and_leave_no_trace(kernel: Kernel) -> None:
    code = "session = fgnb.connect('http://127.0.0.1:1', credentials='prompt')\nsession.describe().loc['credentials']"
    message = kernel.client.session.msg(
        "execute_request", {"code": f"import fgnb\n{code}", "silent": False, "store_history": True, "allow_stdin": True}
    )
    kernel.client.shell_channel.send(message)
    asked = []
    for typed in ("AKOFPROMPT", "canary-of-the-prompt"):
        request = kernel.client.get_stdin_msg(timeout=20)
        asked.append(request["content"])
        kernel.client.input(typed)
    reply = kernel.finish(message["header"]["msg_id"])
    assert reply.status == "ok"
    assert [(each["prompt"], each["password"]) for each in asked] == [
        ("Access key (AK): ", True),
        ("Secret key (SK): ", True),
    ]
    assert "access key AKOF…" in str(reply.outputs)
    assert "canary-of-the-prompt" not in str(reply.outputs) + kernel.value("str(In) + repr(session.settings)")


def test_without_anybody_to_ask_the_prompt_says_what_to_do_instead(kernel: Kernel) -> None:
    message = kernel.client.session.msg(
        "execute_request",
        {"code": "import fgnb; fgnb.connect('http://127.0.0.1:1', credentials='prompt')", "allow_stdin": False},
    )
    kernel.client.shell_channel.send(message)
    (error,) = kernel.finish(message["header"]["msg_id"]).outputs
    assert error["ename"] == "ConfigError"
    assert "no way to ask without showing the answer" in error["evalue"]


# --- the live cell -------------------------------------------------------------------------------


@pytest.fixture
def local(kernel: Kernel) -> Kernel:
    """The kernel, connected to its embedded service, with a workflow that takes a second."""
    naps = "nap = slow | {'name': 'nap', 'states': [slow['states'][0] | {'duration': 1}]}"
    code = f"session = fgnb.connect('local')\ndone = fgnb.deploy(slow)\n{naps}\ndone = fgnb.deploy(nap)"
    assert kernel.run(code).outputs == []
    return kernel


def test_the_place_of_the_elapsed_time_becomes_the_card_and_the_value_is_not_shown_twice(local: Kernel) -> None:
    waiting = local.start("%%fgworkflow nap -o run\na: 1\n")
    message = local.client.get_iopub_msg(timeout=5)
    while message["msg_type"] != "display_data":
        message = local.client.get_iopub_msg(timeout=5)
    assert "… running  nap" in message["content"]["data"]["text/plain"]
    local.shown.append({"kind": "display_data", "states": [], **message["content"]})
    reply = local.finish(waiting)
    assert reply.outputs == []  # nothing but the place that was there
    (place,) = (output for output in local.shown if output.get("transient") == message["content"]["transient"])
    assert [data["text/plain"].split()[1] for data in place["states"]] == ["running"] * (len(place["states"]) - 1) + [
        "success"
    ]
    assert len(place["states"]) >= 3
    assert place["data"]["text/plain"].startswith("✓ success  nap  1.")
    assert local.value("_ is run and run is Out[max(Out)]") == "True"
    again = local.run("run")
    assert again.outputs[0]["kind"] == "execute_result"  # shown as ever in the next cell


def test_a_quick_run_is_shown_once_as_the_value(local: Kernel) -> None:
    (output,) = local.run("%%fgworkflow order-triage\nsku: A-1\n").outputs
    assert output["kind"] == "execute_result"
    assert output["data"]["text/plain"].startswith("✓ success")


def test_a_slow_failing_run_becomes_its_card_in_place_and_an_error(local: Kernel) -> None:
    card, error = local.run("%%fgworkflow document-extraction -o bad\ntext: ''\npages: 8\n").outputs
    assert card["states"][0]["text/plain"].startswith("… running")
    assert card["data"]["text/plain"].startswith("✗ fail  document-extraction")
    assert error["ename"] == "WorkflowFailed"
    assert "NoTextLayer: " in error["evalue"]


@pytest.mark.parametrize("show", ["frame", "output", "errors"])
def test_what_else_a_slow_cell_gives_is_shown_once_too(local: Kernel, show: str) -> None:
    (place,) = local.run(f"%%fgworkflow nap --show {show}\na: 1\n").outputs
    assert place["kind"] == "display_data"
    assert "running" not in place["data"]["text/plain"]


def test_a_line_in_a_loop_shows_nothing_but_its_places(local: Kernel) -> None:
    reply = local.run("for n in range(3):\n    got = %fgworkflow order-triage -p sku=A-1 -p qty={{n}}\ngot.input")
    (output,) = reply.outputs
    assert output["data"]["text/plain"] == "{'sku': 'A-1', 'qty': 2}"


def test_a_line_whose_value_nobody_shows_says_nothing_more(local: Kernel) -> None:
    (place,) = local.run("got = %fgworkflow nap").outputs
    assert place["data"]["text/plain"].startswith("✓ success  nap")
    assert local.run("got").outputs[0]["kind"] == "execute_result"


def test_slow_lines_in_one_cell_become_cards_each_in_its_place(local: Kernel) -> None:
    reply = local.run(
        "runs = []\nfor n in range(2):\n    got = %fgworkflow nap -p n={{n}}\n    runs.append(got)\nruns[0]"
    )
    assert [output["kind"] for output in reply.outputs] == ["display_data"] * 2
    assert [output["data"]["text/plain"].split()[6:8] for output in reply.outputs] == [["n", "0"], ["n", "1"]]
    for n in range(2):
        (again,) = local.run(f"runs[{n}]").outputs
        assert again["kind"] == "execute_result"


def test_other_values_of_the_same_type_are_shown_beside_a_slow_line(local: Kernel) -> None:
    assert local.run("other = fgnb.run('order-triage', {'sku': 'A-1'})").status == "ok"
    code = "got = %fgworkflow nap\nhandle = display(other, display_id=True)\nhandle.update(other)\ngot"
    place, shown = local.run(code).outputs
    assert place["data"]["text/plain"].startswith("✓ success  nap")
    assert shown["data"]["text/plain"].startswith("✓ success  order-triage")


def test_a_user_who_shows_runs_in_another_way_sees_each_once(local: Kernel) -> None:
    formatter = "formatter = get_ipython().display_formatter.ipython_display_formatter"
    shows = "before = formatter.for_type(fgnb.Run, lambda run: print('shown by the user:', run.input))"
    assert local.run(f"{formatter}\n{shows}").status == "ok"
    try:
        assert local.run("other = fgnb.run('order-triage', {'sku': 'A-1'})").status == "ok"
        place, *printed = local.run("got = %fgworkflow nap\ndisplay(other)\ngot").outputs
        assert place["data"]["text/plain"] == ""  # no longer that it is running
        told = "".join(output["text"] for output in printed)
        assert told == "shown by the user: {}\nshown by the user: {'sku': 'A-1'}\n"
        (shown,) = local.run("got").outputs
        assert shown["text"] == "shown by the user: {}\n"
    finally:
        local.run("mine = formatter.pop(fgnb.Run)")


def test_a_place_where_nothing_came_of_a_run_does_not_say_that_it_is_running(
    elsewhere: Callable[..., Kernel],
) -> None:
    kernel = elsewhere(late(0.8, answer(200, LISTED)))
    place, error = kernel.run("%%fgworkflow ecko -o run\na: 1\n").outputs
    assert "running" in place["states"][0]["text/plain"]
    assert place["data"]["text/plain"].startswith("WorkflowNotFound: no workflow is called 'ecko'")
    assert error["ename"] == "WorkflowNotFound"


def test_an_interrupted_sweep_ends_clean_stops_run_all_and_keeps_its_runs(local: Kernel) -> None:
    assert local.run("many = {'a': range(100)}").status == "ok"
    reply = interrupted_within_a_second(local, "%%fgworkflow nap --sweep many -c 4 -o runs\n\n")
    bar, error = reply.outputs
    assert "interrupted" in bar["data"]["text/plain"]
    assert error["ename"] == "SweepInterrupted"
    assert "runs has them" in error["evalue"]
    assert int(local.value("len(runs)")) >= 4
    (function,) = local.run("again = fgnb.sweep('order-triage', {'sku': ['A-1'], 'qty': range(5)})").outputs
    assert "5 runs in" in function["data"]["text/plain"]


def test_a_handle_shows_itself_live_and_becomes_the_card_after_its_cell_has_ended(local: Kernel) -> None:
    reply = local.run("%%fgworkflow nap --background -o later\na: 1\n")
    (place,) = reply.outputs
    assert "… running  nap" in place["data"]["text/plain"]
    local.settle(1.6)
    assert place["data"]["text/plain"].startswith("✓ success  nap")
    assert local.value("later.run.input") == "{'a': 1}"
    (again,) = local.run("later").outputs
    assert again["data"]["text/plain"].startswith("✓ success  nap")


def test_a_handle_that_is_given_up_says_so(local: Kernel) -> None:
    (place,) = local.run("%fgworkflow slow --background -o later").outputs
    local.run("later.cancel()")
    local.settle(1)
    assert place["data"]["text/plain"].startswith("? unknown  slow")


def test_output_of_two_background_sweeps_stays_in_their_cells(local: Kernel) -> None:
    flow = TALK.replace('"talk"', '"murmur"').replace("def talk", "def murmur").replace('"heard"', '"murmured"')
    assert local.run(flow).status == "ok"
    cells = []
    for name in ("left", "right"):
        inputs = f"{name} = [{{'word': '{name}', 'n': n}} for n in range(60)]"
        assert local.run(inputs).status == "ok"
        cells.append(local.run(f"%fgworkflow murmur --background --sweep {name} -c 2 -o job_{name}"))
    other = local.run("print('mine')\nsum(len(job.wait(30)) for job in (job_left, job_right))")
    local.settle(0.5)
    assert [output["data"]["text/plain"] for output in other.outputs if "data" in output] == ["120"]
    assert "".join(output.get("text", "") for output in other.outputs) == "mine\n"
    for reply in cells:
        displays = [output for output in reply.outputs if output["kind"] == "display_data"]
        assert len(displays) == 1  # the handle does not show a second bar
        assert "60 runs in" in displays[0]["data"]["text/plain"]


def test_a_run_that_a_dead_kernel_left_says_where_it_is() -> None:
    kernel = Kernel()
    try:
        kernel.run(f"%load_ext fgnb\nimport fgnb\nsession = fgnb.connect('local')\n{SLOW}\ndone = fgnb.deploy(slow)")
        kernel.start("%%fgworkflow slow\na: 'of a dead kernel'\n")
        kernel.settle(1.2)
    finally:
        kernel.manager.shutdown_kernel(now=True)
        kernel.client.stop_channels()
    (place,) = (output for output in kernel.shown if output["kind"] == "display_data")
    assert "running  slow" in place["data"]["text/plain"]
    assert "If the kernel ends before it does, fgnb.history(&quot;slow&quot;) has it." in place["data"]["text/html"]
    left = fgnb.connect("local").history("slow")[-1]
    assert (left.input, left.status) == ({"a": "of a dead kernel"}, "unknown")
