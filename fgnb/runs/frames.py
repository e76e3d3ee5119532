"""Runs as DataFrames whose column types follow the JSON values and nothing else; see `fgnb.runs.columns`.

Frames of runs are made in one pass, a chunk of runs at a time, so that runs may be read as they are
needed. They lead back to their runs: ``df.fg.runs``, see `fgnb.runs.accessor`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fgnb.errors import InputError, did_you_mean
from fgnb.local.execution import Visit
from fgnb.runs import accessor
from fgnb.runs.columns import Column, Flattened, in_chunks, texts, times
from fgnb.runs.run import STATUSES, Run
from fgnb.runs.trace import place_of, status_of
from fgnb.wire import WorkflowSummary, parse_time

if TYPE_CHECKING:
    from fgnb.runs.runset import Lists

_COPY_ON_WRITE = int(pd.__version__.split(".")[0]) >= 3
_MANY = 100  # arrays of their own in one frame, before pandas warns that it is slow to add another


def _reason(run: Run) -> str | None:
    return run.node_errors[0].error_message if run.node_errors else run.reason


def _fields(*names: str, kind: type = str) -> dict[str, tuple[type, Callable[[Any], Any]]]:
    return {name: (kind, attrgetter(name)) for name in names}


_ID = _fields("run_id")
_OF_RUN = {
    **_ID,
    **_fields("workflow", "execution_id", "request_id"),
    **_fields("submitted_at", "begin_time", "end_time", kind=datetime),
    "error_count": (int, lambda run: len(run.node_errors)),
    "error_node": (str, lambda run: run.node_errors[0].node_id if run.node_errors else None),
    "error_message": (str, _reason),
}
_ORDER = (
    "workflow",
    "execution_id",
    "request_id",
    "status",
    "submitted_at",
    "begin_time",
    "end_time",
    "elapsed",
    "error_count",
    "error_node",
    "error_message",
)
_OF_FAILED = _fields("run_id", "workflow", "execution_id")
_OF_ERROR = {
    **_fields("node_id", "node_name", "error_type", "error_message"),
    **_fields("begin_time", "end_time", kind=datetime),
    **_fields("stack_trace"),
}

accessor.register()


def handed_out(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that the user may change without changing the cached one."""
    return frame.copy(deep=not _COPY_ON_WRITE)


def runs_frame(runs: Iterable[Run], *, lists: Lists = "keep") -> pd.DataFrame:
    """Return the runs frame: index ``run_id`` (string), one row per run, none ever dropped.

    Columns: ``workflow``, ``execution_id``, ``request_id`` (string); ``status`` (categorical);
    ``submitted_at``, ``begin_time``, ``end_time`` (datetime64, UTC); ``elapsed`` (float64, seconds);
    ``error_count`` (Int64); ``error_node``, ``error_message`` (string; of the first node error;
    where no node failed, the message is the reason why there is no answer); then ``tags.<name>``,
    ``input.<path>``, ``output.<path>``, objects flattened, typed as `fgnb.runs.columns` says.

    Args:
        runs: the runs; iterated once.
        lists: ``keep`` leaves a list in one cell; ``expand`` flattens it too, as ``output.items[0].sku``,
            and leaves an empty one in its cell.
    """
    fixed = _Columns(_OF_RUN)
    statuses, elapsed = _Statuses(), [np.empty(0)]
    flat = {name: Flattened(name, lists=lists) for name in ("tags", "input", "output")}

    def take(chunk: list[Run]) -> None:
        fixed.add(chunk)
        statuses.add(chunk)
        elapsed.append(np.array([run.elapsed for run in chunk], dtype="float64"))
        flat["tags"].add([dict(run.tags) for run in chunk])
        flat["input"].add([run.input for run in chunk])
        flat["output"].add([run.output for run in chunk])

    in_chunks(runs, take)
    columns = fixed.arrays()
    ids = columns.pop("run_id")
    columns |= {"status": statuses.array(), "elapsed": np.concatenate(elapsed)}
    columns = {name: columns[name] for name in _ORDER}
    for flattened in flat.values():
        columns |= flattened.arrays()
    return accessor.remember(_frame(columns, ids), runs, ids)


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of a runs frame.

    Raises:
        InputError: there is none of this name.
    """
    if name not in frame.columns:
        below = [column for column in frame.columns if column.partition(".")[2] == name]  # input.sku for sku
        hint = f"; did you mean {' or '.join(below)}?" if below else did_you_mean(str(name), frame.columns)
        raise InputError(f"the runs frame has no column '{name}'{hint}")
    return frame[name]


def inputs_frame(runs: Iterable[Run], *, lists: Lists = "keep") -> pd.DataFrame:
    """Return the inputs: index ``run_id``, a column per path, such as ``qty`` or ``a.b[0]['odd key']``.

    An input that is no object stands in the column ``.`` as a whole, which no path is called; null and
    an empty object have no cell at all.

    Args:
        runs: the runs; iterated once.
        lists: as of `runs_frame`.
    """
    return _values_frame(runs, lambda run: run.input, lists)


def outputs_frame(runs: Iterable[Run], *, lists: Lists = "keep") -> pd.DataFrame:
    """Return the outputs, as `inputs_frame` does the inputs."""
    return _values_frame(runs, lambda run: run.output, lists)


def _values_frame(runs: Iterable[Run], value: Callable[[Run], Any], lists: Lists) -> pd.DataFrame:
    ids, flat = _Columns(_ID), Flattened("", lists=lists)

    def take(chunk: list[Run]) -> None:
        ids.add(chunk)
        flat.add([value(run) for run in chunk])

    in_chunks(runs, take)
    index = ids.arrays()["run_id"]
    return accessor.remember(_frame(flat.arrays(), index), runs, index)


def errors_frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return the errors frame: one row per node error, in the order of the runs.

    Columns: ``run_id``, ``workflow``, ``execution_id``, ``node_id``, ``node_name``, ``error_type``,
    ``error_message`` (string); ``begin_time``, ``end_time`` (datetime64, UTC); ``duration`` (float64,
    seconds, whole ones as the service's times); ``stack_trace`` (string).

    Args:
        runs: the runs; iterated once.
    """
    ids = _Columns(_ID)
    of_run, of_error = _Columns(_OF_FAILED), _Columns(_OF_ERROR)

    def take(chunk: list[Run]) -> None:
        ids.add(chunk)
        rows = [(run, error) for run in chunk for error in run.node_errors]
        of_run.add([run for run, _ in rows])
        of_error.add([error for _, error in rows])

    in_chunks(runs, take)
    columns = of_run.arrays() | of_error.arrays()
    trace = columns.pop("stack_trace")
    columns["duration"] = (columns["end_time"] - columns["begin_time"]).total_seconds().astype("float64")
    columns["stack_trace"] = trace
    return accessor.remember(pd.DataFrame(columns, copy=False), runs, ids.arrays()["run_id"])


