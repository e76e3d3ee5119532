"""Where things stand in the columns of a layered layout, so that ways between them are straight.

After Brandes and Köpf: each vertex is aligned with the middle one of its neighbours in the next
column, four times, from both sides and both ends; each time the aligned blocks are packed as tightly
as the order in the columns allows, and what counts is the mean of the two middle results. Blocks are
packed along the longest ways of a graph of blocks, which also holds where boxes differ in height.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def straighten(
    columns: Sequence[Sequence[int]],
    *,
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    weak: set[tuple[int, int]],
    heights: Sequence[float],
    gaps: Sequence[float],
    dummy: Sequence[bool],
) -> list[float]:
    """Return the middle of each vertex.

    Args:
        columns: the vertices, column by column, from top to bottom.
        before: each vertex's neighbours in the column before.
        after: those in the column behind.
        weak: pairs of neighbours that need not be in line.
        heights: of each vertex.
        gaps: how far each stays away from its neighbours above and below.
        dummy: whether a vertex stands for a way that passes through.
    """
    at = [0] * len(heights)
    for column in columns:
        for number, vertex in enumerate(column):
            at[vertex] = number
    barred = weak | _conflicts(columns, before, at, dummy)
    results = []
    for forward in (True, False):
        neighbours = before if forward else after
        for sign in (1, -1):
            turned = [column[::sign] for column in (columns if forward else columns[::-1])]
            root = _aligned(turned, neighbours, at, sign, barred, forward)
            packed = _packed(turned, root, heights, gaps)
            results.append([sign * value for value in packed])
    return _middle(results, heights)


def _conflicts(
    columns: Sequence[Sequence[int]], before: Sequence[Sequence[int]], at: Sequence[int], dummy: Sequence[bool]
) -> set[tuple[int, int]]:
    """Return the short ways that cross the inside of a long one: the long one stays straight."""
    found = set()
    for left, right in pairwise(columns):
        lowest, done = 0, 0
        for number, vertex in enumerate(right):
            inner = next((other for other in before[vertex] if dummy[other]), None) if dummy[vertex] else None
            if inner is None and number < len(right) - 1:
                continue
            highest = len(left) - 1 if inner is None else at[inner]
            for passed in right[done : number + 1]:
                for other in before[passed]:
                    if not lowest <= at[other] <= highest and not (dummy[passed] and dummy[other]):
                        found.add((other, passed))
            done, lowest = number + 1, highest
    return found


def _aligned(
    columns: Sequence[Sequence[int]],
    neighbours: Sequence[Sequence[int]],
    at: Sequence[int],
    sign: int,
    barred: set[tuple[int, int]],
    forward: bool,
) -> list[int]:
    """Return the first vertex of each one's block."""
    root = list(range(len(at)))
    for column in columns:
        last = -float("inf")
        for vertex in column:
            found = [
                other for other in neighbours[vertex] if ((other, vertex) if forward else (vertex, other)) not in barred
            ]
            if not found:
                continue
            found.sort(key=lambda other: sign * at[other])
            half = len(found) - 1
            for other in found[half // 2 : (half + 1) // 2 + 1]:
                if last < sign * at[other]:
                    root[vertex] = root[other]
                    last = sign * at[other]
                    break
    return root


def _packed(
    columns: Sequence[Sequence[int]], root: Sequence[int], heights: Sequence[float], gaps: Sequence[float]
) -> list[float]:
    """Return the middles where every block stands as far up as it can, then as near to what is below as it can."""
    apart: dict[int, dict[int, float]] = {block: {} for block in root}
    waits = dict.fromkeys(apart, 0)
    for column in columns:
        for upper, lower in pairwise(column):
            one, other = root[upper], root[lower]
            distance = (heights[upper] + heights[lower]) / 2 + max(gaps[upper], gaps[lower])
            if other not in apart[one]:
                waits[other] += 1
            apart[one][other] = max(apart[one].get(other, 0.0), distance)
    place = dict.fromkeys(apart, 0.0)
    order = [block for block, count in waits.items() if not count]
    for block in order:
        for other, distance in apart[block].items():
            place[other] = max(place[other], place[block] + distance)
            waits[other] -= 1
            if not waits[other]:
                order.append(other)
    for block in reversed(order):
        if apart[block]:
            place[block] = max(place[block], min(place[other] - distance for other, distance in apart[block].items()))
    return [place[block] for block in root]


def _middle(results: list[list[float]], heights: Sequence[float]) -> list[float]:
    """Return the mean of the two middle values of each vertex, the results shifted to the tightest one."""
    ends = [
        (
            min(value - height / 2 for value, height in zip(result, heights, strict=True)),
            max(value + height / 2 for value, height in zip(result, heights, strict=True)),
        )
        for result in results
    ]
    top, bottom = min(ends, key=lambda pair: pair[1] - pair[0])
    shifted = []
    for number, (result, (upper, lower)) in enumerate(zip(results, ends, strict=True)):
        shift = top - upper if number % 2 == 0 else bottom - lower
        shifted.append([value + shift for value in result])
    middles = []
    for values in zip(*shifted, strict=True):
        ranked = sorted(values)
        middles.append((ranked[1] + ranked[2]) / 2)
    return middles
