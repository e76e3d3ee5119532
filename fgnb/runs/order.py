"""What is asked for by a sweep: what its runs have in common, and its inputs, numbered and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fgnb import jsontext
from fgnb.errors import InputError
from fgnb.runs.inputs import Inputs
from fgnb.runs.prepare import Prepared

if TYPE_CHECKING:
    from fgnb.runs.history import History

CONCURRENCY = 32  # runs at once, unless told otherwise
MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What all runs of a sweep have in common; JSON values throughout."""

    workflow: str
    headers: dict[str, str]
    tags: dict[str, Any]
    timeout: float | None
    connection: str
    concurrency: int
    name: str | None = None
    sweep: int | None = None  # its number in the history, if it has a name
    retry_unknown: bool = False


def order_of(
    prepared: Prepared,
    history: History | None,
    *,
    connection: str,
    concurrency: int,
    name: str | None,
    resume: bool | Literal["retry-unknown"],
) -> Order:
    """Check what a sweep is told, and find or begin it in the history if it has a name.

    Args:
        prepared: what its runs have in common; its input does not count.
        history: where they are recorded, if anywhere.
        connection: which service runs them.
        concurrency: runs at once.
        name: of the sweep.
        resume: whether to go on with the one of this name.

    Raises:
        InputError: an argument is wrong, or the name is taken.
        HistoryError: the sweep has a name, and the history can't be written.
    """
    if isinstance(concurrency, bool) or not isinstance(concurrency, int) or not 1 <= concurrency <= MOST:
        raise InputError(f"concurrency must be a number from 1 to {MOST:,}, not {concurrency!r}")
    if resume not in (False, True, "retry-unknown"):
        raise InputError(f"resume must be True, False or 'retry-unknown', not {resume!r}")
    if name is None and resume:
        raise InputError("resume goes on with a sweep that has a name: give name=")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise InputError(f"name must be a text, not {name!r}")
    number = None
    if name is not None:
        if history is None:
            raise InputError(
                "a sweep with a name needs the history, which is off (FGNB_HISTORY, or connect(history=...))"
            )
        number = history.sweep(name, workflow=prepared.workflow, connection=connection, resume=bool(resume))
    return Order(
        workflow=prepared.workflow,
        headers=prepared.headers,
        tags=prepared.tags,
        timeout=prepared.timeout,
        connection=connection,
        concurrency=concurrency,
        name=name,
        sweep=number,
        retry_unknown=resume == "retry-unknown",
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One input: its place among them, its JSON value, that as text, and the id of its run if it has one already."""

    position: int
    value: Any
    text: bytes
    run_id: str | None = None


def items(inputs: Inputs) -> Iterator[Item]:
    """Yield the inputs, numbered and written."""
    for position, value in enumerate(inputs):
        try:
            text = jsontext.dumps(value)
        except InputError as error:
            raise InputError(error.message, path=f"inputs[{position}]") from None
        yield Item(position, value, text)
