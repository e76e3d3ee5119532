"""The service's paths, statuses and bodies: local/service.py, workflow_endpoints.py, catalog.py, app.py."""

import asyncio
import http.client
import json
import logging
import threading
import time
from urllib.parse import urlsplit
from uuid import RFC_4122, UUID, uuid4

import pytest

from fgnb.errors import AnswerLost, ConfigError, DefinitionError
from fgnb.local.functions import Functions
from fgnb.local.ids import new_id
from fgnb.local.options import Options
from fgnb.local.server import serve as serve_until_interrupted
from fgnb.local.service import Service
from fgnb.wire import Request
from tests.exact import exact
from tests.flows import PATH, PROJECT, action, ask, end, flow, one_call, sleep, state
from tests.schemas import body_of


def answer_of(response):
    return json.loads(response.body)


@pytest.fixture
def echo(functions, service):
    """The id of a workflow that gives back its input."""
    functions.register(lambda event, context: event, name="echo")
    return create(service, one_call("echo"))["id"]


def create(service: Service, definition: dict) -> dict:
    return body_of(ask(service, "POST", value=definition), "WorkflowSimpleInfo", status=201)


def assert_refused(response, status: int, code: str, *words: str) -> None:
    schema = "ErrorRsp404" if code == "FGS.5002" else "ErrorRsp400"
    body = body_of(response, schema, status=status)
    assert body["error_code"] == code
    for word in words:
        assert word in body["error_msg"]


# --- every answer --------------------------------------------------------------------------------


def test_every_answer_is_json_with_a_request_id_of_its_own(service):
    first, second = ask(service, "GET"), ask(service, "GET", "/nope")
    ids = {UUID(response.headers["x-request-id"]) for response in (first, second)}
    assert len(ids) == 2
    assert {response.headers["content-type"] for response in (first, second)} == {"application/json"}


def test_a_refusal_carries_the_request_id_in_its_body_too(service):
    response = ask(service, "POST", value=[])
    assert answer_of(response)["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v2/p/fgs/functions"),
        ("GET", "//["),
        ("GET", "/v2/p"),
        ("PUT", "/some-id/executions"),
        ("GET", "/some-id/executions/"),
        ("GET", "/some-id/executions/x/terminate"),
        ("GET", "/some-id/executions/x/terminate/y"),
        ("POST", "/some-id/executions/x/cancel"),
        ("GET", "/v2//fgs/workflows"),
        ("GET", f"/v2/{'p' * 65}/fgs/workflows"),
        ("GET", "/v1/p/fgs/workflows"),
        ("GET", "/v2/p/fgs/"),
        ("POST", "/v2/p/fgs/quotas"),
        ("GET", "/v2/p/fgs/quotas/"),
        ("GET", "/v2/p/fgs/workflow-statistic/a/b"),
        ("GET", "/some-id/sync-executions"),
        ("POST", "/some-id"),
        ("PATCH", ""),
        ("POST", "/some-id/sync-executions/more"),
        ("GET", "/" + "x" * 513),
    ],
)
def test_an_unknown_path_or_method_is_answered_as_the_gateway_does(service, method, path):
    response = ask(service, method, path)
    assert_refused(response, 404, "APIGW.0101")
    assert "request_id" in answer_of(response)


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("PUT", ""), ("POST", "/sync-executions")])
def test_an_unknown_workflow_is_a_404_without_a_request_id_in_the_body(service, method, path):
    response = ask(service, method, f"/{uuid4()}{path}", {"input": {}})
    assert response.status == 404
    assert answer_of(response) == {"error_code": "FGS.5002", "error_msg": "Function flow not found."}
    assert response.headers["x-request-id"]


class Broken(Functions):
    """Functions that can't be looked up."""

    def get(self, name, default=None):
        raise ZeroDivisionError


