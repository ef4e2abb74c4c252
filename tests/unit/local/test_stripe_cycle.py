"""Billing cycles that follow the calendar from their anchor."""

from datetime import UTC, datetime

import pytest

from local.stripe.cycle import period_end


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("anchor", "months", "start", "end"),
    [
        ("2026-11-21T12:00", 1, "2026-11-21T12:00", "2026-12-21T12:00"),
        ("2026-01-31T09:30", 1, "2026-01-31T09:30", "2026-02-28T09:30"),
        ("2026-01-31T09:30", 1, "2026-02-28T09:30", "2026-03-31T09:30"),
        ("2028-02-29T00:00", 12, "2028-02-29T00:00", "2029-02-28T00:00"),
        ("2026-11-21T12:00", 1, "2027-03-01T00:00", "2027-03-21T12:00"),
    ],
)
def test_a_period_ends_on_the_anchor_s_day(anchor: str, months: int, start: str, end: str) -> None:
    assert period_end(at(anchor), months, at(start)) == at(end)
