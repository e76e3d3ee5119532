"""Where a session connects to and how, and where each setting came from."""

from __future__ import annotations

import os
import re
import warnings
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from fgnb import profiles, regions
from fgnb.errors import ConfigError, ConfigWarning
from fgnb.profiles import CREDENTIAL_KINDS, LOCAL, NO_PROXY, checked
from fgnb.secret import HIDDEN, Secret

LOCAL_PROJECT = "0" * 32
DEFAULT_TIMEOUT = 310.0  # seconds: an express run may take 300
CONNECT_TIMEOUT = 10.0  # seconds
RETRY_FOR = 60.0  # seconds
GIVEN = "given to connect()"
LOOKED_UP = "looked up through IAM at the first call"

_FGNB = {"endpoint": ("FGNB_ENDPOINT",), "region": ("FGNB_REGION",), "profile": ("FGNB_PROFILE",)}
_PROJECT = {"project_id": ("HUAWEICLOUD_SDK_PROJECT_ID",)}
_SDK = {
    "iam_endpoint": ("HUAWEICLOUD_SDK_IAM_ENDPOINT",),
    "ca_bundle": ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
}
_TERRAFORM = {"region": ("HW_REGION_NAME",)}
_DEFAULTS: dict[str, Any] = {
    "profile": None,
    "region": None,
    "iam_endpoint": None,
    "project_id": LOCAL_PROJECT,
    "timeout": DEFAULT_TIMEOUT,
    "connect_timeout": CONNECT_TIMEOUT,
    "retry_for": RETRY_FOR,
    "verify": True,
    "ca_bundle": None,
    "proxy": None,
    "log_bodies": False,
}
_UNTOLD = {  # what `Settings.rows` shows where there is no value
    "project_id": "not known yet",
    "ca_bundle": "the usual authorities",
}
_USER = re.compile(r"//.*@")

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Setting(Generic[T_co]):
    """A setting's effective value and its origin in words, for `Session.describe`."""

    value: T_co
    origin: str


_Layer = dict[str, Setting[Any]]


class Found(Protocol):
    """Where credentials come from, and what else stands there."""

    @property
    def origin(self) -> str:
        """The place, in words."""

    @property
    def project_id(self) -> str | None:
        """The project that stands beside the keys."""

    @property
    def iam_endpoint(self) -> str | None:
        """The IAM endpoint that stands beside the keys."""

    def describe(self) -> str:
        """Say which credentials these are, without a secret."""

    def shown(self) -> dict[str, str]:
        """Return the headers that they become, secrets masked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a session needs to know; `endpoint` is ``local`` for the embedded service.

    Times are seconds: `timeout` for an answer, `connect_timeout` for a connection, `retry_for` for all
    attempts to send again together. `project_id` is None where IAM has to be asked for it. `proxy` is
    None for the environment's and ``none`` for none at all; its URL may hold a password.
    """

    profile: Setting[str | None]
    region: Setting[str | None]
    endpoint: Setting[str]
    iam_endpoint: Setting[str | None]
    project_id: Setting[str | None]
    timeout: Setting[float]
    connect_timeout: Setting[float]
    retry_for: Setting[float]
    verify: Setting[bool]
    ca_bundle: Setting[Path | None]
    proxy: Setting[Secret | None]
    log_bodies: Setting[bool]
    credentials: Found | None = None
    unnamed: str = ""  # origin of what a file says that nobody named and that is not the user's own

    @property
    def is_local(self) -> bool:
        """Whether the embedded service of this process is meant."""
        return self.endpoint.value == LOCAL

    def no_tokens(self) -> str | None:
        """Return why no token may be sent with these settings, or None.

        A token is as good as its owner to whoever gets it. So a ``fgnb.toml`` that merely lies in the
        working directory or above, as in a cloned repository, does not say where tokens go; and a proxy
        gets none unencrypted.
        """
        for name in ("endpoint", "iam_endpoint", "proxy", "verify", "ca_bundle"):
            setting: Setting[Any] = getattr(self, name)
            if setting.origin == self.unnamed and not (
                name.endswith("endpoint") and (is_loopback(setting.value) or regions.is_cloud(setting.value))
            ):
                return (
                    f"no token is sent, since {name} comes from {setting.origin}, which nobody named: "
                    f"if you trust it, say so by {name}= or profile="
                )
        by_proxy = self.proxy.value is not None and self.proxy.value.reveal() != NO_PROXY
        if by_proxy and self.endpoint.value.startswith("http:"):
            return "a token would go to the proxy unencrypted: use https, or proxy='none'"
        return None

    def rows(self) -> dict[str, tuple[str, str]]:
        """Return every effective setting as text with its origin; no secret is among them."""
        shown = {}
        for name in _SETTINGS:
            setting: Setting[Any] = getattr(self, name)
            value, origin = setting.value, setting.origin
            if name == "proxy" and value is None and not self.is_local:
                value = proxy_of_environment(self.endpoint.value)
                origin = "default, the environment names none for it" if value is None else "environment"
            if value is None:
                text = _UNTOLD.get(name, "none")
            elif isinstance(value, float):
                text = f"{value:g} s"
            else:
                text = str(_masked(value))
            shown[name] = (text, origin)
        found = self.credentials
        shown["credentials"] = (found.describe(), found.origin) if found is not None else ("none", "default")
        return shown


