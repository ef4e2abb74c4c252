"""What a settlement that came after its reclaim owes or is owed, recorded once.

The receipt, the period and the day's usage rows change together or not at all. The period's counter
is on the gate until its close, and what comes after the close stands beside the history, which
never changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tollgate.quota.gate import USED, Gate
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Table, Unavailable, Update, update
from tollgate.tenancy.gate import number

_TRIES = 3


@dataclass(frozen=True, slots=True)
class Debt:
    """What `late` charges beyond `reclaimed`: `tokens` (negative: too many were charged), and in
    the day's usage rows, two where another model answered than the reclaim could know; `day_back`
    where the generation counts no more.
    """

    reclaimed: Receipt
    late: Receipt
    tokens: int
    day_back: bool
    usage_rows: Sequence[Action]


def record_debt(table: Table, debt: Debt, gate: Gate) -> Gate | None:
    """The gate afterwards; None where the account is gone. Repeating it changes nothing."""
    for _ in range(_TRIES):
        recorded = _record(table, debt, gate)
        item = table.get(keys.gate(debt.reclaimed.account_id))
        if item is None:
            return None
        gate = Gate.of(item)
        if recorded:
            return gate
    raise Unavailable("a debt met a changing gate too often")


def _record(table: Table, debt: Debt, gate: Gate) -> bool:
    """False where the period was closed, or the day trimmed, since `gate` was read."""
    try:
        table.transact(_note(debt), *debt.usage_rows, *_charge(debt, gate))
    except Cancelled as cancelled:
        return 0 in cancelled.failed  # another settlement has recorded it
    return True


def _note(debt: Debt) -> Action:
    late = debt.late
    values = {
        "late_outcome": {"S": late.outcome},
        "late_model": {"S": late.model},
        "late_provider": {"S": late.provider},
        "late_input_tokens": number(int(late.input_tokens)),
        "late_output_tokens": number(int(late.output_tokens)),
        "late_estimated": {"BOOL": late.estimated},
        "late_cost": number(int(late.cost)),
        "late_at": number(int(late.decided_at)),
    }
    return update(
        keys.receipt(late.account_id, late.generation_id),
        Update(
            "SET " + ", ".join(f"#{name} = :{name}" for name in values),
            {f"#{name}": name for name in values},
            {f":{name}": value for name, value in values.items()},
            "attribute_not_exists(#late_at)",
        ),
    )


def _charge(debt: Debt, gate: Gate) -> Iterator[Action]:
    """To the period where it is, and the day to the gate while it is still counted there."""
    account, period, day = debt.late.account_id, debt.late.period, debt.late.day
    names: dict[str, str] = {}
    counters: dict[str, int] = {}
    if period in gate.used:
        names["#used"] = USED + period
        counters["#used"] = debt.tokens
    else:
        yield update(keys.closed_period(account, period), _beside_history(debt.tokens))
    if debt.day_back and day in gate.days:
        names |= {"#days": "days", "#day": day}
        counters["#days.#day"] = -1
    if counters:
        yield update(keys.gate(account), _add(names, counters))


def _beside_history(tokens: int) -> Update:
    return Update(
        "ADD #debt :debt",
        {"#debt": "debt"},
        {":debt": number(tokens)},
    )


def _add(names: Mapping[str, str], counters: Mapping[str, int]) -> Update:
    """To counters that must be there."""
    amounts = {path: f":more{place}" for place, path in enumerate(counters)}
    return Update(
        "SET " + ", ".join(f"{path} = {path} + {amount}" for path, amount in amounts.items()),
        names,
        {amount: number(counters[path]) for path, amount in amounts.items()},
        " AND ".join(f"attribute_exists({path})" for path in counters),
    )
