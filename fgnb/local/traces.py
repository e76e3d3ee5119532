"""What happened at the states of the latest synchronous executions, for whoever asks afterwards."""

from __future__ import annotations

from fgnb.local.execution import Execution, Visit
from fgnb.local.latest import Latest, footprint


class Traces:
    """The visits of executions by id: the latest, as many as 64 MB hold.

    Args:
        count: how many executions are kept at most; 0 keeps none.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._kept: Latest[tuple[Visit, ...]] = Latest(count)

    def keep(self, execution: Execution) -> None:
        """Keep what happened in an execution that has ended."""
        if self.count and execution.visits is not None:
            visits = tuple(execution.visits)  # a thread left behind may still add to the list
            self._kept.put(execution.id, visits, footprint(visits))

    def get(self, execution_id: str) -> tuple[Visit, ...] | None:
        """Return the visits of an execution, in the order in which they began; None if it is not kept."""
        return self._kept.get(execution_id)
