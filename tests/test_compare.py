"""What differs between runs, and between sets of runs matched by input: runs/compare.py and what it stands on."""

import copy
import json
import random
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fgnb.errors import InputError
from fgnb.paths import format_path
from fgnb.runs.compare import RunComparison, compare
from fgnb.runs.compare_sets import SetComparison
from fgnb.runs.differences import MISSING, Rules, differences
from fgnb.runs.run import NodeError, Run
from fgnb.runs.runset import RunSet
from tests.exact import exact

BEGIN = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)


def run(**fields: Any) -> Run:
    defaults: dict[str, Any] = {"workflow": "flow", "status": "success", "submitted_at": BEGIN, "elapsed": 0.5}
    return Run(**(defaults | fields))


def failed(node: str = "price", **fields: Any) -> Run:
    error = NodeError(node_id=node, error_message="no price", error_type="KeyError")
    return run(**({"status": "fail", "node_errors": (error,)} | fields))


# --- runs, side by side -------------------------------------------------------------------------------------


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
        ({"x": []}, {"x": [1]}, {"output.x": ([], [1])}),
        ({"x": {}}, {"x": {"y": 1}}, {"output.x": ({}, {"y": 1})}),
        ({}, {"x": {"y": 1, "z": []}}, {"output.x.y": (MISSING, 1), "output.x.z": (MISSING, [])}),
        ([], [1], {"output": ([], [1])}),
        ({"x": [1, 2, 3]}, {"x": [1, 5]}, {"output.x[1]": (2, 5), "output.x[2]": (3, MISSING)}),
        ({"x": {"y": 1}}, {"x": 1}, {"output.x": ({"y": 1}, 1)}),
        (5, [5], {"output": (5, [5])}),
        ({"x": [1, True]}, {"x": [1.0, 1]}, {"output.x[1]": (True, 1)}),
        ({"x": float("inf")}, {"x": 1e308}, {"output.x": (float("inf"), 1e308)}),
        (None, None, {}),
    ],
)
def test_what_differs(left, right, differs):
    found = rows(run(output=left), run(output=right))
    assert found == differs
    for path, values in found.items():
        assert [type(value) for value in values] == [type(value) for value in differs[path]]


@pytest.mark.parametrize(("leaf", "differs"), [(1, ""), (2, "x"), ({"y": 1}, "x")])
def test_values_that_nest_as_deeply_as_any_answer_are_compared(leaf, differs):
    def nested(value: Any) -> Any:
        for _ in range(600):
            value = {"a": [value]}
        return value

    one, other = run(output=nested({"x": 1})), run(output=nested({"x": leaf}))
    assert [path.rpartition(".")[2].partition("[")[0] for path in rows(one, other)] == ([differs] if differs else [])
    assert rows(run(output=nested({"x": leaf})), other) == {}
    assert len(rows(run(output=nested({"x": [1], "z": 1})), run(output=nested({"x": [1, 2], "y": 1})))) == 3


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
    assert (len(comparison), repr(comparison)) == (3, "<RunComparison of 2 runs: 3 paths>")


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
    with pytest.raises(ValueError, match="two"):
        compare(RunSet([one]))
    with pytest.raises(TypeError, match="joined by"):
        compare(one, RunSet([one]))
    with pytest.raises(TypeError, match="joined by"):
        compare(RunSet([one]), RunSet([one]), RunSet([one]))
    with pytest.raises(TypeError, match="not dict"):
        compare(one, {})


def test_a_node_that_failed_twice_has_both_messages():
    twice = tuple(NodeError(node_id="n", error_message=text) for text in ("a", "b"))
    assert rows(failed("n"), failed(node_errors=twice)) == {"error.n": ("no price", ["a", "b"])}


def test_the_baseline_is_what_the_others_are_measured_by():
    three = [run(run_id=f"r{n}", output={"n": n}) for n in (1, 2, 2)]
    assert compare(*three).marked("output.n") == (1, 2)
    for baseline in (1, -2, "r2", three[1]):
        assert compare(*three, baseline=baseline).marked("output.n") == (0,), baseline
    for wrong in (3, -4, "r9", True, None):
        with pytest.raises(InputError, match="baseline is"):
            compare(*three, baseline=wrong)


