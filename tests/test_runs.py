"""Runs as values, as frames, laid side by side: runs/."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fgnb.client.outcome import Attempt
from fgnb.errors import OutcomeUnknown, RequestRejected, WorkflowFailed
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
