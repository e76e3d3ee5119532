"""Connecting, deploying, and what the session hands to the layers below."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import fgnb
from fgnb import shortcuts
from fgnb.client import blocking
from fgnb.config import LOCAL_PROJECT
from fgnb.errors import ConfigError, InputError
from fgnb.local.functions import registered
from fgnb.local.options import Options
from fgnb.runs import pending as pending_module
from fgnb.session import Session
from fgnb.shortcuts import connect
from tests.flows import flow, one_call, sleep
from tests.workflow_stub import WorkflowStub, success


@pytest.fixture(autouse=True)
def _no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "_default", None)


@pytest.fixture
def local() -> Session:
    return connect("local")


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered function that says what it was given."""
    monkeypatch.setitem(registered, "session_echo", None)
    registered.register(
        lambda event, context: {"event": event, "headers": context.headers, "project": context.getProjectID()},
        name="session_echo",
    )


def test_without_anything_the_embedded_service_is_connected_on_first_use() -> None:
    assert fgnb.run("order-triage", {"sku": "A-1"}).connection == "local"
    described = shortcuts.current().describe()
    assert described.loc["endpoint"].tolist() == ["local", "default"]
    assert described.loc["project_id"].tolist() == [LOCAL_PROJECT, "default"]


def test_the_environment_says_where_to_connect(serve: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FGNB_ENDPOINT", serve)
    monkeypatch.setenv("HUAWEICLOUD_SDK_PROJECT_ID", "abc123")
    connected = connect()
    assert connected.connection == serve
    origins = connected.describe()["origin"]
    assert origins["endpoint"] == "environment variable FGNB_ENDPOINT"
    assert origins["project_id"] == "environment variable HUAWEICLOUD_SDK_PROJECT_ID"
    assert connect("local").connection == "local"  # what is given goes over the environment


def test_the_session_connected_last_is_the_default_one(serve: str) -> None:
    with connect(serve) as served:
        assert fgnb.run("order-triage", {"sku": "A-1"}).connection == serve
    with pytest.raises(fgnb.NotSent, match="the session is closed"):
        served.run("order-triage")
    served = connect(serve)
    assert fgnb.run("order-triage", {"sku": "A-1"}).connection == serve
    served.close()
    connect("local")
    assert fgnb.run("order-triage", {"sku": "A-1"}).connection == "local"


@pytest.mark.parametrize(
    ("target", "project_id", "message"),
    [
        (
            "locl",
            None,
            "'locl' (given to connect()) is neither 'local' nor the URL of a service; did you mean 'local'?",
        ),
        ("ftp://x", None, "endpoint (given to connect()) must be 'local' or an http or https URL"),
        ("http://", None, "must be 'local' or an http or https URL"),
        ("http://h:99999", None, "must be 'local' or an http or https URL"),
        ("http://ak:sk@127.0.0.1", None, "without user name, password, query and fragment"),
        ("local", "a/b", "project_id (given to connect()) must be 1 to 64 letters and digits"),
    ],
)
def test_a_wrong_setting_says_which_and_where_from(target: str, project_id: str | None, message: str) -> None:
    with pytest.raises(fgnb.ConfigError) as caught:
        connect(target, project_id=project_id)
    assert message in str(caught.value)
    assert "sk@" not in str(caught.value)


@pytest.mark.parametrize("name", ["flow.yaml", "flow.json"])
def test_a_file_is_deployed_run_and_replaced_by_name(tmp_path: Path, echo: None, name: str) -> None:
    path = tmp_path / name
    path.write_text(json.dumps(one_call("session_echo", name="session-flow")))  # JSON is YAML, too
    connected = connect("local", project_id="p1")
    first = connected.deploy(path)
    run = connected.run("session-flow", {"a": 1}, headers={"tenant": "t"})
    assert run.output == {"event": {"a": 1}, "headers": {"tenant": "t"}, "project": "p1"}
    path.write_text(json.dumps(one_call("session_echo", {"b": "$.a"}, name="session-flow")))
    again = connected.deploy(str(path))
    assert again.id == first.id
    assert connected.run("session-flow", {"a": 1}).output["event"] == {"b": 1}


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("a.yaml", "name: [", fgnb.InputError, "a.yaml: not YAML"),
        ("a.json", "{,}", fgnb.InputError, "a.json: not JSON"),
        ("a.yaml", "- 1", fgnb.DefinitionError, "$: expected `object`, got `list`"),
        ("a.yaml", "name: x", fgnb.DefinitionError, "missing required field `states`"),
        ("a.yml", "a: &x [1]\n\tb: 2", fgnb.InputError, "a.yml: not YAML"),
        ("a.txt", '{"name": "x", "name": "y"}', fgnb.InputError, "a.txt: duplicate key 'name' (at name)"),
        ("a.txt", "name: x", fgnb.DefinitionError, "missing required field `states`"),
        ("none.yaml", None, fgnb.ConfigError, "none.yaml: No such file or directory"),
    ],
)
def test_a_bad_file_is_named_and_nothing_is_deployed(
    tmp_path: Path, name: str, text: str | None, kind: type[Exception], message: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    before = fgnb.workflows().index.tolist()
    with pytest.raises(kind) as caught:
        fgnb.deploy(tmp_path / name)
    assert message in str(caught.value)
    assert fgnb.workflows().index.tolist() == before


def test_what_is_neither_file_nor_mapping_is_refused() -> None:
    with pytest.raises(fgnb.InputError, match="a definition is a file or a mapping, not a list"):
        fgnb.deploy([1])  # type: ignore[arg-type]
    with pytest.raises(fgnb.InputError, match="this is a text of several lines: parse it first"):
        fgnb.validate("name: x\nmode: EXPRESS\n")


def test_workflows_are_a_frame_by_name() -> None:
    frame = fgnb.workflows()
    assert frame.index.name == "name"
    assert frame.columns.tolist() == ["id", "description", "created_time", "updated_time", "workflow_urn"]
    assert isinstance(frame["created_time"].dtype, pd.DatetimeTZDtype)
    assert frame.loc["order-triage", "id"] == fgnb.workflow("order-triage").id


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workflow": ""}, "a workflow is named by a text"),
        ({"workflow": 7}, "a workflow is named by a text, not 7"),
        ({"timeout": 0}, "timeout must be a positive number of seconds, not 0"),
        ({"timeout": "5"}, "timeout must be a positive number of seconds, not '5'"),
        ({"input": {"a": {1}}}, "a set has no JSON form (at input.a)"),
        ({"headers": ["a"]}, "headers must be a mapping, not ['a']"),
        ({"tags": "try"}, "tags must be a mapping, not 'try'"),
        ({"tags": {"a": float("nan")}}, "nan is not a JSON value (at tags.a)"),
    ],
)
def test_what_can_not_be_sent_is_refused_before_anything_is(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(fgnb.InputError) as caught:
        fgnb.run(**({"workflow": "order-triage", "input": {}} | arguments))  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_arun_awaits_and_raises_as_run_does() -> None:
    async def both() -> tuple[fgnb.Run, fgnb.Run]:
        good = fgnb.arun("order-triage", {"sku": "A-1"}, tags={"n": 1})
        bad = fgnb.arun("order-triage", {"sku": "Z-1"}, check=False)
        return await asyncio.gather(good, bad)

    good, bad = asyncio.run(both())
    assert (good.status, good.tags, bad.status) == ("success", {"n": 1}, "fail")
    with pytest.raises(fgnb.WorkflowFailed):
        asyncio.run(fgnb.arun("order-triage", {"sku": "Z-1"}))


def test_a_cancelled_arun_closes_its_connection_and_leaves_the_service_usable() -> None:
    async def cancelled() -> None:
        task = asyncio.ensure_future(fgnb.arun("document-extraction", {"text": "x", "pages": 100}))
        await asyncio.sleep(0.3)
        task.cancel()
        await asyncio.wait_for(asyncio.wait([task]), 1)
        assert task.cancelled()

    asyncio.run(cancelled())
    assert fgnb.run("order-triage", {"sku": "A-1"}).ok


# --- runs in the background ----------------------------------------------------------------------


@pytest.fixture
def held() -> Iterator[tuple[Session, threading.Event]]:
    """A session whose service answers once it is told to."""
    go = threading.Event()
    stub = WorkflowStub(lambda value: success(value) if go.wait(20) else (500, {}))
    session = connect(stub.url, project_id="p", retry_for=0, history="off")
    yield session, go
    go.set()
    session.close()
    stub.close()


def test_a_pending_run_says_how_it_is(held: tuple[Session, threading.Event]) -> None:
    session, go = held
    pending = session.submit("echo", {"n": 1})
    assert repr(pending) == f"<Run {pending.run_id} of echo: under way>"
    with pytest.raises(TimeoutError, match=r"echo has not ended within 0\.01 s; it goes on"):
        pending.wait(timeout=0.01)
    go.set()
    assert pending.wait(timeout=10).ok
    assert repr(pending) == f"<Run {pending.run_id} of echo: success>"
    nothing = session.submit("ecko", {})
    with pytest.raises(fgnb.WorkflowNotFound):
        nothing.wait(timeout=10)
    assert repr(nothing) == f"<Run {nothing.run_id} of ecko: has ended>"


def test_a_run_is_given_up_in_time_though_the_event_loop_does_not_answer(
    held: tuple[Session, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocking, "GRACE", 0.02)
    monkeypatch.setattr(pending_module, "SETTLING", 0.02)
    session, _ = held
    pending = session.submit("echo", {"n": 1})
    blocked, hold = threading.Event(), threading.Event()

    async def block() -> None:
        blocked.set()
        hold.wait(20)

    session.client.start(block())
    assert blocked.wait(10)
    run = pending.give_up()
    assert run.status in ("cancelled", "unknown")
    hold.set()
    session.client.start(asyncio.sleep(0)).result(10)
    assert pending.wait(timeout=10) is run, "what comes later changes nothing"


def test_a_run_that_has_ended_is_not_painted_again_and_again(held: tuple[Session, threading.Event]) -> None:
    session, go = held
    go.set()
    pending = session.submit("echo", {"n": 1})
    pending.wait(timeout=10)

    class Place:
        from_any_thread = True
        shown = 0

        def update(self, state: object) -> None:
            self.shown += 1

        close = update

    place = Place()
    pending.show_in(place)
    pending.show_in(None)
    assert pending.views == [place]
    pending.paint()
    assert place.shown == 1


def test_reprs_are_short_and_name_the_connection() -> None:
    connected = connect("local")
    assert repr(connected) == "<Session connected to local>"
    assert repr(connected.workflow("order-triage")) == "<Workflow order-triage, 4 states>"
    connected.close()


# --- traces and settings of the embedded service -------------------------------------------------


def test_a_trace_tells_what_happened_at_each_state(local: Session) -> None:
    run = local.run("order-triage", {"sku": "A-100", "qty": 3})
    for asked in (run, run.execution_id):
        trace = local.trace(asked)
        assert [visit.step.id for visit in trace] == ["price", "stock", "decide", "end"]
    assert trace[-1].step.id == "end"
    assert repr(trace) == f"<Trace of {run.execution_id}, 4 attempts at states>"
    frame = trace.frame
    assert frame["status"].tolist() == ["success"] * 4
    assert frame["input"].iloc[0] == {"sku": "A-100", "qty": 3}
    assert frame["output"].iloc[-1] == run.output
    assert (frame["elapsed"] >= 0).all()
    assert str(frame["begin_time"].dtype) == "datetime64[us, UTC]"
    assert "decide" in trace._repr_mimebundle_()["text/plain"]


def test_a_trace_of_a_failed_run_names_the_failure(local: Session) -> None:
    run = local.run("order-triage", {"sku": "nope", "qty": 3}, check=False)
    row = local.trace(run).frame.iloc[-1]
    assert (row["status"], row["node_id"]) == ("fail", run.node_errors[0].node_id)
    assert (row["error_type"], row["error_message"]) == (
        run.node_errors[0].error_type,
        run.node_errors[0].error_message,
    )


def test_a_trace_tells_what_was_given_up(local: Session) -> None:
    ways = [
        {"name": id, "start": id, "states": [sleep(id, seconds)]} for id, seconds in (("slow", 60), ("quick", 0.001))
    ]
    either = {"id": "p", "name": "p", "type": "Parallel", "branches": ways, "completion_type": "any", "end": True}
    local.deploy(flow(either | {"transition": ""}, name="either"))
    frame = local.trace(local.run("either")).frame.set_index("node_id")
    assert frame["status"].to_dict() == {"p": "success", "slow": "cancelled", "quick": "success"}


def test_a_trace_that_is_not_kept_is_said_clearly(local: Session, serve: str) -> None:
    with pytest.raises(InputError, match="nothing is known of execution x"):
        local.trace("x")
    session = connect(serve)
    try:
        with pytest.raises(InputError, match="only the embedded service in this process"):
            session.trace("x")
    finally:
        session.close()


def test_the_embedded_service_can_be_set_up_otherwise() -> None:
    usual, quick = connect("local"), connect("local", limit=0.2)
    assert connect("local").client.show("order-triage").id == usual.client.show("order-triage").id
    quick.deploy(flow(sleep("wait", 60), name="sleepy"))
    assert quick.run("sleepy", check=False).status == "timeout"
    assert "sleepy" not in usual.workflows().index
    strict = connect("local", options=Options(unresolved="fail"))
    strict.deploy(one_call("order_price", {"x": "$.nope"}, name="strict"))
    assert "$.nope" in strict.run("strict", check=False).node_errors[0].error_message
    with pytest.raises(ConfigError, match="give them to fgnb serve"):
        connect("http://127.0.0.1:1", limit=3)


@pytest.mark.parametrize("settings", [{"limit": 0}, {"limit": -1}, {"limit": "1"}, {"isolation": "proc"}])
def test_a_setting_that_means_nothing_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="must be"):
        connect("local", **settings)  # type: ignore[arg-type]


def test_an_option_says_what_it_may_be_and_what_it_means() -> None:
    with pytest.raises(ConfigError, match="unresolved can't be 'fial'; it may be omit, null, fail"):
        Options(unresolved="fial")  # type: ignore[arg-type]
    assert "left out, null, or the state fails" in (Options.__doc__ or "")
