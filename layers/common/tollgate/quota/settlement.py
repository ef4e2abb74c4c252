"""Settlement: the receipt decides, the gate follows.

Whoever writes the receipt has decided the generation, once. The gate is then changed by the
standing receipt's numbers under the condition that the hold is still there, so that repeating it
changes nothing and a crash between the two is finished by whoever sees the hold next. A settlement
that finds its hold reclaimed knows better than the reclaim did, and records the difference.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from tollgate.catalogue import Catalogue, Model
from tollgate.quota.gate import DECIDED, USED, Gate, Hold, day_of
from tollgate.quota.record_debt import Debt, record_debt
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import (
    Action,
    Cancelled,
    ConditionFailed,
    Table,
    Unavailable,
    Update,
    put,
    update,
)
from tollgate.tenancy.gate import milliseconds, number

FINISHED, STOPPED, FAILED, RECLAIMED = "finished", "stopped", "failed", "reclaimed"
_DAYS_KEPT = 2
_ON_THE_WAY = timedelta(minutes=10)
"""For how long a sending may still arrive: its signature is good for five minutes."""
_NANO_DOLLARS_PER_CENT_PER_MILLION = 10


@dataclass(frozen=True, slots=True)
class Usage:
    """What one generation used of `model`; `estimated` where the provider's own numbers are
    missing.
    """

    outcome: str
    model: str
    input_tokens: int
    output_tokens: int
    estimated: bool


def settle(
    table: Table,
    catalogue: Catalogue,
    account_id: str,
    generation_id: str,
    hold: Hold,
    usage: Usage,
    now: datetime,
) -> Gate | None:
    """The gate after it followed the receipt; None where the account is gone.

    Repeating it changes nothing.
    """
    own = _receipt(catalogue, account_id, generation_id, hold, usage, now)
    try:
        table.transact(put(own.serialize(), if_absent=True), _count(own, _counters(own)))
    except Cancelled as cancelled:
        item = cancelled.failed.get(0)
        if item is None:
            raise Unavailable("the receipt was neither written nor found") from cancelled
        standing = Receipt.from_raw_data(dict(item))
        gate = _follow(table, standing, now, repeated=hold.repeated)
        debt = _debt(standing, own)
        return gate if gate is None or debt is None else record_debt(table, debt, gate)
    return _follow(table, own, now, repeated=hold.repeated)


def follow(table: Table, receipt: Receipt, now: datetime) -> Gate | None:
    """What `settle` does last, for whoever finds a decided generation's hold still there."""
    return _follow(table, receipt, now, repeated=True)


def checkpoint(table: Table, account_id: str, generation_id: str, output_tokens: int) -> None:
    """Notes on the hold what has been delivered, so that a process that dies is charged for it."""
    change = Update(
        "SET #open.#generation.#n = :n",
        {"#open": "open", "#generation": generation_id, "#n": "n", "#x": "x"},
        {":n": number(output_tokens)},
        "attribute_not_exists(#open.#generation.#x) AND #open.#generation.#n < :n",
    )
    try:
        table.update(keys.gate(account_id), change)
    except ConditionFailed:
        return


def _receipt(
    catalogue: Catalogue,
    account_id: str,
    generation_id: str,
    hold: Hold,
    usage: Usage,
    now: datetime,
) -> Receipt:
    model, plan = catalogue.models.get(usage.model), catalogue.plans.get(hold.plan)
    overage = plan.overage if plan else None
    return Receipt.new(
        keys.receipt(account_id, generation_id),
        account_id=account_id,
        generation_id=generation_id,
        user_id=hold.user,
        outcome=usage.outcome,
        model=usage.model,
        provider=model.provider if model else "",
        period=hold.period,
        day=hold.day,
        reserved=hold.tokens,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        estimated=usage.estimated,
        cost=_cost(model, usage) if model else 0,
        price_version=catalogue.version,
        admitted_at=hold.at,
        decided_at=milliseconds(now),
        meter=overage.meter if overage else None,
        included=plan.month if plan and overage else None,
    )


def _cost(model: Model, usage: Usage) -> int:
    cents_per_million = (
        usage.input_tokens * model.input_price + usage.output_tokens * model.output_price
    )
    return cents_per_million * _NANO_DOLLARS_PER_CENT_PER_MILLION


