"""A workflow drawn: what is in the picture, what runs say in it, and that nothing breaks it."""

import base64
import random
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

import fgnb
from fgnb import shortcuts
from fgnb.errors import InputError
from fgnb.local.execution import ROOM
from fgnb.render.graph import Graph, graph_of, graph_of_run, graph_of_runs
from fgnb.render.graph_boxes import Box, Panel
from fgnb.render.graph_marks import Marks
from fgnb.render.graph_model import read
from fgnb.render.layout import Link, layered
from fgnb.render.straight import straighten
from fgnb.runs.run import NodeError, Run
from fgnb.runs.runset import RunSet
from fgnb.runs.trace import Trace
from tests.flows import action, end, flow, sleep, state
from tests.test_executions import create, normal, start
from tests.test_random_workflows import workflows

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "<script>alert('x')</script> & \"q\" ]]> \x00\x1b[31m \u202e\ufffe $x$ -->"
FAILURE = NodeError(node_id="b", node_name="b", error_message="no price", error_type="KeyError")


def parsed(graph: Graph) -> ET.Element:
    """Return the picture as XML; fails unless it is well formed, runs nothing and loads nothing."""
    svg = graph.to_svg()
    root = ET.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "style", "marker", "path", "rect", "circle", "text"}
    names = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name}
    style = root.find(f"{SVG}style")
    assert style is not None
    assert "@import" not in (style.text or "")
    assert set(re.findall(r"url\((.*?)\)", svg)) <= {"#a", "#b", "#c"}
    return root


def texts(graph: Graph) -> list[str]:
    """Return the lines of the picture; where one was cut, the whole."""
    found = []
    for element in parsed(graph).iter(f"{SVG}text"):
        title = element.find(f"{SVG}title")
        found.append(title.text or "" if title is not None else "".join(element.itertext()))
    return found


def a_run(**given: Any) -> Run:
    """Return a run with what is given."""
    now = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
    return Run(**{"workflow": "flow", "status": "success", "submitted_at": now, "elapsed": 0.5, "input": {}} | given)


def failed(*errors: NodeError) -> Run:
    """Return a run that failed at nodes."""
    return a_run(status="fail", node_errors=errors or (FAILURE,))


def switch(id: str, *cases: tuple[str, str], default: str = "") -> dict[str, Any]:
    """Return a Switch."""
    conditions = [{"condition": condition, "transition": target} for condition, target in cases]
    one = state(id, type="Switch", data_conditions=conditions)
    del one["end"], one["transition"]
    return one | ({"default": {"transition": default}} if default else {})


# --- what is in it -------------------------------------------------------------------------------


def test_a_chain_has_a_node_for_each_state_and_an_edge_for_each_way():
    graph = graph_of(flow(state("a", action("x"), transition="b"), sleep("b", 5, transition="c"), end("c")))
    assert [(node.id, node.kind, node.lines) for node in graph.chain.nodes] == [
        ("a", "Operation", ("calls x",)),
        ("b", "Sleep", ("waits 5 s",)),
        ("c", "End", ()),
    ]
    assert [(edge.source, edge.target, edge.kind) for edge in graph.chain.edges] == [(0, 1, "next"), (1, 2, "next")]
    assert texts(graph) == ["a", "calls x", "b", "waits 5 s", "c"]


def test_a_name_stands_below_an_id_that_is_another():
    assert texts(graph_of(flow(end("a", name="A"), name="f"))) == ["a"]
    assert texts(graph_of(flow(end("a", name="Done"), name="f"))) == ["a", "Done"]


def test_calls_have_a_line_each_and_many_are_counted():
    calls = [action(f"f{number}") for number in range(6)]
    one = graph_of(flow(state("a", *calls[:3])))
    assert one.chain.nodes[0].lines == ("calls f0", "then f1", "then f2")
    assert graph_of(flow(state("a", *calls, action_mode="parallel"))).chain.nodes[0].lines == (
        "calls f0",
        "and f1",
        "and f2",
        "… and 3 more",
    )


def test_a_switch_has_its_conditions_at_its_ways():
    graph = graph_of(flow(switch("s", ("$.v > 1", "a"), ("$.v > 0", "b"), default="c"), end("a"), end("b"), end("c")))
    told = {(edge.label, edge.kind): graph.chain.nodes[edge.target].id for edge in graph.chain.edges}
    assert told == {("$.v > 1", "case"): "a", ("$.v > 0", "case"): "b", ("else", "else"): "c"}
    assert {"$.v > 1", "$.v > 0", "else"} <= set(texts(graph))
    (box,) = (box for box in graph._panel().boxes if box.node.id == "s")
    assert not box.end


