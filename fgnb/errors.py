"""The exception tree: what happened, where, and what to do next.

FgnbError
├── ConfigError               a setting is missing or wrong
├── InputError                what the user wrote can't be sent (also a ValueError)
│   ├── SyntaxProblem         a text is not JSON or YAML
│   └── OptionError           a cell's or a command's option is wrong
├── DefinitionError           a workflow definition is invalid (also a ValueError)
├── WorkflowNotFound          no workflow of that name or id (also a LookupError)
├── HistoryError              the history can't be read, or can't promise what it has to
├── SweepStopped              a sweep could not go on; carries what was done as ``.runs``
├── ServiceError              the service refused a call, or its answer can't be trusted
│   ├── ConnectionFailed      the connection never came up: nothing was sent
│   ├── AnswerLost            it was sent, but no trustworthy answer came
│   ├── InvalidRequest        400 and its like
│   ├── AuthenticationFailed  401
│   │   ├── SignatureRejected
│   │   ├── ClockSkewed
│   │   ├── AccessKeyUnknown
│   │   ├── AccessKeyLocked
│   │   └── TokenRejected
│   ├── PermissionDenied      403
│   ├── ResourceNotFound      404
│   ├── RequestTooLarge       413, 414, 494
│   ├── RateLimited           429, and overload by its code
│   └── ServerFault           5xx
│       ├── ServiceUnavailable    502, 503
│       └── GatewayTimeout        504
└── RunError                  a run that did not succeed; carries it as ``.run``
    ├── WorkflowFailed
    ├── WorkflowTimedOut
    ├── RequestRejected
    ├── NotSent
    ├── OutcomeUnknown
    └── RunCancelled
RunInterrupted                a KeyboardInterrupt that carries the run it interrupted
SweepInterrupted              the same of a cell's sweep, with its ``.runs``

With ``check=True``, the default, a run raises unless its status is ``success``. Where the service refused it, the
exception is also of the class of the reason, with ``.status``, ``.code``, ``.request_id`` and ``.hint``:
``except fgnb.RateLimited`` works for a run as for `fgnb.workflows`.

FgnbWarning                   (a UserWarning)
├── ConfigWarning             a setting was passed over: it is not known, or lacks another one
├── HistoryWarning            runs are not recorded
└── SecurityWarning           a secret, or what is sent, is less safe than it should be
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from fgnb.counted import counted
from fgnb.visible import visible

if TYPE_CHECKING:
    from fgnb.runs.run import Run
    from fgnb.runs.runset import RunSet

MAX_LINES = 15
MAX_WIDTH = 400


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` most likely stands for, or None."""
    candidates = list(known)
    by_fold = {candidate.casefold(): candidate for candidate in reversed(candidates)}
    found = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def did_you_mean(word: str, known: Iterable[str], *, form: str = "{}") -> str:
    """Return ``"; did you mean X?"`` with X written as `form` says, or an empty text."""
    found = nearest(word, known)
    return f"; did you mean {form.format(found)}?" if found else ""


class _ShortTraceback:
    """Shows an exception in a notebook as a few lines instead of a traceback.

    IPython prints what ``_render_traceback_`` returns and still sends a proper ``error`` output,
    so that "Run all", nbclient and papermill stop.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # As it is: an exception's constructor may take other arguments than those it keeps.
        assert isinstance(self, BaseException)  # noqa: S101  # for the type checker
        kind = type(self)
        parts = kind.__bases__ if kind.__dict__.get("of_two") else (kind,)
        return _restored, (parts, self.args, self.__dict__)

    def _render_traceback_(self) -> list[str]:
        lines = visible(f"{type(self).__name__}: {self}").splitlines()
        if len(lines) > MAX_LINES:
            lines = [*lines[: MAX_LINES - 1], f"… {counted(len(lines) - MAX_LINES + 1, 'more line')}"]
        return [line if len(line) <= MAX_WIDTH else line[: MAX_WIDTH - 1] + "…" for line in lines]


def _restored(parts: tuple[type[Any], ...], args: tuple[Any, ...], state: dict[str, Any]) -> BaseException:
    """Make a pickled exception again."""
    kind = parts[0] if len(parts) == 1 else both(*parts)
    error: BaseException = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class FgnbError(_ShortTraceback, Exception):
    """Base of every exception that fgnb raises on purpose."""


class ConfigError(FgnbError):
    """A setting is missing or wrong; the message says which and where it came from."""


class InputError(FgnbError, ValueError):
    """What the user wrote can't be sent: `path` is the place in the value, e.g. ``order.qty``."""

    def __init__(self, message: str, *, path: str | None = None) -> None:
        self.message = message
        self.path = path
        super().__init__(f"{message} (at {path})" if path else message)


