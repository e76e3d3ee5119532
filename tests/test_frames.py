"""Runs as DataFrames: columns and types, exactness, chunks, and the way back from a frame to its runs."""

import gc
import json
import pickle
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fgnb import wiring
from fgnb.errors import InputError
from fgnb.paths import format_path, leaves
from fgnb.runs import accessor, columns
from fgnb.runs.columns import Flattened, flattened
from fgnb.runs.frames import errors_frame, inputs_frame, outputs_frame, runs_frame
from fgnb.runs.inputs import inputs_of
from fgnb.runs.run import STATUSES, NodeError, Run
from fgnb.runs.runset import RunSet
from tests.exact import exact

BEGIN = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
END = datetime(2026, 11, 22, 8, 0, 3, tzinfo=UTC)


def run(**fields: Any) -> Run:
    defaults: dict[str, Any] = {"workflow": "flow", "status": "success", "submitted_at": BEGIN, "elapsed": 0.5}
    return Run(**(defaults | fields))


def inputs(*values: Any) -> RunSet:
    return RunSet(run(run_id=str(number), input=value) for number, value in enumerate(values))


def cells(frame: pd.DataFrame, column: str) -> list[Any]:
    """Return a column's values as Python's own, <NA> as None."""
    return [None if value is pd.NA else value for value in frame[column].astype("object").tolist()]


# --- the runs frame ------------------------------------------------------------------------------

FIXED = {
    "workflow": "string",
    "execution_id": "string",
    "request_id": "string",
    "status": "category",
    "submitted_at": "datetime64[us, UTC]",
    "begin_time": "datetime64[us, UTC]",
    "end_time": "datetime64[us, UTC]",
    "elapsed": "float64",
    "error_count": "Int64",
    "error_node": "string",
    "error_message": "string",
}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_runs_frame_has_these_columns_and_types_however_many_runs(count):
    frame = RunSet(run() for _ in range(count)).frame
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == FIXED
    assert list(frame.columns) == list(FIXED)
    assert (frame.index.name, str(frame.index.dtype), len(frame)) == ("run_id", "string", count)


def test_a_run_is_one_row():
    error = NodeError(node_id="n1", error_message="no")
    one = run(
        run_id="r1",
        status="fail",
        execution_id="e1",
        request_id="q1",
        node_errors=(error, NodeError(node_id="n2", error_message="late")),
        begin_time=BEGIN,
        end_time=END,
        tags={"try": 1},
        input={"qty": 3, "a": {"b c": True}},
        output=None,
    )
    frame = one.frame
    assert list(frame.columns) == [*FIXED, "tags.try", "input.qty", "input.a['b c']"]
    row = frame.loc["r1"]
    assert (row["workflow"], row["execution_id"], row["request_id"], row["status"]) == ("flow", "e1", "q1", "fail")
    assert (row["submitted_at"], row["begin_time"], row["end_time"]) == (BEGIN, BEGIN, END)
    assert (row["elapsed"], row["error_count"]) == (0.5, 2)
    assert (row["error_node"], row["error_message"]) == ("n1", "no")
    assert (row["tags.try"], row["input.qty"], row["input.a['b c']"]) == (1, 3, True)


def test_what_a_run_does_not_have_is_missing():
    row = run(status="unknown", reason="the connection was lost").frame.iloc[0]
    assert row[["execution_id", "request_id", "error_node"]].isna().all()
    assert row[["begin_time", "end_time"]].isna().all()
    assert (row["error_count"], row["error_message"]) == (0, "the connection was lost")


def test_the_statuses_are_categories_and_a_new_one_is_added():
    frame = RunSet([run(status="fail"), run(status="paused"), run(status="paused")]).frame
    assert list(frame["status"].cat.categories) == [*STATUSES, "paused"]
    assert list(frame["status"]) == ["fail", "paused", "paused"]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], "Int64"),
        ([1, None], "Int64"),
        ([2**63 - 1, -(2**63)], "Int64"),
        ([2**53 + 1, None], "Int64"),
        ([2**63, 1], "object"),
        ([10**30, None], "object"),
        ([1.5, 2.0], "Float64"),
        ([1.5, None], "Float64"),
        ([True, False], "boolean"),
        ([True, None], "boolean"),
        (["00123", "1e5"], "string"),
        (["", None], "string"),
        (["2026-01-01", "NaN"], "string"),
        ([1, 1.5], "object"),
        ([1, True], "object"),
        ([1, "1"], "object"),
        ([[1, 2], []], "object"),
        ([[1], None], "object"),
        ([[1, 2], [3, 4]], "object"),
        ([{}, {}], "object"),
        ([None, None], "object"),
    ],
)
def test_a_columns_type_follows_its_json_values(values, dtype):
    frame = inputs(*({"x": value} for value in values)).frame
    assert str(frame["input.x"].dtype) == dtype
    found = cells(frame, "input.x")
    assert found == values
    assert [type(value) for value in found] == [type(value) for value in values]
    assert frame["input.x"].isna().tolist() == [value is None for value in values]


