"""Q12: a sweep looks at each boundary that passes in its time, and at no other."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollgate.quota.due import EVERYTHING, SHARDS, ranges, shard
from tollgate.quota.periods import Anchor, change_anchor, period
from tollgate.tenancy.gate import boundary

SECOND = timedelta(seconds=1)
BEGINNING = datetime(2024, 1, 31, 12, tzinfo=UTC)
WHOLE_SECONDS = st.datetimes(
    datetime(2020, 1, 1),  # noqa: DTZ001  Hypothesis wants naive bounds and adds the zone
    datetime(2060, 1, 1),  # noqa: DTZ001  as above
    timezones=st.just(UTC),
).map(lambda when: when.replace(microsecond=0))


def passes(anchor: Anchor, after: datetime | None, until: datetime) -> bool:
    at = boundary(str(anchor))
    return any(first <= at <= last for first, last in ranges(after, until))


@pytest.mark.parametrize("time", [(0, 0, 0), (23, 59, 59)])
@pytest.mark.parametrize("day", [None, *range(1, 32)])
def test_every_end_of_forty_years_falls_into_the_sweep_of_its_second_and_no_other(
    day: int | None, time: tuple[int, int, int]
) -> None:
    anchor = Anchor(None if day is None else datetime(2024, 1, day, *time, tzinfo=UTC))
    running = period(anchor, BEGINNING)
    for _ in range(480):
        end = running.end
        assert passes(anchor, end - SECOND, end)
        assert not passes(anchor, end, end + SECOND)
        assert not passes(anchor, end - 2 * SECOND, end - SECOND)
        running = period(anchor, end)


@pytest.mark.parametrize("day", [None, 1, 15, 28, 29, 30, 31])
def test_hourly_sweeps_of_a_leap_cycle_meet_each_end_once(day: int | None) -> None:
    anchor = Anchor(None if day is None else datetime(2024, 1, day, 6, 7, 8, tzinfo=UTC))
    hours = [BEGINNING + timedelta(hours=each) for each in range(4 * 366 * 24)]
    ends: list[datetime] = []
    running = period(anchor, BEGINNING)
    while running.end <= hours[-1]:
        ends.append(running.end)
        running = period(anchor, running.end)
    met = [(after, until) for after, until in pairwise(hours) if passes(anchor, after, until)]
    assert len(met) == len(ends)
    assert all(after < end <= until for (after, until), end in zip(met, ends, strict=True))


@given(anchor=WHOLE_SECONDS, after=WHOLE_SECONDS, time=st.integers(1, 40 * 86_400))
def test_a_sweep_of_any_time_meets_what_ends_in_it(
    anchor: datetime, after: datetime, time: int
) -> None:
    until = after + timedelta(seconds=time)
    ended = period(Anchor(anchor), after).end <= until
    assert passes(Anchor(anchor), after, until) == ended or time >= 31 * 86_400


@given(old=st.none() | WHOLE_SECONDS, new=st.none() | WHOLE_SECONDS, now=WHOLE_SECONDS)
def test_a_period_that_runs_on_under_a_new_anchor_ends_on_the_new_boundary(
    old: datetime | None, new: datetime | None, now: datetime
) -> None:
    anchor = change_anchor(Anchor(old), new, now)
    end = period(anchor, now).end
    assert passes(anchor, end - SECOND, end)


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [
        ("2026-11-15T10:00:00", "2026-11-15T11:00:00", [("15T10:00:01", "15T11:00:00")]),
        (
            "2026-11-30T23:00:00",
            "2026-12-01T00:30:00",
            [
                ("01T00:00:00", "01T00:30:00"),
                ("30T23:00:01", "30T23:59:59"),
                ("31T23:00:01", "31T23:59:59"),
            ],
        ),
        (
            "2026-01-30T12:00:00",
            "2026-02-03T00:00:00",
            [("01T00:00:00", "03T00:00:00"), ("30T12:00:01", "31T23:59:59")],
        ),
        (
            "2026-01-31T12:00:00",
            "2026-02-28T18:00:00",
            [
                ("01T00:00:00", "28T18:00:00"),
                ("29T00:00:00", "29T18:00:00"),
                ("30T00:00:00", "30T18:00:00"),
                ("31T00:00:00", "31T23:59:59"),
            ],
        ),
        ("2026-11-15T10:00:00", "2026-11-15T10:00:00", []),
    ],
)
def test_a_sweep_asks_for_few_ranges(
    after: str, until: str, expected: list[tuple[str, str]]
) -> None:
    begins, ends = (datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (after, until))
    assert ranges(begins, ends) == expected


def test_a_first_sweep_and_one_that_is_a_month_late_look_at_everything() -> None:
    assert ranges(None, BEGINNING) == ranges(BEGINNING - timedelta(days=31), BEGINNING)
    assert ranges(None, BEGINNING) == [EVERYTHING]


@given(after=WHOLE_SECONDS, time=st.integers(1, 31 * 86_400))
def test_ranges_are_in_order_and_never_overlap(after: datetime, time: int) -> None:
    found = ranges(after, after + timedelta(seconds=time))
    assert all(first <= last for first, last in found)
    assert all(before[1] < following[0] for before, following in pairwise(found))


def test_shards_are_even() -> None:
    counts = [0] * SHARDS
    for each in range(16_000):
        counts[int(shard(f"acc_{each}"))] += 1
    assert 800 < min(counts) <= max(counts) < 1_200
