"""What the service counts: local/metrics.py and its endpoints."""

import asyncio
import json
import threading
from urllib.parse import quote

import pytest

from fgnb.local.execution import Clock
from fgnb.local.functions import Functions
from fgnb.local.metrics import Metrics
from fgnb.local.service import Service
from fgnb.wire import Request
from tests.flows import PATH, PROJECT, action, ask, flow, one_call, sleep, state
from tests.schemas import body_of
from tests.test_executions import ended, normal, start

MINUTE = 60.0
BEGIN = 1_767_312_000.0  # the begin of an hour
ROOT = f"/v2/{PROJECT}/fgs/workflow-statistic"


class Time:
    def __init__(self):
        self.now = BEGIN

    def __call__(self):
        return self.now

    def at(self, minutes):
        self.now = BEGIN + minutes * MINUTE


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def metrics(time):
    return Metrics(time)


def run(metrics, time, begin, end, *, workflow="w", status="success"):
    """Count an execution that begins and ends so many minutes after the begin."""
    time.at(begin)
    metrics.begin(workflow)
    time.at(end)
    metrics.end(workflow, status, (end - begin) * MINUTE)


def figures(series):
    """The values of a series by minutes after the begin, without those that are 0."""
    return {(value.timestamp / 1000 - BEGIN) / MINUTE: value.value for value in series if value.value}


def test_executions_count_in_the_period_in_which_they_begin_and_end(metrics, time):
    run(metrics, time, 0.5, 0.75)
    run(metrics, time, 1, 7.5, status="fail")
    run(metrics, time, 5, 6, status="timeout")
    run(metrics, time, 8, 8.5, status="cancel")
    found = metrics.statistics("w", period=5)
    assert figures(found.count) == {0: 2, 5: 2}
    assert figures(found.fail_count) == {5: 2}
    assert figures(found.duration) == {0: 15_000, 5: (6.5 + 1 + 0.5) * 60_000 / 3}


def test_running_are_those_that_run_at_the_end_of_a_period_or_now(metrics, time):
    for begin in (0, 1, 2):
        time.at(begin)
        metrics.begin("w")
    time.at(3)
    metrics.end("w", "success", 180)
    time.at(12)
    metrics.end("w", "success", 660)
    time.at(13)
    assert figures(metrics.statistics("w", period=1).running_count) == (
        {0: 1, 1: 2, 2: 3} | dict.fromkeys(range(3, 12), 2) | {12: 1, 13: 1}
    )
    assert figures(metrics.statistics("w", period=5).running_count) == {0: 2, 5: 2, 10: 1}


def test_workflows_are_counted_apart_and_together(metrics, time):
    run(metrics, time, 0, 1, workflow="a")
    run(metrics, time, 0, 3, workflow="b", status="fail")
    time.at(3)
    one, both = (metrics.statistics(id, period=60) for id in ("a", None))
    assert figures(one.count) == {0: 1}
    assert figures(both.count) == {0: 2}
    assert figures(both.fail_count) == {0: 1}
    assert figures(both.duration) == {0: 120_000}
    assert figures(metrics.statistics("c", period=60).count) == {}


def test_there_is_a_value_for_each_period_between_the_times(metrics, time):
    run(metrics, time, 61, 62)
    time.at(120)
    found = metrics.statistics("w", period=30, start=BEGIN + 10, end=BEGIN + 119 * MINUTE)
    assert [(value.timestamp / 1000 - BEGIN) / MINUTE for value in found.count] == [0, 30, 60, 90]
    assert [value.value for value in found.count] == [0, 0, 1, 0]
    assert metrics.statistics("w", period=30, start=BEGIN + 60, end=BEGIN).count == ()