@pytest.mark.parametrize(
    ("left", "right", "options", "equal"),
    [
        (1.0, 1.001, {"rtol": 0.01}, True),
        (1.0, 1.1, {"rtol": 0.01}, False),
        (0, 1, {"atol": 1}, True),
        (0, 2, {"atol": 1}, False),
        (10**400, 10**400 + 1, {"rtol": 1e-9}, True),
        (10**400, 2 * 10**400, {"rtol": 1e-9}, False),
        (2**53, 2**53 + 1, {"atol": 0.5}, False),
        (10**400, 1.5, {"rtol": 0.5}, False),
        (True, 1, {"atol": 5}, False),
        ("1", "1.1", {"atol": 5}, False),
        (None, 0, {"atol": 5}, False),
        ([1, 2], [1.05, 2], {"atol": 0.1}, True),
        (float("inf"), float("inf"), {"rtol": 0.5}, True),
        (float("inf"), -(10**400), {"rtol": 0.5}, False),
    ],
)
def test_tolerances_are_of_numbers_alone(left, right, options, equal):
    assert (rows(run(output={"x": left}), run(output={"x": right}), **options) == {}) is equal
    assert (rows(run(output={"x": right}), run(output={"x": left}), **options) == {}) is equal


@pytest.mark.parametrize(
    ("ignore", "left"),
    [
        ("output.id", {"output.items[0].id", "output.items[1].id", "output.meta.a.at", "output.meta.b.at"}),
        (["output.items[*].id", "output.meta"], {"output.id"}),
        (["output.*.*.at", "output.id"], {"output.items[0].id", "output.items[1].id"}),
        (["output.items[1]", "output.meta.a", "output.id"], {"output.items[0].id", "output.meta.b.at"}),
        ("output", set()),
    ],
)
def test_what_is_ignored_is_left_out_with_all_below(ignore, left):
    def of(n: int) -> Run:
        items = [{"id": n, "same": 1}, {"id": n}]
        return run(output={"id": n, "items": items, "meta": {"a": {"at": n}, "b": {"at": n}}})

    assert set(rows(of(1), of(2), ignore=ignore)) == left


