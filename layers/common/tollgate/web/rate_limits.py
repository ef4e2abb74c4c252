"""The IETF draft's `ratelimit` fields, and refusals of admission as problem details.

https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
"""

from datetime import datetime

from tollgate.quota.gate import Gate, day_ends
from tollgate.quota.periods import rfc3339
from tollgate.quota.refusal import CONCURRENT, DAY, MINUTE, MONTH, SUSPENDED, Refused, seconds_until
from tollgate.web.problems import Problem

_DAY_SECONDS = 86_400
_MINUTE_SECONDS = 60
_CODES = {
    MONTH: "quota_exceeded",
    DAY: "quota_exceeded",
    MINUTE: "rate_limited",
    CONCURRENT: "too_many_streams",
}
_SENTENCES = {
    MONTH: "The month's tokens are used up.",
    DAY: "The day's generations are used up.",
    MINUTE: "There were too many requests in the last minute.",
    CONCURRENT: "The plan's open streams are all in use.",
}
_ON_HOLD = "Most often a payment is disputed: the account opens again once that is settled."


def rate_limit_headers(gate: Gate, per_minute: int | None, now: datetime) -> dict[str, str]:
    """For every answer for which admission was tried; a policy without a limit is left out."""
    limits = gate.tenant.limits
    policies: list[str] = []
    states: list[str] = []
    if per_minute is not None:
        opens = seconds_until(gate.minute_opens(now, 1), now)
        policies.append(f'"minute";q={per_minute};w={_MINUTE_SECONDS}')
        states.append(f'"minute";r={max(0, gate.minute_left(now, per_minute))};t={opens}')
    if limits.day is not None:
        policies.append(f'"day";q={limits.day};w={_DAY_SECONDS}')
        states.append(f'"day";r={gate.day_left(now)};t={seconds_until(day_ends(now), now)}')
    if limits.month is not None:
        policies.append(f'"month";q={limits.month};qu="tokens"')
        states.append(
            f'"month";r={gate.month_left(now)};t={seconds_until(gate.period(now).end, now)}'
        )
    headers = {"ratelimit-policy": ", ".join(policies), "ratelimit": ", ".join(states)}
    if limits.day is not None:
        headers["x-usage-remaining"] = str(gate.day_left(now))
    return headers


def refused(error: Refused, per_minute: int | None, now: datetime, upgrade_url: str) -> Problem:
    """403 `account_suspended`, or the 429 of the first limit that refused."""
    headers = rate_limit_headers(error.gate, per_minute, now)
    refusal = error.refusal
    if refusal.scope == SUSPENDED:
        return Problem(403, "account_suspended", _ON_HOLD, headers=headers)
    headers["retry-after"] = str(refusal.retry_after)
    extensions: dict[str, object] = {"scope": refusal.scope, "limit": refusal.limit}
    if refusal.scope in {DAY, MONTH} and refusal.resets_at is not None:
        extensions["remaining"] = refusal.remaining
        extensions["resets_at"] = rfc3339(refusal.resets_at)
        extensions["upgrade_url"] = upgrade_url
    if refusal.scope == MINUTE:
        extensions["retry_after"] = refusal.retry_after
    return Problem(
        429, _CODES[refusal.scope], _SENTENCES[refusal.scope], headers=headers, **extensions
    )
