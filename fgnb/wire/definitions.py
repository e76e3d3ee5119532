"""A workflow definition, field by field; page 06_1004, and the local dialect for unpublished kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from fgnb.wire.exchange import NAME_PATTERN, TEXT_PATTERN

FlowName = Annotated[str, Meta(min_length=1, max_length=64, pattern=NAME_PATTERN)]
LongName = Annotated[str, Meta(min_length=1, max_length=256, pattern=NAME_PATTERN)]
Text64 = Annotated[str, Meta(max_length=64)]
Text256 = Annotated[str, Meta(max_length=256)]
ActionMode = Literal["sequential", "parallel", ""] | None


class FunctionEntry(Struct, frozen=True, kw_only=True):
    """A function the workflow may call: actions refer to `name`, `operation` is its URN."""

    name: Text256
    operation: Text256
    metadata: dict[str, Any] | None = None

    @property
    def urn_name(self) -> str:
        """The function's own name: the name segment of the URN, else `name`."""
        parts = self.operation.split(":")
        # urn:fss:<region>:<project>:function:<package>:<name>:<version>; the official examples also
        # have short forms without "function:<package>" and without the version; a word is a name
        place = 6 if len(parts) >= 7 else 0 if len(parts) == 1 else 4
        return (parts[place] if len(parts) > place else "") or self.name


class FunctionRef(Struct, frozen=True, kw_only=True):
    """Which function an action calls, and the template of its arguments."""

    ref_name: Text256
    arguments: dict[str, Any]
    invoke_mode: Literal["synchronize"] | None = None


class Action(Struct, frozen=True, kw_only=True):
    """One call. ``invoke_mode`` stands here in an official example, in `function_ref` by schema."""

    function_ref: FunctionRef
    invoke_mode: Literal["synchronize"] | None = None


class StateDataFilter(Struct, frozen=True, kw_only=True):
    """JSONPaths over what comes into a state and what leaves it; ``""`` and ``"$"`` mean all."""

    input: Text256 = ""
    output: Text256 = ""


class OnError(Struct, frozen=True, kw_only=True):
    """What follows a failure that matches `error`."""

    error: Text256 = ""
    retry_ref: Text256 = ""
    transition: Text256 = ""


class Retry(Struct, frozen=True, kw_only=True):
    """A retry rule: `delay` in seconds between tries, `max_attempts` after the first call."""

    name: LongName
    delay: Annotated[int, Meta(ge=1, le=30)] = 1
    max_attempts: Annotated[int, Meta(ge=1, le=8)] = 3


class _State(Struct, frozen=True, kw_only=True, tag_field="type"):
    id: Annotated[str, Meta(min_length=1, max_length=64)]
    name: LongName
    end: bool
    transition: Text256
    state_data_filter: StateDataFilter | None = None
    on_errors: Annotated[tuple[OnError, ...], Meta(max_length=200)] | None = ()
    action_mode: ActionMode = "sequential"

    kind: ClassVar[str]

    @property
    def next(self) -> str | None:
        """The id of the state that follows, or None where the way ends; `end` wins."""
        return None if self.end or not self.transition else self.transition

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The states that may follow: the place in the state where that is said, and the id."""
        own = (("transition", self.next),) if self.next else ()
        errors = enumerate(self.on_errors or ())
        return own + tuple((f"on_errors[{at}].transition", each.transition) for at, each in errors if each.transition)

    @property
    def bodies(self) -> tuple[tuple[str, Body | Foreach], ...]:
        """What runs inside the state: the place of each body in the state, and the body."""
        return ()


class Operation(_State, frozen=True, kw_only=True, tag="Operation"):
    """Calls functions: one, several in sequence, or several at once."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=10)]
    kind: ClassVar[str] = "Operation"


NoActions = Annotated[tuple[Action, ...], Meta(max_length=0)] | None


class Sleep(_State, frozen=True, kw_only=True, tag="Sleep"):
    """Waits `duration` seconds."""

    duration: Annotated[float, Meta(ge=0.001, le=86400)]
    actions: NoActions = ()
    kind: ClassVar[str] = "Sleep"


class End(_State, frozen=True, kw_only=True, tag="End"):
    """Ends the workflow; what comes in is the workflow's output."""

    actions: NoActions = ()
    kind: ClassVar[str] = "End"


# The JSON of the kinds below is not published; this is fgnb's own dialect, made of the fields of the
# CNCF Serverless Workflow 0.6 and 0.7 (the ancestor of the published ones) and the console's limits.


class DataCondition(Struct, frozen=True, kw_only=True):
    """A branch of a `Switch`: where to go if `condition` is true."""

    condition: Annotated[str, Meta(min_length=1, max_length=256)]
    transition: Annotated[str, Meta(min_length=1, max_length=256)]
    name: Text256 = ""


class Default(Struct, frozen=True, kw_only=True):
    """Where a `Switch` goes if no condition is true."""

    transition: Annotated[str, Meta(min_length=1, max_length=256)]


class Switch(_State, frozen=True, kw_only=True, tag="Switch"):
    """Goes where the first true condition points; page 01_0417."""

    data_conditions: Annotated[tuple[DataCondition, ...], Meta(min_length=1, max_length=19)]
    default: Default | None = None
    end: bool = False
    transition: Text256 = ""
    actions: NoActions = ()
    kind: ClassVar[str] = "Switch"

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """The states that may follow: the place in the state where that is said, and the id."""
        ways = [(f"data_conditions[{at}].transition", way.transition) for at, way in enumerate(self.data_conditions)]
        if self.default is not None:
            ways.append(("default.transition", self.default.transition))
        errors = enumerate(self.on_errors or ())
        ways += [(f"on_errors[{at}].transition", each.transition) for at, each in errors if each.transition]
        return tuple(ways)


