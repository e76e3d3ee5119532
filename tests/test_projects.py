"""The project that IAM tells: client/projects.py, and what a session makes of every answer of IAM's."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import fgnb
from fgnb import errors
from fgnb.client import projects
from fgnb.client.credentials import AccessKey, IamToken
from fgnb.config import LOOKED_UP
from fgnb.local.gateway import Gateway
from tests.flows import PROJECT
from tests.stub import Behaviour, answer, raw, reset
from tests.test_auth import AK, ID, SK, Gate

REGION, OTHER = "cn-north-4", "cn-east-3"
KEY = AccessKey(AK, SK)
DONE = {"execution_id": ID, "status": "success", "output": {}, "errors": []}
FOUND = {"projects": [{"id": PROJECT, "name": REGION, "enabled": True}], "links": {"self": "https://iam/v3/projects"}}
ASKED = f"/v3/projects?name={REGION}"


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projects, "_known", {})


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Gate, Gate, Callable[..., fgnb.Session]]]]:
    """Return a function that starts an IAM and a service, and gives them with a way to connect to them."""
    opened: list[Any] = []

    def started(*iam_script: Behaviour) -> tuple[Gate, Gate, Callable[..., fgnb.Session]]:
        iam, service = Gate(*iam_script), Gate(answer(200, DONE))
        monkeypatch.setenv("HUAWEICLOUD_SDK_IAM_ENDPOINT", iam.url)

        def connect(credentials: Any = KEY, region: str = REGION, **more: Any) -> fgnb.Session:
            settings = {"retry_for": 0.0} | more
            opened.append(fgnb.connect(service.url, region=region, credentials=credentials, **settings))
            return opened[-1]

        opened.extend((iam, service))
        return iam, service, connect

    yield started
    for each in opened:
        each.close()


def row(session: fgnb.Session) -> tuple[str, str]:
    """The value and the origin of the project that `describe` tells."""
    value, origin = session.describe().loc["project_id"]
    return value, origin


# --- found ---------------------------------------------------------------------------------------


def test_the_project_is_asked_for_at_the_first_call_and_goes_into_path_and_header(start):
    iam, service, connect = start(answer(200, FOUND))
    session = connect()
    assert iam.requests == []
    assert session.run(ID).ok
    assert session.run(ID).ok
    assert iam.requests == [("GET", ASKED, b"")]
    for request in service.arrived:
        assert request.path == f"/v2/{PROJECT}/fgs/workflows/{ID}/sync-executions"
        assert request.headers["x-project-id"] == PROJECT


def test_a_list_asks_for_it_as_a_run_does(start):
    iam, service, connect = start(answer(200, FOUND))
    service.script = [answer(200, {"workflows": [], "total": 0})]
    assert len(connect().workflows()) == 0
    assert iam.requests == [("GET", ASKED, b"")]
    assert service.requests[0][1].startswith(f"/v2/{PROJECT}/fgs/workflows?")


def test_describe_tells_it_once_it_is_known_and_asks_nobody(start):
    iam, _, connect = start(answer(200, FOUND))
    session = connect()
    assert row(session) == ("not known yet", LOOKED_UP)
    assert iam.requests == []
    session.run(ID)
    assert row(session) == (PROJECT, f"IAM, for region {REGION}")
    assert len(iam.requests) == 1


def test_iam_is_asked_with_a_signature(start):
    iam, _, connect = start(answer(200, FOUND))
    iam.gateway = Gateway({AK: SK})
    assert connect(AccessKey(AK, SK, "a-security-token")).run(ID).ok
    headers = iam.arrived[0].headers
    assert headers["x-security-token"] == "a-security-token"
    assert "x-project-id" not in headers  # there is none yet


def test_iam_is_asked_with_a_token(start):
    iam, service, connect = start(answer(200, FOUND))
    assert connect(IamToken("an-iam-token")).run(ID).ok
    for request in (*iam.arrived, *service.arrived):
        assert request.headers["x-auth-token"] == "an-iam-token"
        assert "authorization" not in request.headers


def test_a_project_that_is_given_is_not_asked_for(start):
    iam, service, connect = start(answer(200, FOUND))
    assert connect(project_id="given").run(ID).ok
    assert iam.requests == []
    assert "/v2/given/" in service.requests[0][1]


# --- how often -----------------------------------------------------------------------------------


def test_sessions_of_one_key_and_region_share_it(start):
    iam, _, connect = start(answer(200, FOUND))
    for _ in range(3):
        session = connect()
        assert session.run(ID).ok
        assert row(session) == (PROJECT, f"IAM, for region {REGION}")
    assert len(iam.requests) == 1


def test_another_key_or_region_asks_anew(start):
    iam, service, connect = start(answer(200, FOUND))
    there = answer(200, {"projects": [{"id": "ofanother", "name": OTHER}]})
    iam.script = [answer(200, FOUND), there]
    connect().run(ID)
    connect(region=OTHER).run(ID)
    connect(AccessKey("another", SK)).run(ID)
    assert [path for _, path, _ in iam.requests] == [ASKED, f"/v3/projects?name={OTHER}", ASKED]
    assert [path.split("/")[2] for _, path, _ in service.requests] == [PROJECT, "ofanother", "ofanother"]


def test_tokens_are_not_remembered_for_other_sessions(start):
    iam, _, connect = start(answer(200, FOUND))
    for _ in range(2):
        assert connect(IamToken("an-iam-token")).run(ID).ok
    assert len(iam.requests) == 2
    assert projects._known == {}


def test_20_runs_at_once_from_two_event_loops_one_after_another_ask_once(start):
    iam, service, connect = start(answer(200, FOUND))
    session = connect()

    async def many() -> list[fgnb.Run]:
        return await asyncio.gather(*(session.arun(ID) for _ in range(20)))

    for _ in range(2):
        assert all(run.ok for run in asyncio.run(many()))
    assert (len(iam.requests), service.posts()) == (1, 40)


def test_a_failure_is_not_remembered_from_whatever_event_loop(start):
    iam, _, connect = start(answer(401, {"error_code": "APIGW.0301", "error_msg": "x"}))
    session = connect()

    async def many() -> list[fgnb.Run]:
        return await asyncio.gather(*(session.arun(ID, check=False) for _ in range(5)))

    assert {run.status for run in asyncio.run(many())} == {"rejected"}
    iam.script = [answer(200, FOUND)]
    assert {run.status for run in asyncio.run(many())} == {"success"}


# --- not found -----------------------------------------------------------------------------------


def test_no_project_is_an_error_that_says_what_to_give(start):
    _, service, connect = start(answer(200, {"projects": []}))
    session = connect()
    for call in (lambda: session.run(ID), session.workflows):
        with pytest.raises(errors.ConfigError) as caught:
            call()
        assert f"no project of region {REGION}" in str(caught.value)
        assert "project_id=" in str(caught.value)
    assert service.requests == []
    assert row(session) == ("not known yet", LOOKED_UP)


def test_several_projects_are_listed(start):
    several = [{"id": PROJECT, "name": REGION}, {"id": "another", "name": f"{REGION}_team"}]
    _, service, connect = start(answer(200, {"projects": several}))
    with pytest.raises(errors.ConfigError) as caught:
        connect().run(ID)
    assert f"several projects of region {REGION}: {PROJECT} ({REGION}), another ({REGION}_team)" in str(caught.value)
    assert "project_id=" in str(caught.value)
    assert service.requests == []


def test_iam_that_refuses_rejects_the_run_with_its_reason(start):
    said = {"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information: ak AB not exist"}
    _, service, connect = start(answer(401, said, x_request_id="Req1"))
    session = connect()
    with pytest.raises(errors.AccessKeyUnknown) as caught:
        session.run(ID)
    assert isinstance(caught.value, errors.RequestRejected)
    with pytest.raises(errors.AccessKeyUnknown) as listed:
        session.workflows()
    for error in (caught.value, listed.value):
        assert (error.status, error.code, error.request_id) == (401, "APIGW.0301", "Req1")
        assert "access key (AK)" in error.hint
    assert service.requests == []


def test_iam_that_may_not_be_asked_is_told_as_such(start):
    _, service, connect = start(answer(403, {"error_code": "IAM.0003", "error_msg": "Policy doesn't allow it"}))
    with pytest.raises(errors.PermissionDenied):
        connect().run(ID)
    assert service.requests == []


LOST = {
    "drop": raw(b""),
    "reset": reset,
    "HTML": answer(200, b"<html>log in</html>", content_type="text/html"),
    "another form": answer(200, {"projects": "none"}),
    "an id that leads elsewhere": answer(200, {"projects": [{"id": "../admin", "name": REGION}]}),
    "a project without an id": answer(200, {"projects": [{"name": REGION}]}),
    "a list": answer(200, []),
}


@pytest.mark.parametrize("behaviour", LOST.values(), ids=LOST.keys())
def test_iam_that_gives_no_answer_makes_a_call_fail(start, behaviour):
    _, service, connect = start(behaviour)
    with pytest.raises(errors.AnswerLost) as caught:
        connect().workflows()
    assert len(str(caught.value).splitlines()) <= 15
    assert service.requests == []


@pytest.mark.parametrize("behaviour", LOST.values(), ids=LOST.keys())
def test_iam_that_gives_no_answer_leaves_the_run_unsent(start, behaviour):
    _, service, connect = start(behaviour)
    run = connect().run(ID, check=False)
    assert service.requests == []
    assert run.status == "unsent"


@pytest.mark.parametrize("behaviour", LOST.values(), ids=LOST.keys())
def test_iam_that_gives_no_answer_leaves_a_run_by_name_unsent(start, behaviour):
    _, service, connect = start(behaviour)
    assert connect().run("order-triage", check=False).status == "unsent"
    assert service.requests == []


def test_iam_that_is_not_there_leaves_the_run_unsent_and_is_named(start):
    iam, service, connect = start(answer(200, FOUND))
    session = connect()
    iam.close()
    run = session.run(ID, check=False)
    assert run.status == "unsent"
    assert iam.url in (run.reason or "")
    assert service.requests == []


def test_a_closed_session_asks_nobody(start):
    iam, _, connect = start(answer(200, FOUND))
    session = connect()
    session.close()
    with pytest.raises(errors.NotSent, match="closed"):
        session.run(ID)
    assert iam.requests == []