def test_what_is_inside_a_parallel_stands_inside_it():
    branches = [
        {"name": "first", "start": "x", "states": [state("x", action("f"), transition="y"), end("y")]},
        {"name": "second", "actions": [action("g"), action("h")]},
        {"name": "third", "workflow_id": "other"},
    ]
    fork = state("p", type="Parallel", branches=branches, completion_type="n_of_m", num_completed=2)
    graph = graph_of(flow(fork))
    (node,) = graph.chain.nodes
    assert node.lines == ("at once, first 2 to end",)
    assert [chain.title for chain in node.chains] == ["first", "", ""]
    assert [[(inner.id, inner.kind, inner.lines) for inner in chain.nodes] for chain in node.chains] == [
        [("x", "Operation", ("calls f",)), ("y", "End", ())],
        [("second", "Branch", ("calls g", "then h"))],
        [("third", "SubFlow", ("runs workflow other",))],
    ]


def test_a_loop_tells_over_what_and_holds_its_body():
    inner = [state("x", action("f"), transition="y"), sleep("y", 1)]
    loop = state("l", type="Foreach", input_collection="$.items", batch_size=4, start="x", states=inner)
    graph = graph_of(flow(loop))
    (node,) = graph.chain.nodes
    assert node.lines == ("for each of $.items, 4 at once",)
    assert [inner.id for inner in node.chains[0].nodes] == ["x", "y"]
    short = graph_of(flow(state("l", action("f"), type="Foreach", input_collection="$.items")))
    assert (short.chain.nodes[0].lines, short.chain.nodes[0].chains) == (("for each of $.items", "calls f"), ())


def test_a_sub_flow_names_the_other_workflow():
    assert "runs workflow other" in texts(graph_of(flow(state("s", type="SubFlow", workflow_id="other"))))


def test_what_follows_an_error_is_dashed_and_says_which():
    entries = [{"error": "$.status == 503", "retry_ref": "again", "transition": "b"}, {"error": "", "transition": "c"}]
    definition = flow(
        state("a", action("x"), on_errors=entries),
        end("b"),
        end("c"),
        retries=[{"name": "again", "delay": 2, "max_attempts": 3}],
    )
    graph = graph_of(definition)
    assert [(edge.kind, edge.label) for edge in graph.chain.edges] == [
        ("error", "on $.status == 503"),
        ("error", "on any error"),
    ]
    assert graph.chain.nodes[0].retries == ("↻ 3 × after 2 s on $.status == 503",)
    assert len([path for path in parsed(graph).iter(f"{SVG}path") if path.get("class") == "w"]) == 2
    assert graph.chain.nodes[0].ends  # for want of an error
    unknown = graph_of(definition | {"retries": []})
    assert unknown.chain.nodes[0].retries == ("↻ again: no such retry on $.status == 503",)


def test_a_way_back_is_drawn_as_one():
    graph = graph_of(
        flow(state("a", action("x"), transition="b"), switch("b", ("$.v", "a"), ("$.w", "b"), default="c"), end("c"))
    )
    wires = {wire.label[0].text if wire.label else "": wire.back for wire in graph._panel().wires}
    assert wires == {"": False, "$.v": True, "$.w": True, "else": False}


def test_states_that_no_way_leads_to_stand_apart():
    graph = graph_of(
        flow(state("a", transition="b"), end("b"), state("lost", transition="more"), state("more", transition="b"))
    )
    assert {node.id: node.reached for node in graph.chain.nodes} == {"a": True, "b": True, "lost": False, "more": False}
    boxes = {box.node.id: box for box in graph._panel().boxes}
    assert boxes["lost"].y > max(boxes[id].y + boxes[id].height for id in "ab")
    assert {"no way leads here", "leads to b"} <= set(texts(graph))


def test_a_state_that_is_not_there_is_shown_as_missing():
    graph = graph_of(flow(state("a", transition="nope")))
    assert [(node.id, node.kind) for node in graph.chain.nodes] == [("a", "Operation"), ("nope", "missing")]
    assert "no such state" in texts(graph)
    lost = graph_of(flow(end("a")) | {"start": "nope"})
    assert [(node.id, node.kind, node.reached) for node in lost.chain.nodes] == [
        ("nope", "missing", True),
        ("a", "End", False),
    ]
    assert "no start is named" in texts(graph_of({"states": [end("a")]}))


def test_nothing_is_drawn_of_nothing():
    for definition in ({}, {"states": None}, {"states": [1, None, []]}):
        assert texts(graph_of(definition)) == ["no states"]
        assert graph_of(definition).to_text().endswith("no states")


