"""What runs say about the nodes of a workflow: where one failed, which way it took, where many failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from fgnb.counted import counted
from fgnb.local.execution import ROOM, VISIT, Place, Visit
from fgnb.render.graph_model import Chain, Edge, Node
from fgnb.render.messages import message_line
from fgnb.render.text import one_line
from fgnb.runs.run import in_order

if TYPE_CHECKING:
    from fgnb.runs.run import Run

MESSAGE = 300  # cells of a message that are kept
KINDS = 1000  # different messages that are counted at a node

Look = Literal["plain", "failed", "passed", "handled", "cancelled", "running", "muted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What is known of a node.

    Attributes:
        look: what became of it; ``handled`` is a failure that was retried or caught, ``muted`` never reached.
        notes: times and counts, for a reader.
        message: why it failed.
        share: of all runs, how many failed here.
    """

    look: Look = "plain"
    notes: tuple[str, ...] = ()
    message: str = ""
    share: float = 0.0


_NONE = Mark()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A node at which runs failed: its id, how many did, and the most frequent message."""

    node: str
    message: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """The marks of nodes by their keys, the edges that were taken, the failures, and what else is to be said."""

    nodes: Mapping[int, Mark] = field(default_factory=dict)
    taken: frozenset[Edge] = frozenset()
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()


def of_run(chain: Chain, run: Run, visits: Sequence[Visit]) -> Marks:
    """Return what a run says; without visits, only which nodes failed."""
    found = _visited(chain, visits) if visits else {}
    messages: dict[str, list[str]] = {}
    for error in run.node_errors:
        messages.setdefault(error.node_id, []).append(_told(error.error_type, error.error_message))
    cut = len(visits) and sum(VISIT + (len(v.input) if isinstance(v.input, dict) else 0) for v in visits) >= ROOM
    marks: dict[int, Mark] = {}
    known: set[str] = set()
    for node in chain.walk():
        if node.key in found:
            mark = _mark(found[node.key], "item" if node.kind == "Foreach" else "call")
        else:
            mark = Mark(look="muted" if visits and not cut else "plain")
        if node.id in messages and node.is_state and node.id not in known:
            known.add(node.id)
            told = messages[node.id]
            more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
            mark = Mark(look="failed", notes=mark.notes, message=told[0] + more)
        if mark != Mark():
            marks[node.key] = mark
    failures = tuple(Failure(node=id, message=told[0], count=len(told)) for id, told in messages.items())
    for node in chain.walk():  # what failed inside says why
        inside = [inner for each in node.chains for inner in each.walk()]
        failed = [inner for inner in inside if marks.get(inner.key, _NONE).look == "failed"]
        if failed and (node.id not in messages or not all(inner.is_state for inner in failed)):
            marks[node.key] = replace(marks.get(node.key, _NONE), message="")
    notes = [f"run {run.run_id}: {run.status}"]
    notes += [f"{id} is not in this definition" for id in messages if id not in known]
    notes += ["only the beginning of what happened was kept"] if cut else []
    return Marks(nodes=marks, taken=_taken(chain, visits), failures=failures, notes=tuple(notes))


def of_runs(chain: Chain, runs: Iterable[Run]) -> Marks:
    """Return what many runs say, in one pass: at which nodes how many of them failed."""
    total = 0
    statuses: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    messages: dict[str, Counter[tuple[str | None, str]]] = {}
    for run in runs:
        total += 1
        statuses[run.status] += 1
        seen = set()
        for error in run.node_errors:
            if error.node_id in seen:
                continue
            seen.add(error.node_id)
            failed[error.node_id] += 1
            kinds = messages.setdefault(error.node_id, Counter())
            told = (error.error_type, error.error_message)
            if len(kinds) < KINDS or told in kinds:
                kinds[told] += 1
    marks: dict[int, Mark] = {}
    known: set[str] = set()
    for node in chain.walk():
        number = failed.get(node.id, 0)
        if number and node.is_state and node.id not in known:
            known.add(node.id)
            share = number / total
            marks[node.key] = Mark(look="failed", notes=(f"{number:,} failed ({percent(share)})",), share=share)
    failures = tuple(
        Failure(node=id, message=_most_frequent(messages[id], number), count=number)
        for id, number in failed.most_common()
    )
    counts = ", ".join(f"{number:,} {status}" for status, number in in_order(statuses).items())
    notes = [f"{counted(total, 'run')}{': ' if counts else ''}{counts}"]
    notes += [f"{id} is not in this definition" for id in failed if id not in known]
    return Marks(nodes=marks, failures=failures, notes=tuple(notes))


def percent(share: float) -> str:
    """Return a share for a reader: ``4 %``, ``0.3 %``, and never 0 or 100 where that is not so.

    >>> [percent(share) for share in (0.04, 0.003, 0.00001, 0.99999, 1.0)]
    ['4 %', '0.3 %', '< 0.1 %', '> 99 %', '100 %']
    """
    if 0.99 < share < 1:
        return "> 99 %"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share * 100:.1f} %" if share < 0.0095 else f"{share * 100:.0f} %"


def duration(seconds: float) -> str:
    """Return a time for a small place.

    >>> [duration(seconds) for seconds in (0.00004, 0.0123, 0.5, 1.5, 75, 4000)]
    ['0.04 ms', '12 ms', '500 ms', '1.5 s', '75 s', '67 min']
    """
    if seconds < 0.9995:
        milliseconds = seconds * 1000
        return f"{milliseconds:.0f} ms" if milliseconds >= 9.95 else f"{milliseconds:.2g} ms"
    return f"{seconds:.3g} s" if seconds < 100 else f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min"


def _told(kind: str | None, message: str) -> str:
    """Return a message for a reader: on one line, without secrets."""
    message = message_line(message, MESSAGE)
    return f"{one_line(kind)}: {message}" if kind else message


def _most_frequent(kinds: Counter[tuple[str | None, str]], number: int) -> str:
    (kind, message), most = kinds.most_common(1)[0]
    told = _told(kind, message)
    return told if most == number else f"{told} ({counted(most, 'time')})"


# --- the way of one run --------------------------------------------------------------------------


def _index(chain: Chain, around: Place = ()) -> dict[tuple[Place, str], Node]:
    """Return the nodes by what is around them and their visits' id: numbers are of branches, inside loops it is 0."""
    found: dict[tuple[Place, str], Node] = {}
    for node in chain.nodes:
        found.setdefault((around, node.id), node)
        for number, inner in enumerate(node.chains):
            inside = (*around, (node.id, number))
            found |= _index(inner, inside)
            if len(inner.nodes) == 1 and not inner.nodes[0].is_state:
                found.setdefault((inside, node.id), inner.nodes[0])  # its visits have the id of the state around it
    return found


