"""One cell from its line and body to what it shows: a run, a sweep, a handle, a dry run, the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from fgnb.counted import counted
from fgnb.errors import InputError, RunInterrupted, SweepInterrupted, SweepStopped, SyntaxProblem
from fgnb.notebook import body, code
from fgnb.notebook.arguments import Given
from fgnb.notebook.code import Code, CodeTemplate, plain
from fgnb.notebook.place import Place
from fgnb.notebook.template import Template
from fgnb.paths import Path, assign, parse_path
from fgnb.runs.compare import compare
from fgnb.runs.redact import masked
from fgnb.runs.run import Run, describe_failure
from fgnb.runs.runset import RunSet
from fgnb.values import to_json

if TYPE_CHECKING:
    from fgnb.runs.pending import PendingRun
    from fgnb.runs.preview import Preview
    from fgnb.session import Session


@dataclass(frozen=True, slots=True)
class Order:
    """What a cell asks for, read: JSON values, or for ``--code`` values with the code that gives them."""

    given: Given
    input: Any
    headers: dict[str, str]
    tags: dict[str, Any]
    earlier: Any  # what ``--compare`` names, as it was before the run

    @property
    def workflow(self) -> str:
        """The workflow, by name or id."""
        return self.given.workflow or ""

    @property
    def base(self) -> Any:
        """What stands in every input of a sweep, or None."""
        return None if plain(self.input) == {} else self.input

    @property
    def options(self) -> dict[str, Any]:
        """What all runs have in common."""
        return {
            "headers": self.headers or None,
            "timeout": self.given.timeout,
            "tags": self.tags or None,
        }


def run(
    given: Given, text: str, shell: InteractiveShell, namespace: Mapping[str, Any], connect: Callable[[], Session]
) -> Any:
    """Do what a cell asks for, and return its value.

    Args:
        given: its line.
        text: its body.
        shell: whose variables it may set.
        namespace: the variables that it may use.
        connect: gives the session.
    """
    order = _read(given, text, namespace)
    if given.code:
        return PythonCode(_code(order))
    if given.compare is not None:
        _check_runs(given, order.earlier)
    session = connect()
    if given.dry_run:
        return _preview(order, session, namespace)
    if given.sweep is not None:
        return _sweep(order, session, shell, namespace)
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
    return Order(given, value, headers, tags, namespace[given.compare] if given.compare is not None else None)


def _input(given: Given, text: str, namespace: Mapping[str, Any], kind: type[Template]) -> tuple[Any, dict[str, str]]:
    """Put the input together: -p over the body over --input."""
    headers: dict[str, str] = {}
    over: Any = {}
    if given.read_as == "request":
        over, headers = body.read_request(text, namespace, kind=kind)
    elif text.strip():
        over = body.read(text, namespace, given.read_as, kind=kind)
        if given.read_as == "python" and given.code:
            over = Code(code.standing_alone(text), over)
    if given.input is None:
        return _with_params(given, over, {}, namespace, kind), headers
    variable = namespace[given.input]
    value = to_json(variable, root=given.input)
    if over == {} and not given.params:
        return (Code(given.input, value) if given.code else value), headers
    if not isinstance(value, dict) or not isinstance(plain(over), dict):
        raise InputError("-i and a body or -p go together only where both are objects")
    # Of code, what stands beside a key that is set below is shown, and saved with the notebook.
    over = _with_params(given, over, masked(value) if given.code else value, namespace, kind)
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
    # What it holds is shown instead, and saved with the notebook.
    value = masked(value.value) if isinstance(value, Code) else value
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
    if given.sweep is None and isinstance(value, RunSet) and not len(value):
        raise InputError(f"--compare takes a run, or runs; {given.compare} holds none")


# --- a run ---------------------------------------------------------------------------------------


def _wait(order: Order, pending: PendingRun, shell: InteractiveShell, session: Session) -> Any:
    given = order.given
    place = None if given.quiet else Place(pending, shell)
    try:
        try:
            done = pending.wait(tick=place.tick if place is not None else None)
        except KeyboardInterrupt:
            done = pending.give_up()
            _keep(given, shell, done)
            raise RunInterrupted(describe_failure(done), done) from None
    except BaseException:
        if place is not None:
            place.end()
        raise
    _keep(given, shell, done)
    if place is not None:
        _learn(place, done, session)
    if not given.no_check and not done.ok:
        if place is not None:
            place.show(done)
            if given.compare is not None:
                display(_compared(order, done))  # type: ignore[no-untyped-call]
        done.raise_for_status()
    if place is None:
        return None
    try:
        value = _value(order, done)
    except BaseException:
        place.show(done)
        raise
    return place.becomes(value)


def _learn(place: Place, done: Run, session: Session) -> None:
    try:
        session.learn(done)
    except KeyboardInterrupt:  # the run has ended, so that nothing is lost but the cells that were to come
        place.show(done)
        raise RunInterrupted(f"{done.workflow}: {done.status}, and interrupted after that", done) from None


def _value(order: Order, done: Run | RunSet) -> Any:
    """Return what the cell gives."""
    show = order.given.show
    if order.given.compare is not None:
        return _compared(order, done)
    if show == "frame":
        return done.frame
    if show == "errors":
        return done.errors
    if show == "output":
        return done.output if isinstance(done, Run) else done.outputs
    return done


def _compared(order: Order, done: Run | RunSet) -> Any:
    earlier = order.earlier
    several = isinstance(earlier, RunSet) and isinstance(done, Run)
    return compare(*earlier, done) if several else compare(earlier, done)


def _keep(given: Given, shell: InteractiveShell, value: Any) -> None:
    if given.out is not None:
        shell.user_ns[given.out] = value


# --- a sweep -------------------------------------------------------------------------------------


def _sweep(order: Order, session: Session, shell: InteractiveShell, namespace: Mapping[str, Any]) -> Any:
    given = order.given
    job = session.plan_sweep(
        order.workflow,
        namespace[given.sweep or ""],
        base=order.base,
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
        message = f"{order.workflow}: the sweep was interrupted after {counted(len(runs), 'run')}"
        told = f"; {given.out} has them" if given.out is not None else ""
        raise SweepInterrupted(message + told, runs)
    return None if given.quiet else _value(order, runs)


def _sweep_options(order: Order) -> dict[str, Any]:
    concurrency = order.given.concurrency
    return order.options | ({} if concurrency is None else {"concurrency": concurrency})


# --- without a run -------------------------------------------------------------------------------


def _preview(order: Order, session: Session, namespace: Mapping[str, Any]) -> Preview:
    if order.given.sweep is None:
        return session.preview(order.workflow, order.input, **order.options)
    return session.preview(order.workflow, order.base, over=namespace[order.given.sweep], **order.options)


def _code(order: Order) -> str:
    given = order.given
    lines = []
    if given.profile is not None:
        lines.append(code.call("connect", profile=given.profile))
    name = f"{given.out} = " if given.out is not None else ""
    if given.sweep is not None:
        options = {"base": order.base} | _sweep_options(order) | {"background": given.background or None}
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