# --- escaping and sizes --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [HOSTILE, "汉字" * 100, "x" * 5000, "‏עברית", "a\nb\tc", "]]>", "W" * 40])
def test_every_text_is_escaped_cut_in_the_picture_and_whole_in_its_title(text):
    branch = {"name": text, "actions": [action(text)]}
    errors = [{"error": text, "retry_ref": text, "transition": text}]
    graph = graph_of_run(
        flow(
            state(text, action(text), name=text + "!", transition="p", on_errors=errors),
            state("p", type="Parallel", branches=[branch, {"name": text, "states": [end(text)]}], name="p"),
            name=text,
        ),
        failed(NodeError(node_id=text, error_message=text, error_type=text)),
    )  # fmt: skip
    found = " ".join(texts(graph))
    assert " ".join(text.split())[:20].replace("\x00", "␀").replace("\x1b", "␛") in found
    bundle = graph._repr_mimebundle_()
    for line in bundle["text/plain"].splitlines():
        assert cell_len(line) <= 100
        assert not any(char < " " or char == "\u202e" for char in line)
    (source,) = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]*)"', bundle["text/html"])
    assert base64.b64decode(source).decode() == graph.to_svg()
    assert "<script" not in bundle["text/html"]
    assert set(bundle) == {"text/plain", "text/html"}


def test_texts_have_room_in_their_boxes():
    graph = graph_of(flow(end("WMWMWMWM" * 3, name="mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm")))
    (box,) = graph._panel().boxes
    assert box.width > 24 * 12  # of the widest letters in bold


def test_a_picture_of_ten_nodes_is_small(local):
    chain = [
        state(f"step-{n}", action("function"), name=f"Step-number-{n}", transition=f"step-{n + 1}") for n in range(9)
    ]
    assert len(graph_of(flow(*chain, end("step-9"))).to_svg()) < 4000
    for name in local.workflows().index:
        assert len(local.workflow(name).graph().to_svg()) < 6000


def test_a_wide_picture_keeps_its_size_and_can_be_scrolled():
    chain = [state(f"s{n}", transition=f"s{n + 1}") for n in range(40)]
    wide, narrow = graph_of(flow(*chain, end("s40"))), graph_of(flow(end("a")))
    assert "overflow-x:auto" in wide.picture()
    assert "max-width:none" in wide.picture()
    assert re.search(r'style="max-width:100%;min-width:\d+px;height:auto"', narrow.picture())
    assert "max-width:none" in narrow.picture(max_width=10)


# --- layout --------------------------------------------------------------------------------------


def overlapping(boxes: list[tuple[float, float, float, float]]) -> list[Any]:
    """Return the pairs of boxes (left, top, right, bottom) that overlap."""
    return [
        (one, other)
        for at, one in enumerate(boxes)
        for other in boxes[:at]
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]


def check_panel(panel: Panel) -> None:
    """Check that boxes and labels do not overlap, lie inside, and that ways lead from left to right."""
    places = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in panel.boxes]
    for wire in panel.wires:
        if wire.at is not None and not wire.back:
            (x, y), (width, height) = wire.at, wire.size
            places.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    assert overlapping(places) == []
    for left, top, right, bottom in places:
        assert left >= 0
        assert top >= 0
        assert right <= panel.width + 0.01
        assert bottom <= panel.height + 0.01
    boxes = [(box.x, box.y, box.x + box.width, box.y + box.height) for box in panel.boxes]
    for wire in panel.wires:
        for (x1, y1), (x2, y2) in pairwise(wire.points if not wire.back else ()):
            assert not overlapping([*boxes, (x1, min(y1, y2), x2, max(y1, y2) + 0.1)])  # no way runs over a box
    for wire in panel.wires:
        across = [x for x, _ in wire.points]
        assert wire.back or across == sorted(across)
        for x, y in wire.points:
            assert -1 <= x <= panel.width + 1
            assert -1 <= y <= panel.height + 1
    for box in panel.boxes:
        check_box(box)


def check_box(box: Box) -> None:
    """Check that what is inside a box lies inside it, side by side."""
    places = [(inner.x, inner.y, inner.x + inner.width, inner.y + inner.height) for inner in box.panels]
    assert overlapping(places) == []
    for left, top, right, bottom in places:
        assert left >= 0
        assert top >= 15 * len(box.lines)
        assert right <= box.width
        assert bottom <= box.height
    for panel in box.panels:
        check_panel(panel)