def test_what_is_ignored_does_not_count_beside_an_empty_object_either():
    one, two = run(output={"x": {}}), run(output={"x": {"at": 1}})
    assert rows(one, two, ignore="output.x.at") == {}
    assert rows(one, two) == {"output.x": ({}, {"at": 1})}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ignore": "outputs.x"}, "leads nowhere.*did you mean output"),
        ({"ignore": ["output..x"]}, "is not a path"),
        ({"ignore": [5]}, "a path is a text"),
        ({"key": {"items": "sku"}}, "leads nowhere"),
        ({"key": {"output.items": "a[*]"}}, "stands for many"),
        ({"rtol": -1}, "rtol must be"),
        ({"atol": float("nan")}, "atol must be"),
        ({"rtol": "1"}, "rtol must be"),
        ({"on": "input.x"}, "no two sets"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(InputError, match=message):
        compare(run(), run(), **options)


# --- lists by a key ------------------------------------------------------------------------------


def test_items_are_matched_by_their_key():
    one = run(output={"items": [{"sku": "A", "n": 1}, {"sku": "B-1", "n": 2}, {"sku": 3, "n": 3}]})
    two = run(output={"items": [{"sku": 3.0, "n": 3}, {"sku": "B-1", "n": 5}, {"sku": "C", "n": 1}]})
    comparison = compare(one, two, key={"output.items": "sku"})
    assert comparison.rows == {
        "output.items[sku=A].sku": ("A", MISSING),
        "output.items[sku=A].n": (1, MISSING),
        "output.items[sku='B-1'].n": (2, 5),
        "output.items[sku=C].sku": (MISSING, "C"),
        "output.items[sku=C].n": (MISSING, 1),
    }
    assert comparison.notes == ()


def test_keys_reach_below_lists_and_into_items():
    def of(*names: str) -> Run:
        return run(output={"orders": [{"lines": [{"product": {"id": name}} for name in names]}]})

    options = {"key": {"output.orders[*].lines": "product.id"}}
    assert rows(of("a", "b"), of("b", "a"), **options) == {}
    assert list(rows(of("a"), of("b"), **options)) == [
        "output.orders[0].lines[product.id=a].product.id", "output.orders[0].lines[product.id=b].product.id",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("items", "why"),
    [
        ([{"sku": "A", "n": 1}, {"sku": "A", "n": 2}], "two items have the same 'sku': A"),
        ([{"n": 1}], "an item has no text or number at 'sku'"),
        ([{"sku": True}], "an item has no text or number at 'sku'"),
        ([5], "an item has no text or number at 'sku'"),
    ],
)
def test_where_the_key_does_not_tell_items_apart_position_counts_and_is_said(items, why):
    good = run(output={"items": [{"sku": "B", "n": 0}]})
    comparison = compare(good, run(output={"items": items}), key={"output.items": "sku"})
    assert len(comparison.notes) == 1  # whether or not anybody has looked at the rows
    assert all(path.startswith(("output.items[0]", "output.items[1]")) for path in comparison.rows)
    assert comparison.notes == (f"output.items is compared by position: {why}",)
    assert why in comparison._repr_mimebundle_()["text/plain"]


# --- many runs: which inputs go with what --------------------------------------------------------


@pytest.fixture
def swept() -> RunSet:
    """Return runs over sku and qty, of which all of sku Z fail, and the total depends on both."""
    return RunSet(
        failed(input={"sku": sku, "qty": qty}) if sku == "Z" else
        run(input={"sku": sku, "qty": qty}, output={"total": qty * 10, "kind": sku.lower(), "at": f"{sku}{qty}"})
        for sku in ("A", "B", "Z") for qty in range(4)
    )  # fmt: skip


def test_by_tells_what_runs_of_each_input_gave(swept):
    comparison = swept.compare()
    assert isinstance(comparison, RunComparison)
    frame = comparison.by("input.sku")
    assert frame.index.names == ["input.sku", "path"]
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        "runs": "Int64", "distinct": "Int64", "value": "object", "share": "float64",
    }  # fmt: skip
    assert list(frame.loc[("Z", "status")]) == [4, 1, "fail", 1.0]
    assert list(frame.loc[("A", "output.kind")]) == [4, 1, "a", 1.0]
    assert list(frame.loc[("A", "output.total")]) == [4, 4, 0, 0.25]
    assert frame.loc[("Z", "output.total"), "value"] is pd.NA
    both = comparison.by("input.sku", "input.qty")
    assert list(both.loc[("B", 3, "output.total")]) == [1, 1, 30, 1.0]
    with pytest.raises(InputError, match="not of an input or a tag"):
        comparison.by("output.total")


def test_by_reaches_into_lists():
    lists = [[{"qty": 1}, 5], [{"qty": 2}], [], None]
    runs = RunSet(run(input={"lines": lines}, output={"n": len(lines or ())}) for lines in lists)
    frame = runs.compare().by("input.lines[0].qty")
    assert frame.xs("output.n", level="path")["runs"].tolist() == [1, 1, 2]
    assert runs.compare().by("input.lines[1]").xs("output.n", level="path")["runs"].tolist() == [1, 3]


def test_without_paths_by_ranks_the_inputs_by_what_they_explain(swept):
    ranks = swept.compare().by()
    assert ranks.loc[("input.sku", "status"), "explained"] == 1.0
    assert ranks.loc[("input.sku", "output.kind"), "explained"] == 1.0
    assert ranks.loc[("input.qty", "status"), "explained"] == 0.0
    # totals 0, 10, 20, 30 twice each and missing four times: 4 of 12 are guessed without, 8 with qty
    assert ranks.loc[("input.qty", "output.total"), "explained"] == pytest.approx(0.5)
    assert ranks.loc[("input.sku", "status"), "values"] == 3


def test_an_input_that_is_another_for_each_run_explains_nothing():
    runs = RunSet(run(input={"n": n}, output={"n": n}) for n in range(5))
    assert runs.compare().by().empty
    assert list(runs.compare().by("input.n")["runs"]) == [1] * 5


