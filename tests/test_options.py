"""What the line of a cell may say: each option in an IPython shell, its contradictions, its help, the documentation."""

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import fgnb
from fgnb import shortcuts
from fgnb.notebook import arguments, code, options
from fgnb.notebook.arguments import Given
from tests.exact import exact
from tests.test_cell import JSON_VALUES, cell, refused, shell, with_echo

__all__ = ["shell", "with_echo"]  # fixtures


def shown(shell: InteractiveShell, text: str) -> tuple[Any, list[dict[str, str]]]:
    """Run a cell that succeeds; return its value and what it displays."""
    with capture_output() as captured:
        result = shell.run_cell(text)
    result.raise_error()
    assert captured.stderr == ""
    return result.result, [output.data for output in captured.outputs]


# --- the table -----------------------------------------------------------------------------------


def test_every_option_of_the_table_sets_what_is_given() -> None:
    assert {option.name for option in options.OPTIONS} == Given.__dataclass_fields__.keys() - {"workflow"}
    words = {"pair": "k=v", "seconds": "3", "count": "4", "profile": "prod"}
    for option in options.OPTIONS:
        value = option.choices[0] if option.choices else words.get(option.takes, "var")
        for flag in option.flags:
            needed = f"--{option.needs} x " if option.needs else ""
            line = f"w {needed}{flag} {value if option.takes != 'nothing' else ''}"
            given = arguments.parse("--list" if option.name == "list" else line)
            assert getattr(given, option.name) not in (None, False, []), flag


def test_the_readme_shows_the_table() -> None:
    readme = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
    assert options.markdown() in readme


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("echo -c 4", "-c goes with --sweep"),
        ("echo --sweep grid -c 0", "-c takes a positive whole number, not '0'"),
        ("echo --sweep grid -c 2000", "concurrency must be a number from 1 to 1,000"),
        ("echo --sweep grid -i customer", "--sweep and -i don't go together"),
        ("echo --sweep grit", "--sweep: name 'grit' is not defined; did you mean grid?"),
        ("echo --sweep customer", "int"),
        ("echo --background --compare run", "--background and --compare don't go together"),
        ("echo --quiet --show frame", "--quiet and --show don't go together"),
        ("echo --dry-run --background", "--dry-run and --background don't go together"),
        ("echo --code --dry-run", "--code and --dry-run don't go together"),
        ("echo --show chart", "--show takes one of card, frame, output, errors, not 'chart'"),
        ("echo --show farme", "did you mean frame?"),
        ("echo --as xml", "--as takes one of json, yaml, python, request"),
        ("echo --compare customer", "--compare takes a variable that holds a run, or runs; customer is a int"),
        ("echo --compare empty", "--compare takes a run, or runs; empty holds none"),
        ("echo --compare rnu", "--compare: name 'rnu' is not defined; did you mean run?"),
        ("echo --sweep grid --compare run", "--compare takes a variable that holds runs, as of an earlier sweep"),
        ("echo --profile nowhere", "no profile is called 'nowhere'"),
        ("echo -H x-a", "-H takes KEY=VALUE, not 'x-a'"),
        ("echo -H 'x-a={{ gone }}'", "name 'gone' is not defined"),
        ("echo --tag try={{gone}}", "name 'gone' is not defined"),
        ("echo --list", "--list shows all workflows, and runs none"),
        ("echo -tt", "-t takes a positive number of seconds, not 't'"),
    ],
)
def test_a_contradiction_is_a_short_error_and_sends_nothing(shell: InteractiveShell, line: str, message: str) -> None:
    shell.user_ns.update(run=fgnb.run("order-triage", {"sku": "A-1"}), grid={"a": [1, 2]}, empty=fgnb.RunSet([]))
    assert message in str(refused(shell, f"%%fgworkflow {line}\nsku: A-1\n"))


# --- each option ---------------------------------------------------------------------------------


def test_headers_and_tags_go_along(shell: InteractiveShell) -> None:
    line = "-H x-team=blue -H 'x-n={{ n }}' --tag try=1 --tag note='two words' --tag 'big={{ n > 3 }}'"
    run = cell(shell, f"%fgworkflow echo {line}", n=7)
    assert run.headers == {"x-team": "blue", "x-n": "7"}
    assert run.tags == {"try": 1, "note": "two words", "big": True}
    assert run.frame["tags.try"].tolist() == [1]


