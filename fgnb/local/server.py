"""``fgnb serve``: the embedded service on a port of this machine."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import uvicorn

from fgnb.errors import ConfigError
from fgnb.local.app import make_app
from fgnb.local.service import Service

SHUTDOWN = 2  # seconds that runs under way get when the service is told to end


def serve(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int,
    ready: Callable[[str], None] = lambda url: None,
) -> None:
    """Serve until interrupted.

    Args:
        service: what to serve.
        host: an address of this machine's loopback; anything else is refused, since the service
            runs code and asks nobody for keys.
        port: the port; 0 takes a free one.
        ready: called with the URL once connections are accepted.

    Raises:
        ConfigError: the host is not a loopback address, or the port is taken.
    """
    listener = _listen(host, port)
    shown = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        make_app(service, host=host),
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=SHUTDOWN,
    )
    ready(f"http://{shown}:{listener.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listener])


def _listen(host: str, port: int) -> socket.socket:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise ConfigError(f"the embedded service listens on loopback only, not on '{host}': use 127.0.0.1 or ::1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Without the protocol, asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"can't listen on {host} port {port}: {reason}; try --port 0") from None
    listener.listen(2048)
    return listener