def test_a_fault_inside_is_a_500_and_is_logged(caplog):
    service = Service(functions=Broken(), samples=False)
    workflow_id = create(service, one_call("f"))["id"]
    with caplog.at_level(logging.ERROR, "fgnb.local"):
        response = ask(service, "POST", f"/{workflow_id}/sync-executions", {"input": {}})
    assert_refused(response, 500, "FGS.3002", "Internal Error.")
    assert response.headers["x-request-id"] in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_call_that_takes_longer_than_the_caller_waits_is_lost(service):
    workflow_id = create(service, flow(sleep("s", 60)))["id"]
    request = Request(method="POST", path=f"{PATH}/{workflow_id}/sync-executions", body=b'{"input": {}}', timeout=0.05)
    with pytest.raises(AnswerLost, match=r"no answer within 0\.05 s"):
        asyncio.run(service.send(request))


# --- create, show, update ------------------------------------------------------------------------


def test_create_answers_201_with_the_summary(service):
    summary = create(service, one_call("f", name="one"))
    assert set(summary) == {
        "id", "name", "workflow_urn", "description", "created_time", "updated_time", "created_by",
        "enable_stream_response",
    }  # fmt: skip
    assert summary["workflow_urn"] == f"urn:fss:local:{PROJECT}:workflow:default:one:latest"
    assert summary["created_time"] == summary["updated_time"]
    assert summary["created_time"].endswith("Z")
    assert len(summary["created_time"]) == 20


def test_show_gives_the_definition_back_as_it_was_sent(service):
    definition = one_call("f") | {"constants": {"big": 2**70, "x": None}, "unknown_field": {"kept": [1.5]}}
    created = create(service, definition)
    response = ask(service, "GET", f"/{created['id']}")
    assert response.status == 200
    assert answer_of(response)["definition"] == definition


def test_a_duplicate_name_is_refused(service):
    create(service, one_call("f", name="one"))
    assert_refused(ask(service, "POST", value=one_call("g", name="one")), 400, "FGS.3002", "'one' exists")


def test_update_replaces_the_whole_definition_and_keeps_the_id(service):
    created = create(service, one_call("f", name="one") | {"description": "old"})
    response = ask(service, "PUT", f"/{created['id']}", one_call("g", name="two"))
    assert response.status == 200
    summary = answer_of(response)
    assert (summary["id"], summary["name"], summary["description"]) == (created["id"], "two", "")
    assert summary["created_time"] == created["created_time"]
    assert ":two:" in summary["workflow_urn"]
    shown = answer_of(ask(service, "GET", f"/{created['id']}"))
    assert shown["definition"] == one_call("g", name="two")


def test_update_may_keep_its_own_name_but_not_take_anothers(service):
    one, two = (create(service, one_call("f", name=name)) for name in ("one", "two"))
    assert ask(service, "PUT", f"/{one['id']}", one_call("g", name="one")).status == 200
    assert_refused(ask(service, "PUT", f"/{two['id']}", one_call("g", name="one")), 400, "FGS.3002", "exists")


def test_an_invalid_definition_is_refused_with_every_problem_and_its_place(service):
    bad = flow(state("a", action("f"), transition="b"), *(state(id, action("f", {"a": "$.["})) for id in ("c", "d")))
    response = ask(service, "POST", value=bad)
    places = [f"$.states[{number}].actions[0].function_ref.arguments.a" for number in (1, 2)]
    assert_refused(response, 400, "FGS.3002", "$.states[0].transition", "'b'", *places)
    assert "more)" not in answer_of(response)["error_msg"]


def test_of_many_problems_as_many_are_named_as_fit(service):
    bad = flow(*(state(f"s{number}", action("f"), transition=f"nowhere-{number}") for number in range(30)))
    message = answer_of(ask(service, "POST", value=bad))["error_msg"]
    assert 400 < len(message) <= 512
    named = message.count("nowhere-")
    assert named > 3
    count = int(message.rpartition("(and ")[2].partition(" more)")[0])
    problems = len(_problems_of(bad))
    assert message.count("; ") + 1 + count == problems


def _problems_of(definition):
    with pytest.raises(DefinitionError) as caught:
        Service(samples=False, definitions=[definition])
    return caught.value.problems


