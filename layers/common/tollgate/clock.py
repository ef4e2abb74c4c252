"""The clock of a deployed function; rules are given the time and never ask for it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(UTC)
