"""What one write may make of a gate, and what a refusal needs: comparisons of two states, which
know no expression.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from tollgate.quota.gate import Gate, Hold, day_of
from tollgate.quota.periods import Anchor, period
from tollgate.quota.refusal import CONCURRENT, DAY, MINUTE, MONTH, SUSPENDED
from tollgate.tenancy.gate import instant, milliseconds

SESSION, UNTIL, CLOSED, PERIOD = "session", "until", "closed", "period"


def broken_by(
    before: Gate, after: Gate, sessions: Mapping[str, str], per_minute: int
) -> Iterator[str]:
    """Promises that one write broke; `sessions` of all generations that ever asked."""
    for name, hold in after.open.items():
        was = before.open.get(name)
        if was is not None:
            yield from _broken_by_change(name, was, hold, before)
            continue
        now, session = instant(hold.at), sessions.get(name, "")
        if reasons := against(before, session, hold.tokens, per_minute, now):
            yield f"P1: {name} was admitted, against {sorted(reasons)}"
        if (hold.period, hold.day) != (_period(before, now), day_of(now)):
            yield f"P1: {name} was admitted in {hold.period}, {hold.day}"
    yield from _broken_versions(before, after)
    yield from _broken_close(before, after)


def against(
    gate: Gate, session: str, tokens: int, per_minute: int, now: datetime
) -> frozenset[str]:
    """All that speaks against admitting `tokens` to this gate."""
    limits, at, name = gate.tenant.limits, milliseconds(now), _period(gate, now)
    day, places = gate.days.get(day_of(now), 0), gate.admissions
    reasons = {
        SESSION: gate.tenant.sessions.get(session, 0) <= at,
        SUSPENDED: gate.tenant.suspended,
        UNTIL: limits.until is not None and limits.until <= at,
        CLOSED: gate.closed is not None and name <= gate.closed,
        MONTH: _beyond_month(gate, name, tokens),
        DAY: limits.day is not None and day >= limits.day,
        MINUTE: len(places) >= per_minute and places[per_minute - 1] > at - 60_000,
        CONCURRENT: len(gate.open) >= limits.concurrent,
    }
    return frozenset(reason for reason, holds in reasons.items() if holds)


def _period(gate: Gate, now: datetime) -> str:
    return period(Anchor.parse(gate.tenant.limits.anchor), now).name


def _beyond_month(gate: Gate, name: str, tokens: int) -> bool:
    limits = gate.tenant.limits
    if limits.metered or limits.month is None:
        return False
    return gate.used.get(name, 0) + tokens > limits.month


def _broken_by_change(name: str, was: Hold, hold: Hold, before: Gate) -> Iterator[str]:
    if hold.delivered < was.delivered:
        yield f"P4: {name} had delivered {was.delivered}, now {hold.delivered}"
    if was.pinned and (hold.delivered, hold.tokens) != (was.delivered, was.tokens):
        yield f"P4: {name} is being reclaimed, and moved from {was} to {hold}"
    more = hold.tokens - was.tokens
    if more > 0 and _beyond_month(before, hold.period, more):
        yield f"P1: {name} grew by {more} beyond the month"


def _broken_versions(before: Gate, after: Gate) -> Iterator[str]:
    """A caller knows limits by their version: no version may ever name two."""
    was, tenant = before.tenant, after.tenant
    if was.limits != tenant.limits and tenant.version <= was.version:
        yield f"P7: version {was.version} became {tenant.version} under other limits"
    if tenant.version < was.version:
        yield f"P7: version {was.version} became {tenant.version}"


def _broken_close(before: Gate, after: Gate) -> Iterator[str]:
    if (after.closed or "") < (before.closed or ""):
        yield f"P10: the watermark fell from {before.closed} to {after.closed}"
    for name in before.used.keys() - after.used.keys():
        if after.closed is None or name > after.closed:
            yield f"P10: {name} is forgotten, and closed is {after.closed}"
    closed = before.used.keys() - after.used.keys()
    if held := sorted(each for each, hold in before.open.items() if hold.period in closed):
        yield f"P10: closed before its holds {held}"