def test_a_very_long_reason_is_cut_to_512_characters(service):
    bad = flow(state("a", action("f"), transition="x" * 256, state_data_filter={"input": "$[" + "9" * 254}))
    bad["start"] = "y" * 256
    bad["functions"][0]["name"] = "z" * 256
    response = ask(service, "POST", value=bad)
    assert_refused(response, 400, "FGS.3002", "more)")
    response = ask(service, "POST", value=one_call("f") | {"mode": "m" * 3000})
    assert_refused(response, 400, "FGS.3002", "$.mode")


def test_a_path_may_be_percent_encoded(service, echo):
    encoded = "".join(f"%{byte:02X}" for byte in echo.encode())
    assert answer_of(ask(service, "GET", f"/{encoded}"))["id"] == echo


# --- list ----------------------------------------------------------------------------------------


@pytest.fixture
def five(service):
    modes = ["EXPRESS", "NORMAL", "EXPRESS", "NORMAL", "EXPRESS"]
    for number, mode in enumerate(modes):
        create(service, one_call("f", name=f"flow-{number}") | {"mode": mode})
    return service


def names(response):
    return [entry["name"] for entry in body_of(response, "WorkflowPageList")["workflows"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("?limit=2", [0, 1]),
        ("?limit=2&offset=3", [3, 4]),
        ("?offset=9", []),
        ("?offset=-4", [0, 1, 2, 3, 4]),
        ("?limit=999", [0, 1, 2, 3, 4]),
        ("?mode=NORMAL", [1, 3]),
        ("?mode=EXPRESS&limit=1&offset=1", [2]),
        ("?workflow_name=flow-3", [3]),
        ("?workflow_name=flow", [0, 1, 2, 3, 4]),
        ("?workflow_name=nope", []),
        ("?enterprise_project=0&unknown=1", [0, 1, 2, 3, 4]),
        ("?mode=&workflow_name=", [0, 1, 2, 3, 4]),
        ("?limit=1&limit=2", [0, 1]),
        ("?workflow_name=flow%2D3", [3]),
    ],
)
def test_list_pages_and_filters(five, query, found):
    assert names(ask(five, "GET", query)) == [f"flow-{number}" for number in found]


def test_total_counts_all_that_match_and_size_those_on_the_page(five):
    page = answer_of(ask(five, "GET", "?mode=EXPRESS&limit=2"))
    assert (page["total"], page["size"], len(page["workflows"])) == (3, 2, 2)


def test_a_page_holds_at_most_200(service):
    for number in range(201):
        service.catalog.create(one_call("f", name=f"flow-{number}"), PROJECT)
    page = answer_of(ask(service, "GET", "?limit=1000"))
    assert (page["total"], page["size"]) == (201, 200)


@pytest.mark.parametrize(
    "query",
    [
        "?limit=0",
        "?limit=-1",
        "?limit=x",
        "?limit=",
        "?limit=1_0",
        "?limit=%D9%A3",
        "?offset=1.5",
        "?limit=" + "9" * 5000,
        "?mode=express",
        "?workflow_name=" + "n" * 65,
    ],
)
def test_a_bad_query_is_refused(service, query):
    assert_refused(ask(service, "GET", query), 400, "FGS.3002", query[1:].partition("=")[0])


# --- delete --------------------------------------------------------------------------------------


def test_delete_says_what_is_gone_and_what_was_not_there(service):
    one, two = (create(service, one_call("f", name=name)) for name in ("one", "two"))
    response = ask(service, "DELETE", value={"workflow_urns": [one["workflow_urn"], "urn:x", one["workflow_urn"]]})
    failed = [
        {"workflow_urn": urn, "error_detail": "Function flow not found."} for urn in ("urn:x", one["workflow_urn"])
    ]
    assert body_of(response, "OperateResponse") == {"success": [one["workflow_urn"]], "fail": failed}
    assert names(ask(service, "GET")) == ["two"]
    assert ask(service, "GET", f"/{one['id']}").status == 404
    assert ask(service, "GET", f"/{two['id']}").status == 200


