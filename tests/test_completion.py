"""Tab completion of the line: in IPython's completer, and in a real kernel as front ends ask it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

import fgnb
from fgnb import shortcuts
from fgnb.notebook import completion, options
from tests.test_cell import shell, with_echo
from tests.test_kernel import Kernel

__all__ = ["shell", "with_echo"]  # fixtures


def completed(shell: InteractiveShell, text: str) -> list[str]:
    """Return what the shell completes at the mark ``|``, as a front end would insert it."""
    at = text.index("|")
    code = text.replace("|", "")
    with provisionalcompleter():
        found = list(shell.Completer.completions(code, at))
    return [code[: each.start][code.rfind("\n", 0, each.start) + 1 :] + each.text for each in found]


def last_words(lines: list[str]) -> list[str]:
    """Return the last word of each completed line."""
    return [line.split(" ")[-1] for line in lines]


@pytest.fixture
def variables(shell: InteractiveShell) -> InteractiveShell:
    """A shell with a variable of each kind."""
    run = fgnb.run("order-triage", {"sku": "A-1"})
    shell.user_ns.update(
        order={"sku": "A-1"}, orders=pd.DataFrame({"qty": [1]}), grid={"qty": [1, 2]},
        before=run, many=fgnb.RunSet([run]), text="x", number=1, helper=len, Klass=dict, _hidden={"a": 1},
    )  # fmt: skip
    return shell


@pytest.mark.parametrize("mark", ["%%", "%"])
def test_workflows_come_first_then_options(variables: InteractiveShell, mark: str) -> None:
    names = last_words(completed(variables, f"{mark}fgworkflow |\n"))
    assert {"order-triage", "batch-order", "echo"} <= set(names)
    assert not any(name.startswith("-") or name in ("print", "order") for name in names)
    assert last_words(completed(variables, f"{mark}fgworkflow order-t|")) == ["order-triage"]
    offered = last_words(completed(variables, f"{mark}fgworkflow order-triage |"))
    assert offered[: len(options.OPTIONS) - 1] == [
        option.flags[-1] for option in options.OPTIONS if option.needs is None
    ]


def test_a_cell_magic_below_another_one_is_completed(variables: InteractiveShell) -> None:
    assert last_words(completed(variables, "%%time\n%%fgworkflow order-t|"))[-1] == "order-triage"


def test_options_complete_and_those_that_are_out_of_place_do_not(variables: InteractiveShell) -> None:
    assert last_words(completed(variables, "%%fgworkflow order-triage --ti|")) == ["--timeout"]
    assert last_words(completed(variables, "%%fgworkflow order-triage --c|")) == ["--compare", "--code"]
    assert "--concurrency" in last_words(completed(variables, "%%fgworkflow order-triage --sweep grid --c|"))
    assert "--timeout" not in last_words(completed(variables, "%%fgworkflow order-triage -t 3 --|"))
    assert "--param" in last_words(completed(variables, "%%fgworkflow order-triage -p a=1 --|"))
    assert "--show" not in last_words(completed(variables, "%%fgworkflow order-triage --dry-run --|"))
    assert "-o" in last_words(completed(variables, "%%fgworkflow order-triage -|"))
    assert last_words(completed(variables, "%%fgworkflow order-triage --nonsense --ti|")) == ["--timeout"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("--show |", list(options.SHOWN)),
        ("--show fr|", ["frame"]),
        ("--as p|", ["python"]),
        ("-i or|", ["order", "orders"]),
        ("--input |", ["grid", "order", "orders"]),
        ("--sweep |", ["before", "grid", "many", "order", "orders"]),
        ("--compare |", ["before", "many"]),
        ("-o b|", ["before"]),
    ],
)
def test_values_complete_by_what_the_option_takes(variables: InteractiveShell, line: str, expected: list[str]) -> None:
    own = {"order", "orders", "grid", "before", "many", "text", "number", "helper", "Klass"} | {
        *options.SHOWN,
        *options.FORMS,
    }
    found = [word for word in last_words(completed(variables, f"%%fgworkflow order-triage {line}")) if word in own]
    assert found == expected


def test_values_complete_behind_an_equals_sign_and_a_short_flag(variables: InteractiveShell) -> None:
    assert completed(variables, "%%fgworkflow w --show=fr|") == ["%%fgworkflow w --show=frame"]
    assert completed(variables, "%%fgworkflow w -oma|") == ["%%fgworkflow w -omany"]
    assert completed(variables, "found = %fgworkflow order-t|") == ["found = %fgworkflow order-triage"]
    assert completed(variables, "x = 1\n%fgworkflow w --sh|") == ["%fgworkflow w --show"]


def test_profiles_complete_from_the_file(
    variables: InteractiveShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fgnb.toml").write_text('[prod]\nregion = "cn-north-4"\n[staging]\nendpoint = "http://127.0.0.1:1"\n')
    monkeypatch.chdir(tmp_path)
    assert last_words(completed(variables, "%%fgworkflow w --profile |")) == ["prod", "staging"]
    (tmp_path / "fgnb.toml").write_text("[prod")
    assert last_words(completed(variables, "%%fgworkflow w --profile |")) == [""]


@pytest.mark.parametrize(
    "line",
    [
        "%%fgworkflow w -t 1|",
        "%%fgworkflow w -p sku=|",
        "%%fgworkflow w 'open |",
        "%%fgworkflow w --nonsense|",
        "%%fgworkflow w --nonsense=|",
    ],
)
def test_where_there_is_nothing_to_say_nothing_else_is_mixed_in(variables: InteractiveShell, line: str) -> None:
    assert completed(variables, line) in ([line.replace("|", "")], [line.replace("|", "")[: line.rfind("=") + 1]])


def test_the_body_and_other_lines_are_left_to_ipython(variables: InteractiveShell) -> None:
    assert any(line.endswith("number") for line in completed(variables, "%%fgworkflow order-triage\nqty: {{ numb|"))
    assert any(line.endswith("number") for line in completed(variables, "x = numb|"))
    assert not any("order-triage" in line for line in completed(variables, "x = 1\n%%fgworkflow order-|"))


def test_a_failure_of_ours_completes_nothing_and_breaks_nothing(
    variables: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("broken")

    monkeypatch.setattr(completion, "complete", broken)
    assert not any("order-triage" in line for line in completed(variables, "%%fgworkflow order-|"))
    assert any(line.endswith("number") for line in completed(variables, "x = numb|"))


def test_completion_never_asks_the_network(variables: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_default", None)
    assert not any("order-triage" in line for line in completed(variables, "%%fgworkflow order-|"))
    session = fgnb.connect("http://127.0.0.1:1", project_id="p1")
    assert not any("order-triage" in line for line in completed(variables, "%%fgworkflow order-|"))
    session.client.asynchronous._ids = {"order-far-away": "id"}
    assert last_words(completed(variables, "%%fgworkflow order-|")) == ["order-far-away"]


def test_a_kernel_completes_for_front_ends() -> None:
    kernel = Kernel()
    try:
        assert (
            kernel.run("%load_ext fgnb\nimport fgnb\nsession = fgnb.connect('local')\norder = {'a': 1}").outputs == []
        )
        code = "%%fgworkflow order-triage --sh\nsku: A-1\n"
        reply = kernel.complete(code, len("%%fgworkflow order-triage --sh"))
        assert reply["matches"] == ["--show"]
        assert code[reply["cursor_start"] : reply["cursor_end"]] == "--sh"
        assert [each["type"] for each in reply["metadata"]["_jupyter_types_experimental"]] == ["option"]
        reply = kernel.complete("%fgworkflow order-tr", 20)
        assert reply["matches"] == ["order-triage"]
        kernel.run("%unload_ext fgnb")
        assert kernel.complete("%fgworkflow order-tr", 20)["matches"] != ["order-triage"]
    finally:
        kernel.stop()