@settings(max_examples=150)
@given(workflows())
def test_any_workflow_is_laid_out_without_overlaps(definition):
    graph = graph_of(definition)
    check_panel(graph._panel())
    parsed(graph)
    assert len(list(graph.chain.walk())) >= len(definition["states"])


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["a", "b", "Switch", "Foreach", HOSTILE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what is as it should be, and now and then anything else."""
    return st.integers(0, 9).flatmap(lambda chance: good if chance else junk)


ids = mostly(st.sampled_from("abcdefg"))
kinds = mostly(st.sampled_from(["Operation", "Sleep", "End", "Switch", "Parallel", "Foreach", "SubFlow", "Other"]))


def damaged(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return states that lead anywhere, some with anything in their fields."""
    when = mostly(st.sampled_from(["$.v > 1", "", "$.status == 503 && $.v != nil"]))
    entry = mostly(
        st.fixed_dictionaries({"transition": ids}, optional={"condition": when, "error": when, "retry_ref": ids})
    )
    entries = mostly(st.lists(entry, max_size=3))
    more = {"workflow_id": junk, "actions": junk, "name": junk}
    body = mostly(st.fixed_dictionaries({"states": inner, "start": ids}, optional=more))
    branches = mostly(st.lists(body, max_size=2))
    one = st.fixed_dictionaries(
        {"id": ids, "type": kinds, "transition": ids},
        optional={
            "end": st.booleans() | junk, "duration": junk, "input_collection": junk, "default": entry,
            "data_conditions": entries, "on_errors": entries, "branches": branches, "completion_type": junk,
            "batch_size": junk, "states": inner, "start": ids, **more,
        },
    )  # fmt: skip
    return mostly(st.lists(mostly(one), min_size=1, max_size=6))


definitions = st.fixed_dictionaries(
    {"states": damaged(mostly(damaged(damaged(st.none())))), "start": ids},
    optional={"name": junk, "retries": mostly(st.lists(junk, max_size=2))},
)


@settings(max_examples=40)  # each of some 90 ms
@given(mostly(definitions))
def test_a_malformed_definition_is_drawn_as_far_as_it_goes(definition):
    graph = graph_of(definition)
    check_panel(graph._panel())
    parsed(graph)
    assert all(cell_len(line) <= 100 for line in graph.to_text().splitlines())
    assert graph.to_mermaid().startswith("flowchart LR")
    failing = failed(*(NodeError(node_id=node.id, error_message="m") for node in graph.chain.walk()))
    for other in (graph_of_run(definition, failing), graph_of_runs(definition, [failing, a_run()])):
        parsed(other)
        assert repr(other)


def test_what_is_nested_beyond_all_measure_is_drawn_to_some_depth():
    body = {"states": [end("x")], "start": "x"}
    for number in range(300):
        body = {
            "states": [state(f"s{number}", type="Parallel", branches=[{"name": "b", **body}])],
            "start": f"s{number}",
        }
    graph = graph_of({"name": "deep", **body})
    assert "nested deeper than is shown" in texts(graph)
    assert len(graph.to_text().splitlines()) < 100
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    parsed(graph_of({"states": [{"id": deep, "name": deep, "type": deep}], "name": deep}))
    assert "waits … s" in texts(graph_of({"states": [{"id": "a", "type": "Sleep", "duration": 10**5000}]}))


def test_a_chain_is_straight():
    sizes = [(random.Random(n).randint(40, 200), random.Random(n).randint(20, 90)) for n in range(30)]
    placed = layered(sizes, [Link(n, n + 1, (60, 18) if n % 3 == 0 else None) for n in range(29)])
    middles = {round(y + height / 2, 6) for (_, y), (_, height) in zip(placed.corners, sizes, strict=True)}
    assert len(middles) == 1


def test_a_way_to_an_error_does_not_bend_the_main_way():
    # 0 leads to 1 and 2; an error of each leads to 3
    links = [Link(0, 1), Link(1, 2), Link(0, 3, (50, 18), weak=True), Link(1, 3, (50, 18), weak=True)]
    placed = layered([(80, 40)] * 4, links)
    assert len({y for _, y in placed.corners[:3]}) == 1


def test_a_long_way_is_straight_between_its_ends():
    links = [Link(n, n + 1) for n in range(8)] + [Link(0, 8)]
    route = layered([(60, 30)] * 9, links).routes[-1]
    assert len({round(y, 6) for _, y in route.points[2:-2]}) == 1


def test_a_way_that_passes_through_stays_straight_where_a_short_one_crosses_it():
    # 0 and 3 are part of a long way; 1 leads to 2, across it
    middles = straighten(
        [[0, 1], [2, 3]],
        before=[[], [], [1], [0]],
        after=[[3], [2], [], []],
        weak=set(),
        heights=[2, 30, 30, 2],
        gaps=[8, 14, 14, 8],
        dummy=[True, False, False, True],
    )
    assert middles[0] == middles[3]


def test_choices_that_do_not_need_to_cross_do_not():
    cases = 6
    links = [Link(0, n + 1, (40, 18)) for n in range(cases)] + [Link(n + 1, cases + 1) for n in range(cases)]
    corners = layered([(60, 30)] * (cases + 2), links).corners
    ups = [y for _, y in corners[1:-1]]
    assert ups == sorted(ups)  # in the order of the definition


def random_links(seed: int, count: int) -> list[Link]:
    """Return ways of which some lead back."""
    chance = random.Random(seed)
    return [
        Link(
            chance.randrange(count),
            chance.randrange(count),
            (30, 18) if chance.random() < 0.3 else None,
            chance.random() < 0.2,
        )
        for _ in range(count * 2)
    ]


@pytest.mark.parametrize("seed", range(20))
def test_any_boxes_and_ways_are_laid_out(seed):
    count = 1 + seed * 3
    sizes = [(20 + seed * number % 70, 10 + number % 50) for number in range(count)]
    links = random_links(seed, count)
    placed = layered(sizes, links)
    places = [(x, y, x + w, y + h) for (x, y), (w, h) in zip(placed.corners, sizes, strict=True)]
    assert overlapping(places) == []
    for link, route in zip(links, placed.routes, strict=True):
        if not route.back:
            assert places[link.source][2] <= places[link.target][0]
            assert (route.points[0][0], route.points[-1][0]) == (places[link.source][2], places[link.target][0])
    forward = [link for link, route in zip(links, placed.routes, strict=True) if not route.back]
    reached = {link.target for link in forward}
    assert len(reached) < count or count == 1  # what is left leads back nowhere


def test_a_hundred_nodes_take_no_time():
    chance = random.Random(1)
    links = [Link(n, n + 1) for n in range(99)]
    links += [Link(n, min(99, n + chance.randint(2, 9)), (50, 18)) for n in range(0, 98, 3)]
    layered([(100, 50)] * 100, links)
    times = []
    for _ in range(3):
        begin = time.process_time()
        layered([(100, 50)] * 100, links)
        times.append(time.process_time() - begin)
    assert min(times) < 2  # some 10 ms on a machine of its own


def test_more_ways_than_anybody_could_follow_are_not_drawn():
    def entries(number: int) -> list[dict[str, Any]]:
        return [{"error": f"$.v == {at}", "transition": f"s{(number + at) % 60}"} for at in range(100)]

    states = [state(f"s{number}", transition=f"s{number + 1}", on_errors=entries(number)) for number in range(59)]
    begin = time.process_time()
    graph = graph_of(flow(*states, end("s59")))
    panel = graph._panel()
    assert time.process_time() - begin < 20  # a second on a machine of its own
    assert len(graph.chain.edges) == 59 + 5900
    assert len([wire for wire in panel.wires if wire.edge is not None]) == 2000
    assert len([wire for wire in panel.wires if wire.edge is not None and wire.edge.kind == "next"]) == 59
    assert [line.text for _, line in panel.captions] == ["3,959 more ways not drawn"]


def test_the_graph_needs_no_pandas():
    code = "import sys, fgnb.render.graph; print({'pandas', 'numpy', 'IPython'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


# --- what runs say -------------------------------------------------------------------------------

THREE = flow(state("a", action("x"), transition="b"), state("b", action("y"), transition="c"), end("c"))


def looks(graph: Graph) -> dict[str, str]:
    """Return the looks of the nodes by their ids."""
    return {
        node.id: graph.marks.nodes[node.key].look if node.key in graph.marks.nodes else "plain"
        for node in graph.chain.walk()
    }


def test_a_failed_node_is_marked_with_its_message():
    graph = graph_of_run(THREE, failed())
    assert looks(graph) == {"a": "plain", "b": "failed", "c": "plain"}
    assert {"✗ b", "KeyError: no price"} <= set(texts(graph))
    (rect,) = (rect for rect in parsed(graph).iter(f"{SVG}rect") if rect.get("class") == "f")
    assert rect is not None
    assert [(one.node, one.message, one.count) for one in graph.failures] == [("b", "KeyError: no price", 1)]
    bundle = graph._repr_mimebundle_()
    assert "✗ b" in bundle["text/plain"]
    assert "KeyError: no price" in bundle["text/plain"]
    assert "failed at b: KeyError: no price" in bundle["text/html"]  # in the picture's text
    assert "KeyError: no price" in bundle["text/html"].split("<table")[1]
    assert "failed at b" in repr(graph)


def test_of_very_many_failed_nodes_the_first_are_listed():
    definition = flow(*(state(f"n{at}", action("f"), transition=f"n{at + 1}") for at in range(12)), end("n12"))
    runs = [failed(NodeError(node_id=f"n{at}", error_message="no price")) for at in range(12)]
    html = graph_of_runs(definition, runs)._repr_mimebundle_()["text/html"]
    assert "… 2 more nodes; see .failures" in html


def test_without_a_trace_nothing_is_said_of_the_way():
    assert graph_of_run(THREE, a_run()).marks.nodes == {}
    assert graph_of_run(THREE, a_run()).marks.taken == frozenset()


def test_a_node_that_is_not_in_the_definition_is_named():
    graph = graph_of_run(THREE, failed(NodeError(node_id="gone", error_message="m")))
    assert "gone is not in this definition" in graph.to_text()
    assert [failure.node for failure in graph.failures] == ["gone"]
    assert (
        "gone is not in this definition"
        in graph_of_runs(THREE, [failed(NodeError(node_id="gone", error_message="m"))]).to_text()
    )


ORDER = [{"sku": "A-100", "qty": 3}, {"sku": "B-7", "qty": 1}]


@pytest.fixture(scope="module")
def local():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shortcuts, "_default", None)
        yield fgnb.connect("local", history="off")


