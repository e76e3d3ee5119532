"""A sweep over workers: its inputs go out in chunks to an executor, recorded here before and after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgnb import jsontext
from fgnb.client.outcome import Attempt, Outcome
from fgnb.errors import FgnbError, InputError
from fgnb.runs.chunks import BLOCK, Chunk, Done, Folder
from fgnb.runs.feed import Feed
from fgnb.runs.order import Item, Order
from fgnb.runs.progress import Meter
from fgnb.runs.run import Run, new_run_id
from fgnb.runs.sweep import Executes, Keeps
from fgnb.runs.table import arrow, read_parquet, unpacked, write_parquet
from fgnb.runs.worker import LEFT, run_chunk

if TYPE_CHECKING:
    from fgnb.runs.claims import Claim
    from fgnb.runs.recorder import Recorder

FIRST, MOST = 16, 256  # inputs of a chunk: few at first, so that all workers have some
BYTES = 4_000_000  # of a chunk's inputs, unless one alone has more
TRIES = 3  # workers that may be lost over an input before it is left alone

_log = logging.getLogger("fgnb.sweep")

LOST = "the worker was lost before the answer came: the service may have run it"


@dataclass(frozen=True, slots=True)
class Workers:
    """Who runs a sweep.

    Attributes:
        executor: runs `fgnb.runs.worker.run_chunk`, in threads, processes or on other machines.
        connection: how its workers connect.
        parts: a folder that all workers see, where they leave the runs as Parquet files; None for runs that
            come back as Arrow, and a temporary folder of this machine.
    """

    executor: Executor
    connection: Mapping[str, Any]
    parts: Path | None


def workers_of(executor: Any, connection: Mapping[str, Any], parts: str | os.PathLike[str] | None) -> Workers:
    """Check who is to run a sweep.

    Raises:
        InputError: it is no executor, or `parts` holds parts of another sweep.
        ConfigError: pyarrow is not installed.
    """
    if not isinstance(executor, Executor):
        raise InputError(
            "executor must be one of concurrent.futures, or Dask's client.get_executor(), not"
            f" {type(executor).__name__}"
        )
    arrow()
    folder = None if parts is None else Path(parts).expanduser().absolute()
    if folder is not None and next(folder.glob("*.parquet"), None) is not None:
        raise InputError(f"{folder} holds Parquet files: give parts= an empty folder")
    return Workers(executor, connection, folder)


@dataclass(slots=True)
class _Handed:
    """An input that has been handed to a worker."""

    item: Item
    run_id: str
    submitted_at: datetime
    claim: Claim | None
    tries: int = 0
    ended: bool = False


class Scattered:
    """A sweep over the workers of an executor; to be used as `fgnb.runs.sweep.Sweep`.

    Args:
        workers: who runs it.
        client: what asks once, before all workers, whether the workflow can be run.
        order: what the runs have in common.
        feed: the inputs.
        recorder: where each run is recorded, if anywhere.
        kept: where each run is kept.
        meter: what counts them.
    """

    def __init__(
        self,
        workers: Workers,
        client: Executes,
        order: Order,
        feed: Feed[Item],
        recorder: Recorder | None,
        kept: Keeps,
        meter: Meter,
    ) -> None:
        self._executor = workers.executor
        self._connection = dict(workers.connection)
        self._parts = workers.parts
        self._client = client
        self._order = order
        self._feed = feed
        self._recorder = recorder
        self._kept = kept
        self._meter = meter
        self._chunks = 0
        self._landed: set[str] = set()  # names of the parts whose runs have been taken
        self._size = FIRST
        self._at_once = 2 * _count(workers.executor)
        self._under_way: set[asyncio.Task[None]] = set()
        self._taking: asyncio.Task[Item | None] | None = None
        self._folder: Folder
        self.waits = 0.0  # each worker slows down by itself
        self.stopping = False
        self.error: Exception | None = None

    async def run(self) -> None:
        """Run all inputs, or as many as there are until it is stopped."""
        try:
            await self._client.check(self._order.workflow)
        except Exception as error:  # nothing was sent: it is raised as it is
            self.error = error
            return
        if self._parts is not None:
            self._parts.mkdir(parents=True, exist_ok=True)
        path = Path(tempfile.mkdtemp(prefix="fgnb-sweep-", dir=self._parts))
        self._folder = Folder.made(path)
        try:
            await self._hand_out()
            if self._feed.error is not None:
                self._stop(self._feed.error)
            if self._recorder is not None:
                await self._recorder.aflush()
        finally:
            shutil.rmtree(path, ignore_errors=True)
            if self._parts is not None:
                for part in self._parts.glob("part-*.parquet"):
                    if part.name not in self._landed:  # of a worker that was given up for lost
                        part.unlink(missing_ok=True)

    async def _hand_out(self) -> None:
        try:
            while not self.stopping:
                items = await self._next()
                if not items:
                    break
                handed = await asyncio.gather(*(self._begun(item) for item in items))
                self._send([each for each in handed if each is not None])
                while len(self._under_way) >= self._at_once:
                    await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        except FgnbError as error:  # such as a history that can't promise what it has to
            self._stop(error)
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _next(self) -> list[Item]:
        items: list[Item] = []
        size = 0
        while len(items) < self._size and size < BYTES and not self.stopping:
            self._taking = asyncio.create_task(self._feed.next())
            await asyncio.wait([self._taking])
            item = None if self._taking.cancelled() else self._taking.result()  # by `stop`
            if item is None:
                break
            items.append(item)
            size += len(item.text)
        if self._chunks >= self._at_once:
            self._size = MOST
        return items

    async def _begun(self, item: Item) -> _Handed | None:
        run_id, submitted_at = new_run_id(), datetime.now(UTC)
        claim = None
        if self._recorder is not None:
            claim = await self._recorder.begin(item, run_id, submitted_at)
            if not claim.ours and claim.row is not None:
                self._kept.record(item.position, claim.row)
                self._meter.skipped(unknown=claim.unknown)
                return None
        self._meter.began()
        return _Handed(item, run_id, submitted_at, claim)

    def _send(self, handed: list[_Handed]) -> None:
        if handed:
            task = asyncio.create_task(self._one(handed))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    async def _one(self, handed: list[_Handed]) -> None:
        try:
            await self._through(handed)
        except Exception as error:  # such as a folder that can't be read any more: each input has a run all the same
            self._stop(error)
            for each in handed:
                if not each.ended:
                    self._end(each, self._untold(each, Attempt().lost(LOST)))

    async def _through(self, handed: list[_Handed]) -> None:
        """Have a chunk run, take its runs back, and send again what was certainly not sent."""
        self._chunks += 1
        number = self._chunks
        chunk = Chunk(
            number=number,
            folder=str(self._folder.path),
            token=self._folder.token,
            connection=self._connection,
            order=replace(self._order, sweep=None),
            positions=tuple(each.item.position for each in handed),
            inputs=tuple(each.item.text for each in handed),
            run_ids=tuple(each.run_id for each in handed),
            part=None if self._parts is None else str(self._parts / f"part-{number:06}"),
        )
        by_id = {run.run_id: run for run in await self._ran(chunk)}
        missing = [each for each in handed if each.run_id not in by_id]
        again = await asyncio.to_thread(self._reclaimed, number, handed, missing, by_id)
        again = self._left_alone(again, by_id)
        if chunk.part is not None and (rest := [by_id[each.run_id] for each in missing if each.run_id in by_id]):
            await asyncio.to_thread(self._land, Path(f"{chunk.part}-rest.parquet"), rest)
        for each in handed:
            if each.run_id in by_id:
                self._end(each, by_id[each.run_id])
        if not missing:  # else whoever was lost may still live, and must go on finding what is claimed
            self._folder.clear(number)
        self._send(again)

    async def _ran(self, chunk: Chunk) -> list[Run]:
        """Return the runs that came back; none if the worker was lost."""
        try:
            future = await asyncio.to_thread(self._executor.submit, run_chunk, chunk)
        except Exception as error:  # it is broken, or shut down
            self._stop(FgnbError(f"the executor takes no more work: {str(error) or type(error).__name__}"))
            return []
        try:
            done: Done = await asyncio.wrap_future(future)
            runs = await asyncio.to_thread(_runs_of, done)
        except FgnbError as error:  # of the worker: it can't connect, or does not see the folder
            self._stop(error)
            return []
        except (Exception, asyncio.CancelledError) as error:  # of the executor, each has its own
            _log.warning("chunk %d was lost: %s", chunk.number, str(error) or type(error).__name__)
            return []
        if done.part is not None:
            self._landed.add(Path(done.part).name)
        if done.error is not None:
            self._stop(FgnbError(done.error))
        return runs

    def _reclaimed(
        self, number: int, handed: list[_Handed], missing: list[_Handed], by_id: dict[str, Run]
    ) -> list[_Handed]:
        """Return what was not sent, now claimed by us; the rest of what is missing goes into `by_id` as it is known."""
        if not missing:
            return []
        places = {each.run_id: place for place, each in enumerate(handed)}
        ours: dict[int, bool] = {}
        for each in missing:
            block = places[each.run_id] // BLOCK
            if block not in ours:
                ours[block] = self._folder.claim(number, block)
        journal = self._folder.ended(number)
        again = []
        for each in missing:
            if ours[places[each.run_id] // BLOCK]:
                again.append(each)
            elif each.item.position in journal:
                by_id[each.run_id] = journal[each.item.position]
            else:
                by_id[each.run_id] = self._untold(each, Attempt().lost(LOST))
        return again

    def _left_alone(self, unsent: list[_Handed], by_id: dict[str, Run]) -> list[_Handed]:
        """Return what is to be sent again; the runs of the others go into `by_id`."""
        again = []
        for each in unsent:
            each.tries += 1
            if self.stopping:
                by_id[each.run_id] = self._untold(each, Attempt().abandoned(LEFT))
            elif each.tries >= TRIES:
                reason = f"{TRIES} workers were lost before they sent it"
                by_id[each.run_id] = self._untold(each, Attempt().not_sent(reason))
            else:
                again.append(each)
        return again

    def _land(self, path: Path, runs: list[Run]) -> None:
        write_parquet(runs, path)
        self._landed.add(path.name)

    def _untold(self, each: _Handed, outcome: Outcome) -> Run:
        order = self._order
        return Run.of(
            outcome, workflow=order.workflow, input=each.item.value, headers=order.headers, tags=order.tags,
            connection=order.connection, run_id=each.run_id,
        )  # fmt: skip

    def _end(self, each: _Handed, run: Run) -> None:
        run = replace(run, submitted_at=each.submitted_at)
        each.ended = True
        claim, row = each.claim, None
        if claim is not None and self._recorder is not None:
            body = run.raw if run.raw is None or isinstance(run.raw, bytes) else jsontext.dumps(run.raw)
            row = claim.row if self._recorder.end(claim, run, body) else None
        self._kept.run(each.item.position, run, row)
        self._meter.ended(run.status)

    def stop(self, *, drop: bool) -> None:
        """Send nothing more; what is under way is finished, or dropped. On the event loop."""
        self.stopping = True
        with contextlib.suppress(AttributeError, OSError):  # no folder yet, or none any more
            self._folder.stop(drop=drop)  # chunks that have not begun see it, too
        if self._taking is not None:
            self._taking.cancel()

    def _stop(self, error: Exception) -> None:
        self.error = self.error or error
        self.stop(drop=False)


def _runs_of(done: Done) -> list[Run]:
    return list(unpacked(done.runs) if done.part is None else read_parquet(Path(done.part)))


def _count(executor: Executor) -> int:
    """Return how many workers there are, as far as the executor tells."""
    of_dask = getattr(executor, "_client", None)
    if of_dask is not None:
        return max(1, len(of_dask.scheduler_info()["workers"]))
    workers: int = getattr(executor, "_max_workers", None) or os.cpu_count() or 1
    return workers
