"""The boxes of a workflow's picture: what is written in each, how large it is, and where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len, get_character_cell_size

from fgnb.counted import counted
from fgnb.render.graph_marks import Mark, Marks
from fgnb.render.graph_model import Chain, Edge, Node
from fgnb.render.layout import Link, Point, layered
from fgnb.render.text import cut, one_line

Weight = Literal["strong", "", "quiet", "note", "bad"]

TEXT = 30  # cells of a line in a box
LABEL = 24  # and of one at an edge
MESSAGE = 34
LINE = 15.0  # height of a line
SIDE = 10.0  # between a box's side and its text
INSIDE = 10.0  # around what is inside a box
LEAST = 44.0  # width
EDGES = 2000  # of a chain that are drawn, which takes a second: those after errors are left out first
RING = 12.0  # what ends a way
LEAD = 20.0  # room for the dot or ring beside a box
APART = "no way leads here"
NOTHING = "no states"

PLAIN = Mark()
GLYPHS = {"failed": "✗ ", "passed": "✓ ", "handled": "✓ "}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; `whole` is what it was cut from."""

    text: str
    weight: Weight
    whole: str


@dataclass(slots=True, kw_only=True)
class Box:
    """A node in the picture: its upper left corner within its panel, its size, and what is in it."""

    node: Node
    mark: Mark
    lines: list[Line]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    panels: list[Panel] = field(default_factory=list)
    start: bool = False  # whether the way starts here
    end: bool = False  # whether a ring beside it says that the way ends


@dataclass(slots=True, kw_only=True)
class Wire:
    """An edge in the picture; an end has none, and leads to a ring."""

    edge: Edge | None
    points: tuple[Point, ...]
    back: bool
    taken: bool
    muted: bool
    label: Sequence[Line] = ()
    at: Point | None = None
    size: tuple[float, float] = (0.0, 0.0)


@dataclass(slots=True, kw_only=True)
class Panel:
    """A chain in the picture: its corner within its box, its size, boxes and wires."""

    title: Line | None = None
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    rings: list[Point] = field(default_factory=list)
    captions: list[tuple[Point, Line]] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0
    height: float = 0.0


def text_width(line: str, weight: Weight = "") -> float:
    """Return about how wide a line is drawn, in pixels: wide enough for the fonts that browsers have."""
    cells = cell_len(line) + sum(
        0.75 if char in "mwMW@%" else 0.25 for char in line if char.isupper() or char in "mw@%"
    )
    return cells * (7.3 if weight == "strong" else 6.6)


def panel_of(chain: Chain, marks: Marks) -> Panel:
    """Return the picture of a chain: what ways lead to, and apart from it what they do not."""
    panel = Panel(title=_line(chain.title, "quiet") if chain.title else None)
    if not chain.nodes:
        panel.captions.append(((0.0, 0.0), Line(NOTHING, "quiet", NOTHING)))
        panel.width, panel.height = text_width(NOTHING), LINE
    groups = [[node for node in chain.nodes if node.reached is reached] for reached in (True, False)]
    y = LINE + 4 if panel.title else 0.0
    for nodes in groups:
        if not nodes:
            continue
        if not nodes[0].reached:
            y += 22 if panel.boxes else 0
            panel.captions.append(((0.0, y), Line(APART, "quiet", APART)))
            y += LINE + 4
        width, height = _place(panel, nodes, chain, marks, y)
        panel.width = max(panel.width, width)
        y += height
    if panel.captions:
        panel.width = max(panel.width, text_width(APART) + 8)
    if panel.title:
        panel.width = max(panel.width, text_width(panel.title.text) + 4)
    panel.height = max(panel.height, y)
    return panel


