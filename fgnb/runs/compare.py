"""What differs between runs: laid side by side, or two sets of them matched by input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.paths import format_path
from fgnb.runs import explain
from fgnb.runs.differences import MISSING, Rules, differences
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd


def compare(
    *given: Run | RunSet,
    keep_equal: bool = False,
    rtol: float = 0.0,
    atol: float = 0.0,
    ignore: str | Iterable[str] = (),
    key: Mapping[str, str] | None = None,
    baseline: int | str | Run | RunSet = 0,
    on: str | Sequence[str] | None = None,
) -> Comparison:
    """Compare runs, or two sets of runs matched by input.

    Numbers count by value, ``true`` is not 1, and what is missing is not null. Lists are compared by
    position, or by a `key`. The elapsed time is told, but never counts as a change.

    Args:
        given: two or more runs, or one set of them, to be laid side by side: a `RunComparison`. Two sets,
            before and after, are matched by input: a `SetComparison`.
        keep_equal: whether to keep the paths at which all runs are equal; not for two sets.
        rtol: numbers are equal if they differ by at most ``max(rtol * larger, atol)``.
        atol: see `rtol`.
        ignore: paths that are left out with all below them, such as ``output.trace_id``,
            ``output.items[*].id`` (of any item) or ``output.*.at`` (of any key).
        key: lists whose items are matched by one of their members instead of by position, such as
            ``{"output.items": "sku"}``. Where an item has none, or two have the same, position counts,
            and the result's ``notes`` say so.
        baseline: what the others are measured by: an index among `given`, a run's id, or itself.
        on: paths by whose values the runs of two sets are matched instead of by the whole input, such as
            ``input.sku`` or ``tags.case``.

    Raises:
        TypeError: something else is given than runs, or sets of runs.
        ValueError: there are fewer than two runs.
        InputError: an option is wrong.

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> one, two = (session.run("order-triage", {"sku": "A-100", "qty": qty}) for qty in (1, 2))
    >>> fgnb.compare(one, two).changed
    ['input.qty', 'output.qty', 'output.total', 'output.left']
    """
    for one in given:
        if not isinstance(one, (Run, RunSet)):
            raise TypeError(f"compare takes runs, such as fgnb.run returns, or sets of runs, not {type(one).__name__}")
    rules = Rules.of(rtol, atol, ignore, key)
    sets = [one for one in given if isinstance(one, RunSet)]
    if len(sets) == 2 == len(given):
        from fgnb.runs.compare_sets import SetComparison

        if keep_equal:
            raise InputError("keep_equal is for runs laid side by side; of two sets only what differs is told")
        if _place(baseline, given) == 1:
            sets.reverse()
        return SetComparison(*sets, rules=rules, on=on)
    if on is not None:
        raise InputError("on says how two sets are matched, and no two sets are given")
    if sets and len(given) > 1:
        raise TypeError("compare takes runs, or one or two sets of them; sets are joined by +")
    runs = tuple(sets[0]) if sets else tuple(one for one in given if isinstance(one, Run))
    if len(runs) < 2:
        raise ValueError("compare takes at least two runs")
    return RunComparison(runs, rules=rules, baseline=_place(baseline, runs), keep_equal=keep_equal)


def _place(baseline: int | str | Run | RunSet, given: Sequence[Run | RunSet]) -> int:
    for place, one in enumerate(given):
        if baseline is one or (isinstance(one, Run) and one.run_id == getattr(baseline, "run_id", baseline)):
            return place
    if isinstance(baseline, int) and not isinstance(baseline, bool) and -len(given) <= baseline < len(given):
        return baseline % len(given)
    raise InputError(f"baseline is an index, a run's id, or one of those that are compared, not {baseline!r}")


class Comparison(Shown, ABC):
    """What differs, as `frame`; `notes` say what could not be compared as it was asked for.

    >>> import fgnb
    >>> run = fgnb.connect("local").run("order-triage", {"sku": "A-100"})
    >>> isinstance(fgnb.compare(run, run), fgnb.Comparison)
    True
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._notes: dict[str, str] = {}  # found with the differences

    @property
    @abstractmethod
    def frame(self) -> pd.DataFrame:
        """What differs, a row per path."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Lists that were compared by position since their items have no key of their own."""
        found = self._notes if len(self) else {}
        return tuple(f"{path} is compared by position: {why}" for path, why in found.items())

    @abstractmethod
    def by(self, *paths: str) -> pd.DataFrame:
        """Tell which inputs go with which differences."""

    @abstractmethod
    def __len__(self) -> int: ...

    def __bool__(self) -> bool:  # it is there, whatever its length
        return True


