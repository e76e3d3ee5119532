"""The options of ``%fgworkflow``: the one table behind the parser, the help, the completion and the documentation."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Literal

WIDTH = 100  # columns of the help
EXAMPLE = "%%fgworkflow order-triage -o run"
SHOWN = ("card", "frame", "output", "errors")
FORMS = ("json", "yaml", "python", "request")

Takes = Literal["nothing", "input", "inputs", "runs", "new", "text", "pair", "seconds", "count", "choice", "profile"]
"""What an option's value is: a variable (with an input, with inputs of a sweep, with runs, or one that is
made), ``key=value``, a number, one of `Option.choices`, the name of a profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """An option; `metavar` stands for its value in the help.

    Attributes:
        name: the attribute of `fgnb.notebook.arguments.Given` that it sets.
        flags: how it is written, the short way first.
        help: what it does, in a line.
        takes: what its value is.
        choices: the values there are, if they are few.
        repeats: whether it may be given more than once.
        needs: the option without which it means nothing.
        without: options that contradict it.
    """

    name: str
    flags: tuple[str, ...]
    help: str
    takes: Takes = "nothing"
    metavar: str = ""
    choices: tuple[str, ...] = ()
    repeats: bool = False
    needs: str | None = None
    without: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """The flags with what stands for the value."""
        value = "|".join(self.choices) or self.metavar
        return ", ".join(self.flags) + (f" {value}" if value else "")


OPTIONS = (
    Option(
        name="input", flags=("-i", "--input"), takes="input", metavar="VAR",
        help="variable that holds the input; the body's keys go over it",
    ),
    Option(
        name="params", flags=("-p", "--param"), takes="pair", metavar="KEY=VALUE", repeats=True,
        help="set one key, over body and input: -p qty=3, -p customer.id=7; VALUE is JSON, {{ expression }}, or text",
    ),
    Option(
        name="headers", flags=("-H", "--header"), takes="pair", metavar="KEY=VALUE", repeats=True,
        help="hand a header to the workflow's functions; VALUE is text, or {{ expression }}",
    ),
    Option(
        name="out", flags=("-o", "--out"), takes="new", metavar="VAR",
        help="variable that gets the run, whether it succeeds or not",
    ),
    Option(
        name="timeout", flags=("-t", "--timeout"), takes="seconds", metavar="SECONDS",
        help="seconds to wait for the answer (310)",
    ),
    Option(
        name="tags", flags=("--tag",), takes="pair", metavar="KEY=VALUE", repeats=True,
        help="what to call the run: column tags.KEY of its frame",
    ),
    Option(
        name="sweep", flags=("--sweep",), takes="inputs", metavar="VAR", without=("input",),
        help="variable with what to run over: a dict of lists (a grid), a DataFrame, a list of inputs, runs",
    ),
    Option(
        name="concurrency", flags=("-c", "--concurrency"), takes="count", metavar="N", needs="sweep",
        help="runs of the sweep at once (32)",
    ),
    Option(
        name="background", flags=("--background",), without=("compare", "show"),
        help="don't wait: the value is a handle with .wait() and .cancel(), which shows how far it is",
    ),
    Option(name="no_check", flags=("--no-check",), help="a run that fails does not fail the cell"),
    Option(
        name="quiet", flags=("-q", "--quiet"), without=("show",),
        help="show nothing; the run goes to -o's variable only",
    ),
    Option(
        name="show", flags=("--show",), takes="choice", choices=SHOWN,
        help="what the cell gives: the run itself, its frame, its output, or its node errors",
    ),
    Option(
        name="compare", flags=("--compare",), takes="runs", metavar="VAR",
        help="give what differs from an earlier run, or of a sweep from earlier runs, in this variable",
    ),
    Option(
        name="read_as", flags=("--as",), takes="choice", choices=FORMS,
        help="how the body is read (JSON or YAML): python is one expression, request the API's {headers, input}",
    ),
    Option(
        name="profile", flags=("--profile",), takes="profile", metavar="NAME",
        help="run it where this profile of fgnb.toml says, this time",
    ),
    Option(
        name="dry_run", flags=("--dry-run",), without=("background", "compare", "show"),
        help="show what would be sent, secrets masked, and send nothing",
    ),
    Option(
        name="code", flags=("--code",), without=("dry_run", "compare", "show"),
        help="show the equal Python call, and run nothing",
    ),
    Option(name="list", flags=("--list",), help="list the workflows, as a DataFrame"),
    Option(name="help", flags=("-h", "--help"), help="show this help, and run nothing"),
)  # fmt: skip
BY_FLAG = {flag: option for option in OPTIONS for flag in option.flags}
BY_NAME = {option.name: option for option in OPTIONS}

_USES = (
    ("%%fgworkflow WORKFLOW [options]", "the cell below is the input: JSON or YAML"),
    ("%fgworkflow WORKFLOW [options]", "without a body"),
)
_BODY = (
    "In the body, {{ expression }} puts in a value of the notebook: typed where it stands alone,",
    "as text inside quotes. A literal {{ is written {{{{. Precedence: -p over the body over -i.",
    "Set once for all cells: %config FgMagics.show = 'output' (%config FgMagics lists what there is).",
)


def help_text() -> str:
    """Return the help, made of the table."""
    width = max(len(option.usage) for option in OPTIONS)
    lines = [f"{use:<34}{meaning}" for use, meaning in _USES] + [""]
    for option in OPTIONS:
        first, *rest = textwrap.wrap(option.help, WIDTH - width - 4, break_long_words=False)
        lines.append(f"  {option.usage:<{width}}  {first}")
        lines += [" " * (width + 4) + line for line in rest]
    return "\n".join([*lines, "", *_BODY])


def markdown() -> str:
    """Return the table as the README shows it."""
    rows = [(f"`{option.usage}`".replace("|", "\\|"), option.help.replace("|", "\\|")) for option in OPTIONS]
    return "\n".join(["| option | |", "|---|---|", *(f"| {usage} | {text} |" for usage, text in rows)])
