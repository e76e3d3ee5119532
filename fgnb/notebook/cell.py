"""One cell from its line and body to what it shows: a run, a sweep, a handle, a dry run, the code.

The place where a run shows its elapsed time becomes its card. Since that is shown already, the cell's
value, which is the run, is not shown once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from fgnb.errors import InputError, RunInterrupted, SweepInterrupted, SweepStopped, SyntaxProblem
from fgnb.notebook import body, code
from fgnb.notebook.arguments import Given
from fgnb.notebook.code import Code, CodeTemplate, plain
from fgnb.notebook.progress import Cell, Terminal, open_display
from fgnb.notebook.template import Template
from fgnb.paths import Path, assign, parse_path
from fgnb.runs.compare import compare
from fgnb.runs.run import Run, describe_failure
from fgnb.runs.runset import RunSet
from fgnb.values import to_json

if TYPE_CHECKING:
    from fgnb.runs.pending import PendingRun
    from fgnb.runs.preview import Preview
    from fgnb.runs.views import View
    from fgnb.session import Session

SOON = 0.3  # seconds after which a run shows its elapsed time
EVERY = 0.2  # seconds between two paintings of it


@dataclass(frozen=True, slots=True)
class Order:
    """What a cell asks for, read: JSON values, or for ``--code`` values with the code that gives them."""

    given: Given
    input: Any
    headers: dict[str, str]
    tags: dict[str, Any]

    @property
    def workflow(self) -> str:
        """The workflow, by name or id."""
        return self.given.workflow or ""

    @property
    def options(self) -> dict[str, Any]:
        """What all runs have in common."""
        return {
            "headers": self.headers or None,
            "timeout": self.given.timeout,
            "tags": self.tags or None,
        }


def run(given: Given, text: str, shell: InteractiveShell, connect: Callable[[], Session]) -> Any:
    """Do what a cell asks for, and return its value.

    Args:
        given: its line.
        text: its body.
        shell: whose variables it may use and set.
        connect: gives the session.
    """
    namespace = shell.user_ns
    order = _read(given, text, namespace)
    if given.code:
        return PythonCode(_code(order))
    if given.compare is not None:
        _check_runs(given, namespace[given.compare])
    session = connect()
    if given.dry_run:
        return _preview(order, session, namespace)
    if given.sweep is not None:
        return _sweep(order, session, shell)
    pending = session.submit(order.workflow, order.input, **order.options)
    if given.background:
        _keep(given, shell, pending)
        return None if given.quiet else pending
    return _wait(order, pending, shell, session)


# --- what is asked for ---------------------------------------------------------------------------


def _read(given: Given, text: str, namespace: Mapping[str, Any]) -> Order:
    kind = CodeTemplate if given.code else Template
    value, headers = _input(given, text, namespace, kind)
    headers = headers | {key: body.read_text(said, namespace, kind=kind) for key, said in given.headers}
    tags = {key: _option("--tag", key, said, namespace, kind) for key, said in given.tags}
    return Order(given, value, headers, tags)


def _input(given: Given, text: str, namespace: Mapping[str, Any], kind: type[Template]) -> tuple[Any, dict[str, str]]:
    """Put the input together: -p over the body over --input."""
    headers: dict[str, str] = {}
    over: Any = {}
    if given.read_as == "request":
        over, headers = body.read_request(text, namespace, kind=kind)
    elif text.strip():
        over = body.read(text, namespace, given.read_as, kind=kind)
        if given.read_as == "python" and given.code:
            over = Code(f"({text.strip()})" if "\n" in text.strip() else text.strip(), over)
    if given.input is None:
        return _with_params(given, over, {}, namespace, kind), headers
    variable = namespace[given.input]
    value = to_json(variable, root=given.input)
    if over == {} and not given.params:
        return (Code(given.input, value) if given.code else value), headers
    if not isinstance(value, dict) or not isinstance(plain(over), dict):
        raise InputError("-i and a body or -p go together only where both are objects")
    over = _with_params(given, over, value, namespace, kind)
    return (code.merged(given.input, variable, over) if given.code else value | over), headers


def _with_params(given: Given, value: Any, below: dict[str, Any], namespace: Mapping[str, Any], kind: Any) -> Any:
    for key, said in given.params:
        if not isinstance(plain(value), dict):
            raise InputError("-p sets a key, but the input is not an object")
        member = _option("-p", key, said, namespace, kind)
        path = parse_path(key)
        if len(path) > 1 and path[0] in below:
            value = {path[0]: below[str(path[0])]} | _opened(value, ())
        value = assign(_opened(value, path), path, member)
    return value


def _opened(value: Any, path: Path) -> Any:
    """Return a value of which no part on the way along `path` is code: it is changed there."""
    value = value.value if isinstance(value, Code) else value
    if len(path) < 2 or not isinstance(value, dict) or path[0] not in value:
        return value
    return value | {path[0]: _opened(value[path[0]], path[1:])}


def _option(flag: str, key: str, text: str, namespace: Mapping[str, Any], kind: type[Template]) -> Any:
    try:
        return body.read_value(text, namespace, kind=kind)
    except SyntaxProblem:
        raise
    except InputError as error:
        raise InputError(f"{flag} {key}: {error.message}") from None


def _check_runs(given: Given, value: Any) -> None:
    fits = isinstance(value, RunSet) if given.sweep is not None else isinstance(value, (Run, RunSet))
    if not fits:
        wanted = "runs, as of an earlier sweep" if given.sweep is not None else "a run, or runs"
        raise InputError(f"--compare takes a variable that holds {wanted}; {given.compare} is a {type(value).__name__}")


# --- a run ---------------------------------------------------------------------------------------


def _wait(order: Order, pending: PendingRun, shell: InteractiveShell, session: Session) -> Any:
    given = order.given
    place = None if given.quiet else _Place(pending, shell)
    try:
        done = pending.wait(tick=place.tick if place is not None else None)
    except KeyboardInterrupt:
        done = pending.give_up()
        _keep(given, shell, done)
        if place is not None:
            place.end(done)
        raise RunInterrupted(describe_failure(done), done) from None
    except BaseException:
        if place is not None:
            place.leave()
        raise
    _keep(given, shell, done)
    if place is not None:
        session.learn(done)
    if not given.no_check and not done.ok:
        if place is not None:
            place.show(done)
            if given.compare is not None:
                display(_compared(given, shell, done))  # type: ignore[no-untyped-call]
        done.raise_for_status()
    if place is None:
        return None
    return place.becomes(_value(given, shell, done))


def _value(given: Given, shell: InteractiveShell, done: Run | RunSet) -> Any:
    """Return what the cell gives."""
    if given.compare is not None:
        return _compared(given, shell, done)
    if given.show == "frame":
        return done.frame
    if given.show == "errors":
        return done.errors
    if given.show == "output":
        return done.output if isinstance(done, Run) else done.outputs
    return done


def _compared(given: Given, shell: InteractiveShell, done: Run | RunSet) -> Any:
    earlier = shell.user_ns[given.compare or ""]
    several = isinstance(earlier, RunSet) and isinstance(done, Run)
    return compare(*earlier, done) if several else compare(earlier, done)


def _keep(given: Given, shell: InteractiveShell, value: Any) -> None:
    if given.out is not None:
        shell.user_ns[given.out] = value


class _Place:
    """Where a run that takes a while shows its elapsed time, and then what the cell gives."""

    def __init__(self, pending: PendingRun, shell: InteractiveShell) -> None:
        self._pending = pending
        self._shell = shell
        self._view: View | None = None
        self._next = time.monotonic() + SOON

    def tick(self) -> None:
        """Paint the elapsed time, if it is time; in this thread, so that all front ends show it."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            state = self._pending.waiting
            if self._view is None:
                self._view = open_display(state)
            self._view.update(state)

    def show(self, value: Any) -> None:
        """Show a value in this place, or if there is none yet, as a display of its own."""
        if isinstance(self._view, Cell):
            self._view.put_value(value)
        else:
            self.leave()
            display(value)  # type: ignore[no-untyped-call]

    def end(self, done: Run) -> None:
        """Show a run that was given up, if anything was shown before."""
        if isinstance(self._view, Cell):
            self._view.put_value(done)
        self.leave()

    def leave(self) -> None:
        """Leave a terminal's line as it was; a cell keeps what it shows."""
        if isinstance(self._view, Terminal):
            self._view.erase()

    def becomes(self, value: Any) -> Any:
        """Return a value that the cell is going to show: here, if there is a place already."""
        if isinstance(self._view, Cell):
            self._view.put_value(value)
            _show_no_more(self._shell, value)
        self.leave()
        return value