class RunComparison(Comparison):
    """Runs laid side by side.

    Paths are ``status``, ``elapsed``, ``input.<path>``, ``output.<path>`` and ``error.<node id>``, whose
    value is the node's error message, or a list of them where it failed more than once.

    Attributes:
        runs: the runs.
        baseline: the place among them of the one that the others are measured by.

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> one, two = (session.run("order-triage", {"sku": sku, "qty": 1}) for sku in ("A-100", "B-7"))
    >>> fgnb.compare(one, two).rows["output.total"]
    (49.9, 129.0)
    """

    def __init__(self, runs: Sequence[Run], *, rules: Rules, baseline: int = 0, keep_equal: bool = False) -> None:
        super().__init__(rules)
        self.runs = tuple(runs)
        self.baseline = baseline
        self._keep_equal = keep_equal

    @cached_property
    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Each path's values, one per run; `MISSING` where a run has none."""
        found = run_differences(
            self.runs, self._rules, self._notes, baseline=self.baseline, keep_equal=self._keep_equal
        )
        return dict(found)

    @property
    def changed(self) -> list[str]:
        """The paths that differ, but for the elapsed time, which always does."""
        rows = [path for path in self.rows if path != "elapsed"]
        return [path for path in rows if self.marked(path)] if self._keep_equal else rows

    def marked(self, path: str) -> tuple[int, ...]:
        """Return the places of the runs that differ from the baseline at a path."""
        values = self.rows[path]
        return tuple(
            place
            for place, value in enumerate(values)
            if next(differences([values[self.baseline], value], (), self._rules, {}), None) is not None
        )

    @property
    def frame(self) -> pd.DataFrame:
        """The comparison as a frame: index ``path``, one column per run, named by its run id.

        A missing value is ``<NA>``, null is None.
        """
        import pandas as pd

        from fgnb.runs.typed import text_index

        columns = {
            number: [pd.NA if values[number] is MISSING else values[number] for values in self.rows.values()]
            for number in range(len(self.runs))
        }
        frame = pd.DataFrame(columns, index=text_index(self.rows, "path"), dtype="object")
        return frame.set_axis([run.run_id for run in self.runs], axis=1)  # a run may stand there twice

    def by(self, *paths: str) -> pd.DataFrame:
        """Tell which inputs go with which differences.

        Args:
            paths: of inputs or tags, such as ``input.sku``. Index: their values, and ``path``, each path that
                differs. Columns: `runs` with these values, `distinct` values of the path among them, its most
                frequent `value` (``<NA>`` if it is missing), and the `share` of these runs that have it.
                Without paths the inputs are ranked. Index: ``by``, each input and tag that differs, and
                ``path``. Columns: `values` of the input, and `explained`: by how much knowing the input
                betters a guess at the path's value (Goodman and Kruskal's lambda), from 0, not at all, to 1,
                always right; a value of one run alone tells nothing of others. Inputs that are another for each run
                are left out.

        Raises:
            InputError: a path is not one of an input or a tag.
        """
        outcomes = {
            path: values for path, values in self.rows.items() if path != "elapsed" and not path.startswith("input")
        }
        if paths:
            return explain.told(self.runs, explain.places_of(paths), outcomes)
        return explain.ranked(self.runs, outcomes)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"<RunComparison of {counted(len(self.runs), 'run')}: {counted(len(self), 'path')}>"


def run_differences(
    runs: Sequence[Run], rules: Rules, notes: dict[str, str], *, baseline: int = 0, keep_equal: bool = False
) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield the paths at which runs differ, written, each with the runs' values there."""
    sides: dict[str, list[Any]] = {
        "status": [run.status for run in runs],
        "elapsed": [run.elapsed for run in runs],
        "input": [run.input for run in runs],
        # Without success there is no output, which is not the same as null.
        "output": [run.output if run.ok else MISSING for run in runs],
        "error": [_errors(run) for run in runs],
    }
    for root, values in sides.items():
        found = differences(values, (root,), rules, notes, baseline=baseline, keep_equal=keep_equal)
        for path, row in found:
            yield format_path(path), row


def _errors(run: Run) -> dict[str, str | list[str]]:
    by_node: dict[str, list[str]] = {}
    for error in run.node_errors:
        by_node.setdefault(error.node_id, []).append(error.error_message)
    return {node: messages[0] if len(messages) == 1 else messages for node, messages in by_node.items()}
