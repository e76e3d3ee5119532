"""One run on its way through the history: recorded before it is sent, and again at its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fgnb import jsontext
from fgnb.client.outcome import Outcome
from fgnb.runs.prepare import Prepared
from fgnb.runs.run import Run, new_run_id

if TYPE_CHECKING:
    from fgnb.runs.claims import Claim, Opening
    from fgnb.runs.history import History


class Recording:
    """The record of a run that is about to be sent.

    Args:
        history: where it is kept; None keeps nothing.
        prepared: what is sent.
        connection: which service runs it.
    """

    def __init__(self, history: History | None, prepared: Prepared, connection: str) -> None:
        self._history = history
        self._prepared = prepared
        self._connection = connection
        self.run_id = new_run_id()
        self.submitted_at = datetime.now(UTC)
        self._claim: Claim | None = None

    @property
    def workflow(self) -> str:
        """The workflow as it was named."""
        return self._prepared.workflow

    @property
    def is_kept(self) -> bool:
        """Whether the history has it, whatever becomes of this process."""
        return self._claim is not None

    def begin(self) -> None:
        """Record that it is about to be sent; returns when that is on disk."""
        if self._history is not None:
            self._claim = self._history.begin(self._opening())

    async def abegin(self) -> None:
        """Do the same from a coroutine."""
        if self._history is not None:
            self._claim = await self._history.abegin(self._opening())

    def _opening(self) -> Opening:
        from fgnb.runs.claims import Opening

        prepared = self._prepared
        return Opening(
            run_id=self.run_id,
            workflow=prepared.workflow,
            input=jsontext.dumps(prepared.input),
            headers=jsontext.dumps(prepared.headers) if prepared.headers else None,
            tags=jsontext.dumps(prepared.tags) if prepared.tags else None,
            connection=self._connection,
            submitted_at=self.submitted_at,
        )

    def end(self, outcome: Outcome) -> Run:
        """Return the run, which is on its way into the history; see `flush`."""
        prepared = self._prepared
        run = Run.of(
            replace(outcome, submitted_at=self.submitted_at),
            workflow=prepared.workflow,
            input=prepared.input,
            headers=prepared.headers,
            tags=prepared.tags,
            connection=self._connection,
            run_id=self.run_id,
        )
        if self._history is not None and self._claim is not None:
            self._history.end(self._claim, run, outcome.body)
        return run

    def discard(self) -> None:
        """Take the record back: there was nothing to run, such as no workflow of that name."""
        if self._history is not None and self._claim is not None:
            self._history.discard(self._claim)

    def flush(self) -> None:
        """Return when its end is on disk."""
        if self._history is not None:
            self._history.flush()

    async def aflush(self) -> None:
        """Do the same from a coroutine."""
        if self._history is not None:
            await self._history.aflush()
