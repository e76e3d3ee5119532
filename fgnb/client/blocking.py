"""The same calls for code without an event loop: each blocks, and can be interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from fgnb.background import GRACE, BackgroundLoop
from fgnb.client.client import AsyncClient
from fgnb.client.outcome import Attempt, Outcome
from fgnb.wire import DeleteAnswer, WorkflowInfo, WorkflowSummary

T = TypeVar("T")

GIVEN_UP = "given up by the user before the answer came"
TICK = 0.2  # seconds between two wake-ups of a waiting event loop, so that it sees an interrupt


class Interrupted(KeyboardInterrupt):
    """The user interrupted an execution; `outcome` is what is known of it."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.reason)


class Submission:
    """An execution under way on a background loop; `future` gives its outcome."""

    def __init__(self, loop: BackgroundLoop, attempt: Attempt, call: Coroutine[Any, Any, Outcome]) -> None:
        self._loop = loop
        self._attempt = attempt
        self._task: asyncio.Task[Any] | None = None
        self.future: Future[Outcome] = loop.submit(self._watch(call))

    async def _watch(self, call: Coroutine[Any, Any, Outcome]) -> Outcome:
        self._task = asyncio.current_task()
        if self._attempt.given_up:  # before its first step: there was no task to cancel yet
            call.close()
            return self._attempt.abandoned(GIVEN_UP)
        try:
            return await call
        except asyncio.CancelledError:
            if not self._attempt.given_up:
                raise
            return self._attempt.abandoned(GIVEN_UP)

    def cancel(self) -> None:
        """Give the execution up: the connection is closed, and `future` gives what is known."""
        self._attempt.given_up = True
        self._loop.loop.call_soon_threadsafe(lambda: self._task is not None and self._task.cancel())

    def known(self) -> Outcome:
        """Return what is known after a cancel, without waiting."""
        return self._attempt.abandoned(GIVEN_UP)

    def give_up(self) -> Outcome:
        """Cancel, and return what is known within `fgnb.background.GRACE` seconds."""
        self.cancel()
        try:
            return self.future.result(GRACE)
        except (Exception, KeyboardInterrupt):  # not in time, or by an error of its own; or interrupted once more
            return self.known()


class Client:
    """The same calls for code without an event loop: each blocks, and can be interrupted.

    Args:
        asynchronous: the client whose calls these are.
        loop: where they run; one for all clients by default.
    """

    def __init__(self, asynchronous: AsyncClient, *, loop: BackgroundLoop | None = None) -> None:
        self.asynchronous = asynchronous
        self._loop = loop or _LOOP

    def execute(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Outcome:
        """Execute a workflow and wait for its result; see `AsyncClient.execute`.

        Raises:
            Interrupted: on KeyboardInterrupt, within a second, the connection closed; with what is
                known of the execution.
        """
        self._loop.check_thread()
        attempt, submission = Attempt(), None
        try:
            submission = self.submit(workflow, input, headers=headers, timeout=timeout, attempt=attempt)
            return self._loop.wait(submission.future)
        except KeyboardInterrupt:
            raise Interrupted(_given_up(attempt, submission)) from None

    def submit(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None,
        attempt: Attempt | None = None,
    ) -> Submission:  # fmt: skip
        """Start an execution in the background; `attempt` is kept up to date."""
        attempt = attempt or Attempt()
        call = self.asynchronous.execute(workflow, input, headers=headers, timeout=timeout, attempt=attempt)
        return Submission(self._loop, attempt, call)

    async def aexecute(
        self, workflow: str, input: Any, *, headers: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> Outcome:
        """Execute a workflow from a coroutine on any event loop; cancelling gives it up."""
        return await self.awaited(self.submit(workflow, input, headers=headers, timeout=timeout))

    @staticmethod
    async def awaited(submission: Submission) -> Outcome:
        """Wait for a submission from a coroutine on any event loop; cancelling gives it up."""
        future = asyncio.wrap_future(submission.future)
        try:
            while not future.done():
                await asyncio.wait([future], timeout=TICK)
        except asyncio.CancelledError:
            submission.cancel()
            raise
        return future.result()

    def start(self, call: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine on the loop of the client, such as a sweep's."""
        return self._loop.submit(call)

    def list(self) -> tuple[WorkflowSummary, ...]:
        """Return all workflows of the project."""
        return self._loop.run(self.asynchronous.list())

    def show(self, workflow: str) -> WorkflowInfo:
        """Return a workflow with its definition."""
        return self._loop.run(self.asynchronous.show(workflow))

    def create(self, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Create a workflow."""
        return self._loop.run(self.asynchronous.create(definition))

    def update(self, workflow_id: str, definition: Mapping[str, Any]) -> WorkflowSummary:
        """Replace a workflow's definition."""
        return self._loop.run(self.asynchronous.update(workflow_id, definition))

    def delete(self, urns: Sequence[str]) -> DeleteAnswer:
        """Delete workflows by URN."""
        return self._loop.run(self.asynchronous.delete(urns))

    def close(self) -> None:
        """Close the connections."""
        self._loop.run(self.asynchronous.aclose())


def _given_up(attempt: Attempt, submission: Submission | None) -> Outcome:
    """Give an execution up, of which nobody may have the submission yet; a further interrupt changes nothing."""
    while True:
        try:
            attempt.given_up = True
            return attempt.abandoned(GIVEN_UP) if submission is None else submission.give_up()
        except KeyboardInterrupt:
            continue


_LOOP = BackgroundLoop("fgnb-client")
