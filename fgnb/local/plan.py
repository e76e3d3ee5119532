"""A compiled workflow: what the engine runs, with every path and condition ready to be applied."""

from __future__ import annotations

from dataclasses import dataclass

from fgnb.local.conditions import Condition
from fgnb.local.expressions import Query, Template
from fgnb.wire import Retry, WorkflowDefinition


@dataclass(frozen=True, slots=True)
class Call:
    """One function call: the names to find the function by, and its arguments.

    `arguments` is None where the template is empty.
    """

    names: tuple[str, ...]
    arguments: Template | None


@dataclass(frozen=True, slots=True)
class Calls:
    """Function calls, one after the other."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """A wait of so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The way goes on where the first true condition points, else at `default`."""

    cases: tuple[tuple[Condition, str], ...]
    default: str | None


@dataclass(frozen=True, slots=True)
class Fork:
    """Chains that run at once on the same input, until `needed` of them have ended.

    The output has their results under `key`, or is the bare list without one; with `names`, the
    results are an object.
    """

    chains: tuple[Chain, ...]
    needed: int
    key: str | None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Loop:
    """A chain that runs for each item of an array.

    An iteration sees the state's input with the item at `param`; the results stand at `output`. At
    most `width` run at once (0: no limit), and `interval` seconds lie between their starts.
    """

    items: Query
    param: tuple[str, ...]
    output: tuple[str, ...]
    width: int
    interval: float
    chain: Chain


@dataclass(frozen=True, slots=True)
class Sub:
    """Another workflow, by id or name; the way goes on at once if it is not waited for."""

    workflow: str
    wait: bool


Work = Calls | Pause | Choice | Fork | Loop | Sub


@dataclass(frozen=True, slots=True)
class Handler:
    """What follows a failure, or a result, for which `condition` is true; None is true for every failure."""

    condition: Condition | None
    retry: Retry | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Step:
    """A state: what comes in, what it does, what goes out, and the id of the state that follows.

    `heavy` tells that its expressions may take a while on large values.
    """

    id: str
    name: str
    work: Work | None
    next: str | None = None
    input_filter: Query | None = None
    output_filter: Query | None = None
    handlers: tuple[Handler, ...] = ()
    heavy: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """States that lead from `start` to an end."""

    start: str
    steps: dict[str, Step]


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole workflow."""

    definition: WorkflowDefinition
    chain: Chain
