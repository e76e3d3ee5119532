"""The workflows that an embedded service knows, in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from fgnb.background import forget_in_child
from fgnb.errors import ConfigError
from fgnb.local.definitions import compile_definition
from fgnb.local.ids import new_id
from fgnb.local.options import DEFAULTS, Options
from fgnb.local.plan import Plan
from fgnb.wire import (
    MAX_DELETED,
    PAGE_SIZE,
    DeleteFailure,
    Deletion,
    WorkflowInfo,
    WorkflowPage,
    WorkflowSummary,
    format_time,
)

REGION = "local"
OWNER = "fgnb"
QUOTA = 512  # workflows there may be; the example of the page of ListQuotas


class DuplicateName(ConfigError):
    """Another workflow has this name: names are part of the URN and so must be unique."""

    def __init__(self, name: str) -> None:
        super().__init__(f"a workflow named '{name}' exists already")


class QuotaUsedUp(ConfigError):
    """There are as many workflows as there may be."""

    def __init__(self) -> None:
        super().__init__(f"the quota of {QUOTA} workflows is used up")


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

    def __init__(self, options: Options = DEFAULTS) -> None:
        self._options = options
        self._entries: dict[str, Entry] = {}
        self.forget()
        forget_in_child(self)

    def forget(self) -> None:
        """Take a lock of this process's own; the workflows stay."""
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def create(self, definition: Any, project_id: str) -> Entry:
        """Add a workflow.

        Raises:
            DefinitionError: the definition is invalid.
            DuplicateName: the name is taken.
            QuotaUsedUp: there are 512 workflows already.
        """
        plan = compile_definition(definition, self._options)
        now = format_time(datetime.now(UTC))
        info = WorkflowInfo(
            id=new_id(),
            definition=definition,
            workflow_urn=_urn(project_id, plan),
            created_time=now,
            updated_time=now,
            created_by=OWNER,
        )
        with self._lock:
            if len(self._entries) >= QUOTA:
                raise QuotaUsedUp
            return self._keep(Entry(info, plan))

    def update(self, workflow_id: str, definition: Any, project_id: str) -> Entry:
        """Replace a workflow's definition.

        Raises:
            KeyError: there is no such workflow.
            DefinitionError, DuplicateName: as for `create`.
        """
        plan = compile_definition(definition, self._options)
        with self._lock:
            info = msgspec.structs.replace(
                self._entries[workflow_id].info,
                definition=definition,
                workflow_urn=_urn(project_id, plan),
                updated_time=format_time(datetime.now(UTC)),
            )
            return self._keep(Entry(info, plan))

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries.values()))

    def __getitem__(self, workflow_id: str) -> Entry:
        return self._entries[workflow_id]

    def find(self, workflow: str) -> Entry | None:
        """Return a workflow by id or name."""
        by_id = self._entries.get(workflow)
        return by_id or next((each for each in self if each.plan.definition.name == workflow), None)

    def by_urn(self, urn: str) -> Entry | None:
        """Return a workflow by URN."""
        return next((each for each in self if each.info.workflow_urn == urn), None)

    def page(self, *, name: str = "", mode: str = "", limit: int = PAGE_SIZE, offset: int = 0) -> WorkflowPage:
        """Return a page of the list, oldest first; `name` matches anywhere in a workflow's name."""
        found = [
            entry.summary
            for entry in self
            if name in entry.plan.definition.name and mode in ("", entry.plan.definition.mode)
        ]
        shown = tuple(found[offset : offset + limit])
        return WorkflowPage(workflows=shown, total=len(found), size=len(shown))

    def delete(self, urns: Iterable[str]) -> Deletion:
        """Delete up to 100 workflows by URN; the rest, and those that are not there, fail."""
        gone: list[str] = []
        fail: list[DeleteFailure] = []
        with self._lock:
            by_urn = {entry.info.workflow_urn: workflow_id for workflow_id, entry in self._entries.items()}
            for urn in urns:
                if urn not in by_urn:
                    fail.append(DeleteFailure(workflow_urn=urn, error_detail="Function flow not found."))
                elif len(gone) == MAX_DELETED:
                    detail = f"Only {MAX_DELETED} function flows are deleted at once."
                    fail.append(DeleteFailure(workflow_urn=urn, error_detail=detail))
                else:
                    del self._entries[by_urn.pop(urn)]
                    gone.append(urn)
        return Deletion(success=tuple(gone), fail=tuple(fail))

    def _keep(self, entry: Entry) -> Entry:
        """Keep an entry, with the lock held."""
        name = entry.plan.definition.name
        for other in self._entries.values():
            if other.plan.definition.name == name and other.info.id != entry.info.id:
                raise DuplicateName(name)
        self._entries[entry.info.id] = entry
        return entry


def _urn(project_id: str, plan: Plan) -> str:
    return f"urn:fss:{REGION}:{project_id}:workflow:default:{plan.definition.name}:latest"
