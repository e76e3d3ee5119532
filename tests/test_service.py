"""The service's paths, statuses and bodies: local/service.py, catalog.py, app.py."""

import http.client
import json
import logging
import time
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from fgnb.errors import ConfigError
from fgnb.local.server import serve as serve_until_interrupted
from fgnb.local.service import Service
from tests.flows import PATH, PROJECT, action, ask, end, flow, one_call, state


def answer_of(response):
    return json.loads(response.body)


@pytest.fixture
def echo(functions, service):
    """The id of a workflow that gives back its input."""
    functions.register(lambda event, context: event, name="echo")
    return create(service, one_call("echo"))["id"]


def create(service: Service, definition: dict) -> dict:
    response = ask(service, "POST", value=definition)
    assert response.status == 201, response.body
    return answer_of(response)


def assert_refused(response, status: int, code: str, *words: str) -> None:
    body = answer_of(response)
    assert (response.status, body["error_code"]) == (status, code)
    for word in words:
        assert word in body["error_msg"]
    assert 2 <= len(body["error_msg"]) <= 512


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
        ("POST", "/some-id/executions"),
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


def test_a_fault_inside_is_a_500_and_is_logged(service, monkeypatch, caplog):
    monkeypatch.setattr(service, "catalog", None)
    with caplog.at_level(logging.ERROR, "fgnb.local"):
        response = ask(service, "GET")
    assert_refused(response, 500, "FGS.3002", "Internal Error.")
    assert response.headers["x-request-id"] in caplog.text
    assert "AttributeError" in caplog.text


def test_an_answer_that_cannot_be_written_is_a_500_too(service, echo, monkeypatch):
    async def execute(execution):
        return {"output": float("inf")}

    monkeypatch.setattr(service.engine, "execute", execute)
    assert_refused(ask(service, "POST", f"/{echo}/sync-executions", {"input": {}}), 500, "FGS.3002")


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


def test_an_invalid_definition_is_refused_with_the_place_and_the_number_of_problems(service):
    bad = flow(state("a", action("f"), transition="b"), *(state(id, action("f", {"a": "$.["})) for id in ("c", "d")))
    response = ask(service, "POST", value=bad)
    assert_refused(response, 400, "FGS.3002", "$.states[0].transition", "'b'", "(and 2 more)")


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
    assert response.status == 200
    return [entry["name"] for entry in answer_of(response)["workflows"]]


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
    "query", ["?limit=0", "?limit=-1", "?limit=x", "?offset=1.5", "?limit=" + "9" * 5000, "?mode=express"]
)
def test_a_bad_query_is_refused(service, query):
    assert_refused(ask(service, "GET", query), 400, "FGS.3002", query[1:].partition("=")[0])


# --- delete --------------------------------------------------------------------------------------


def test_delete_says_what_is_gone_and_what_was_not_there(service):
    one, two = (create(service, one_call("f", name=name)) for name in ("one", "two"))
    response = ask(service, "DELETE", value={"workflow_urns": [one["workflow_urn"], "urn:x", one["workflow_urn"]]})
    assert response.status == 200
    failed = [
        {"workflow_urn": urn, "error_detail": "Function flow not found."} for urn in ("urn:x", one["workflow_urn"])
    ]
    assert answer_of(response) == {"success": [one["workflow_urn"]], "fail": failed}
    assert names(ask(service, "GET")) == ["two"]
    assert ask(service, "GET", f"/{one['id']}").status == 404
    assert ask(service, "GET", f"/{two['id']}").status == 200


@pytest.mark.parametrize("urns", [None, "urn", [1], ["u"] * 201])
def test_a_bad_list_of_urns_is_refused(service, urns):
    assert_refused(ask(service, "DELETE", value={"workflow_urns": urns}), 400, "FGS.3002", "workflow_urns")


# --- execute -------------------------------------------------------------------------------------


def test_an_execution_answers_200_with_all_six_fields(service, echo):
    response = ask(service, "POST", f"/{echo}/sync-executions", {"input": {"n": 1}})
    assert response.status == 200
    body = answer_of(response)
    UUID(body.pop("execution_id"))
    assert body.pop("begin_time") <= body.pop("end_time")
    assert body == {"status": "success", "output": {"n": 1}, "errors": []}


def test_a_failed_execution_is_a_200_too_with_a_null_output(service):
    created = create(service, one_call("nobody"))
    response = ask(service, "POST", f"/{created['id']}/sync-executions", {"input": {}})
    body = answer_of(response)
    assert (response.status, body["status"], body["output"]) == (200, "fail", None)
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
        (b"{}", "input is missing"),
        (b'{"headers": {}}', "input is missing"),
        (b'{"input": {}, "headers": 1}', "headers must be an object"),
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