def test_null_and_missing_are_both_na_here():
    frame = inputs({"x": None, "y": 1}, {"y": 2}, {"x": "text"}).frame
    assert [value is pd.NA for value in frame["input.x"]] == [True, True, False]


def test_objects_are_flattened_and_odd_keys_quoted():
    value = {"a": {"b": {"c": 1}}, "odd.key": 2, "": 3, "it's": {"[0]": 4}, "list": [{"in": 1}], "e": {}}
    frame = inputs(value).frame
    assert list(frame.columns[len(FIXED) :]) == [
        "input.a.b.c",
        "input['odd.key']",
        "input['']",
        r"input['it\'s']['[0]']",
        "input.list",
        "input.e",
    ]
    assert frame["input.list"].iloc[0] == [{"in": 1}]


@pytest.mark.parametrize("value", [5, "text", [1, 2], True, 1.5])
def test_an_output_that_is_no_object_stands_in_a_column_of_its_own(value):
    frame = RunSet([run(output=value), run(output={"a": 1})]).frame
    assert cells(frame, "output") == [value, None]
    assert cells(frame, "output.a") == [None, 1]


def test_none_and_an_empty_object_make_no_column():
    assert list(RunSet([run(input={}, output=None)]).frame.columns) == list(FIXED)


def test_an_output_that_is_nested_deeply_still_has_a_row():
    deep: Any = 1
    for _ in range(5000):
        deep = {"a": deep}
    frame = run(output=deep).frame
    assert frame.iloc[0, -1] == 1


json_scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text()
)
flat = st.dictionaries(st.text(max_size=6), json_scalars | st.lists(json_scalars, max_size=3), min_size=1, max_size=5)


@given(st.lists(flat, min_size=1, max_size=5))
def test_flat_objects_come_out_of_the_frame_as_they_went_in(rows):
    frame = inputs(*rows).frame
    for key in {key for row in rows for key in row}:
        column = format_path((key,), "input")
        expected = [row.get(key) for row in rows]
        found = cells(frame, column)
        assert found == expected
        assert [type(value) for value in found] == [type(value) for value in expected]


def test_changing_a_frame_does_not_change_the_next_one():
    runs = inputs({"x": 1}, {"x": 2})
    for attribute, column in (("frame", "input.x"), ("errors", "node_id")):
        first = getattr(runs, attribute)
        first["new"] = 1
        first.loc[:, column] = pd.NA
        second = getattr(runs, attribute)
        assert "new" not in second
        assert second[column].notna().all()
    assert runs[0].frame["input.x"].iloc[0] == 1


# --- the errors frame ----------------------------------------------------------------------------

ERRORS = {
    "run_id": "string",
    "workflow": "string",
    "execution_id": "string",
    "node_id": "string",
    "node_name": "string",
    "error_type": "string",
    "error_message": "string",
    "begin_time": "datetime64[us, UTC]",
    "end_time": "datetime64[us, UTC]",
    "duration": "float64",
    "stack_trace": "string",
}


def failed(**fields: Any) -> Run:
    return run(status="fail", **fields)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_errors_frame_has_these_columns_and_types_however_many_errors(count):
    errors = tuple(NodeError(node_id=str(n), error_message="no") for n in range(count))
    frame = failed(node_errors=errors).errors
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == ERRORS
    assert list(frame.columns) == list(ERRORS)
    assert list(frame.index) == list(range(count))


