"""The functions of the package: `connect`, and those of the session that was connected last.

``fgnb.run(...)`` is ``fgnb.connect().run(...)`` if nothing was connected before.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from fgnb.client.blocking import Client
from fgnb.config import Settings, settle
from fgnb.connection import embedded_service, found_credentials, local_client, remote_client
from fgnb.errors import ConfigError, InputError, WorkflowNotFound
from fgnb.local.functions import Isolation
from fgnb.local.options import DEFAULTS, Options
from fgnb.runs.keeping import history_at, origin_of
from fgnb.runs.run import Run
from fgnb.runs.trace import Trace
from fgnb.session import Session
from fgnb.wire import EXPRESS_LIMIT

if TYPE_CHECKING:
    from fgnb.client.credentials import Credentials

_EMBEDDED: tuple[float, Isolation, Options] = (EXPRESS_LIMIT, "thread", DEFAULTS)
_default: Session | None = None
_of_profiles: dict[str, Session] = {}  # those that a cell asked for


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
    history: str | os.PathLike[str] | None = None,
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
        profile: a table of ``fgnb.toml``, in the working directory or above it, or in the user's configuration
            folder. Its keys are the names of the arguments below, up to `log_bodies`; it never holds a secret.
        region: a region of Huawei Cloud. Synchronous execution is offered in cn-east-2, cn-east-3, cn-north-4,
            cn-south-1 and cn-southwest-2; any other is refused unless `endpoint` is given, or the SDK's
            ``HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_<REGION>`` or ``~/.huaweicloud/regions.yaml`` names one.
        endpoint: a URL, with `region` where that matters, or instead of `target`. Redirects are not followed.
        project_id: the project; by default ``HUAWEICLOUD_SDK_PROJECT_ID``, what the credentials file says, or
            looked up through IAM at the first call. An embedded service takes any.
        credentials: an `fgnb.AccessKey` or `fgnb.IamToken`; a function that returns one, which is asked again
            before it expires; or where to take them from: ``"environment"``, ``"file"``, ``"prompt"``, which
            asks without echo, and with ``fgnb[huaweicloud]`` ``"metadata"`` (the agency of an ECS), ``"oidc"``,
            ``"pod-identity"``. By default the environment: ``HUAWEICLOUD_SDK_AK``, ``HUAWEICLOUD_SDK_SK`` and,
            for temporary keys, ``HUAWEICLOUD_SDK_SECURITY_TOKEN``; or ``FGNB_AUTH_TOKEN``, an IAM token. Else
            section ``[basic]`` of ``~/.huaweicloud/credentials``, or of the file that
            ``HUAWEICLOUD_SDK_CREDENTIALS_FILE`` names.
        timeout: seconds to wait for the answer to a run; 310, since a run may take 300.
        connect_timeout: seconds to wait for a connection; 10.
        retry_for: seconds in which a request may be sent again where nothing can have run; 60.
        verify: whether certificates are checked.
        ca_bundle: a file or folder of certificate authorities, instead of the usual ones; by default what
            ``SSL_CERT_FILE`` or ``REQUESTS_CA_BUNDLE`` names.
        proxy: the URL of a proxy, or ``"none"``; by default that of the environment (``HTTPS_PROXY``,
            ``NO_PROXY``).
        log_bodies: whether the log ``fgnb.client``, which at level DEBUG tells of every request with its id
            and duration, tells what is sent and answered, too.
        history: the file that keeps the runs, or ``"off"``; see `fgnb.runs.keeping.history_at`.
        limit: seconds that an execution may take in the embedded service, 300 by default: it ends as
            ``timeout`` then, whatever its functions do.
        isolation: where functions of the embedded service run that do not say themselves:
            ``"thread"``, or ``"process"``, where a crash or an endless loop costs only its own run.
        options: how the embedded service behaves where the cloud's documents are silent. With other
            settings than before, `connect` gives an embedded service with workflows of its own.

    Raises:
        ConfigError: a setting is wrong, missing, or contradicts another one.

    >>> import fgnb
    >>> fgnb.connect("http://127.0.0.1:9000").describe().loc["endpoint", "value"]  # sends nothing
    'http://127.0.0.1:9000'
    >>> fgnb.connect("local")
    <Session connected to local>
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
    embedded = (limit, isolation, options)
    if not settings.is_local and embedded != _EMBEDDED:
        raise ConfigError("limit, isolation and options are those of the embedded service: give them to fgnb serve")
    _default = _session(settings, embedded, history)
    return _default


def _session(
    settings: Settings, embedded: tuple[float, Isolation, Options], history: str | os.PathLike[str] | None
) -> Session:
    service = embedded_service(*embedded) if settings.is_local else None
    client = remote_client(settings) if service is None else local_client(service, settings)
    return Session(Client(client), settings, service, history_at(history), kept_by=origin_of(history))


def current() -> Session:
    """Return the session connected last; connects as `connect` does if there is none."""
    return _default if _default is not None else connect()


def session_of(profile: str) -> Session:
    """Return a session with the settings of a profile, the same one as long as those don't change; `current` stays.

    Raises:
        ConfigError: there is no such profile, or something is wrong in it.
    """
    settings = settle(find=found_credentials, profile=profile)
    known = _of_profiles.get(profile)
    if known is None or known.settings.rows() != settings.rows():
        known = _of_profiles[profile] = _session(settings, _EMBEDDED, None)
    return known


def known_workflows() -> list[str]:
    """Return the names of the current session's workflows as far as nobody has to be asked; none without a session."""
    return _default.known_workflows() if _default is not None else []


