"""Drawing a workflow, as it grows: 10, 100 and 300 states, a choice in five, an error's way in eight.

    python3 tests/benchmarks/graph.py [--rounds 5] [--nodes 10 100 300]

Subjects take turns; prints the median of reading the definition, of layout, of writing the SVG, and of the whole way
to HTML, with the picture's size. Beside it Graphviz's dot, through pygraphviz, if that is there: the same nodes and
edges, drawn as SVG.
"""

import argparse
import random
import statistics
from typing import Any

from turns import machine, repeated, take_turns

from fgnb.render import svg
from fgnb.render.graph import graph_of
from fgnb.render.graph_boxes import panel_of
from fgnb.render.graph_marks import Marks
from fgnb.render.graph_model import Chain, read

try:
    import pygraphviz
except ImportError:
    pygraphviz = None


def workflow(nodes: int) -> dict[str, Any]:
    """Return a workflow of so many states, each of which leads to the next and some of which lead further on."""
    chance = random.Random(nodes)
    states: list[dict[str, Any]] = []
    for number in range(nodes - 1):
        one: dict[str, Any] = {"id": f"s{number}", "name": f"Step-number-{number}", "type": "Operation"}
        one["actions"] = [{"function_ref": {"ref_name": "function", "arguments": {}}}]
        further = f"s{min(nodes - 1, number + chance.randint(2, 12))}"
        if chance.random() < 0.2:
            one |= {"type": "Switch", "default": {"transition": f"s{number + 1}"}}
            one["data_conditions"] = [{"condition": f"$.qty > {number}", "transition": further}]
        else:
            one["transition"] = f"s{number + 1}"
            if chance.random() < 0.125:
                one["on_errors"] = [{"error": "$.status == 503", "transition": further}]
        states.append(one)
    states.append({"id": f"s{nodes - 1}", "name": "Done", "type": "End", "end": True})
    return {"name": "benchmark", "start": "s0", "states": states}


def dot(chain: Chain) -> bytes:
    """Draw the same with Graphviz."""
    graph = pygraphviz.AGraph(directed=True, rankdir="LR")
    for node in chain.nodes:
        graph.add_node(node.key, shape="box", label="\n".join((node.id, node.name, *node.lines)))
    for edge in chain.edges:
        graph.add_edge(edge.source, edge.target, label=edge.label)
    drawn: bytes = graph.draw(prog="dot", format="svg")
    return drawn


def measure(nodes: int, rounds: int) -> None:
    """Print what drawing so many states costs."""
    definition = workflow(nodes)
    chain = read(definition)
    assert len(chain.nodes) == nodes
    panel = panel_of(chain, Marks())
    drawn = svg.draw(panel, "")
    assert drawn.count("<rect") + drawn.count("<path") >= 2 * nodes - 1
    subjects = {
        "read": repeated(lambda: read(definition)),
        "layout": repeated(lambda: panel_of(chain, Marks())),
        "SVG": repeated(lambda: svg.draw(panel, "")),
        "definition to HTML": repeated(lambda: graph_of(definition).to_html()),
    }
    if pygraphviz is not None:
        subjects["dot, through pygraphviz"] = repeated(lambda: dot(chain))
    print(f"\n{f'{nodes} nodes, {len(chain.edges)} edges, {len(drawn) / 1000:,.1f} kB':40} {'ms':>8} {'CPU ms':>8}")
    for name, sample in take_turns(subjects, rounds=rounds).items():
        print(f"  {name:38} {sample.median / 1e3:8.2f} {statistics.median(sample.cpu) / 1e3:8.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nodes", type=int, nargs="*", default=[10, 100, 300])
    arguments = parser.parse_args()
    print(machine())
    for count in arguments.nodes:
        measure(count, arguments.rounds)