def test_there_is_a_row_per_node_error_in_the_order_of_the_runs():
    one = NodeError(node_id="n1", node_name="Price", error_message="no", error_type="KeyError", stack_trace="x\ny",
                    begin_time=BEGIN, end_time=END)  # fmt: skip
    two = NodeError(node_id="n2", error_message="late")
    runs = RunSet([failed(run_id="a", execution_id="e", node_errors=(one, two)), run(run_id="b"),
                   failed(run_id="c", node_errors=(two,))])  # fmt: skip
    frame = runs.errors
    assert list(zip(frame["run_id"], frame["node_id"], strict=True)) == [("a", "n1"), ("a", "n2"), ("c", "n2")]
    first, second = frame.iloc[0], frame.iloc[1]
    assert (first["node_name"], first["error_type"], first["stack_trace"], first["duration"]) == (
        "Price", "KeyError", "x\ny", 3.0,
    )  # fmt: skip
    assert second[["node_name", "error_type", "stack_trace", "begin_time", "end_time", "duration"]].isna().all()


def test_the_errors_frame_groups_counts_and_sorts():
    runs = RunSet(
        failed(run_id=str(n), node_errors=(NodeError(node_id=f"n{n % 2}", error_message="no"),)) for n in range(5)
    )
    assert runs.errors.groupby("node_id").size().to_dict() == {"n0": 3, "n1": 2}
    assert runs.errors.sort_values("node_id")["node_id"].tolist() == ["n0"] * 3 + ["n1"] * 2
    assert runs.errors.groupby("run_id")["error_message"].first()["3"] == "no"


# --- values in and out ---------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(), max_size=4)  # lone surrogates too
)
keys = st.sampled_from(["a", "b", "a.b", "a[0]", "", "odd key", "it's", "0", "\n", "\\", "\ud800", "output", "."])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


def held(value: Any, lists: str) -> list[tuple[str, Any]]:
    """Return a value's cells by column: all leaves but null and an empty object as a whole."""
    found = [] if value == {} else list(leaves(value, lists=lists == "expand"))
    return [(format_path(path) or ".", leaf) for path, leaf in found]


def present(cell: Any) -> bool:
    return cell is not pd.NA


@pytest.mark.parametrize("lists", ["keep", "expand"])
@given(st.lists(values, max_size=8), st.integers(1, 5), st.sampled_from([100, 1]))
@example([{"a": None}, {}, {"a": {"b": 1}}], 3, 100)
@example([{"a": {"b": 1}}, {}, {"a": {"b": 1}}], 3, 100)
@example([{"a": 1}, {"a": "1"}, {"a": 1.0}, {"a": True}, {"a": None}], 1, 100)
@example([{"a": "x"}, {"a": "\ud800"}], 1, 100)
@example([{"a": 2**63}, {"a": 1}], 1, 100)
def test_values_come_out_of_a_frame_as_they_went_in(lists, given_values, chunk, sample):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "CHUNK", chunk)
        patch.setattr("fgnb.runs.levels._SAMPLE", sample)
        frame = outputs_frame([run(run_id=str(n), output=value) for n, value in enumerate(given_values)], lists=lists)
    expected = [held(value, lists) for value in given_values]
    order = [name for row in expected for name, leaf in row if (name, leaf) != (".", None)]
    assert list(frame.columns) == list(dict.fromkeys(order))
    assert len(frame) == len(given_values)
    cells_of = {name: frame[name].astype("object").tolist() for name in frame}
    for row, leaves_there in enumerate(expected):
        found = {name: exact(cells_of[name][row]) for name in frame if present(cells_of[name][row])}
        assert found == {name: exact(leaf) for name, leaf in leaves_there if leaf is not None}


@given(st.lists(values, max_size=6), st.integers(1, 4))
def test_a_columns_type_is_that_of_all_its_values_wherever_chunks_end(given_values, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "CHUNK", chunk)
        arrays = flattened("", given_values)
    for name, array in arrays.items():
        kinds = {type(leaf) for value in given_values for path, leaf in held(value, "keep") if path == name}
        types = {"boolean": bool, "Float64": float, "string": str, "Int64": int}
        dtype = str(array.dtype)
        if dtype == "object":
            numbers = [leaf for value in given_values for path, leaf in held(value, "keep") if path == name]
            beyond = any(type(leaf) is int and not -(2**63) <= leaf < 2**63 for leaf in numbers)
            assert len(kinds - {type(None)}) != 1 or beyond or kinds & {list, dict}
        else:
            assert kinds - {type(None)} == {types[dtype]}