def test_the_way_of_a_run_is_marked_with_times(local):
    run = local.run("batch-order", {"lines": ORDER})
    graph = run.graph()
    assert looks(graph) == {
        "lines": "passed", "costs": "passed", "goods": "passed", "rail": "passed", "road": "muted",
        "size": "passed", "review": "muted", "ship": "passed",
    }  # fmt: skip
    ids = {node.key: node.id for node in graph.chain.walk()}
    assert {(ids[edge.source], ids[edge.target]) for edge in graph.marks.taken} == {
        ("lines", "costs"), ("costs", "size"), ("size", "ship"),
    }  # fmt: skip
    notes = {ids[key]: mark.notes for key, mark in graph.marks.nodes.items()}
    assert re.fullmatch(r"[\d.]+ m?s · 2 items", notes["lines"][0])
    assert re.fullmatch(r"[\d.]+ m?s", notes["rail"][0])
    assert notes["road"] == ()
    assert len([path for path in parsed(graph).iter(f"{SVG}path") if path.get("class") == "t"]) == 3


def test_a_failure_that_was_retried_and_caught_is_marked_as_that(local):
    graph = local.run("batch-order", {"lines": ORDER, "region": "south"}).graph()
    assert (looks(graph)["rail"], looks(graph)["road"]) == ("handled", "passed")
    ids = {node.key: node.id for node in graph.chain.walk()}
    assert ("rail", "road", "error") in {(ids[e.source], ids[e.target], e.kind) for e in graph.marks.taken}
    assert any("↻ 2 attempts" in text for text in texts(graph))
    assert "failure handled" in texts(graph)
    (line,) = (line for line in graph.to_text().splitlines() if "✓ rail" in line)
    assert "↻ 2 attempts, failure handled]" in line


