"""The workflows that an embedded service knows, in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from fgnb.errors import ConfigError
from fgnb.local.definitions import Plan, compile_definition
from fgnb.wire import PAGE_SIZE, WorkflowInfo, WorkflowPage, WorkflowSummary, format_time

REGION = "local"
OWNER = "fgnb"


class DuplicateName(ConfigError):
    """Another workflow has this name: names are part of the URN and so must be unique."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a workflow named '{name}' exists already")


@dataclass(frozen=True, slots=True)
class Entry:
    """A workflow of the catalog; `plan` is what runs, ``info.definition`` what was sent."""

    info: WorkflowInfo
    plan: Plan

    @property
    def summary(self) -> WorkflowSummary:
        """The entry as it stands in a list."""
        definition = self.plan.definition
        return WorkflowSummary(
            id=self.info.id,
            name=definition.name,
            workflow_urn=self.info.workflow_urn,
            description=definition.description or "",
            created_time=self.info.created_time,
            updated_time=self.info.updated_time,
            created_by=self.info.created_by,
            enable_stream_response=bool(definition.enable_stream_response),
        )


class Catalog:
    """Workflows by id. All projects share them: an embedded service has one user."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def create(self, definition: Any, project_id: str) -> Entry:
        """Add a workflow.

        Raises:
            DefinitionError: the definition is invalid.
            DuplicateName: the name is taken.
        """
        plan = compile_definition(definition)
        self._check_name(plan, None)
        now = format_time(datetime.now(UTC))
        info = WorkflowInfo(
            id=str(uuid4()),
            definition=definition,
            workflow_urn=_urn(project_id, plan),
            created_time=now,
            updated_time=now,
            created_by=OWNER,
        )
        return self._keep(Entry(info, plan))

    def update(self, workflow_id: str, definition: Any, project_id: str) -> Entry:
        """Replace a workflow's definition.

        Raises:
            KeyError: there is no such workflow.
            DefinitionError, DuplicateName: as for `create`.
        """
        old = self._entries[workflow_id]
        plan = compile_definition(definition)
        self._check_name(plan, workflow_id)
        info = msgspec.structs.replace(
            old.info,
            definition=definition,
            workflow_urn=_urn(project_id, plan),
            updated_time=format_time(datetime.now(UTC)),
        )
        return self._keep(Entry(info, plan))

    def __getitem__(self, workflow_id: str) -> Entry:
        return self._entries[workflow_id]

    def page(self, *, name: str = "", mode: str = "", limit: int = PAGE_SIZE, offset: int = 0) -> WorkflowPage:
        """Return a page of the list, oldest first; `name` matches anywhere in a workflow's name."""
        found = [
            entry.summary
            for entry in self._entries.values()
            if name in entry.plan.definition.name and mode in ("", entry.plan.definition.mode)
        ]
        shown = tuple(found[offset : offset + limit])
        return WorkflowPage(workflows=shown, total=len(found), size=len(shown))

    def delete(self, urns: Iterable[str]) -> tuple[list[str], list[str]]:
        """Delete workflows by URN; return the URNs that went and those that were not there."""
        by_urn = {entry.info.workflow_urn: workflow_id for workflow_id, entry in self._entries.items()}
        gone: list[str] = []
        unknown: list[str] = []
        for urn in urns:
            if (workflow_id := by_urn.pop(urn, None)) is None:
                unknown.append(urn)
            else:
                del self._entries[workflow_id]
                gone.append(urn)
        return gone, unknown

    def _check_name(self, plan: Plan, own_id: str | None) -> None:
        name = plan.definition.name
        for workflow_id, entry in self._entries.items():
            if entry.plan.definition.name == name and workflow_id != own_id:
                raise DuplicateName(name)

    def _keep(self, entry: Entry) -> Entry:
        self._entries[entry.info.id] = entry
        return entry


def _urn(project_id: str, plan: Plan) -> str:
    return f"urn:fss:{REGION}:{project_id}:workflow:default:{plan.definition.name}:latest"