def _show_no_more(shell: InteractiveShell, value: Any) -> None:
    """Have IPython not show this value at the end of the cell; ``Out`` and ``_`` have it all the same."""
    formatter: Any = shell.display_formatter.ipython_display_formatter  # type: ignore[union-attr]
    kind = type(value)

    def restore() -> None:
        if formatter.for_type(kind) is swallow:
            formatter.pop(kind)
            if before is not None:
                formatter.for_type(kind, before)
        if restore in shell.events.callbacks["post_run_cell"]:
            shell.events.unregister("post_run_cell", restore)

    def swallow(shown: Any) -> None:
        restore()
        if shown is not value:
            display(shown)  # type: ignore[no-untyped-call]

    before = formatter.for_type(kind, swallow)
    shell.events.register("post_run_cell", restore)


# --- a sweep -------------------------------------------------------------------------------------


def _sweep(order: Order, session: Session, shell: InteractiveShell) -> Any:
    given = order.given
    job = session.plan_sweep(
        order.workflow,
        shell.user_ns[given.sweep or ""],
        base=order.input or None,
        progress=not given.quiet,
        **_sweep_options(order),
    )
    if given.background:
        job.start()
        _keep(given, shell, job)
        return None if given.quiet else job
    try:
        runs = job.run()
    except SweepStopped as stopped:
        _keep(given, shell, stopped.runs)
        raise
    _keep(given, shell, runs)
    if job.interrupted:
        message = f"{order.workflow}: the sweep was interrupted after {len(runs):,} runs"
        told = f"; {given.out} has them" if given.out is not None else ""
        raise SweepInterrupted(message + told, runs)
    return None if given.quiet else _value(given, shell, runs)


