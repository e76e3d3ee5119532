"""Runs as values, as frames, laid side by side: runs/."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.client.outcome import Attempt
from fgnb.errors import OutcomeUnknown, RequestRejected, WorkflowFailed
from fgnb.runs.compare import MISSING, compare
from fgnb.runs.run import NodeError, Run, describe_failure, new_run_id
from fgnb.runs.runset import RunSet
from fgnb.wire import NodeError as WireNodeError
from fgnb.wire import Response

BEGIN = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
END = datetime(2026, 11, 22, 8, 0, 3, tzinfo=UTC)


def run(**fields: Any) -> Run:
    defaults: dict[str, Any] = {"workflow": "flow", "status": "success", "submitted_at": BEGIN, "elapsed": 0.5}
    return Run(**(defaults | fields))


def failed(**fields: Any) -> Run:
    return run(status="fail", **fields)


# --- node errors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('{"errorMessage": "m", "errorType": "T", "stackTrace": ["a", "b"]}', ("m", "T", "a\nb")),
        ('{"errorMessage": "m"}', ("m", None, None)),
        ('{"errorMessage": "", "errorType": ""}', ('{"errorMessage": "", "errorType": ""}', None, None)),
        ('{"errorMessage": 5, "errorType": [], "stackTrace": "x"}',
         ('{"errorMessage": 5, "errorType": [], "stackTrace": "x"}', None, None)),
        ('{"other": 1}', ('{"other": 1}', None, None)),
        ('{"errorMessage": "cut off', ('{"errorMessage": "cut off', None, None)),
        ("Exception happened", ("Exception happened", None, None)),
        ("", ("", None, None)),
        ("{" * 100_000, ("{" * 100_000, None, None)),
    ],
)  # fmt: skip
def test_the_failure_object_is_read_out_of_the_message_where_it_holds_one(message, expected):
    sent = WireNodeError(node_id="n", error_message=message, begin_time="2026-11-22T08:00:00Z", end_time="not a time")
    error = NodeError.of(sent, {"n": "Price"})
    assert (error.error_message, error.error_type, error.stack_trace) == expected
    assert (error.node_id, error.node_name, error.begin_time, error.end_time) == ("n", "Price", BEGIN, None)


# --- runs ----------------------------------------------------------------------------------------


def answered(status: int, body: bytes) -> Run:
    attempt = Attempt(workflow_id="w1")
    return Run.of(attempt.answered(Response(status=status, body=body)), workflow="flow", input={"n": 1})


def test_a_run_is_made_of_what_was_sent_and_what_came_back():
    one = answered(
        200,
        b'{"execution_id":"e","status":"success","output":{"a":1},"begin_time":"2026-11-22T08:00:00Z",'
        b'"end_time":"2026-11-22T08:00:03Z","extra":true}',
    )
    assert (one.ok, one.output, one.workflow_id, one.execution_id) == (True, {"a": 1}, "w1", "e")
    assert (one.begin_time, one.end_time, one.reason) == (BEGIN, END, None)
    assert one.raw["extra"] is True


def test_there_is_an_output_only_on_success():
    one = answered(200, b'{"execution_id":"e","status":"fail","output":{"a":1},"errors":null}')
    assert (one.output, one.node_errors, one.raw["output"]) == (None, (), {"a": 1})


def test_a_run_is_frozen_and_compares_by_value():
    one = run(run_id="r")
    assert one == run(run_id="r")
    assert one != run(run_id="s")
    one.frame  # noqa: B018  # what is cached does not count
    assert one == run(run_id="r")
    with pytest.raises(AttributeError):
        one.status = "fail"
    assert repr(one) == "<Run r of flow: success, 0.5 s>"


def test_run_ids_differ_and_sort_by_time():
    ids = [new_run_id() for _ in range(500)]
    assert len(set(ids)) == 500
    assert [each[:12] for each in ids] == sorted(each[:12] for each in ids)


@pytest.mark.parametrize(
    ("status", "error"), [("fail", WorkflowFailed), ("rejected", RequestRejected), ("paused", OutcomeUnknown)]
)
def test_anything_but_success_raises_with_the_run(status, error):
    one = run(status=status)
    with pytest.raises(error) as caught:
        one.raise_for_status()
    assert caught.value.run is one


def test_the_message_names_the_nodes_the_ids_and_the_next_step_in_15_lines():
    errors = tuple(
        NodeError(node_id=f"n{n}", node_name="Price", error_message="line\n" * 50 + "x" * 5000, error_type="KeyError")
        for n in range(9)
    )
    one = failed(node_errors=errors, request_id="q1", execution_id="e1", reason="a reason\n" * 50 + "y" * 5000)
    text = describe_failure(one)
    lines = text.splitlines()
    assert len(lines) <= 15
    assert max(map(len, lines)) <= 400
    assert "node Price (n0): KeyError: line line" in text
    assert "6 more nodes" in text
    assert "execution e1, request q1" in text
    assert lines[-1].startswith("The run is complete in the exception's .run")


def test_an_unknown_outcome_warns_that_it_may_have_run():
    assert "may still be running" in describe_failure(run(status="unknown", reason="the connection was lost"))


# --- sets of runs --------------------------------------------------------------------------------


@pytest.fixture
def five() -> RunSet:
    statuses = ["success", "fail", "success", "timeout", "fail"]
    return RunSet(run(run_id=f"r{n}", status=status, elapsed=5.0 - n) for n, status in enumerate(statuses))


def ids(runs: RunSet) -> list[str]:
    assert isinstance(runs, RunSet)
    return [each.run_id for each in runs]


def test_a_run_is_chosen_by_position_or_id(five):
    assert five[0].run_id == "r0"
    assert five[-1].run_id == "r4"
    assert five[np.int64(2)].run_id == "r2"
    assert five["r3"].run_id == "r3"
    with pytest.raises(IndexError):
        five[5]
    with pytest.raises(KeyError, match="did you mean r1"):
        five["r1x"]


def test_many_are_chosen_by_slice_or_mask(five):
    assert ids(five[1:3]) == ["r1", "r2"]
    assert ids(five[::-2]) == ["r4", "r2", "r0"]
    assert ids(five[[True, False, False, False, True]]) == ["r0", "r4"]
    assert ids(five[np.array([False, True, False, False, False])]) == ["r1"]
    assert ids(five[five.frame["status"] == "fail"]) == ["r1", "r4"]
    assert ids(five[(five.frame["status"] == "fail").to_numpy()]) == ["r1", "r4"]
    assert ids(five[pd.array([True, None, False, None, True], dtype="boolean")]) == ["r0", "r4"]
    assert ids(five[pd.Series([True, False, False, False, False])]) == ["r0"]
    assert ids(RunSet()[[]]) == []


def test_a_mask_of_another_order_is_aligned_by_run_id(five):
    frame = five.frame.sort_values("elapsed")
    assert ids(five[frame["status"] == "fail"]) == ["r1", "r4"]
    assert ids(five[1:][frame["elapsed"] > 2.5]) == ["r1", "r2"]


def test_a_mask_of_the_wrong_length_is_refused(five):
    for mask in ([True], [True] * 6, pd.Series([True] * 4), five.frame["status"].iloc[:3] == "fail"):
        with pytest.raises(IndexError, match="5 runs"):
            five[mask]


@pytest.mark.parametrize("key", [[0, 1, 2, 3, 4], ["r0", "r1", "r2", "r3", "r4"], [1.0] * 5, 1.5, None])
def test_what_is_neither_position_id_slice_nor_mask_is_refused(five, key):
    with pytest.raises(TypeError):
        five[key]


def test_sets_are_joined_filtered_and_compared(five):
    assert ids(five[:1] + five[3:]) == ["r0", "r3", "r4"]
    assert ids(five[:1] + RunSet([five[2]])) == ["r0", "r2"]
    assert ids(five.filter(lambda each: each.elapsed > 3.5)) == ["r0", "r1"]
    assert five == RunSet(list(five))
    assert five != five[:4]
    assert five != list(five)
    assert (len(five), len(RunSet())) == (5, 0)
    assert five[2] in five
    assert repr(five) == "<RunSet of 5: 2 success, 2 fail, 1 timeout>"
    assert repr(RunSet()) == "<RunSet of 0: empty>"


def test_a_set_holds_nothing_but_runs(five):
    with pytest.raises(TypeError, match="not str"):
        RunSet(["r0"])
    with pytest.raises(TypeError, match="not dict"):
        five.__add__([{}])


# --- compare -------------------------------------------------------------------------------------


def rows(*runs: Run, **options: Any) -> dict[str, tuple[Any, ...]]:
    return compare(*runs, **options).rows


def test_runs_that_are_equal_differ_in_their_elapsed_time_only():
    one = run(input={"a": 1}, output={"b": [1, {"c": None}]}, elapsed=0.5, execution_id="e1", tags={"x": 1})
    two = run(input={"a": 1}, output={"b": [1, {"c": None}]}, elapsed=0.7, execution_id="e2", tags={"x": 2})
    assert rows(one, two) == {"elapsed": (0.5, 0.7)}
    assert rows(one, one) == {}


def test_keep_equal_keeps_every_path_in_the_order_of_the_document():
    one = run(input={"b": 1, "a": {"z": 2}}, output={"y": [3, {"x": 4}], "e": [], "o": {}})
    assert list(rows(one, one, keep_equal=True)) == [
        "status", "elapsed", "input.b", "input.a.z", "output.y[0]", "output.y[1].x", "output.e", "output.o",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right", "differs"),
    [
        ({"x": 1}, {"x": 1}, {}),
        ({"x": 1}, {"x": 1.0}, {}),
        ({"x": 2**53 + 1}, {"x": float(2**53)}, {"output.x": (2**53 + 1, 2.0**53)}),
        ({"x": True}, {"x": 1}, {"output.x": (True, 1)}),
        ({"x": 0}, {"x": False}, {"output.x": (0, False)}),
        ({"x": "1"}, {"x": 1}, {"output.x": ("1", 1)}),
        ({"x": None}, {}, {"output.x": (None, MISSING)}),
        ({"x": None, "y": 1}, {"y": 1}, {"output.x": (None, MISSING)}),
        ({"x": []}, {"x": {}}, {"output.x": ([], {})}),
        ({"x": []}, {"x": [1]}, {"output.x": ([], MISSING), "output.x[0]": (MISSING, 1)}),
        ({"x": [1, 2, 3]}, {"x": [1, 5]}, {"output.x[1]": (2, 5), "output.x[2]": (3, MISSING)}),
        ({"x": {"y": 1}}, {"x": 1}, {"output.x.y": (1, MISSING), "output.x": (MISSING, 1)}),
        (5, [5], {"output": (5, MISSING), "output[0]": (MISSING, 5)}),
        (None, None, {}),
    ],
)
def test_what_differs(left, right, differs):
    found = rows(run(output=left), run(output=right))
    assert found == differs
    for path, values in found.items():
        assert [type(value) for value in values] == [type(value) for value in differs[path]]


def test_a_failed_run_has_no_output_and_its_errors_stand_by_node():
    good = run(output=None)
    bad = failed(
        node_errors=(NodeError(node_id="price", error_message="no"), NodeError(node_id="n-2", error_message="x"))
    )
    assert rows(good, bad) == {
        "status": ("success", "fail"),
        "output": (None, MISSING),
        "error.price": (MISSING, "no"),
        "error['n-2']": (MISSING, "x"),
    }


def test_three_runs_are_laid_side_by_side():
    three = [run(run_id=f"r{n}", input={"n": n, "same": 1}) for n in (1, 1, 2)]
    assert rows(*three) == {"input.n": (1, 1, 2)}


def test_the_comparison_frame_has_a_row_per_path_and_a_column_per_run():
    one = run(run_id="a", output={"n": 1, "null": None, "gone": [], "same": 1})
    two = run(run_id="b", output={"n": 2, "null": 0, "same": 1})
    comparison = compare(one, two)
    frame = comparison.frame
    assert (frame.index.name, str(frame.index.dtype)) == ("path", "string")
    assert list(frame.index) == ["output.n", "output.null", "output.gone"]
    assert list(frame.columns) == ["a", "b"]
    assert set(frame.dtypes.astype(str)) == {"object"}
    assert list(frame.loc["output.n"]) == [1, 2]
    assert frame.loc["output.null", "a"] is None
    assert frame.loc["output.gone", "a"] == []
    assert frame.loc["output.gone", "b"] is pd.NA
    assert (len(comparison), repr(comparison)) == (3, "<Comparison of 2 runs: 3 paths>")


def test_the_frame_of_equal_runs_is_empty_but_has_its_columns():
    frame = compare(run(run_id="a"), run(run_id="b")).frame
    assert (list(frame.columns), len(frame)) == (["a", "b"], 0)


def test_a_run_may_be_compared_with_itself():
    one = run(run_id="a")
    frame = compare(one, one, keep_equal=True).frame
    assert list(frame.columns) == ["a", "a"]
    assert list(frame.loc["status"]) == ["success", "success"]


def test_compare_takes_two_runs_or_more_and_nothing_else():
    one = run()
    with pytest.raises(ValueError, match="two"):
        compare(one)
    with pytest.raises(ValueError, match="two"):
        compare()
    with pytest.raises(TypeError, match="not RunSet"):
        compare(one, RunSet([one]))


keys = st.sampled_from(["a", "b", "odd key", "0"])
outputs = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "a"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@given(outputs, outputs)
def test_comparing_the_other_way_round_is_the_mirror_image(left, right):
    one, two = run(output=left), run(output=right)
    forth, back = rows(one, two), rows(two, one)
    assert {path: (b, a) for path, (a, b) in back.items()} == forth
    assert (forth == {}) == (repr_of(left) == repr_of(right))
    assert rows(one, two, keep_equal=True).keys() >= forth.keys()


def repr_of(value: Any) -> Any:
    """Return a value that is equal for equal JSON: 1 is 1.0, but true is not 1."""
    if isinstance(value, dict):
        return {key: repr_of(member) for key, member in value.items()}
    if isinstance(value, list):
        return [repr_of(item) for item in value]
    return (isinstance(value, bool), value)
