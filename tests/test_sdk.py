"""The official SDK works against the served service unchanged, with signatures verified."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.conftest import SERVED_FUNCTIONS
from tests.flows import PROJECT, action, flow, one_call, sleep, state

# It still calls datetime.utcnow(), which Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:huaweicloudsdk.*")


ACCESS_KEY, SECRET_KEY = "an-access-key", "a-secret-key"
PATIENCE = 20.0  # seconds until something should long have happened


@pytest.fixture(scope="module")
def sdk() -> Any:
    import huaweicloudsdkfunctiongraph.v2 as module

    return module


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a service in a process of its own that takes signed requests only."""
    log = tmp_path_factory.mktemp("secured") / "stderr.txt"
    command = [sys.executable, "-m", "fgnb", "serve", "--port", "0", "--functions", str(SERVED_FUNCTIONS)]
    environment = os.environ | {"FGNB_SERVE_SK": SECRET_KEY}
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--ak", ACCESS_KEY], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        ) as server,
    ):
        assert server.stdout is not None
        first = server.stdout.readline()
        assert "http://127.0.0.1:" in first, f"{first}{log.read_text()}"
        yield first.split()[-1]
        server.terminate()
        server.wait(10)
    assert log.read_text() == ""


@pytest.fixture(scope="module")
def connect(sdk: Any, secured: str) -> Callable[..., Any]:
    """Make an official client with a secret key."""
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    def connect(secret_key: str = SECRET_KEY) -> Any:
        credentials = BasicCredentials(ACCESS_KEY, secret_key, PROJECT)
        return sdk.FunctionGraphClient.new_builder().with_credentials(credentials).with_endpoint(secured).build()

    return connect


@pytest.fixture
def official(connect: Callable[..., Any]) -> Any:
    return connect()


@pytest.fixture
def created(sdk: Any, official: Any) -> Iterator[Any]:
    """A workflow that calls `echo`; deleted again after the test."""
    answer = official.create_workflow(sdk.CreateWorkflowRequest(body=_body(sdk, f"sdk-{uuid4()}")))
    yield answer
    official.batch_delete_workflows(_delete(sdk, answer.workflow_urn))


def _body(sdk: Any, name: str, function: str = "echo") -> Any:
    definition = one_call(function, name=name)
    return sdk.WorkflowCreateBody(**definition)


@pytest.fixture
def standard(sdk: Any, official: Any) -> Iterator[Callable[..., str]]:
    """Create NORMAL workflows of given states; gives their ids. They are deleted again after the test."""
    urns = []

    def create(*states: Any) -> str:
        body = sdk.WorkflowCreateBody(**flow(*states, name=f"sdk-{uuid4()}") | {"mode": "NORMAL"})
        answer = official.create_workflow(sdk.CreateWorkflowRequest(body=body))
        urns.append(answer.workflow_urn)
        return str(answer.id)

    yield create
    official.batch_delete_workflows(_delete(sdk, *urns))


def _start(sdk: Any, official: Any, workflow_id: str, input: Any, **more: Any) -> str:
    body = sdk.FlowExecuteBody(input=input)
    request = sdk.StartWorkflowExecutionRequest(workflow_id=workflow_id, body=body, **more)
    return str(official.start_workflow_execution(request).execution_id)


def _show(sdk: Any, official: Any, workflow_id: str, execution_id: str, **more: Any) -> Any:
    return official.show_workflow_execution(
        sdk.ShowWorkflowExecutionRequest(workflow_id=workflow_id, execution_id=execution_id, **more)
    )


def _ended(sdk: Any, official: Any, workflow_id: str, execution_id: str) -> Any:
    patience = time.monotonic() + PATIENCE
    while True:
        details = _show(sdk, official, workflow_id, execution_id)
        if details.status != "running" or time.monotonic() > patience:
            return details
        time.sleep(0.02)


def _delete(sdk: Any, *urns: str) -> Any:
    return sdk.BatchDeleteWorkflowsRequest(body=sdk.WorkflowDeleteBody(workflow_urns=list(urns)))


def _run(sdk: Any, official: Any, workflow_id: str, input: Any, **more: Any) -> Any:
    body = sdk.FlowExecuteBody(input=input, **more)
    return official.start_sync_workflow_execution(
        sdk.StartSyncWorkflowExecutionRequest(workflow_id=workflow_id, body=body)
    )


def test_a_workflow_is_created(sdk, created):
    assert created.status_code == 201
    assert created.workflow_urn == f"urn:fss:local:{PROJECT}:workflow:default:{created.name}:latest"
    assert len(created.id) == 36
    assert created.enable_stream_response is False