def test_a_retry_that_succeeded_is_told_by_its_attempts(service, functions, client):
    calls = []

    def second(event, context):
        calls.append(event)
        if len(calls) == 1:
            raise ValueError("not yet")
        return event

    functions.register(second, name="second")
    retries = [{"name": "again", "delay": 1, "max_attempts": 2}]
    entries = [{"error": "", "retry_ref": "again"}]
    definition = flow(
        state("a", action("second"), on_errors=entries, transition="end"), end(), name="again", retries=retries
    )
    client.create(definition)
    execution = client.execute("again", {}).execution
    graph = graph_of_run(definition, a_run(), service.trace(execution.execution_id))
    assert looks(graph)["a"] == "handled"
    (line,) = (line for line in graph.to_text().splitlines() if "✓ a" in line)
    assert " · ↻ 2 attempts]: calls second" in line
    assert "failure handled" not in graph.to_text()


def test_a_failure_inside_a_branch_is_marked_there_and_around(local):
    run = local.run("batch-order", {"lines": ORDER, "region": "island"}, check=False)
    found = looks(run.graph())
    assert (found["rail"], found["costs"], found["goods"], found["size"]) == ("failed", "failed", "passed", "muted")
    assert run.graph().to_text().count("no carrier goes to the region") == 1  # not once more for what is around


def test_a_state_inside_a_loop_tells_how_often_it_ran(service, functions, client):
    functions.register(lambda event, context: event, name="f")
    inner = [state("x", action("f"), transition="y"), sleep("y", 0.001)]
    loop = {
        "type": "Foreach",
        "input_collection": "$.items",
        "iteration_param": "$.item",
        "start": "x",
        "states": inner,
    }
    definition = flow(
        state("l", transition="end", **loop), end(), name="loop", functions=[{"name": "f", "operation": "f"}]
    )
    client.create(definition)
    execution = client.execute("loop", {"items": [1, 2, 3]}).execution
    visits = service.trace(execution.execution_id)
    graph = graph_of_run(definition, a_run(execution_id=execution.execution_id), Trace(execution.execution_id, visits))
    notes = {node.id: graph.marks.nodes[node.key].notes for node in graph.chain.walk()}
    assert notes["x"][0].startswith("3 times · ")
    assert set(looks(graph).values()) == {"passed"}
    ids = {node.key: node.id for node in graph.chain.walk()}
    assert {(ids[e.source], ids[e.target]) for e in graph.marks.taken} == {("l", "end"), ("x", "y")}


