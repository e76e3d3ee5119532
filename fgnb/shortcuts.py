"""The functions of the package: `connect`, and those of the session that was connected last.

``fgnb.run(...)`` is ``fgnb.connect().run(...)`` if nothing was connected before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fgnb.client.blocking import Client
from fgnb.config import settle
from fgnb.connection import embedded_service, found_credentials, local_client, remote_client
from fgnb.deployment import Deployment, Workflow
from fgnb.errors import ConfigError
from fgnb.local.functions import Isolation
from fgnb.local.options import DEFAULTS, Options
from fgnb.runs.compare import Comparison
from fgnb.runs.compare import compare as compare_runs
from fgnb.runs.run import Run
from fgnb.runs.trace import Trace
from fgnb.session import Session
from fgnb.wire import EXPRESS_LIMIT

if TYPE_CHECKING:
    import pandas as pd

    from fgnb.client.credentials import Credentials
    from fgnb.notebook.form import Form

_default: Session | None = None


def connect(
    target: str | None = None,
    *,
    profile: str | None = None,
    region: str | None = None,
    endpoint: str | None = None,
    project_id: str | None = None,
    credentials: Credentials | Callable[[], Credentials] | str | None = None,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    retry_for: float | None = None,
    verify: bool | None = None,
    ca_bundle: str | os.PathLike[str] | None = None,
    proxy: str | None = None,
    log_bodies: bool | None = None,
    limit: float = EXPRESS_LIMIT,
    isolation: Isolation = "thread",
    options: Options = DEFAULTS,
) -> Session:
    """Connect to a workflow service and make the session the default one; prints and sends nothing.

    Without arguments: ``FGNB_PROFILE`` or ``FGNB_ENDPOINT``; the profile ``default`` of the nearest
    ``fgnb.toml`` or of the one in the user's configuration folder; the cloud, if there are credentials
    and a region (``FGNB_REGION``); else the embedded service. `Session.describe` tells every setting
    and where it came from.

    Args:
        target: ``"local"`` for the embedded service in this process, or the URL of a compatible
            service such as ``fgnb serve``'s.
        profile: a table of ``fgnb.toml``, whose keys are the names of these arguments.
        region: a region of Huawei Cloud, e.g. ``cn-north-4``.
        endpoint: a URL, with `region` where that matters, or instead of `target`.
        project_id: the project; looked up through IAM if it is not known. An embedded service takes any.
        credentials: an `fgnb.AccessKey` or `fgnb.IamToken`, a function that returns one, or where to
            take them from: ``"environment"``, ``"file"``, ``"prompt"``, ``"metadata"``, ``"oidc"``,
            ``"pod-identity"``. By default, the environment and the SDK's credentials file.
        timeout: seconds to wait for the answer to a run; 310, since a run may take 300.
        connect_timeout: seconds to wait for a connection; 10.
        retry_for: seconds in which a request may be sent again where nothing can have run; 60.
        verify: whether certificates are checked.
        ca_bundle: a file or folder of certificate authorities, instead of the usual ones.
        proxy: the URL of a proxy, or ``"none"``; by default that of the environment.
        log_bodies: whether what is sent and answered goes to the log ``fgnb.client`` at level DEBUG.
        limit: seconds that an execution may take in the embedded service.
        isolation: where functions of the embedded service run that do not say themselves:
            ``"thread"``, or ``"process"``, where a crash or an endless loop costs only its own run.
        options: how the embedded service behaves where the cloud's documents are silent. With other
            settings than before, `connect` gives an embedded service with workflows of its own.

    Raises:
        ConfigError: a setting is wrong, missing, or contradicts another one.
    """
    global _default
    settings = settle(
        target,
        find=found_credentials,
        profile=profile,
        region=region,
        endpoint=endpoint,
        project_id=project_id,
        credentials=credentials,
        timeout=timeout,
        connect_timeout=connect_timeout,
        retry_for=retry_for,
        verify=verify,
        ca_bundle=ca_bundle,
        proxy=proxy,
        log_bodies=log_bodies,
    )
    service = None
    if settings.is_local:
        service = embedded_service(limit, isolation, options)
    elif (limit, isolation, options) != (EXPRESS_LIMIT, "thread", DEFAULTS):
        raise ConfigError("limit, isolation and options are those of the embedded service: give them to fgnb serve")
    client = remote_client(settings) if service is None else local_client(service, settings)
    _default = Session(Client(client), settings, service)
    return _default


def current() -> Session:
    """Return the session connected last; connects as `connect` does if there is none."""
    return _default if _default is not None else connect()


def run(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Run:
    """Run a workflow and wait for its result; see `Session.run`."""
    return current().run(workflow, input, headers=headers, timeout=timeout, tags=tags, check=check)


async def arun(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
    check: bool = True,
) -> Run:
    """Run a workflow from a coroutine; see `Session.arun`."""
    return await current().arun(workflow, input, headers=headers, timeout=timeout, tags=tags, check=check)


def workflows() -> pd.DataFrame:
    """Return the workflows of the service as a DataFrame; see `Session.workflows`."""
    return current().workflows()


def workflow(workflow: str) -> Workflow:
    """Return a workflow with its definition; see `Session.workflow`."""
    return current().workflow(workflow)


def deploy(source: str | Path | Mapping[str, Any], *, dry_run: bool = False) -> Deployment:
    """Create a workflow, or replace the one of the same name; see `Session.deploy`."""
    return current().deploy(source, dry_run=dry_run)


def trace(run: Run | str) -> Trace:
    """Return what happened at each state of a run; see `Session.trace`."""
    return current().trace(run)


def compare(*runs: Run, keep_equal: bool = False) -> Comparison:
    """Compare runs: a row per path that differs, a column per run; see `Comparison`."""
    return compare_runs(*runs, keep_equal=keep_equal)


def form(workflow: str) -> Form:
    """Return a form for a workflow's input, to fill, run and read; see `Session.form`."""
    return current().form(workflow)


for _function in (run, arun, workflows, workflow, deploy, trace, form):
    # help(fgnb.run) is where people look: the whole text, not a reference to it
    _function.__doc__ = getattr(Session, _function.__name__).__doc__
compare.__doc__ = compare_runs.__doc__
