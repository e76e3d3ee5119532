"""A layered layout: boxes in columns, every way from left to right but those that close a cycle.

Sugiyama's steps: ways back are set aside, boxes get their columns by the longest way to them, long ways
are led through the columns between, the order in each column is chosen for few crossings, and heights
so that chains and long ways are straight (`fgnb.render.straight`).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from fgnb.render.straight import straighten

Point = tuple[float, float]

GAP = 30.0  # between two columns, at least
STEEP = 0.1  # of the height that a way climbs between two columns is added
WIDEST = 80.0
ROW_GAP = 14.0  # between two boxes of a column
LANE_GAP = 8.0  # beside a way that passes through
LANE = 18.0  # below everything, for a way back
ROUNDS = 8  # of looking for a better order


@dataclass(frozen=True, slots=True)
class Link:
    """A way between two boxes, by their numbers; `label` is the size of what is written at it.

    A `weak` one is not kept straight where that would bend others.
    """

    source: int
    target: int
    label: tuple[float, float] | None = None
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """Where a way runs: points between which straight lines and curves alternate, and the middle of its label.

    With `back`, it leads against the order: four points of a path around, below everything.
    """

    points: tuple[Point, ...]
    label: Point | None = None
    back: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A finished layout: its size, the upper left corner of each box, the route of each link."""

    width: float
    height: float
    corners: tuple[Point, ...]
    routes: tuple[Route, ...]


@dataclass(slots=True)
class _Layers:
    """The boxes, and what stands for labels and long ways, in columns."""

    sizes: list[tuple[float, float]]
    boxes: int  # how many of them are boxes
    rank: list[int]
    columns: list[list[int]] = field(default_factory=list)
    before: list[list[int]] = field(default_factory=list)
    after: list[list[int]] = field(default_factory=list)
    weak: set[tuple[int, int]] = field(default_factory=set)


def layered(sizes: Sequence[tuple[float, float]], links: Sequence[Link]) -> Placed:
    """Lay boxes out.

    Args:
        sizes: width and height of each, of one at least; those from which ways start come first.
        links: the ways between them.

    >>> placed = layered([(50, 20), (50, 20)], [Link(0, 1)])
    >>> placed.corners, placed.routes[0].points
    (((0.0, 0.0), (80.0, 0.0)), ((50.0, 10.0), (50.0, 10.0), (80.0, 10.0), (80.0, 10.0)))
    """
    order, back = _search(len(sizes), links)
    layers = _Layers(list(sizes), len(sizes), _ranks(order, links, back))
    paths = _paths(layers, links, back)
    _fill_columns(layers)
    _order(layers)
    middles = straighten(
        layers.columns,
        before=layers.before,
        after=layers.after,
        weak=layers.weak,
        heights=[height for _, height in layers.sizes],
        gaps=[ROW_GAP if vertex < layers.boxes else LANE_GAP for vertex in range(len(layers.sizes))],
        dummy=[vertex >= layers.boxes for vertex in range(len(layers.sizes))],
    )
    return _placed(layers, links, paths, back, middles)


def _search(count: int, links: Sequence[Link]) -> tuple[list[int], set[int]]:
    """Return the boxes so that all ways lead forward in their order, and the links that lead back nevertheless."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    for number, link in enumerate(links):
        leaving[link.source].append(number)
    ended: list[int] = []
    back: set[int] = set()
    state = [0] * count  # 1 under way, 2 ended
    for root in range(count):
        if state[root]:
            continue
        state[root] = 1
        stack = [(root, iter(leaving[root]))]
        while stack:
            box, numbers = stack[-1]
            for number in numbers:
                target = links[number].target
                if state[target] == 1:
                    back.add(number)
                elif state[target] == 0:
                    state[target] = 1
                    stack.append((target, iter(leaving[target])))
                    break
            else:
                state[box] = 2
                ended.append(box)
                stack.pop()
    return ended[::-1], back


def _ranks(order: Sequence[int], links: Sequence[Link], back: set[int]) -> list[int]:
    """Return the column of each box: the longest way to it; what nothing leads to stands right before what follows."""
    leaving: list[list[tuple[int, int]]] = [[] for _ in order]
    entered = [False] * len(order)
    for number, link in enumerate(links):
        if number not in back:
            leaving[link.source].append((link.target, 2 if link.label else 1))
            entered[link.target] = True
    rank = [0] * len(order)
    for box in order:
        for target, length in leaving[box]:
            rank[target] = max(rank[target], rank[box] + length)
    for box in order:
        if not entered[box] and leaving[box]:
            rank[box] = min(rank[target] - length for target, length in leaving[box])
    return rank


def _paths(layers: _Layers, links: Sequence[Link], back: set[int]) -> list[list[int]]:
    """Lead each link through the columns between its ends; return its vertices, the label's first."""
    layers.before = [[] for _ in layers.sizes]
    layers.after = [[] for _ in layers.sizes]
    strong_out = {link.source for number, link in enumerate(links) if not link.weak and number not in back}
    strong_in = {link.target for number, link in enumerate(links) if not link.weak and number not in back}
    paths: list[list[int]] = []
    for number, link in enumerate(links):
        if number in back:
            paths.append([])
            continue
        path = [link.source]
        for column in range(layers.rank[link.source] + 1, layers.rank[link.target]):
            path.append(len(layers.sizes))
            layers.sizes.append(link.label if link.label and len(path) == 2 else (0.0, 2.0))
            layers.rank.append(column)
            layers.before.append([])
            layers.after.append([])
        path.append(link.target)
        for one, other in pairwise(path):
            layers.after[one].append(other)
            layers.before[other].append(one)
        if link.weak and link.source in strong_out:
            layers.weak.add((path[0], path[1]))
        if link.weak and link.target in strong_in:
            layers.weak.add((path[-2], path[-1]))
        paths.append(path)
    return paths


