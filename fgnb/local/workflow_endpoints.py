"""The calls of the API that are about workflows; pages 06_1002 to 06_1004, 06_1007, 06_1008.

Each takes a request, the project's id and the ids in its path, and returns the status and the body
of the answer, or raises `Refused`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fgnb.errors import DefinitionError, Problem
from fgnb.local.catalog import QUOTA, Catalog, DuplicateName, Entry, QuotaUsedUp
from fgnb.local.metrics import ALL_SERIES, SERIES, Metrics
from fgnb.local.refusals import MESSAGE_LIMIT, invalid, not_found
from fgnb.local.requests import Query, read_body, read_object
from fgnb.wire import PAGE_SIZE, DeleteBody, Quota, QuotaAnswer, Quotas, Request

PERIOD = 5  # minutes


class WorkflowEndpoints:
    """Lists, creates, shows, updates, deletes and measures the workflows of a catalog."""

    def __init__(self, catalog: Catalog, metrics: Metrics) -> None:
        self._catalog = catalog
        self._metrics = metrics

    async def list(self, request: Request, project: str) -> tuple[int, Any]:
        """Page 06_1003. There are no enterprise projects here: ``enterprise_project`` is not looked at."""
        query = Query(request)
        page = self._catalog.page(
            name=query.text("workflow_name", longest=64),
            mode=query.choice("mode", "NORMAL", "EXPRESS"),
            limit=min(query.number("limit", PAGE_SIZE, least=1), PAGE_SIZE),
            offset=max(0, query.number("offset", 0)),
        )
        return 200, page

    async def create(self, request: Request, project: str) -> tuple[int, Any]:
        """Page 06_1004."""
        definition = read_object(request)
        return 201, _saved(lambda: self._catalog.create(definition, project))

    async def show(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Page 06_1007."""
        return 200, found(self._catalog, workflow_id).info

    async def update(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        """Page 06_1008: the whole definition is replaced."""
        found(self._catalog, workflow_id)
        definition = read_object(request)
        return 200, _saved(lambda: self._catalog.update(workflow_id, definition, project))

    async def delete(self, request: Request, project: str) -> tuple[int, Any]:
        """Page 06_1002."""
        return 200, self._catalog.delete(read_body(request, DeleteBody).workflow_urns)

    async def tenant_metric(self, request: Request, project: str) -> tuple[int, Any]:
        """Answer ShowTenantMetric; a ``metric_type`` that is unknown asks for all."""
        series = SERIES.get(Query(request).text("metric_type"), ALL_SERIES)
        return 200, self._statistics(request, None, series)

    async def workflow_metric(self, request: Request, project: str, urn: str) -> tuple[int, Any]:
        """Answer ShowWorkFlowMetric."""
        entry = self._catalog.by_urn(urn)
        if entry is None:
            raise not_found()
        return 200, self._statistics(request, entry.info.id, ALL_SERIES)

    def _statistics(self, request: Request, workflow_id: str | None, series: tuple[str, ...]) -> Any:
        query = Query(request)
        start, end = query.number("start_time", -1, least=0), query.number("end_time", -1, least=0)
        return self._metrics.statistics(
            workflow_id,
            period=query.number("period", PERIOD, least=1),
            start=None if start < 0 else start / 1000,
            end=None if end < 0 else end / 1000,
            series=series,
        )

    async def quotas(self, request: Request, project: str) -> tuple[int, Any]:
        """Answer ListQuotas with the only one that there is here."""
        quota = Quota(type="fgs_workflow_num", quota=QUOTA, used=len(self._catalog))
        return 200, QuotaAnswer(quotas=Quotas(resources=(quota,)))


def found(catalog: Catalog, workflow_id: str) -> Entry:
    """Return a workflow, or refuse."""
    try:
        return catalog[workflow_id]
    except KeyError:
        raise not_found() from None


def _saved(save: Callable[[], Entry]) -> Any:
    try:
        return save().summary
    except (DuplicateName, QuotaUsedUp) as error:
        raise invalid(str(error)) from None
    except DefinitionError as error:
        raise invalid(_named(error.problems)) from None
    except KeyError:  # pragma: no cover  # another thread deleted it while the definition was looked at
        raise not_found() from None


def _named(problems: Sequence[Problem]) -> str:
    """Name as many problems as fit into a message, and say how many more there are."""
    texts = [str(problem) for problem in problems]
    for count in range(len(texts), 1, -1):
        message = "; ".join(texts[:count]) + _more(len(texts) - count)
        if len(message) <= MESSAGE_LIMIT:
            return message
    more = _more(len(texts) - 1)
    return texts[0][: MESSAGE_LIMIT - len(more)] + more


def _more(count: int) -> str:
    return f" (and {count} more)" if count else ""