def test_the_list_has_it(sdk, official, created):
    page = official.list_workflow(sdk.ListWorkflowRequest(workflow_name=created.name, limit=10, offset=0))
    assert [(one.id, one.name) for one in page.workflows] == [(created.id, created.name)]
    assert (page.total, page.size) == (1, 1)


def test_it_is_shown_with_its_definition(sdk, official, created):
    info = official.show_work_flow(sdk.ShowWorkFlowRequest(workflow_id=created.id))
    assert info.id == created.id
    assert info.definition.mode == "EXPRESS"
    assert info.definition.states[0].actions[0].function_ref.ref_name == "echo"


def test_it_is_updated(sdk, official, created):
    body = _body(sdk, created.name, "broken")
    answer = official.update_work_flow(sdk.UpdateWorkFlowRequest(workflow_id=created.id, body=body))
    assert (answer.status_code, answer.id) == (200, created.id)
    info = official.show_work_flow(sdk.ShowWorkFlowRequest(workflow_id=created.id))
    assert info.definition.functions[0].name == "broken"


def test_it_is_deleted_and_what_is_not_there_is_named(sdk, official):
    answer = official.create_workflow(sdk.CreateWorkflowRequest(body=_body(sdk, f"sdk-{uuid4()}")))
    gone = official.batch_delete_workflows(_delete(sdk, answer.workflow_urn, "urn:no:such"))
    assert gone.success == [answer.workflow_urn]
    assert [failure.workflow_urn for failure in gone.fail] == ["urn:no:such"]
    page = official.list_workflow(sdk.ListWorkflowRequest(workflow_name=answer.name))
    assert page.total == 0


def test_a_run_that_succeeds(sdk, official, created):
    value = {"text": "函数流", "n": 3, "big": 2**70, "null": None, "list": [True, {}]}
    answer = _run(sdk, official, created.id, value, headers={"tenantId": "user1"})
    assert (answer.status_code, answer.status) == (200, "success")
    assert answer.output == value
    assert answer.errors == []
    assert answer.begin_time <= answer.end_time


def test_a_run_that_fails_is_still_a_200(sdk, official, created):
    body = _body(sdk, created.name, "broken")
    official.update_work_flow(sdk.UpdateWorkFlowRequest(workflow_id=created.id, body=body))
    answer = _run(sdk, official, created.id, {})
    assert (answer.status_code, answer.status, answer.output) == (200, "fail", None)
    assert answer.errors[0].node_id == "broken"
    assert "it broke" in answer.errors[0].error_message


def test_a_refused_run_raises_with_our_code_and_request_id(sdk, official):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    with pytest.raises(ClientRequestException) as caught:
        _run(sdk, official, str(uuid4()), {})
    assert caught.value.status_code == 404
    assert caught.value.error_code == "FGS.5002"
    assert caught.value.error_msg == "Function flow not found."
    assert len(caught.value.request_id) == 36


def test_an_invalid_definition_raises_and_names_the_place(sdk, official):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    with pytest.raises(ClientRequestException) as caught:
        official.create_workflow(sdk.CreateWorkflowRequest(body=_body(sdk, "with a space")))
    assert (caught.value.status_code, caught.value.error_code) == (400, "FGS.3002")
    assert "$.name" in caught.value.error_msg
    assert len(caught.value.request_id) == 36


def test_a_wrong_secret_key_raises_with_the_gateways_code(sdk, connect, official):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    with pytest.raises(ClientRequestException) as caught:
        connect("another").list_workflow(sdk.ListWorkflowRequest())
    assert (caught.value.status_code, caught.value.error_code) == (401, "APIGW.0301")
    assert official.list_workflow(sdk.ListWorkflowRequest()).size > 0


# --- asynchronous executions ---------------------------------------------------------------------


def test_an_execution_is_started_and_shown(sdk, official, standard):
    workflow_id = standard(state("first", action("echo"), transition="second"), state("second", action("echo")))
    chosen = str(uuid4())
    value = {"text": "函数流", "n": 3}
    more = {"x_workflow_run_id": chosen, "x_workflow_run_merge_fn_parameters": "true", "x_create_time": "2026-01-01"}
    assert _start(sdk, official, workflow_id, value, **more) == chosen
    details = _ended(sdk, official, workflow_id, chosen)
    assert (details.status, details.input, details.output) == ("success", value, value)
    assert (details.workflow_id, details.execution_id) == (workflow_id, chosen)
    assert details.begin_time <= details.end_time == details.last_update_time
    assert [node.node_id for node in details.node_execution_details] == ["first", "second"]
    (attempt,) = details.node_execution_details[1].executions
    assert (attempt.status, attempt.input, attempt.output) == ("success", value, value)
    assert attempt.begin_time <= attempt.end_time


