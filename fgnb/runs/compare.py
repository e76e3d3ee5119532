"""What differs between runs: a row per path, a column per run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fgnb.paths import format_path, leaves
from fgnb.runs.run import Run
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd

MISSING: Any = type("Missing", (), {"__repr__": lambda self: "<missing>"})()
"""Stands where a run has no value at a path; null is a value."""


def compare(*runs: Run, keep_equal: bool = False) -> Comparison:
    """Compare runs; the result's ``.frame`` holds the paths at which they differ.

    Args:
        runs: two or more.
        keep_equal: whether to keep the paths at which all runs are equal.

    Raises:
        TypeError: something else than runs is given.
        ValueError: fewer than two are.
    """
    for run in runs:
        if not isinstance(run, Run):
            raise TypeError(f"compare takes runs, such as fgnb.run returns, not {type(run).__name__}")
    if len(runs) < 2:
        raise ValueError("compare takes at least two runs")
    return Comparison(runs, keep_equal=keep_equal)


class Comparison(Shown):
    """Runs laid side by side; `rows` maps each path to its values, one per run.

    Paths are ``status``, ``elapsed``, ``input.<path>``, ``output.<path>`` and ``error.<node id>``, whose
    value is the node's error message. Lists are compared position by position.
    """

    def __init__(self, runs: Sequence[Run], *, keep_equal: bool = False) -> None:
        self.runs = tuple(runs)
        self.keep_equal = keep_equal

    @cached_property
    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Each path's values, one per run; `MISSING` where a run has none."""
        sides = [_values(run) for run in self.runs]
        seen = dict.fromkeys(path for side in sides for path in side)
        paths = sorted(seen, key=_group)  # a stable sort: in each group, the order of the documents
        rows = {path: tuple(side.get(path, MISSING) for side in sides) for path in paths}
        if self.keep_equal:
            return rows
        return {path: values for path, values in rows.items() if not all_equal(values)}

    @property
    def frame(self) -> pd.DataFrame:
        """The comparison as a frame: index ``path``, one column per run, named by its run id.

        A missing value is ``<NA>``, null is None.
        """
        import pandas as pd

        columns = {
            number: [pd.NA if values[number] is MISSING else values[number] for values in self.rows.values()]
            for number in range(len(self.runs))
        }
        index = pd.Index(pd.array(list(self.rows), dtype="string"), name="path")
        frame = pd.DataFrame(columns, index=index, dtype="object")
        return frame.set_axis([run.run_id for run in self.runs], axis=1)  # a run may stand there twice

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<Comparison of {len(self.runs)} runs: {len(self)} paths>"


_GROUPS = ("status", "elapsed", "input", "output", "error")


def _group(path: str) -> int:
    return next(number for number, name in enumerate(_GROUPS) if path.startswith(name))


def _values(run: Run) -> dict[str, Any]:
    values: dict[str, Any] = {"status": run.status, "elapsed": run.elapsed}
    for root, value in (("input", run.input), ("output", run.output)):
        if root == "output" and not run.ok:
            continue  # there is no output, which is not the same as null
        if value != {}:  # an empty object has no paths
            values |= {format_path(path, root): leaf for path, leaf in leaves(value)}
    for error in run.node_errors:
        values[format_path((error.node_id,), "error")] = error.error_message
    return values


def all_equal(values: Sequence[Any]) -> bool:
    """Whether JSON leaves are equal: numbers by value, and true is not 1."""
    first = values[0]
    return all(
        value is first or (isinstance(value, bool) == isinstance(first, bool) and value == first)
        for value in values[1:]
    )