def known_definition(run: Run) -> Mapping[str, Any] | None:
    """Return the definition of a run's workflow, if a session of this process knows it by now; asks nobody."""
    sessions = [_default, *_of_profiles.values()]
    return next(
        (
            definition
            for session in sessions
            if session is not None and session.connection == run.connection
            if (definition := session.known_definition(run)) is not None
        ),
        None,
    )


def find_runs(run_ids: Sequence[str]) -> list[Run]:
    """Return those of the runs with these ids that the history of the current session holds."""
    return current().find_runs(run_ids)


def definition_of(run: Run) -> Mapping[str, Any]:
    """Return the definition of a run's workflow, as the service that ran it holds it now.

    Raises:
        InputError: nothing is connected, or another service, or the workflow is gone.
        ServiceError: the service refused it, or can't be reached.
    """
    if (known := known_definition(run)) is not None:
        return known
    give = "give the definition, as in run.graph(definition)"
    if _default is None:
        raise InputError(f"the definition of {run.workflow} is not known, since nothing is connected: {give}")
    if run.connection != _default.connection:
        raise InputError(
            f"{run.workflow} was run by {run.connection or 'another service'}, not by the one that is connected "
            f"({_default.connection}): {give}"
        )
    try:
        return _default.workflow(run.workflow_id or run.workflow).definition
    except WorkflowNotFound:
        raise InputError(f"the service no longer has the workflow {run.workflow}: {give}") from None


def trace_of(run: Run) -> Trace | None:
    """Return what happened at each state of a run, if the connected service is the embedded one and still knows."""
    if _default is None or run.connection != _default.connection or run.execution_id is None:
        return None
    try:
        return _default.trace(run)
    except InputError:
        return None


def _of_session(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls a method of the session connected last, with its signature and its help."""

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        return method(current(), *args, **kwargs)

    signature = inspect.signature(method)
    call.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])  # type: ignore[attr-defined]
    call.__module__, call.__qualname__ = __name__, method.__name__
    return call


if TYPE_CHECKING:
    _any = cast(Session, None)
    run, arun, submit, sweep, history = _any.run, _any.arun, _any.submit, _any.sweep, _any.history
    workflows, workflow, deploy, trace, form = _any.workflows, _any.workflow, _any.deploy, _any.trace, _any.form
    explore = _any.explore
else:
    run, arun, submit, sweep, history, workflows, workflow, deploy, trace, form, explore = map(
        _of_session,
        (
            Session.run,
            Session.arun,
            Session.submit,
            Session.sweep,
            Session.history,
            Session.workflows,
            Session.workflow,
            Session.deploy,
            Session.trace,
            Session.form,
            Session.explore,
        ),
    )