def test_an_input_that_is_another_for_nearly_each_run_explains_nothing_either():
    """Each value would be right about itself alone."""

    def swept(*bad: int) -> RunSet:
        return RunSet(
            run(input={"sku": "AB"[n % 2]} | ({"order": n} if n > 3 else {}), output={"ok": n not in bad})
            for n in range(20)
        )

    by_sku = compare(swept(), swept(*range(0, 20, 2)))
    assert by_sku.by()["explained"].to_dict() == {"input.sku": 1.0, "input.order": 0.0}
    assert any("where it changed: input.sku" in line for line in plain(by_sku))
    by_chance = compare(swept(), swept(5, 6, 11))
    assert by_chance.by()["explained"].to_dict() == {"input.sku": 0.0, "input.order": 0.0}
    assert not any("where it changed" in line for line in plain(by_chance))
    assert swept(5, 6).compare().by().loc[("input.order", "output.ok"), "explained"] == 0.0


# --- two sets, matched by input ------------------------------------------------------------------


def test_sets_are_matched_by_input_whatever_its_order():
    before = RunSet([run(input={"a": n, "b": 0}, output={"x": n}) for n in range(4)])
    after = RunSet([run(input={"b": 0, "a": n}, output={"x": n if n != 2 else 9}) for n in (5, 3, 2, 1)])
    comparison = compare(before, after)
    assert isinstance(comparison, SetComparison)
    assert [(one.input["a"], other.input["a"]) for one, other in comparison.pairs] == [(1, 1), (2, 2), (3, 3)]
    assert comparison.changes.to_dict("records") == [
        {"input_key": "a=2", "path": "output.x", "before": 2, "after": 9, "kind": "changed"}
    ]
    assert comparison.unmatched[["input_key", "side"]].to_numpy().tolist() == [["a=0", "before"], ["a=5", "after"]]
    assert comparison.counts == {
        "pairs": 3, "equal": 2, "changed": 1, "regressions": 0, "fixes": 0, "unmatched": 2,
    }  # fmt: skip
    assert (len(comparison), bool(comparison)) == (1, True)
    assert repr(comparison) == "<SetComparison of 3 pairs: 1 changed, 0 regressions, 0 fixes>"


def test_runs_of_one_input_are_paired_in_their_order():
    before = RunSet([run(input=1, output=n) for n in range(3)])
    after = RunSet([run(input=1, output=n) for n in range(2)])
    comparison = compare(before, after)
    assert len(comparison) == 0
    assert list(comparison.unmatched["run_id"]) == [before[2].run_id]


def test_inputs_of_other_types_are_other_inputs():
    values = [1, True, "1", None, [1], {"a": 1}, {}]
    sets = [RunSet(run(input=value) for value in order) for order in (values, reversed(values))]
    assert all(exact(one.input) == exact(other.input) for one, other in compare(*sets).pairs)
    assert compare(*sets).counts["pairs"] == len(values)


def test_on_matches_by_some_paths_only():
    before = RunSet([run(input={"sku": "A", "at": 1}, tags={"case": "x"}), run(input={"at": 3}, tags={"case": "y"})])
    after = RunSet([run(input={"at": 4}, tags={"case": "y"}), run(input={"sku": "A", "at": 2}, tags={"case": "x"})])
    by_sku = compare(before, after, on="input.sku")
    assert list(by_sku.changes["path"]) == ["input.at", "input.at"]
    assert by_sku.changes["input_key"].iloc[0] == "sku=A"
    by_tag = compare(before, after, on=["tags.case"], ignore="input")
    assert (len(by_tag.pairs), len(by_tag)) == (2, 0)
    for wrong in ("output.x", ["elapsed"], [5], []):
        with pytest.raises(InputError):
            compare(before, after, on=wrong).changes  # noqa: B018


def test_the_baseline_says_which_set_was_before():
    one, two = RunSet([run(output=1)]), RunSet([run(output=2)])
    for baseline in (1, two):
        assert compare(one, two, baseline=baseline).changes[["before", "after"]].to_numpy().tolist() == [[2, 1]]
    with pytest.raises(InputError, match="keep_equal"):
        compare(one, two, keep_equal=True)


