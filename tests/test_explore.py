"""The explorer without a page: what is sent to it, what comes back, what is shown where there is none."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from IPython.utils.capture import capture_output

import fgnb
from fgnb.errors import HistoryError, InputError
from fgnb.notebook import explore
from fgnb.notebook.explore import Explorer
from fgnb.notebook.painter import Painter
from fgnb.notebook.runtable import RunTable
from fgnb.render.cells import WIDTH, first_columns
from fgnb.runs.run import NodeError
from fgnb.runs.runset import RunSet
from fgnb.session import Session
from tests.flows import one_call
from tests.runs import AT, make_run, runs

CANARY = "canary-of-the-explorer"
FAILED = NodeError(node_id="stock", node_name="Reserve", error_message="only <b>2</b> left", error_type="OutOfStock")


def some_runs(count: int = 6) -> RunSet:
    """Runs over two inputs, of which every third failed."""
    return RunSet(
        make_run(
            run_id=f"run-{number}",
            submitted_at=AT + timedelta(seconds=number),
            input={"qty": number, "sku": "AB"[number % 2]},
            **(
                {"status": "fail", "node_errors": (FAILED,)} if number % 3 == 2 else {"output": {"total": number * 1.5}}
            ),
        )
        for number in range(count)
    )


def table_of(given: RunSet, shown: Iterable[str]) -> RunTable:
    return RunTable(given.frame, shown=shown, whole=lambda: given.frame)


def unpacked(content: bytes) -> tuple[int, dict[str, list[Any]]]:
    """Read what a page is sent, as runtable.js does."""
    told = json.loads(content)
    columns = {
        name: part["cells"] if "cells" in part else [part["words"][place] for place in part["at"]]
        for name, part in told["columns"].items()
    }
    assert all(len(cells) == told["rows"] for cells in columns.values())
    return told["rows"], columns


@pytest.fixture
def explorer() -> Iterator[Explorer]:
    made = some_runs().explore()
    yield made
    made.wait(20)
    made.close()


def listened(monkeypatch: pytest.MonkeyPatch, table: RunTable) -> list[tuple[int, bytes]]:
    """Return where what a table sends to its pages will be: the first row and the rows."""
    sent: list[tuple[int, bytes]] = []
    monkeypatch.setattr(table, "send", lambda content, buffers: sent.append((content["start"], buffers[0])))
    return sent


# --- what the page gets --------------------------------------------------------------------------


@given(st.lists(runs(), max_size=5, unique_by=lambda run: run.run_id))
def test_any_runs_become_cells_that_a_page_can_show(given: list[Any]) -> None:
    frame = RunSet(given).frame
    table = table_of(RunSet(given), shown=[*frame.columns, "run_id"])
    rows, columns = unpacked(table.packed())
    assert rows == len(given)
    ids = columns.pop("run_id")
    assert ids == [run.run_id for run in given]
    for name, cells in columns.items():
        assert [cell is None for cell in cells] == frame[name].isna().tolist()
        for cell in cells:
            assert isinstance(cell, (str, int, float, type(None)))
            assert not isinstance(cell, str) or (len(cell) <= WIDTH and "\n" not in cell)
    left_out = set(frame.columns) - set(columns)
    assert all(any("\ud800" <= letter <= "\udfff" for letter in name) for name in left_out)
    table.close()


def test_numbers_that_a_page_would_round_are_texts_and_long_texts_are_cut() -> None:
    given = RunSet(
        [
            make_run(
                run_id="a",
                input={"n": 2**53 + 1, "big": 10**30, "text": "x" * 200, "yes": True},
                node_errors=(NodeError(node_id="n", error_message="function invocation exception, error: no 'n'"),),
            ),
            make_run(run_id="b", input={"n": 7, "big": 1, "text": "\u202ereversed\n", "yes": None}, elapsed=12.34567),
        ]
    )
    table = table_of(given, shown=given.frame.columns)
    _, columns = unpacked(table.packed())
    assert columns["input.n"] == ["9007199254740993", 7]
    assert columns["input.big"] == [str(10**30), 1]
    assert columns["input.text"] == ["x" * 79 + "…", "\ufffdreversed"]
    assert columns["input.yes"] == ["true", None]
    assert columns["error_message"] == ["no 'n'", None]
    assert columns["elapsed"] == [0.5, 12.35]
    assert columns["submitted_at"] == [AT.timestamp() * 1000] * 2


def test_ten_thousand_runs_take_little_room() -> None:
    given = RunSet(
        make_run(
            run_id=f"{number:012x}", submitted_at=AT + timedelta(milliseconds=number), elapsed=number / 7,
            input={"qty": number, "sku": f"SKU-{number % 50}", "region": "cn-north-4", "note": f"order {number}"},
            output={"total": number * 1.1, "left": number % 120, "decision": "ship", "reasons": []},
        )
        for number in range(10_000)
    )  # fmt: skip
    shown = [name for name in given.frame.columns if name not in ("execution_id", "request_id")][:12]
    table = table_of(given, shown=shown)
    assert len(table.packed()) < 1_400_000


def test_secrets_are_in_no_widgets_state_and_in_nothing_shown() -> None:
    given = RunSet(
        make_run(
            run_id=f"run-{number}",
            input={"password": CANARY, "n": number, "nested": [{"token": CANARY}]},
            output={"url": f"https://me:{CANARY}@host/"},
        )
        for number in range(3)
    )
    explorer = given.explore()
    explorer.columns = list(given.frame.columns)
    explorer.selected = given
    explorer.wait(20)
    states = [widget.get_state() for widget in explore._inside(explorer)]
    assert "***" in str(states)
    assert CANARY not in str(states) + str(explorer._repr_mimebundle_())
    assert CANARY in str(explorer.selected.outputs.to_dict())
    explorer.close()


def test_the_columns_to_begin_with_are_those_that_tell_runs_apart() -> None:
    frame = some_runs().frame
    assert first_columns(frame) == [
        "status", "input.qty", "input.sku", "elapsed", "output.total", "error_node", "error_message", "submitted_at",
    ]  # fmt: skip
    wide = RunSet(make_run(run_id=str(n), input={f"i{m}": n for m in range(30)}) for n in range(3)).frame
    assert len(first_columns(wide)) <= 12
    assert first_columns(RunSet().frame) == ["status", "elapsed", "submitted_at"]


def test_rows_are_added_without_sending_all_of_them_again(monkeypatch: pytest.MonkeyPatch) -> None:
    given = some_runs(6)
    table = table_of(given[:2], shown=["status", "input.qty"])
    sent = listened(monkeypatch, table)
    table.append(given[2:6].frame)
    ((start, content),) = sent
    assert start == 2
    assert unpacked(content) == (4, {"status": ["fail", "success", "success", "fail"], "input.qty": [2, 3, 4, 5]})
    rows, columns = unpacked(table.packed())
    assert (rows, columns["input.qty"]) == (6, [0, 1, 2, 3, 4, 5])
    assert "output.total" in [column["name"] for column in table.columns]


def test_a_column_that_comes_late_or_changes_its_kind_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_run(run_id="1", input={"a": 1}), make_run(run_id="2", input={"a": "text", "b": 2})
    table = RunTable(
        RunSet([first]).frame, shown=["input.a"], whole=lambda: RunSet([first, second, make_run(run_id="3")]).frame
    )
    table.append(RunSet([second]).frame)
    sent = listened(monkeypatch, table)
    table.shown = ["input.a", "input.b"]
    table._handle_custom_msg({"kind": "have", "rows": 2, "columns": ["input.b", "nonsense"]}, [])
    assert [(start, unpacked(content)) for start, content in sent] == [(0, (2, {"input.b": [None, 2]}))]
    assert {column["name"]: column["kind"] for column in table.columns}["input.a"] == "text"
    assert unpacked(table.packed())[1]["input.a"] == [1, "text"]


def test_a_page_that_was_still_loading_gets_what_it_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(some_runs(6), shown=["input.qty"])
    sent = listened(monkeypatch, table)
    for have in (6, -1, "all", None, 99):
        table._handle_custom_msg({"kind": "have", "rows": have, "columns": []}, [])
    assert sent == []
    table._handle_custom_msg({"kind": "have", "rows": 4, "columns": []}, [])
    assert [(start, unpacked(content)) for start, content in sent] == [(4, (2, {"input.qty": [4, 5]}))]


# --- choosing ------------------------------------------------------------------------------------


def test_what_is_chosen_in_the_page_is_a_set_of_runs(explorer: Explorer) -> None:
    assert len(explorer.selected) == 0
    explorer.table.set_state({"chosen": [4, 1, 99]})  # as a message of the page does; 99 is nobody
    assert [run.run_id for run in explorer.selected] == ["run-1", "run-4"]
    assert isinstance(explorer.selected, RunSet)


def test_runs_are_chosen_from_code_by_themselves_or_by_id(explorer: Explorer) -> None:
    explorer.selected = explorer.runs[1:3]
    assert explorer.table.chosen == [1, 2]
    explorer.selected = ["run-5", "run-0", "run-5"]
    assert explorer.table.chosen == [0, 5]
    explorer.selected = explorer.runs["run-3"]
    assert explorer.table.chosen == [3]
    with pytest.raises(InputError, match=r"has no run 'run-9'.*run-"):
        explorer.selected = "run-9"
    explorer.selected = ()
    assert len(explorer.selected) == 0


def test_what_passes_the_filters_follows_the_page(explorer: Explorer) -> None:
    assert explorer.visible == explorer.runs
    explorer.table.set_state({"passing": [2, 5]})
    assert explorer.visible.counts == {"fail": 2}
    explorer.table.set_state({"passing": []})
    assert len(explorer.visible) == 0


def test_filters_from_code_show_their_columns_and_know_the_frame(explorer: Explorer) -> None:
    explorer.columns = ["status"]
    explorer.filters = {"input.qty": ">2"}
    assert (explorer.filters, explorer.columns) == ({"input.qty": ">2"}, ["status", "input.qty"])
    with pytest.raises(InputError, match=r"no column 'input.qyt'; did you mean input\.qty"):
        explorer.filters = {"input.qyt": ">2"}
    with pytest.raises(InputError, match="no column 'nope'"):
        explorer.columns = ["nope"]


def test_a_set_that_holds_a_run_twice_has_it_once_in_the_table() -> None:
    given = some_runs(3)
    explorer = (given + given[:1]).explore()
    assert explorer.runs == given
    explorer.close()


# --- what is chosen, beside the table ------------------------------------------------------------


def shown(explorer: Explorer, pane: int) -> str:
    """Open a pane and return its HTML once it is painted."""
    explorer._tabs.selected_index = pane
    explorer.wait(30)
    text: str = (explorer._chosen, explorer._errors, explorer._plots.shown)[pane].value
    return text


def test_one_run_is_its_card_and_two_are_compared(explorer: Explorer) -> None:
    assert "Select a run" in shown(explorer, 0)
    explorer.table.set_state({"chosen": [2]})
    card = shown(explorer, 0)
    assert "OutOfStock" in card
    assert "only &lt;b&gt;2&lt;/b&gt; left" in card
    explorer.table.set_state({"chosen": [0, 1]})
    assert "2 runs of flow differ" in shown(explorer, 0)
    explorer.table.set_state({"chosen": []})
    assert "Select a run" in shown(explorer, 0)


def test_node_errors_are_counted_over_what_passes_the_filters(explorer: Explorer) -> None:
    errors = shown(explorer, 1)
    assert "2 of 6 runs did not succeed" in errors
    assert "Reserve (stock)" in errors
    assert "33.3%" in errors
    assert "No graph: " in errors
    explorer.table.set_state({"passing": [0, 1, 2]})
    assert "1 of 3 runs did not succeed" in shown(explorer, 1)
    explorer.table.set_state({"passing": [0, 1]})
    assert "None of the runs failed" in shown(explorer, 1)


def test_failures_without_a_node_count_by_their_status() -> None:
    given = RunSet([*some_runs(3), make_run(run_id="x", status="unsent", reason="no <i>route</i>")])
    explorer = given.explore()
    errors = shown(explorer, 1)
    assert "no node" in errors
    assert "no &lt;i&gt;route&lt;/i&gt;" in errors
    explorer.close()


def test_node_errors_of_several_workflows_stand_apart(connect: Callable[..., Session]) -> None:
    session = connect("local", history="off")
    runs = session.sweep("order-triage", {"sku": ["A-100"], "qty": [1, 1000]}, progress=False)
    runs += session.sweep("batch-order", [{"lines": [{"sku": "A-100", "qty": 1}], "region": "island"}], progress=False)
    explorer = runs.explore()
    errors = shown(explorer, 1)
    assert "2 of 3 runs did not succeed" in errors
    assert errors.count('src="data:image/svg+xml') == 2
    assert errors.index("order-triage") < errors.index("batch-order")
    explorer.close()


def test_a_plot_of_runs_without_its_column_says_so(explorer: Explorer) -> None:
    shown(explorer, 2)
    explorer._plots.kind.value = "Scatter"
    explorer._plots.up.value = "output.total"
    explorer.table.set_state({"passing": [2, 5]})  # those that failed
    assert "None of these runs has output.total" in shown(explorer, 2)


def test_node_errors_stand_on_the_workflows_graph(connect: Callable[..., Session]) -> None:
    session = connect("local", history="off")
    given = session.sweep("order-triage", {"sku": ["A-100"], "qty": [1, 500, 900]}, progress=False)
    explorer = session.explore(given)
    errors = shown(explorer, 1)
    assert "2 of 3 runs did not succeed" in errors
    assert 'src="data:image/svg+xml' in errors
    assert "No graph" not in errors
    explorer.close()


def test_plots_are_pictures_with_a_text_and_follow_the_filters(explorer: Explorer) -> None:
    picture = shown(explorer, 2)
    assert picture.startswith('<img src="data:image/png;base64,')
    assert 'alt="Scatter (output.total over input.qty) of 6 runs: 4 success, 2 fail"' in picture
    explorer.table.set_state({"passing": [0, 1, 2]})
    assert "of 3 runs" in shown(explorer, 2)


def test_each_plot_can_be_drawn_by_any_column_that_is_offered(explorer: Explorer) -> None:
    shown(explorer, 2)
    seen = set()
    for kind in explorer._plots.kind.options:
        explorer._plots.kind.value = kind
        for across in explorer._plots.across.options:
            explorer._plots.across.value = across
            picture = shown(explorer, 2)
            assert picture.startswith("<img src="), f"{kind} {across}: {picture}"
            seen.add(picture)
    assert len(seen) == 3 + 3 + 3 + 3 + 1


def test_no_plot_is_left_in_the_hands_of_pyplot(explorer: Explorer) -> None:
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    shown(explorer, 2)
    assert pyplot.get_fignums() == before


def test_an_error_is_shown_where_its_result_would_be(connect: Callable[..., Session], tmp_path: Any) -> None:
    session = connect("local", history=tmp_path / "runs.sqlite")
    session.sweep("order-triage", {"sku": ["A-100"], "qty": [1, 2]}, progress=False)
    explorer = session.explore()
    assert session._history is not None
    session._history.prune(max_age=0)
    explorer.table.set_state({"chosen": [0]})
    text = shown(explorer, 0)
    assert 'role="alert"' in text
    assert "deleted meanwhile" in text
    explorer.close()


def test_of_what_is_asked_for_meanwhile_only_the_latest_is_painted() -> None:
    painter, begun, go_on, painted = Painter(), threading.Event(), threading.Event(), []

    def first() -> None:
        begun.set()
        go_on.wait(10)
        painted.append("first")

    painter.ask("plot", first)
    assert begun.wait(10)
    for number in range(5):
        painter.ask("plot", lambda number=number: painted.append(number))
    painter.ask("card", lambda: painted.append("card"))
    with pytest.raises(TimeoutError, match="it goes on"):
        painter.wait(0)
    go_on.set()
    painter.wait(float("inf"))
    assert painted == ["first", 4, "card"]


def test_what_is_painted_too_late_is_not_shown(explorer: Explorer) -> None:
    begun, go_on = threading.Event(), threading.Event()
    before = explorer._chosen.value

    def hold() -> None:
        begun.set()
        go_on.wait(10)

    explorer._painter.ask("plot", hold)
    assert begun.wait(10)
    explorer.selected = explorer.runs[:1]
    explorer.close()
    go_on.set()
    explorer.wait(10)
    assert explorer._chosen.value == before


# --- which runs ----------------------------------------------------------------------------------


def test_without_runs_it_shows_the_latest_of_the_history(
    connect: Callable[..., Session], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "LATEST", 3)
    session = connect("local", history=tmp_path / "runs.sqlite")
    session.sweep("order-triage", {"sku": ["A-100"], "qty": range(1, 6)}, progress=False)
    explorer = fgnb.explore()
    assert explorer.runs.inputs["qty"].tolist() == [3, 4, 5]
    assert explorer.table.sort == ["submitted_at", "descending"]
    assert "the latest 3 runs of the history" in explorer._heading.value
    explorer.close()


def test_without_a_history_it_says_so(connect: Callable[..., Session]) -> None:
    with pytest.raises(HistoryError, match="the history is off"):
        connect("local", history="off").explore()


def test_more_runs_than_a_table_holds_are_not_dropped_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explore, "MOST", 4)
    explorer = some_runs(6).explore()
    assert len(explorer.runs) == 4
    assert "the first 4 of 6 runs" in explorer._heading.value
    assert "the first 4 of 6 runs" in explorer._repr_mimebundle_()["text/html"]
    explorer.close()


def test_no_runs_at_all_can_be_explored() -> None:
    explorer = RunSet().explore()
    assert "no runs" in explorer._heading.value
    assert shown(explorer, 1)
    assert shown(explorer, 2).startswith("<img")
    assert explorer._repr_mimebundle_()["text/plain"] == "no runs"
    explorer.close()


def test_it_is_displayed_as_a_widget_and_as_a_table_for_where_there_are_none(explorer: Explorer) -> None:
    InteractiveShell.instance()
    try:
        with capture_output() as captured:
            display(explorer)
    finally:
        InteractiveShell.clear_instance()
    (output,) = captured.outputs
    assert {"text/plain", "text/html", "application/vnd.jupyter.widget-view+json"} <= output.data.keys()


# --- a sweep under way ---------------------------------------------------------------------------


@pytest.fixture
def held(connect: Callable[..., Session]) -> Iterator[tuple[Session, threading.Semaphore]]:
    """A session with a workflow ``held``, and what lets its runs go on, one each."""
    session, gate = connect("local", history="off"), threading.Semaphore(0)

    @fgnb.function(name="held", timeout=60)
    def wait(event: Any, context: Any) -> Any:
        gate.acquire(timeout=30)
        return {"double": 2 * event["n"]}

    session.deploy(one_call("held", {"n": "$.n"}, name="held"))
    yield session, gate
    for _ in range(50):
        gate.release()


def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    for _ in range(200):
        if condition():
            return
        threading.Event().wait(0.05)
    pytest.fail("it never was so")


def test_runs_of_a_sweep_come_in_as_they_end(
    held: tuple[Session, threading.Semaphore], monkeypatch: pytest.MonkeyPatch
) -> None:
    session, gate = held
    job = session.sweep("held", {"n": range(8)}, concurrency=2, background=True, progress=False)
    explorer = job.explore()
    sent = listened(monkeypatch, explorer.table)
    assert "live" in explorer._heading.value
    for _ in range(3):
        gate.release()
    until(lambda: len(explorer.runs) == 3)
    explorer.selected = explorer.runs[:1]
    first = explorer.selected
    with pytest.raises(TimeoutError, match="it goes on"):
        explorer.wait(0.1)
    for _ in range(5):
        gate.release()
    assert len(explorer.wait(30)) == 8
    assert explorer.selected == first  # whatever came after it
    assert {run.run_id for run in explorer.runs} == {run.run_id for run in job.runs}
    assert sorted(explorer.runs.outputs["double"]) == [0, 2, 4, 6, 8, 10, 12, 14]
    assert "live" not in explorer._heading.value
    assert "8 runs" in explorer._heading.value
    got = 0
    for start, content in sent:
        assert start == got
        got += unpacked(content)[0]
    assert got == 8
    assert "output.double" in explorer.columns
    explorer.close()


def test_a_sweep_of_more_runs_than_a_table_holds_says_so(
    held: tuple[Session, threading.Semaphore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explore, "MOST", 4)
    session, gate = held
    explorer = session.sweep("held", {"n": range(6)}, background=True, progress=False).explore()
    for _ in range(6):
        gate.release()
    assert len(explorer.wait(30)) == 4
    assert "the first 4 runs that ended; all: job.runs" in explorer._heading.value
    explorer.close()


def test_the_open_pane_follows_what_comes_in(held: tuple[Session, threading.Semaphore]) -> None:
    session, gate = held
    explorer = session.sweep("held", {"n": range(2)}, background=True, progress=False).explore()
    explorer._tabs.selected_index = 1
    for _ in range(2):
        gate.release()
    explorer.wait(30)
    assert "None of the runs failed" in explorer._errors.value
    explorer.close()


def test_columns_that_the_user_chose_stay_while_runs_come_in(held: tuple[Session, threading.Semaphore]) -> None:
    session, gate = held
    job = session.sweep("held", {"n": range(4)}, background=True, progress=False)
    explorer = job.explore()
    explorer.table.set_state({"shown": ["status"]})
    for _ in range(4):
        gate.release()
    explorer.wait(30)
    assert explorer.columns == ["status"]
    explorer.close()


def test_closing_it_ends_its_widgets_and_not_the_sweep(held: tuple[Session, threading.Semaphore]) -> None:
    session, gate = held
    job = session.sweep("held", {"n": range(2)}, background=True, progress=False)
    explorer = job.explore()
    inside = list(explore._inside(explorer))
    assert len(inside) > 8
    explorer.close()
    assert all(widget.comm is None for widget in inside)
    explorer._feeding.result(10)
    gate.release()
    gate.release()
    assert len(job.wait(30)) == 2


# --- without a page ------------------------------------------------------------------------------


def test_without_widgets_it_is_a_table_of_fifty_runs() -> None:
    given = RunSet(
        make_run(run_id=f"r{number}", input={"n": number, "x": "<img src=x onerror=alert(1)>"}) for number in range(60)
    )
    explorer = given.explore()
    bundle = explorer._repr_mimebundle_()
    assert set(bundle) == {"application/vnd.jupyter.widget-view+json", "text/plain", "text/html"}
    assert bundle["text/plain"].startswith("60 runs of flow: 60 success")
    assert all(f"r{n}<" in bundle["text/html"] for n in (0, 24, 35, 59))
    assert not any(f"r{n}<" in bundle["text/html"] for n in (25, 34))
    assert "10 more" in bundle["text/html"]
    assert "<img" not in bundle["text/html"]
    assert "&lt;img" in bundle["text/html"]
    assert repr(explorer) == "<Explorer of 60 runs, 0 selected>"
    explorer.close()


def test_the_tables_files_load_nothing_and_write_no_html(explorer: Explorer) -> None:
    state = explorer.table.get_state()
    assert "export default" in state["_esm"]
    assert ".fgnb-runs" in state["_css"]
    for text in (state["_esm"], state["_css"]):
        assert "http" not in text
        assert "innerHTML" not in text
        assert "import " not in text
