"""The gate as the rules see it: limits, counters, holds, and what is left of each limit.

Read from the raw item that a write returned, admitted or refused, so that no answer needs a read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tollgate.quota.periods import Anchor, Period, period
from tollgate.table.client import Item, Value
from tollgate.tenancy.gate import Tenant, integer, milliseconds, number

USED = "used#"
TERMS = "terms#"
DECIDED = "decided#"
_ADMISSIONS = tuple(f"r{place}" for place in range(10))
WINDOW = timedelta(seconds=60)
LONGEST_RUN = timedelta(seconds=300)
"""No generation lives longer: a hold that is older belongs to a process that died."""
CLOCK_SKEW = timedelta(seconds=60)
"""How far apart the clocks of an admission and of its reclaim may be.

Corrected by the store's own date they agree within about a second, so this is room for a process
that has not heard it yet. More would keep a dead stream's place occupied for longer; less would cut
a live one. A reclaim that comes too early all the same is put right by the settlement's debt.
"""


@dataclass(frozen=True, slots=True)
class Hold:
    """What is set aside for one admitted generation; it is its own lease.

    `tokens` of `input` and output together, in `period`; `at` in epoch milliseconds; `delivered` is
    the last checkpoint of output tokens; a `pinned` hold is being reclaimed and takes no
    checkpoint; a `stopped` one asks its generation to end; `plan` is the one it was admitted under.
    `repeated` is known to the admitting process alone and not stored: another sending of the
    admission may still be under way.
    """

    tokens: int
    input_tokens: int
    period: str
    day: str
    at: int
    user: str
    model: str
    delivered: int = 0
    pinned: bool = False
    stopped: bool = False
    plan: str = ""
    repeated: bool = field(default=False, compare=False)

    def value(self) -> Value:
        fields: dict[str, Value] = {
            "t": number(self.tokens),
            "i": number(self.input_tokens),
            "p": {"S": self.period},
            "d": {"S": self.day},
            "at": number(self.at),
            "u": {"S": self.user},
            "m": {"S": self.model},
            "n": number(self.delivered),
        }
        if self.pinned:
            fields["x"] = number(1)
        if self.stopped:
            fields["s"] = number(1)
        if self.plan:
            fields["l"] = {"S": self.plan}
        return {"M": fields}

    @classmethod
    def of(cls, value: Value) -> "Hold":
        fields = value["M"]
        return cls(
            tokens=integer(fields["t"]),
            input_tokens=integer(fields["i"]),
            period=fields["p"]["S"],
            day=fields["d"]["S"],
            at=integer(fields["at"]),
            user=fields["u"]["S"],
            model=fields["m"]["S"],
            delivered=integer(fields["n"]),
            pinned="x" in fields,
            stopped="s" in fields,
            plan=fields["l"]["S"] if "l" in fields else "",
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """Under what a period's last admission was made: the plan, and the model tokens it grants."""

    plan: str
    granted: int

    def value(self) -> Value:
        return {"M": {"p": {"S": self.plan}, "g": number(self.granted)}}

    @classmethod
    def of(cls, value: Value) -> "Terms":
        return cls(value["M"]["p"]["S"], integer(value["M"]["g"]))


@dataclass(frozen=True, slots=True)
class Gate:
    """`used` counts spent and held tokens by the period's name; `admissions` are the newest, newest
    first; `decided` are generations whose admission may still arrive, with when they were decided.
    """

    tenant: Tenant
    days: Mapping[str, int]
    open: Mapping[str, Hold]
    used: Mapping[str, int]
    terms: Mapping[str, Terms]
    closed: str | None
    admissions: tuple[int, ...]
    decided: Mapping[str, int]

    @classmethod
    def of(cls, item: Item) -> "Gate":
        counters = [each for each in item.items() if "#" in each[0]]
        return cls(
            tenant=Tenant.of(item),
            days={day: integer(count) for day, count in item["days"]["M"].items()},
            open={each: Hold.of(value) for each, value in item["open"]["M"].items()},
            used={
                name.removeprefix(USED): integer(value)
                for name, value in counters
                if name.startswith(USED)
            },
            terms={
                name.removeprefix(TERMS): Terms.of(value)
                for name, value in counters
                if name.startswith(TERMS)
            },
            closed=item["closed"]["S"] if "closed" in item else None,
            admissions=tuple(integer(item[place]) for place in _ADMISSIONS if place in item),
            decided={
                name.removeprefix(DECIDED): integer(value)
                for name, value in counters
                if name.startswith(DECIDED)
            },
        )

    def period(self, now: datetime) -> Period:
        return period(Anchor.parse(self.tenant.limits.anchor), now)

    def month_used(self, now: datetime) -> int:
        """Spent and held."""
        return self.used.get(self.period(now).name, 0)

    def month_held(self, now: datetime) -> int:
        name = self.period(now).name
        return sum(hold.tokens for hold in self.open.values() if hold.period == name)

    def month_left(self, now: datetime) -> int | None:
        limit = self.tenant.limits.month
        return None if limit is None else max(0, limit - self.month_used(now))

    def day_used(self, now: datetime) -> int:
        return self.days.get(day_of(now), 0)

    def day_left(self, now: datetime) -> int | None:
        limit = self.tenant.limits.day
        return None if limit is None else max(0, limit - self.day_used(now))

    def minute_left(self, now: datetime, per_minute: int) -> int:
        since = milliseconds(now - WINDOW)
        return per_minute - sum(at > since for at in self.admissions[:per_minute])

    def minute_opens(self, now: datetime, per_minute: int) -> datetime:
        """When the next admission fits into the window; `now` where one fits already."""
        if len(self.admissions) < per_minute:
            return now
        oldest = datetime.fromtimestamp(self.admissions[per_minute - 1] / 1000, UTC)
        return max(now, oldest + WINDOW)

    def has_ended(self, now: datetime) -> bool:
        """The entitlement's own end has passed without a later word from Stripe."""
        until = self.tenant.limits.until
        return until is not None and until <= milliseconds(now)


def day_of(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def day_ends(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(
        days=1
    )