class SyntaxProblem(InputError):
    """A text is not what it should be: `reason` says why.

    `line` and `column` count from 1, `source` is the text.
    """

    def __init__(self, message: str, *, source: str, line: int, column: int) -> None:
        lines = source.split("\n")  # as lines are counted; splitlines() knows further ends
        if line >= len(lines) and not lines[-1].strip():
            # What is missing at the end is missing after the last thing that stands there.
            lines = source.rstrip().split("\n")
            line, column = len(lines), len(lines[-1]) + 1
        self.reason = message
        self.source = source
        self.line = line
        self.column = column
        super().__init__(f"{message} (line {line}, column {column}){self._excerpt()}")

    def _excerpt(self) -> str:
        lines = self.source.split("\n")  # as lines are counted; splitlines() knows further ends
        if not 1 <= self.line <= len(lines):
            return ""
        text, at = lines[self.line - 1], self.column - 1
        start = max(0, at - 50)
        shown = text[start : start + 76].rstrip("\r").replace("\t", " ")
        cells = sum(2 if east_asian_width(char) in "WF" else 1 for char in shown[: at - start])
        return f"\n    {shown}\n    {' ' * (cells + max(0, at - start - len(shown)))}^"


class OptionError(InputError):
    """A cell's or a command's option is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition.

    `path` is a JSONPath into the definition (``$.states[0].transition``), `state` the id of the
    state it belongs to, if any.
    """

    path: str
    message: str
    state: str | None = None

    def __str__(self) -> str:
        where = f"state '{self.state}', {self.path}" if self.state is not None else self.path
        return f"{where}: {self.message}"


class DefinitionError(FgnbError, ValueError):
    """A workflow definition is invalid; `problems` holds every single one found."""

    def __init__(self, problems: Sequence[Problem], *, name: str | None = None) -> None:
        self.problems = tuple(problems)
        self.name = name
        title = f"workflow '{name}'" if name else "the workflow definition"
        lines = [f"{title} has {counted(len(self.problems), 'problem')}", *(f"  {problem}" for problem in problems)]
        super().__init__("\n".join(lines))


class WorkflowNotFound(FgnbError, LookupError):
    """No workflow has this name or id; `known` holds the names that exist."""

    def __init__(self, workflow: str, known: Sequence[str] = ()) -> None:
        self.workflow = workflow
        self.known = tuple(known)
        hint = did_you_mean(workflow, known, form="'{}'")
        if not known:
            exist = "\nThere are no workflows yet: create one with fgnb.deploy(file)."
        else:
            names = ", ".join(sorted(known)[:10])
            exist = f"\nKnown workflows: {names}{', …' if len(known) > 10 else ''}"
        super().__init__(f"no workflow is called '{workflow}'{hint}{exist}")


class HistoryError(FgnbError):
    """The history can't be read, or can't promise that nothing is sent twice; its file is kept as it is."""


class SweepStopped(FgnbError):
    """A sweep could not go on: an input, the credentials or the history; ``.runs`` holds what was done.

    It is raised from the error that stopped it. What is not in `runs` was not sent.
    """

    def __init__(self, message: str, runs: RunSet) -> None:
        self.runs = runs
        super().__init__(message)


