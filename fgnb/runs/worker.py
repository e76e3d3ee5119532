"""What a worker does with a chunk of a sweep: runs it with a client of its own, and sends back what became of it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fgnb import jsontext, wiring
from fgnb.client.blocking import Client
from fgnb.client.outcome import Attempt
from fgnb.runs.chunks import BLOCK, DROP, Chunk, Done, Folder, Journal
from fgnb.runs.claims import Claim
from fgnb.runs.feed import Feed
from fgnb.runs.order import Item
from fgnb.runs.progress import Meter
from fgnb.runs.run import Run
from fgnb.runs.sweep import Sweep
from fgnb.runs.table import packed, write_parquet

LEFT = "the sweep ended before it was sent"


def run_chunk(chunk: Chunk) -> Done:
    """Run the inputs of a chunk, but for those that somebody else has claimed.

    Raises:
        FgnbError: this process can't connect, or does not see the chunk's folder; nothing was sent.
    """
    folder = Folder(Path(chunk.folder), chunk.token)
    folder.check()
    client: Client = wiring.call("connect worker", chunk.connection)
    journal = folder.journal(chunk.number)
    try:
        recorder = _Claims(chunk, folder, journal)
        feed = Feed(_items(chunk))
        meter = Meter("", total=len(chunk.inputs))
        sweep = Sweep(client.asynchronous, chunk.order, feed, recorder, recorder, meter)
        is_new = chunk.token not in _checked
        _checked.add(chunk.token)
        future = client.start(sweep.run(check=is_new))

        def look() -> None:
            stop = folder.stopped()
            if stop is not None and not (sweep.dropping or (sweep.stopping and stop != DROP)):
                client.start(_stop(sweep, drop=stop == DROP))

        look()
        feed.serve(future, look)
        future.result()
        recorder.leave()
    finally:
        journal.close()
    error = None if sweep.error is None else str(sweep.error)
    if chunk.part is None:
        return Done(packed(recorder.runs), None, error)
    part = f"{chunk.part}-{secrets.token_hex(4)}.parquet"  # of its own: another worker may have the rest of the chunk
    write_parquet(recorder.runs, Path(part))
    return Done(b"", part, error)


_checked: set[str] = set()  # the sweeps for which this process has looked whether it may run the workflow


async def _stop(sweep: Sweep, *, drop: bool) -> None:
    sweep.stop(drop=drop)


def _items(chunk: Chunk) -> Iterator[Item]:
    for place, (text, run_id) in enumerate(zip(chunk.inputs, chunk.run_ids, strict=True)):
        yield Item(place, jsontext.loads_answer(text), text, run_id)


class _Claims:
    """Records the runs of a chunk by its folder's files, and keeps them."""

    def __init__(self, chunk: Chunk, folder: Folder, journal: Journal) -> None:
        self._chunk = chunk
        self._folder = folder
        self._journal = journal
        self._blocks: dict[int, bool] = {}
        self._begun: set[int] = set()
        self.runs: list[Run] = []

    async def begin(self, item: Item, run_id: str, submitted_at: datetime) -> Claim:
        """Claim the item's block, unless that was done."""
        block = item.position // BLOCK
        if block not in self._blocks:
            self._blocks[block] = self._folder.claim(self._chunk.number, block)
        self._begun.add(item.position)
        return Claim(item.position, ours=self._blocks[block])

    def end(self, claim: Claim, run: Run, body: bytes | None) -> bool:
        """Note a run in the journal."""
        assert claim.row is not None  # noqa: S101  # as `begin` gave it
        self._journal.write(self._chunk.positions[claim.row], run)
        return False

    def leave(self) -> None:
        """Say of the rest of what was claimed that it was not sent, now that the sweep has ended."""
        order, outcome = self._chunk.order, Attempt().abandoned(LEFT)
        for place, text in enumerate(self._chunk.inputs):
            if place in self._begun or not self._blocks.get(place // BLOCK):
                continue
            run = Run.of(
                outcome, workflow=order.workflow, input=jsontext.loads_answer(text), headers=order.headers,
                tags=order.tags, connection=order.connection, run_id=self._chunk.run_ids[place],
            )  # fmt: skip
            self._journal.write(self._chunk.positions[place], run)
            self.runs.append(run)

    async def aflush(self) -> None:
        """Return at once: what is written is written."""

    def run(self, position: int, run: Run, row: int | None) -> None:
        """Keep a run."""
        self.runs.append(run)

    def record(self, position: int, row: int) -> None:
        """Leave out what is somebody else's."""