def _counters(receipt: Receipt) -> Counter[str]:
    return Counter(
        generations=int(receipt.outcome != FAILED),
        input_tokens=int(receipt.input_tokens),
        output_tokens=int(receipt.output_tokens),
        cost=int(receipt.cost),
    )


def _count(receipt: Receipt, counters: Mapping[str, int]) -> Action:
    """Adds to the usage row of the generation's day."""
    key = keys.usage_day(receipt.account_id, receipt.day, receipt.user_id, receipt.model)
    return update(
        key,
        Update(
            "ADD " + ", ".join(f"#{name} :{name}" for name in counters),
            {f"#{name}": name for name in counters},
            {f":{name}": number(value) for name, value in counters.items()},
        ),
    )


def _debt(standing: Receipt, own: Receipt) -> Debt | None:
    """None where the standing decision is no reclaim's, or was right in model and counts."""
    if standing.outcome != RECLAIMED or own.outcome == RECLAIMED or standing.late_at is not None:
        return None
    more = _counters(own)
    more.subtract(_counters(standing))
    same_model = own.model == standing.model
    if same_model and not any(more.values()):
        return None
    return Debt(
        reclaimed=standing,
        late=own,
        tokens=more["input_tokens"] + more["output_tokens"],
        day_back=more["generations"] < 0,
        usage_rows=(_count(own, more),) if same_model else _moved(standing, own),
    )


def _moved(standing: Receipt, own: Receipt) -> tuple[Action, Action]:
    """The hold named the model that was asked first, and another one has answered."""
    back = Counter[str]()
    back.subtract(_counters(standing))
    return _count(standing, back), _count(own, _counters(own))


def _follow(table: Table, receipt: Receipt, now: datetime, *, repeated: bool) -> Gate | None:
    """Unused tokens go back to their own period, the hold goes; a failed generation gives its day
    back too.

    Where the admission was `repeated`, a note stays that refuses whatever of it arrives later.
    """
    key, held = keys.gate(receipt.account_id), int(receipt.reserved)
    while True:
        change = _following(receipt, held, now, repeated=repeated)
        try:
            gate = Gate.of(table.update(key, change))
        except ConditionFailed as failed:
            if failed.item is None:
                return None
            gate = Gate.of(failed.item)
            hold = gate.open.get(receipt.generation_id)
            if hold is None or hold.tokens == held:
                return gate
            held = hold.tokens  # an extension arrived after the receipt had been written
        else:
            _trim(table, gate, now)
            return gate


def _following(receipt: Receipt, held: int, now: datetime, *, repeated: bool) -> Update:
    sets = ["#used = #used - :unused"]
    names = {
        "#used": USED + receipt.period,
        "#open": "open",
        "#generation": receipt.generation_id,
        "#tokens": "t",
    }
    unused = held - int(receipt.input_tokens + receipt.output_tokens)
    values = {":unused": number(unused), ":held": number(held)}
    if receipt.outcome == FAILED:
        sets.append("#days.#day = if_not_exists(#days.#day, :one) - :one")
        names |= {"#days": "days", "#day": receipt.day}
        values[":one"] = number(1)
    if repeated:
        sets.append("#decided = :now")
        names["#decided"] = DECIDED + receipt.generation_id
        values[":now"] = number(milliseconds(now))
    return Update(
        f"SET {', '.join(sets)} REMOVE #open.#generation",
        names,
        values,
        "#open.#generation.#tokens = :held",
    )


def _trim(table: Table, gate: Gate, now: datetime) -> None:
    """Day counters of the past are of no use, but two for clocks and late settlements; nor are
    decisions against which no sending can arrive any more.
    """
    oldest_day = day_of(now - timedelta(days=_DAYS_KEPT))
    oldest_decision = milliseconds(now - _ON_THE_WAY)
    days = {f"#d{place}": day for place, day in enumerate(gate.days) if day < oldest_day}
    decided = {
        f"#g{place}": DECIDED + generation
        for place, (generation, at) in enumerate(gate.decided.items())
        if at < oldest_decision
    }
    if days or decided:
        names = days | decided | ({"#days": "days"} if days else {})
        removes = ", ".join([*(f"#days.{alias}" for alias in days), *decided])
        # Receipt and gate are right by now, and the next settlement trims what this one leaves: a
        # fault here must not have a settled generation taken for one that is not.
        with suppress(Unavailable):
            table.update(keys.gate(gate.tenant.account_id), Update(f"REMOVE {removes}", names))
