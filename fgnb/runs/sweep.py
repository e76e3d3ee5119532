"""A sweep: one workflow over many inputs, so many at once, each recorded before it is sent and at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from fgnb.client.blocking import GIVEN_UP
from fgnb.client.outcome import Attempt, Outcome
from fgnb.client.pace import Pace
from fgnb.client.refusal import kind_of
from fgnb.errors import AuthenticationFailed, FgnbError
from fgnb.runs.feed import Feed
from fgnb.runs.order import Item, Order
from fgnb.runs.progress import Meter
from fgnb.runs.run import Run, new_run_id

if TYPE_CHECKING:
    from fgnb.runs.recorder import Recorder


class Executes(Protocol):
    """What a sweep needs of a client: `fgnb.client.client.AsyncClient`."""

    async def check(self, workflow: str) -> None:
        """Raise if no run of the workflow can succeed."""

    async def execute(
        self,
        workflow: str,
        input: Any,
        *,
        headers: Mapping[str, str],
        timeout: float | None,
        attempt: Attempt,
        text: bytes,
    ) -> Outcome:
        """Execute the workflow once; `text` is the input as JSON."""


class Keeps(Protocol):
    """Where a sweep puts what became of each input: `fgnb.runs.kept.Kept`."""

    def run(self, position: int, run: Run, row: int | None) -> None:
        """Keep a run; `row` is that of its record if the record holds it unchanged."""

    def record(self, position: int, row: int) -> None:
        """Keep the place of a record that was there before."""


class Sweep:
    """The part of a sweep that lives on an event loop.

    Args:
        client: what executes the workflow.
        order: what all runs have in common.
        feed: the inputs.
        recorder: where each run is recorded, if anywhere.
        kept: where each run is kept.
        meter: what counts them.
    """

    def __init__(
        self, client: Executes, order: Order, feed: Feed[Item], recorder: Recorder | None, kept: Keeps, meter: Meter
    ) -> None:
        self._client = client
        self._order = order
        self._feed = feed
        self._recorder = recorder
        self._kept = kept
        self._meter = meter
        self._pace = Pace(order.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self.stopping = False
        self.dropping = False
        self.error: Exception | None = None

    @property
    def waits(self) -> float:
        """Seconds until the next request may go out, since the service said that it has no room."""
        return self._pace.waits

    async def run(self, *, check: bool = True) -> None:
        """Run all inputs, or as many as there are until it is stopped; `check` asks first whether any can succeed."""
        order = self._order
        try:
            if check:
                await self._client.check(order.workflow)
        except Exception as error:  # nothing was sent: it is raised as it is
            self.error = error
            return
        workers = [asyncio.create_task(self._work()) for _ in range(order.concurrency)]
        try:
            await asyncio.gather(*workers)
        except Exception as error:  # a defect, or a history that can't promise what it has to
            self._stop(error)
            await asyncio.gather(*workers, return_exceptions=True)
        if self._feed.error is not None:
            self._stop(self._feed.error)
        if self._recorder is not None:
            await self._recorder.aflush()

    def stop(self, *, drop: bool) -> None:
        """Send nothing more; what is under way is finished, or dropped. On the event loop."""
        self.stopping = True
        if drop:
            self.dropping = True
            for task in self._under_way:
                task.cancel()

    def _stop(self, error: Exception) -> None:
        self.error = self.error or error
        self.stopping = True

    async def _work(self) -> None:
        while not self.stopping:
            item = await self._next()
            if item is None:
                return
            await self._one(item)

    async def _next(self) -> Item | None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        self._under_way.add(task)  # so that who drops the sweep ends the wait for inputs, too
        try:
            return await self._feed.next()
        except asyncio.CancelledError:
            if not self.dropping:
                raise
            return None
        finally:
            self._under_way.discard(task)

    async def _one(self, item: Item) -> None:
        run_id, attempt = item.run_id or new_run_id(), Attempt(pace=self._pace)
        claim = None
        if self._recorder is not None:
            claim = await self._recorder.begin(item, run_id, attempt.submitted_at)
            if not claim.ours and claim.row is not None:
                self._kept.record(item.position, claim.row)
                self._meter.skipped(unknown=claim.unknown)
                return
        outcome = await self._executed(item, attempt)
        order = self._order
        run = Run.of(
            outcome,
            workflow=order.workflow,
            input=item.value,
            headers=order.headers,
            tags=order.tags,
            connection=order.connection,
            run_id=run_id,
        )
        unchanged = False
        if claim is not None and self._recorder is not None:
            unchanged = self._recorder.end(claim, run, outcome.body)
        self._kept.run(item.position, run, claim.row if claim is not None and unchanged else None)
        self._meter.ended(run.status)
        if outcome.status == "rejected" and self.error is None and _is_stranger(outcome):
            try:
                run.raise_for_status()
            except FgnbError as error:
                self._stop(error)

    async def _executed(self, item: Item, attempt: Attempt) -> Outcome:
        order = self._order
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        if self.dropping:
            return attempt.abandoned(GIVEN_UP)
        self._under_way.add(task)
        self._meter.began()
        try:
            return await self._client.execute(
                order.workflow,
                item.value,
                headers=order.headers,
                timeout=order.timeout,
                attempt=attempt,
                text=item.text,
            )
        except asyncio.CancelledError:
            if not self.dropping:
                raise
            return attempt.abandoned(GIVEN_UP)
        except FgnbError as error:  # no workflow, no credentials, an input that can't be written: nothing was sent
            self._stop(error)
            return attempt.abandoned(error.args[0] if error.args else str(error))
        finally:
            self._under_way.discard(task)


def _is_stranger(outcome: Outcome) -> bool:
    kind = kind_of(outcome.http_status or 0, outcome.error_code, outcome.reason)
    return issubclass(kind, AuthenticationFailed)