def _place(panel: Panel, nodes: Sequence[Node], chain: Chain, marks: Marks, top: float) -> tuple[float, float]:
    """Lay these nodes of a chain out and put them into the panel below `top`; return the size."""
    boxes = [box_of(node, marks) for node in nodes]
    number = {node.key: at for at, node in enumerate(nodes)}
    edges = [edge for edge in chain.edges if edge.source in number and edge.target in number]
    more = len(edges) - EDGES
    if more > 0:
        edges = sorted(edges, key=lambda edge: edge.kind == "error")[:EDGES]
    labels = [_broken(edge.label, "", LABEL) for edge in edges]
    links = [
        Link(
            number[edge.source],
            number[edge.target],
            (max(text_width(line.text) for line in label) + 14, LINE * len(label) + 3) if label else None,
            weak=edge.kind == "error",
        )
        for edge, label in zip(edges, labels, strict=True)
    ]
    left = {edge.source for edge in edges}
    sizes = []
    for box in boxes:
        box.start = box.node.key == chain.start and len(chain.nodes) > 1
        box.end = box.node.ends and box.node.kind not in ("End", "missing", "Branch") and len(chain.nodes) > 1
        beside = (LEAD if box.start else 0.0) + (LEAD if box.end and box.node.key not in left else 0.0)
        sizes.append((box.width + beside, box.height))
    rings = [at for at, box in enumerate(boxes) if box.end and box.node.key in left]
    links += [Link(at, len(boxes) + place) for place, at in enumerate(rings)]
    placed = layered([*sizes, *((RING, RING) for _ in rings)], links)
    for box, (x, y) in zip(boxes, placed.corners, strict=False):
        box.x, box.y = x + (LEAD if box.start else 0.0), y + top
    panel.boxes += boxes
    for at, (x, y) in enumerate(placed.corners[len(boxes) :]):
        panel.rings.append((x + RING / 2, y + top + RING / 2))
        boxes[rings[at]].end = False  # the ring at the end of a wire says so
    for at, route in enumerate(placed.routes):
        edge = edges[at] if at < len(edges) else None
        size = links[at].label or (0.0, 0.0)
        source, target = boxes[links[at].source], boxes[links[at].target] if edge is not None else None
        points = [(x, y + top) for x, y in route.points]
        points[0] = (source.x + source.width, points[0][1])
        if target is not None:
            points[-1] = (target.x - (LEAD if target.start else 0.0), points[-1][1])
        panel.wires.append(
            Wire(
                edge=edge,
                points=tuple(points),
                back=route.back,
                taken=edge in marks.taken,
                muted=source.mark.look == "muted" or not source.node.reached,
                label=labels[at] if edge is not None else (),
                at=(route.label[0], route.label[1] + top) if route.label else None,
                size=size,
            )
        )
    if more <= 0:
        return placed.width, placed.height
    told = f"{counted(more, 'more way')} not drawn"
    panel.captions.append(((0.0, top + placed.height + 4), Line(told, "quiet", told)))
    return placed.width, placed.height + LINE + 4


def box_of(node: Node, marks: Marks) -> Box:
    """Return a node as a box; its place is not yet known."""
    mark = marks.nodes.get(node.key, PLAIN)
    glyph = GLYPHS.get(mark.look, "") if not mark.share else ""
    lines = [_line(glyph + node.id, "strong")]
    if node.name and node.name.casefold() != node.id.casefold():
        lines.append(_line(node.name, "quiet"))
    lines += [_line(line, "bad" if node.kind == "missing" else "") for line in node.lines if line.strip()]
    lines += [broken for line in node.retries for broken in _broken(line, "quiet", TEXT)]
    lines += [_line(line, "note") for line in mark.notes]
    lines += _broken(mark.message, "bad" if mark.look == "failed" else "quiet", MESSAGE)
    panels = [panel_of(chain, marks) for chain in node.chains]
    width = max(LEAST, *(text_width(line.text, line.weight) for line in lines)) + 2 * SIDE
    height = LINE * len(lines) + 11
    y = height
    for panel in panels:
        panel.x, panel.y = INSIDE, y
        width = max(width, panel.width + 2 * INSIDE)
        y += panel.height + INSIDE
    if panels:
        height = y
    return Box(node=node, mark=mark, lines=lines, width=width, height=height, panels=panels)


def _line(whole: str, weight: Weight, width: int = TEXT) -> Line:
    whole = one_line(whole)
    return Line(cut(whole, width), weight, whole)


def _broken(whole: str, weight: Weight, width: int) -> list[Line]:
    """Return a text as one line or two: broken at a space, or anywhere if there is none near the end."""
    whole = one_line(whole)
    if cell_len(whole) <= width:
        return [Line(whole, weight, whole)] if whole else []
    room, end = width, 0
    while (room := room - get_character_cell_size(whole[end])) >= 0:
        end += 1
    space = whole.rfind(" ", 0, end + 1)
    end = space if space > end // 2 else end
    first, second = whole[:end].rstrip(), whole[end:].lstrip()
    cut_second = cut(second, width)
    return [Line(first, weight, first), Line(cut_second, weight, second if cut_second == second else whole)]
