"""One deployment's quota on a real engine: a clock to turn, a catalogue to choose, and the wire
to the table, where requests are counted and others' writes come between.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest

from tollgate.catalogue import Catalogue, Model, Overage, Plan
from tollgate.quota.admission import Admission, Admitted, Demand, Hint, Visitor
from tollgate.quota.close_due_periods import Sweep, close_due_periods
from tollgate.quota.gate import Gate, Hold
from tollgate.quota.limits import changed, write_limits
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.records import ClosedPeriod, Receipt
from tollgate.quota.refusal import Refused
from tollgate.quota.settlement import FAILED, FINISHED, Usage, settle
from tollgate.table import keys
from tollgate.table.client import Item, Table, Value
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds

T = TypeVar("T")

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERIOD = "2026-11-01T00:00:00Z"
TODAY = "2026-11-21"
SESSION = "ses_1"
INPUT, OUTPUT = 40, 100
HOLD = INPUT + OUTPUT
MODEL = Model(id="tiny", provider="openai", input_price=10, output_price=50)
DEMAND = Demand(INPUT, OUTPUT, MODEL.id)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Wire:
    """botocore's client, each request of which is counted; `before` runs once ahead of the next
    request of that name, and may raise.
    """

    client: Any
    requests: list[str] = field(default_factory=list)
    write_units: float = 0
    before: dict[str, Callable[[], object]] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def request(**arguments: Any) -> Any:
            self.requests.append(name)
            if interruption := self.before.pop(name, None):
                interruption()
            answer = method(ReturnConsumedCapacity="TOTAL", **arguments)
            if name == "update_item":
                self.write_units += answer["ConsumedCapacity"]["CapacityUnits"]
            return answer

        return request

    def made_by(self, work: Callable[[], object]) -> list[str]:
        self.requests.clear()
        work()
        return list(self.requests)


def catalogue(per_minute: int | None = None, **free: Any) -> Catalogue:
    """Three plans of which `free` takes other limits; the burst is out of the way by default."""
    plans = [
        _plan("free", day=100, month=100_000, concurrent=100),
        _plan("pro", day=1_000, month=1_000_000, concurrent=100),
        _plan("team", day=None, month=1_000, concurrent=100, overage=Overage(1, "usd", "tokens")),
    ]
    plans[0] = msgspec.structs.replace(plans[0], **free)
    return Catalogue(
        version="v1",
        per_minute=per_minute,
        trial_days=7,
        grace_days=7,
        daily_spend_cap=None,
        plans={plan.id: plan for plan in plans},
        models={MODEL.id: MODEL},
        routes={},
        blueprints={},
    )


def _plan(name: str, **limits: Any) -> Plan:
    return Plan(id=name, name=name, input_tokens=4_000, output_tokens=OUTPUT, **limits)


@dataclass
class House:
    """`table` goes over the counted wire; `direct` prepares and inspects beside it."""

    wire: Wire
    table: Table
    direct: Table
    catalogue: Catalogue = field(default_factory=catalogue)
    clock: Clock = field(default_factory=Clock)
    refresh: Callable[[str], None] = lambda _: None

    @property
    def admission(self) -> Admission:
        return Admission(self.table, self.catalogue, self.clock, lambda each: self.refresh(each))

    def open_account(
        self,
        account: str = "acc_1",
        plan: str = "free",
        anchor: str = CALENDAR,
        until: datetime | None = None,
        *,
        metered: bool = True,
    ) -> str:
        end = None if until is None else milliseconds(until)
        limits = Limits.of(self.catalogue.plans[plan], anchor, end, metered=metered)
        sessions = {SESSION: milliseconds(NOON + timedelta(days=3_650))}
        self.direct.put(gate.born(account, limits, sessions))
        return account

    def hint(self, account: str = "acc_1") -> Hint:
        tenant = self.gate(account).tenant
        return Hint(tenant.limits.plan, tenant.limits.anchor, tenant.version)

    def admit(
        self,
        generation: str,
        account: str = "acc_1",
        hint: Hint | None = None,
        demand: Demand = DEMAND,
        session: str = SESSION,
    ) -> Admitted:
        visitor = Visitor(account, "usr_1", session, generation)
        return self.admission.admit(visitor, hint or self.hint(account), lambda _: demand)

    def settle(
        self, generation: str, hold: Hold, usage: "Usage | None" = None, account: str = "acc_1"
    ) -> Gate | None:
        now = self.clock()
        used = usage or finished(hold.input_tokens, 10)
        return settle(self.table, self.catalogue, account, generation, hold, used, now)

    def reclaim(self, account: str = "acc_1") -> int:
        return reclaim_dead_holds(self.table, self.catalogue, self.gate(account), self.clock())

    def close(self, time_left: Callable[[], bool] = lambda: True, workers: int = 1) -> Sweep:
        return close_due_periods(self.table, self.catalogue, self.clock, time_left, workers=workers)

    def close_all(self) -> Sweep:
        """As if no sweep had ever run: every gate in use is looked at."""
        self.direct.delete(keys.reset_progress())
        return self.close()

    def change_plan(self, plan: str, anchor: datetime | None, account: str = "acc_1") -> None:
        """As billing does it."""
        tenant = self.gate(account).tenant
        new = self.catalogue.plans[plan]
        limits = changed(tenant, new, anchor, None, self.clock(), metered=True)
        self.direct.update(keys.gate(account), write_limits(tenant, limits))

    def edit(
        self,
        account: str = "acc_1",
        changes: Mapping[str, Value] | None = None,
        *,
        without: str = "",
    ) -> None:
        """The gate with attributes changed, or without one, by hand."""
        item = {**self.item(account), **(changes or {})}
        item.pop(without, None)
        self.direct.put(item)

    def item(self, account: str = "acc_1") -> Item:
        item = self.direct.get(keys.gate(account))
        assert item is not None
        return item

    def gate(self, account: str = "acc_1") -> Gate:
        return Gate.of(self.item(account))

    def receipts(self, account: str = "acc_1") -> Mapping[str, Receipt]:
        page = self.direct.query(f"ACCOUNT#{account}", "RECEIPT#")
        found = [Receipt.from_raw_data(dict(item)) for item in page.items]
        return {receipt.generation_id: receipt for receipt in found}

    def closed(self, account: str = "acc_1") -> Mapping[str, ClosedPeriod]:
        page = self.direct.query(f"ACCOUNT#{account}", "PERIOD#")
        found = [ClosedPeriod.from_raw_data(dict(item)) for item in page.items]
        return {period.start: period for period in found}

    def usage_row(
        self, account: str = "acc_1", day: str = TODAY, model: str = MODEL.id
    ) -> dict[str, int]:
        item = self.direct.get(keys.usage_day(account, day, "usr_1", model)) or {}
        return {name: int(value["N"]) for name, value in item.items() if "N" in value}


def refused_scope(house: House, **arguments: Any) -> str:
    with pytest.raises(Refused) as refused:
        house.admit("gen_refused", **arguments)
    return refused.value.refusal.scope


def finished(input_tokens: int, output_tokens: int) -> Usage:
    return Usage(FINISHED, MODEL.id, input_tokens, output_tokens, estimated=False)


def failed() -> Usage:
    return Usage(FAILED, MODEL.id, 0, 0, estimated=True)


def race(works: Sequence[Callable[[], T]], *, at_once: int) -> list[T | Exception]:
    """What each did or raised, `at_once` of them starting together."""
    barrier = threading.Barrier(at_once)

    def run(place: int) -> T | Exception:
        if place < at_once:
            barrier.wait(timeout=10)
        try:
            return works[place]()
        except Exception as error:
            return error

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(run, range(len(works))))
