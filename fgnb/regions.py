"""Regions of FunctionGraph: their endpoints, and which of them execute workflows synchronously."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fgnb.errors import ConfigError, SyntaxProblem, did_you_mean
from fgnb.profiles import read_text

REGIONS = (
    "ae-ad-1", "af-south-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
    "cn-east-2", "cn-east-3", "cn-east-4", "cn-north-1", "cn-north-11", "cn-north-4", "cn-north-9", "cn-south-1",
    "cn-south-4", "cn-southwest-2", "cn-southwest-3", "eu-west-101", "la-north-2", "la-south-2", "me-east-1",
    "my-kualalumpur-1", "na-mexico-1", "ru-moscow-1", "sa-brazil-1", "tr-west-1",
)  # fmt: skip
"""Where FunctionGraph is, by huaweicloudsdkfunctiongraph 3.1.219."""

SYNCHRONOUS = ("cn-east-2", "cn-east-3", "cn-north-4", "cn-south-1", "cn-southwest-2")
"""Where workflows are executed synchronously: where workflows exist, and on the mainland of China.

StartSyncWorkflowExecution (page 06_1016) is not for the regions of the international site. Workflows
exist in cn-north-4, cn-east-3, cn-east-2 and cn-south-1 (page C0150, May 2025), in cn-southwest-2 (page
01_0309, August 2024), and in ap-southeast-3, which is Singapore.
"""

ENDPOINT_VARIABLE = "HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_"  # and the region: CN_NORTH_4
FILE_VARIABLE = "HUAWEICLOUD_SDK_REGIONS_FILE"
DEFAULT_FILE = "~/.huaweicloud/regions.yaml"
SERVICE = "functiongraph"

# The SDK gives it hosts below .com like all others, but those that answer are below .eu
# (github.com/huaweicloud/packer-plugin-huaweicloud, issue 110).
_EUROPEAN = {"eu-west-101"}
# Regions without a host of their own in the SDK's table of IAM endpoints, huaweicloudsdkcore 3.1.219.
_CENTRAL_IAM = {"ap-southeast-5", "cn-north-11", "cn-south-4", "cn-southwest-3"}
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CLOUD_HOST = re.compile(r"(?:.*\.)?myhuaweicloud\.(?:com|eu)")
_REGION_IN_HOST = re.compile(r"(?:^|\.)([a-z]+-[a-z]+-[0-9]+)\.myhuaweicloud\.")


def endpoint_of(region: str, origin: str) -> tuple[str, str]:
    """Return a region's endpoint and, in words, where it comes from.

    As for the SDK, the variable ``HUAWEICLOUD_SDK_REGION_FUNCTIONGRAPH_<REGION>`` goes first, then the
    file of regions, which may both bring regions of their own; of several endpoints the first counts.

    Args:
        region: its id, e.g. ``cn-north-4``.
        origin: who named it, for the errors.

    Raises:
        ConfigError: there is no such region, it executes nothing synchronously, or the file of regions
            is wrong.
    """
    if not _REGION.fullmatch(region):
        raise ConfigError(f"the region ({origin}) must be an id such as {SYNCHRONOUS[2]}")
    for endpoint, source in _overrides(region):
        # Where no scheme is given, the SDK takes https, too.
        return endpoint if endpoint.startswith("http") else f"https://{endpoint}", source
    if region not in REGIONS:
        hint = did_you_mean(region, REGIONS, form="'{}'")
        raise ConfigError(
            f"'{region}' ({origin}) is not a region of FunctionGraph{hint}\n"
            f"Synchronous execution is offered in {', '.join(SYNCHRONOUS)}; further regions are"
            f" {', '.join(name for name in REGIONS if name not in SYNCHRONOUS)}. endpoint= takes any other service."
        )
    if region not in SYNCHRONOUS:
        raise ConfigError(
            f"region {region} ({origin}): synchronous execution is not offered there, only in {', '.join(SYNCHRONOUS)}."
            " If you know that it is by now, give the URL of the service there as endpoint=."
        )
    return _regional("functiongraph", region), f"region {region}"


def iam_endpoint_of(region: str) -> str:
    """Return the endpoint of a region's IAM: the central one where the SDK knows none of its own."""
    if region in REGIONS and region not in _CENTRAL_IAM:
        return _regional("iam", region)
    return "https://iam.myhuaweicloud.com"


def region_of(endpoint: str) -> str | None:
    """Return the region in the host name of an endpoint of Huawei Cloud, None for any other.

    >>> region_of("https://functiongraph.cn-north-4.myhuaweicloud.com")
    'cn-north-4'
    """
    found = _REGION_IN_HOST.search(_host_of(endpoint)) if is_cloud(endpoint) else None
    return found[1] if found else None


def is_cloud(endpoint: str) -> bool:
    """Return whether an endpoint is a host of Huawei Cloud."""
    return bool(_CLOUD_HOST.fullmatch(_host_of(endpoint)))


def _host_of(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or ""


def _regional(service: str, region: str) -> str:
    return f"https://{service}.{region}.myhuaweicloud.{'eu' if region in _EUROPEAN else 'com'}"


def _overrides(region: str) -> Iterator[tuple[str, str]]:
    variable = ENDPOINT_VARIABLE + region.upper().replace("-", "_")
    if first := os.environ.get(variable, "").partition(",")[0].strip():
        yield first, f"environment variable {variable}"
    named = os.environ.get(FILE_VARIABLE, "").strip()
    path = Path(os.path.expanduser(named or DEFAULT_FILE))  # noqa: PTH111  # Path's raises where there is no home
    if named or os.path.lexists(path):
        try:
            regions = _regions_in(path)
        except ConfigError as error:
            asked = f" (environment variable {FILE_VARIABLE})" if named else ""
            raise ConfigError(f"the file of regions{asked} is of no use: {error}") from None
        if region in regions:
            yield regions[region], f"file {path}"


def _regions_in(path: Path) -> dict[str, str]:
    """Return the endpoints of FunctionGraph in a file of regions, by region."""
    from fgnb import yamltext  # some 25 ms, for a file that few have

    try:
        services = yamltext.loads(read_text(path))
    except SyntaxProblem as problem:
        line, reason = problem.line, problem.reason
    else:
        return _first_endpoints(services, path)
    raise ConfigError(f"{path}, line {line}: {reason}")


def _first_endpoints(services: Any, path: Path) -> dict[str, str]:
    shape = "service: [{id: region, endpoint: URL}, ...]"
    if services is None:
        return {}
    if not isinstance(services, dict):
        raise ConfigError(f"{path} does not hold {shape}")
    found = {}
    for service, regions in services.items():
        if service.casefold() != SERVICE:
            continue
        if not isinstance(regions, list):
            raise ConfigError(f"{path}: {service} does not hold a list: {shape}")
        for index, region in enumerate(regions):
            place = f"{path}: {service}[{index}]"
            if not isinstance(region, dict):
                raise ConfigError(f"{place} is not a mapping: {shape}")
            endpoints = region.get("endpoints") or [region.get("endpoint")]
            first = endpoints[0] if isinstance(endpoints, list) else None
            if not (isinstance(region.get("id"), str) and isinstance(first, str) and first):
                raise ConfigError(f"{place} needs an id and an endpoint, or a list of endpoints, all of them texts")
            found[region["id"]] = first
    return found
