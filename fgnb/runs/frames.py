"""Runs as DataFrames whose column types follow the JSON values and nothing else.

A column is ``Int64``, ``Float64``, ``boolean`` or ``string`` if all its values are of that JSON
type, else ``object``; integers beyond 64 bits and mixed columns are ``object``, each value as it
came. Nothing goes through float, nothing is guessed from text. null and a missing key are both
``<NA>`` here; the runs themselves keep them apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from fgnb.local.execution import Visit
from fgnb.paths import Path, format_path, leaves
from fgnb.runs.run import STATUSES, Run
from fgnb.runs.trace import place_of, status_of
from fgnb.wire import WorkflowSummary, parse_time

TIME = pd.DatetimeTZDtype("us", "UTC")
_COPY_ON_WRITE = int(pd.__version__.split(".")[0]) >= 3
_INT64 = range(-(2**63), 2**63)


def handed_out(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that the user may change without changing the cached one."""
    return frame.copy(deep=not _COPY_ON_WRITE)


def runs_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """Return the runs frame: index ``run_id`` (string), one row per run, none ever dropped.

    Columns: ``workflow``, ``execution_id``, ``request_id`` (string); ``status`` (categorical);
    ``submitted_at``, ``begin_time``, ``end_time`` (datetime64, UTC); ``elapsed`` (float64, seconds);
    ``error_count`` (Int64); ``error_node``, ``error_message`` (string; of the first node error;
    where no node failed, the message is the reason why there is no answer); then ``tags.<name>``,
    ``input.<path>``, ``output.<path>``, objects flattened, lists as they are.
    """
    first = [run.node_errors[0] if run.node_errors else None for run in runs]
    columns: dict[str, Any] = {
        "workflow": _text(run.workflow for run in runs),
        "execution_id": _text(run.execution_id for run in runs),
        "request_id": _text(run.request_id for run in runs),
        "status": _status([run.status for run in runs]),
        "submitted_at": _times(run.submitted_at for run in runs),
        "begin_time": _times(run.begin_time for run in runs),
        "end_time": _times(run.end_time for run in runs),
        "elapsed": pd.array([run.elapsed for run in runs], dtype="float64"),
        "error_count": pd.array([len(run.node_errors) for run in runs], dtype="Int64"),
        "error_node": _text(error.node_id if error else None for error in first),
        "error_message": _text(
            error.error_message if error else run.reason for run, error in zip(runs, first, strict=True)
        ),
    }
    columns |= _flattened("tags", [dict(run.tags) for run in runs])
    columns |= _flattened("input", [run.input for run in runs])
    columns |= _flattened("output", [run.output for run in runs])
    return pd.DataFrame(columns, index=pd.Index(_text(run.run_id for run in runs), name="run_id"))


