"""Q12, Q15: when an allowance begins and ends."""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollgate.quota.periods import Anchor, Period, change_anchor, period

CALENDAR = Anchor()
MOMENT = timedelta(microseconds=1)
FORTY_YEARS = 480
WHOLE_SECONDS = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001  Hypothesis wants naive bounds and adds the zone
    datetime(2060, 1, 1),  # noqa: DTZ001  as above
    timezones=st.just(UTC),
).map(lambda when: when.replace(microsecond=0))
ANCHORS = st.none() | WHOLE_SECONDS


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("anchor", "now", "start", "end"),
    [
        (None, "2026-11-21", "2026-11-01", "2026-12-01"),
        (None, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        (None, "2027-01-01", "2027-01-01", "2027-02-01"),
        ("2026-01-15T10:30:00", "2026-11-15T10:29:59", "2026-10-15T10:30", "2026-11-15T10:30"),
        ("2026-01-15T10:30:00", "2026-11-15T10:30:00", "2026-11-15T10:30", "2026-12-15T10:30"),
        ("2026-01-31", "2026-02-27", "2026-01-31", "2026-02-28"),
        ("2026-01-31", "2026-02-28", "2026-02-28", "2026-03-31"),
        ("2026-01-31", "2026-04-30", "2026-04-30", "2026-05-31"),
        ("2028-01-30", "2028-02-28", "2028-01-30", "2028-02-29"),
        ("2028-02-29", "2029-02-28", "2029-02-28", "2029-03-29"),
        ("2026-12-31", "2027-01-01", "2026-12-31", "2027-01-31"),
        ("2026-11-21", "2026-11-01", "2026-10-21", "2026-11-21"),
    ],
)
def test_a_period_is_a_month_of_its_anchor(
    anchor: str | None, now: str, start: str, end: str
) -> None:
    chosen = Anchor(None if anchor is None else at(anchor))
    assert period(chosen, at(now)) == Period(at(start), at(end))


@pytest.mark.parametrize("day", [None, 1, 15, 28, 29, 30, 31])
def test_forty_years_of_periods_have_no_gap_and_no_overlap(day: int | None) -> None:
    anchor = Anchor(None if day is None else datetime(2024, 1, day, 6, 7, 8, tzinfo=UTC))
    periods = [period(anchor, datetime(2024, 1, 31, 12, tzinfo=UTC))]
    for _ in range(FORTY_YEARS):
        periods.append(period(anchor, periods[-1].end))
    for before, after in pairwise(periods):
        assert before.end == after.start
        assert period(anchor, before.end - MOMENT) == before
    starts = [each.start for each in periods]
    assert [(each.year, each.month) for each in starts] == [
        (2024 + month // 12, month % 12 + 1) for month in range(FORTY_YEARS + 1)
    ]
    assert all(each.day == min(day or 1, monthrange(each.year, each.month)[1]) for each in starts)


@given(ANCHORS, WHOLE_SECONDS)
def test_every_instant_lies_in_its_period(at: datetime | None, now: datetime) -> None:
    found = period(Anchor(at), now)
    assert found.start <= now < found.end


@given(ANCHORS, ANCHORS, WHOLE_SECONDS)
def test_an_anchor_is_read_back_as_it_was_written(
    before: datetime | None, after: datetime | None, now: datetime
) -> None:
    anchor = change_anchor(Anchor(before), after, now)
    assert Anchor.parse(str(anchor)) == anchor


def test_what_is_no_anchor_is_not_read() -> None:
    with pytest.raises(ValueError, match="does not match"):
        Anchor.parse("yearly")


@given(ANCHORS, st.lists(ANCHORS, min_size=1), WHOLE_SECONDS, st.data())
def test_changes_of_anchor_keep_the_running_periods_name(
    first: datetime | None, changes: list[datetime | None], now: datetime, data: st.DataObject
) -> None:
    """However often it is switched, nothing opens before the running period's end."""
    anchor = Anchor(first)
    name = period(anchor, now).name
    for change in changes:
        anchor = change_anchor(anchor, change, now)
        running = period(anchor, now)
        assert running.name == name
        now = data.draw(st.datetimes(now.replace(tzinfo=None), running.end.replace(tzinfo=None)))
        now = min(now.replace(tzinfo=UTC), running.end - MOMENT)
        assert period(anchor, now) == running


@given(ANCHORS, ANCHORS, WHOLE_SECONDS)
def test_after_a_change_the_next_period_follows_without_a_gap_and_by_the_new_anchor(
    before: datetime | None, after: datetime | None, now: datetime
) -> None:
    anchor = change_anchor(Anchor(before), after, now)
    running = period(anchor, now)
    following = period(anchor, running.end)
    assert following.start == running.end
    assert following == period(Anchor(after), running.end)


@given(ANCHORS, ANCHORS, WHOLE_SECONDS)
def test_switching_to_and_fro_at_once_changes_nothing(
    first: datetime | None, second: datetime | None, now: datetime
) -> None:
    there = change_anchor(Anchor(first), second, now)
    assert change_anchor(there, first, now) == Anchor(first)


def test_a_slow_clock_opens_nothing_fresh_before_a_running_period() -> None:
    """Q9: its host still sees the last minute of the month when another has changed the anchor."""
    anchor = change_anchor(CALENDAR, at("2026-11-15"), at("2026-11-16"))
    assert period(anchor, at("2026-10-31T23:58:00")) == period(anchor, at("2026-11-16"))


def test_an_upgrade_inside_a_calendar_month_lengthens_it_to_the_new_anchors_boundary() -> None:
    anchor = change_anchor(CALENDAR, at("2026-11-20"), at("2026-11-20"))
    assert period(anchor, at("2026-12-19")) == Period(at("2026-11-01"), at("2026-12-20"))
    assert period(anchor, at("2026-12-20")) == Period(at("2026-12-20"), at("2027-01-20"))


def test_the_same_anchor_again_is_no_change() -> None:
    anchor = change_anchor(CALENDAR, at("2026-11-20"), at("2026-11-21"))
    assert change_anchor(anchor, at("2026-11-20"), at("2027-03-01")) == anchor
