"""A sweep as its user sees it: runs and progress while it goes on, waiting, cancelling, interrupting."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from fgnb import wiring
from fgnb.background import ended
from fgnb.counted import counted
from fgnb.errors import FgnbError, SweepStopped
from fgnb.runs.feed import Feed
from fgnb.runs.inputs import Inputs
from fgnb.runs.kept import Kept
from fgnb.runs.order import Item, Order, items
from fgnb.runs.progress import Meter, Progress, State
from fgnb.runs.runset import RunSet
from fgnb.runs.sweep import Executes, Sweep
from fgnb.runs.views import Watched

if TYPE_CHECKING:
    from fgnb.notebook.explore import Explorer
    from fgnb.runs.history import History
    from fgnb.runs.scatter import Scattered, Workers

DISPLAY = 0.25  # seconds between two updates of what is shown
DROPPING = 0.8  # seconds that an interrupted sweep has to close its connections


class Job(Watched):
    """A sweep under way, or done.

    Args:
        client: what executes the workflow.
        submit: starts a coroutine on the client's event loop.
        order: what all runs have in common.
        inputs: what it runs over.
        history: where each run is recorded, if anywhere.
        workers: who runs it, if not this process.
        show: whether progress is shown.

    >>> import fgnb
    >>> job = fgnb.connect("local").sweep("order-triage", {"sku": ["A-100"], "qty": range(5)}, background=True)
    >>> job.wait(), job.progress.done
    (<RunSet of 5: 5 success>, 5)
    """

    def __init__(
        self,
        client: Executes,
        submit: Callable[[Coroutine[Any, Any, None]], Future[None]],
        order: Order,
        inputs: Inputs,
        history: History | None,
        *,
        workers: Workers | None = None,
        show: bool = True,
    ) -> None:
        super().__init__()
        self.name = order.name
        self.workflow = order.workflow
        self._kept = Kept(history)
        title = order.workflow if order.name is None else f"{order.workflow} ({order.name})"
        self._meter = Meter(title, total=inputs.total)
        self._feed: Feed[Item] = Feed(items(inputs))
        recorder = None
        if history is not None:
            from fgnb.runs.recorder import HistoryRecorder

            recorder = HistoryRecorder(history, order)
        self._sweep: Sweep | Scattered
        if workers is None:
            self._sweep = Sweep(client, order, self._feed, recorder, self._kept, self._meter)
        else:
            from fgnb.runs.scatter import Scattered

            self._sweep = Scattered(workers, client, order, self._feed, recorder, self._kept, self._meter)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: State | None = None
        self._future: Future[None] = submit(self._run())
        if show:
            self.show_in(wiring.call("progress", self.progress))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._ending is not None:  # cancelled before it began
            self._sweep.stop(drop=self._ending == "cancelling")
        ticking = asyncio.create_task(self._tick())
        try:
            await self._sweep.run()
        finally:
            ticking.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(DISPLAY)
            self.paint(here=False)

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    @property
    def interrupted(self) -> bool:
        """Whether the user interrupted it."""
        return self._ending == "interrupted"

    @property
    def runs(self) -> RunSet:
        """The runs that have ended by now, in the order of their inputs."""
        return RunSet.over(self._kept.runs())

    def fresh(self, seen: set[int], most: int) -> RunSet:
        """Return runs that have ended since the last call with this set `seen` of places, up to `most`."""
        return RunSet(self._kept.fresh(seen, most))

    def explore(self) -> Explorer:
        """Return a table of the runs that grows as they end; see `fgnb.notebook.explore.Explorer`."""
        explorer: Explorer = wiring.call("explore", self)
        return explorer

    @property
    def progress(self) -> Progress:
        """How far it is."""
        waits = self._sweep.waits
        state = self._state()
        note = f"the service has no room, next try in {waits:.0f} s" if waits >= 1 and not self.done else ""
        if state == "stopped":
            note = str(self._sweep.error or self._future.exception()).partition("\n")[0]
        return self._meter.now(state, note=note)

    def state(self) -> Progress:
        """Return what there is to show."""
        return self.progress

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
        self._feed.serve(self._future, lambda: self._paint_here() if waiting else None)
        self.paint(last=True)

    def _paint_here(self) -> None:
        if not all(view.from_any_thread for view in self.views):  # the others are painted on the event loop
            self.paint()

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
        if not ended(self._future, timeout, tick=self._paint_here):
            raise TimeoutError(f"the sweep has not ended within {timeout:g} s; it goes on")
        return self._result()

    def run(self) -> RunSet:
        """Make the inputs in this thread and return the runs; an interrupt ends it early, with those that there are.

        Raises:
            SweepStopped: as of `wait`.
        """
        try:
            self._serve(True)
        except KeyboardInterrupt:
            ended = False
            while not ended:
                with contextlib.suppress(KeyboardInterrupt):  # a further one changes nothing
                    self._interrupt()
                    ended = True
            return self.runs
        return self._result()

    def _interrupt(self) -> None:
        self.cancel(drop=True)
        self._ending = "interrupted"
        with contextlib.suppress(Exception, KeyboardInterrupt):  # not in time: what is known is known
            self._future.result(DROPPING)
        self.paint(last=True)

    def _result(self) -> RunSet:
        self._future.result()
        error = self._sweep.error
        if error is None:
            return self.runs
        runs = self.runs
        if isinstance(error, FgnbError) and not len(runs):
            raise error
        raise SweepStopped(f"the sweep stopped after {counted(len(runs), 'run')}: {error}", runs) from error

    def __repr__(self) -> str:
        progress = self.progress
        total = "" if progress.total is None else f" of {progress.total:,}"
        return (
            f"<Sweep of {self.workflow}: {progress.state}, {progress.done:,}{total} done, {progress.failed:,} failed>"
        )
