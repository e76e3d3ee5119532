"""Where the history is kept, as the user says: a file, or nowhere, and for how long."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from fgnb.errors import ConfigError

if TYPE_CHECKING:
    from fgnb.runs.history import History

OFF = "off"
PLACE, AGE, SIZE = "FGNB_HISTORY", "FGNB_HISTORY_MAX_AGE", "FGNB_HISTORY_MAX_SIZE"
_UNITS_OF_AGE = {"h": 3600, "d": 86400, "w": 7 * 86400}
_UNITS_OF_SIZE = {"kB": 1000, "MB": 1000**2, "GB": 1000**3}


def history_at(place: str | os.PathLike[str] | None = None) -> History | None:
    """Return the history at `place`, or None if it is off; nothing is opened yet.

    Args:
        place: a file, or ``"off"``; by default ``FGNB_HISTORY``, else a file in the user's data folder.
            ``FGNB_HISTORY_MAX_AGE`` (such as ``90d``) and ``FGNB_HISTORY_MAX_SIZE`` (such as ``500MB``)
            delete the oldest runs when a process first writes; without them all is kept.

    Raises:
        ConfigError: one of the variables can't be read.
    """
    chosen = os.fspath(place) if place is not None else os.environ.get(PLACE, "").strip()
    if chosen.lower() == OFF:
        return None
    from fgnb.runs.history import History  # opens nothing, but imports the database

    return History.at(
        Path(chosen).expanduser().absolute() if chosen else _users(),
        max_age=_limit(AGE, _UNITS_OF_AGE, "90d"),
        max_size=_bytes(_limit(SIZE, _UNITS_OF_SIZE, "500MB")),
    )


def origin_of(place: str | os.PathLike[str] | None = None) -> str:
    """Say where `history_at` takes its place from."""
    if place is not None:
        return "argument"
    return PLACE if os.environ.get(PLACE, "").strip() else "default"


def _users() -> Path:
    import platformdirs

    return platformdirs.user_data_path("fgnb", appauthor=False) / "history.db"


def _limit(variable: str, units: dict[str, int], example: str) -> float | None:
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([a-zA-Z]+)", text)
    by_fold = {unit.casefold(): size for unit, size in units.items()}
    if found is None or found[2].casefold() not in by_fold or float(found[1]) <= 0:
        raise ConfigError(f"{variable} is a number with one of {', '.join(units)}, such as {example}, not '{text}'")
    return float(found[1]) * by_fold[found[2].casefold()]


def _bytes(size: float | None) -> int | None:
    return None if size is None else int(size)
