"""Sets of runs summed up and drawn: runs/summary.py and render/plots.py."""

import random
import sys
from datetime import timedelta

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.colors import to_hex

from fgnb.counted import counted
from fgnb.errors import ConfigError, InputError
from fgnb.render.drawing import GONE
from fgnb.render.html import STATUS_COLOURS
from fgnb.render.picture import plot_html
from fgnb.runs.run import NodeError
from fgnb.runs.runset import RunSet
from tests.runs import AT, make_run

mpl.use("Agg")


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    pyplot.close("all")


def of(count):
    chance = random.Random(1)

    def run(number):
        failed = number % 5 == 2
        error = NodeError(node_id="price", error_message="x", error_type="KeyError")
        return make_run(
            status="fail" if failed else "success", node_errors=(error,) if failed else (), elapsed=chance.random(),
            input={"sku": f"A-{number % 5}", "qty": number % 7, "tags": ["a", number % 2]},
            output=None if failed else {"total": number * 1.5}, submitted_at=AT + timedelta(seconds=number / 10),
        )  # fmt: skip

    return RunSet(run(number) for number in range(count))


# --- summary -------------------------------------------------------------------------------------


def test_the_summary_has_a_row_per_status_node_and_error_type():
    rejected = [make_run(status="rejected", elapsed=0.1)] * 3
    summary = (of(20) + rejected).summary()
    assert summary.index.names == ["status", "error_node", "error_type"]
    assert summary.index.get_level_values("status").tolist() == ["success", "fail", "rejected"]
    assert summary["count"].tolist() == [16, 4, 3]
    assert summary.iloc[1].name[1:] == ("price", "KeyError")
    assert summary["share"].sum() == pytest.approx(1.0)
    assert summary["elapsed.p99"].iloc[2] == pytest.approx(0.1)
    assert {name: str(dtype) for name, dtype in summary.dtypes.items()} == {
        "count": "Int64", "share": "float64", "elapsed.p50": "float64", "elapsed.p95": "float64",
        "elapsed.p99": "float64",
    }  # fmt: skip


def test_the_summary_by_columns_counts_failures_and_quantiles():
    runs = of(50)
    by_sku = runs.summary("input.sku")
    assert by_sku["failed"].to_dict() == {"A-0": 0, "A-1": 0, "A-2": 10, "A-3": 0, "A-4": 0}
    assert by_sku["success"].to_dict()["A-2"] == 0.0
    elapsed = runs.frame.loc[runs.frame["input.sku"] == "A-1", "elapsed"]
    assert by_sku.loc["A-1", "elapsed.p95"] == pytest.approx(elapsed.quantile(0.95))
    both = runs.summary(["input.sku", "input.qty"])
    assert both.index.names == ["input.sku", "input.qty"]
    assert both["count"].sum() == 50
    assert runs.summary("input.tags").index.tolist() == ['["a",0]', '["a",1]']
    assert runs.summary("output.total")["count"].iloc[2] == 10  # the missing ones are a group
    with pytest.raises(InputError, match=r"did you mean input\.sku"):
        runs.summary("input.skus")
    with pytest.raises(InputError, match="no column"):
        runs.summary([])


def test_nothing_is_summed_up_as_nothing():
    assert RunSet().summary().empty
    assert RunSet().summary("status").empty


def test_errors_are_grouped_as_any_frame():
    assert of(20).errors.groupby(["node_id", "error_type"]).size().to_dict() == {("price", "KeyError"): 4}


# --- plots ---------------------------------------------------------------------------------------


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


PLOTS = {
    "elapsed": lambda plot, ax: plot.elapsed(ax=ax),
    "elapsed by": lambda plot, ax: plot.elapsed("input.sku", ax=ax),
    "timeline": lambda plot, ax: plot.timeline(ax=ax),
    "outcomes": lambda plot, ax: plot.outcomes("input.sku", ax=ax),
    "outcomes numbers": lambda plot, ax: plot.outcomes("input.qty", "output.total", ax=ax),
    "outcomes pairs": lambda plot, ax: plot.outcomes("input.qty", "input.sku", ax=ax),
    "parallel": lambda plot, ax: plot.parallel(ax=ax),
    "parallel chosen": lambda plot, ax: plot.parallel(["input.sku", "output.total"], color="input.qty", ax=ax),
}