def test_columns_stand_in_the_order_of_their_first_appearance():
    rows = [{"a": {"x": 1}}, {"b": 1, "a": {"y": 1, "x": 2}}, {"a": {"z": 1}, "0": None}, {"a": 5, "b": 2}]
    for chunk in (1, 2, 100):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(columns, "CHUNK", chunk)
            assert list(flattened("", rows)) == ["a.x", "b", "a.y", "a.z", "['0']", "a"]


def test_paths_that_look_alike_have_columns_of_their_own():
    frame = inputs({"a.b": 1}, {"a": {"b": 2}}, {"a": 3}, {"a['b']": 4}, {"": 5}, {"a": {"": 6}}, [7], {".": 8}).inputs
    assert list(frame.columns) == ["['a.b']", "a.b", "a", "['a[\\'b\\']']", "['']", "a['']", ".", "['.']"]
    assert [frame[name].dropna().tolist() for name in frame] == [[1], [2], [3], [4], [5], [6], [[7]], [8]]


def test_lists_are_expanded_on_request():
    value = {"items": [{"sku": "A", "n": [1]}, {"sku": "B"}], "none": [], "deep": [[], [1, None]], "o": {}}
    runs = RunSet([run(run_id="0", output=value), run(run_id="1", output={"items": [{"sku": "C"}, 5, 2**70]})])
    frame = runs.to_frame(lists="expand").iloc[:, len(FIXED) :]
    assert {name: cells(frame, name) for name in frame} == {
        "output.items[0].sku": ["A", "C"],
        "output.items[0].n[0]": [1, None],
        "output.items[1].sku": ["B", None],
        "output.none": [[], None],
        "output.deep[0]": [[], None],
        "output.deep[1][0]": [1, None],
        "output.deep[1][1]": [None, None],
        "output.o": [{}, None],
        "output.items[1]": [None, 5],
        "output.items[2]": [None, 2**70],
    }
    assert str(frame["output.items[0].sku"].dtype) == "string"
    assert list(inputs_frame([run(input=[[1], 2])], lists="expand").columns) == ["[0][0]", "[1]"]


def test_inputs_and_outputs_have_columns_without_a_prefix_and_runs_as_rows():
    runs = RunSet([run(run_id="a", input={"a": {"b": [1]}}, output={"t": 1.5}), run(run_id="b", input=7, output=None)])
    assert (list(runs.inputs.columns), list(runs.outputs.columns)) == (["a.b", "."], ["t"])
    assert (runs.inputs.index.name, list(runs.inputs.index), list(runs.outputs.index)) == (
        "run_id",
        ["a", "b"],
        ["a", "b"],
    )
    assert cells(runs.inputs, ".") == [None, 7]
    assert inputs_frame(iter(runs)).equals(runs.inputs)
    assert (len(outputs_frame([])), list(outputs_frame([]).columns)) == (0, [])


def test_a_sweep_over_the_inputs_frame_sends_the_same_again():
    sent = [
        {"qty": 1, "a": {"b": [1, {"c": None}], "odd.key": "00123"}, "big": 2**70},
        {"qty": 2**53 + 1, "a": {"b": [], "odd.key": ""}, "x": True, "y": 1.0, "e": {}},
        {},
    ]
    assert exact(sorted_keys(list(inputs_of(inputs(*sent).inputs)))) == exact(sorted_keys(sent))


def test_a_sweep_over_inputs_that_are_no_objects_gives_them_unchanged():
    sent = [{"a": 1}, 5, [2**70, {"b": None}], "x"]
    assert exact(list(inputs_of(inputs(*sent).inputs))) == exact(sent)


def sorted_keys(value: Any) -> Any:
    return json.loads(json.dumps(value, sort_keys=True))


def test_many_columns_of_few_rows_and_rare_keys_are_right():
    wide = inputs({f"k{n}": n for n in range(20_000)}).frame
    assert wide.iloc[0, len(FIXED) :].tolist() == list(range(20_000))
    rows = [{f"k{n}_{m}": f"{n}" for m in range(5)} | ({"rare": n} if n == 450 else {}) for n in range(500)]
    frame = inputs(*rows).inputs
    assert frame.shape == (500, 2501)
    assert frame["rare"].dropna().to_dict() == {"450": 450}
    assert frame["k7_3"].dropna().to_dict() == {"7": "7"}


