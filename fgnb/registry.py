"""A service and its workflows: lists, shows, deploys, traces them, and closes the connection in the end."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from fgnb.client.blocking import Client
from fgnb.config import Settings
from fgnb.deployment import Deployment, Workflow
from fgnb.errors import FgnbError, InputError, did_you_mean
from fgnb.local.loading import callers_level, load_definition
from fgnb.local.service import Service
from fgnb.runs.run import Run
from fgnb.runs.trace import Trace

if TYPE_CHECKING:
    import pandas as pd


LEARNING = 1.0  # seconds that a picture is worth


class Registry:
    """The workflows of one service.

    Args:
        client: calls the service.
        settings: where it is.
        service: the embedded one, if that is it.
    """

    def __init__(self, client: Client, settings: Settings, service: Service | None = None) -> None:
        self.client = client
        self.settings = settings
        self._service = service

    @property
    def connection(self) -> str:
        """Which service this is: ``local`` or its endpoint."""
        return self.settings.endpoint.value

    def close(self) -> None:
        """Close the connection; the embedded service of the process stays as it is.

        ``with fgnb.connect(...) as session:`` does that at its end, and so does ``async with``.
        """
        self.client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await asyncio.wrap_future(self.client.start(self.client.asynchronous.aclose()))

    def workflows(self) -> pd.DataFrame:
        """Return the workflows of the service: index ``name``, with id, description and times.

        >>> import fgnb
        >>> fgnb.connect("local").workflows().index.tolist()[:2]
        ['order-triage', 'batch-order']
        """
        from fgnb.runs.frames import workflows_frame

        return workflows_frame(self.client.list())

    def workflow(self, workflow: str) -> Workflow:
        """Return a workflow with its definition.

        Raises:
            WorkflowNotFound: no workflow has this name or id.

        >>> import fgnb
        >>> fgnb.connect("local").workflow("order-triage")
        <Workflow order-triage, 4 states>
        """
        return Workflow.of(self.client.show(workflow))

    def deploy(self, source: str | Path | Mapping[str, Any], *, dry_run: bool = False) -> Deployment:
        """Create a workflow, or replace the one of the same name unless nothing has changed.

        It is checked first, as by `fgnb.validate`. The result shows what was done, and each place that
        differs from what the service held: states are matched by id, functions and retries by name. A
        function that the embedded service of this process does not know yet is a UserWarning: register
        it with `fgnb.function` before the first run.

        Args:
            source: a YAML or JSON file, or the definition itself.
            dry_run: send nothing, only show what would change.

        Raises:
            DefinitionError: with every problem found.
            ServiceError: the service refused it, or can't be reached.

        >>> import fgnb
        >>> definition = fgnb.connect("local").workflow("order-triage").definition
        >>> stricter = definition | {"constants": {"currency": "CNY", "review_above": 1000}}
        >>> fgnb.deploy(stricter, dry_run=True).changes
        (Change(path='$.constants.review_above', kind='changed', before=5000, after=1000),)
        """
        definition = load_definition(source)
        ids = {summary.name: summary.id for summary in self.client.list()}
        id = ids.get(definition["name"])
        held = self.client.show(id) if id is not None else None
        planned = Deployment.planned(definition, held)
        if dry_run:
            return planned
        if held is None:
            held = self.client.show(self.client.create(definition).id)
        elif planned.changes:
            held = self.client.show(self.client.update(held.id, definition).id)
        if self._service is not None:
            self._tell_missing(self._service, planned.name)
        return replace(planned, id=held.id, dry_run=False, workflow=Workflow.of(held))

    @staticmethod
    def _tell_missing(service: Service, workflow: str) -> None:
        for function in service.missing_functions().get(workflow, ()):
            hint = did_you_mean(function, service.engine.functions, form="'{}'")
            message = f"workflow '{workflow}' calls '{function}', which is not registered (@fgnb.function){hint}"
            warnings.warn(message, UserWarning, stacklevel=callers_level())

    def trace(self, run: Run | str) -> Trace:
        """Return what happened at each state of a run: what came in and out, attempts, times, failures.

        The embedded service of this process keeps that of its latest 256 runs; no other service does.

        Args:
            run: the run, or its execution id.

        Raises:
            InputError: nothing is known of it, or another service ran it.

        >>> import fgnb
        >>> session = fgnb.connect("local")
        >>> session.trace(session.run("order-triage", {"sku": "A-100", "qty": 3})).frame["node_id"].tolist()
        ['price', 'stock', 'decide', 'end']
        """
        if self._service is None:
            raise InputError("only the embedded service in this process tells what happened: fgnb.connect('local')")
        execution_id = run if isinstance(run, str) else run.execution_id
        try:
            return Trace(execution_id or "", self._service.trace(execution_id or ""))
        except KeyError:
            kept = "the embedded service keeps what happened in its latest runs, and only in this process"
            raise InputError(f"nothing is known of execution {execution_id}: {kept}") from None

    def learn(self, run: Run) -> None:
        """Ask once, and not for long, for what a run's picture needs: only a service that has just answered."""
        known = self._service is not None or self.known_definition(run) is not None
        if known or run.workflow_id is None or run.status not in ("success", "fail", "timeout"):
            return
        asked = self.client.start(self.client.asynchronous.learn(run.workflow_id))
        with contextlib.suppress(TimeoutError, FgnbError):
            asked.result(LEARNING)

    def known_workflows(self) -> list[str]:
        """Return the names of the workflows that are known by now: asks nobody."""
        if self._service is not None:
            return self._service.names()
        return self.client.asynchronous.known_names()

    def known_definition(self, run: Run) -> Mapping[str, Any] | None:
        """Return the definition of a run's workflow if it is known by now: asks nobody."""
        if self._service is not None:
            return self._service.definition(run.workflow_id or run.workflow)
        return self.client.asynchronous.known_definition(run.workflow_id)