@pytest.mark.parametrize(
    ("form", "body", "expected"),
    [
        ("json", '{"a": {{ n }}, "b": "{{ n }}"}', {"a": 7, "b": "7"}),
        ("yaml", '{"a": yes, b: {{ n }}}', {"a": "yes", "b": 7}),
        ("python", '{"a": n * 2,\n  "day": None, **customer}  # all of it', {"a": 14, "day": None, "id": 2}),
        ("python", "  dict(a=[n] * 2)", {"a": [7, 7]}),
    ],
)
def test_the_body_is_read_as_said(shell: InteractiveShell, form: str, body: str, expected: Any) -> None:
    assert cell(shell, f"%%fgworkflow echo --as {form}\n{body}\n", n=7, customer={"id": 2}).output == expected


@pytest.mark.parametrize(
    ("form", "body", "message", "place"),
    [
        ("json", "a: 1", "not JSON", "line 1, column 1"),
        ("yaml", "a: [1", "not YAML", "line 1, column 4"),
        ("python", "{'a': 1,\n 'b': nn}", "name 'nn' is not defined; did you mean n?", "line 2, column 1"),
        ("python", "{'a': 1,\n 'b' 2}", "not a Python expression", "line 2, column"),
        ("python", "a = 1", "not a Python expression", "line 1, column"),
        ("python", "{'a': {1}}", "a set has no JSON form", "at a"),
        ("python", "{'a': 1", "not a Python expression: it is not complete", "line 1, column 8"),
        ("python", ")(", "", "line 1, column"),
        ("python", "1/0", "ZeroDivisionError", "line 1, column 1"),
        ("request", '{"sku": "A-1"}', "--as request takes the API's own object", ""),
        ("request", '{"input": {}, "headers": {"a": 1}}', "headers hold texts", "at headers"),
    ],
)
def test_a_body_that_is_not_what_was_said_is_a_short_error(
    shell: InteractiveShell, form: str, body: str, message: str, place: str
) -> None:
    shell.user_ns["n"] = 1
    error = str(refused(shell, f"%%fgworkflow echo --as {form}\n{body}\n"))
    assert message in error
    assert place in error


def test_the_body_of_a_curl_call_works_as_it_is(shell: InteractiveShell) -> None:
    body = '{"headers": {"x-team": "blue"}, "input": {"sku": "A-1", "note": "{{{{ }} $HOME"}}'
    run = cell(shell, f"%%fgworkflow echo --as request -H x-more=1\n{body}\n")
    assert run.output == {"sku": "A-1", "note": "{{ }} $HOME"}
    assert run.headers == {"x-team": "blue", "x-more": "1"}


def test_spaces_of_web_pages_are_spaces_but_in_texts(shell: InteractiveShell) -> None:
    pasted = '\ufeff{\n\u00a0\u00a0"sku": "A\u00a01",\u2003"qty":\u00a02\n}'
    assert cell(shell, f"%%fgworkflow echo\n{pasted}\n").output == {"sku": "A\u00a01", "qty": 2}
    assert cell(shell, "%%fgworkflow echo\na:\n\u00a0\u00a0b: x\u00a0y\n").output == {"a": {"b": "x\u00a0y"}}


@pytest.mark.parametrize("show", options.SHOWN)
def test_the_cell_gives_what_is_to_be_shown(shell: InteractiveShell, show: str) -> None:
    value = cell(shell, f"%%fgworkflow order-triage -o run --show {show}\nsku: A-100\nqty: 3\n")
    run = shell.user_ns["run"]
    expected = {"card": run, "frame": run.frame, "output": run.output, "errors": run.errors}[show]
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(value, expected)
    else:
        assert value == expected


