"""``fgnb serve``: the embedded service on a port of this machine."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable, Iterable
from typing import Any

import uvicorn

from fgnb.errors import ConfigError
from fgnb.local.app import PATIENCE, make_app
from fgnb.local.service import Service

SHUTDOWN = 2  # seconds that runs under way get when the service is told to end


def serve(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int,
    patience: float = PATIENCE,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until interrupted.

    Args:
        service: what to serve.
        host: an address of this machine's loopback; anything else is refused unless the service
            asks for keys, since it runs code.
        port: the port; 0 takes a free one.
        patience: seconds in which a request's head must have come, then its body, and in which the
            answer must be taken.
        ready: called with the URL once connections are accepted.

    Raises:
        ConfigError: the host is not a loopback address and the service has no keys, the host is not
            this machine's, or the port is taken.
    """
    if not _is_loopback(host) and not service.secured:
        raise ConfigError(
            f"without keys, the embedded service listens on loopback only, not on '{host}': "
            "use 127.0.0.1 or ::1, or give an access key and its secret key"
        )
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        make_app(service, host=host, patience=patience),
        log_level="warning",
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=SHUTDOWN,
    )
    ready(f"http://{shown}:{listener.getsockname()[1]}")
    _Server(config, patience).run(sockets=[listener])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, patience: float) -> None:
        super().__init__(config)
        self._patience = patience

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        watch = asyncio.create_task(_watch(self.server_state.connections, self._patience))
        try:
            await super().serve(sockets)
        finally:
            watch.cancel()


async def _watch(connections: Iterable[Any], patience: float) -> None:
    """Keep slow clients from holding a connection for ever, which uvicorn lets them.

    Between two exchanges, a connection is aborted once none has begun for `patience` seconds: uvicorn
    ends those that say nothing, but not those that send a head bit by bit, go on with a body that is
    refused already, or take no answer. Whoever waits for a body is woken to look at the clock. A
    workflow that runs is left alone.
    """
    loop = asyncio.get_running_loop()
    known: dict[Any, tuple[Any, float]] = {}  # the last exchange of each, and since when it has been the last
    while True:
        await asyncio.sleep(patience / 4)
        now = loop.time()
        idle: dict[Any, tuple[Any, float]] = {}
        for one in connections:
            last = one.cycle
            if last is None or last.response_complete:
                since = known[one][1] if one in known and known[one][0] is last else now
                idle[one] = (last, since)
                if now - since >= patience:
                    one.transport.abort()
            elif last.more_body:
                last.message_event.set()
        known = idle


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol, asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError, UnicodeError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"can't listen on {host} port {port}: {reason}; try --port 0") from None
    listener.listen(2048)
    return listener
