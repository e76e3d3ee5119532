"""A run under way in the background."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fgnb.background import ended
from fgnb.client.blocking import Submission
from fgnb.client.outcome import Outcome
from fgnb.runs.recording import Recording
from fgnb.runs.run import Run
from fgnb.runs.views import Watched

SETTLING = 0.1  # seconds that what is known of a run given up has to become a run
PAINT = 0.25  # seconds between two updates of what is shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How long a run has been under way; `is_kept` says whether the history has it already."""

    workflow: str
    run_id: str
    submitted_at: datetime
    elapsed: float
    is_kept: bool
    cancelling: bool = False


class PendingRun(Watched):
    """A run under way in the background; `future` gives the `Run`, whatever becomes of it.

    It shows itself live where a cell displays it, and in the end as the run's card.

    >>> import fgnb
    >>> pending = fgnb.connect("local").submit("order-triage", {"sku": "A-100"})
    >>> pending.wait(timeout=10).ok, pending.done
    (True, True)
    """

    def __init__(
        self,
        recording: Recording,
        submission: Submission,
        start: Callable[[Coroutine[Any, Any, None]], Future[None]] | None = None,
    ) -> None:
        super().__init__()
        self._recording = recording
        self._submission = submission
        self._start = start  # runs what paints, on an event loop
        self._lock = threading.RLock()
        self._begun = time.monotonic()
        self._cancelling = False
        self.future: Future[Run] = Future()
        self.future.set_running_or_notify_cancel()  # it is `cancel` that gives the run up
        submission.future.add_done_callback(self._ended)

    def _ended(self, done: Future[Outcome]) -> None:
        with self._lock:
            if self.future.done():  # it was given up, and what was known is recorded
                return
            try:
                run = self._recording.end(done.result())
            except BaseException as error:  # whoever waits must hear of it, whatever it is
                self._recording.discard()
                self.future.set_exception(error)
            else:
                self.future.set_result(run)

    @property
    def workflow(self) -> str:
        """The workflow as it was named."""
        return self._recording.workflow

    @property
    def run_id(self) -> str:
        """The id that the run has, or will have."""
        return self._recording.run_id

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self.future.done()

    @property
    def run(self) -> Run | None:
        """The run once it has ended, else None.

        Raises:
            FgnbError: nothing came of it, such as for want of a workflow of that name.
        """
        return self.future.result() if self.future.done() else None

    @property
    def waiting(self) -> Waiting:
        """How long it has been under way."""
        return Waiting(
            workflow=self.workflow,
            run_id=self.run_id,
            submitted_at=self._recording.submitted_at,
            elapsed=time.monotonic() - self._begun,
            is_kept=self._recording.is_kept,
            cancelling=self._cancelling,
        )

    def wait(self, timeout: float | None = None, *, tick: Callable[[], None] | None = None) -> Run:
        """Return the run when it has ended, whatever its status; can be interrupted, and then it goes on.

        Args:
            timeout: seconds to wait; for as long as it takes by default.
            tick: called about ten times a second meanwhile.

        Raises:
            TimeoutError: it has not ended by then; it goes on.
            FgnbError: nothing came of it, such as for want of a workflow of that name.
        """
        if not ended(self.future, timeout, tick=tick):
            raise TimeoutError(f"{self.workflow} has not ended within {timeout:g} s; it goes on")
        run = self.future.result()
        self._recording.flush()
        self.paint(last=True)
        return run

    def cancel(self) -> None:
        """Give the run up: the connection is closed, and the run tells what is known."""
        self._cancelling = True
        self._submission.cancel()

    def give_up(self) -> Run:
        """Cancel, and return within a second what is known of the run; a further interrupt changes nothing."""
        while True:
            try:
                return self._given_up()
            except KeyboardInterrupt:
                continue

    def _given_up(self) -> Run:
        self._cancelling = True
        outcome = self._submission.give_up()
        with contextlib.suppress(WaitTimeout):
            return self.future.result(SETTLING)
        with self._lock:
            if not self.future.done():  # pragma: no branch  # else it ended this instant
                self.future.set_result(self._recording.end(outcome))
        return self.future.result()

    def state(self) -> Run | Waiting | BaseException:
        """Return what there is to show: the run, how long it has been under way, or why nothing came of it."""
        if not self.future.done():
            return self.waiting
        return self.future.exception() or self.future.result()

    def watch(self) -> None:
        """Have what is shown painted until the run has ended."""
        if self._start is not None and not self.done:
            self._start(self._painting())

    async def _painting(self) -> None:
        while not self.done:
            await asyncio.sleep(PAINT)
            self.paint()
        self.paint(last=True)

    def __repr__(self) -> str:
        ended = f"{self.future.result().status}" if self.done and not self.future.exception() else "has ended"
        return f"<Run {self.run_id} of {self.workflow}: {ended if self.done else 'under way'}>"