def test_what_can_be_drawn_is_said():
    assert repr(of(2).plot) == "<plots of 2 runs: .elapsed(), .timeline(), .outcomes(), .parallel()>"


@pytest.mark.parametrize("name", PLOTS)
@pytest.mark.parametrize("count", [1, 2, 30, 900])
def test_each_plot_draws_in_the_axes_it_is_given_and_returns_them(name, count):
    _, ax = pyplot.subplots()
    assert PLOTS[name](of(count).plot, ax) is ax
    assert len(pyplot.get_fignums()) == 1
    ax.figure.canvas.draw()
    assert counted(count, "run") + " of flow" in ax.get_title()


@pytest.mark.parametrize("name", PLOTS)
def test_nothing_is_drawn_as_no_runs(name):
    runs = of(3).filter(lambda run: False)
    if name in ("elapsed", "elapsed by", "timeline", "parallel"):
        ax = PLOTS[name](runs.plot, None)
        assert ax.texts[0].get_text() == "no runs"
    else:  # without runs there are no inputs either
        with pytest.raises(InputError, match="no column"):
            PLOTS[name](runs.plot, None)


def test_a_new_figure_is_made_without_axes():
    of(3).plot.elapsed()
    of(3).plot.timeline()
    assert len(pyplot.get_fignums()) == 2


def test_elapsed_has_every_run_in_a_bar_of_its_status_colour_and_the_median():
    runs = of(200)
    ax = runs.plot.elapsed()
    by_colour = {}
    for patch in ax.patches:
        colour = to_hex(patch.get_facecolor())
        by_colour[colour] = by_colour.get(colour, 0) + patch.get_height()
    assert by_colour == {STATUS_COLOURS["success"]: 160, STATUS_COLOURS["fail"]: 40}
    assert {patch.get_hatch() for patch in ax.patches if to_hex(patch.get_facecolor()) == STATUS_COLOURS["fail"]} == {
        "////"
    }
    median = ax.lines[0].get_xdata()[0]
    assert median == pytest.approx(runs.frame["elapsed"].median())
    assert ax.get_xscale() == "log"
    assert {"success (160)", "fail (40)"} < set(legend(ax))


def test_the_timeline_has_a_bar_per_run_or_counts_many():
    ax = of(30).plot.timeline()
    assert len(ax.patches) == 30
    ax = of(500).plot.timeline()
    took = list(enumerate(of(500).frame["elapsed"]))
    assert max(ax.lines[0].get_ydata()) == max(
        sum(begin / 10 <= at / 10 < begin / 10 + elapsed for begin, elapsed in took) for at in range(500)
    )
    assert "fail (100)" in legend(ax)


def test_outcomes_show_where_runs_fail():
    ax = of(50).plot.outcomes("input.sku")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["A-0", "A-1", "A-2", "A-3", "A-4"]
    assert [patch.get_height() for patch in ax.patches[5:]] == [0, 0, 1, 0, 0]
    ax = of(50).plot.outcomes("input.qty", "output.total")
    assert sum(len(points.get_offsets()) for points in ax.collections) == 50
    assert legend(ax) == ["success (40)", "fail (10)"]
    ax = of(50).plot.outcomes("input.qty", "input.sku")
    mesh = ax.collections[0].get_array()
    assert mesh.shape == (5, 7)
    assert mesh[2].max() == 0.0
    ax = RunSet(make_run(input={"n": n / 3}) for n in range(1000)).plot.outcomes("input.n")
    assert len(ax.patches) == 80


def test_parallel_has_a_line_per_run_over_what_varies():
    ax = of(50).plot.parallel()
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "input.sku", "input.qty", "input.tags", "elapsed", "status",
    ]  # fmt: skip
    assert sum(len(lines.get_segments()) for lines in ax.collections) == 50
    with pytest.raises(InputError, match="two columns"):
        of(5).plot.parallel(["input.qty"])


def test_the_rarest_of_many_groups_are_drawn_together():
    runs = RunSet(make_run(input={"sku": f"A-{n}" if n > 9 else "A-0"}) for n in range(20))
    labels = legend(runs.plot.elapsed("input.sku"))
    assert len(labels) == 2 + 8  # the median, the 95th percentile, and the groups
    assert any(label.startswith("A-0") for label in labels)
    assert any(label.startswith("others") for label in labels)


