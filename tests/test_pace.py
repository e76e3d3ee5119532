"""How a refusal slows many runs down together: client/pace.py."""

import asyncio

from fgnb.client import pace as pace_module
from fgnb.client.pace import Pace


class Clock:
    """Seconds that pass when somebody sleeps."""

    def __init__(self, monkeypatch) -> None:
        self.now = 100.0
        self.slept = []

        async def sleep(seconds):
            self.slept.append(seconds)
            self.now += seconds

        monkeypatch.setattr(pace_module.asyncio, "sleep", sleep)

    def __call__(self) -> float:
        return self.now


def paced(monkeypatch, most=8):
    clock = Clock(monkeypatch)
    return Pace(most, clock=clock, chance=lambda: 0.5), clock


def test_no_more_than_the_limit_are_under_way():
    async def scenario():
        pace = Pace(2)
        await pace.turn()
        await pace.turn()
        third = asyncio.create_task(pace.turn())
        await asyncio.sleep(0)
        waited = not third.done()
        pace.passed()
        await third
        return waited

    assert asyncio.run(scenario())


def test_refusal_stops_all_for_as_long_as_the_service_asks(monkeypatch):
    pace, clock = paced(monkeypatch)

    async def scenario():
        await pace.turn()
        pace.refused("7")
        await pace.turn()

    asyncio.run(scenario())
    assert clock.slept == [7.5]


def test_one_wave_of_refusals_halves_the_limit_once_and_the_next_again(monkeypatch):
    pace, clock = paced(monkeypatch)

    async def scenario():
        for _ in range(8):
            await pace.turn()
        for _ in range(8):
            pace.refused(None)
        first = pace.limit
        await pace.turn()
        pace.refused(None)
        return first

    assert asyncio.run(scenario()) == 4
    assert pace.limit == 2
    assert clock.slept == [2.0]
    assert pace.waits == 4.0, "the pause doubles as long as nothing else is answered"


def test_answers_raise_the_limit_again_to_what_it_was(monkeypatch):
    pace, _ = paced(monkeypatch, most=4)

    async def scenario():
        await pace.turn()
        pace.refused(None)
        for _ in range(40):
            await pace.turn()
            pace.passed()

    asyncio.run(scenario())
    assert pace.limit == 4


def test_who_is_cancelled_while_waiting_leaves_the_place_to_the_next():
    async def scenario():
        pace = Pace(1)
        await pace.turn()
        first, second = asyncio.create_task(pace.turn()), asyncio.create_task(pace.turn())
        await asyncio.sleep(0)
        pace.passed()
        first.cancel()
        async with asyncio.timeout(1):
            await second
        return first.cancelled() or first.done()

    assert asyncio.run(scenario())


def test_who_is_cancelled_before_its_turn_takes_none():
    async def scenario():
        pace = Pace(1)
        await pace.turn()
        first, second = asyncio.create_task(pace.turn()), asyncio.create_task(pace.turn())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        pace.passed()
        async with asyncio.timeout(1):
            await second
        return first.cancelled()

    assert asyncio.run(scenario())
