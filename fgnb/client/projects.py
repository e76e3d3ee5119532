"""The id of the project that credentials belong to in a region, as IAM tells it."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import urlencode

from msgspec import Struct

from fgnb.client.caller import Caller
from fgnb.client.credentials import AccessKey
from fgnb.client.shared import SharedCall
from fgnb.client.source import Source, at_hand
from fgnb.errors import AnswerLost, ConfigError, ServiceError

PROJECTS = "/v3/projects"


class _Project(Struct, frozen=True, kw_only=True):
    id: str
    name: str = ""


class _Projects(Struct, frozen=True, kw_only=True):
    projects: tuple[_Project, ...] = ()


class Projects(Protocol):
    """Tells the project that a client works in."""

    async def id(self) -> str:
        """Return its id."""

    async def aclose(self) -> None:
        """Give back what is held for asking."""


class GivenProject:
    """A project whose id is known."""

    def __init__(self, id: str) -> None:
        self._id = id

    async def id(self) -> str:
        """Return its id."""
        return self._id

    async def aclose(self) -> None:
        """Give back nothing."""


_known: dict[tuple[str, str], str] = {}  # (access key, region) -> project, for all sessions of the process


class ProjectOfRegion:
    """Asks IAM which project belongs to a region, once (KeystoneListProjects, page iam_06_0001).

    Args:
        caller: sends to IAM, with the credentials.
        region: its id, which is the name of its project.
        source: the credentials; by access key and region the id is remembered for all sessions.
    """

    def __init__(self, caller: Caller, *, region: str, source: Source) -> None:
        self._caller = caller
        self.region = region
        self._source = source
        self.found: str | None = None
        self._asking = SharedCall(self._ask)

    async def id(self) -> str:
        """Return the project's id.

        Raises:
            ConfigError: there is none, or there are several; with their ids.
            ServiceError: IAM refused, or can't be reached.
        """
        if self.found is None:
            self.found = await self._asking.result()
        return self.found

    async def _ask(self) -> str:
        credentials = await at_hand(self._source)
        key = (credentials.access_key, self.region) if isinstance(credentials, AccessKey) else None
        if key is not None and key in _known:
            return _known[key]
        try:
            answer = await self._caller.call("GET", f"{PROJECTS}?{urlencode({'name': self.region})}", _Projects)
        except ServiceError as error:
            raise type(error)(
                f"IAM: {error.message}",
                status=error.status,
                code=error.code,
                request_id=error.request_id,
                hint=error.hint,
            ) from None
        if len(answer.projects) != 1:
            listed = ", ".join(f"{project.id} ({project.name})" for project in answer.projects)
            found = f"IAM knows several projects of region {self.region}: {listed}" if listed else (
                f"IAM knows no project of region {self.region} for these credentials"
            )  # fmt: skip
            raise ConfigError(f"{found}. Give project_id=, which the console shows under My Credentials")
        id = answer.projects[0].id
        if not (id.isascii() and id.isalnum() and len(id) <= 64):  # it becomes part of every path
            raise AnswerLost("IAM: the project's id is not of letters and digits")
        if key is not None:
            _known[key] = id
        return id

    async def aclose(self) -> None:
        """Close the connections to IAM."""
        await self._caller.aclose()