def test_a_sweep_over_a_variable_with_the_body_below(shell: InteractiveShell) -> None:
    grid = {"sku": ["A-100", "B-7"], "qty": range(1, 4)}
    text = "%%fgworkflow echo --sweep grid -c 3 -o runs --tag kind=grid -p deep.x=1\ncurrency: CNY\nsku: over\n"
    runs = cell(shell, text, grid=grid)
    assert isinstance(runs, fgnb.RunSet)
    assert shell.user_ns["runs"] is runs
    assert [run.output for run in runs] == [
        {"currency": "CNY", "sku": sku, "deep": {"x": 1}, "qty": qty} for sku in ("A-100", "B-7") for qty in (1, 2, 3)
    ]
    assert set(runs.frame["tags.kind"]) == {"grid"}
    frame = cell(shell, "%fgworkflow echo --sweep table --show output", table=pd.DataFrame({"n": [1, 2]}))
    assert frame["n"].tolist() == [1, 2]
    again = cell(shell, "%fgworkflow echo --sweep runs")
    assert again.outputs.reset_index(drop=True).equals(runs.outputs.reset_index(drop=True))
    assert cell(shell, "%fgworkflow echo --sweep lists -q -o kept", lists=[{"a": 1}, [1]]) is None
    assert [run.output for run in shell.user_ns["kept"]] == [{"a": 1}, [1]]


@pytest.mark.parametrize("body", ["0", "[]", "false", "[1]"])
def test_a_sweep_refuses_a_body_that_is_no_object(shell: InteractiveShell, body: str) -> None:
    shell.user_ns["grid"] = {"a": [1, 2]}
    assert "base must be a mapping" in str(refused(shell, f"%%fgworkflow echo --sweep grid\n{body}\n"))


def test_a_sweep_with_failed_runs_does_not_fail_the_cell(shell: InteractiveShell) -> None:
    runs = cell(shell, "%%fgworkflow order-triage --sweep grid\nsku: A-100\n", grid={"qty": [1, 1000]})
    assert runs.frame["status"].tolist() == ["success", "fail"]


def test_a_sweep_that_stops_keeps_what_was_done(shell: InteractiveShell) -> None:
    def inputs() -> Any:
        yield {"a": 1}
        raise OSError("the file is gone")

    shell.user_ns["broken"] = inputs()
    with capture_output():
        result = shell.run_cell("%fgworkflow echo --sweep broken -o runs")
    assert isinstance(result.error_in_exec, fgnb.SweepStopped)
    assert len(shell.user_ns["runs"]) == 1


def test_compare_gives_what_differs(shell: InteractiveShell) -> None:
    before = cell(shell, "%%fgworkflow echo\nsku: A-100\nqty: 3\n")
    text = "%%fgworkflow echo -o after --compare before\nsku: A-100\nqty: 4\n"
    comparison = cell(shell, text, before=before)
    assert isinstance(comparison, fgnb.RunComparison)
    assert comparison.runs == (before, shell.user_ns["after"])
    assert comparison.changed == ["input.qty", "output.qty"]
    three = cell(shell, "%%fgworkflow echo --compare both\nqty: 5\n", both=fgnb.RunSet([before, before]))
    assert len(three.runs) == 3
    grid = {"sku": ["A-100"], "qty": [1, 2]}
    runs = cell(shell, "%fgworkflow order-triage --sweep grid", grid=grid)
    sets = cell(shell, "%fgworkflow order-triage --sweep grid --compare runs", runs=runs)
    assert isinstance(sets, fgnb.SetComparison)
    assert sets.counts["equal"] == 2


def test_a_run_is_compared_with_what_its_variable_held_before(shell: InteractiveShell) -> None:
    before = cell(shell, "%%fgworkflow echo -o run\nqty: 3\n")
    comparison = cell(shell, "%%fgworkflow echo -o run --compare run\nqty: 4\n")
    assert comparison.runs == (before, shell.user_ns["run"])
    assert comparison.changed == ["input.qty", "output.qty"]


def test_a_failing_run_is_compared_before_the_cell_fails(shell: InteractiveShell) -> None:
    before = cell(shell, "%%fgworkflow order-triage\nsku: A-100\nqty: 1\n")
    shell.user_ns["before"] = before
    with capture_output() as captured:
        result = shell.run_cell("%%fgworkflow order-triage --compare before\nsku: A-100\nqty: 1000\n")
    assert isinstance(result.error_in_exec, fgnb.WorkflowFailed)
    card, comparison = (output.data["text/plain"] for output in captured.outputs)
    assert card.startswith("✗ fail")
    assert "differ in" in comparison