def test_a_name_is_free_again_after_its_workflow_was_deleted(service):
    first = create(service, one_call("f", name="one"))
    ask(service, "DELETE", value={"workflow_urns": [first["workflow_urn"]]})
    assert create(service, one_call("f", name="one"))["id"] != first["id"]


def test_one_request_deletes_at_most_100(service):
    created = [create(service, one_call("f", name=f"flow-{number}"))["workflow_urn"] for number in range(101)]
    body = body_of(ask(service, "DELETE", value={"workflow_urns": created}), "OperateResponse")
    assert body["success"] == created[:100]
    assert [failure["workflow_urn"] for failure in body["fail"]] == created[100:]
    assert "100" in body["fail"][0]["error_detail"]
    assert names(ask(service, "GET")) == ["flow-100"]


def test_the_longest_names_make_urns_that_can_be_deleted(service):
    path = f"/v2/{'p' * 64}/fgs/workflows"
    created = body_of(ask(service, "POST", path, one_call("f", name="n" * 64)), "WorkflowSimpleInfo", status=201)
    response = ask(service, "DELETE", path, {"workflow_urns": [created["workflow_urn"]]})
    assert body_of(response, "OperateResponse")["success"] == [created["workflow_urn"]]


def test_deleting_nothing_is_no_mistake(service):
    assert body_of(ask(service, "DELETE", value={"workflow_urns": []}), "OperateResponse") == {
        "success": [],
        "fail": [],
    }


@pytest.mark.parametrize("urns", [None, "urn", [1], ["u"] * 201, [""], ["u" * 257]])
def test_a_bad_list_of_urns_is_refused(service, urns):
    assert_refused(ask(service, "DELETE", value={"workflow_urns": urns}), 400, "FGS.3002", "workflow_urns")


# --- quotas --------------------------------------------------------------------------------------


def test_quotas_count_the_workflows(service):
    for used in range(2):
        body = body_of(ask(service, "GET", f"/v2/{PROJECT}/fgs/quotas"), "ListQuotasResponseBody")
        assert body["quotas"]["resources"] == [{"type": "fgs_workflow_num", "quota": 512, "used": used}]
        create(service, one_call("f", name=f"flow-{used}"))


def test_a_workflow_beyond_the_quota_is_refused_until_another_one_goes(service):
    definition = flow(end())
    urns = [service.catalog.create(definition | {"name": f"flow-{n}"}, PROJECT).info.workflow_urn for n in range(512)]
    response = ask(service, "POST", value=definition | {"name": "one-more"})
    assert_refused(response, 400, "FGS.3002", "quota of 512")
    existing = service.catalog.page(limit=1).workflows[0]
    assert ask(service, "PUT", f"/{existing.id}", definition | {"name": existing.name}).status == 200
    ask(service, "DELETE", value={"workflow_urns": urns[:1]})
    create(service, definition | {"name": "one-more"})


# --- execute -------------------------------------------------------------------------------------


def test_an_execution_answers_200_with_all_six_fields(service, echo):
    body = body_of(ask(service, "POST", f"/{echo}/sync-executions", {"input": {"n": 1}}), "SyncExecuteResponse")
    UUID(body.pop("execution_id"))
    assert body.pop("begin_time") <= body.pop("end_time")
    assert body == {"status": "success", "output": {"n": 1}, "errors": []}


def test_a_failed_execution_is_a_200_too_with_a_null_output(service):
    created = create(service, one_call("nobody"))
    body = body_of(ask(service, "POST", f"/{created['id']}/sync-executions", {"input": {}}), "SyncExecuteResponse")
    assert (body["status"], body["output"]) == ("fail", None)
    assert [error["node_id"] for error in body["errors"]] == ["nobody"]


