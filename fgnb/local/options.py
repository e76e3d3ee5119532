"""What the service's documents leave open: one option for each point, with the default chosen here.

The defaults are what fgnb takes for the likeliest behaviour of the cloud; the other values are there
to see whether a workflow depends on one of them. ``Service(options=Options(...))`` and
``fgnb serve --option NAME=VALUE`` set them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from fgnb.errors import ConfigError, did_you_mean


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the embedded service behaves where the documents are silent or contradict each other.

    Raises:
        ConfigError: a value that an option does not have.

    >>> import fgnb
    >>> session = fgnb.connect("local", options=fgnb.Options(unresolved="null"))
    """

    sequential_input: Annotated[
        Literal["previous", "state"],
        Meta(
            description=(
                "What an action after the first reads in a sequence: the output of the one before, or the"
                " state's input."
            )
        ),
    ] = "previous"

    parallel_output: Annotated[
        Literal["object", "list"],
        Meta(description='Output of parallel actions: ``{"result": [outputs in action order]}``, or the bare list.'),
    ] = "object"

    branch_results: Annotated[
        Literal["list", "object"],
        Meta(
            description=(
                "A Parallel state's results: in branch order, or by branch name. Branches that were cancelled are null."
            )
        ),
    ] = "list"

    unresolved: Annotated[
        Literal["omit", "null", "fail"],
        Meta(
            description=(
                "An argument whose path leads nowhere and that has no default: left out, null, or the state fails."
            )
        ),
    ] = "omit"

    empty_arguments: Annotated[
        Literal["input", "empty"],
        Meta(description="The event of a call whose ``arguments`` are empty: the whole filtered input, or ``{}``."),
    ] = "input"

    argument_scope: Annotated[
        Literal["both", "state"],
        Meta(
            description=(
                "Where ``$`` of an argument looks: the state's filtered input, then the execution's "
                "input; or only the first."
            )
        ),
    ] = "both"

    constants_clash: Annotated[
        Literal["input", "constants"],
        Meta(
            description=(
                "What ``$.constants`` means where the input has a member of that name. (``$CONST`` is never in doubt.)"
            )
        ),
    ] = "input"

    headers: Annotated[
        Literal["context", "none"],
        Meta(
            description=(
                "Whether functions see a run's headers, as ``context.headers``; they are never mixed into the event."
            )
        ),
    ] = "context"

    empty_error: Annotated[
        Literal["every", "none"],
        Meta(description="What an ``on_errors`` entry with an empty ``error`` handles: every failure, or nothing."),
    ] = "every"

    error_order: Annotated[
        Literal["first", "last"],
        Meta(description="Which of several ``on_errors`` entries that match counts."),
    ] = "first"

    max_attempts: Annotated[
        Literal["retries", "calls"],
        Meta(description="What ``max_attempts`` counts: the retries after the first call, or all calls."),
    ] = "retries"

    timeout_errors: Annotated[
        bool,
        Meta(description="Whether an execution that ends as ``timeout`` has an error for each state still running."),
    ] = True

    error_message: Annotated[
        Literal["object", "text"],
        Meta(description="A node error's message: the failure object as JSON text, or only its ``errorMessage``."),
    ] = "object"

    handled_errors: Annotated[
        bool,
        Meta(
            description=(
                "Whether failures that were retried or caught stand in ``errors`` of an execution that failed, too."
            )
        ),
    ] = False

    normal_on_sync: Annotated[
        Literal["refuse", "run"],
        Meta(
            description=(
                "A NORMAL workflow on the synchronous endpoint: 400 ``FGS.3002``, or run as if it were EXPRESS."
            )
        ),
    ] = "refuse"

    merge_parameters: Annotated[
        bool,
        Meta(
            description=(
                "Whether a state's output is merged into its input (shallow, the output wins) for the next state."
            )
        ),
    ] = False

    switch_no_match: Annotated[
        Literal["fail", "end"],
        Meta(
            description=(
                "A Switch without a true condition and without a default: the state fails, or the workflow ends there."
            )
        ),
    ] = "fail"

    missing_in_condition: Annotated[
        Literal["false", "fail"],
        Meta(
            description=(
                "A path in a Switch's condition that leads nowhere: compares as false (``!=`` as true), "
                "or the state fails."
            )
        ),
    ] = "false"

    end_and_transition: Annotated[
        Literal["end", "refuse"],
        Meta(description=("A state with ``end: true`` and a transition: it ends the way, or is refused at save time.")),
    ] = "end"

    interval: Annotated[
        Literal["starts", "ends"],
        Meta(
            description=(
                "What a loop's ``interval`` lies between: the starts of two iterations, or one's end and "
                "the next one's start."
            )
        ),
    ] = "starts"

    max_depth: Annotated[
        int, Meta(ge=1, le=100, description="Levels of sub-flows below an execution; one more fails its state.")
    ] = 8

    output: Annotated[
        Literal["any", "object"],
        Meta(
            description=(
                "What an execution may give: any JSON value, or only an object; all else fails the last state."
            )
        ),
    ] = "any"

    response_keys: Annotated[
        Literal["all", "documented"],
        Meta(
            description=(
                "Keys of a synchronous answer: always all six, or ``output`` only on success and "
                "``errors`` only otherwise."
            )
        ),
    ] = "all"

    express_history: Annotated[
        bool,
        Meta(description="Whether asynchronous executions of EXPRESS workflows are still shown after their end."),
    ] = False

    def __post_init__(self) -> None:
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            try:
                msgspec.convert(value, field.type)
            except msgspec.ValidationError as error:
                choices = _choices(field.type)
                hint = f"; it may be {', '.join(choices)}" if choices else f": {error}"
                raise ConfigError(f"the option {field.name} can't be {value!r}{hint}") from None


def _choices(kind: Any) -> list[str]:
    return [str(word) for part in get_args(kind) if get_origin(part) is Literal for word in get_args(part)]


def _described() -> str:
    """Return what each option means, for ``help(fgnb.Options)``."""
    told = []
    for field in msgspec.structs.fields(Options):
        meaning = next(part.description for part in get_args(field.type) if isinstance(part, Meta))
        choices = " | ".join(_choices(field.type))
        told.append(f"    {field.name} = {field.default!r}{f'  ({choices})' if choices else ''}\n        {meaning}")
    return "\n".join(["    Options:", "", *told])


Options.__doc__ = f"{(Options.__doc__ or '').rstrip()}\n\n{_described()}\n"

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