def test_kinds_of_changes_and_the_frame_of_paths():
    before = RunSet([run(input=n, output={"a": 1, "b": 1, "c": 1, "d": None}) for n in range(3)])
    after = RunSet([run(input=n, output={"a": 2, "b": "1", "d": 0, "e": None}) for n in range(3)])
    changes = compare(before, after, ignore=["output.x"]).changes
    assert list(zip(changes["path"], changes["kind"], strict=True))[:5] == [
        ("output.a", "changed"), ("output.b", "type"), ("output.c", "removed"), ("output.d", "type"),
        ("output.e", "added"),
    ]  # fmt: skip
    assert changes["after"].iloc[2] is pd.NA
    assert changes["after"].iloc[4] is None
    assert {name: str(dtype) for name, dtype in changes.dtypes.items()} == {
        "input_key": "string", "path": "string", "before": "object", "after": "object", "kind": "category",
    }  # fmt: skip
    frame = compare(before, after).frame
    assert frame.loc["output.b", ["pairs", "changed", "type"]].tolist() == [3, 0, 3]
    assert frame.loc["output.c", ["removed", "example", "before"]].tolist() == [3, "0", 1]


def test_regressions_and_fixes_tell_the_failing_run():
    before = RunSet([run(input=1), failed(input=2), failed("n", input=3), run(input=4)])
    after = RunSet([failed(input=1), run(input=2), failed("m", input=3), run(input=4, status="unsent", reason="down")])
    comparison = compare(before, after)
    told = ["input_key", "status_before", "status_after", "error_node", "error_type", "error_message"]
    assert comparison.regressions[told].astype(object).where(lambda frame: frame.notna(), None).to_numpy().tolist() == [
        ["1", "success", "fail", "price", "KeyError", "no price"],
        ["4", "success", "unsent", None, None, "down"],
    ]
    assert comparison.fixes[told].to_numpy().tolist() == [["2", "fail", "success", "price", "KeyError", "no price"]]
    assert comparison.fixes["run_id_before"].tolist() == [before[1].run_id]
    assert "error.m" in set(comparison.changes["path"])


def test_timing_is_of_the_pairs_that_succeeded():
    before = RunSet([*(run(input=n, elapsed=float(n + 1)) for n in range(5)), failed(input=9, elapsed=100.0)])
    after = RunSet([*(run(input=n, elapsed=2.0 * (n + 1)) for n in range(5)), run(input=9, elapsed=100.0)])
    timing = compare(before, after).timing
    assert timing.loc["median"].tolist() == [3.0, 6.0, 2.0]
    assert timing.loc["p95"].tolist() == pytest.approx([4.8, 9.6, 2.0])
    assert compare(RunSet(), RunSet()).timing.isna().all(axis=None)


def test_two_durations_are_told_in_one_unit():
    def told(before, after):
        pair = (RunSet([run(input=1, elapsed=elapsed)]) for elapsed in (before, after))
        return plain(compare(*pair))[1]

    assert "median 0.97 → 1.26 ms (×1.30)" in told(0.00097, 0.00126)
    assert "median 0.5 s → 1.500 s" in told(0.5, 1.5).replace("0.500 s", "0.5 s")


def test_by_tells_for_which_inputs_something_changed(swept):
    after = RunSet(run(input=one.input, output={"total": 1}) if one.input["sku"] == "B" else one for one in swept)
    comparison = swept.compare(after)
    frame = comparison.by("input.sku")
    assert frame.index.name == "input.sku"
    assert frame.loc["B", ["pairs", "changed", "regressions", "share", "path"]].tolist() == [
        4, 4, 0, 1.0, "output.total",
    ]  # fmt: skip
    assert frame.loc["A", "changed"] == 0
    ranks = comparison.by()
    assert ranks["explained"].to_dict() == {"input.sku": 1.0, "input.qty": 0.0}
    assert compare(swept, swept).by("input.sku")["changed"].sum() == 0