def test_a_period_may_be_longer_than_anything(metrics, time):
    run(metrics, time, 0, 1)
    for period in (10**6, 10**18 - 1):
        found = metrics.statistics("w", period=period)
        assert [(value.timestamp, value.value) for value in found.count] == [
            (int(BEGIN // 60) // period * period * 60_000, 1)
        ]
        (value,) = metrics.statistics("w", period=period, start=BEGIN).count
        assert (value.timestamp, value.value) == (BEGIN * 1000, 1)


def test_what_began_or_ended_after_the_last_period_does_not_run_in_it(metrics, time):
    time.at(0)
    metrics.begin("w")
    run(metrics, time, 10, 11)
    found = metrics.statistics("w", period=2, start=BEGIN, end=BEGIN + 4 * MINUTE)
    assert [value.value for value in found.running_count] == [1, 1]


def test_a_day_is_kept_and_nothing_before_or_after_is_told(metrics, time):
    run(metrics, time, 0, 0.5)
    time.at(24 * 60 - 1)
    assert figures(metrics.statistics("w", period=1).count) == {0: 1}
    found = metrics.statistics("w", period=1, start=0, end=BEGIN * 2)
    assert len(found.count) == 24 * 60
    run(metrics, time, 24 * 60, 24 * 60)
    assert figures(metrics.statistics("w", period=1).count) == {24 * 60: 1}


def test_what_was_counted_long_ago_is_let_go(metrics, time):
    for minute in range(0, 10 * 24 * 60, 7):
        run(metrics, time, minute, minute, workflow=f"w{minute}")
    held = metrics._minutes
    assert len(held) <= 24 * 60 / 7 + 2


def test_counting_from_many_threads_loses_nothing(metrics):
    def many():
        for _ in range(2000):
            metrics.begin("w")
            metrics.end("w", "fail", 1.0)

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = metrics.statistics("w", period=1)
    totals = [sum(value.value for value in series) for series in (found.count, found.fail_count, found.running_count)]
    assert totals == [8000, 8000, 0]


# --- endpoints -----------------------------------------------------------------------------------


@pytest.fixture
def measured(functions, time):
    """A service whose workflow `good` ran twice synchronously, and `bad` once asynchronously; and their URNs."""
    functions.register(lambda event, context: event, name="echo")
    service = Service(functions=functions, samples=False, clock=Clock(time=time))
    good, bad = (
        body_of(ask(service, "POST", value=definition), "WorkflowSimpleInfo", status=201)
        for definition in (one_call("echo", name="good"), normal(state("s", action("nobody")), name="bad"))
    )
    for _ in range(2):
        assert ask(service, "POST", f"/{good['id']}/sync-executions", {"input": {}}).status == 200
    ended(service, bad["id"], start(service, bad["id"]))
    return service, good["workflow_urn"], bad["workflow_urn"]


def totals(response):
    body = body_of(response, "WorkflowStatisticsResp")
    return {name: sum(point["value"] for point in series) for name, series in body.items()}


def test_synchronous_and_asynchronous_executions_are_counted(measured):
    service, good, bad = measured
    nothing = {"duration": 0, "running_count": 0}
    assert totals(ask(service, "GET", ROOT)) == {"count": 3, "fail_count": 1} | nothing
    assert totals(ask(service, "GET", f"{ROOT}/{quote(good)}")) == {"count": 2, "fail_count": 0} | nothing
    assert totals(ask(service, "GET", f"{ROOT}/{quote(bad, safe='')}")) == {"count": 1, "fail_count": 1} | nothing


def test_the_times_of_a_metric_are_milliseconds(measured):
    service, _, _ = measured
    begin = int(BEGIN * 1000)
    body = body_of(
        ask(service, "GET", f"{ROOT}?period=10&start_time={begin - 1_800_000}&end_time={begin + 1}"),
        "WorkflowStatisticsResp",
    )
    assert [(point["timestamp"] - begin) / 60_000 for point in body["count"]] == [-30, -20, -10, 0]
    assert [point["value"] for point in body["count"]] == [0, 0, 0, 3]


@pytest.mark.parametrize(
    ("kind", "filled"),
    [
        ("totalCount", ["count"]),
        ("errorCount", ["fail_count"]),
        ("averageDuration", ["duration"]),
        ("running", ["running_count"]),
        ("rejectCount", []),
        ("", ["count", "duration", "fail_count", "running_count"]),
        ("other", ["count", "duration", "fail_count", "running_count"]),
    ],
)
def test_a_metric_type_asks_for_one_series(measured, kind, filled):
    service, _, _ = measured
    body = body_of(ask(service, "GET", f"{ROOT}?metric_type={kind}"), "WorkflowStatisticsResp")
    assert sorted(name for name, series in body.items() if series) == filled


@pytest.mark.parametrize("query", ["period=0", "period=x", "period=", "start_time=-1", "end_time=2026-01-01"])
def test_a_metric_that_makes_no_sense_is_refused(measured, query):
    service, good, _ = measured
    for path in (ROOT, f"{ROOT}/{good}"):
        message = body_of(ask(service, "GET", f"{path}?{query}"), "ErrorRsp400", status=400)["error_msg"]
        assert query.partition("=")[0] in message


def test_there_is_no_metric_of_an_unknown_workflow(service):
    body = body_of(
        ask(service, "GET", f"{ROOT}/urn:fss:local:p:workflow:default:nope:latest"), "ErrorRsp404", status=404
    )
    assert body["error_code"] == "FGS.5002"


def test_a_run_that_is_given_up_does_not_count_as_running_for_ever():
    service = Service(functions=Functions(), samples=False)
    created = json.loads(ask(service, "POST", value=flow(sleep("s", 3600))).body)

    async def give_up():
        request = Request(method="POST", path=f"{PATH}/{created['id']}/sync-executions", body=b'{"input": {}}')
        task = asyncio.create_task(service.send(request))
        await asyncio.sleep(0.02)
        counted = totals(await service.send(Request(method="GET", path=ROOT)))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return counted

    assert asyncio.run(give_up())["running_count"] == 1
    after = totals(ask(service, "GET", ROOT))
    assert (after["running_count"], after["fail_count"], after["count"]) == (0, 0, 1)
