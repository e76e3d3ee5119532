"""Where a session connects to, and where each setting came from."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fgnb.errors import ConfigError, did_you_mean

LOCAL = "local"
ENDPOINT_VARIABLE = "FGNB_ENDPOINT"
PROJECT_VARIABLE = "HUAWEICLOUD_SDK_PROJECT_ID"
LOCAL_PROJECT = "0" * 32


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting's effective value and its origin in words, for `Session.describe`."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What a session needs to know; `endpoint` is ``local`` for the embedded service."""

    endpoint: Setting
    project_id: Setting

    @property
    def is_local(self) -> bool:
        """Whether the embedded service of this process is meant."""
        return self.endpoint.value == LOCAL


def settle(target: str | None = None, *, project_id: str | None = None) -> Settings:
    """Return the effective settings for ``connect(target)``.

    Args:
        target: ``local``, or the URL of a compatible service. By default the environment variable
            ``FGNB_ENDPOINT``, else ``local``.
        project_id: by default the environment variable ``HUAWEICLOUD_SDK_PROJECT_ID``; an embedded
            service takes any.

    Raises:
        ConfigError: the target is neither.
    """
    if target is not None:
        endpoint = Setting(target, "given to connect()")
    elif from_environment := os.environ.get(ENDPOINT_VARIABLE, "").strip():
        endpoint = Setting(from_environment, f"environment variable {ENDPOINT_VARIABLE}")
    else:
        endpoint = Setting(LOCAL, "default")
    if endpoint.value != LOCAL and not endpoint.value.startswith(("http://", "https://")):
        hint = did_you_mean(endpoint.value, [LOCAL], form="'{}'")
        raise ConfigError(f"'{endpoint.value}' ({endpoint.origin}) is neither 'local' nor the URL of a service{hint}")
    if project_id is not None:
        project = Setting(project_id, "given to connect()")
    elif from_environment := os.environ.get(PROJECT_VARIABLE, "").strip():
        project = Setting(from_environment, f"environment variable {PROJECT_VARIABLE}")
    else:
        project = Setting(LOCAL_PROJECT, "default")
    if not (1 <= len(project.value) <= 64 and project.value.isalnum()):
        raise ConfigError(f"the project id ({project.origin}) must be 1 to 64 letters and digits")
    return Settings(endpoint, project)
