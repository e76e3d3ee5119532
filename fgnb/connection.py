"""Settings to a client: the embedded service in this process, or another one over the network."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from fgnb.client.caller import Caller
from fgnb.client.client import AsyncClient
from fgnb.client.projects import ProjectOfRegion
from fgnb.config import Settings
from fgnb.local.functions import Isolation
from fgnb.local.options import Options
from fgnb.local.service import Service

if TYPE_CHECKING:
    from fgnb.client.auth import SigningAuth
    from fgnb.client.source import Source
    from fgnb.client.transport import HttpTransport

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
