"""A set of runs in a few rows: how many of each kind, and how long they took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.runs.frames import column_of
from fgnb.runs.run import STATUSES
from fgnb.runs.typed import text_index

if TYPE_CHECKING:
    from fgnb.runs.runset import RunSet

QUANTILES = {"elapsed.p50": 0.5, "elapsed.p95": 0.95, "elapsed.p99": 0.99}


def summary(runs: RunSet, by: str | Sequence[str] | None = None) -> pd.DataFrame:
    """Return the runs summed up; see `RunSet.summary`.

    Raises:
        InputError: a column of `by` does not exist.
    """
    frame = runs._frame
    keys, sort = _kinds(runs, frame) if by is None else (_columns(frame, by), False)
    told = pd.DataFrame({"elapsed": frame["elapsed"].to_numpy(), "ok": (frame["status"] == "success").to_numpy()})
    groups = told.groupby(keys, sort=False, dropna=False, observed=True)
    count = groups.size().astype("Int64")
    columns = {"count": count, "share": count.astype("float64") / max(len(frame), 1)}
    if by is not None:
        succeeded = groups["ok"].sum().astype("Int64")
        columns |= {"failed": count - succeeded, "success": succeeded.astype("float64") / count.astype("float64")}
    columns |= {name: groups["elapsed"].quantile(share) for name, share in QUANTILES.items()}
    result = pd.DataFrame(columns)
    if sort:
        order = {status: place for place, status in enumerate(STATUSES)}
        places = [order.get(status, len(order)) for status in result.index.get_level_values("status")]
        result = result.iloc[sorted(range(len(result)), key=lambda row: (places[row], -result["count"].iloc[row]))]
    return result


def _kinds(runs: RunSet, frame: pd.DataFrame) -> tuple[list[pd.Index[str]], bool]:
    """Return status, node and error type of each run, of the first node error."""
    errors = runs._errors.drop_duplicates("run_id")
    types = dict(zip(errors["run_id"], errors["error_type"], strict=True))
    kinds = [types.get(run_id, pd.NA) for run_id in frame.index]
    return [
        text_index(frame["status"].astype(str), "status"),
        pd.Index(frame["error_node"].array, name="error_node"),
        text_index((None if kind is pd.NA else kind for kind in kinds), "error_type"),  # type: ignore[misc]
    ], True


def _columns(frame: pd.DataFrame, by: str | Sequence[str]) -> list[pd.Series]:
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise InputError("by names no column")
    return [_hashable(column_of(frame, name)).reset_index(drop=True) for name in names]


def _hashable(column: pd.Series) -> pd.Series:
    """Return a column to group by: lists, which can't be, as JSON text."""
    if column.dtype != object:
        return column
    return column.map(lambda cell: jsontext.dumps(cell).decode() if isinstance(cell, (list, dict)) else cell)