class _Finder:
    """Finds the node of a visit."""

    def __init__(self, chain: Chain) -> None:
        self._index = _index(chain)
        self._loops = {node.id for node in chain.walk() if node.kind == "Foreach"}

    def node(self, visit: Visit) -> tuple[Node | None, bool]:
        """Return the node, and whether the visit is one of its calls or iterations rather than of the node itself."""
        around = tuple((id, 0 if id in self._loops else number) for id, number in visit.place)
        node = self._index.get((around, visit.step.id))
        if node is None and around and around[-1][0] == visit.step.id:
            return self._index.get((around[:-1], visit.step.id)), True
        return node, False


@dataclass(slots=True)
class _Stay:
    """The visits of one node."""

    attempts: list[Visit] = field(default_factory=list)
    parts: list[Visit] = field(default_factory=list)  # its iterations or parallel calls


def _visited(chain: Chain, visits: Iterable[Visit]) -> dict[int, _Stay]:
    finder = _Finder(chain)
    found: dict[int, _Stay] = {}
    for visit in visits:
        node, part = finder.node(visit)
        if node is not None:
            stay = found.setdefault(node.key, _Stay())
            (stay.parts if part else stay.attempts).append(visit)
    return found


def _mark(stay: _Stay, what: str) -> Mark:
    rounds: list[list[Visit]] = []  # the attempts of each time that it was run
    latest: dict[Place, list[Visit]] = {}
    for visit in stay.attempts:
        if visit.attempt == 1 or visit.place not in latest:
            latest[visit.place] = []
            rounds.append(latest[visit.place])
        latest[visit.place].append(visit)
    last = [attempts[-1] for attempts in rounds]
    failed = [visit for visit in last if visit.failure is not None and not visit.cancelled and not visit.handled]
    notes = [f"{len(rounds):,} times"] if len(rounds) > 1 else []
    times = [each[-1].end - each[0].begin for each in rounds if each[-1].end is not None]
    if times:
        least, most = duration(min(times)), duration(max(times))
        notes.append(most if least == most else f"{least} to {most}")
    if len(stay.attempts) > len(rounds):
        notes.append(f"↻ {len(stay.attempts):,} attempts")
    if stay.parts:
        inside = len({visit.place for visit in stay.parts})
        notes.append(counted(inside, what))
    look: Look = "passed"
    if failed:
        look = "failed"
    elif any(visit.cancelled for visit in last):
        look = "cancelled"
    elif any(visit.end is None for visit in last):
        look = "running"
    elif any(visit.failure is not None for visit in stay.attempts):
        look = "handled"
    told = failed[0].failure if failed else next((v.failure for v in stay.attempts if v.failure is not None), None)
    message = "" if told is None else _told(None, str(told.get("errorMessage", "")))
    lines = [" · ".join(notes)] if notes else []
    caught = sum(visit.failure is not None and visit.handled for visit in last)
    if caught:  # none of its attempts succeeded, and yet the run went on
        lines.append("failure handled" if caught == 1 else f"{caught:,} failures handled")
    return Mark(look=look, notes=tuple(lines), message=message)


def _taken(chain: Chain, visits: Iterable[Visit]) -> frozenset[Edge]:
    """Return the edges between visits that follow each other at the same place."""
    finder = _Finder(chain)
    leaving: dict[tuple[int, int], list[Edge]] = {}
    for edge in chain.edges_inside():
        leaving.setdefault((edge.source, edge.target), []).append(edge)
    before: dict[Place, tuple[Node, Visit]] = {}
    taken: set[Edge] = set()
    for visit in visits:
        node, part = finder.node(visit)
        if node is None or part:
            continue
        if visit.place in before:
            last, left = before[visit.place]
            ways = leaving.get((last.key, node.key), [])
            caught = left.failure is not None
            taken.update([edge for edge in ways if (edge.kind == "error") == caught] or ways)
        before[visit.place] = node, visit
    return frozenset(taken)
