"""Where a sweep records its runs before they are sent and at their end: in the history."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from fgnb import jsontext
from fgnb.runs.claims import Claim, Opening
from fgnb.runs.differences import canonical
from fgnb.runs.order import Item, Order
from fgnb.runs.run import Run

if TYPE_CHECKING:
    from fgnb.runs.history import History


class Recorder(Protocol):
    """What a sweep needs of it."""

    async def begin(self, item: Item, run_id: str, submitted_at: datetime) -> Claim:
        """Record that an input is about to be sent; returns when that is on disk."""

    def end(self, claim: Claim, run: Run, body: bytes | None) -> bool:
        """Record the end of its run, soon; returns whether the record says all of it."""

    async def aflush(self) -> None:
        """Return when all is on disk."""


class HistoryRecorder:
    """Records the runs of a sweep in the history.

    Args:
        history: the history.
        order: what the runs have in common.
    """

    def __init__(self, history: History, order: Order) -> None:
        self._history = history
        self._order = order
        self._headers = jsontext.dumps(order.headers) if order.headers else None
        self._tags = jsontext.dumps(order.tags) if order.tags else None
        self._pass = history.start_pass()

    async def begin(self, item: Item, run_id: str, submitted_at: datetime) -> Claim:
        """Record that an input is about to be sent; returns when that is on disk."""
        order = self._order
        return await self._history.abegin(
            Opening(
                run_id=run_id,
                workflow=order.workflow,
                input=item.text,
                headers=self._headers,
                tags=self._tags,
                connection=order.connection,
                submitted_at=submitted_at,
                sweep=order.sweep,
                key=None if order.sweep is None else _key(item, order.headers),
                sweep_pass=self._pass,
                retry_unknown=order.retry_unknown,
            )
        )

    def end(self, claim: Claim, run: Run, body: bytes | None) -> bool:
        """Record the end of its run, soon; returns whether the record says all of it."""
        return self._history.end(claim, run, body)

    async def aflush(self) -> None:
        """Return when all is on disk."""
        await self._history.aflush()


def _key(item: Item, headers: Mapping[str, str]) -> bytes:
    """Return what names an input within a sweep, whatever the order of its keys."""
    return hashlib.blake2b(canonical([item.value, headers or {}]).encode(), digest_size=16).digest()
