"""Which limit refuses, and when it opens again."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.unit.quota.gates import LIMITS, NOW, a_gate
from tollgate.quota.gate import Gate
from tollgate.quota.refusal import Refusal, refusal

HOLD = 100
PER_MINUTE = 10
TEN_JUST_NOW = [NOW - timedelta(seconds=each) for each in range(10)]
DECEMBER = datetime.fromisoformat("2026-12-01T00:00:00+00:00")
TOMORROW = datetime.fromisoformat("2026-11-22T00:00:00+00:00")


def test_a_gate_with_room_everywhere_refuses_nothing() -> None:
    gate = a_gate(used=49_900, today=9, admitted=TEN_JUST_NOW[:9], open_streams=1)
    assert refusal(gate, HOLD, PER_MINUTE, NOW) is None


def test_of_several_limits_the_first_in_order_is_named() -> None:
    full = a_gate(used=50_000, today=10, admitted=TEN_JUST_NOW, open_streams=2, suspended=True)
    opened = [
        full,
        replace(full, tenant=replace(full.tenant, suspended=False)),
        a_gate(today=10, admitted=TEN_JUST_NOW, open_streams=2),
        a_gate(admitted=TEN_JUST_NOW, open_streams=2),
        a_gate(open_streams=2),
    ]
    found = [refusal(gate, HOLD, PER_MINUTE, NOW) for gate in opened]
    assert [each.scope for each in found if each] == [
        "suspended",
        "month",
        "day",
        "minute",
        "concurrent",
    ]


def test_a_month_refusal_says_what_is_left_until_the_period_ends() -> None:
    assert refusal(a_gate(used=49_901), HOLD, PER_MINUTE, NOW) == Refusal(
        "month", 50_000, 99, DECEMBER, retry_after=9 * 86_400 + 43_200
    )


def test_a_day_refusal_opens_at_midnight_in_utc() -> None:
    assert refusal(a_gate(today=10), HOLD, PER_MINUTE, NOW) == Refusal(
        "day", 10, 0, TOMORROW, retry_after=43_200
    )


def test_a_minute_refusal_opens_when_the_tenth_newest_leaves_the_window() -> None:
    spaced = [NOW - timedelta(seconds=5 * each + 0.5) for each in range(10)]
    assert refusal(a_gate(admitted=spaced), HOLD, PER_MINUTE, NOW) == Refusal(
        "minute", 10, 0, NOW + timedelta(seconds=14.5), retry_after=15
    )


def test_the_minute_opens_after_sixty_seconds_and_not_a_millisecond_earlier() -> None:
    tenth = NOW - timedelta(seconds=60)
    gate = a_gate(admitted=[*TEN_JUST_NOW[:9], tenth])
    assert refusal(gate, HOLD, PER_MINUTE, NOW) is None
    found = refusal(gate, HOLD, PER_MINUTE, NOW - timedelta(milliseconds=1))
    assert found == Refusal("minute", 10, 0, NOW, retry_after=1)


def test_the_minute_refuses_by_the_tenth_newest_as_the_condition_does() -> None:
    """Hosts' clocks differ, so the register need not be in order."""
    long_ago = NOW - timedelta(hours=1)
    gate = a_gate(admitted=[*[long_ago] * 9, NOW - timedelta(seconds=1)])
    found = refusal(gate, HOLD, PER_MINUTE, NOW)
    assert found == Refusal("minute", PER_MINUTE, 0, NOW + timedelta(seconds=59), 59)


def test_a_full_set_of_open_streams_names_its_limit() -> None:
    found = refusal(a_gate(open_streams=2), HOLD, PER_MINUTE, NOW)
    assert found is not None
    assert (found.scope, found.limit, found.remaining, found.resets_at) == (
        "concurrent",
        2,
        0,
        None,
    )
    assert found.retry_after is not None
    assert found.retry_after >= 1


@pytest.mark.parametrize(
    "gate",
    [
        a_gate(replace(LIMITS, month=None), used=60_000),
        a_gate(replace(LIMITS, metered=True), used=60_000),
        a_gate(replace(LIMITS, day=None), today=1_000),
    ],
)
def test_what_is_unlimited_or_metered_never_refuses(gate: Gate) -> None:
    assert refusal(gate, HOLD, PER_MINUTE, NOW) is None


def test_without_a_limit_of_the_minute_no_burst_refuses() -> None:
    assert refusal(a_gate(admitted=TEN_JUST_NOW), HOLD, None, NOW) is None


def test_a_lower_limit_than_what_was_used_leaves_nothing_and_never_less() -> None:
    """S18."""
    gate = a_gate(replace(LIMITS, month=1_000, day=5), used=1_700, today=9)
    assert (gate.month_left(NOW), gate.day_left(NOW)) == (0, 0)


def test_a_refusal_asks_for_at_least_one_second() -> None:
    almost = TOMORROW - timedelta(milliseconds=1)
    found = refusal(a_gate(today=10), HOLD, PER_MINUTE, almost)
    assert found is not None
    assert found.retry_after == 1