def test_an_interrupt_while_runs_are_compared_leaves_the_runs_card(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.user_ns["before"] = cell(shell, "%%fgworkflow echo\nqty: 3\n")

    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("fgnb.notebook.cell.compare", interrupted)
    with capture_output() as captured:
        result = shell.run_cell("%%fgworkflow echo -o after --compare before\nqty: 4\n")
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    (card,) = (output.data["text/plain"] for output in captured.outputs)
    assert card.startswith("✓ success  echo")
    assert shell.user_ns["after"].input == {"qty": 4}


def test_in_the_background_the_value_is_a_handle(shell: InteractiveShell) -> None:
    pending = cell(shell, "%%fgworkflow echo --background -o later\na: 1\n")
    assert isinstance(pending, fgnb.PendingRun)
    assert shell.user_ns["later"] is pending
    assert pending.wait(10).output == {"a": 1}
    assert pending.done
    assert pending.run is not None
    assert pending._repr_mimebundle_()["text/plain"].startswith("✓ success  echo")
    job = cell(shell, "%fgworkflow echo --background --sweep grid -q -o job", grid={"a": [1, 2]})
    assert job is None
    assert len(shell.user_ns["job"].wait(10)) == 2


def test_only_cancel_gives_up_what_a_handle_stands_for(shell: InteractiveShell) -> None:
    pending = cell(shell, "%fgworkflow echo --background")
    assert not pending.future.cancel()
    assert pending.wait(10).ok


def test_a_second_interrupt_while_a_run_is_given_up_loses_nothing(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pending = cell(shell, "%fgworkflow document-extraction --background -p text=x -p pages=50")
    cancel = pending._submission.cancel
    calls = []

    def interrupted_once() -> None:
        calls.append(pending)
        if len(calls) == 1:
            raise KeyboardInterrupt
        cancel()

    monkeypatch.setattr(pending._submission, "cancel", interrupted_once)
    assert pending.give_up().status in ("unknown", "cancelled")
    assert pending.done


def test_a_display_that_fails_does_not_end_the_run(shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*args: Any) -> None:
        raise OSError("gone")

    monkeypatch.setattr("fgnb.notebook.place.open_display", gone)
    assert cell(shell, "%fgworkflow document-extraction -p text=x -p pages=8").ok


def test_a_sweep_in_the_background_tells_why_it_stopped(shell: InteractiveShell) -> None:
    grid = {"sku": ["A-1", {1}]}
    job = cell(shell, "%fgworkflow order-triage --background --sweep grid", grid=grid)
    with pytest.raises(fgnb.FgnbError):
        job.wait(10)
    for text in job._repr_mimebundle_().values():
        assert "stopped" in text
        assert "a set has no JSON form (at inputs[1].sku)" in text


def test_a_handle_tells_what_it_could_not_do(shell: InteractiveShell) -> None:
    pending = cell(shell, "%fgworkflow order-traige --background")
    with pytest.raises(fgnb.WorkflowNotFound, match="did you mean 'order-triage'"):
        pending.wait(10)
    assert "WorkflowNotFound" in pending._repr_mimebundle_()["text/plain"]


def test_a_dry_run_shows_what_would_be_sent_and_sends_nothing(shell: InteractiveShell) -> None:
    before = len(fgnb.history("echo"))
    text = "%%fgworkflow echo --dry-run -H authorization=sesame -t 7 --tag token=t\nsku: A-1\npassword: hunter2\n"
    preview, displays = shown(shell, text)
    assert displays == []  # it is the value
    assert (preview.method, preview.timeout) == ("POST", 7)
    assert re.fullmatch(r"/v2/0{32}/fgs/workflows/[0-9a-f-]{36}/sync-executions", preview.url)
    assert preview.body == {"headers": {"authorization": "***"}, "input": {"sku": "A-1", "password": "***"}}
    sent = {"headers": {"authorization": "sesame"}, "input": {"sku": "A-1", "password": "hunter2"}}
    assert preview.size == len(json.dumps(sent, separators=(",", ":")))
    bundle = preview._repr_mimebundle_()
    assert "nothing was sent" in bundle["text/plain"]
    assert not any(secret in str(bundle) for secret in ("hunter2", "sesame"))
    assert len(fgnb.history("echo")) == before


def test_a_dry_run_of_a_sweep_shows_its_first_inputs_and_takes_none_from_an_iterator(shell: InteractiveShell) -> None:
    grid = {"a": range(1000), "token": ["x"]}
    preview = cell(shell, "%%fgworkflow echo --dry-run --sweep grid\nb: 1\n", grid=grid)
    assert preview.total == 1000
    assert preview.inputs == [{"b": 1, "a": number, "token": "***"} for number in range(3)]
    waiting = iter([{"a": 1}])
    preview = cell(shell, "%fgworkflow echo --dry-run --sweep waiting", waiting=waiting)
    assert preview.inputs == []
    assert next(waiting) == {"a": 1}


def test_a_dry_run_against_the_cloud_needs_no_network_and_shows_no_secret(
    shell: InteractiveShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shortcuts, "_default", None)
    key = fgnb.AccessKey("AKIDTEST", "canary-secret-key")
    fgnb.connect("http://127.0.0.1:1", credentials=key, project_id="p1")
    preview = cell(shell, "%fgworkflow order-triage --dry-run -p sku=A-1")
    assert preview.url == "http://127.0.0.1:1/v2/p1/fgs/workflows/<id of order-triage>/sync-executions"
    assert preview.headers["Authorization"] == "SDK-HMAC-SHA256 *** (access key AKID…)"
    assert "canary" not in str(preview) + str(preview._repr_mimebundle_())


def test_list_gives_the_workflows(shell: InteractiveShell) -> None:
    assert "order-triage" in cell(shell, "%fgworkflow --list").index


def test_a_profile_counts_for_one_cell(
    shell: InteractiveShell, serve: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fgnb.toml").write_text(f'[served]\nendpoint = "{serve}"\ntimeout = 30\n')
    monkeypatch.chdir(tmp_path)
    current = shortcuts.current()
    run = cell(shell, "%fgworkflow order-triage --profile served -p sku=A-1")
    assert run.connection == serve
    assert shortcuts.current() is current
    session = shortcuts.session_of("served")
    assert shortcuts.session_of("served") is session
    (tmp_path / "fgnb.toml").write_text(f'[served]\nendpoint = "{serve}"\ntimeout = 20\n')
    assert shortcuts.session_of("served") is not session
    assert "order-triage" in cell(shell, "%fgworkflow --list --profile served").index


def test_defaults_are_set_once(shell: InteractiveShell) -> None:
    shell.run_line_magic("config", "FgMagics.show = 'output'")
    shell.run_line_magic("config", "FgMagics.check = False")
    shell.run_line_magic("config", "FgMagics.timeout = 9")
    try:
        assert cell(shell, "%%fgworkflow echo\na: 1\n") == {"a": 1}
        assert cell(shell, "%%fgworkflow echo --show card\na: 1\n").output == {"a": 1}
        assert cell(shell, "%%fgworkflow order-triage --show card\nsku: A-1\nqty: 1000\n").status == "fail"
        assert cell(shell, "%%fgworkflow echo --dry-run\na: 1\n").timeout == 9
    finally:
        for setting in ("show = 'card'", "check = True", "timeout = None"):
            shell.run_line_magic("config", f"FgMagics.{setting}")


# --- the equal Python call -----------------------------------------------------------------------


@dataclass
class Customer:
    """Something that has a JSON form, but is no dict."""

    id: int
    new: bool


VALUES = {
    "n": 7,
    "name": 'it\'s "x" {y}',
    "cfg": {"a": 1, "c": {"d": 2, "e": 3}},
    "customer": Customer(7, True),
    "half": Decimal("0.50"),
    "grid": {"qty": [1, 2]},
    "view": MappingProxyType({"id": 1, "secret": "hunter2"}),
    "day": date(2026, 11, 27),
    "at": datetime(2026, 11, 27, 12, 30, tzinfo=UTC),
}
CELLS = [
    ("echo", "a: 1\n", 'fgnb.run("echo", {"a": 1})'),
    ("echo -o run", "", 'run = fgnb.run("echo", {})'),
    ("echo", 'qty: {{ n }}\nname: "no {{ n }}"', 'fgnb.run("echo", {"qty": n, "name": f\'no {n}\'})'),
    ("echo -i cfg", "", 'fgnb.run("echo", cfg)'),
    ("echo -i cfg", "b: 2", 'fgnb.run("echo", {**cfg, "b": 2})'),
    ("echo -i cfg -p c.d=9 -p x.y=1", "", None),
    ("echo -i cfg", "b: 'no {{ n }}'", 'fgnb.run("echo", {**cfg, "b": f\'no {n}\'})'),
    ("echo", "a: {{ n }}\nb: 'x {{{{ y'", 'fgnb.run("echo", {"a": n, "b": "x {{ y"})'),
    ("echo -i customer -p id=8", "", None),
    ("echo -p c.x={{n}}", "c: {{ cfg }}\n", None),
    ("echo -i view -p id=8 -p c.d=1", "", 'fgnb.run("echo", {**view, "id": 8, "c": {"d": 1}})'),
    ("echo --as python", '{"a": [n,\n  half]}', None),
    ("echo --as python", '{"a": n}  # a note', "fgnb.run(\"echo\", {'a': n})"),
    ("echo --as python", "n, half", 'fgnb.run("echo", (n, half))'),
    ("echo", "a: {{ n # a note }}\nb: {{ n, 2 }}\nc: {{\n n # a note\n}}", None),
    ("echo", 'a: \'no {{ cfg["a"] }}{} \\ " {{ n }} {{{{\'', None),
    ("echo", "a: '{{ day }} {{ at }} {{ at + day.resolution }} {{ True }} {{ cfg }} {{ n, n }} {{ None }}'", None),
    ("echo", "text: '{{ name }} and {{ half }} {braces}'\n{{ name }}: {{ [n,\n n] }}", None),
    ("echo -t 5 -H a={{n}} --tag k=1 --no-check", "", None),
    ("echo", "long: " + "x" * 120 + "\nlist: [1, 2, {a: " + "y" * 60 + "}]", None),
]


@pytest.mark.parametrize(("line", "body", "expected"), CELLS)
def test_the_code_of_a_cell_sends_the_same(shell: InteractiveShell, line: str, body: str, expected: str | None) -> None:
    namespace: dict[str, Any] = {"fgnb": fgnb, **VALUES}
    shell.user_ns.update(namespace)
    before = len(fgnb.history("echo"))
    source = cell(shell, f"%%fgworkflow {line} --code\n{body}\n")
    assert len(fgnb.history("echo")) == before
    assert repr(source) == source
    if expected is not None:
        assert source == expected
    assert max(map(len, source.splitlines())) <= 140  # a long text stays whole
    run = cell(shell, f"%%fgworkflow {line}\n{body}\n")
    again = eval(source.partition(" = ")[2] if source.startswith("run = ") else source, namespace)
    assert exact(again.input) == exact(run.input)
    assert (again.headers, again.tags) == (run.headers, run.tags)


def test_the_code_shows_no_secret_that_only_a_variable_holds(shell: InteractiveShell) -> None:
    kept = {"token": "hunter2", "n": 1, "inner": {"password": "hunter2", "m": 1}}
    shell.user_ns.update(kept=kept, view=MappingProxyType(kept), words=iter(["hunter2", "hunter3"]))
    for line, body in (
        ("-H 'authorization=Bearer {{ kept[\"token\"] }}'", "a: 1"),
        ("", "a: 'x {{ kept[\"token\"] }}'\nb: 'x {{ kept }}'\nc: '{{ next(words) }}'"),
        ("-i kept -p inner.m=2", ""),
        ("-i view -p n=2", ""),
        ("-p n=2", "{{ kept }}"),
    ):
        assert "hunter" not in cell(shell, f"%%fgworkflow echo --code {line}\n{body}\n")


def test_the_code_of_sweeps_handles_and_profiles(shell: InteractiveShell) -> None:
    shell.user_ns.update(VALUES)
    assert cell(shell, "%%fgworkflow echo --sweep grid -c 4 -o runs --code\na: 1\n") == (
        'runs = fgnb.sweep("echo", grid, base={"a": 1}, concurrency=4)'
    )
    assert cell(shell, "%fgworkflow echo --background --code") == 'fgnb.submit("echo", {})'
    assert cell(shell, "%fgworkflow echo --sweep grid --background --code") == (
        'fgnb.sweep("echo", grid, background=True)'
    )
    assert cell(shell, "%fgworkflow echo --profile prod --code").splitlines()[0] == 'fgnb.connect(profile="prod")'


def test_the_code_tells_what_is_wrong_with_an_expression(shell: InteractiveShell) -> None:
    assert "name 'nowhere' is not defined" in str(refused(shell, "%%fgworkflow echo --code\na: {{ nowhere }}\n"))


@given(JSON_VALUES)
def test_any_json_value_as_code_is_that_value(value: Any) -> None:
    assert exact(eval(code.written(value))) == exact(value)
    assert exact(eval(code.written(value, 4))) == exact(value)
