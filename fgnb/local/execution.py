"""An execution under way, where it stands, and what has happened at each of its states."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fgnb.local.ids import new_id
from fgnb.local.plan import Chain, Plan, Step

ROOM = 200_000  # what the visits kept of one execution may hold: members of their inputs, and VISIT for each
VISIT = 20

Place = tuple[tuple[str, int], ...]
"""Where in branches and loops a state runs: the id of each state around it, and the branch or iteration."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What the engine takes the time from, and waits by; both in seconds."""

    time: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep


class Visit:
    """One attempt at one state: what came in, what went out or why not, and when.

    `begin` and `end` are seconds since the epoch; `end` is None while the state runs. `failure` is
    the function runtime's failure object. `handled` tells that the failure was retried or caught,
    `cancelled` that the state was given up since its branch was no longer needed.
    """

    __slots__ = (
        "attempt", "begin", "cancelled", "end", "failure", "handled", "input", "output", "place", "status", "step",
    )  # fmt: skip

    def __init__(self, step: Step, place: Place, attempt: int, input: Any, begin: float) -> None:
        self.step = step
        self.place = place
        self.attempt = attempt
        self.input = input
        self.begin = begin
        self.end: float | None = None
        self.output: Any = None
        self.failure: Mapping[str, Any] | None = None
        self.status = 200
        self.handled = False
        self.cancelled = False


class Track:
    """One way through a chain of states: the state it is at, and what came into it."""

    __slots__ = ("chain", "data", "execution", "place", "retries", "step", "visit")

    def __init__(self, execution: Execution, chain: Chain, data: Any, place: Place = ()) -> None:
        self.execution = execution
        self.chain = chain
        self.step = chain.steps[chain.start]
        self.data = data
        self.place = place
        self.retries = 0  # of the present state
        self.visit: Visit | None = None

    def inner(self, chain: Chain, data: Any, number: int) -> Track:
        """Return a way through a chain inside the present state: a branch or an iteration."""
        return Track(self.execution, chain, data, (*self.place, (self.step.id, number)))

    def begin(self, now: float) -> Visit:
        """Begin an attempt at the present state."""
        execution = self.execution
        self.visit = visit = self._attempt(now)
        if execution.visits is not None and execution.room > 0:
            execution.visits.append(visit)
            execution.room -= VISIT + len(self.data) if isinstance(self.data, dict) else VISIT
        return visit

    def again(self, now: float) -> Visit:
        """Retry the present state; return what counts as running until the retry begins."""
        self.retries += 1
        self.visit = None
        return self._attempt(now)

    def _attempt(self, now: float) -> Visit:
        visit = Visit(self.step, self.place, self.retries + 1, self.data, now)
        self.execution.running.add(visit)
        return visit

    def go(self, state_id: str, data: Any) -> None:
        """Go on at a state."""
        self.step = self.chain.steps[state_id]
        self.data = data
        self.retries = 0
        self.visit = None


@dataclass(slots=True, kw_only=True, eq=False)
class Execution:
    """One execution under way: whose it is, what it was given, which states are running.

    Args:
        unlimited: whether it may take as long as it likes, as NORMAL workflows do.
        depth: how many executions lie above this one, as sub-flows.
        merge: whether outputs are merged into inputs; None for what the engine's options say.
        covered: whether the limit of an execution above covers it, too.
        visits: filled with what happens, in the order of the states' beginnings, if it is a list.
    """

    plan: Plan
    input: Any
    headers: Mapping[str, Any]
    project_id: str
    workflow_id: str
    id: str = field(default_factory=new_id)
    unlimited: bool = False
    covered: bool = False
    depth: int = 0
    merge: bool | None = None
    visits: list[Visit] | None = None
    room: int = ROOM
    running: set[Visit] = field(default_factory=set)
    rested: list[float] = field(default_factory=lambda: [time.monotonic()])  # when the event loop had a turn last

    def give_up_below(self, visit: Visit, now: float) -> None:
        """Note the states that still run in branches of `visit`'s state as cancelled."""
        depth = len(visit.place)
        for other in list(self.running):
            around, inside = other.place[:depth], other.place[depth:]
            if around == visit.place and inside and inside[0][0] == visit.step.id:
                self.running.discard(other)
                other.end, other.cancelled = now, True


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How an execution ended: `status` is ``success``, ``fail`` or ``timeout``.

    `failed` are the states that ended it, or that were still running when its time was over. The
    times are seconds since the epoch.
    """

    status: str
    begin: float
    end: float
    output: Any = None
    failed: tuple[Visit, ...] = ()
