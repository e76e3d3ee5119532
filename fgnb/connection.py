"""Settings to a client: the embedded service in this process, or another one over the network."""

from __future__ import annotations

import secrets
import weakref
from collections.abc import Mapping
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from fgnb import jsontext
from fgnb.background import BackgroundLoop, forget_in_child
from fgnb.client.blocking import Client
from fgnb.client.caller import Caller
from fgnb.client.client import AsyncClient
from fgnb.client.projects import ProjectOfRegion
from fgnb.config import Settings, settle
from fgnb.errors import InputError
from fgnb.local.functions import Isolation
from fgnb.local.options import Options
from fgnb.local.service import Service
from fgnb.wire import PROJECT_HEADER, SYNC_EXECUTIONS, execute_body, workflows_path

if TYPE_CHECKING:
    from fgnb.client.auth import SigningAuth
    from fgnb.client.source import Source
    from fgnb.client.transport import HttpTransport
    from fgnb.runs.prepare import Prepared
    from fgnb.runs.preview import Preview

# What goes over the network is imported where it is needed: the embedded service does without httpx.


@cache
def embedded_service(limit: float, isolation: Isolation, options: Options) -> Service:
    """Return the embedded service of this process, which every ``connect("local")`` with these settings shares."""
    return Service(limit=limit, isolation=isolation, options=options)


def found_credentials(given: Any) -> Source | None:
    """Return the source of credentials that `given` means; for None, the one at hand, if there is one."""
    from fgnb.client.finding import find, source

    return find() if given is None else source(given)


def local_client(service: Service, settings: Settings) -> AsyncClient:
    """Return a client of the embedded service."""
    return AsyncClient(service, project_id=_known(settings), timeout=settings.timeout.value)


def remote_client(settings: Settings) -> AsyncClient:
    """Return a client of the service at the settings' endpoint."""
    from fgnb.client.auth import SigningAuth

    held = cast("Source | None", settings.credentials)  # made by `found_credentials`
    auth = None if held is None else SigningAuth(held, no_tokens=settings.no_tokens())
    retry_for = settings.retry_for.value
    project: str | ProjectOfRegion
    if settings.project_id.value is None:
        assert held is not None  # noqa: S101  # settle() sees to all three
        assert settings.iam_endpoint.value is not None  # noqa: S101
        assert settings.region.value is not None  # noqa: S101
        iam = Caller(_way_to(settings.iam_endpoint.value, settings, auth), retry_for=retry_for)
        project = ProjectOfRegion(iam, region=settings.region.value, source=held)
    else:
        project = settings.project_id.value
    way = _way_to(settings.endpoint.value, settings, auth)
    return AsyncClient(way, project_id=project, timeout=settings.timeout.value, retry_for=retry_for)


def _known(settings: Settings) -> str:
    assert settings.project_id.value is not None  # noqa: S101  # the embedded service takes any
    return settings.project_id.value


def _way_to(endpoint: str, settings: Settings, auth: SigningAuth | None) -> HttpTransport:
    from fgnb.client.transport import HttpTransport

    return HttpTransport(
        endpoint,
        auth=auth,
        connect_timeout=settings.connect_timeout.value,
        verify=settings.verify.value,
        ca_bundle=settings.ca_bundle.value,
        proxy=settings.proxy.value,
        log_bodies=settings.log_bodies.value,
    )


