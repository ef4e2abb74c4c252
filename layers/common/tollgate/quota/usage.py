"""What an account used in one calendar month, and the quota periods that touch it.

Reads only. Days and months are UTC's, and a generation counts on the day of its admission.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from tollgate.quota.gate import Gate
from tollgate.quota.periods import Anchor, instant, period
from tollgate.quota.records import ClosedPeriod, Receipt
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy.gate import integer
from tollgate.tenancy.ids import is_id

_MONTH = re.compile(r"(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])")
_INSTANT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Counters:
    """Generations that did not fail, model tokens, and billionths of a dollar."""

    generations: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: int = 0

    @classmethod
    def of(cls, item: Item) -> Self:
        return cls(*(integer(item[name]) for name in cls.__dataclass_fields__))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.generations + other.generations,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cost + other.cost,
        )


@dataclass(frozen=True, slots=True)
class MonthOfUse:
    """`days` from the first on, `models` by their name; those without any use are left out."""

    month: str
    totals: Counters
    days: Mapping[str, Counters]
    models: Mapping[str, Counters]


@dataclass(frozen=True, slots=True)
class OpenPeriod:
    """A period that the gate still counts; `used` and `reserved` are apart.

    `granted` None is unlimited.
    """

    start: str
    end: datetime
    plan: str
    granted: int | None
    used: int
    reserved: int


def month_of(now: datetime) -> str:
    return now.astimezone(UTC).strftime("%Y-%m")


def is_month(text: str) -> bool:
    """Whether it is a month of the calendar, as in `2026-11`."""
    return _MONTH.fullmatch(text) is not None


def read_month(table: Table, account_id: str, month: str) -> MonthOfUse:
    totals, nothing = Counters(), Counters()
    days: dict[str, Counters] = {}
    models: dict[str, Counters] = {}
    for item in _all(table, account_id, f"USAGE#{month}"):
        used = Counters.of(item)
        if used == nothing:  # a day on which every generation failed
            continue
        _, day, _, model = item["sk"]["S"].split("#", 3)
        totals += used
        days[day] = days.get(day, nothing) + used
        models[model] = models.get(model, nothing) + used
    return MonthOfUse(month, totals, dict(sorted(days.items())), dict(sorted(models.items())))


def read_periods(
    table: Table, gate: Gate, month: str, now: datetime
) -> list[OpenPeriod | ClosedPeriod]:
    """Those that began or ran in `month`, the oldest first.

    A period that closed since `gate` was read is shown as closed, and never twice.
    """
    found: dict[str, OpenPeriod | ClosedPeriod] = {
        each.start: each
        for each in _open_periods(gate, now)
        if each.start[:7] <= month <= month_of(each.end - _INSTANT)
    }
    for item in _all(table, gate.tenant.account_id, "PERIOD#"):
        closed = ClosedPeriod.from_raw_data(dict(item))
        # Its end is not kept. It is a month on, but for a period that a change of plan stretched,
        # which is found with the month it began in.
        last = _a_month_after(instant(closed.start)) - _INSTANT
        if closed.start[:7] <= month <= month_of(last):
            found[closed.start] = closed
    return [found[start] for start in sorted(found)]


def read_receipt(
    table: Table, account_id: str, generation_id: str, now: datetime
) -> Receipt | None:
    """None for what is unknown, foreign, malformed, or not decided yet."""
    if not is_id("gen", generation_id):
        return None
    return Receipt.read(table.get(keys.receipt(account_id, generation_id)), now)


def _open_periods(gate: Gate, now: datetime) -> Iterator[OpenPeriod]:
    """The running one too where nothing has been used in it yet."""
    running = gate.period(now)
    limits = gate.tenant.limits
    for name in gate.used.keys() | {running.name}:
        held = sum(hold.tokens for hold in gate.open.values() if hold.period == name)
        used = gate.used.get(name, 0) - held
        if name == running.name:
            yield OpenPeriod(name, running.end, limits.plan, limits.month, used, held)
        else:
            terms, start = gate.terms[name], instant(name)
            natural = gate.period(start)
            end = natural.end if natural.start == start else _a_month_after(start)
            yield OpenPeriod(name, end, terms.plan, terms.granted, used, held)


def _a_month_after(start: datetime) -> datetime:
    return period(Anchor(start), start).end


def _all(table: Table, account_id: str, prefix: str) -> Iterator[Item]:
    start: Item | None = None
    while True:
        page = table.query(keys.account(account_id).pk, prefix, start=start)
        yield from page.items
        start = page.next_key
        if start is None:
            return