class ServiceError(FgnbError):
    """A call was refused, or its answer can't be trusted.

    `status` is the HTTP status, `code` and `message` the service's own words (e.g. ``FGS.3002``),
    `request_id` what the service's support asks for, `hint` what to do about it; each is None where
    there was none.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.status = status
        self.code = code
        self.request_id = request_id
        self.hint = hint
        head = " ".join(str(part) for part in (status, code) if part is not None)
        lines = [f"{head}: {message}" if head else message]
        if request_id:
            lines.append(f"request id: {request_id}")
        if hint:
            lines.append(hint)
        super().__init__("\n".join(lines))


class ConnectionFailed(ServiceError):
    """The connection never came up: nothing was sent, so sending again is safe."""


class AnswerLost(ServiceError):
    """The request was sent, but no trustworthy answer came: it may have taken effect."""


class InvalidRequest(ServiceError):
    """The service says that the request is wrong."""


class AuthenticationFailed(ServiceError):
    """The service does not know who is asking."""


class SignatureRejected(AuthenticationFailed):
    """The gateway computes another signature: the secret key is wrong, or what was signed changed on its way."""


class ClockSkewed(AuthenticationFailed):
    """The signature's time is more than 15 minutes from the gateway's."""


class AccessKeyUnknown(AuthenticationFailed):
    """The gateway does not know the access key."""


class AccessKeyLocked(AuthenticationFailed):
    """Too many wrong signatures in a row: the access key is locked for 5 minutes."""


class TokenRejected(AuthenticationFailed):
    """The IAM token is broken, of another region, or has expired."""


class PermissionDenied(ServiceError):
    """Who is asking may not do this."""


class ResourceNotFound(ServiceError):
    """There is no such thing, or no such API at this endpoint."""


class RequestTooLarge(ServiceError):
    """The request has more bytes than the gateway lets pass."""


class RateLimited(ServiceError):
    """Too many requests: nothing ran, so sending again later is safe."""


class ServerFault(ServiceError):
    """The service or the gateway failed."""


class ServiceUnavailable(ServerFault):
    """The service can't be reached from the gateway, or has no room."""


class GatewayTimeout(ServerFault):
    """The gateway gave up waiting for the service, which may go on."""


class RunError(FgnbError):
    """A run that did not succeed; it is complete in ``.run``."""

    def __init__(self, message: str, run: Run) -> None:
        self.run = run
        Exception.__init__(self, message)  # beside `ServiceError`, whose attributes are set by `refused`


def refused(
    kind: type[RunError], reason: type[ServiceError], message: str, run: Run, hint: str | None = None
) -> RunError:
    """Return the exception for a run of which no result came: of both classes, with the attributes of both.

    `hint` is what to do next if the service said nothing about it.
    """
    error: RunError = both(kind, reason)(message, run)
    said = {"message": run.reason, "status": run.http_status, "code": run.error_code}
    vars(error).update(said, request_id=run.request_id, hint=run.hint or hint)
    return error


def both(kind: type[Any], reason: type[Any]) -> type[Any]:
    """Return the class of exceptions that are of two; the same one each time."""
    if (kind, reason) not in _of_two:
        members = {"__module__": __name__, "__doc__": kind.__doc__, "of_two": True}
        _of_two[kind, reason] = type(kind.__name__, (kind, reason), members)
    return _of_two[kind, reason]


_of_two: dict[tuple[type[Any], type[Any]], type[Any]] = {}


class WorkflowFailed(RunError):
    """The workflow ran and one of its nodes failed."""


class WorkflowTimedOut(RunError):
    """The workflow ran longer than the service allows."""


class RequestRejected(RunError):
    """The service refused the request: nothing ran."""


class NotSent(RunError):
    """The connection never came up: nothing ran."""


class OutcomeUnknown(RunError):
    """The request was sent but no trustworthy answer came: the workflow may have run."""


class RunCancelled(RunError):
    """The run was cancelled before it was sent: nothing ran."""


class RunInterrupted(_ShortTraceback, KeyboardInterrupt):
    """The user interrupted a run; ``.run`` holds what is known of it."""

    def __init__(self, message: str, run: Run) -> None:
        self.run = run
        super().__init__(message)


class SweepInterrupted(_ShortTraceback, KeyboardInterrupt):
    """The user interrupted a cell's sweep; ``.runs`` holds those that there are."""

    def __init__(self, message: str, runs: RunSet) -> None:
        self.runs = runs
        super().__init__(message)


class FgnbWarning(UserWarning):
    """Base of every warning that fgnb gives."""


class ConfigWarning(FgnbWarning):
    """A setting was passed over: it is not known, or lacks another one."""


class HistoryWarning(FgnbWarning):
    """Runs are not recorded in the history; they go on."""


class SecurityWarning(FgnbWarning):
    """A secret, or what is sent, is less safe than it should be."""
