"""A sweep: one workflow over many inputs, so many at once, each recorded before it is sent and at its end."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from fgnb import jsontext, wiring
from fgnb.background import SLICE
from fgnb.client.blocking import GIVEN_UP
from fgnb.client.outcome import Attempt, Outcome
from fgnb.client.pace import Pace
from fgnb.client.refusal import kind_of
from fgnb.errors import AuthenticationFailed, FgnbError, InputError, SweepStopped
from fgnb.runs.feed import Feed
from fgnb.runs.inputs import Inputs
from fgnb.runs.kept import Kept
from fgnb.runs.progress import Meter, Progress, State
from fgnb.runs.run import Run, new_run_id
from fgnb.runs.runset import RunSet
from fgnb.wiring import Shown

if TYPE_CHECKING:
    from fgnb.runs.history import Claim, History

DISPLAY = 0.25  # seconds between two updates of what is shown
DROPPING = 0.8  # seconds that an interrupted sweep has to close its connections


class Executes(Protocol):
    """What a sweep needs of a client: `fgnb.client.client.AsyncClient`."""

    async def check(self, workflow: str) -> None:
        """Raise if no run of the workflow can succeed."""

    async def execute(
        self, workflow: str, input: Any, *, headers: Mapping[str, str], timeout: float | None, attempt: Attempt
    ) -> Outcome:
        """Execute the workflow once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What all runs of a sweep have in common; JSON values throughout."""

    workflow: str
    headers: dict[str, str]
    tags: dict[str, Any]
    timeout: float | None
    connection: str
    concurrency: int
    name: str | None = None
    sweep: int | None = None  # its number in the history, if it has a name
    retry_unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Item:
    position: int
    value: Any
    text: bytes


class Sweep:
    """The part of a sweep that lives on an event loop.

    Args:
        client: what executes the workflow.
        order: what all runs have in common.
        feed: the inputs.
        history: where each run is recorded, if anywhere.
        kept: where each run is kept.
        meter: what counts them.
    """

    def __init__(
        self, client: Executes, order: Order, feed: Feed[_Item], history: History | None, kept: Kept, meter: Meter
    ) -> None:
        self._client = client
        self._order = order
        self._feed = feed
        self._history = history
        self._kept = kept
        self._meter = meter
        self._pace = Pace(order.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._pass = history.start_pass() if history is not None else 0
        self.stopping = False
        self.dropping = False
        self.error: Exception | None = None

    @property
    def waits(self) -> float:
        """Seconds until the next request may go out, since the service said that it has no room."""
        return self._pace.waits

    async def run(self) -> None:
        """Run all inputs, or as many as there are until it is stopped."""
        order = self._order
        try:
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
        if self._history is not None:
            await self._history.aflush()

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

    async def _next(self) -> _Item | None:
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

    async def _one(self, item: _Item) -> None:
        run_id, attempt = new_run_id(), Attempt(pace=self._pace)
        claim = None
        if self._history is not None:
            claim = await self._claim(self._history, item, run_id, attempt)
            if not claim.ours and claim.row is not None:
                self._kept.record(item.position, claim.row)
                self._meter.skipped()
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
        if claim is not None and self._history is not None:
            unchanged = self._history.end(claim, run, outcome.body)
        self._kept.run(item.position, run, claim.row if claim is not None and unchanged else None)
        self._meter.ended(run.status)
        if outcome.status == "rejected" and self.error is None and _is_stranger(outcome):
            self._stop(_refusal(run))

    async def _claim(self, history: History, item: _Item, run_id: str, attempt: Attempt) -> Claim:
        from fgnb.runs.history import Opening

        order = self._order
        return await history.abegin(
            Opening(
                run_id=run_id,
                workflow=order.workflow,
                input=item.text,
                headers=order.headers,
                tags=order.tags,
                connection=order.connection,
                submitted_at=attempt.submitted_at,
                sweep=order.sweep,
                key=None if order.sweep is None else _key(item, order.headers),
                sweep_pass=self._pass,
                retry_unknown=order.retry_unknown,
            )
        )

    async def _executed(self, item: _Item, attempt: Attempt) -> Outcome:
        order = self._order
        task = asyncio.current_task()
        assert task is not None  # noqa: S101
        if self.dropping:
            return attempt.abandoned(GIVEN_UP)
        self._under_way.add(task)
        self._meter.began()
        try:
            return await self._client.execute(
                order.workflow, item.value, headers=order.headers, timeout=order.timeout, attempt=attempt
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


def _refusal(run: Run) -> Exception:
    try:
        run.raise_for_status()
    except FgnbError as error:
        return error
    raise AssertionError(run.status)  # a rejected run raises


def _key(item: _Item, headers: Mapping[str, str]) -> bytes:
    """Return what names an input within a sweep, whatever the order of its keys."""
    text = json.dumps([item.value, headers or {}], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def items(inputs: Inputs) -> Iterator[_Item]:
    """Yield the inputs, numbered and written."""
    for position, value in enumerate(inputs):
        try:
            text = jsontext.dumps(value)
        except InputError as error:
            raise InputError(error.message, path=f"inputs[{position}]") from None
        yield _Item(position, value, text)


class Job(Shown):
    """A sweep under way, or done.

    Args:
        client: what executes the workflow.
        submit: starts a coroutine on the client's event loop.
        order: what all runs have in common.
        inputs: what it runs over.
        history: where each run is recorded, if anywhere.
        show: whether progress is shown.
    """

    def __init__(
        self,
        client: Executes,
        submit: Callable[[Coroutine[Any, Any, None]], Future[None]],
        order: Order,
        inputs: Inputs,
        history: History | None,
        *,
        show: bool = True,
    ) -> None:
        self.name = order.name
        self.workflow = order.workflow
        self._kept = Kept(history)
        title = order.workflow if order.name is None else f"{order.workflow} ({order.name})"
        self._meter = Meter(title, total=inputs.total)
        self._feed: Feed[_Item] = Feed(items(inputs))
        self._sweep = Sweep(client, order, self._feed, history, self._kept, self._meter)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: State | None = None
        self._display: Any = None
        self._future: Future[None] = submit(self._run())
        if show:
            self._display = wiring.call("progress", self.progress)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(self._tick())
        try:
            await self._sweep.run()
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(DISPLAY)
            if self._display is not None and self._display.from_any_thread:
                self._display.update(self.progress)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    @property
    def runs(self) -> RunSet:
        """The runs that have ended by now, in the order of their inputs."""
        return RunSet.over(self._kept.runs())

    @property
    def progress(self) -> Progress:
        """How far it is."""
        waits = self._sweep.waits
        note = f"the service has no room, next try in {waits:.0f} s" if waits >= 1 and not self.done else ""
        return self._meter.now(self._state(), note=note)

    def _state(self) -> State:
        if not self.done:
            return self._ending or ("waiting" if self._sweep.waits > 0 else "running")
        if self._ending == "interrupted":
            return "interrupted"
        if self._sweep.error is not None or self._future.exception() is not None:
            return "stopped"
        return "cancelled" if self._ending is not None else "done"

    def start(self) -> None:
        """Make the inputs in a thread of their own, so that nobody has to wait."""
        threading.Thread(target=self._serve, args=(False,), name="fgnb-inputs", daemon=True).start()

    def _serve(self, waiting: bool) -> None:
        """Make the inputs in this thread until the sweep has ended; `waiting` says that it shows progress, too."""
        shown = self._display if waiting and self._display is not None and not self._display.from_any_thread else None
        self._feed.serve(self._future, lambda: shown.update(self.progress) if shown is not None else None)
        if self._display is not None:
            self._display.close(self.progress)

    def cancel(self, *, drop: bool = False) -> None:
        """Send no further input. What is under way is waited for, or with `drop` given up: its runs are ``unknown``."""
        if self.done:
            return
        self._ending = "cancelling" if drop else "finishing"
        if self._loop is not None:
            self._loop.call_soon_threadsafe(lambda: self._sweep.stop(drop=drop))

    def wait(self, timeout: float | None = None) -> RunSet:
        """Wait until it has ended and return its runs, in the order of their inputs; can be interrupted.

        Args:
            timeout: seconds to wait; for as long as it takes by default.

        Raises:
            TimeoutError: it has not ended by then; it goes on.
            SweepStopped: it could not go on; carries the runs that there are.
        """
        waited = 0.0
        while not self.done:
            try:
                self._future.result(SLICE if timeout is None else min(SLICE, max(0.0, timeout - waited)))
            except WaitTimeout:
                waited += SLICE
                if timeout is not None and waited >= timeout and not self.done:
                    raise TimeoutError(f"the sweep has not ended within {timeout:g} s; it goes on") from None
        return self._result()

    def run(self) -> RunSet:
        """Make the inputs in this thread and return the runs; an interrupt ends it early, with those that there are.

        Raises:
            SweepStopped: as of `wait`.
        """
        try:
            self._serve(True)
        except KeyboardInterrupt:
            self._interrupt()
            return self.runs
        return self._result()

    def _interrupt(self) -> None:
        self.cancel(drop=True)
        self._ending = "interrupted"
        with contextlib.suppress(Exception, KeyboardInterrupt):  # not in time: what is known is known
            self._future.result(DROPPING)
        if self._display is not None:
            self._display.close(self.progress)

    def _result(self) -> RunSet:
        self._future.result()
        error = self._sweep.error
        if error is None:
            return self.runs
        runs = self.runs
        if isinstance(error, FgnbError) and not len(runs):
            raise error
        raise SweepStopped(f"the sweep stopped after {len(runs):,} runs: {error}", runs) from error

    def __repr__(self) -> str:
        progress = self.progress
        total = "" if progress.total is None else f" of {progress.total:,}"
        return (
            f"<Sweep of {self.workflow}: {progress.state}, {progress.done:,}{total} done, {progress.failed:,} failed>"
        )