def _fill_columns(layers: _Layers) -> None:
    """Put every vertex into its column, in the order in which the ways come by."""
    layers.columns = [[] for _ in range(max(layers.rank) + 1)]
    seen = [False] * len(layers.sizes)
    for root in range(layers.boxes):
        if seen[root] or layers.before[root]:
            continue
        stack = [root]
        while stack:
            vertex = stack.pop()
            if not seen[vertex]:
                seen[vertex] = True
                layers.columns[layers.rank[vertex]].append(vertex)
                stack += reversed(layers.after[vertex])


def _order(layers: _Layers) -> None:
    """Choose the order in each column: by the middle of the neighbours, to and fro, as long as crossings get fewer."""
    columns = layers.columns
    best, fewest = [list(column) for column in columns], _crossings(layers)
    failed = 0
    for turn in range(ROUNDS):
        if not fewest or failed > 2:
            break
        forward = turn % 2 == 0
        neighbours = layers.before if forward else layers.after
        places = range(1, len(columns)) if forward else range(len(columns) - 2, -1, -1)
        for place in places:
            beside = columns[place - 1 if forward else place + 1]
            at = {vertex: number for number, vertex in enumerate(beside)}
            keys: dict[int, float] = {}
            for number, vertex in enumerate(columns[place]):
                found = [at[other] for other in neighbours[vertex]]
                keys[vertex] = sum(found) / len(found) if found else number
            columns[place].sort(key=keys.__getitem__)
        crossings = _crossings(layers)
        failed += 1
        if crossings < fewest:
            best, fewest, failed = [list(column) for column in columns], crossings, 0
    layers.columns = best


def _crossings(layers: _Layers) -> int:
    total = 0
    for left, right in pairwise(layers.columns):
        at = {vertex: number for number, vertex in enumerate(right)}
        ends = [end for vertex in left for end in sorted([at[other] for other in layers.after[vertex]])]
        passed: list[int] = []
        if ends != sorted(ends):
            for end in ends:
                total += len(passed) - bisect_right(passed, end)
                insort(passed, end)
    return total


def _placed(
    layers: _Layers, links: Sequence[Link], paths: list[list[int]], back: set[int], middles: Sequence[float]
) -> Placed:
    widths = [max(layers.sizes[vertex][0] for vertex in column) for column in layers.columns]
    around = 12.0 + 4 * min(len(back), 4) if back else 0.0  # room at both sides for ways back
    lefts, x = [], around
    for place, width in enumerate(widths):
        lefts.append(x)
        climbs = [
            abs(middles[vertex] - middles[other]) for vertex in layers.columns[place] for other in layers.after[vertex]
        ]
        x += width + min(WIDEST, GAP + STEEP * max(climbs, default=0.0))
    right = lefts[-1] + widths[-1]
    top = min(middles[vertex] - layers.sizes[vertex][1] / 2 for vertex in range(len(middles)))
    middles = [middle - top for middle in middles]
    bottom = max(middles[vertex] + layers.sizes[vertex][1] / 2 for vertex in range(len(middles)))
    rank = layers.rank
    corners = [
        (lefts[rank[box]] + (widths[rank[box]] - width) / 2, middles[box] - height / 2)
        for box, (width, height) in enumerate(layers.sizes[: layers.boxes])
    ]
    routes, lane = [], bottom + 2
    for number, link in enumerate(links):
        start = (corners[link.source][0] + layers.sizes[link.source][0], middles[link.source])
        end = (corners[link.target][0], middles[link.target])
        if number in back:
            room = max(LANE, link.label[1] + 6 if link.label else 0.0)
            middle, lane = lane + room / 2, lane + room
            aside = 10.0 + 4 * (number % 5)
            turn = lefts[rank[link.source]] + widths[rank[link.source]] + min(aside, around or aside)
            entry = lefts[rank[link.target]] - min(aside, around or aside)
            routes.append(
                Route(
                    (start, (turn, middle), (entry, middle), end),
                    ((turn + entry) / 2, middle) if link.label else None,
                    back=True,
                )
            )
            continue
        points = [start, (lefts[rank[link.source]] + widths[rank[link.source]], start[1])]
        for vertex in paths[number][1:-1]:
            points += [
                (lefts[rank[vertex]], middles[vertex]),
                (lefts[rank[vertex]] + widths[rank[vertex]], middles[vertex]),
            ]
        points += [(lefts[rank[link.target]], end[1]), end]
        label = None
        if link.label:
            vertex = paths[number][1]
            label = (lefts[rank[vertex]] + widths[rank[vertex]] / 2, middles[vertex])
        routes.append(Route(tuple(points), label))
    return Placed(right + around, lane if back else bottom, tuple(corners), tuple(routes))
