"""Tab completion of the line after ``%fgworkflow``: options, their values, workflows, profiles, variables.

Nothing here asks the network: workflows are those that the session knows by now. IPython calls its
interface provisional, so that it is touched here only, and a failure of ours completes nothing.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import GeneratorType
from typing import Any

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher
from IPython.core.interactiveshell import InteractiveShell

from fgnb.notebook.options import BY_FLAG, BY_NAME, OPTIONS, Option

_LINE = re.compile(r"(?P<head>\s*(?:[\w.\[\]'\", ]+=\s*)?(?P<mark>%{1,2})fgworkflow[ \t]+)")
_WORD = re.compile(r"(?:[^\s'\"\\]|\\.|'[^']*'|\"(?:[^\"\\]|\\.)*\")+")
_OWN = ("In", "Out", "exit", "quit", "open", "get_ipython")  # names that IPython puts among the user's

Candidates = Iterable[tuple[str, str]]
"""Texts with their types."""


def load(shell: InteractiveShell) -> None:
    """Have the shell complete the line."""

    @context_matcher(identifier="fgnb")  # type: ignore[untyped-decorator]  # IPython types it only in part
    def matcher(context: CompletionContext) -> SimpleMatcherResult:
        try:
            return _result(context, shell.user_ns)
        except Exception:  # whatever it is, others' completions go on
            return SimpleMatcherResult(completions=[])

    completer: Any = shell.Completer
    completer.custom_matchers.append(matcher)


def unload(shell: InteractiveShell) -> None:
    """Take it back."""
    completer: Any = shell.Completer
    completer.custom_matchers[:] = [
        each for each in completer.custom_matchers if getattr(each, "matcher_identifier", None) != "fgnb"
    ]


def _result(context: CompletionContext, namespace: Mapping[str, Any]) -> SimpleMatcherResult:
    line = _our_line(context)
    if line is None:
        return SimpleMatcherResult(completions=[])
    fragment, candidates = complete(line, namespace)
    found = [SimpleCompletion(text, type=kind) for text, kind in candidates if text.startswith(fragment)]
    # Others are kept away only by a result that is not empty: where there is nothing to say, what stands there is said.
    found = found or [SimpleCompletion(fragment, type="text")]
    return SimpleMatcherResult(completions=found, suppress=True, ordered=True, matched_fragment=fragment)


def _our_line(context: CompletionContext) -> str | None:
    """Return what stands between ``fgworkflow`` and the cursor, if the cursor is there."""
    found = _LINE.match(context.line_with_cursor)
    if found is None or context.cursor_position < found.end():
        return None
    before = context.full_text.split("\n")[: context.cursor_line]
    if found["mark"] == "%%" and (
        found["head"].strip() != "%%fgworkflow" or any(line.strip() and not line.startswith("%%") for line in before)
    ):
        return None  # a cell magic stands on the first line, alone, or below others such as %%time
    return context.text_until_cursor[found.end() :]


def complete(line: str, namespace: Mapping[str, Any]) -> tuple[str, Candidates]:
    """Return what may stand at the end of a line, and the part of it that is there already.

    Args:
        line: what stands before the cursor.
        namespace: the notebook's variables.
    """
    last = list(_WORD.finditer(line))[-1:]
    fragment = last[0][0] if last and last[0].end() == len(line) else ""
    before = line[: len(line) - len(fragment)]
    try:
        words = shlex.split(before)
    except ValueError:  # within a quotation
        return "", ()
    expecting, given, workflow = _read(words)
    if expecting is not None:
        return fragment, _values(expecting, namespace)
    flag, equals, value = fragment.partition("=")
    if flag.startswith("--") and equals:
        return value, _values(BY_FLAG.get(flag), namespace)
    short = BY_FLAG.get(fragment[:2])
    if len(fragment) > 2 and not fragment.startswith("--") and short is not None:
        return fragment[2:], _values(short, namespace)
    if not fragment.startswith("-") and not workflow and "list" not in given:
        return fragment, ((name, "workflow") for name in _workflows())
    return fragment, _flags(given)


def _read(words: list[str]) -> tuple[Option | None, set[str], bool]:
    """Return the option that waits for its value, the names of those given, and whether a workflow is named."""
    expecting: Option | None = None
    given: set[str] = set()
    workflow = False
    for word in words:
        if expecting is not None:
            expecting = None
        elif word.startswith("-"):
            flag, equals, _ = word.partition("=") if word.startswith("--") else (word[:2], word[2:], "")
            option = BY_FLAG.get(flag)
            if option is not None:
                given.add(option.name)
                expecting = option if option.takes != "nothing" and not equals else None
        else:
            workflow = True
    return expecting, given, workflow


def _flags(given: set[str]) -> Iterator[tuple[str, str]]:
    """Yield the flags that may still come: of each option the long one, of a short fragment the short ones, too."""
    left = [option for option in OPTIONS if option.repeats or option.name not in given]
    left = [option for option in left if option.needs is None or option.needs in given]
    out = {name for each in given for name in BY_NAME[each].without}
    left = [option for option in left if option.name not in out and not given.intersection(option.without)]
    yield from ((option.flags[-1], "option") for option in left)
    yield from ((option.flags[0], "option") for option in left if len(option.flags) > 1)


def _values(option: Option | None, namespace: Mapping[str, Any]) -> Candidates:
    if option is None:
        return ()
    if option.takes == "choice":
        return [(choice, "value") for choice in option.choices]
    if option.takes == "profile":
        from fgnb import profiles

        return [(name, "profile") for name in profiles.names()]
    fits = {"input": _is_input, "inputs": _is_inputs, "runs": _is_runs, "new": _is_runs}.get(option.takes)
    if fits is None:
        return ()
    own = ((name, value) for name, value in namespace.items() if not name.startswith("_") and name not in _OWN)
    return [(name, "variable") for name, value in sorted(own, key=lambda each: each[0]) if fits(value)]


def _workflows() -> list[str]:
    shortcuts = sys.modules.get("fgnb.shortcuts")  # before the first connection, nothing is known
    return shortcuts.known_workflows() if shortcuts is not None else []


def _is_runs(value: Any) -> bool:
    kinds = (("fgnb.runs.run", "Run"), ("fgnb.runs.runset", "RunSet"))
    return any(isinstance(value, getattr(sys.modules[name], kind)) for name, kind in kinds if name in sys.modules)


def _is_input(value: Any) -> bool:
    if isinstance(value, type) or _is_runs(value):
        return False
    return isinstance(value, (Mapping, list)) or dataclasses.is_dataclass(value) or _is_frame(value) or _is_model(value)


def _is_inputs(value: Any) -> bool:
    if isinstance(value, type):
        return False
    return isinstance(value, (Mapping, list, tuple, GeneratorType)) or _is_frame(value) or _is_runs(value)


def _is_frame(value: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series))


def _is_model(value: Any) -> bool:
    return callable(getattr(type(value), "model_dump", None))
