"""Why admission's condition was false, worked out from the item that came back: pure."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from tollgate.quota.gate import Gate, day_ends

SUSPENDED, MONTH, DAY, MINUTE, CONCURRENT = "suspended", "month", "day", "minute", "concurrent"
_CONCURRENT_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Refusal:
    """`limit` and `remaining` in the scope's own unit; `retry_after` in whole seconds, at least
    one.
    """

    scope: str
    limit: int | None = None
    remaining: int | None = None
    resets_at: datetime | None = None
    retry_after: int | None = None


class Refused(Exception):
    """Admission was tried and refused; `gate` is what stood there."""

    def __init__(self, refusal: Refusal, gate: Gate) -> None:
        super().__init__(refusal.scope)
        self.refusal = refusal
        self.gate = gate


def refusal(gate: Gate, hold: int, per_minute: int | None, now: datetime) -> Refusal | None:
    """The first of suspended, month, day, minute, concurrent that refuses; None where none of them
    does.
    """
    limits = gate.tenant.limits
    if gate.tenant.suspended:
        return Refusal(SUSPENDED)
    month_left = gate.month_left(now)
    if not limits.metered and month_left is not None and month_left < hold:
        return _until(MONTH, limits.month, month_left, gate.period(now).end, now)
    if gate.day_left(now) == 0:
        return _until(DAY, limits.day, 0, day_ends(now), now)
    if per_minute is not None and gate.minute_opens(now, per_minute) > now:
        return _until(MINUTE, per_minute, 0, gate.minute_opens(now, per_minute), now)
    if len(gate.open) >= limits.concurrent:
        return Refusal(CONCURRENT, limits.concurrent, 0, retry_after=_CONCURRENT_RETRY_SECONDS)
    return None


def seconds_until(when: datetime, now: datetime) -> int:
    return max(0, ceil((when - now).total_seconds()))


def _until(
    scope: str, limit: int | None, remaining: int, resets_at: datetime, now: datetime
) -> Refusal:
    return Refusal(scope, limit, remaining, resets_at, max(1, seconds_until(resets_at, now)))
