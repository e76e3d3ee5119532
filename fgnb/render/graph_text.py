"""A workflow's graph without a picture: a tree for a terminal, Mermaid for documentation."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len

from fgnb.counted import counted
from fgnb.render.graph_boxes import APART, GLYPHS, NOTHING, PLAIN
from fgnb.render.graph_marks import Marks
from fgnb.render.graph_model import Chain, Edge, Node
from fgnb.render.text import WIDTH, cut, one_line, wrapped

LINES = 400  # of a tree
CELLS = 40  # of a label in Mermaid, and of what a way of the tree leads to

_PLAIN = re.compile(r"[^\w ,.:/()=+-]")


# --- a tree --------------------------------------------------------------------------------------


def tree(title: str, chain: Chain, marks: Marks, width: int = WIDTH) -> str:
    """Return the graph as lines of at most `width` cells: each state with what it does and what follows.

    >>> from fgnb.render.graph_model import read
    >>> states = [{"id": "a", "type": "Sleep", "duration": 2, "transition": "b"}, {"id": "b", "type": "End"}]
    >>> print(tree("short", read({"start": "a", "states": states}), Marks()))
    short
    ├─ a → b: waits 2 s
    └─ b: ends
    """
    lines = [one_line(title), *(f"  {one_line(note)}" for note in marks.notes), *_branch(chain, marks, "", width)]
    if not chain.nodes:
        lines.append(f"  {NOTHING}")
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"… {counted(len(lines) - LINES + 1, 'more line')}"]
    return "\n".join(cut(line, width) for line in lines)


def _branch(chain: Chain, marks: Marks, indent: str, width: int) -> Iterator[str]:
    names = {node.key: node.id for node in chain.nodes}
    apart = next((node.key for node in chain.nodes if not node.reached), None)
    for number, node in enumerate(chain.nodes):
        if node.key == apart:
            yield f"{indent}│  {APART}:"
        last = number == len(chain.nodes) - 1
        edges = [edge for edge in chain.edges if edge.source == node.key]
        yield f"{indent}{'└─ ' if last else '├─ '}{_told(node, edges, names, marks)}"
        below = indent + ("   " if last else "│  ")
        bar = "│  " if node.chains else "   "
        mark = marks.nodes.get(node.key, PLAIN)
        if mark.message:
            yield from wrapped(mark.message, indent=f"{below}{bar}", width=max(width, len(below) + 30), lines=2)
        for edge in edges:
            if edge.label:
                target = f" {'⇢' if edge.kind == 'error' else '→'} {cut(one_line(names[edge.target]), CELLS)}"
                when = edge.label if edge.kind in ("else", "error") else f"if {edge.label}"
                room = width - cell_len(below + bar + target)
                yield below + bar + cut(when, max(room, 8)) + target
        yield from _inside(node, marks, below, width)


def _inside(node: Node, marks: Marks, indent: str, width: int) -> Iterator[str]:
    """Yield what is inside a state: its branches, those with states of their own as items of the tree."""
    for number, inner in enumerate(node.chains):
        last = number == len(node.chains) - 1
        if inner.title:
            yield f"{indent}{'└─ ' if last else '├─ '}{one_line(inner.title)}"
            yield from _branch(inner, marks, indent + ("   " if last else "│  "), width)
        else:
            for line in _branch(inner, marks, indent, width):
                yield line if last else line.replace(f"{indent}└─ ", f"{indent}├─ ", 1)


def _told(node: Node, edges: list[Edge], names: dict[int, str], marks: Marks) -> str:
    mark = marks.nodes.get(node.key, PLAIN)
    name = f" ({node.name})" if node.name and node.name.casefold() != node.id.casefold() else ""
    lines = node.lines or ({"End": ("ends",), "Switch": ("chooses",)}.get(node.kind, ()))
    doing = ", ".join((*lines, *node.retries))
    follows = [names[edge.target] for edge in edges if not edge.label]
    told = f"{GLYPHS.get(mark.look, '')}{node.id}{name}"
    told += f" → {', '.join(follows)}" if follows else ""
    told += f"  [{', '.join(mark.notes)}]" if mark.notes else ""
    told += f": {doing}" if doing else ""
    return one_line(told)


# --- Mermaid -------------------------------------------------------------------------------------


def mermaid(chain: Chain, marks: Marks) -> str:
    """Return the graph as a flowchart of Mermaid, from left to right.

    >>> from fgnb.render.graph_model import read
    >>> print(mermaid(read({"start": "a", "states": [{"id": "a", "type": "Sleep", "duration": 2}]}), Marks()))
    flowchart LR
      n0("a<br/>waits 2 s")
    """
    lines = ["flowchart LR", *_mermaid_chain(chain, "  ")]
    styles = {
        "failed": "fill:#fdeaea,stroke:#d93f3f,color:#1f2733",
        "passed": "fill:#eaf7f0,stroke:#2e9e5b,color:#1f2733",
        "handled": "fill:#fdf3e4,stroke:#cf6a1a,color:#1f2733",
        "missing": "stroke:#d93f3f,stroke-dasharray:4 3",
        "muted": "opacity:0.5",
    }
    looks: dict[str, list[int]] = {}
    for node in chain.walk():
        look: str = marks.nodes.get(node.key, PLAIN).look
        look = "missing" if node.kind == "missing" else "muted" if not node.reached else look
        looks.setdefault(look, []).append(node.key)
    for look, style in styles.items():
        if look in looks:
            lines += [f"  classDef {look} {style}", f"  class {','.join(f'n{key}' for key in looks[look])} {look}"]
    return "\n".join(lines)


_SHAPES = {
    "Switch": ("{{", "}}"),
    "End": ("([", "])"),
    "Sleep": ("(", ")"),
    "SubFlow": ("[[", "]]"),
}


def _mermaid_chain(chain: Chain, indent: str) -> Iterator[str]:
    for node in chain.nodes:
        if node.chains:
            yield f'{indent}subgraph n{node.key}["{_label(node)}"]'
            for number, inner in enumerate(node.chains):
                if inner.title:
                    yield f'{indent}  subgraph n{node.key}b{number}["{_quoted(inner.title)}"]'
                    yield from _mermaid_chain(inner, indent + "    ")
                    yield f"{indent}  end"
                else:
                    yield from _mermaid_chain(inner, indent + "  ")
            yield f"{indent}end"
        else:
            left, right = _SHAPES.get(node.kind, ("[", "]"))
            yield f'{indent}n{node.key}{left}"{_label(node)}"{right}'
    for edge in chain.edges:
        arrow = "-.->" if edge.kind == "error" else "-->"
        label = f'|"{_quoted(edge.label)}"|' if edge.label else ""
        yield f"{indent}n{edge.source} {arrow}{label} n{edge.target}"


def _label(node: Node) -> str:
    return "<br/>".join(_quoted(line) for line in (node.id, *node.lines, *node.retries) if line.strip())


def _quoted(text: str) -> str:
    """Return text for a label: all that Mermaid, Markdown or HTML could take for theirs as its code."""
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", cut(one_line(text), CELLS)) or " "
