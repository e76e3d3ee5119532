"""What a run is made of, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fgnb.errors import InputError
from fgnb.values import to_json


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run that can be sent: all its values are JSON values."""

    workflow: str
    input: Any
    headers: dict[str, str]
    tags: dict[str, Any]
    timeout: float | None


def prepare(
    workflow: str,
    input: Any = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    tags: Mapping[str, Any] | None = None,
) -> Prepared:
    """Check what a run is made of.

    Raises:
        InputError: something can't be sent; nothing was.
    """
    if not workflow or not isinstance(workflow, str):
        raise InputError(f"a workflow is named by a text, not {workflow!r}")
    if timeout is not None and not (isinstance(timeout, (int, float)) and 0 < timeout < float("inf")):
        raise InputError(f"timeout must be a positive number of seconds, not {timeout!r}")
    for name, given in (("headers", headers), ("tags", tags)):
        if given is not None and not isinstance(given, Mapping):
            raise InputError(f"{name} must be a mapping, not {given!r:.80}")
    return Prepared(
        workflow=workflow,
        input={} if input is None else to_json(input, root="input"),
        headers=to_json(dict(headers or {}), root="headers"),
        tags=to_json(dict(tags or {}), root="tags"),
        timeout=timeout,
    )