class _Columns:
    """Columns of what is the same for all: by name, the type and how to read it."""

    def __init__(self, fields: Mapping[str, tuple[type, Callable[[Any], Any]]]) -> None:
        self._fields = [(name, read, Column(kind)) for name, (kind, read) in fields.items()]
        self._rows = 0

    def add(self, chunk: Sequence[Any]) -> None:
        for _, read, column in self._fields:
            column.add([read(each) for each in chunk], self._rows)
        self._rows += len(chunk)

    def arrays(self) -> dict[str, Any]:
        return {name: column.array(self._rows) for name, _, column in self._fields}


class _Statuses:
    def __init__(self) -> None:
        self._codes = {status: code for code, status in enumerate(STATUSES)}
        self._pieces = [np.empty(0, dtype="int32")]

    def add(self, chunk: Sequence[Run]) -> None:
        codes = self._codes
        self._pieces.append(np.array([codes.setdefault(run.status, len(codes)) for run in chunk], dtype="int32"))

    def array(self) -> Any:
        return pd.Categorical.from_codes(np.concatenate(self._pieces), categories=pd.Index(list(self._codes)))


def workflows_frame(workflows: Iterable[WorkflowSummary]) -> pd.DataFrame:
    """Return a list of workflows as a frame: index ``name``, one row per workflow."""
    found = list(workflows)
    columns = {
        "id": texts(workflow.id for workflow in found),
        "description": texts(workflow.description or None for workflow in found),
        "created_time": times(parse_time(workflow.created_time) for workflow in found),
        "updated_time": times(parse_time(workflow.updated_time) for workflow in found),
        "workflow_urn": texts(workflow.workflow_urn for workflow in found),
    }
    return pd.DataFrame(columns, index=pd.Index(texts(workflow.name for workflow in found), name="name"))


def _frame(columns: Mapping[str, Any], ids: Any) -> pd.DataFrame:
    index = pd.Index(ids, name=accessor.ID)
    copy = sum(isinstance(column, np.ndarray) for column in columns.values()) > _MANY
    try:
        return pd.DataFrame(columns, index=index, copy=copy)
    except UnicodeEncodeError:  # Arrow, which would keep the names, holds no lone surrogates
        frame = pd.DataFrame(dict(enumerate(columns.values())), index=index, copy=copy)
        frame.columns = pd.Index(list(columns), dtype="object")
        return frame


def text_frame(index: str, rows: Mapping[str, Sequence[str | None]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a frame of texts: `rows` by the name that stands in the index."""
    cells = {name: texts(row[number] for row in rows.values()) for number, name in enumerate(columns)}
    return pd.DataFrame(cells, index=pd.Index(texts(rows), name=index))


def trace_frame(visits: Sequence[Visit]) -> pd.DataFrame:
    """Return attempts at states as a frame; see `fgnb.runs.trace.Trace.frame`."""
    failures = [visit.failure or {} for visit in visits]
    ends = [visit.end for visit in visits]
    return pd.DataFrame(
        {
            "node_id": texts(visit.step.id for visit in visits),
            "node_name": texts(visit.step.name for visit in visits),
            "place": texts(place_of(visit) for visit in visits),
            "attempt": pd.array([visit.attempt for visit in visits], dtype="Int64"),
            "status": texts(status_of(visit) for visit in visits),
            "begin_time": times(datetime.fromtimestamp(visit.begin, UTC) for visit in visits),
            "end_time": times(None if end is None else datetime.fromtimestamp(end, UTC) for end in ends),
            "elapsed": pd.array(
                [float("nan") if visit.end is None else visit.end - visit.begin for visit in visits], dtype="float64"
            ),
            "input": pd.Series([visit.input for visit in visits], dtype="object"),
            "output": pd.Series([visit.output for visit in visits], dtype="object"),
            "error_type": texts(failure.get("errorType") for failure in failures),
            "error_message": texts(failure.get("errorMessage") for failure in failures),
        }
    )
