"""A host's clock is moved no further than an answer's date forces it."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollgate.clock import StoreClock

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Host:
    """A clock that is `wrong` by a constant, and answers that take their time."""

    def __init__(self, wrong: timedelta) -> None:
        self.true = NOON
        self.wrong = wrong
        self.clock = StoreClock(self)

    def __call__(self) -> datetime:
        return self.true + self.wrong

    def ask(self, there: timedelta, back: timedelta = timedelta()) -> None:
        sent = self()
        self.true += there
        date = format_datetime(self.true.replace(microsecond=0), usegmt=True)
        self.true += back
        self.clock.heard(date, sent, self())

    @property
    def error(self) -> timedelta:
        return self.clock() - self.true


short = st.timedeltas(timedelta(), timedelta(seconds=3))


@given(st.timedeltas(timedelta(hours=-1), timedelta(hours=1)), st.lists(st.tuples(short, short)))
def test_after_an_answer_the_clock_is_right_within_a_second_and_the_way(
    wrong: timedelta, ways: list[tuple[timedelta, timedelta]]
) -> None:
    host = Host(wrong)
    shortest = timedelta.max
    for there, back in ways:
        host.ask(there, back)
        shortest = min(shortest, there + back)
        assert abs(host.error) <= max(min(abs(wrong), SECOND + shortest), timedelta())


@given(st.lists(st.tuples(short, short, short)))
def test_a_clock_that_is_right_is_left_alone(ways: list[tuple[timedelta, ...]]) -> None:
    host = Host(timedelta())
    for pause, there, back in ways:
        host.true += pause
        host.ask(there, back)
        assert host.error == timedelta()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (-90.0, timedelta(seconds=-0.4)),  # the date says 12:00:00, the truth is 0.4 s later
        (90.0, timedelta(seconds=0.6)),
        (0.5, timedelta(seconds=0.5)),  # still fits into that second
        (-0.3, timedelta(seconds=-0.3)),
    ],
)
def test_only_what_the_date_forces_is_corrected(wrong: float, error: timedelta) -> None:
    host = Host(timedelta(seconds=wrong))
    host.true += timedelta(seconds=0.4)
    host.ask(timedelta())
    assert host.error == error


def test_a_correction_is_kept_while_it_fits() -> None:
    """Else the clock would jump to and fro, by up to a second, with every answer."""
    host = Host(timedelta(seconds=-90))
    host.ask(timedelta())
    assert host.error == timedelta()
    host.true += timedelta(seconds=0.9)
    host.ask(timedelta())
    assert host.error == timedelta()


def test_a_clock_that_was_set_right_is_believed_again() -> None:
    host = Host(timedelta(seconds=-90))
    host.ask(timedelta())
    host.wrong = timedelta()
    host.ask(timedelta())
    assert abs(host.error) <= SECOND


@pytest.mark.parametrize("date", ["", "yesterday", "12:00:00"])
def test_an_answer_without_a_date_corrects_nothing(date: str) -> None:
    host = Host(timedelta(seconds=-90))
    host.clock.heard(date, host(), host())
    assert host.error == timedelta(seconds=-90)
