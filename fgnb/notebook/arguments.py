"""The line after ``%fgworkflow``, read as the option table says."""

from __future__ import annotations

import keyword
import math
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from fgnb.errors import OptionError, did_you_mean
from fgnb.notebook.options import BY_FLAG, BY_NAME, EXAMPLE, Option

Pair = tuple[str, str]


@dataclass(slots=True)
class Given:
    """What a line says; an option that is not given has its neutral value. Pairs are (key, text), in order."""

    workflow: str | None = None
    input: str | None = None
    params: list[Pair] = field(default_factory=list)
    headers: list[Pair] = field(default_factory=list)
    out: str | None = None
    timeout: float | None = None
    tags: list[Pair] = field(default_factory=list)
    sweep: str | None = None
    concurrency: int | None = None
    background: bool = False
    no_check: bool = False
    quiet: bool = False
    show: str | None = None
    compare: str | None = None
    read_as: str | None = None
    profile: str | None = None
    dry_run: bool = False
    code: bool = False
    list: bool = False
    help: bool = False


def parse(line: str) -> Given:
    """Read the line; quoting is the shell's.

    Raises:
        OptionError: with the nearest correct option.
    """
    given = Given()
    seen: dict[str, str] = {}  # name -> flag
    for option, flag, text in _words(line):
        if option is None:
            if given.workflow is not None:
                raise OptionError(f"one workflow at a time: '{given.workflow}' or '{text}'? (options take a dash)")
            given.workflow = text
            continue
        if option.name in seen and not option.repeats:
            raise OptionError(f"{flag} is given twice")
        seen[option.name] = flag
        _set(given, option, flag, text)
    _check(given, seen)
    return given


def _set(given: Given, option: Option, flag: str, text: str) -> None:
    if option.takes == "nothing":
        setattr(given, option.name, True)
    elif option.takes == "pair":
        getattr(given, option.name).append(_pair(flag, text))
    elif option.takes == "seconds":
        setattr(given, option.name, _seconds(flag, text))
    elif option.takes == "count":
        setattr(given, option.name, _count(flag, text))
    elif option.takes == "choice":
        setattr(given, option.name, _choice(option, flag, text))
    elif option.takes in ("input", "inputs", "runs", "new"):
        setattr(given, option.name, _variable(flag, text))
    else:
        setattr(given, option.name, text)


def _check(given: Given, seen: dict[str, str]) -> None:
    if given.help:
        return
    for name, flag in seen.items():
        option = BY_NAME[name]
        if option.needs is not None and option.needs not in seen:
            raise OptionError(f"{flag} goes with {BY_NAME[option.needs].flags[-1]}")
        for other in option.without:
            if other in seen:
                raise OptionError(f"{flag} and {seen[other]} don't go together")
    if given.workflow is None and not given.list:
        raise OptionError(f"which workflow? For instance: {EXAMPLE}")
    if given.list and given.workflow is not None:
        raise OptionError("--list shows all workflows, and runs none")


def split(line: str) -> list[str]:
    """Return the words of a line; an expression outside of quotes belongs to one word, whatever it holds.

    Raises:
        OptionError: a quotation is not closed.
    """
    marked, expressions = _marked(line)
    try:
        words = shlex.split(marked)
    except ValueError as error:
        raise OptionError(f"{str(error).lower()} in: {line.strip()}") from None
    return [_MARK.sub(lambda found: expressions[int(found[1])], word) for word in words] if expressions else words


_MARK = re.compile("\ue000([0-9]+)\ue001")
_QUOTED = re.compile(r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.""")


def _marked(line: str) -> tuple[str, list[str]]:
    """Return a line with marks in the places of expressions outside of quotes, and these."""
    if "{{" not in line:
        return line, []
    from fgnb.notebook.template import end_of_expression  # with much that loading the extension does without

    parts: list[str] = []
    expressions: list[str] = []
    at = 0
    while at < len(line):
        quoted = _QUOTED.match(line, at)
        end = -1
        if quoted is not None:
            end = quoted.end()
        elif line.startswith("{{{{", at):
            end = at + 4
        elif line.startswith("{{", at) and (end := end_of_expression(line, at + 2)) >= 0:
            end += 2
            parts.append(f"\ue000{len(expressions)}\ue001")
            expressions.append(line[at:end])
            at = end
            continue
        end = max(end, at + 1)
        parts.append(line[at:end])
        at = end
    return "".join(parts), expressions


def _words(line: str) -> Iterator[tuple[Option | None, str, str]]:
    """Yield the line's options with the flag and the value of each, and its other words with no option."""
    waiting = iter(split(line))
    for word in waiting:
        if not word.startswith("-") or word == "-":
            yield None, "", word
            continue
        flag, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        option = BY_FLAG.get(flag)
        if option is None:
            raise OptionError(f"unknown option {flag}{did_you_mean(flag, BY_FLAG)}; -h lists all")
        if option.takes == "nothing":
            if equals:
                raise OptionError(f"{flag} takes no value, so '{word}' can't be read")
        elif not equals:
            value = next(waiting, "")
            if not value:
                raise OptionError(f"{flag} needs a value: {flag} {'|'.join(option.choices) or option.metavar}")
        yield option, flag, value


def _pair(flag: str, text: str) -> Pair:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise OptionError(f"{flag} takes KEY=VALUE, not '{text}'")
    return key, value


def _seconds(flag: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(f"{flag} takes a positive number of seconds, not '{text}'")
    return seconds


def _count(flag: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) > 0):
        raise OptionError(f"{flag} takes a positive whole number, not '{text}'")
    return int(text)


def _choice(option: Option, flag: str, text: str) -> str:
    if text not in option.choices:
        known = ", ".join(option.choices)
        raise OptionError(f"{flag} takes one of {known}, not '{text}'{did_you_mean(text, option.choices)}")
    return text


def _variable(flag: str, text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise OptionError(f"{flag} takes the name of a variable, not '{text}'")
    return text