def test_input_keys_name_what_tells_inputs_apart_and_are_unique():
    long = "x" * 500
    inputs = [{"same": 1, "o": {"n": n}, "t": long + str(n)} for n in range(3)]
    before = RunSet(run(input=value, output=1) for value in inputs)
    after = RunSet(run(input=value, output=2) for value in inputs)
    keys = list(compare(before, after).changes["input_key"])
    assert [key[:6] for key in keys] == ["o.n=0,", "o.n=1,", "o.n=2,"]
    assert all(len(key) < 130 for key in keys)
    cut = [{"t": long + str(n)} for n in range(3)]
    sets = (RunSet(run(input=value, output=n) for value in cut) for n in range(2))
    assert len(set(compare(*sets).changes["input_key"])) == 3


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "<script>", "数量"])
def test_sets_of_odd_texts_are_compared_and_shown(text):
    before = RunSet([run(input={text: text}, output={text: text}, workflow=text), run(input={text: 1})])
    after = RunSet([run(input={text: text}, output={text: text * 30}, workflow=text), failed(text, input={text: 1})])
    comparison = compare(before, after)
    assert comparison.changes["before"].iloc[0] == text
    assert comparison.by(format_path((text,), "input"))["changed"].sum() == 2
    for frame in (comparison.frame, comparison.regressions, comparison.unmatched):
        assert isinstance(frame, pd.DataFrame)
    shown = comparison._repr_mimebundle_()
    assert "<script" not in shown["text/html"]


def test_empty_sets_are_compared():
    comparison = compare(RunSet(), RunSet())
    assert comparison.counts["pairs"] == 0
    for frame in (comparison.changes, comparison.frame, comparison.regressions, comparison.unmatched, comparison.by()):
        assert frame.empty
    assert "0 pairs" in comparison._repr_mimebundle_()["text/plain"]


# --- what it looks like --------------------------------------------------------------------------


def plain(comparison: Any) -> list[str]:
    lines: list[str] = comparison._repr_mimebundle_()["text/plain"].splitlines()
    assert max(map(len, lines)) <= 100
    return lines


def test_a_set_comparison_says_the_counts_the_failures_the_paths_and_the_input(swept):
    after = RunSet(failed(input=one.input) if one.input["sku"] == "B" else one for one in swept)
    lines = plain(compare(swept, after))
    assert lines[0] == "12 pairs of runs of flow: 8 equal, 4 changed, 4 regressions"
    assert any("sku=B, qty=0" in line and "success → fail" in line and "KeyError  no price" in line for line in lines)
    assert any("where it changed: input.sku" in line for line in lines)
    assert any(line.split() == ["B", "4", "of", "4", "4", "status"] for line in lines)


def test_hundreds_of_runs_are_told_by_their_values(swept):
    comparison = (swept + [run(input={"sku": "A", "qty": n}) for n in range(300)]).compare()
    lines = plain(comparison)
    assert lines[0].startswith("312 runs of flow differ in ")
    assert any(line.split()[:4] == ["status", "2", "success", "(308),"] for line in lines)
    assert len(comparison._repr_mimebundle_()["text/html"]) < 20_000


@pytest.mark.parametrize("count", [2, 300])
def test_secrets_that_differ_are_not_shown(count):
    runs = RunSet(run(input={"password": f"geheim-{n}"}) for n in range(count))
    lines = plain(runs.compare())
    assert any(line.split()[0] == "input.password" and "***" in line for line in lines), lines
    assert "geheim" not in str(runs.compare()._repr_mimebundle_())


def test_sets_are_compared_without_showing_a_secret():
    inputs = [{"password": f"geheim-{n % 2}", "n": n, "as": [{"token": f"geheim-{n}"}]} for n in range(8)]
    before = RunSet(run(input=one, output={"token": "geheim-a"}) for one in inputs)
    after = RunSet(
        failed(input=one) if n in (1, 3) else run(input=one, output={"token": f"geheim-{'ab'[n % 2]}"})
        for n, one in enumerate(inputs)
    )
    for sets in (compare(before, after), compare(before[5:6], after[5:6])):  # of one pair, the whole input is its key
        lines = plain(sets)
        assert any(line.split()[0] == "output.token" and "*** → ***" in line for line in lines), lines
        assert "geheim" not in str(sets._repr_mimebundle_())
    assert any(line.split()[:4] == ["***", "4", "of", "4"] for line in plain(compare(before, after)))
    keys = [compare(before, after).key_of(n) for n in range(8)]
    assert len(set(keys)) == 8


def test_several_differences_of_a_long_text_are_told_apart():
    words = [f"word-{n}" for n in range(60)]
    texts = [" ".join(words), " ".join(["first", *words[1:30], *words[31:50], "new", *words[50:]])]
    (line,) = (line for line in plain(compare(*(run(output={"t": text}) for text in texts))) if "[-" in line)
    assert "{+first+}" in line


