"""The options of ``%fgworkflow``: one table for the parser, the help and the hints."""

from __future__ import annotations

import keyword
import math
import shlex
from dataclasses import dataclass, field

from fgnb.errors import OptionError, did_you_mean

EXAMPLE = "%%fgworkflow order-triage -o run"


@dataclass(frozen=True, slots=True)
class Option:
    """An option; one without a `metavar` takes no value."""

    name: str
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    repeats: bool = False


OPTIONS = (
    Option("input", ("-i", "--input"), "variable that holds the input; the body's keys go over it", "VAR"),
    Option(
        "param",
        ("-p", "--param"),
        "set one key, over body and input: -p qty=3, -p customer.id=7; VALUE is JSON, {{ expression }}, or text",
        "KEY=VALUE",
        repeats=True,
    ),
    Option("out", ("-o", "--out"), "variable that gets the run, whether it succeeds or not", "VAR"),
    Option("timeout", ("-t", "--timeout"), "seconds to wait for the answer (310)", "SECONDS"),
    Option("quiet", ("-q", "--quiet"), "show nothing; the run goes to -o's variable only"),
    Option("no_check", ("--no-check",), "a run that fails does not fail the cell"),
    Option("help", ("-h", "--help"), "show this help and run nothing"),
)
_BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}


@dataclass(slots=True)
class Given:
    """What a line says; `params` are (path, text) pairs in order."""

    workflow: str | None = None
    input: str | None = None
    params: list[tuple[str, str]] = field(default_factory=list)
    out: str | None = None
    timeout: float | None = None
    quiet: bool = False
    check: bool = True
    help: bool = False


def parse(line: str) -> Given:
    """Read the line after ``%fgworkflow``; quoting is the shell's.

    Raises:
        OptionError: with the nearest correct option.
    """
    given = Given()
    for option, value in _words(line):
        if option is None:
            if given.workflow is not None:
                hint = (
                    "put a value with blanks in quotes: -p 'k={{ a + b }}'" if "{{" in line else "options take a dash"
                )
                raise OptionError(f"one workflow at a time: '{given.workflow}' or '{value}'? ({hint})")
            given.workflow = value
        elif option.name == "param":
            given.params.append(_pair(value))
        elif option.name == "timeout":
            given.timeout = _seconds(value)
        elif option.name in ("input", "out"):
            setattr(given, option.name, _variable(option, value))
        elif option.name == "no_check":
            given.check = False
        else:
            setattr(given, option.name, True)
    if given.workflow is None and not given.help:
        raise OptionError(f"which workflow? For instance: {EXAMPLE}")
    return given


def _words(line: str) -> list[tuple[Option | None, str]]:
    """Return the line's options with their values, and its other words with no option."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise OptionError(f"{str(error).lower()} in: {line.strip()}") from None
    found: list[tuple[Option | None, str]] = []
    seen: set[str] = set()
    waiting = iter(words)
    for word in waiting:
        if not word.startswith("-") or word == "-":
            found.append((None, word))
            continue
        flag, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        option = _BY_FLAG.get(flag)
        if option is None:
            raise OptionError(f"unknown option {flag}{did_you_mean(flag, _BY_FLAG)}; -h lists all")
        if option.metavar is None:
            if equals:
                raise OptionError(f"{flag} takes no value, so '{word}' can't be read")
        elif not equals:
            value = next(waiting, "")
            if not value:
                raise OptionError(f"{flag} needs a value: {flag} {option.metavar}")
        if option.name in seen and not option.repeats:
            raise OptionError(f"{flag} is given twice")
        seen.add(option.name)
        found.append((option, value))
    return found


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise OptionError(f"-p takes KEY=VALUE, not '{text}'")
    return key, value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise OptionError(f"-t takes a positive number of seconds, not '{text}'")
    return seconds


def _variable(option: Option, text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise OptionError(f"{option.flags[0]} takes the name of a variable, not '{text}'")
    return text


def help_text() -> str:
    """Return the help, made of the table."""
    rows = [
        (", ".join(option.flags) + (f" {option.metavar}" if option.metavar else ""), option.help) for option in OPTIONS
    ]
    width = max(len(row[0]) for row in rows)
    lines = [
        "%%fgworkflow WORKFLOW [options]      the cell below is the input: JSON or YAML",
        "%fgworkflow WORKFLOW [options]       without a body",
        "",
        *(f"  {flags:<{width}}  {text}" for flags, text in rows),
        "",
        "In the body, {{ expression }} puts in a value of the notebook: typed where it stands alone,",
        "as text inside quotes. A literal {{ is written {{{{.",
    ]
    return "\n".join(lines)