_SETTINGS = tuple(name for name in Settings.__dataclass_fields__ if name not in ("credentials", "unnamed"))


def settle(
    target: str | None = None,
    *,
    find: Callable[[Any], Found | None],
    profile: str | None = None,
    region: str | None = None,
    endpoint: str | None = None,
    project_id: str | None = None,
    credentials: Any = None,
    timeout: float | None = None,
    connect_timeout: float | None = None,
    retry_for: float | None = None,
    verify: bool | None = None,
    ca_bundle: str | os.PathLike[str] | None = None,
    proxy: str | None = None,
    log_bodies: bool | None = None,
) -> Settings:
    """Return the effective settings for ``connect(target)``; None means not given.

    For each setting goes first what is given here, then fgnb's variables, the profile, the variables of
    Huawei Cloud's SDK, what stands beside the credentials, and a default. A profile that is named here
    goes before fgnb's variables; the one called ``default`` counts only where neither an endpoint nor a
    region is given here, nor ``FGNB_ENDPOINT`` is set.

    Where to connect: what is given here; ``FGNB_ENDPOINT``; the profile that ``FGNB_PROFILE`` names or
    the one called ``default``; the cloud, if there are credentials and a region (``FGNB_REGION``, or
    ``HW_REGION_NAME`` of Huawei Cloud's Terraform provider); else the embedded service. With ``local``
    neither the environment nor a profile is looked at.

    Args:
        target: ``local``, or the URL of a service, which is the same as `endpoint`.
        find: returns the credentials for what is given as `credentials`, or by a profile as one of
            `CREDENTIAL_KINDS`; for None those that are at hand, or None.
        profile: the name of a table in ``fgnb.toml``; see `fgnb.profiles.find`.
        region: the id of a region; see `fgnb.regions.endpoint_of`.
        endpoint: ``local``, or the URL of a service.
        project_id: 1 to 64 letters and digits.
        credentials: anything that `find` understands.
        timeout: seconds to wait for an answer.
        connect_timeout: seconds to wait for a connection.
        retry_for: seconds in which a request is sent again; 0 for never.
        verify: whether certificates are checked.
        ca_bundle: a file or folder of certificate authorities.
        proxy: the URL of a proxy, or ``none``.
        log_bodies: whether what is sent and answered is logged.

    Raises:
        ConfigError: a setting is wrong, contradicts another one or is missing.
    """
    if target is not None and endpoint is not None:
        raise ConfigError("connect() was given a target and endpoint=, which mean the same: give one of them")
    if target in regions.REGIONS:
        raise ConfigError(f"'{target}' is a region: connect(region='{target}')")
    wanted = {
        "profile": profile, "region": region, "endpoint": target if target is not None else endpoint,
        "project_id": project_id, "timeout": timeout, "connect_timeout": connect_timeout, "retry_for": retry_for,
        "verify": verify, "ca_bundle": ca_bundle, "proxy": proxy, "log_bodies": log_bodies,
    }  # fmt: skip
    given = _layer(wanted, GIVEN)
    if credentials is not None:
        given["credentials"] = Setting(credentials, GIVEN)
    if _is_local(given):
        for name in ("profile", "region", "credentials"):
            if name in given:
                raise ConfigError(f"{name}= does not go with 'local', the embedded service: leave one of them out")
        return _embedded(given["endpoint"].origin, [given])

    variables = _environment(_FGNB)
    named = given.pop("profile", None)
    chosen = named or variables.pop("profile", None)
    # The profile `default` is for who says nothing else: its project is not that of another place.
    elsewhere = "endpoint" in given or "region" in given or "endpoint" in variables
    kept = {} if chosen is None and elsewhere else _profile(chosen)
    by_rank = [given, kept, variables] if named else [given, variables, kept]
    layers = [*by_rank, _environment(_PROJECT)]
    settings = ChainMap(*layers)
    kind = settings["credentials"].value if "credentials" in settings else None

    # FGNB_REGION alone says which region if it is to be the cloud, not that it is to be.
    naming = (layer for layer in layers if "endpoint" in layer or ("region" in layer and layer is not variables))
    at = next(naming, None)
    if at is not None and _is_local(at):
        return _embedded(at["endpoint"].origin, layers)
    if at is not None and "endpoint" in at:
        url = at["endpoint"]
        place = _region_beside(url, at, settings)
        found = find(kind)
        if found is None and regions.is_cloud(url.value):
            raise _no_credentials(f"endpoint {url.value} ({url.origin})")
        return _remote(url, place, layers, found)
    cloud = settings.get("region") or _environment(_TERRAFORM).get("region")
    if cloud is None:
        if chosen is not None:
            raise ConfigError(f"profile '{chosen.value}' ({chosen.origin}) says neither endpoint nor region")
        if kind is not None:
            origin = settings["credentials"].origin
            raise ConfigError(
                f"there are credentials ({origin}), but nothing to use them for: give region= or endpoint="
            )
        return _embedded("default", layers)
    if at is None and (found := find(kind)) is None:
        if "region" in variables:  # Terraform's does not say that fgnb is to go there
            warnings.warn(
                f"{cloud.origin} says {cloud.value}, but there are no credentials for it: workflows run in the embedded"
                " service of this process. connect('local') says so without this warning, connect(region=...) asks"
                " for credentials",
                ConfigWarning,
                stacklevel=3,
            )
        return _embedded("default, since a region is set but no credentials are", layers)
    address, origin = regions.endpoint_of(cloud.value, cloud.origin)
    url = Setting(checked("endpoint", address, origin), origin)
    if at is not None and (found := find(kind)) is None:  # asked last: it may be a prompt
        raise _no_credentials(f"region {cloud.value} ({cloud.origin})")
    return _remote(url, cloud, layers, found)


