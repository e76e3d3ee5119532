"""The way back from a DataFrame to the runs in it: ``df.fg.runs`` and ``df.fg.run``.

A row belongs to the run whose id is in the index level ``run_id``, or else in the column of that
name. A frame made of runs keeps them alive, and so do frames derived from it: ``df.attrs`` holds
their `Origin`, which pandas hands on. Where it does not, as in ``concat`` of several, the runs of all
frames that are still alive are searched, and then the history.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import pandas as pd

from fgnb import wiring
from fgnb.errors import InputError
from fgnb.runs.run import Run
from fgnb.runs.runset import RunSet

KEY = "fgnb"
ID = "run_id"


class Origin(str):
    """Names the runs that a frame was made of, and holds them.

    It is a text, so that ``df.attrs`` can be compared, copied and written with the frame at no cost;
    what is read back or unpickled is that text alone.
    """

    runs: Sequence[Run]
    _ids: Iterable[str]
    _places: dict[str, int] | None

    @classmethod
    def of(cls, runs: Sequence[Run], ids: Iterable[str]) -> Origin:
        """Return a new name for runs, whose ids are given so that they need not be read for them."""
        made = cls(secrets.token_hex(8))
        made.runs, made._ids, made._places = runs, ids, None
        _origins[str(made)] = made
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Origin:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)

    @property
    def places(self) -> dict[str, int]:
        """The position of each run, by id."""
        if self._places is None:
            self._places = {run_id: place for place, run_id in enumerate(self._ids)}
        return self._places


_origins: WeakValueDictionary[str, Origin] = WeakValueDictionary()


def remember(frame: pd.DataFrame, runs: Iterable[Run], ids: Iterable[str]) -> pd.DataFrame:
    """Make a frame lead back to its runs, and return it; an iterator is used up and leads nowhere.

    Args:
        frame: a frame made of `runs`.
        runs: the runs.
        ids: their ids, in the same order.
    """
    if isinstance(runs, Sequence):
        # A slice is a set of its own, without the frames that this one keeps: they would keep themselves.
        frame.attrs[KEY] = Origin.of(runs[:], ids)
    return frame


class RunsOfFrame:
    """What ``df.fg`` is, for a frame with run ids.

    Raises:
        AttributeError: the frame has none, so that ``hasattr(df, "fg")`` is False.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        if ID not in frame.index.names and ID not in frame.columns:
            raise AttributeError(f"the frame has neither an index level nor a column '{ID}': no runs belong to it")
        self._frame = frame

    @property
    def runs(self) -> RunSet:
        """The runs of the rows, in their order; one that has several rows is there once.

        Raises:
            LookupError: a row has no run id, or there is no such run in memory or in the history.
        """
        ids = _ids_of(self._frame)
        origin = self._frame.attrs.get(KEY)
        if isinstance(origin, Origin):
            places = origin.places
            found = [places[run_id] for run_id in ids if run_id in places]
            if len(found) == len(ids):
                return _chosen(origin.runs, found)
        return RunSet(_found(ids))

    @property
    def run(self) -> Run:
        """The run of the frame's only row.

        Raises:
            InputError: the frame has several runs, or none.
        """
        count = len(_ids_of(self._frame))
        if count != 1:
            raise InputError(f"the frame has {count:,} runs, not one: choose a row, such as df.head(1).fg.run")
        return self.runs[0]


def _ids_of(frame: pd.DataFrame) -> list[str]:
    given = frame.index.get_level_values(ID) if ID in frame.index.names else frame[ID]
    if given.hasnans:
        place = int(given.isna().argmax())
        raise LookupError(f"row {place} of the frame has no run id: leave such rows out with df.dropna()")
    return list(dict.fromkeys(given))


def _chosen(runs: Sequence[Run], places: list[int]) -> RunSet:
    if places and places == list(range(places[0], places[0] + len(places))):
        chosen = runs[places[0] : places[-1] + 1]  # what reads its runs as they are asked for still does
        return chosen if isinstance(chosen, RunSet) else RunSet.over(chosen)
    return RunSet(runs[place] for place in places)


def _found(ids: Sequence[str]) -> list[Run]:
    """Return the runs with these ids, wherever they are."""
    runs: dict[str, Run] = {}
    for origin in list(_origins.values()):
        missing = [run_id for run_id in ids if run_id not in runs]
        if not missing:
            break
        places = origin.places
        runs |= {run_id: origin.runs[places[run_id]] for run_id in missing if run_id in places}
    missing = [run_id for run_id in ids if run_id not in runs]
    if missing:
        runs |= {run.run_id: run for run in wiring.call("find runs", missing)}
    lost = [run_id for run_id in missing if run_id not in runs]
    if lost:
        more = f" and {len(lost) - 1:,} more" if len(lost) > 1 else ""
        raise LookupError(f"no run has the id '{lost[0]}'{more}, neither in memory nor in the history")
    return [runs[run_id] for run_id in ids]


def register() -> None:
    """Make ``df.fg`` available; once, for pandas warns of a name that is taken."""
    if getattr(getattr(pd.DataFrame, "fg", None), "__module__", None) != __name__:
        pd.api.extensions.register_dataframe_accessor("fg")(RunsOfFrame)
