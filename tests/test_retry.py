"""When something is sent again, and when no more: client/retry.py."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fgnb.client.retry import CONNECT_PAUSE, CONNECTS, LONGEST, PAUSE, Retry, seconds_of

chances = st.floats(0, 1)
budgets = st.floats(0, 10_000)


class Clock:
    """Stands still, unless told otherwise."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def retry(budget, chance=lambda: 0.5):
    clock = Clock()
    return Retry(budget, clock=clock, chance=chance), clock


def patiently(budget, chance, pause_of, took=0.0):
    """Wait each pause, and for the answers; return the pauses."""
    again, clock = retry(budget, lambda: chance)
    pauses = []
    while len(pauses) < 10_000 and (pause := pause_of(again)) is not None:
        pauses.append(pause)
        clock.now += pause
        assert clock.now - 1000 <= budget  # the next attempt begins within it
        clock.now += took
    return pauses


@given(chances, budgets, st.floats(0.001, 400))
def test_no_attempt_after_a_refusal_begins_beyond_the_budget(chance, budget, took):
    pauses = patiently(budget, chance, lambda again: again.after_refusal(None), took)
    usual = [min(LONGEST, PAUSE * 2 ** min(number, 9)) for number in range(len(pauses))]
    for pause, middle in zip(pauses, usual, strict=True):
        assert pause == pytest.approx(middle * (0.5 + chance))


@given(chances, budgets, st.floats(0.001, 20))
def test_a_connection_is_tried_three_times_at_most_and_within_the_budget(chance, budget, took):
    pauses = patiently(budget, chance, Retry.after_failed_connection, took)
    assert len(pauses) < CONNECTS
    for number, pause in enumerate(pauses):
        assert pause == pytest.approx(CONNECT_PAUSE * 2**number * (0.5 + chance))
    if budget > 10 and took < 1:
        assert len(pauses) == CONNECTS - 1


@given(chances, budgets, st.integers(0, 20_000))
def test_a_server_that_says_when_is_not_asked_sooner_nor_beyond_the_budget(chance, budget, asked):
    again, _ = retry(budget, lambda: chance)
    pause = again.after_refusal(str(asked))
    least = max(PAUSE * (0.5 + chance), asked + chance)  # nor sooner than without a word of the server's
    if pause is None:
        assert least >= budget
    else:
        assert pause == pytest.approx(least)
        assert pause < budget


def test_without_a_budget_nothing_is_sent_again():
    assert retry(0)[0].after_refusal(None) is None
    assert retry(0)[0].after_failed_connection() is None


def test_pauses_double_up_to_a_limit_and_start_within_what_the_gateway_advises():
    pauses = patiently(100, 0.5, lambda again: again.after_refusal(None))
    assert pauses[:5] == [2, 4, 8, 16, 16]
    shortest, longest = (retry(60, lambda each=chance: each)[0].after_refusal(None) for chance in (0, 1))
    assert (shortest, longest) == (1, 3)


def test_by_default_pauses_differ():
    assert len({Retry(60).after_refusal(None) for _ in range(20)}) > 1


@pytest.mark.parametrize("text", ["0", "7", " 7 ", "007", "0000000000012", "120", "9" * 400])
def test_seconds_are_read(text):
    assert seconds_of(text) == float(text)


def test_a_date_is_read_as_the_time_until_then():
    soon = datetime.now(UTC) + timedelta(seconds=90)
    assert 87 < seconds_of(format_datetime(soon, usegmt=True)) <= 90
    assert 87 < seconds_of(soon.strftime("%A, %d-%b-%y %H:%M:%S GMT")) <= 90  # of RFC 850, obsolete
    assert seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize(
    "text",
    [
        *(
            None,
            "",
            " ",
            "soon",
            "-1",
            "+1",
            "1.5",
            "1e3",
            "inf",
            "nan",
            "٣",
            "1 s",
            "2026-11-22T00:00:00Z",
            ",",
            "Wed",
        ),
        "Wed, 21 Oct 2015 07:28:00",
        "Wed, 21 Oct 2015 07:28:00 -0000",
        "Wed, 99 Oct 2015 99:28:00 GMT",
    ],
)
def test_what_is_neither_is_passed_over(text):
    assert seconds_of(text) is None
    assert retry(60)[0].after_refusal(text) == PAUSE


@pytest.mark.parametrize(
    "text", ["Wed, 21 Oct 99999999999 07:28:00 GMT", "Wed, 21 Oct 2015 07:28:00 +99999999999999999999"]
)
def test_a_date_beyond_the_calendar_is_passed_over(text):
    assert seconds_of(text) is None


@given(st.text() | st.text("0123456789 :,+-GMTOct"))
def test_no_text_at_all_breaks_it(text):
    seconds = seconds_of(text)
    assert seconds is None or seconds >= 0
