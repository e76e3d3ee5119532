"""Other interpreters of workflows, doing the same scenarios; what isn't installed is left out.

    python3 -m pip install 'moto[stepfunctions]' pypyr

moto's Step Functions interpreter is called directly, without its HTTP interface; its Lambda client is
replaced by the function itself, so that neither Docker nor a network is in the figures. It parses the
definition at every execution: with that and without are two subjects.
"""

import contextlib
import io
import json
from datetime import UTC, datetime
from typing import Any

from scenarios import Scenario, add_one
from turns import Subject

MOTO = "moto, evaluation only"
MOTO_WHOLE = "moto, parse + evaluation"
PYPYR = "pypyr"
INSTALL = {
    MOTO: "pip install 'moto[stepfunctions]'",
    MOTO_WHOLE: "pip install 'moto[stepfunctions]'",
    PYPYR: "pip install pypyr",
}


def peers(scenario: Scenario) -> dict[str, Subject | None]:
    """Return the peers that can do a scenario; None for one that isn't installed."""
    found: dict[str, Subject | None] = {MOTO: None, MOTO_WHOLE: None}
    with contextlib.suppress(ImportError):
        found |= {MOTO: _moto(scenario, parsed_once=True), MOTO_WHOLE: _moto(scenario, parsed_once=False)}
    if scenario.steps is not None:
        found[PYPYR] = None
        with contextlib.suppress(ImportError):
            found[PYPYR] = _pypyr(scenario)
    return found


class _Lambda:
    """Stands in for moto's client of AWS Lambda."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        answer = json.dumps(add_one(json.loads(Payload)))
        return {"StatusCode": 200, "Payload": io.BytesIO(answer.encode())}


def _moto(scenario: Scenario, *, parsed_once: bool) -> Subject:
    from moto.stepfunctions.parser.api import StateMachineType
    from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
    from moto.stepfunctions.parser.asl.eval.environment import Environment
    from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
    from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
    from moto.stepfunctions.parser.asl.eval.states import ContextObjectData, ExecutionData, StateMachineData
    from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser
    from moto.stepfunctions.parser.utils import TMP_THREADS

    lambda_eval_utils.boto_client_for = lambda **_: _Lambda()
    text, role = json.dumps(scenario.machine), "arn:aws:iam::123456789012:role/r"
    program = AmazonStateLanguageParser.parse(text)[0]

    def execute() -> Any:
        evaluated = program if parsed_once else AmazonStateLanguageParser.parse(text)[0]
        began = datetime.now(UTC).isoformat()
        environment = Environment(
            aws_execution_details=AWSExecutionDetails(account="123456789012", region="us-east-1", role_arn=role),
            execution_type=StateMachineType.STANDARD,
            context=ContextObjectData(
                Execution=ExecutionData(Id="e", Input=scenario.input, Name="e", RoleArn=role, StartTime=began),
                StateMachine=StateMachineData(Id="m", Name="m"),
            ),
            event_history_context=EventHistoryContext.of_program_start(),
            cloud_watch_logging_session=None,
            activity_store={},
        )
        evaluated.eval(environment)
        return environment.states.get_input()

    def runs(times: int) -> None:
        for _ in range(times):
            assert (output := execute()) == scenario.expected, output
        TMP_THREADS.clear()  # moto keeps every thread it ever started

    return runs


def get_pipeline_definition(pipeline_name: str, parent: Any) -> Any:
    """Return a pipeline: this module is a loader in pypyr's sense."""
    from pypyr.pipedef import PipelineDefinition, PipelineInfo

    scenario = _SCENARIOS[pipeline_name]
    info = PipelineInfo(pipeline_name=pipeline_name, loader=__name__, parent=parent)
    return PipelineDefinition(pipeline={"steps": scenario.steps}, info=info)


def run_step(context: Any) -> None:
    """Do a step: this module is one in pypyr's sense, too."""
    answer = add_one(context.get_formatted("event"))
    context["v"] = answer["v"]
    context.setdefault("result", []).append(answer)


_SCENARIOS: dict[str, Scenario] = {}


def _pypyr(scenario: Scenario) -> Subject:
    from pypyr import pipelinerunner

    _SCENARIOS[scenario.name] = scenario

    def runs(times: int) -> None:
        for _ in range(times):
            context = pipelinerunner.run(scenario.name, dict_in=dict(scenario.input), loader=__name__)
            output = context["result"] if scenario.collects else {"v": context["v"]}
            assert output == scenario.expected, output

    return runs
