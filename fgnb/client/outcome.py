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

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fgnb import jsontext
from fgnb.wire import REQUEST_ID_HEADER, ErrorBody, Response, SyncExecution, parse

NOTHING_RAN = frozenset({"APIGW.0308", "APIGW.0613", "FSS.0429", "FSS.0503"})
"""Codes of the gateway's and the service's refusals for want of room (error code pages)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one execution; `elapsed` is measured here, in seconds.

    `raw` is the answer's JSON value if it had one, `reason` says in words why there is no
    `execution`, `node_names` gives the names of nodes by id where they were asked for.
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
    raw: Any = None
    node_names: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One execution under way: what is known of it at any moment."""

    submitted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.perf_counter)
    workflow_id: str | None = None
    sent: bool = False
    outcome: Outcome | None = None

    def _end(self, status: str, **known: Any) -> Outcome:
        return Outcome(
            status=status,
            submitted_at=self.submitted_at,
            elapsed=time.perf_counter() - self.started,
            workflow_id=self.workflow_id,
            **known,
        )

    def not_sent(self, reason: str) -> Outcome:
        """End it as unsent."""
        return self._end("unsent", reason=reason)

    def lost(self, reason: str) -> Outcome:
        """End it as unknown: it was sent, but no answer came."""
        return self._end("unknown", reason=reason)

    def abandoned(self, reason: str) -> Outcome:
        """End it because the user gave up: unknown if it was on its way, else cancelled."""
        return self.outcome or self._end("unknown" if self.sent else "cancelled", reason=reason)

    def refused(self, reason: str, *, status: int | None, code: str | None, request_id: str | None) -> Outcome:
        """End it as rejected before it was sent, by a call that had to come first."""
        return self._end("rejected", reason=reason, http_status=status, error_code=code, request_id=request_id)

    def answered(self, response: Response) -> Outcome:
        """End it by the service's answer, whatever that is."""
        status, request_id = response.status, response.headers.get(REQUEST_ID_HEADER.lower())
        try:
            raw = jsontext.loads_answer(response.body)
        except ValueError:
            raw = None
        known: dict[str, Any] = {"http_status": status, "request_id": request_id, "raw": raw}
        if status == 200:
            try:
                execution = parse(raw, SyncExecution)
            except ValueError as error:
                what = f"not as documented: {error}" if raw is not None else "not JSON"
                return self._end("unknown", reason=f"the answer is {what}", **known)
            return self._end(execution.status, execution=execution, **known)
        said = error_body(raw)
        known |= {"error_code": said.error_code, "request_id": request_id or said.request_id}
        reason = said.error_msg or f"HTTP status {status}"
        refused = 300 <= status < 500 or (status == 503 and said.error_code in NOTHING_RAN)
        return self._end("rejected" if refused else "unknown", reason=reason, **known)


def error_body(raw: Any) -> ErrorBody:
    """Return an error answer's fields, all None if it has another form."""
    try:
        return parse(raw, ErrorBody)
    except ValueError:
        return ErrorBody()
