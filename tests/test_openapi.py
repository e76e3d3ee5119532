"""The service's description of itself, and whether it keeps what that promises: local/openapi.py."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from fgnb.client.transport import HttpTransport
from fgnb.local.openapi import OPERATIONS
from fgnb.local.service import Service
from fgnb.wire import Request
from tests.conftest import unmeasured
from tests.flows import PATH, PROJECT, action, end, flow, one_call, state
from tests.schemas import SCHEMAS

EXAMPLES = 4  # generated requests for each call, besides those that schemathesis makes systematically

# Rules that no schema can say: a taken id or name, a graph that leads nowhere, a day that does not
# exist, a status that does not fit, and callbacks, which are never taken.
STRICTER = [
    "CreateWorkflow",
    "UpdateWorkFlow",
    "StartWorkflowExecution",
    "ListWorkflowExecutions",
    "ShowWorkflowExecutionForPage",
    "StopWorkFlow",
    "RetryWorkFlow",
    "CreateCallbackWorkflow",
]

# Calls of the same body: a definition has so many fields and kinds of states that going through all
# of them systematically takes minutes, so requests are only generated at random.
LARGE = ["CreateWorkflow", "UpdateWorkFlow"]


def get(service, path="/openapi.json", method="GET", **more):
    return asyncio.run(service.send(Request(method=method, path=path, **more)))


@pytest.fixture
def described(service):
    response = get(service)
    assert (response.status, response.headers["content-type"]) == (200, "application/json")
    return json.loads(response.body)


def test_the_document_describes_every_call_that_the_official_sdk_has(described):
    ids = {operation["operationId"] for path in described["paths"].values() for operation in path.values()}
    assert ids == {
        "ListWorkflow", "CreateWorkflow", "BatchDeleteWorkflows", "ShowWorkFlow", "UpdateWorkFlow",
        "StartSyncWorkflowExecution", "StartWorkflowExecution", "ListWorkflowExecutions",
        "ShowWorkflowExecutionForPage", "ShowWorkflowExecution", "StopWorkFlow", "RetryWorkFlow",
        "CreateCallbackWorkflow", "ShowTenantMetric", "ShowWorkFlowMetric", "ListQuotas", "ShowDescription",
    }  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_what_is_described_is_there(service, operation):
    response = get(service, operation.path.replace("{", "").replace("}", ""), operation.method.upper())
    assert b"APIGW.0101" not in response.body


def test_the_document_has_one_address_and_one_method(service):
    assert get(service, "/openapi.json?pretty").status == 200
    for path, method in (("/openapi.json", "POST"), ("/openapi.json/", "GET"), ("/openapi", "GET")):
        assert get(service, path, method).status == 404


def test_schemas_are_schemas_of_the_standard(described):
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    assert "\\\\Z" not in json.dumps(described)  # Python's own


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("WorkflowSimpleInfo", "WorkflowSummary"),
        ("WorkflowPageList", "WorkflowPage"),
        ("WorkflowInfo", "WorkflowInfo"),
        ("OperateResponse", "Deletion"),
        ("SyncExecuteResponse", "SyncExecution"),
        ("FlowExecuteResponse", "StartAnswer"),
        ("FlowExecutionList", "ExecutionList"),
        ("ShowWorkflowExecutionForPage", "ExecutionPage"),
        ("ExecutionDetails", "ExecutionDetails"),
        ("WorkflowStatisticsResp", "WorkflowStatistics"),
        ("ListQuotasResponseBody", "QuotaAnswer"),
        ("ErrorRsp400", "ErrorBody"),
    ],
)
def test_answers_are_described_with_the_published_fields(described, published, ours):
    schema = described["components"]["schemas"][ours]
    assert set(schema["properties"]) == set(SCHEMAS[published]["properties"])


@pytest.mark.parametrize("secured", [False, True])
def test_the_document_says_whether_requests_are_signed_but_needs_no_signature_itself(functions, secured):
    service = Service(functions=functions, samples=False, keys={"ak": "sk"} if secured else None)
    response = get(service)
    described = json.loads(response.body)
    assert response.status == 200
    assert ("security" in described) is secured
    assert ("securitySchemes" in described["components"]) is secured
    assert described["paths"]["/openapi.json"]["get"]["security"] == []
    listing = described["paths"]["/v2/{project_id}/fgs/workflows"]["get"]
    assert ("401" in listing["responses"]) is secured
    assert get(service, PATH).status == (401 if secured else 200)


# --- a served service ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def targets(serve, tmp_path_factory):
    """Return a file that has schemathesis ask for workflows and executions that there are."""

    async def make(method, path, value):
        body = json.dumps(value).encode()
        headers = {"content-type": "application/json"}
        transport = HttpTransport(serve)
        try:
            response = await transport.send(Request(method=method, path=path, headers=headers, body=body))
        finally:
            await transport.aclose()
        assert response.status in (200, 201), response.body
        return json.loads(response.body)

    express = asyncio.run(make("POST", PATH, one_call("echo", name="described-express")))
    normal = flow(state("a", action("echo"), transition="e"), end("e"), name="described-normal") | {"mode": "NORMAL"}
    standard = asyncio.run(make("POST", PATH, normal))
    started = asyncio.run(make("POST", f"{PATH}/{standard['id']}/executions", {"input": {"n": 1}}))

    def section(*lines):
        return "\n".join(["[[operations]]", *lines, ""])

    # The gateway answers a wrong method as it answers a wrong path, with 404 (APIGW.0101), not with 405.
    text = "\n".join(
        [
            "[checks]",
            "unsupported_method.enabled = false",
            "allow_header_conformance.enabled = false",
            "",
            section(
                f"include-operation-id = {json.dumps(STRICTER)}", "checks.positive_data_acceptance.enabled = false"
            ),
            section(f"include-operation-id = {json.dumps(LARGE)}", "phases.coverage.enabled = false"),
            section(
                'include-operation-id = ["StartSyncWorkflowExecution", "ShowWorkFlow"]',
                f'parameters = {{"path.project_id" = "{PROJECT}", "path.workflow_id" = "{express["id"]}"}}',
            ),
            section(
                'include-path-regex = "/executions"',
                f'parameters = {{"path.project_id" = "{PROJECT}", "path.workflow_id" = "{standard["id"]}", '
                f'"path.execution_id" = "{started["execution_id"]}"}}',
            ),
            section(
                'include-operation-id = ["ShowWorkFlowMetric"]',
                f'parameters = {{"path.workflow_urn" = "{express["workflow_urn"]}"}}',
            ),
        ]
    )
    file = tmp_path_factory.mktemp("schemathesis") / "schemathesis.toml"
    file.write_text(text)
    return file


def test_schemathesis_finds_nothing(serve, targets: Path):
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(targets), "run"]
    options = ["--max-examples", str(EXAMPLES), "--continue-on-failure", "--no-color", "--request-timeout", "20"]
    done = subprocess.run(
        [*command, f"{serve}/openapi.json", *options, "--warnings", "off"],
        cwd=targets.parent, env=unmeasured(), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "Tested: 16" in done.stdout  # all but the document itself