def test_adding_a_column_to_a_frame_of_many_lists_warns_of_nothing():
    frame = inputs({f"k{n}": [n] for n in range(300)}).frame
    frame["new"] = 1
    assert frame["input.k299"].tolist() == [[299]]


def test_times_keep_their_microseconds_and_are_told_in_utc():
    east = datetime(2026, 11, 22, 16, 0, 0, 123456, tzinfo=UTC).astimezone(timezone(timedelta(hours=8)))
    old = datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    frame = RunSet([run(submitted_at=east, begin_time=old), run()]).frame
    assert frame["submitted_at"].iloc[0].isoformat() == "2026-11-22T16:00:00.123456+00:00"
    assert frame["begin_time"].iloc[0] == old
    assert frame["begin_time"].isna().tolist() == [False, True]


def test_a_tag_that_is_no_json_value_is_kept():
    when = datetime(2026, 11, 22, 8, 0)  # noqa: DTZ001
    assert RunSet([run(tags={"when": when}), run()]).frame["tags.when"].iloc[0] == when


# --- many runs, one pass -------------------------------------------------------------------------


@pytest.mark.parametrize("make", [runs_frame, inputs_frame, outputs_frame, errors_frame])
@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_a_frame_is_the_same_however_its_runs_are_cut_into_chunks(monkeypatch, make, count):
    kinds = [1, "a", None, 2**70, {"b": 1.5}, [1], True]
    made = [
        run(
            run_id=str(n),
            status=("fail", "paused", "success")[n % 3],
            execution_id=f"e{n}" if n % 2 else None,
            begin_time=BEGIN if n % 2 else None,
            input={"a": kinds[n], f"k{n}": n},
            output=kinds[-n],
            node_errors=(NodeError(node_id=f"n{n}", error_message="no", begin_time=BEGIN, end_time=END),) * (n % 3),
        )
        for n in range(count)
    ]
    whole = make(made)
    monkeypatch.setattr(columns, "CHUNK", 3)
    pd.testing.assert_frame_equal(make(iter(made)), whole, check_exact=True)


def test_runs_that_are_made_as_they_are_read_are_read_once_and_let_go(monkeypatch):
    monkeypatch.setattr(columns, "CHUNK", 10)
    alive: list[weakref.ref[Run]] = []
    most = 0

    def lazily() -> Iterator[Run]:
        nonlocal most
        for n in range(100):
            one = run(run_id=str(n), input={"n": n}, node_errors=(NodeError(node_id="n", error_message="no"),))
            alive.append(weakref.ref(one))
            most = max(most, sum(each() is not None for each in alive))
            yield one
            del one

    for make in (runs_frame, inputs_frame, errors_frame):
        assert len(make(lazily())) == 100
    assert most <= 11


@pytest.mark.parametrize("enabled", [True, False])
def test_the_garbage_collector_rests_meanwhile_and_is_as_it_was_afterwards(enabled):
    seen = []

    def watched(fail: bool) -> Iterator[Any]:
        for n in range(3):
            seen.append(gc.isenabled())
            if fail:
                raise OSError("gone")
            yield {"n": n}

    was = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        flattened("", watched(False))
        assert (gc.isenabled(), seen) == (enabled, [False] * 3)
        with pytest.raises(OSError, match="gone"):
            flattened("", watched(True))
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_texts_are_the_same_where_pandas_keeps_them_without_arrow():
    runs = RunSet(run(run_id=f"r{n}", output={"t": "x" * n} if n % 2 else {}) for n in range(5))
    with pd.option_context("mode.string_storage", "python"):
        frame = runs.frame
    assert frame["output.t"].dtype == pd.StringDtype("python")
    assert frame["output.t"].tolist() == [pd.NA, "x", pd.NA, "xxx", pd.NA]
    assert frame.index.tolist() == [f"r{n}" for n in range(5)]


def test_columns_may_be_added_to_row_by_row():
    flat = Flattened("x")
    flat.add([{"a": 1}])
    flat.add([])
    flat.add([None, {"b": "t"}])
    assert {name: array.tolist() for name, array in flat.arrays().items()} == {
        "x.a": [1, pd.NA, pd.NA],
        "x.b": [pd.NA, pd.NA, "t"],
    }


# --- back from a frame to its runs ---------------------------------------------------------------