def test_the_full_data_of_an_execution_is_shown(sdk, official, standard):
    workflow_id = standard(state("s", action("echo")))
    value = {"text": "x" * 5000}
    execution_id = _start(sdk, official, workflow_id, value)
    assert _ended(sdk, official, workflow_id, execution_id).output["truncated"].startswith('{"text": "xxx')
    whole = _show(sdk, official, workflow_id, execution_id, x_get_workflow_full_history_data=True)
    assert whole.output == value
    assert whole.node_execution_details[0].executions[0].output == value


def test_executions_are_listed(sdk, official, standard):
    workflow_id = standard(state("s", action("echo")))
    ids = [_start(sdk, official, workflow_id, {}) for _ in range(3)]
    for execution_id in ids:
        _ended(sdk, official, workflow_id, execution_id)
    request = sdk.ListWorkflowExecutionsRequest(
        workflow_id=workflow_id,
        limit=2,
        offset=1,
        status="success",
        start_time="2020-01-01 00:00:00",
        end_time="2100-01-01 00:00:00",
    )
    listed = official.list_workflow_executions(request).executions
    assert [one.execution_id for one in listed] == ids[1::-1]
    assert {one.status for one in listed} == {"success"}
    page = official.show_workflow_execution_for_page(
        sdk.ShowWorkflowExecutionForPageRequest(workflow_id=workflow_id, offset=2, limit=100)
    )
    assert (page.total, page.size) == (3, 1)
    assert [one.execution_id for one in page.executions] == ids[:1]


def test_an_execution_is_stopped(sdk, official, standard):
    workflow_id = standard(sleep("wait", 3600))
    execution_id = _start(sdk, official, workflow_id, {})
    assert _show(sdk, official, workflow_id, execution_id).status == "running"
    answer = official.stop_work_flow(sdk.StopWorkFlowRequest(workflow_id=workflow_id, execution_id=execution_id))
    assert answer.status_code == 200
    assert _show(sdk, official, workflow_id, execution_id).status == "cancel"


def test_a_failed_execution_is_retried(sdk, official, standard):
    workflow_id = standard(state("s", action("broken")))
    execution_id = _start(sdk, official, workflow_id, {})
    details = _ended(sdk, official, workflow_id, execution_id)
    assert details.status == "fail"
    assert "it broke" in details.node_execution_details[0].executions[0].error_message
    answer = official.retry_work_flow(sdk.RetryWorkFlowRequest(workflow_id=workflow_id, execution_id=execution_id))
    assert answer.status_code == 200
    details = _ended(sdk, official, workflow_id, execution_id)
    assert [attempt.status for attempt in details.node_execution_details[0].executions] == ["fail", "fail"]


def test_an_express_workflow_can_be_started_without_waiting(sdk, official, created):
    assert len(_start(sdk, official, created.id, {"n": 1})) == 36


def test_a_callback_is_refused(sdk, official, standard):
    from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException

    body = sdk.CallbackWorkflowRequestBody(result="success", output={})
    request = sdk.CreateCallbackWorkflowRequest(
        workflow_id=standard(state("s", action("echo"))),
        x_workflow_run_id=str(uuid4()),
        x_workflow_state_id="s",
        body=body,
    )
    with pytest.raises(ClientRequestException, match="no callback nodes") as caught:
        official.create_callback_workflow(request)
    assert (caught.value.status_code, caught.value.error_code) == (400, "FGS.3002")


# --- metrics and quotas --------------------------------------------------------------------------


def test_runs_are_measured(sdk, official, created):
    for _ in range(2):
        _run(sdk, official, created.id, {})
    now = round(time.time() * 1000)
    between = {"period": "60", "start_time": str(now - 3_600_000), "end_time": str(now + 60_000)}
    one = official.show_work_flow_metric(sdk.ShowWorkFlowMetricRequest(workflow_urn=created.workflow_urn, **between))
    assert sum(point.value for point in one.count) == 2
    assert sum(point.value for point in one.fail_count) == 0
    every = official.show_tenant_metric(sdk.ShowTenantMetricRequest(metric_type="totalCount", **between))
    assert sum(point.value for point in every.count) >= 2
    assert every.duration == []


def test_quotas_are_listed(sdk, official, created):
    (quota,) = official.list_quotas(sdk.ListQuotasRequest()).quotas.resources
    assert (quota.type, quota.quota) == ("fgs_workflow_num", 512)
    assert quota.used >= 1
