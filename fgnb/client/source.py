"""Where credentials come from: kept until shortly before they expire, then asked for again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context

from fgnb.background import forget_in_child
from fgnb.client.credentials import Credentials, IamToken, utc_text
from fgnb.errors import ConfigError
from fgnb.secret import HIDDEN
from fgnb.signature import ALGORITHM, AUTH_TOKEN_HEADER, TOKEN_HEADER

EARLY = 40 * 60.0  # seconds before their end at which credentials are refreshed, as the official SDK does
PATIENCE = 60.0  # seconds to wait for whoever gives credentials
PAUSE = 60.0  # seconds at least between two attempts, while the present credentials are valid

_log = logging.getLogger("fgnb.client")


class Source:
    """Where credentials come from; any thread may ask it.

    Args:
        origin: where that is, in words.
        held: what is at hand from the start.
        fetch: gives credentials anew, or a ConfigError that names `origin`. Without it, `held` is all there is.
        stale: says whether what was fetched is outdated, although it has not expired.
        project_id: what stands beside the keys, if anything.
        iam_endpoint: likewise, a URL.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        origin: str,
        *,
        held: Credentials | None = None,
        fetch: Callable[[], Credentials] | None = None,
        stale: Callable[[], bool] = lambda: False,
        project_id: str | None = None,
        iam_endpoint: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.origin = origin
        self.project_id = project_id
        self.iam_endpoint = iam_endpoint
        self._held = held
        self._fetch = fetch
        self._stale = stale
        self._clock = clock
        self._due = math.inf  # when to ask again for what is held
        self._asked = -math.inf
        self._lock = threading.Lock()
        forget_in_child(self)

    def forget(self) -> None:
        """Start with a lock that nobody holds, in the child of a fork."""
        self._lock = threading.Lock()

    def current(self) -> Credentials | None:
        """Return what is at hand, or None if `get` has to be called first; never waits."""
        return self._held if self._clock() < self._due and not self._stale() else None

    def get(self) -> Credentials:
        """Return credentials, fetched or refreshed if need be: one thread does it, others wait for it.

        Credentials that have expired but can't be refreshed are returned all the same: the
        service's clock counts, not this one.

        Raises:
            ConfigError: there are none, or they have expired and no new ones could be had.
        """
        if self in _asking.get():
            raise ConfigError(f"credentials: {self.origin} uses a session that is waiting for it")
        if not self._lock.acquire(timeout=PATIENCE):
            raise ConfigError(f"credentials: {self.origin} has not answered for {PATIENCE:g} s")
        before = _asking.set(_asking.get() | {self})
        try:
            held = self._held
            if self._fetch is not None and (held is None or self._clock() >= self._due or self._stale()):
                held = self._refreshed(self._fetch, held)
            assert held is not None  # noqa: S101  # there is one of `held` and `fetch`
            return held
        finally:
            _asking.reset(before)
            self._lock.release()

    def refused(self) -> None:
        """Ask anew at the next use, since the service did not take what is held; but not all the time.

        What does not tell when it expires is asked for again only by this.
        """
        if self._fetch is not None and self._held is not None:
            self._due = min(self._due, self._asked + PAUSE)

    def describe(self) -> str:
        """Return in words what is at hand, without any secret; fetches nothing."""
        held = self._held
        if held is None:
            return "not asked yet"
        word = "expired at" if self._expired(held) else "until"
        return held.name if held.expires_at is None else f"{held.name}, {word} {utc_text(held.expires_at)}"

    def shown(self) -> dict[str, str]:
        """Return the headers that the credentials at hand become, secrets masked; fetches nothing."""
        held, said = self._held, f"{HIDDEN} ({self.describe()})"
        if held is None:
            return {f"Authorization or {AUTH_TOKEN_HEADER.title()}": said}
        if isinstance(held, IamToken):
            return {AUTH_TOKEN_HEADER.title(): said}
        token = {} if held.security_token is None else {TOKEN_HEADER.title(): HIDDEN}
        return {"Authorization": f"{ALGORITHM} {said}"} | token

    def _expired(self, held: Credentials) -> bool:
        return held.expires_at is not None and held.expires_at.timestamp() <= self._clock()

    def _refreshed(self, fetch: Callable[[], Credentials], held: Credentials | None) -> Credentials:
        try:
            fresh = fetch()
        except ConfigError as error:
            if held is None:
                raise
            if self._expired(held):
                raise ConfigError(f"{self.describe()}, and could not be refreshed: {error}") from error
            _log.warning("credentials could not be refreshed, going on with %s: %s", self.describe(), error)
            fresh = held
        now = self._clock()
        self._held, self._due, self._asked = fresh, _due(fresh, now), now
        return fresh


def _due(credentials: Credentials, now: float) -> float:
    """Return when to ask anew, having asked `now`."""
    if credentials.expires_at is None:
        return math.inf
    end = credentials.expires_at.timestamp()
    if end - EARLY > now:
        return end - EARLY
    # Those that come expired may be fine by the service's clock, and asking at each call would not better them.
    return min(now + PAUSE, end) if end > now else now + PAUSE


_asking: ContextVar[frozenset[Source]] = ContextVar("_asking", default=frozenset())


async def at_hand(source: Source) -> Credentials:
    """Return a source's credentials; fetched, if need be, in a thread, so that no event loop waits.

    Raises:
        ConfigError: there are none, or they did not come within `PATIENCE` seconds.
    """
    held = source.current()
    if held is not None:
        return held
    loop, context = asyncio.get_running_loop(), copy_context()
    future: asyncio.Future[Credentials] = loop.create_future()

    def end(credentials: Credentials | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            assert credentials is not None  # noqa: S101
            future.set_result(credentials)

    def fetch() -> None:
        try:
            credentials, error = context.run(source.get), None
        except BaseException as raised:
            credentials, error = None, raised
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(end, credentials, error)

    # Not on the loop's own threads: one that never ends would keep the process, and name look-ups, waiting.
    threading.Thread(target=fetch, name="fgnb-credentials", daemon=True).start()
    try:
        return await asyncio.wait_for(future, PATIENCE)
    except TimeoutError:
        raise ConfigError(f"credentials: {source.origin} has not answered for {PATIENCE:g} s") from None
