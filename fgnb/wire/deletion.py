"""The deletion of many workflows at once; page 06_1002."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

MAX_DELETED = 100  # workflows one request can delete: entries of ``success`` in the OpenAPI text

# That text gives URNs 128 characters, but a project of 64 and a name of 64 make one of 167.
WorkflowUrn = Annotated[str, Meta(min_length=1, max_length=256)]


class DeleteBody(Struct, frozen=True, kw_only=True):
    """The workflows to delete."""

    workflow_urns: Annotated[tuple[WorkflowUrn, ...], Meta(max_length=200)]


class DeleteFailure(Struct, frozen=True, kw_only=True):
    """A workflow that was not deleted, and why."""

    workflow_urn: WorkflowUrn
    error_detail: Annotated[str, Meta(min_length=1, max_length=64)]


class Deletion(Struct, frozen=True, kw_only=True):
    """The URNs that went, and those that did not."""

    success: Annotated[tuple[WorkflowUrn, ...], Meta(max_length=MAX_DELETED)]
    fail: Annotated[tuple[DeleteFailure, ...], Meta(max_length=200)]