def test_a_branch_that_was_not_waited_for_is_marked_as_that(service, functions, client):
    functions.register(lambda event, context: event, name="f")
    branches = [
        {"name": "fast", "start": "quick", "states": [state("quick", action("f"))]},
        {"name": "late", "start": "nap", "states": [sleep("nap", 30)]},
    ]
    both = state("p", type="Parallel", completion_type="any", branches=branches)
    definition = flow(both, name="race", functions=[{"name": "f", "operation": "f"}])
    client.create(definition)
    execution = client.execute("race", {}).execution
    trace = Trace(execution.execution_id, service.trace(execution.execution_id))
    assert {"quick": "passed", "nap": "cancelled"}.items() <= looks(graph_of_run(definition, a_run(), trace)).items()
    (line,) = (line for line in trace._repr_mimebundle_()["text/plain"].splitlines() if line.strip().startswith("nap"))
    assert "cancelled" in line


def test_where_a_run_stands_is_marked_and_what_the_definition_lacks_is_passed_over(service, functions):
    entered, go_on = threading.Event(), threading.Event()

    def f(event, context):
        entered.set()
        go_on.wait(10)
        return event

    functions.register(f, name="f", timeout=60)
    definition = normal(state("a", action("f"), transition="b"), end("b"), functions=[{"name": "f", "operation": "f"}])
    execution_id = start(service, create(service, definition))
    try:
        assert entered.wait(10)
        trace = Trace(execution_id, service.trace(execution_id))
        assert looks(graph_of_run(definition, a_run(), trace))["a"] == "running"
        assert looks(graph_of_run(flow(end("b")), a_run(), trace)).keys() == {"b"}
        (line,) = (one for one in trace._repr_mimebundle_()["text/plain"].splitlines() if one.strip().startswith("a "))
        assert line.split() == ["a", "1", "running", "{}"]
    finally:
        go_on.set()


def test_of_a_trace_that_was_cut_nothing_is_said_to_be_unreached(service, functions, client):
    functions.register(lambda event, context: event, name="f")
    definition = flow(state("a", action("f"), transition="b"), end("b"), name="cut")
    client.create(definition)
    execution = client.execute("cut", {str(number): number for number in range(ROOM)}).execution
    visits = service.trace(execution.execution_id)
    assert [visit.step.id for visit in visits] == ["a"]
    graph = graph_of_run(definition, a_run(), visits)
    assert looks(graph) == {"a": "passed", "b": "plain"}
    assert "only the beginning of what happened was kept" in graph.to_text()


def test_the_nodes_of_many_runs_are_counted():
    other = NodeError(node_id="a", error_message="x")
    runs = RunSet(
        [failed() for _ in range(12)] + [failed(other), failed(other, FAILURE, FAILURE)] + [a_run() for _ in range(86)]
    )
    graph = runs.graph(THREE)
    notes = {node.id: graph.marks.nodes[node.key].notes for node in graph.chain.walk() if node.key in graph.marks.nodes}
    assert notes == {"a": ("2 failed (2 %)",), "b": ("13 failed (13 %)",)}
    assert [(one.node, one.count, one.message) for one in graph.failures] == [
        ("b", 13, "KeyError: no price"),
        ("a", 2, "x"),
    ]
    assert graph.to_text().splitlines()[1] == "  100 runs: 86 success, 14 fail"
    fills = [rect.get("style") for rect in parsed(graph).iter(f"{SVG}rect") if rect.get("class") == "f"]
    assert len(set(fills)) == 2  # the more failed, the redder
    assert "13 failed (13 %)" in texts(graph)


def test_the_most_frequent_message_of_a_node_is_told():
    runs = [failed(NodeError(node_id="b", error_message=text)) for text in ("x", "y", "y", "z")]
    assert graph_of_runs(THREE, runs).failures[0].message == "y (2 times)"
    assert graph_of_runs(THREE, runs[:2]).failures[0].message == "x (1 time)"


def test_what_every_message_says_is_left_out():
    bad = NodeError(node_id="b", error_message="function invocation exception, error: no 'a'", error_type="KeyError")
    for graph in (graph_of_run(THREE, failed(bad)), graph_of_runs(THREE, [failed(bad)])):
        assert graph.failures[0].message == "KeyError: no 'a'"
        assert "invocation" not in str(graph._repr_mimebundle_())


def test_a_set_knows_its_workflow(local):
    inputs = [{"lines": [{"sku": sku, "qty": 1}]} for sku in ("A-100", "nope", "B-7", "nope")]
    graph = local.sweep("batch-order", inputs, progress=False).graph()
    assert [(failure.node, failure.count) for failure in graph.failures] == [("lines", 2)]
    assert graph.name == "batch-order"


def test_a_set_of_several_workflows_has_no_graph():
    runs = RunSet([a_run(workflow="one"), a_run(workflow="two")])
    for definition in (None, THREE):
        with pytest.raises(InputError, match="2: one, two"):
            runs.graph(definition)
    by_name_and_id = RunSet([a_run(workflow="one", workflow_id="i"), a_run(workflow="i", workflow_id="i")])
    assert by_name_and_id.graph(THREE).failures == ()
    with pytest.raises(InputError, match="no runs"):
        RunSet().graph()
    assert RunSet().graph(THREE).to_text().splitlines()[1] == "  0 runs"