class Body(Struct, frozen=True, kw_only=True):
    """What a branch or an iteration does: `actions`, or a chain of `states`, or another workflow."""

    actions: Annotated[tuple[Action, ...], Meta(max_length=10)] | None = ()
    action_mode: ActionMode = "sequential"
    start: Text256 = ""
    states: Annotated[tuple[State, ...], Meta(max_length=100)] | None = ()
    workflow_id: Annotated[str, Meta(max_length=512)] | None = ""


class Branch(Body, frozen=True, kw_only=True):
    """One of the branches of a `Parallel` state."""

    name: LongName


class Parallel(_State, frozen=True, kw_only=True, tag="Parallel"):
    """Runs branches at once, each on the state's input; page 01_0411."""

    branches: Annotated[tuple[Branch, ...], Meta(min_length=1, max_length=20)]
    completion_type: Literal["all", "any", "n_of_m"] = "all"
    num_completed: Annotated[int, Meta(ge=1, le=20)] | None = None
    result_path: Annotated[str, Meta(min_length=1, max_length=256)] = "result"
    actions: NoActions = ()
    kind: ClassVar[str] = "Parallel"

    @property
    def bodies(self) -> tuple[tuple[str, Body | Foreach], ...]:
        """The branches."""
        return tuple((f"branches[{at}]", branch) for at, branch in enumerate(self.branches))


class Foreach(_State, frozen=True, kw_only=True, tag="Foreach"):
    """Runs its body for each item of an array; page 01_0414. `interval` in seconds."""

    input_collection: Annotated[str, Meta(min_length=1, max_length=256)]
    iteration_param: Annotated[str, Meta(min_length=1, max_length=256)]
    output_collection: Annotated[str, Meta(min_length=1, max_length=256)] = "$.result"
    batch_size: Annotated[int, Meta(ge=0, le=100)] = 0
    interval: Annotated[float, Meta(ge=0, le=86400)] = 0
    actions: Annotated[tuple[Action, ...], Meta(max_length=10)] | None = ()
    start: Text256 = ""
    states: Annotated[tuple[State, ...], Meta(max_length=100)] | None = ()
    workflow_id: Annotated[str, Meta(max_length=512)] | None = ""
    kind: ClassVar[str] = "Foreach"

    @property
    def bodies(self) -> tuple[tuple[str, Body | Foreach], ...]:
        """The state itself, which holds the fields of its body."""
        return (("", self),)


class SubFlow(_State, frozen=True, kw_only=True, tag="SubFlow"):
    """Runs another express workflow of the project, named by id or name; page 01_0410."""

    workflow_id: Annotated[str, Meta(min_length=1, max_length=512)]
    wait_for_completion: bool = True
    actions: NoActions = ()
    kind: ClassVar[str] = "SubFlow"


State = Operation | Sleep | End | Switch | Parallel | Foreach | SubFlow
STATE_KINDS: Mapping[str, type[Any]] = {
    kind.kind: kind for kind in (Operation, Sleep, End, Switch, Parallel, Foreach, SubFlow)
}


class ObsTriggerConfig(Struct, frozen=True, kw_only=True):
    """What a trigger of the type ``OBS`` needs."""

    bucket: Annotated[str, Meta(min_length=1, max_length=64)]
    events: Annotated[tuple[Text64, ...], Meta(min_length=1, max_length=64)]
    prefix: Annotated[str, Meta(min_length=1, max_length=64)]
    suffix: Annotated[str, Meta(min_length=1, max_length=64)]


class Trigger(Struct, frozen=True, kw_only=True):
    """What starts a workflow by itself; plays no role in a synchronous execution.

    `trigger_config` is needed by the type ``OBS`` alone, and must be an `ObsTriggerConfig` there.
    """

    trigger_name: Annotated[str, Meta(min_length=1, max_length=256)]
    trigger_type: Annotated[str, Meta(min_length=1, max_length=32)]
    enabled: bool = True
    trigger_config: dict[str, Any] | None = None


class ExpressConfig(Struct, frozen=True, kw_only=True):
    """Settings of an express workflow."""

    log_level: Literal["ALL", "ERROR", "NONE"] = "NONE"


class WorkflowDefinition(Struct, frozen=True, kw_only=True):
    """A workflow as create, update and show carry it; page 06_1004."""

    name: FlowName
    start: Annotated[str, Meta(min_length=1, max_length=256)]
    functions: Annotated[tuple[FunctionEntry, ...], Meta(max_length=100)]
    states: Annotated[tuple[State, ...], Meta(min_length=1, max_length=100)]
    constants: dict[str, Any]
    retries: Annotated[tuple[Retry, ...], Meta(max_length=200)]
    description: Annotated[str, Meta(max_length=512, pattern=TEXT_PATTERN)] | None = ""
    triggers: Annotated[tuple[Trigger, ...], Meta(max_length=200)] | None = ()
    mode: Literal["NORMAL", "EXPRESS"] = "NORMAL"
    express_config: ExpressConfig | None = None
    enterprise_project_id: Text64 | None = ""
    enable_stream_response: bool | None = False


def state_names(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of a raw definition's states by id; what has another form is passed over.

    States inside branches and loops are among them.
    """
    names: dict[str, str] = {}
    pending: list[Any] = [definition]
    while pending:
        holder = pending.pop()
        states = holder.get("states") if isinstance(holder, dict) else None
        for state in states if isinstance(states, list) else ():
            if not isinstance(state, dict):
                continue
            if isinstance(state.get("id"), str) and isinstance(state.get("name"), str):
                names[state["id"]] = state["name"]
            branches = state.get("branches")
            pending += [state, *(branches if isinstance(branches, list) else ())]
    return names
