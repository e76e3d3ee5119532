"""Did the new version change anything: two sets of runs, matched by input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from fgnb.counted import counted
from fgnb.errors import InputError
from fgnb.runs import explain
from fgnb.runs.compare import Comparison, run_differences
from fgnb.runs.differences import Kind, Rules, canonical, kind_of, same
from fgnb.runs.matching import Matched, match
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet

if TYPE_CHECKING:
    import pandas as pd

KINDS: tuple[Kind, ...] = ("changed", "added", "removed", "type")
_FLIPS = (
    "input_key", "status_before", "status_after", "error_node", "error_type", "error_message",
    "run_id_before", "run_id_after",
)  # fmt: skip


class Difference(NamedTuple):
    """One path at which a pair of runs differs; `pair` is its place among the pairs."""

    pair: int
    path: str
    before: Any
    after: Any
    kind: Kind


class SetComparison(Comparison):
    """Two sets of runs, matched by input: what changed, for which inputs, and what fails now.

    The elapsed time is no difference; see `timing`. Inputs are the same if they are the same JSON, in
    any order of keys. Several runs of one input are matched in their order.

    Attributes:
        before, after: the sets.
        pairs: the runs that belong together.

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> before = session.sweep("order-triage", {"sku": ["A-100"], "qty": [1, 2]}, progress=False)
    >>> after = session.sweep("order-triage", inputs=before, progress=False)
    >>> fgnb.compare(before, after)
    <SetComparison of 2 pairs: 0 changed, 0 regressions, 0 fixes>
    """

    def __init__(self, before: RunSet, after: RunSet, *, rules: Rules, on: str | Sequence[str] | None = None) -> None:
        super().__init__(rules)
        self.before = before
        self.after = after
        self._on = None if on is None else explain.places_of([on] if isinstance(on, str) else on)
        if self._on == []:
            raise InputError("on names no path: give one or more, such as input.sku")

    @cached_property
    def _matched(self) -> Matched:
        return match(list(self.before), list(self.after), self._on)

    @property
    def pairs(self) -> list[tuple[Run, Run]]:
        """The runs that belong together, in the order of the first set."""
        return self._matched.pairs

    def key_of(self, pair: int) -> str:
        """Return the input key of the pair at a place."""
        return self._matched.keys[pair]

    @cached_property
    def differences(self) -> list[Difference]:
        """What differs, pair by pair; `MISSING` where a run has nothing at a path."""
        found = []
        for number, (before, after) in enumerate(self.pairs):
            if self._plainly_equal(before, after):
                continue
            for path, (one, other) in run_differences((before, after), self._rules, self._notes):
                if path != "elapsed":
                    found.append(Difference(number, path, one, other, kind_of(one, other)))
        return found

    def _plainly_equal(self, before: Run, after: Run) -> bool:
        return (
            before.status == after.status
            and same(before.output, after.output)
            and before.node_errors == after.node_errors
            and (self._on is None or same(before.input, after.input))
        )

    @property
    def changes(self) -> pd.DataFrame:
        """One row per matched pair and path that differs.

        Columns: `input_key`, what tells the input from the others, and `path`, text; `before` and `after`,
        any JSON value, or ``<NA>`` where there is none; `kind`: ``changed``, ``added``, ``removed`` or
        ``type`` (another JSON type).
        """
        from fgnb.runs.typed import typed

        keys = self._matched.keys
        return typed(
            [(keys[change.pair], *change[1:]) for change in self.differences],
            {"input_key": "string", "path": "string", "before": "object", "after": "object", "kind": _kinds()},
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row per path that differs anywhere, the most frequent first.

        Index: ``path``. Columns: `pairs` that differ there; how many of them are `changed`, `added`, `removed`
        or of another `type`; and of the first of them `example` (its input key), `before` and `after`.
        """
        from fgnb.runs.typed import text_index, typed

        by_path: dict[str, list[Difference]] = {}
        for change in self.differences:
            by_path.setdefault(change.path, []).append(change)
        ordered = sorted(by_path.items(), key=lambda entry: -len(entry[1]))
        rows = []
        for _, found in ordered:
            kinds, first = Counter(change.kind for change in found), found[0]
            counts = (len(found), *(kinds[kind] for kind in KINDS))
            rows.append((*counts, self._matched.keys[first.pair], first.before, first.after))
        dtypes = dict.fromkeys(["pairs", *KINDS], "Int64") | {
            "example": "string",
            "before": "object",
            "after": "object",
        }
        return typed(rows, dtypes, text_index((path for path, _ in ordered), "path"))

    @property
    def regressions(self) -> pd.DataFrame:
        """The pairs that succeeded before, and do not any more.

        Columns: `input_key`, `status_before`, `status_after`, and `error_node`, `error_type`, `error_message`
        of the failing run's first node error, or its reason; `run_id_before`, `run_id_after`.
        """
        return self._flipped(before=True, after=False)

    @property
    def fixes(self) -> pd.DataFrame:
        """The pairs that did not succeed before, and do now; columns as of `regressions`."""
        return self._flipped(before=False, after=True)

    def _flipped(self, *, before: bool, after: bool) -> pd.DataFrame:
        from fgnb.runs.typed import typed

        rows = []
        for key, (one, other) in zip(self._matched.keys, self.pairs, strict=True):
            if (one.ok, other.ok) != (before, after):
                continue
            failing = one if after else other
            error = failing.node_errors[0] if failing.node_errors else None
            told = (error.node_id, error.error_type, error.error_message) if error else (None, None, failing.reason)
            rows.append((key, one.status, other.status, *told, one.run_id, other.run_id))
        return typed(rows, dict.fromkeys(_FLIPS, "string"))

    @property
    def timing(self) -> pd.DataFrame:
        """The elapsed time of the pairs that succeeded on both sides.

        Index: ``median`` and ``p95``. Columns: `before` and `after`, in seconds, and `ratio`, after to before;
        NaN if there are none.
        """
        import pandas as pd

        both = [(one.elapsed, other.elapsed) for one, other in self.pairs if one.ok and other.ok]
        elapsed = pd.DataFrame(both, columns=["before", "after"], dtype="float64")
        told = elapsed.quantile([0.5, 0.95]).set_axis(["median", "p95"])
        return told.assign(ratio=told["after"] / told["before"])

    @property
    def unmatched(self) -> pd.DataFrame:
        """The runs whose input is in one set only. Columns: `input_key`, `run_id`, `side` (``before`` or ``after``)."""
        import pandas as pd

        from fgnb.runs.typed import typed

        first, second = self._matched.alone
        rows = [(key, run.run_id, side) for side, alone in (("before", first), ("after", second)) for key, run in alone]
        sides = pd.CategoricalDtype(["before", "after"])
        return typed(rows, {"input_key": "string", "run_id": "string", "side": sides})

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many pairs there are, how many of them are equal, changed, regressions and fixes; and unmatched runs."""
        changed = len({change.pair for change in self.differences})
        flips = Counter((one.ok, other.ok) for one, other in self.pairs)
        return {
            "pairs": len(self.pairs),
            "equal": len(self.pairs) - changed,
            "changed": changed,
            "regressions": flips[True, False],
            "fixes": flips[False, True],
            "unmatched": sum(map(len, self._matched.alone)),
        }

    def by(self, *paths: str) -> pd.DataFrame:
        """Tell for which inputs something changed.

        Args:
            paths: of inputs or tags, such as ``input.sku``. Index: their values. Columns: `pairs` with these
                values; how many of them are `changed`, `regressions`, `fixes`; the `share` that is changed; and
                the `path` that changed most often. Without paths the inputs are ranked. Index: ``by``, each input
                and tag that differs. Columns: `values` of it, and `explained`: by how much knowing it betters a
                guess at whether a pair changed (Goodman and Kruskal's lambda), from 0, not at all, to 1, always
                right; a value of one pair alone tells nothing of others. Inputs that are another for each pair
                are left out.

        Raises:
            InputError: a path is not one of an input or a tag.
        """
        from fgnb.runs.typed import typed

        runs = [before for before, _ in self.pairs]
        changed: dict[int, list[str]] = {}
        for change in self.differences:
            changed.setdefault(change.pair, []).append(change.path)
        if not paths:
            outcome = [canonical(number in changed) for number in range(len(runs))]
            return explain.ranked(runs, {"changed": outcome}).droplevel("path")
        places = explain.places_of(paths)
        groups = list(explain.grouped(runs, places).values())
        rows = []
        for numbers in groups:
            flips = Counter((self.pairs[number][0].ok, self.pairs[number][1].ok) for number in numbers)
            hit = [number for number in numbers if number in changed]
            most = Counter(path for number in hit for path in changed[number]).most_common(1)
            rows.append(
                (len(numbers), len(hit), flips[True, False], flips[False, True], len(hit) / len(numbers))
                + ((most[0][0],) if most else (None,))
            )
        dtypes = dict.fromkeys(["pairs", "changed", "regressions", "fixes"], "Int64")
        dtypes |= {"share": "float64", "path": "string"}
        return typed(rows, dtypes, explain.index_of(runs, places, groups))

    def __len__(self) -> int:
        return len(self.differences)

    def __repr__(self) -> str:
        counts = self.counts
        return (
            f"<SetComparison of {counted(counts['pairs'], 'pair')}: {counts['changed']:,} changed,"
            f" {counted(counts['regressions'], 'regression')}, {counted(counts['fixes'], 'fix', 'fixes')}>"
        )


def _kinds() -> pd.CategoricalDtype:
    import pandas as pd

    return pd.CategoricalDtype(list(KINDS))
