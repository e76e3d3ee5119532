"""What is asked of the history: which runs, as conditions of SQL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from types import NoneType
from typing import Any

from fgnb.errors import InputError, nearest
from fgnb.runs.moments import microseconds
from fgnb.runs.run import STATUSES

_AGO = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(s|min|h|d|w)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def marks(values: Sequence[Any]) -> str:
    """Return the places of so many values."""
    return ",".join("?" * len(values))


def conditions_of(
    workflow: str | None, status: Any, since: Any, tags: Mapping[str, Any] | None
) -> tuple[list[str], list[Any]]:
    """Return the conditions and their values; arguments as of `fgnb.runs.history.History.select`.

    Raises:
        InputError: one is wrong.
    """
    conditions: list[str] = []
    values: list[Any] = []
    if workflow is not None:
        conditions.append("(workflow = ? OR workflow_id = ?)")
        values += [workflow, workflow]
    if status is not None:
        wanted = [status] if isinstance(status, str) else list(status)
        if wrong := next((each for each in wanted if not isinstance(each, str)), None):
            raise InputError(f"a status is a text such as {', '.join(STATUSES[:3])}, not {wrong!r}")
        conditions.append(f"coalesce(status, 'unknown') IN ({marks(wanted)})")
        values += wanted
    if since is not None:
        conditions.append("submitted_at >= ?")
        values.append(microseconds(moment(since)))
    for tag, value in (tags or {}).items():
        if not isinstance(value, (str, int, float, NoneType)):
            raise InputError("a tag is looked for by a text, a number, true, false or null", path=f"tags.{tag}")
        kinds = {bool: ("true", "false"), int: ("integer", "real"), float: ("integer", "real"), str: ("text",)}
        types = ("null",) if value is None else kinds[bool] if isinstance(value, bool) else kinds[type(value)]
        if isinstance(value, bool):
            types = ("true",) if value else ("false",)
        same = "" if value is None or isinstance(value, bool) else " AND atom = ?"
        conditions.append(
            f"EXISTS (SELECT 1 FROM json_each(CAST(tags AS TEXT)) WHERE key = ? AND type IN ({marks(types)}){same})"  # noqa: S608
        )
        values += [tag, *types, *([value] if same else [])]
    return conditions, values


def check_known(statuses: Iterable[str]) -> None:
    """Raise an InputError if a status, of which no run was found, is likely a slip; the service may have others."""
    for status in statuses:
        if status not in STATUSES and (near := nearest(status, STATUSES)):
            raise InputError(f"no run has the status '{status}'; did you mean {near}?")


def moment(since: datetime | date | timedelta | str) -> datetime:
    """Return a moment; one without a zone is local."""
    if isinstance(since, str):
        if found := _AGO.fullmatch(since.strip()):
            since = timedelta(seconds=float(found[1]) * _SECONDS[found[2]])
        else:
            try:
                since = datetime.fromisoformat(since.strip())
            except ValueError:
                raise InputError(
                    f"since is a time such as 2026-11-24 or 2026-11-24T08:00, or how long ago, such as 90s, 15min, 2h,"
                    f" 7d, 4w, not '{since}'"
                ) from None
    if isinstance(since, timedelta):
        return datetime.now(UTC) - since
    if not isinstance(since, datetime):
        if not isinstance(since, date):
            raise InputError(f"since is a time, a day, or how long ago, not {since!r}")
        since = datetime.combine(since, time())
    return since.astimezone(UTC)
