"""Which runs of two sets belong together: those of the same input, or of the same values at some paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fgnb import jsontext
from fgnb.paths import Path, format_path
from fgnb.runs.differences import MISSING, canonical
from fgnb.runs.explain import token, value_of, varying
from fgnb.runs.redact import is_secret, masked
from fgnb.runs.run import Run
from fgnb.secret import HIDDEN

LABEL = 120  # characters of an input key before it is cut


@dataclass(frozen=True, slots=True)
class Matched:
    """The runs of two sets, matched.

    Attributes:
        pairs: runs that belong together, in the order of the first set.
        keys: the input key of each pair.
        alone: runs without a partner, with their keys: of the first set, and of the second.
    """

    pairs: list[tuple[Run, Run]]
    keys: list[str]
    alone: tuple[list[tuple[str, Run]], list[tuple[str, Run]]]


def match(before: Sequence[Run], after: Sequence[Run], places: Sequence[Path] | None) -> Matched:
    """Match runs by input, or by values at places of their inputs and tags.

    Runs of the same input are paired in their order. Takes time linear in the number of runs.
    """
    sides = [[_identity(run, places) for run in runs] for runs in (before, after)]
    waiting: dict[object, list[int]] = {}
    for number in reversed(range(len(after))):
        waiting.setdefault(sides[1][number], []).append(number)  # the first of them is the last here
    pairs, first_alone, identities = [], [], []
    for identity, run in zip(sides[0], before, strict=True):
        there = waiting.get(identity)
        if there:
            pairs.append((run, after[there.pop()]))
            identities.append(identity)
        else:
            first_alone.append((identity, run))
    left = sorted(number for numbers in waiting.values() for number in numbers)
    second_alone = [(sides[1][number], after[number]) for number in left]
    labels = _labels([*zip(sides[0], before, strict=True), *second_alone], places)
    return Matched(
        pairs,
        [labels[identity] for identity in identities],
        (
            [(labels[identity], run) for identity, run in first_alone],
            [(labels[identity], run) for identity, run in second_alone],
        ),
    )


def _identity(run: Run, places: Sequence[Path] | None) -> object:
    return canonical(run.input) if places is None else tuple(token(value_of(run, place)) for place in places)


def _labels(runs: Sequence[tuple[object, Run]], places: Sequence[Path] | None) -> dict[object, str]:
    """Return short texts that tell inputs apart: the values at places that are not the same everywhere."""
    one_of_each = dict(runs)
    if places is None:
        places = [place for place in varying(list(one_of_each.values())) if place[0] == "input"]
    labels: dict[object, str] = {}
    taken: dict[str, int] = {}
    for identity, run in one_of_each.items():
        label = _label(run, places)
        again = taken[label] = taken.get(label, 0) + 1
        labels[identity] = label if again == 1 else f"{label} #{again}"  # what tells them apart was cut, or is hidden
    return labels


def _label(run: Run, places: Sequence[Path]) -> str:
    parts = []
    for place in places:
        value = value_of(run, place)
        if value is not MISSING:
            name = format_path(place[1:]) if place[0] == "input" else format_path(place)
            hidden = any(isinstance(step, str) and is_secret(step) for step in place)
            word = HIDDEN if hidden else _word(masked(value))  # labels are shown
            parts.append(f"{name}={word}" if name else word)
    label = ", ".join(parts) if parts else _word(masked(run.input))
    return label if len(label) <= LABEL else label[: LABEL - 1] + "…"


def _word(value: object) -> str:
    return value if isinstance(value, str) else jsontext.dumps(value).decode()
