"""What happened at each state of one run, as the embedded service saw it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fgnb.counted import counted
from fgnb.local.execution import Visit
from fgnb.wiring import Shown

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Trace(Shown, Sequence[Visit]):
    """The attempts at the states of a run, in the order in which they began; a sequence of them.

    Each has ``step.id``, ``step.name``, ``place`` (the branches and iterations around it), ``attempt``
    (from 1), ``input``, ``output``, ``begin``, ``end`` (seconds since the epoch) and ``failure`` (the
    function runtime's failure object, or None).

    >>> import fgnb
    >>> session = fgnb.connect("local")
    >>> trace = session.trace(session.run("order-triage", {"sku": "A-100"}))
    >>> [(visit.step.id, visit.attempt) for visit in trace]
    [('price', 1), ('stock', 1), ('decide', 1), ('end', 1)]
    """

    execution_id: str
    visits: tuple[Visit, ...]

    def __getitem__(self, position: Any) -> Any:
        return self.visits[position]

    def __len__(self) -> int:
        return len(self.visits)

    def __iter__(self) -> Iterator[Visit]:
        return iter(self.visits)

    @property
    def frame(self) -> pd.DataFrame:
        """The trace as a frame, one row per attempt.

        Columns: ``node_id``, ``node_name``, ``place`` (such as ``each[3]``), (string); ``attempt``
        (Int64); ``status`` (``success``, ``fail``, ``handled`` where a failure was retried or caught,
        ``cancelled``, ``running``); ``begin_time``, ``end_time`` (datetime64, UTC); ``elapsed``
        (float64, seconds); ``input``, ``output`` (object); ``error_type``, ``error_message`` (string).
        """
        from fgnb.runs.frames import trace_frame

        return trace_frame(self.visits)

    def __repr__(self) -> str:
        return f"<Trace of {self.execution_id}, {counted(len(self.visits), 'attempt')} at states>"


def status_of(visit: Visit) -> str:
    """Return what became of an attempt at a state."""
    if visit.cancelled:
        return "cancelled"
    if visit.failure is not None:
        return "handled" if visit.handled else "fail"
    return "running" if visit.end is None else "success"


def place_of(visit: Visit) -> str:
    """Return the branches and iterations around an attempt as text: ``fork[1]/each[3]``."""
    return "/".join(f"{state}[{number}]" for state, number in visit.place)
