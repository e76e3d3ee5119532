"""Which inputs go with which differences: runs grouped by values of their inputs and tags."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fgnb.errors import InputError
from fgnb.paths import Path, format_path, leaves, parse_path
from fgnb.runs.differences import MISSING, canonical, value_at
from fgnb.runs.run import Run

if TYPE_CHECKING:
    import pandas as pd

ROOTS = ("input", "tags")


def places_of(paths: Iterable[str]) -> list[Path]:
    """Read paths into inputs and tags.

    Raises:
        InputError: one is something else.
    """
    places = []
    for text in paths:
        if not isinstance(text, str):
            raise InputError(f"a path is a text such as input.sku, not {text!r}")
        place = parse_path(text)
        if place[0] not in ROOTS:
            raise InputError(f"'{text}' is not of an input or a tag: a path begins with input or tags")
        places.append(place)
    return places


def value_of(run: Run, place: Path) -> Any:
    """Return what a run has at a place of its input or tags, or `MISSING`."""
    return value_at(run.input if place[0] == "input" else dict(run.tags), place[1:])


def token(value: Any) -> str | None:
    """Return what is the same for equal values, and None for a missing one."""
    return None if value is MISSING else canonical(value)


def grouped(runs: Sequence[Run], places: Sequence[Path]) -> dict[tuple[str | None, ...], list[int]]:
    """Return the places of runs by what they have at places of their inputs, in order of appearance."""
    groups: dict[tuple[str | None, ...], list[int]] = {}
    for number, run in enumerate(runs):
        groups.setdefault(tuple(token(value_of(run, place)) for place in places), []).append(number)
    return groups


def varying(runs: Sequence[Run]) -> list[Path]:
    """Return the places of inputs and tags at which runs differ; a list counts as a whole."""
    seen: dict[Path, set[str | None]] = {}
    counts: Counter[Path] = Counter()
    for run in runs:
        for root, value in (("input", run.input), ("tags", dict(run.tags))):
            for place, leaf in leaves(value, (root,), lists=False):
                seen.setdefault(place, set()).add(token(leaf))
                counts[place] += 1
    return [place for place, values in seen.items() if len(values) > 1 or counts[place] < len(runs)]


def index_of(runs: Sequence[Run], places: Sequence[Path], groups: Iterable[list[int]]) -> pd.MultiIndex | pd.Index[Any]:
    """Return the groups' values as an index named by the places; what is missing is ``<NA>``, lists are their text."""
    import pandas as pd

    levels = []
    firsts = [numbers[0] for numbers in groups]
    for place in places:
        values = [value_of(runs[number], place) for number in firsts]
        cells = [
            pd.NA if value is MISSING else canonical(value) if isinstance(value, (dict, list)) else value
            for value in values
        ]
        level = pd.Index(cells, dtype=object)
        with contextlib.suppress(UnicodeEncodeError):  # lone surrogates, which an index of texts does not hold
            level = level.infer_objects()
        levels.append(level)
    names = [format_path(place) for place in places]
    return levels[0].rename(names[0]) if len(levels) == 1 else pd.MultiIndex.from_arrays(levels, names=names)


def told(runs: Sequence[Run], places: Sequence[Path], outcomes: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return a row per value of inputs and path; see `fgnb.runs.compare.RunComparison.by`."""
    import pandas as pd

    from fgnb.runs.typed import text_index, typed

    groups = list(grouped(runs, places).values())
    rows: list[tuple[int, int, Any, float]] = []
    for numbers in groups:
        for values in outcomes.values():
            tokens = [token(values[number]) for number in numbers]
            counts = Counter(tokens)
            most, count = counts.most_common(1)[0]
            rows.append((len(numbers), len(counts), values[numbers[tokens.index(most)]], count / len(numbers)))
    of_groups = index_of(runs, places, groups)
    each = [number for number in range(len(groups)) for _ in outcomes]
    levels = [of_groups.get_level_values(level).take(each) for level in range(of_groups.nlevels)]
    paths = text_index(list(outcomes) * len(groups), "path")
    index = pd.MultiIndex.from_arrays([*levels, paths])
    return typed(rows, {"runs": "Int64", "distinct": "Int64", "value": "object", "share": "float64"}, index)


def ranked(runs: Sequence[Run], outcomes: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """Return how far each input explains each path; see `fgnb.runs.compare.RunComparison.by`."""
    import pandas as pd

    from fgnb.runs.typed import text_index, typed

    tokens = {path: [token(value) for value in values] for path, values in outcomes.items()}
    rows: list[tuple[str, str, int, float]] = []
    for place in varying(runs):
        groups = list(grouped(runs, [place]).values())
        if 1 < len(groups) < len(runs):
            rows += [
                (format_path(place), path, len(groups), explained(groups, found)) for path, found in tokens.items()
            ]
    rows.sort(key=lambda row: -row[3])
    levels = [text_index((row[0] for row in rows), "by"), text_index((row[1] for row in rows), "path")]
    index = pd.MultiIndex.from_arrays(levels)
    return typed([row[2:] for row in rows], {"values": "Int64", "explained": "float64"}, index)


def explained(groups: Iterable[Sequence[int]], tokens: Sequence[str | None]) -> float:
    """Return Goodman and Kruskal's lambda: which part of wrong guesses at a value is spared by knowing the group.

    A group of one spares none: it would always be right about itself, and tells nothing of any other.

    >>> explained([[0, 1], [2, 3]], ["a", "a", "b", "b"])
    1.0
    >>> explained([[0, 1], [2], [3]], ["a", "a", "b", "b"])
    0.0
    """
    usual, most = Counter(tokens).most_common(1)[0]
    within = 0
    for numbers in groups:
        counts = Counter(tokens[number] for number in numbers)
        within += counts[usual] if len(numbers) == 1 else counts.most_common(1)[0][1]
    return (within - most) / (len(tokens) - most) if most < len(tokens) else 0.0