def preview(client: Client, settings: Settings, prepared: Prepared, *, over: Any = None) -> Preview:
    """Return what a client would send, secrets masked; asks nobody.

    Args:
        client: knows the ids of workflows that were looked up before.
        settings: of the session.
        prepared: the run, or what all runs of a sweep have in common.
        over: what a sweep runs over, if it is one.
    """
    from fgnb.runs.inputs import inputs_of
    from fgnb.runs.preview import PEEK, Preview
    from fgnb.runs.redact import masked

    asynchronous = client.asynchronous
    project = settings.project_id.value or getattr(asynchronous.projects, "found", None) or "<project of the region>"
    workflow_id = asynchronous.known_id(prepared.workflow) or f"<id of {prepared.workflow}>"
    path = workflows_path(project, workflow_id, SYNC_EXECUTIONS)
    headers = {"Content-Type": "application/json", PROJECT_HEADER: project}
    if settings.credentials is not None:
        headers |= settings.credentials.shown()
    given = prepared.input
    plan = None if over is None else inputs_of(over, base=given or None)
    first = [] if plan is None or hasattr(over, "__next__") else list(islice(plan, PEEK))
    if first:
        given = first[0]
    body = {"input": masked(given)}
    if prepared.headers:
        body = {"headers": masked(prepared.headers)} | body
    return Preview(
        workflow=prepared.workflow,
        method="POST",
        url=path if settings.is_local else settings.endpoint.value + path,
        headers=headers,
        body=body,
        size=len(execute_body(jsontext.dumps(given), prepared.headers)),
        timeout=asynchronous.timeout if prepared.timeout is None else prepared.timeout,
        tags=masked(prepared.tags),
        is_sweep=plan is not None,
        inputs=masked(first),
        total=None if plan is None else plan.total,
    )


def travelling(settings: Settings, client: Client) -> dict[str, Any]:
    """Return what workers in other processes connect with: no secret, which each finds in its own environment.

    Raises:
        InputError: the session has what does not travel: credentials or a proxy's password given to `connect`.
    """
    from fgnb.client.finding import find

    session = secrets.token_hex(8)
    _clients.own[session] = client
    if settings.is_local:
        return {"session": session, "target": settings.endpoint.value}
    held = cast("Source | None", settings.credentials)
    at_hand = None if held is None else find()
    if held is not None and (at_hand is None or at_hand.origin != held.origin):
        raise InputError(
            f"workers look for credentials in their environment, or in the SDK's file; those of this session"
            f" ({held.origin}) don't travel: put them there, and leave credentials= out"
        )
    proxy = None if settings.proxy.value is None else settings.proxy.value.reveal()
    if proxy is not None and "@" in proxy:
        raise InputError("the proxy's password does not travel: leave proxy= out, and set the workers' environment")
    named = {
        name: getattr(settings, name).value
        for name in ("region", "project_id", "timeout", "connect_timeout", "retry_for", "verify", "log_bodies")
    }
    bundle = settings.ca_bundle.value
    return {
        "session": session,
        "endpoint": settings.endpoint.value,
        **named,
        "ca_bundle": None if bundle is None else str(bundle),
        "proxy": proxy,
    }


def connect_worker(connection: Mapping[str, Any]) -> Client:
    """Return the client of a worker: the session's own in its process, else one for all with the same settings.

    Raises:
        ConfigError: this process can't connect, such as for want of credentials.
        InputError: the session is one with the embedded service of another process.
    """
    given = dict(connection)
    session = given.pop("session")
    if (own := _clients.own.get(session)) is not None:
        return own
    if given.get("target") is not None:
        raise InputError(
            "the embedded service lives in the process that started it: sweep with threads (ThreadPoolExecutor),"
            " or run fgnb serve and connect to that"
        )
    key = repr(sorted(given.items()))
    if key not in _clients.of_worker:
        settings = settle(find=found_credentials, **{name: value for name, value in given.items() if value is not None})
        _clients.of_worker[key] = Client(remote_client(settings), loop=BackgroundLoop("fgnb-worker"))
    return _clients.of_worker[key]


class _Clients:
    """The clients of this process: its sessions', and those of a worker, by their settings."""

    def __init__(self) -> None:
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Start without any, in the child of a fork: they are the parent's."""
        self.own: weakref.WeakValueDictionary[str, Client] = weakref.WeakValueDictionary()
        self.of_worker: dict[str, Client] = {}


_clients = _Clients()
