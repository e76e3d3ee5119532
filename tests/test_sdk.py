"""The official SDK works against the served service unchanged."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest

from tests.flows import PROJECT, one_call

# It still calls datetime.utcnow(), which Python 3.12 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:huaweicloudsdk.*")


@pytest.fixture(scope="module")
def sdk() -> Any:
    import huaweicloudsdkfunctiongraph.v2 as module

    return module


@pytest.fixture
def official(sdk: Any, serve: str) -> Any:
    from huaweicloudsdkcore.auth.credentials import BasicCredentials

    credentials = BasicCredentials("an-access-key", "a-secret-key", PROJECT)
    return sdk.FunctionGraphClient.new_builder().with_credentials(credentials).with_endpoint(serve).build()


@pytest.fixture
def created(sdk: Any, official: Any) -> Iterator[Any]:
    """A workflow that calls `echo`; deleted again after the test."""
    answer = official.create_workflow(sdk.CreateWorkflowRequest(body=_body(sdk, f"sdk-{uuid4()}")))
    yield answer
    official.batch_delete_workflows(_delete(sdk, answer.workflow_urn))


def _body(sdk: Any, name: str, function: str = "echo") -> Any:
    definition = one_call(function, name=name)
    return sdk.WorkflowCreateBody(**definition)


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
