"""Many runs: an immutable sequence with DataFrames of results and of node errors."""

from __future__ import annotations

import operator
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from fgnb import wiring
from fgnb.counted import counted
from fgnb.errors import InputError, did_you_mean
from fgnb.runs.run import Run, in_order
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.deployment import Workflow
    from fgnb.notebook.explore import Explorer
    from fgnb.render.graph import Graph
    from fgnb.render.plots import Plots
    from fgnb.runs.compare import Comparison


Lists = Literal["keep", "expand"]


class RunSet(Shown, Sequence[Run]):
    """An immutable sequence of runs.

    ``runs[0]``, ``runs[1:3]``, ``runs["<run_id>"]`` and ``runs[mask]``, where the mask is a sequence
    of booleans such as ``runs.frame["status"] == "fail"``, a Series in any order; ``runs + more``.

    >>> import fgnb
    >>> runs = fgnb.connect("local").sweep("order-triage", {"sku": ["A-100", "Z-1"], "qty": [1, 2]}, progress=False)
    >>> runs
    <RunSet of 4: 2 success, 2 fail>
    >>> runs[runs.frame["status"] == "fail"].errors["error_type"].tolist()
    ['UnknownSku', 'UnknownSku']
    """

    def __init__(self, runs: Iterable[Run] = ()) -> None:
        held = tuple(runs)
        for run in held:
            if not isinstance(run, Run):
                raise TypeError(f"a RunSet holds runs, not {type(run).__name__}")
        self._runs: Sequence[Run] = held

    @classmethod
    def over(cls, runs: Sequence[Run]) -> RunSet:
        """Return a set over a sequence that makes its runs as they are asked for, such as of the history."""
        made = cls()
        made._runs = runs
        return made

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    @overload
    def __getitem__(self, key: int | str) -> Run: ...
    @overload
    def __getitem__(self, key: slice | Sequence[bool] | pd.Series[bool]) -> RunSet: ...
    def __getitem__(self, key: Any) -> Run | RunSet:
        if isinstance(key, str):
            return self._by_id(key)
        if isinstance(key, slice):
            return RunSet.over(self._runs[key])
        if hasattr(key, "__index__") and not hasattr(key, "__len__"):
            return self._runs[operator.index(key)]
        return RunSet(run for run, chosen in zip(self._runs, self._mask(key), strict=True) if chosen)

    @cached_property
    def _ids(self) -> list[str]:
        return [run.run_id for run in self._runs]

    def _mask(self, key: Any) -> list[bool]:
        mask, index, ids = list(key), getattr(key, "index", None), self._ids
        if not callable(index) and index is not None and list(index) != ids:
            # A Series of another order or length, such as of a sorted frame: aligned by run id, as in pandas.
            by_id = dict(zip(index, mask, strict=True))
            mask = [by_id[run_id] for run_id in ids] if all(run_id in by_id for run_id in ids) else mask
        if len(mask) != len(ids):
            raise IndexError(f"a mask of {counted(len(mask), 'value')} can't choose among {counted(len(ids), 'run')}")
        return [_true(value) for value in mask]

    def _by_id(self, run_id: str) -> Run:
        try:
            return self._runs[self._places[run_id]]
        except KeyError:
            raise KeyError(f"no run has the id '{run_id}'{did_you_mean(run_id, self._ids)}") from None

    @cached_property
    def _places(self) -> dict[str, int]:
        places: dict[str, int] = {}
        for place, run_id in enumerate(self._ids):
            places.setdefault(run_id, place)  # a run may stand there twice
        return places

    def __add__(self, other: Iterable[Run]) -> RunSet:
        return RunSet((*self._runs, *other))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RunSet):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self._runs, other._runs, strict=True))

    __hash__ = None  # type: ignore[assignment]  # as of the runs in it

    def filter(self, keep: Callable[[Run], Any]) -> RunSet:
        """Return the runs for which `keep` gives a true value."""
        return RunSet(run for run in self._runs if keep(run))

    @property
    def frame(self) -> pd.DataFrame:
        """The runs frame: index `run_id`, one row per run; see `fgnb.runs.frames.runs_frame`."""
        from fgnb.runs.frames import handed_out

        return handed_out(self._frame)

    def to_frame(self, *, lists: Lists = "keep") -> pd.DataFrame:
        """Return the runs frame as `frame` does; ``lists="expand"`` gives the items of lists columns of their own."""
        from fgnb.runs.frames import runs_frame

        return self.frame if lists == "keep" else runs_frame(self, lists=lists)

    @property
    def errors(self) -> pd.DataFrame:
        """The errors frame: one row per node error; see `fgnb.runs.frames.errors_frame`."""
        from fgnb.runs.frames import handed_out

        return handed_out(self._errors)

    @property
    def inputs(self) -> pd.DataFrame:
        """The inputs: index `run_id`, a column per path; ``sweep(workflow, inputs=runs.inputs)`` runs them again.

        The columns are named as in the input, ``qty``, while those of `frame` say where: ``input.qty``.
        """
        from fgnb.runs.frames import inputs_frame

        return inputs_frame(self)

    @property
    def outputs(self) -> pd.DataFrame:
        """The outputs: index `run_id`, a column per path, named as in the output: ``total``, not ``output.total``."""
        from fgnb.runs.frames import outputs_frame

        return outputs_frame(self)

    @cached_property
    def _frame(self) -> pd.DataFrame:
        from fgnb.runs.frames import runs_frame

        return runs_frame(self)

    @cached_property
    def _errors(self) -> pd.DataFrame:
        from fgnb.runs.frames import errors_frame

        return errors_frame(self)

    def compare(self, other: RunSet | None = None, **options: Any) -> Comparison:
        """Compare these runs with another set, matched by input, or with each other; see `fgnb.compare`."""
        from fgnb.runs.compare import compare

        return compare(self, **options) if other is None else compare(self, other, **options)

    def summary(self, by: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Return the runs summed up.

        Args:
            by: columns of the runs frame, such as ``input.sku``: a row per value, missing ones too. By default
                a row per status, node and error type of the first node error.

        Returns:
            Columns `count` (Int64), `share` of all runs, `elapsed.p50`, `elapsed.p95` and `elapsed.p99` (seconds);
            with `by` also `failed` (Int64, every status but ``success``) and the share of `success`.

        Raises:
            InputError: a column does not exist.
        """
        from fgnb.runs.summary import summary

        return summary(self, by)

    @property
    def plot(self) -> Plots:
        """Plots of the runs; see `fgnb.render.plots.Plots`. They take matplotlib: ``pip install 'fgnb[plot]'``."""
        plots: Plots = wiring.call("plots", self)
        return plots

    def graph(self, definition: Mapping[str, Any] | Workflow | None = None) -> Graph:
        """Return the workflow drawn, with how many of the runs failed at each node; see `fgnb.Graph`.

        Args:
            definition: the workflow's, or the workflow; by default as the connected service holds it now.

        Raises:
            InputError: the runs are of several workflows, or the definition can't be had.
        """
        names = self.workflows
        if len(names) > 1 and len({run.workflow_id or run.workflow for run in self._runs}) > 1:
            raise InputError(
                f"a graph is of one workflow, these runs are of {len(names)}: {', '.join(names[:10])}"
                f"{', …' if len(names) > 10 else ''}; choose with runs.filter(lambda run: run.workflow == '{names[0]}')"
            )
        if definition is None and not names:
            raise InputError("there are no runs, so no workflow: give its definition, runs.graph(definition)")
        if definition is None:
            definition = wiring.call("definition of", self._runs[-1])
        graph: Graph = wiring.call("graph of runs", definition, self)
        return graph

    def explore(self) -> Explorer:
        """Return a table of the runs to sort, filter and choose from; see `fgnb.notebook.explore.Explorer`."""
        explorer: Explorer = wiring.call("explore", self)
        return explorer

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Write the runs, all of them, into a ``.parquet`` file; `fgnb.read_runs` reads them back exactly."""
        from fgnb.runs.table import write_parquet

        write_parquet(self, Path(path).expanduser())

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write the runs, all of them, as JSON Lines, compressed if the name ends with ``.gz``."""
        from fgnb.runs.record import write_lines

        write_lines(self, Path(path).expanduser())

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many runs there are of each status: successes first, then failures, in a fixed order."""
        return self._told[0]

    @property
    def workflows(self) -> list[str]:
        """The workflows, in order of their first appearance."""
        return self._told[1]

    @property
    def timing(self) -> dict[str, float]:
        """The ``median`` and the ``p95`` of the elapsed time, in seconds; empty if there are no runs."""
        return self._told[2]

    @cached_property
    def _told(self) -> tuple[dict[str, int], list[str], dict[str, float]]:
        # One pass, since the runs may be read from the history; and no pandas, which takes its time to import.
        counts: Counter[str] = Counter()
        names: dict[str, None] = {}
        elapsed: list[float] = []
        for run in self._runs:
            counts[run.status] += 1
            names[run.workflow] = None
            elapsed.append(run.elapsed)
        elapsed.sort()
        last = len(elapsed) - 1
        return (
            in_order(counts),
            list(names),
            {name: elapsed[round(share * last)] for name, share in (("median", 0.5), ("p95", 0.95)) if elapsed},
        )

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return f"<RunSet of {len(self)}: {counts or 'empty'}>"


def _true(value: Any) -> bool:
    import pandas as pd

    if value is None or value is pd.NA:  # a missing value chooses nothing, as in pandas
        return False
    if not pd.api.types.is_bool(value):
        raise TypeError(f"a mask holds booleans, not {type(value).__name__} {value!r}")
    return bool(value)