def test_where_a_definition_can_not_be_had_it_is_asked_for(connect):
    with pytest.raises(InputError, match=r"nothing is connected: give the definition"):
        a_run().graph()
    connect("local", history="off")
    with pytest.raises(InputError, match="by another service, not by the one that is connected"):
        a_run().graph()
    with pytest.raises(InputError, match="by https://elsewhere"):
        RunSet([a_run(connection="https://elsewhere")]).graph()
    with pytest.raises(InputError, match="no longer has the workflow flow"):
        a_run(connection="local").graph()
    assert a_run().graph(THREE).name == "flow"


def test_a_workflow_is_a_definition_too(local):
    workflow = local.workflow("batch-order")
    run = local.run("batch-order", {"lines": ORDER})
    assert run.graph(workflow).to_text() == run.graph().to_text()
    assert RunSet([run]).graph(workflow).name == "batch-order"


def test_a_hundred_thousand_runs_are_read_once():
    class Counting:
        reads = 0

        def __iter__(self):
            Counting.reads += 1
            good, bad = a_run(), failed()
            return (bad if number % 10 == 0 else good for number in range(100_000))

    begin = time.process_time()
    graph = graph_of_runs(THREE, Counting())
    assert time.process_time() - begin < 20
    assert (Counting.reads, graph.failures[0].count) == (1, 10_000)


def test_secrets_in_messages_are_masked():
    message = '{"errorMessage": "refused", "password": "hunter2", "text": "' + "x" * 400 + '"}'
    for text in (message, "no way to https://me:hunter2@example.com/"):
        run = failed(NodeError(node_id="b", error_message=text))
        for graph in (graph_of_run(THREE, run), graph_of_runs(THREE, [run])):
            shown = [*graph._repr_mimebundle_().values(), graph.to_svg(), repr(graph.failures)]
            assert "hunter2" not in "".join(shown)
            assert "***" in graph.failures[0].message


# --- where it is shown ---------------------------------------------------------------------------


def test_a_workflow_shows_its_picture_above_its_table(local):
    bundle = local.workflow("batch-order")._repr_mimebundle_()
    assert bundle["text/html"].index('<img src="data:image/svg+xml;base64,') < bundle["text/html"].index("<table")
    assert "├" not in bundle["text/plain"]


def test_the_tree_tells_what_follows_even_where_conditions_are_long():
    long = "$.v == '" + "x" * 200 + "'"
    graph = graph_of(flow(switch("s", (long, "target"), default="other"), end("target"), end("other")))
    lines = graph.to_text().splitlines()
    assert [line for line in lines if line.endswith("… → target") and cell_len(line) == 100]
    assert [line for line in lines if line.endswith("else → other")]


def test_a_tree_of_very_many_states_is_cut():
    lines = graph_of(flow(*(end(f"s{number}") for number in range(1000)))).to_text().splitlines()
    assert len(lines) == 400
    assert lines[-1] == "… 603 more lines"


def test_mermaid_has_all_kinds_and_its_labels_are_escaped():
    hostile = 'a"b]#;<b>`%%{init}%%\\ $x'
    branch = {"name": hostile, "states": [sleep("z", 1)], "start": "z"}
    graph = graph_of(
        flow(
            state(hostile, action("x"), transition="s", on_errors=[{"error": hostile, "transition": "end"}]),
            switch("s", ('$.v == "1"', "p"), default="nope"),
            state("p", type="Parallel", transition="f", branches=[branch]),
            state("f", type="SubFlow", workflow_id="w", transition="end"),
            end(),
        )
    )  # fmt: skip
    lines = graph.to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    label = re.compile(r'"((?:[\w ,.:/()=+…×↻-]|#\d+;|<br/>)*)"')
    quotes = 0
    for line in lines:
        quotes += line.count('"')
        for text in label.findall(line):
            quotes -= 2
            assert text
        assert not set(label.sub("", line.partition("classDef")[0])) & set("#;`%\\$<")
    assert quotes == 0
    text = "\n".join(lines)
    assert re.search(r"n\d+ -\.->\|\"on a#34;b", text)
    assert re.search(r"n\d+ -->\|\"else\"\|", text)
    assert text.count("subgraph") == 2
    assert [line.strip() for line in lines].count("end") == 2
    assert re.search(r"class n\d+ missing", text)


def test_a_graph_is_a_value():
    graph = graph_of(THREE)
    assert graph == graph_of(THREE)
    assert graph != graph_of_run(THREE, failed())
    assert graph.marks == Marks()
    assert graph.chain == read(THREE)
    assert repr(graph) == "<Graph of flow, 3 nodes>"
    with pytest.raises(AttributeError):
        graph.name = "other"
    with pytest.raises(TypeError):
        hash(graph)