def numbered(count: int, prefix: str = "r") -> RunSet:
    error = NodeError(node_id="n", error_message="no")
    return RunSet(
        run(run_id=f"{prefix}{n}", input={"n": n}, elapsed=float(-n), node_errors=(error,) * (n % 3))
        for n in range(count)
    )


def ids(runs: Iterable[Run]) -> list[str]:
    assert isinstance(runs, RunSet)
    return [each.run_id for each in runs]


@pytest.mark.parametrize(
    ("derive", "expected"),
    [
        (lambda df: df, ["r0", "r1", "r2", "r3", "r4"]),
        (lambda df: df[df["input.n"] > 2], ["r3", "r4"]),
        (lambda df: df.sort_values("elapsed"), ["r4", "r3", "r2", "r1", "r0"]),
        (lambda df: df.query("`input.n` in (1, 3)"), ["r1", "r3"]),
        (lambda df: df.head(2), ["r0", "r1"]),
        (lambda df: df.loc[["r3", "r0"]], ["r3", "r0"]),
        (lambda df: df.iloc[::2][["status"]], ["r0", "r2", "r4"]),
        (lambda df: df.groupby("error_count").get_group(1), ["r1", "r4"]),
        (lambda df: dict(iter(df.groupby("error_count")))[2], ["r2"]),
        (lambda df: df.reset_index(), ["r0", "r1", "r2", "r3", "r4"]),
        (lambda df: df.set_index("error_count", append=True).iloc[1:3], ["r1", "r2"]),
        (lambda df: df.assign(more=1).dropna(axis=1).copy(), ["r0", "r1", "r2", "r3", "r4"]),
        (lambda df: pd.concat([df.tail(1), df.head(1)]), ["r4", "r0"]),
        (lambda df: df.iloc[:0], []),
    ],
)
def test_a_frame_leads_back_to_the_runs_of_its_rows(derive, expected):
    gc.collect()  # pandas 2 keeps frames that were asked for .fg until then, and their ids are the same here
    runs = numbered(5)
    for frame in (runs.frame, runs.frame.join(runs.outputs), runs.to_frame(lists="expand")):
        found = derive(frame).fg.runs
        assert ids(found) == expected
        assert all(each is runs[each.run_id] for each in found)


def test_it_does_so_when_only_the_frame_is_left():
    frame = numbered(5).frame
    part = frame[frame["input.n"] > 3]
    del frame
    gc.collect()
    assert ids(part.fg.runs) == ["r4"]
    assert numbered(1).frame.fg.run.input == {"n": 0}
    assert run(run_id="x").frame.fg.run.run_id == "x"


def test_inputs_and_outputs_lead_back_too():
    runs = numbered(3)
    assert ids(runs.inputs.query("n == 1").fg.runs) == ["r1"]
    assert ids(runs.outputs.fg.runs) == ["r0", "r1", "r2"]


def test_the_errors_frame_leads_back_to_each_run_once_in_order_of_appearance():
    errors = numbered(6).errors
    assert ids(errors.fg.runs) == ["r1", "r2", "r4", "r5"]
    assert ids(errors.iloc[::-1].fg.runs) == ["r5", "r4", "r2", "r1"]
    assert errors[errors["run_id"] == "r2"].fg.run.run_id == "r2"
    assert ids(errors.groupby("run_id").count().fg.runs) == ["r1", "r2", "r4", "r5"]


def test_frames_of_several_sets_lead_back_while_any_of_their_frames_lives():
    one, two = numbered(2, "a"), numbered(2, "b")
    first, second = one.frame, two.frame
    assert ids(pd.concat([first, second]).fg.runs) == ["a0", "a1", "b0", "b1"]
    merged = first.reset_index().merge(second.reset_index(drop=True), on="input.n")
    assert ids(merged.fg.runs) == ["a0", "a1"]


def test_a_frame_that_has_rows_of_another_set_leads_to_them_too():
    one, two = numbered(2, "a"), numbered(2, "b")
    frame, other = one.frame, two.frame
    frame.loc["b1"] = other.loc["b1"]
    assert ids(frame.fg.runs) == ["a0", "a1", "b1"]


STORED: dict[str, Run] = {}
ASKED: list[list[str]] = []


def stored(run_ids: list[str]) -> list[Run]:
    """Stand in for the history."""
    ASKED.append(list(run_ids))
    return [STORED[run_id] for run_id in run_ids if run_id in STORED]


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    monkeypatch.setitem(wiring.hooks, "find runs", f"{__name__}:stored")
    yield lambda *runs: STORED.update({each.run_id: each for each in runs})
    STORED.clear()
    ASKED.clear()


