"""A refund takes the allowance back that it paid for, once: its receipt decides, as for a
generation, and the counter follows in the same write. Where the refund fails after that, the
receipt says so once, as of a settlement that comes late, and the allowance is there again.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from tollgate.catalogue import Plan
from tollgate.quota.due import shard
from tollgate.quota.gate import TERMS, USED, Gate, Terms, day_of
from tollgate.quota.limits import Change
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import Action, Table, Update, put, update
from tollgate.tenancy.gate import milliseconds, number

REFUNDED, RETURNED = "refunded", "returned"
REFUNDS = "refund_"
"""How the receipts of refunds begin; no generation's id does."""


def decided(
    table: Table, account_id: str, refund_ids: Iterable[str], now: datetime
) -> dict[str, Receipt]:
    """Their receipts; those that nothing was decided about are left out."""
    read = ((each, Receipt.read(table.get(_key(account_id, each)), now)) for each in refund_ids)
    return {refund_id: receipt for refund_id, receipt in read if receipt is not None}


def receipt(
    account_id: str, refund_id: str, period: str, tokens: int, version: str, now: datetime
) -> Action:
    """`tokens` may be none: the refund is decided all the same. `version` is the catalogue's."""
    made = Receipt.new(
        _key(account_id, refund_id),
        account_id=account_id,
        generation_id=_name(refund_id),
        user_id="",
        outcome=REFUNDED,
        model="",
        provider="",
        period=period,
        day=day_of(now),
        reserved=0,
        input_tokens=tokens,
        output_tokens=0,
        estimated=False,
        cost=0,
        price_version=version,
        admitted_at=milliseconds(now),
        decided_at=milliseconds(now),
    )
    return put(made.serialize(), if_absent=True)


def returned(standing: Receipt, now: datetime) -> Action:
    """What is charged in the end is nothing: the refund itself has failed."""
    values = {
        "late_outcome": {"S": RETURNED},
        "late_model": {"S": ""},
        "late_provider": {"S": ""},
        "late_input_tokens": number(0),
        "late_output_tokens": number(0),
        "late_estimated": {"BOOL": False},
        "late_cost": number(0),
        "late_at": number(milliseconds(now)),
    }
    change = Update(
        "SET " + ", ".join(f"#{name} = :{name}" for name in values),
        {f"#{name}": name for name in values},
        {f":{name}": value for name, value in values.items()},
        "attribute_not_exists(#late_at)",
    )
    return update(keys.receipt(standing.account_id, standing.generation_id), change)


def claw_back(account_id: str, plan: Plan, period: str, tokens: int) -> Change:
    """As if `tokens` more had been used in the running period, or fewer where negative.

    It opens the period, as an admission does, where none has.
    """
    return Change(
        sets=(
            "#clawed = if_not_exists(#clawed, :zero) + :clawed",
            "#terms = if_not_exists(#terms, :terms)",
            "#due = if_not_exists(#due, :shard)",
        ),
        names={
            "#clawed": USED + period,
            "#terms": TERMS + period,
            "#due": "due",
            "#closed": "closed",
        },
        values={
            ":zero": number(0),
            ":clawed": number(tokens),
            ":terms": Terms(plan.id, plan.month).value(),
            ":shard": {"S": shard(account_id)},
            ":period": {"S": period},
        },
        conditions=("(attribute_not_exists(#closed) OR #closed < :period)",),
    )


def give_back(
    table: Table, account_id: str, tokens: Mapping[str, int]
) -> tuple[list[Action], list[Change]]:
    """`tokens` by earlier periods: to the gate while it counts them, else beside the history."""
    item = table.get(keys.gate(account_id)) if tokens else None
    counted = Gate.of(item).used if item is not None else {}
    closed = [period for period in tokens if period not in counted]
    still_open = [period for period in tokens if period in counted]
    return (
        [_beside_history(account_id, period, -tokens[period]) for period in closed],
        [_less_used(place, each, tokens[each]) for place, each in enumerate(still_open)],
    )


def _less_used(place: int, period: str, tokens: int) -> Change:
    counter, back = f"#back{place}", f":back{place}"
    return Change(
        sets=(f"{counter} = {counter} - {back}",),
        names={counter: USED + period},
        values={back: number(tokens)},
        conditions=(f"attribute_exists({counter})",),
    )


def _beside_history(account_id: str, period: str, tokens: int) -> Action:
    change = Update("ADD #debt :debt", {"#debt": "debt"}, {":debt": number(tokens)})
    return update(keys.closed_period(account_id, period), change)


def _name(refund_id: str) -> str:
    return REFUNDS + refund_id


def _key(account_id: str, refund_id: str) -> keys.Key:
    return keys.receipt(account_id, _name(refund_id))
