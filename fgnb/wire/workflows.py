"""A workflow as an entry of the service's list; its definition stays raw here."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class WorkflowSummary(Struct, frozen=True, kw_only=True):
    """An entry of a list of workflows, and the answer to create and update."""

    id: str
    name: str
    workflow_urn: str = ""
    description: str | None = ""
    created_time: str | None = None
    updated_time: str | None = None
    created_by: str | None = None
    enable_stream_response: bool | None = None


class WorkflowPage(Struct, frozen=True, kw_only=True):
    """A page of the list of workflows; `total` counts all pages."""

    workflows: tuple[WorkflowSummary, ...] = ()
    total: int = 0
    size: int = 0


class WorkflowInfo(Struct, frozen=True, kw_only=True):
    """One workflow with its definition, which stays raw until someone parses it."""

    id: str
    definition: dict[str, Any]
    workflow_urn: str = ""
    created_time: str | None = None
    updated_time: str | None = None
    created_by: str | None = None


class DeleteAnswer(Struct, frozen=True, kw_only=True):
    """The answer to a batch delete: URNs that went, and those that did not with the reason."""

    success: tuple[str, ...] | None = ()
    fail: tuple[dict[str, Any], ...] | None = ()