def test_the_timeline_of_many_successes_has_no_axis_of_failures():
    runs = of(900)
    assert len(runs.plot.timeline().figure.axes) == 2
    assert len(runs.filter(lambda run: run.ok).plot.timeline().figure.axes) == 1


def test_what_is_missing_stands_apart_from_every_value():
    ax = of(50).plot.parallel(["input.qty", "output.total"])
    ends = {to_hex(lines.get_edgecolor()[0]): [way[-1][1] for way in lines.get_segments()] for lines in ax.collections}
    assert set(ends[STATUS_COLOURS["fail"]]) == {GONE}
    assert min(ends[STATUS_COLOURS["success"]]) == 0.0
    assert {text.get_text(): text.xy[1] for text in ax.texts if text.xy[0] == 1}["missing"] == GONE
    assert ax.get_ylim()[0] < GONE
    assert of(1).plot.parallel(["input.qty", "output.total"]).get_ylim()[0] > GONE  # nothing is missing
    ax = of(50).plot.outcomes("input.qty", "output.total")
    (bound,) = ax.lines[0].get_ydata()[:1]
    assert ax.get_ylim()[0] < bound < of(50).frame["output.total"].min()
    assert [text.get_text() for text in ax.texts] == ["missing"]


def test_integers_have_integer_ticks():
    runs = RunSet(make_run(input={"n": n, "m": 2 * n}, output={"k": n % 2}, elapsed=1 + n / 9) for n in range(1, 4))
    ax = runs.plot.parallel(["input.n", "input.m", "elapsed"])
    told = [(text.xy[0], text.get_text()) for text in ax.texts]
    assert [text for place, text in told if place == 0] == ["1", "2", "3"]
    assert [text for place, text in told if place == 1] == ["2", "3", "4", "5", "6"]
    drawn = [
        (runs.plot.elapsed(), "y"), (runs.plot.outcomes("input.n"), "x"),
        (runs.plot.outcomes("input.n", "output.k"), "xy"), (of(500).plot.timeline(), "y"),
    ]  # fmt: skip
    for ax, axes in drawn:
        ticks = [tick for name in axes for tick in getattr(ax, f"{name}axis").get_ticklocs()]
        assert ticks
        assert all(tick == int(tick) for tick in ticks)


@pytest.mark.parametrize("name", ["outcomes numbers", "outcomes", "timeline", "parallel"])
def test_the_legend_stands_beside_what_is_drawn(name):
    _, ax = pyplot.subplots(layout="constrained")
    PLOTS[name](of(30).plot, ax)
    ax.figure.canvas.draw()
    assert ax.get_legend().get_window_extent().x0 > ax.get_window_extent().x1


def test_wrong_columns_are_told():
    for draw in (
        lambda plot: plot.outcomes("input.skus"),
        lambda plot: plot.outcomes("input.sku", "output.totals"),
        lambda plot: plot.elapsed("nothing"),
        lambda plot: plot.parallel(["input.sku", "x"]),
    ):
        with pytest.raises(InputError, match="no column"):
            draw(of(3).plot)


def test_odd_texts_and_numbers_are_drawn_as_they_are():
    runs = RunSet(make_run(workflow="$a$b", input={"$x_1$": text, "n": number}) for text, number in
                  [("$\\frac", 2**70), ("数量", 0), (None, -1), ("x" * 200, 1.5), ("a\nb", 2)])  # fmt: skip
    column = next(name for name in runs.frame.columns if "x_1" in name)
    for ax in (runs.plot.outcomes(column), runs.plot.parallel(), runs.plot.elapsed(column)):
        ax.figure.canvas.draw()
        assert r"\$a\$b" in ax.get_title()


def test_without_matplotlib_plots_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ConfigError, match=r"fgnb\[plot\]"):
        of(3).plot.elapsed()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"fgnb\[plot\]"):
        plot_html(lambda ax: None, "nothing")


def test_columns_of_any_kind_are_summed_up():
    runs = RunSet([make_run(tags={"t": tag}) for tag in (None, True, 1, "1", [1], 2**70)])
    assert isinstance(runs.summary("tags.t"), pd.DataFrame)