@pytest.mark.parametrize("definition", [{"mode": "NORMAL"}, {}])
def test_a_normal_workflow_is_refused_and_normal_is_the_default(service, definition):
    normal = one_call("f", name="slow")
    del normal["mode"]
    created = create(service, normal | definition)
    response = ask(service, "POST", f"/{created['id']}/sync-executions", {"input": {}})
    assert_refused(response, 400, "FGS.3002", "'slow' is NORMAL")


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"input": {}} x', "not JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"input": {"a": 1, "a": 2}}', "input.a"),
        (b'{"input": {"x": [1, NaN]}}', "input.x[1]"),
        (b'{"input": {"x": 1e999}}', "input.x"),
        (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too deeply"),
        (b'{"input": {"a": 1, "\\u0061": 2}}', "input.a"),
        (b'{"input": {"a:b": 1, "c": {"d": [{"e": 1, "e": 1}]}}}', "input.c.d[0].e"),
        (b'{"input": 1, "input": 2}', "duplicate key 'input'"),
        (b"{}", "`input`"),
        (b'{"headers": {}}', "`input`"),
        (b'{"input": {}, "headers": 1}', "$.headers"),
        (b'{"input": {}, "headers": []}', "$.headers"),
    ],
)
def test_a_bad_body_is_refused_with_what_is_wrong(service, echo, body, word):
    assert_refused(ask(service, "POST", f"/{echo}/sync-executions", body=body), 400, "FGS.3002", word)


@pytest.mark.parametrize("value", [None, 0, False, "", "text", [], [1, {}]])
def test_an_input_may_be_any_json_value(service, value):
    created = create(service, flow(end()))
    response = ask(service, "POST", f"/{created['id']}/sync-executions", {"input": value})
    assert (response.status, answer_of(response)["output"]) == (200, value)


def test_null_headers_are_no_headers(service, echo):
    assert ask(service, "POST", f"/{echo}/sync-executions", {"input": {}, "headers": None}).status == 200


def test_a_body_of_over_12_mb_is_refused_as_the_gateway_does(service, echo):
    body = b'{"input": {}, "pad": "' + b"x" * 12 * 1024 * 1024 + b'"}'
    assert_refused(ask(service, "POST", f"/{echo}/sync-executions", body=body), 413, "APIGW.0201")


@pytest.mark.parametrize("depth", [100, 300, 400, 450, 480, 900])
def test_whatever_the_depth_of_the_input_there_is_an_answer(service, echo, depth):
    text = b'{"input":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"
    response = ask(service, "POST", f"/{echo}/sync-executions", body=text)
    assert response.status in (200, 400)
    if depth <= 300:
        assert answer_of(response)["status"] == "success"


@pytest.mark.parametrize("depth", [940, 960, 970, 975, 980])
def test_an_answer_that_is_deeper_than_the_input_is_an_answer_too(service, depth):
    def around(number):
        branches = [{"name": "b", "start": f"i{number}", "states": [end(f"i{number}")]}]
        more = {"transition": f"p{number + 1}", "end": False} if number < 9 else {}
        return state(f"p{number}", type="Parallel", branches=branches) | more

    created = create(service, flow(*map(around, range(10))))
    text = b'{"input":' + b'{"a":' * depth + b'"\\ud800"' + b"}" * depth + b"}"
    response = ask(service, "POST", f"/{created['id']}/sync-executions", body=text)
    if response.status != 200:
        assert_refused(response, 400, "FGS.3002", "nested too deeply")


EXACT = [
    2**70,
    -(2**64) - 1,
    1e22,
    5e-324,
    -0.0,
    0.1,
    "\ud800",
    '\x00\u2028:"\\',
    {"\udfff": [None, True]},
    "函数流 😀",
]


@pytest.mark.parametrize("value", EXACT, ids=ascii)
def test_values_come_back_exactly_whatever_carried_them(service, echo, value):
    body = json.dumps({"input": {"v": value}}).encode()
    answer = ask(service, "POST", f"/{echo}/sync-executions", body=body)
    assert exact(answer_of(answer)["output"]) == exact({"v": value})


