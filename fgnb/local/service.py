"""The service's interface without a web framework: a request in, an answer out.

Paths, statuses and bodies are those of the API reference (pages 06_1002 to 06_1008 and 06_1016).
An unknown path is answered as the gateway before the real service does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import ChainMap
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import parse_qs, unquote
from uuid import uuid4

import msgspec

from fgnb import jsontext
from fgnb.config import LOCAL_PROJECT
from fgnb.errors import AnswerLost, DefinitionError, InputError
from fgnb.local.catalog import Catalog, DuplicateName, Entry
from fgnb.local.engine import Engine, Execution
from fgnb.local.functions import Functions, registered
from fgnb.local.samples import functions as sample_functions
from fgnb.local.samples import sample_definitions
from fgnb.wire import (
    BODY_LIMIT,
    EXPRESS_LIMIT,
    INVALID,
    NOT_FOUND,
    PAGE_SIZE,
    REQUEST_ID_HEADER,
    SYNC_EXECUTIONS,
    Request,
    Response,
)

log = logging.getLogger("fgnb.local")

_WORKFLOWS = re.compile(r"/v2/(?P<project>[^/]{1,64})/fgs/workflows(?:/(?P<id>[^/]{1,512})(?:/(?P<action>[^/]+))?)?")
_MESSAGE_LIMIT = 512


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message


def _invalid(message: str) -> _Refused:
    return _Refused(400, INVALID, message)


def _not_found() -> _Refused:
    return _Refused(404, NOT_FOUND, "Function flow not found.")


def refusal(status: int, code: str, message: str) -> Response:
    """Return the answer to a request that is refused before it comes here."""
    return _refusal(_Refused(status, code, message), str(uuid4()))


class Service:
    """An embedded service; it is a `fgnb.wire.Transport` to itself.

    Args:
        functions: what its workflows may call; by default what `fgnb.function` registered. The
            functions of the sample workflows are found too.
        limit: seconds an execution may take.
        definitions: workflows that are there from the start.
        samples: whether the sample workflows are there, too, but for those whose names are taken.

    Raises:
        DefinitionError: a definition is invalid.
        DuplicateName: two definitions have one name.
    """

    def __init__(
        self,
        *,
        functions: Functions | None = None,
        limit: float = EXPRESS_LIMIT,
        definitions: Iterable[Mapping[str, Any]] = (),
        samples: bool = True,
    ) -> None:
        own = registered if functions is None else functions
        self.catalog = Catalog()
        self.engine = Engine(ChainMap(own, sample_functions) if samples else own, limit=limit)
        for definition in definitions:
            self.catalog.create(definition, LOCAL_PROJECT)
        for definition in sample_definitions() if samples else ():
            with contextlib.suppress(DuplicateName):
                self.catalog.create(definition, LOCAL_PROJECT)

    async def send(self, request: Request) -> Response:
        """Answer a request; whatever goes wrong inside becomes an answer, too.

        Raises:
            AnswerLost: the caller's own time limit is over.
        """
        request_id = str(uuid4())
        try:
            async with asyncio.timeout(request.timeout):
                status, value = await self._route(request)
            return _answer(status, value, request_id)
        except TimeoutError:
            raise AnswerLost(f"no answer within {request.timeout:g} s") from None
        except _Refused as refused:
            return _refusal(refused, request_id)
        except Exception:
            log.exception("request %s failed inside the embedded service", request_id)
            return _refusal(_Refused(500, INVALID, "Internal Error."), request_id)

    async def aclose(self) -> None:
        """Do nothing: an embedded service holds nothing that must be given back."""

    async def _route(self, request: Request) -> tuple[int, Any]:
        path, _, query = request.path.partition("?")
        found = _WORKFLOWS.fullmatch(path)
        if found is None:
            raise _no_api()
        project = unquote(found["project"])
        workflow_id, action = (unquote(found[name]) if found[name] else None for name in ("id", "action"))
        if len(request.body) > BODY_LIMIT:
            raise _Refused(413, "APIGW.0201", "Request entity too large.")
        if workflow_id is None:
            collection: dict[str, Callable[[], tuple[int, Any]]] = {
                "GET": lambda: self._list(parse_qs(query)),
                "POST": lambda: self._create(request, project),
                "DELETE": lambda: self._delete(request),
            }
            return _method(collection, request)()
        if action is None:
            one: dict[str, Callable[[], tuple[int, Any]]] = {
                "GET": lambda: (200, self._find(workflow_id).info),
                "PUT": lambda: self._update(request, project, workflow_id),
            }
            return _method(one, request)()
        actions: dict[str, Callable[[], Awaitable[tuple[int, Any]]]] = {
            "POST": lambda: self._execute(request, project, workflow_id)
        }
        if action != SYNC_EXECUTIONS:
            raise _no_api()
        return await _method(actions, request)()

    def _find(self, workflow_id: str) -> Entry:
        try:
            return self.catalog[workflow_id]
        except KeyError:
            raise _not_found() from None

    def _list(self, query: Mapping[str, list[str]]) -> tuple[int, Any]:
        mode = query.get("mode", [""])[-1]
        if mode not in ("", "NORMAL", "EXPRESS"):
            raise _invalid(f"mode must be NORMAL or EXPRESS, not '{mode}'")
        limit = _whole_number(query, "limit", PAGE_SIZE)
        if limit < 1:
            raise _invalid("limit must be at least 1")
        page = self.catalog.page(
            name=query.get("workflow_name", [""])[-1],
            mode=mode,
            limit=min(limit, PAGE_SIZE),
            offset=max(0, _whole_number(query, "offset", 0)),
        )
        return 200, page

    def _create(self, request: Request, project: str) -> tuple[int, Any]:
        definition = _object(request)
        return 201, _saved(lambda: self.catalog.create(definition, project))

    def _update(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        self._find(workflow_id)
        definition = _object(request)
        return 200, _saved(lambda: self.catalog.update(workflow_id, definition, project))

    def _delete(self, request: Request) -> tuple[int, Any]:
        urns = _object(request).get("workflow_urns")
        if not isinstance(urns, list) or len(urns) > 200 or not all(isinstance(urn, str) for urn in urns):
            raise _invalid("workflow_urns must be a list of at most 200 URNs")
        gone, unknown = self.catalog.delete(urns)
        fail = [{"workflow_urn": urn, "error_detail": "Function flow not found."} for urn in unknown]
        return 200, {"success": gone, "fail": fail}

    async def _execute(self, request: Request, project: str, workflow_id: str) -> tuple[int, Any]:
        entry = self._find(workflow_id)
        if entry.plan.definition.mode != "EXPRESS":
            name = entry.plan.definition.name
            raise _invalid(f"workflow '{name}' is NORMAL: only EXPRESS workflows run synchronously")
        body = _object(request)
        if "input" not in body:
            raise _invalid("input is missing")
        # The page types `input` as an object, too; other values are let through, since a workflow
        # can work on them and a client must be able to rely on getting back what it sent.
        headers = body.get("headers")
        if not isinstance(headers, dict | None):
            raise _invalid("headers must be an object")
        execution = Execution(
            plan=entry.plan,
            input=body["input"],
            headers=headers or {},
            project_id=project,
            workflow_id=workflow_id,
        )
        return 200, await self.engine.execute(execution)


R = TypeVar("R")


def _method(handlers: Mapping[str, Callable[[], R]], request: Request) -> Callable[[], R]:
    try:
        return handlers[request.method]
    except KeyError:
        raise _no_api() from None


def _no_api() -> _Refused:
    return _Refused(404, "APIGW.0101", "The API does not exist or has not been published in the environment.")


def _whole_number(query: Mapping[str, list[str]], name: str, default: int) -> int:
    text = query.get(name, [str(default)])[-1]
    try:
        return int(text)
    except ValueError:
        raise _invalid(f"{name} must be a whole number, not '{text[:40]}'") from None


def _object(request: Request) -> dict[str, Any]:
    try:
        value = jsontext.loads(request.body.decode())
    except UnicodeDecodeError:
        raise _invalid("the body is not UTF-8") from None
    except InputError as error:
        raise _invalid(str(error).splitlines()[0]) from None
    if not isinstance(value, dict):
        raise _invalid("the body must be a JSON object")
    return value


def _saved(save: Callable[[], Entry]) -> Any:
    try:
        return save().summary
    except DuplicateName as error:
        raise _invalid(str(error)) from None
    except DefinitionError as error:
        problems = [str(problem) for problem in error.problems]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise _invalid(problems[0][: _MESSAGE_LIMIT - len(more)] + more) from None


def _refusal(refused: _Refused, request_id: str) -> Response:
    body = {"error_code": refused.code, "error_msg": refused.message[:_MESSAGE_LIMIT]}
    if refused.status != 404 or refused.code != NOT_FOUND:  # ErrorRsp404 alone has no request_id
        body["request_id"] = request_id
    return _answer(refused.status, body, request_id)


def _answer(status: int, value: Any, request_id: str) -> Response:
    headers = {"content-type": "application/json", REQUEST_ID_HEADER.lower(): request_id}
    return Response(status=status, headers=headers, body=jsontext.dumps(msgspec.to_builtins(value)))