def errors_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return the errors frame: one row per node error, in the order of the runs.

    Columns: ``run_id``, ``workflow``, ``execution_id``, ``node_id``, ``node_name``, ``error_type``,
    ``error_message`` (string); ``begin_time``, ``end_time`` (datetime64, UTC); ``duration`` (float64,
    seconds, whole ones as the service's times); ``stack_trace`` (string).
    """
    rows = [(run, error) for run in runs for error in run.node_errors]
    begin = _times(error.begin_time for _, error in rows)
    end = _times(error.end_time for _, error in rows)
    return pd.DataFrame(
        {
            "run_id": _text(run.run_id for run, _ in rows),
            "workflow": _text(run.workflow for run, _ in rows),
            "execution_id": _text(run.execution_id for run, _ in rows),
            "node_id": _text(error.node_id for _, error in rows),
            "node_name": _text(error.node_name for _, error in rows),
            "error_type": _text(error.error_type for _, error in rows),
            "error_message": _text(error.error_message for _, error in rows),
            "begin_time": begin,
            "end_time": end,
            "duration": (end - begin).total_seconds().astype("float64"),
            "stack_trace": _text(error.stack_trace for _, error in rows),
        }
    )


def workflows_frame(workflows: Iterable[WorkflowSummary]) -> pd.DataFrame:
    """Return a list of workflows as a frame: index ``name``, one row per workflow."""
    found = list(workflows)
    columns = {
        "id": _text(workflow.id for workflow in found),
        "description": _text(workflow.description or None for workflow in found),
        "created_time": _times(parse_time(workflow.created_time) for workflow in found),
        "updated_time": _times(parse_time(workflow.updated_time) for workflow in found),
        "workflow_urn": _text(workflow.workflow_urn for workflow in found),
    }
    return pd.DataFrame(columns, index=pd.Index(_text(workflow.name for workflow in found), name="name"))


def _text(values: Iterable[str | None]) -> Any:
    cells = list(values)
    try:
        return pd.array(cells, dtype="string")
    except UnicodeEncodeError:  # Arrow, where it is installed, holds no lone surrogates, which JSON has
        return pd.array(cells, dtype=pd.StringDtype("python"))


def _status(values: list[str]) -> Any:
    new = [status for status in dict.fromkeys(values) if status not in STATUSES]
    return pd.Categorical(values, categories=[*STATUSES, *new])


def _times(values: Iterable[datetime | None]) -> Any:
    return pd.array(list(values), dtype=TIME)


def _flattened(root: str, values: Sequence[Any]) -> dict[str, Any]:
    """Return a column per path; a value that is not an object stands in the column `root`."""
    rows = len(values)
    cells: dict[Path, list[Any]] = {}
    kinds: dict[Path, set[type]] = {}
    for row, value in enumerate(values):
        if value is None or value == {}:
            continue
        for path, leaf in leaves(value, lists=False):
            if path not in cells:
                cells[path] = [None] * rows
                kinds[path] = set()
            if leaf is not None:
                cells[path][row] = leaf
                kinds[path].add(type(leaf))
    return {format_path(path, root): column(cells[path], kinds[path]) for path in cells}


_DTYPES: Mapping[frozenset[type], str] = {
    frozenset({bool}): "boolean",
    frozenset({float}): "Float64",
    frozenset({str}): "string",
}


def column(values: list[Any], kinds: set[type]) -> Any:
    """Return JSON values as a column of the type that holds all of them exactly.

    Args:
        values: JSON values, None where there is none.
        kinds: the Python types of those that are not None.
    """
    dtype: Any = _DTYPES.get(frozenset(kinds))
    if kinds == {int}:
        present = [value for value in values if value is not None]
        dtype = "Int64" if min(present) in _INT64 and max(present) in _INT64 else None
    if dtype == "string":
        return _text(values)
    if dtype is not None:
        return pd.array(values, dtype=dtype)
    cells = pd.Series([pd.NA if value is None else value for value in values], dtype="object")
    return cells.array


def text_frame(index: str, rows: Mapping[str, Sequence[str | None]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame of texts: `rows` by the name that stands in the index."""
    cells = {name: _text(row[number] for row in rows.values()) for number, name in enumerate(columns)}
    return pd.DataFrame(cells, index=pd.Index(_text(rows), name=index))


def trace_frame(visits: Sequence[Visit]) -> pd.DataFrame:
    """Return attempts at states as a frame; see `fgnb.runs.trace.Trace.frame`."""
    failures = [visit.failure or {} for visit in visits]
    ends = [visit.end for visit in visits]
    return pd.DataFrame(
        {
            "node_id": _text(visit.step.id for visit in visits),
            "node_name": _text(visit.step.name for visit in visits),
            "place": _text(place_of(visit) for visit in visits),
            "attempt": pd.array([visit.attempt for visit in visits], dtype="Int64"),
            "status": _text(status_of(visit) for visit in visits),
            "begin_time": _times(datetime.fromtimestamp(visit.begin, UTC) for visit in visits),
            "end_time": _times(None if end is None else datetime.fromtimestamp(end, UTC) for end in ends),
            "elapsed": pd.array(
                [float("nan") if visit.end is None else visit.end - visit.begin for visit in visits], dtype="float64"
            ),
            "input": pd.Series([visit.input for visit in visits], dtype="object"),
            "output": pd.Series([visit.output for visit in visits], dtype="object"),
            "error_type": _text(failure.get("errorType") for failure in failures),
            "error_message": _text(failure.get("errorMessage") for failure in failures),
        }
    )
