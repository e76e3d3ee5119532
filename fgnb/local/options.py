"""What the service's documents leave open: one option for each point, with the default chosen here.

The defaults are what fgnb takes for the likeliest behaviour of the cloud; the other values are there
to see whether a workflow depends on one of them. ``Service(options=Options(...))`` and
``fgnb serve --option NAME=VALUE`` set them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from fgnb.errors import ConfigError, did_you_mean


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the embedded service behaves where the documents are silent or contradict each other."""

    sequential_input: Literal["previous", "state"] = "previous"
    """What an action after the first reads in a sequence: the output of the one before, or the state's input."""

    parallel_output: Literal["object", "list"] = "object"
    """Output of parallel actions: ``{"result": [outputs in action order]}``, or the bare list."""

    branch_results: Literal["list", "object"] = "list"
    """A Parallel state's results: in branch order, or by branch name. Branches that were cancelled are null."""

    unresolved: Literal["omit", "null", "fail"] = "omit"
    """An argument whose path leads nowhere and that has no default: left out, null, or the state fails."""

    empty_arguments: Literal["input", "empty"] = "input"
    """The event of a call whose ``arguments`` are empty: the whole filtered input, or ``{}``."""

    argument_scope: Literal["both", "state"] = "both"
    """Where ``$`` of an argument looks: the state's filtered input, then the execution's input; or only the first."""

    constants_clash: Literal["input", "constants"] = "input"
    """What ``$.constants`` means where the input has a member of that name. (``$CONST`` is never in doubt.)"""

    headers: Literal["context", "none"] = "context"
    """Whether functions see a run's headers, as ``context.headers``; they are never mixed into the event."""

    empty_error: Literal["every", "none"] = "every"
    """What an ``on_errors`` entry with an empty ``error`` handles: every failure, or nothing."""

    error_order: Literal["first", "last"] = "first"
    """Which of several ``on_errors`` entries that match counts."""

    max_attempts: Literal["retries", "calls"] = "retries"
    """What ``max_attempts`` counts: the retries after the first call, or all calls."""

    timeout_errors: bool = True
    """Whether an execution that ends as ``timeout`` has an error for each state still running."""

    error_message: Literal["object", "text"] = "object"
    """A node error's message: the failure object as JSON text, or only its ``errorMessage``."""

    handled_errors: bool = False
    """Whether failures that were retried or caught stand in ``errors`` of an execution that failed, too."""

    normal_on_sync: Literal["refuse", "run"] = "refuse"
    """A NORMAL workflow on the synchronous endpoint: 400 ``FGS.3002``, or run as if it were EXPRESS."""

    merge_parameters: bool = False
    """Whether a state's output is merged into its input (shallow, the output wins) for the next state."""

    switch_no_match: Literal["fail", "end"] = "fail"
    """A Switch without a true condition and without a default: the state fails, or the workflow ends there."""

    missing_in_condition: Literal["false", "fail"] = "false"
    """A path in a Switch's condition that leads nowhere: compares as false (``!=`` as true), or the state fails."""

    end_and_transition: Literal["end", "refuse"] = "end"
    """A state with ``end: true`` and a transition: it ends the way, or is refused at save time."""

    interval: Literal["starts", "ends"] = "starts"
    """What a loop's ``interval`` lies between: the starts of two iterations, or one's end and the next one's start."""

    max_depth: Annotated[int, Meta(ge=1, le=100)] = 8
    """Levels of sub-flows below an execution; one more fails its state."""

    output: Literal["any", "object"] = "any"
    """What an execution may give: any JSON value, or only an object; all else fails the last state."""

    response_keys: Literal["all", "documented"] = "all"
    """Keys of a synchronous answer: always all six, or ``output`` only on success and ``errors`` only otherwise."""

    express_history: bool = False
    """Whether asynchronous executions of EXPRESS workflows are still shown after their end."""


DEFAULTS = Options()


def read_options(written: Mapping[str, str]) -> Options:
    """Return options as they are written on a command line.

    Raises:
        ConfigError: an unknown name, or a value that the option does not have.
    """
    for name in written:
        if name not in Options.__struct_fields__:
            hint = did_you_mean(name, Options.__struct_fields__)
            raise ConfigError(
                f"there is no option '{name}'{hint or '; known: ' + ', '.join(Options.__struct_fields__)}"
            )
    try:
        return msgspec.convert(dict(written), Options, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"wrong option: {error}") from None