def test_long_texts_are_shown_by_their_difference():
    words = ["word"] * 60
    one = run(output={"t": " ".join(words)})
    two = run(output={"t": " ".join([*words[:30], "other", *words[31:]])})
    comparison = compare(one, two)
    shown = comparison._repr_mimebundle_()
    assert "<del" in shown["text/html"]
    assert ">other</ins>" in shown["text/html"]
    assert comparison.rows["output.t"][1] == two.output["t"]  # whole in the data
    assert any("[-word-]{+other+}" in line for line in plain(compare(one, two)))


# --- for any values ------------------------------------------------------------------------------


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


def patched(value: Any, changes: dict[Any, tuple[Any, Any]]) -> Any:
    """Return a value with the second of each pair at its path; what is emptied by that goes, too."""
    value = copy.deepcopy(value)
    for path in sorted(changes, key=lambda path: [str(step).rjust(9) for step in path], reverse=True):
        after = changes[path][1]
        if not path:
            return after
        if after is MISSING:
            holders = [value]
            for step in path[:-1]:
                holders.append(holders[-1][step])
            for depth in range(len(path) - 1, -1, -1):
                del holders[depth][path[depth]]
                refilled = any(each[:depth] == path[:depth] for each, (_, new) in changes.items() if new is not MISSING)
                if holders[depth] or refilled:
                    break
    for path in sorted(changes, key=lambda path: [str(step).rjust(9) for step in path]):
        after = changes[path][1]
        if after is MISSING:
            continue
        if value is MISSING:
            value = {} if isinstance(path[0], str) else []
        inner = value
        for step, below in zip(path, [*path[1:], None], strict=True):
            new = copy.deepcopy(after) if below is None else {} if isinstance(below, str) else []
            if isinstance(step, int):
                if step == len(inner):
                    inner.append(new)
                elif below is None:
                    inner[step] = new
            elif below is None or step not in inner:
                inner[step] = new
            inner = inner[step]
    return value


@given(outputs, outputs)
@settings(max_examples=400)
def test_the_changes_turn_one_value_into_the_other(left, right):
    for before, after in ((left, right), (right, left)):
        changes = dict(differences([before, after], (), Rules(), {}))
        assert repr_of(patched(before, changes)) == repr_of(after)


@given(st.lists(outputs, min_size=1, max_size=4))
def test_no_run_differs_from_itself(values):
    runs = RunSet(run(input=value, output=value) for value in values)
    assert len(compare(runs, runs)) == 0
    assert compare(runs, runs).counts["unmatched"] == 0
    assert all(rows(one, one) == {} for one in runs)


@given(
    st.lists(st.tuples(st.integers(0, 3), outputs), max_size=6),
    st.lists(st.tuples(st.integers(0, 3), outputs), max_size=6),
)
def test_two_sets_the_other_way_round_are_the_mirror_image(left, right):
    one, two = (RunSet(run(input=key, output=value) for key, value in side) for side in (left, right))
    forth, back = compare(one, two), compare(two, one)
    mirrored = {"added": "removed", "removed": "added", "changed": "changed", "type": "type"}
    told = {
        (forth.key_of(pair), path, repr(exact(before)), repr(exact(after)), kind)
        for pair, path, before, after, kind in forth.differences
    }
    seen = {
        (back.key_of(pair), path, repr(exact(after)), repr(exact(before)), mirrored[kind])
        for pair, path, before, after, kind in back.differences
    }
    assert told == seen
    assert forth.counts["unmatched"] == back.counts["unmatched"]


@given(st.dictionaries(st.text(max_size=3) | st.integers(), outputs, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_items_with_a_key_does_not_count(items, shuffled):
    one = [{"id": key, "value": value} for key, value in items.items()]
    two = random.Random(shuffled.random()).sample(one, len(one))
    key = {"output.items": "id"}
    assert rows(run(output={"items": one}), run(output={"items": two}), key=key) == {}


@given(outputs)
def test_comparing_changes_nothing(value):
    before = json.dumps(value)
    one = run(input=value, output=value)
    compare(one, run(output=None), ignore="output.a").rows  # noqa: B018
    assert json.dumps(value) == before