def is_loopback(url: str) -> bool:
    """Return whether what is sent to a URL stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_of_environment(endpoint: str) -> Secret | None:
    """Return the proxy that the environment (on macOS and Windows: the system) names for `endpoint`.

    Raises:
        ConfigError: what it names is not a URL.
    """
    import urllib.request  # some 30 ms

    parts = urlsplit(endpoint)
    if is_loopback(endpoint) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    url = proxy if "://" in proxy else f"http://{proxy}"
    if not urlsplit(url).hostname:
        raise ConfigError(
            f"the environment's proxy for {parts.scheme} is not a URL such as http://proxy.example.com:3128"
        )
    return Secret(url)


def _is_local(layer: _Layer) -> bool:
    return "endpoint" in layer and layer["endpoint"].value == LOCAL


def _region_beside(url: Setting[str], at: _Layer, settings: Mapping[str, Setting[Any]]) -> Setting[str | None]:
    """Return the region for an endpoint that was named in layer `at`."""
    own = regions.region_of(url.value)
    if own is not None:
        stated = at.get("region")
        if stated is not None and stated.value != own:
            raise ConfigError(
                f"region {stated.value} ({stated.origin}) contradicts the endpoint {url.value} ({url.origin}):"
                " leave one of them out"
            )
        return Setting(own, "host name of the endpoint")
    # What is on this machine has no region by chance: IAM in the cloud would be asked for its project.
    source = at if is_loopback(url.value) else settings
    return source.get("region", Setting(None, "default"))


def _embedded(origin: str, layers: list[_Layer]) -> Settings:
    nothing: Setting[None] = Setting(None, "default")
    top: _Layer = {"endpoint": Setting(LOCAL, origin), "region": nothing, "iam_endpoint": nothing}
    return _settings([top, *layers], None)


def _remote(url: Setting[str], region: Setting[str | None], layers: list[_Layer], found: Found | None) -> Settings:
    layers = [{"endpoint": url, "region": region}, *layers, _environment(_SDK)]
    if found is not None:
        layers.append(_layer({"project_id": found.project_id, "iam_endpoint": found.iam_endpoint}, found.origin))
    if region.value is not None:
        iam = Setting(regions.iam_endpoint_of(region.value), f"region {region.value}")
        layers.append({"iam_endpoint": iam})
        if found is not None:
            layers.append({"project_id": Setting(None, LOOKED_UP)})
    settled = _settings(layers, found)
    bundle = settled.ca_bundle
    if bundle.value is not None and not os.path.exists(bundle.value):  # noqa: PTH110  # Path's raises for some
        raise ConfigError(f"ca_bundle ({bundle.origin}): there is no file {bundle.value}")
    return settled


def _settings(layers: list[_Layer], found: Found | None) -> Settings:
    settings = ChainMap(*layers, {name: Setting(value, "default") for name, value in _DEFAULTS.items()})
    unnamed = settings["unnamed"].value if "unnamed" in settings else ""
    return Settings(**{name: settings[name] for name in _SETTINGS}, credentials=found, unnamed=unnamed)


def _profile(chosen: Setting[str] | None) -> _Layer:
    found = profiles.find(chosen.value, chosen.origin) if chosen is not None else profiles.find()
    if found is None:
        return {}
    layer: _Layer = {name: Setting(value, found.origin) for name, value in found.values.items()}
    if chosen is None and not found.is_users:
        layer["unnamed"] = Setting(found.origin, found.origin)
    return layer | {"profile": Setting(found.name, f"{chosen.origin}, in {found.path}" if chosen else str(found.path))}


def _environment(variables: Mapping[str, tuple[str, ...]]) -> _Layer:
    """Return what environment variables say; the first that is set counts, an empty one is not set."""
    layer: _Layer = {}
    for name, candidates in variables.items():
        for variable in candidates:
            if name not in layer and (text := os.environ.get(variable, "").strip()):
                layer |= _layer({name: text}, f"environment variable {variable}")
    return layer


def _layer(values: Mapping[str, Any], origin: str) -> _Layer:
    """Check values that come from one place; None is no value."""
    return {name: Setting(checked(name, value, origin), origin) for name, value in values.items() if value is not None}


def _no_credentials(needed_for: str) -> ConfigError:
    kinds = ", ".join(f"'{kind}'" for kind in CREDENTIAL_KINDS)
    return ConfigError(
        f"no credentials for {needed_for}. There are none in the environment (HUAWEICLOUD_SDK_AK and"
        " HUAWEICLOUD_SDK_SK, or FGNB_AUTH_TOKEN) and none in the credentials file (~/.huaweicloud/credentials, or the"
        f" one that HUAWEICLOUD_SDK_CREDENTIALS_FILE names).\nSet them there, or give connect(credentials=...) an"
        f" AccessKey, an IamToken, a callable that returns one, or one of {kinds}."
    )


def _masked(value: Any) -> Any:
    """Return what can be shown of a value: of a proxy, all but the user."""
    return _USER.sub(f"//{HIDDEN}:{HIDDEN}@", value.reveal()) if isinstance(value, Secret) else value
