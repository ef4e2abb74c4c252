"""Settlement: the receipt decides, the gate follows.

Whoever writes the receipt has decided the generation, once. The gate is then changed by the
standing receipt's numbers under the condition that the hold is still there, so that repeating it
changes nothing and a crash between the two is finished by whoever sees the hold next.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tollgate.catalogue import Catalogue, Model
from tollgate.quota.gate import USED, Gate, Hold, day_of
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
    receipt = _receipt(catalogue, account_id, generation_id, hold, usage, now)
    try:
        table.transact(put(receipt.serialize(), if_absent=True), _count(receipt))
    except Cancelled as cancelled:
        standing = cancelled.failed.get(0)
        if standing is None:
            raise Unavailable("the receipt was neither written nor found") from cancelled
        receipt = Receipt.from_raw_data(dict(standing))
    return _follow(table, receipt, now)


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
    model = catalogue.models.get(usage.model)
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
    )


def _cost(model: Model, usage: Usage) -> int:
    cents_per_million = (
        usage.input_tokens * model.input_price + usage.output_tokens * model.output_price
    )
    return cents_per_million * _NANO_DOLLARS_PER_CENT_PER_MILLION


def _count(receipt: Receipt) -> Action:
    """Adds the generation to its day's usage row."""
    key = keys.usage_day(receipt.account_id, receipt.day, receipt.user_id, receipt.model)
    counters = {
        "generations": int(receipt.outcome != FAILED),
        "input_tokens": int(receipt.input_tokens),
        "output_tokens": int(receipt.output_tokens),
        "cost": int(receipt.cost),
    }
    return update(
        key,
        Update(
            "ADD " + ", ".join(f"#{name} :{name}" for name in counters),
            {f"#{name}": name for name in counters},
            {f":{name}": number(value) for name, value in counters.items()},
        ),
    )


def _follow(table: Table, receipt: Receipt, now: datetime) -> Gate | None:
    """Unused tokens go back to their own period, the hold goes; a failed generation gives its day
    back too.
    """
    key = keys.gate(receipt.account_id)
    sets = ["#used = #used - :unused"]
    names = {
        "#used": USED + receipt.period,
        "#open": "open",
        "#generation": receipt.generation_id,
    }
    values = {":unused": number(receipt.unused)}
    if receipt.outcome == FAILED:
        sets.append("#days.#day = if_not_exists(#days.#day, :one) - :one")
        names |= {"#days": "days", "#day": receipt.day}
        values[":one"] = number(1)
    change = Update(
        f"SET {', '.join(sets)} REMOVE #open.#generation",
        names,
        values,
        "attribute_exists(#open.#generation)",
    )
    try:
        gate = Gate.of(table.update(key, change))
    except ConditionFailed as failed:
        return None if failed.item is None else Gate.of(failed.item)
    _trim_days(table, gate, now)
    return gate


def _trim_days(table: Table, gate: Gate, now: datetime) -> None:
    """Day counters of the past are of no use; two are kept for clocks and late settlements."""
    oldest = day_of(now - timedelta(days=_DAYS_KEPT))
    gone = [day for day in gate.days if day < oldest]
    if gone:
        names = {"#days": "days"} | {f"#d{place}": day for place, day in enumerate(gone)}
        removes = ", ".join(f"#days.#d{place}" for place in range(len(gone)))
        table.update(keys.gate(gate.tenant.account_id), Update(f"REMOVE {removes}", names))