def test_runs_that_are_not_in_memory_come_from_the_history(history):
    history(run(run_id="old"), run(run_id="older"))
    new = numbered(1)
    frame = pd.DataFrame({"x": [1, 2, 3]}, index=pd.Index(["old", "r0", "older"], name="run_id"))
    held_by = new.frame
    assert ids(frame.fg.runs) == ["old", "r0", "older"]
    assert ASKED == [["old", "older"]]
    assert held_by.fg.run is new[0]
    assert len(ASKED) == 1


def test_a_run_that_is_nowhere_is_named(history):
    frame = pd.DataFrame({"run_id": ["gone", "too"]})
    with pytest.raises(LookupError, match="no run has the id 'gone' and 1 more, neither in memory nor in the history"):
        frame.fg.runs  # noqa: B018


def test_a_row_without_a_run_id_is_named():
    frame = numbered(2).errors.reindex([0, 7]).astype({"run_id": "string"})
    with pytest.raises(LookupError, match="row 1 of the frame has no run id"):
        frame.fg.runs  # noqa: B018


def test_only_frames_with_run_ids_have_it():
    frame = numbered(2).frame
    assert hasattr(frame, "fg")
    assert not hasattr(pd.DataFrame({"a": [1]}), "fg")
    assert not hasattr(frame.reset_index(drop=True), "fg")


def test_one_run_is_asked_for_where_there_is_one():
    frame = numbered(3).frame
    assert frame.loc[["r1"]].fg.run.run_id == "r1"
    with pytest.raises(InputError, match="the frame has 3 runs, not one"):
        frame.fg.run  # noqa: B018
    with pytest.raises(InputError, match="has 0 runs"):
        frame.head(0).fg.run  # noqa: B018


def test_a_selection_of_runs_that_are_read_as_needed_reads_only_those():
    read: Counter[int] = Counter()

    class Stored(list[int]):
        def __getitem__(self, key: Any) -> Any:
            if isinstance(key, slice):
                return Stored(super().__getitem__(key))
            read[super().__getitem__(key)] += 1
            return run(run_id=f"r{super().__getitem__(key)}", input={"n": 1})

        def __iter__(self) -> Iterator[Any]:
            return (self[place] for place in range(len(self)))

    frame = RunSet.over(Stored(range(10))).frame
    read.clear()
    part = frame.iloc[3:5].fg.runs
    assert (len(part), read) == (2, {})
    assert part[1].run_id == "r4"
    assert ids(frame.iloc[[7, 2]].fg.runs) == ["r7", "r2"]
    assert read == {4: 1, 7: 1, 2: 1}


def test_runs_are_let_go_with_their_frames():
    runs = numbered(3)
    frame, one = runs.frame, weakref.ref(runs[1])
    part = frame.head(2)
    del runs, frame
    gc.collect()
    assert one() is not None
    token = part.attrs[accessor.KEY]
    del part
    assert str(token) in accessor._origins
    del token
    gc.collect()
    assert one() is None


def test_a_set_of_runs_goes_without_waiting_for_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        runs = numbered(3)
        frame, there = runs.frame, weakref.ref(runs)
        del runs
        assert there() is None
    finally:
        gc.enable()
    assert ids(frame.fg.runs) == ["r0", "r1", "r2"]


def test_frames_are_copied_compared_and_written_as_any_other(tmp_path):
    runs = numbered(3)
    frame = runs.frame
    assert json.loads(json.dumps(frame.attrs)) == frame.attrs
    again = pickle.loads(pickle.dumps(frame))
    assert type(again.attrs[accessor.KEY]) is str
    assert ids(again.fg.runs) == ["r0", "r1", "r2"]
    assert frame.copy(deep=True).attrs[accessor.KEY] is frame.attrs[accessor.KEY]
    pytest.importorskip("pyarrow")
    frame.to_parquet(tmp_path / "frame.parquet")
    read = pd.read_parquet(tmp_path / "frame.parquet")
    assert ids(read.fg.runs) == ["r0", "r1", "r2"]


def test_registering_it_again_is_silent():
    accessor.register()
    assert isinstance(numbered(1).frame.fg, accessor.RunsOfFrame)