def _sweep_options(order: Order) -> dict[str, Any]:
    concurrency = order.given.concurrency
    return order.options | ({} if concurrency is None else {"concurrency": concurrency})


# --- without a run -------------------------------------------------------------------------------


def _preview(order: Order, session: Session, namespace: Mapping[str, Any]) -> Preview:
    if order.given.sweep is None:
        return session.preview(order.workflow, order.input, **order.options)
    return session.preview_sweep(
        order.workflow, namespace[order.given.sweep], base=order.input or None, **order.options
    )


def _code(order: Order) -> str:
    given = order.given
    lines = []
    if given.profile is not None:
        lines.append(code.call("connect", profile=given.profile))
    name = f"{given.out} = " if given.out is not None else ""
    if given.sweep is not None:
        base = order.input if plain(order.input) else None
        options = {"base": base} | _sweep_options(order) | {"background": given.background or None}
        lines.append(name + code.call("sweep", order.workflow, Code(given.sweep, None), **options))
    else:
        options = order.options | ({} if given.background or not given.no_check else {"check": False})
        function = "submit" if given.background else "run"
        lines.append(name + code.call(function, order.workflow, order.input, **options))
    return "\n".join(lines)


class PythonCode(str):
    """Python source, shown as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from fgnb.render import html

        return html.preformatted(str(self))
