"""A sweep: one workflow over many inputs, so many at once, each recorded before it is sent and at its end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from fgnb import jsontext
from fgnb.client.blocking import GIVEN_UP
from fgnb.client.outcome import Attempt, Outcome
from fgnb.client.pace import Pace
from fgnb.client.refusal import kind_of
from fgnb.errors import AuthenticationFailed, FgnbError, InputError
from fgnb.runs.differences import canonical
from fgnb.runs.feed import Feed
from fgnb.runs.inputs import Inputs
from fgnb.runs.kept import Kept
from fgnb.runs.prepare import Prepared
from fgnb.runs.progress import Meter
from fgnb.runs.run import Run, new_run_id

if TYPE_CHECKING:
    from fgnb.runs.claims import Claim
    from fgnb.runs.history import History


CONCURRENCY = 32  # runs at once, unless told otherwise
MOST = 1000


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


def order_of(
    prepared: Prepared,
    history: History | None,
    *,
    connection: str,
    concurrency: int,
    name: str | None,
    resume: bool | Literal["retry-unknown"],
) -> Order:
    """Check what a sweep is told, and find or begin it in the history if it has a name.

    Args:
        prepared: what its runs have in common; its input does not count.
        history: where they are recorded, if anywhere.
        connection: which service runs them.
        concurrency: runs at once.
        name: of the sweep.
        resume: whether to go on with the one of this name.

    Raises:
        InputError: an argument is wrong, or the name is taken.
        HistoryError: the sweep has a name, and the history can't be written.
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= MOST:
        raise InputError(f"concurrency must be a number from 1 to {MOST:,}, not {concurrency!r}")
    if resume not in (False, True, "retry-unknown"):
        raise InputError(f"resume must be True, False or 'retry-unknown', not {resume!r}")
    if name is None and resume:
        raise InputError("resume goes on with a sweep that has a name: give name=")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise InputError(f"name must be a text, not {name!r}")
    number = None
    if name is not None:
        if history is None:
            raise InputError(
                "a sweep with a name needs the history, which is off (FGNB_HISTORY, or connect(history=...))"
            )
        number = history.sweep(name, workflow=prepared.workflow, connection=connection, resume=bool(resume))
    return Order(
        workflow=prepared.workflow,
        headers=prepared.headers,
        tags=prepared.tags,
        timeout=prepared.timeout,
        connection=connection,
        concurrency=concurrency,
        name=name,
        sweep=number,
        retry_unknown=resume == "retry-unknown",
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One input: its place among them, its JSON value, and that as text."""

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
        self, client: Executes, order: Order, feed: Feed[Item], history: History | None, kept: Kept, meter: Meter
    ) -> None:
        self._client = client
        self._order = order
        self._feed = feed
        self._history = history
        self._kept = kept
        self._meter = meter
        self._pace = Pace(order.concurrency)
        self._under_way: set[asyncio.Task[None]] = set()
        self._headers = jsontext.dumps(order.headers) if order.headers else None
        self._tags = jsontext.dumps(order.tags) if order.tags else None
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

    async def _claim(self, history: History, item: Item, run_id: str, attempt: Attempt) -> Claim:
        from fgnb.runs.claims import Opening

        order = self._order
        return await history.abegin(
            Opening(
                run_id=run_id,
                workflow=order.workflow,
                input=item.text,
                headers=self._headers,
                tags=self._tags,
                connection=order.connection,
                submitted_at=attempt.submitted_at,
                sweep=order.sweep,
                key=None if order.sweep is None else _key(item, order.headers),
                sweep_pass=self._pass,
                retry_unknown=order.retry_unknown,
            )
        )

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


def _key(item: Item, headers: Mapping[str, str]) -> bytes:
    """Return what names an input within a sweep, whatever the order of its keys."""
    return hashlib.blake2b(canonical([item.value, headers or {}]).encode(), digest_size=16).digest()


def items(inputs: Inputs) -> Iterator[Item]:
    """Yield the inputs, numbered and written."""
    for position, value in enumerate(inputs):
        try:
            text = jsontext.dumps(value)
        except InputError as error:
            raise InputError(error.message, path=f"inputs[{position}]") from None
        yield Item(position, value, text)