def test_with_documented_keys_an_answer_has_output_or_errors(functions):
    functions.register(lambda event, context: event, name="echo")
    service = Service(functions=functions, samples=False, options=Options(response_keys="documented"), limit=0.1)
    common = {"execution_id", "status", "begin_time", "end_time"}
    for definition, more in (
        (one_call("echo", name="good"), "output"),
        (one_call("nobody", name="bad"), "errors"),
        (flow(sleep("s", 5), name="slow"), "errors"),
    ):
        created = create(service, definition)
        body = answer_of(ask(service, "POST", f"/{created['id']}/sync-executions", {"input": {}}))
        assert set(body) == common | {more}, definition["name"]


def test_an_option_lets_normal_workflows_run_synchronously_within_the_limit(functions):
    service = Service(functions=functions, samples=False, options=Options(normal_on_sync="run"), limit=0.1)
    created = create(service, flow(sleep("s", 60)) | {"mode": "NORMAL"})
    body = body_of(ask(service, "POST", f"/{created['id']}/sync-executions", {"input": {}}), "SyncExecuteResponse")
    assert body["status"] == "timeout"


def test_workflows_of_one_name_created_at_once_are_one(service):
    start, statuses = threading.Barrier(8), []

    def one():
        start.wait()
        statuses.append(ask(service, "POST", value=one_call("f", name="one")).status)

    threads = [threading.Thread(target=one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201] + [400] * 7
    assert len(service.catalog) == 1


# --- over HTTP -----------------------------------------------------------------------------------


def exchange(serve, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(urlsplit(serve).netloc, timeout=20)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), json.loads(response.read())
    finally:
        connection.close()


def test_over_http_the_answer_is_the_same(serve):
    status, headers, body = exchange(serve, "GET", f"{PATH}?limit=1&workflow_name=order-triage")
    assert status == 200
    assert [entry["name"] for entry in body["workflows"]] == ["order-triage"]
    assert headers["content-type"] == "application/json"
    UUID(headers["x-request-id"])


@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("PATCH", PATH), ("OPTIONS", PATH), ("GET", "/v2/x")])
def test_over_http_an_unknown_path_is_the_gateways_404(serve, method, path):
    status, headers, body = exchange(serve, method, path)
    assert (status, body["error_code"]) == (404, "APIGW.0101")
    assert body["request_id"] == headers["x-request-id"]


@pytest.mark.parametrize("length", ["declared", "chunked"])
def test_over_http_a_body_of_over_12_mb_is_refused(serve, length):
    megabyte = b" " * 1024 * 1024
    body = megabyte * 13 if length == "declared" else iter([megabyte] * 13)
    status, _, answer = exchange(serve, "POST", PATH, body)
    assert (status, answer["error_code"]) == (413, "APIGW.0201")


def test_over_http_an_encoded_slash_stays_part_of_the_id(serve):
    status, _, body = exchange(serve, "GET", f"{PATH}/a%2Fb")
    assert (status, body["error_code"]) == (404, "FGS.5002")


def test_over_http_a_short_answer_is_not_held_back(serve):
    connection = http.client.HTTPConnection(urlsplit(serve).netloc, timeout=20)
    took = []
    for _ in range(9):
        started = time.perf_counter()
        connection.request("GET", f"{PATH}?limit=1")
        connection.getresponse().read()
        took.append(time.perf_counter() - started)
    connection.close()
    assert sorted(took)[4] < 0.03  # Nagle's algorithm and a delayed acknowledgement together take 0.04 s


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "example.com", "192.0.2.1", ""])
def test_the_server_listens_on_loopback_only(service, host):
    with pytest.raises(ConfigError, match="loopback only"):
        serve_until_interrupted(service, host=host, port=0)


def test_a_taken_or_impossible_port_is_a_clear_error(service, serve):
    with pytest.raises(ConfigError, match=r"can't listen on .* try --port 0"):
        serve_until_interrupted(service, port=urlsplit(serve).port)
    with pytest.raises(ConfigError, match="port 70000"):
        serve_until_interrupted(service, port=70000)


def test_ids_are_random_uuids_of_version_4() -> None:
    ids = {new_id() for _ in range(500)}
    assert len(ids) == 500
    for id in ids:
        assert str(UUID(id)) == id
        assert (UUID(id).version, UUID(id).variant) == (4, RFC_4122)
