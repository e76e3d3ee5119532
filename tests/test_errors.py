"""Exceptions: short where they are shown, whole where they are sent to another process."""

import copy
import pickle

import pytest

import fgnb
from fgnb.errors import (
    AnswerLost,
    DefinitionError,
    FgnbError,
    Problem,
    SweepInterrupted,
    SyntaxProblem,
    WorkflowNotFound,
    nearest,
)

PROBLEM = Problem("$.states[0]", "wrong", "a")


@pytest.mark.parametrize(
    "error",
    [
        FgnbError("plain"),
        SyntaxProblem("not JSON", source="{\n]", line=2, column=1),
        DefinitionError([PROBLEM], name="w"),
        WorkflowNotFound("a", ["b"]),
        AnswerLost("lost", status=200, code="X", request_id="r"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_exception_survives_pickling_and_copying(error):
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert vars(again) == vars(error)


def test_a_failed_runs_exception_takes_its_run_to_another_process():
    with pytest.raises(fgnb.WorkflowFailed) as caught:
        fgnb.connect("local").run("order-triage", {"sku": "Z-1"})
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.run == caught.value.run
    assert str(again) == str(caught.value)


def test_an_interrupted_sweep_holds_its_runs():
    runs = fgnb.RunSet([])
    assert SweepInterrupted("stopped", runs).runs is runs


def test_a_place_that_is_none_shows_no_line():
    assert str(SyntaxProblem("not YAML", source="", line=0, column=1)) == "not YAML (line 0, column 1)"


def test_a_place_beyond_the_end_is_the_end_of_what_stands_there():
    problem = SyntaxProblem("unfinished", source="a: 1\nb\n\n", line=4, column=1)
    assert (problem.line, problem.column) == (2, 2)
    assert str(problem).splitlines() == ["unfinished (line 2, column 2)", "    b", "     ^"]


def test_a_long_message_is_shown_in_15_lines():
    lines = FgnbError("\n".join(["x" * 1000] * 40))._render_traceback_()
    assert len(lines) == 15
    assert max(map(len, lines)) <= 400


@pytest.mark.parametrize(("word", "found"), [("Order-Traige", "order-triage"), ("xyz", None), ("", None)])
def test_the_nearest_word(word, found):
    assert nearest(word, ["order-triage", "image-pipeline"]) == found
