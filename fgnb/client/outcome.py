"""What became of one synchronous execution: success or not, told by one total function.

==========  =====================================================================================
status      when
==========  =====================================================================================
success,    the service's own words, in a complete answer with HTTP status 200
fail,
timeout
rejected    the service refused (3xx, 4xx), or the gateway had no room (503): nothing ran
unsent      the connection never came up: nothing ran
unknown     sent, but no trustworthy answer came: it may have run
cancelled   cancelled before it was sent: nothing ran
==========  =====================================================================================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fgnb import jsontext
from fgnb.client.pace import Pace
from fgnb.client.refusal import error_body, hint, message_of, nothing_ran
from fgnb.counted import counted
from fgnb.errors import ServiceError
from fgnb.wire import REQUEST_ID_HEADER, Response, SyncExecution, parse

_OURS = frozenset({"rejected", "unsent", "unknown", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one execution; `elapsed` is measured here, in seconds.

    `raw` is the answer's JSON value, or its bytes where it is not JSON; `body` is the answer as it came.
    `reason` says in words why there is no `execution`, `hint` what to do about it. `streamed` says that the
    bytes may be those of a workflow that streams its result (bestpractice 01_0288: chunked). `attempts` counts
    how often a connection was tried for it. `node_names` gives the names of nodes by id where they were asked
    for.
    """

    status: str
    submitted_at: datetime
    elapsed: float
    workflow_id: str | None = None
    execution: SyncExecution | None = None
    http_status: int | None = None
    request_id: str | None = None
    error_code: str | None = None
    reason: str | None = None
    hint: str | None = None
    raw: Any = None
    body: bytes | None = None
    streamed: bool = False
    attempts: int = 1
    node_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One execution under way: what is known of it at any moment."""

    submitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.perf_counter)
    workflow_id: str | None = None
    sent: bool = False
    count: int = 0
    given_up: bool = False
    pace: Pace | None = None  # of the sweep it belongs to
    outcome: Outcome | None = None

    def mark_sent(self) -> None:
        """Note that from now on it may have arrived.

        Raises:
            asyncio.CancelledError: somebody has given it up, and may have called it unsent already.
        """
        self.sent = True  # first: who gives up in this instant sets the one and looks at the other
        if self.given_up:
            self.sent = False
            raise asyncio.CancelledError

    def _end(self, status: str, **known: Any) -> Outcome:
        return Outcome(
            status=status,
            submitted_at=self.submitted_at,
            elapsed=time.perf_counter() - self.started,
            workflow_id=self.workflow_id,
            attempts=self.count,
            **known,
        )

    def not_sent(self, reason: str) -> Outcome:
        """End it as unsent."""
        return self._end("unsent", reason=self._told(reason))

    def lost(self, reason: str) -> Outcome:
        """End it as unknown: it was sent, but no answer came."""
        return self._end("unknown", reason=reason)

    def abandoned(self, reason: str) -> Outcome:
        """End it because the user gave up: unknown if it was on its way, else cancelled."""
        return self.outcome or self._end("unknown" if self.sent else "cancelled", reason=reason)

    def refused(self, error: ServiceError) -> Outcome:
        """End it as rejected before it was sent, by a call that had to come first."""
        return self._end(
            "rejected",
            reason=error.message,
            hint=error.hint,
            http_status=error.status,
            error_code=error.code,
            request_id=error.request_id,
        )

    def answered(self, response: Response) -> Outcome:
        """End it by the service's answer, whatever that is."""
        status, request_id = response.status, response.headers.get(REQUEST_ID_HEADER.lower())
        try:
            raw = jsontext.loads_answer(response.body)
            is_json = True
        except ValueError:
            raw, is_json = response.body, False
        known: dict[str, Any] = {"http_status": status, "request_id": request_id, "raw": raw, "body": response.body}
        if status == 200:
            reason = _unreadable(response)
            if is_json:
                try:
                    execution = read_execution(raw)
                except ValueError as error:
                    reason = str(error)
                else:
                    return self._end(execution.status, execution=execution, **known)
            if _streamed(response):
                known |= {"streamed": True, "raw": response.body}
            return self._end("unknown", reason=reason, **known)
        said = error_body(response.body)
        known |= {"error_code": said.error_code, "request_id": request_id or said.request_id}
        known["hint"] = hint(response, said)
        reason = message_of(said, status)
        if not is_json:
            reason += f", {_unreadable(response)}"
        return self._end(
            "rejected" if nothing_ran(status, said.error_code) else "unknown", reason=self._told(reason), **known
        )

    def _told(self, reason: str) -> str:
        return f"{reason} (after {self.count} attempts)" if self.count > 1 else reason


def read_execution(raw: Any) -> SyncExecution:
    """Read an answer's JSON value as a complete execution.

    Raises:
        ValueError: it is none, or has a status that only fgnb gives.
    """
    try:
        execution = parse(raw, SyncExecution)
    except ValueError as error:
        raise ValueError(f"the answer is not as documented: {error}") from None
    if execution.status in _OURS:
        raise ValueError(f"the service answered with the status '{execution.status}', which only fgnb gives")
    return execution


def _streamed(response: Response) -> bool:
    """Whether an answer may be a stream of a workflow's own, rather than what somebody on the way says."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    of_others = kind in ("", "text/plain", "application/json") or "html" in kind
    chunked = response.headers.get("transfer-encoding", "").lower() == "chunked"
    return chunked and bool(response.body) and not of_others


def _unreadable(response: Response) -> str:
    if not response.body:
        return "the answer is empty"
    kind = response.headers.get("content-type", "").partition(";")[0].strip()
    said = f" but {kind}" if kind and kind != "application/json" else ""
    return f"the answer is not JSON{said}, {counted(len(response.body), 'byte')}"
