"""What the service's answers must look like: the published schemas, cut down to what can be checked.

Where the published text says object, any value is taken: the embedded service lets workflows work on
any. Its URNs may have 256 characters, since a project of 64 and a name of 64 make one of 167.
"""

import json
from typing import Any

from jsonschema import Draft202012Validator

from fgnb.wire import Response


def text(least: int, most: int, pattern: str | None = None) -> dict[str, Any]:
    return {"type": "string", "minLength": least, "maxLength": most} | ({"pattern": pattern} if pattern else {})


def whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}


def array(items: Any, most: int | None = None) -> dict[str, Any]:
    return {"type": "array", "items": items} | ({} if most is None else {"maxItems": most})


def fields(*optional: str, **members: Any) -> dict[str, Any]:
    """An object of just these members; all must be there but those named first."""
    required = [name for name in members if name not in optional]
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


ANY: dict[str, Any] = {}
ID = text(1, 64)
URN = text(1, 256, r"^urn:fss:[^:]+:[^:]+:workflow:default:[^:]+:latest$")
TIME = text(20, 20, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
TIME_OR_NONE = text(0, 20, r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)?$")
MILLISECONDS = whole(1_600_000_000_000, 99999999999999999)
STATUS = {"enum": ["success", "fail", "running", "timeout", "cancel"]}

SUMMARY = fields(
    id=ID,
    workflow_urn=URN,
    name=text(1, 64),
    description=text(0, 512),
    created_time=TIME,
    updated_time=TIME,
    created_by=text(0, 64),
    enable_stream_response={"type": "boolean"},
)
BRIEF = {
    "workflow_id": ID,
    "workflow_urn": URN,
    "execution_id": ID,
    "status": STATUS,
    "begin_time": TIME,
    "end_time": TIME_OR_NONE,
    "last_update_time": TIME,
    "created_by": text(1, 32),
}
NODE_EXECUTION = fields(
    "end_time",
    status=STATUS,
    input=ANY,
    output=ANY,
    begin_time=MILLISECONDS,
    end_time=MILLISECONDS,
    error_message=text(0, 2048),
    request_id=text(0, 512),
)
NODE = fields(node_id=ID, node_name=text(1, 256), execution_id=text(1, 512), executions=array(NODE_EXECUTION, 200))
NODE_ERROR = fields(node_id=ID, error_message=text(1, 2048), begin_time=TIME, end_time=TIME)
SERIES = array(fields(timestamp=MILLISECONDS, value={"type": "number"}))

SCHEMAS: dict[str, dict[str, Any]] = {
    "WorkflowSimpleInfo": SUMMARY,
    "WorkflowPageList": fields(total=whole(0, 1_000_000), size=whole(0, 200), workflows=array(SUMMARY, 200)),
    "WorkflowInfo": fields(
        id=ID,
        workflow_urn=URN,
        created_time=TIME,
        updated_time=TIME,
        created_by=text(0, 64),
        definition={"type": "object"},
    ),
    "OperateResponse": fields(
        success=array(URN, 100), fail=array(fields(workflow_urn=text(1, 256), error_detail=text(1, 64)), 200)
    ),
    "SyncExecuteResponse": fields(
        execution_id=ID,
        status={"enum": ["success", "fail", "timeout"]},
        output=ANY,
        errors=array(NODE_ERROR, 200),
        begin_time=TIME,
        end_time=TIME,
    ),
    "FlowExecuteResponse": fields(execution_id=ID),
    "FlowExecutionList": fields(executions=array(fields(**BRIEF), 999)),
    "ShowWorkflowExecutionForPage": fields(
        total=whole(0, 1_000_000), size=whole(0, 100), executions=array(fields(**BRIEF), 100)
    ),
    "ExecutionDetails": fields(
        **BRIEF, headers={"type": "object"}, input=ANY, output=ANY, node_execution_details=array(NODE, 200)
    ),
    "WorkflowStatisticsResp": fields(count=SERIES, duration=SERIES, fail_count=SERIES, running_count=SERIES),
    "ListQuotasResponseBody": fields(
        quotas=fields(
            resources=array(
                fields(type={"enum": ["fgs_workflow_num"]}, quota=whole(0, 10**6), used=whole(0, 10**6))
            )
        )
    ),
    "ErrorRsp400": fields(error_code=text(1, 36), error_msg=text(2, 512), request_id=text(2, 512)),
    "ErrorRsp404": fields(error_code=text(1, 36), error_msg=text(2, 512)),
}  # fmt: skip


def body_of(response: Response, schema: str, *, status: int = 200) -> Any:
    """Return an answer's body, which must have this status and fit this schema."""
    assert response.status == status, response
    value = json.loads(response.body)
    Draft202012Validator(SCHEMAS[schema]).validate(value)
    return value
