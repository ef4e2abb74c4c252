"""Which gates a sweep must look at: those whose periods end in the time that it covers.

A period ends each month on the day and at the time of its anchor (`tenancy.gate.boundary`), so
that the index of gates in use never moves at a close: a sweep of the time since the last one is a
few ranges of that boundary, in each of sixteen shards.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zlib import crc32

SHARDS = 16
Range = tuple[str, str]
"""First and last boundary, both included."""

EVERYTHING: Range = ("01T00:00:00", "31T23:59:59")
_LONGEST_MONTH = timedelta(days=31)
_SECOND = timedelta(seconds=1)


def shard(account_id: str) -> str:
    return str(crc32(account_id.encode()) % SHARDS)


def ranges(after: datetime | None, until: datetime) -> list[Range]:
    """The boundaries in (`after`, `until`], in their order and apart.

    None of a time without a beginning, and of a month or more, is left out.
    """
    if after is None or until - after >= _LONGEST_MONTH:
        return [EVERYTHING]
    merged: list[Range] = []
    for first, last in sorted(_by_day(after.astimezone(UTC) + _SECOND, until.astimezone(UTC))):
        if merged and first <= _following(merged[-1][1]):
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _by_day(first: datetime, last: datetime) -> Iterator[Range]:
    """On a month's last day the later days' boundaries pass too, at their own times."""
    for place in range((last.date() - first.date()).days + 1):
        day = first.date() + timedelta(days=place)
        begins = first.time() if place == 0 else time.min
        ends = last.time() if day == last.date() else time(23, 59, 59)
        days = range(day.day, 32) if _is_last(day) else (day.day,)
        if begins <= ends:
            yield from (
                (f"{each:02}T{begins:%H:%M:%S}", f"{each:02}T{ends:%H:%M:%S}") for each in days
            )


def _is_last(day: date) -> bool:
    return (day + timedelta(days=1)).month != day.month


def _following(boundary: str) -> str:
    """Only a day's end is ever merged with the next day's beginning."""
    day, _, at = boundary.partition("T")
    return f"{int(day) + 1:02}T00:00:00" if at == "23:59:59" else boundary
