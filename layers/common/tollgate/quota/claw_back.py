"""A refund takes the allowance back that it paid for, once: its receipt decides, as for a
generation, and the counter follows in the same write.
"""

from collections.abc import Iterable
from datetime import datetime

from tollgate.catalogue import Plan
from tollgate.quota.due import shard
from tollgate.quota.gate import TERMS, USED, Terms, day_of
from tollgate.quota.limits import Change
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import Action, Table, put
from tollgate.tenancy.gate import milliseconds, number

REFUNDED = "refunded"


def undecided(table: Table, account_id: str, refund_ids: Iterable[str]) -> set[str]:
    return {each for each in refund_ids if table.get(_key(account_id, each)) is None}


def receipt(
    account_id: str, refund_id: str, period: str, tokens: int, version: str, now: datetime
) -> Action:
    """`tokens` may be none: the refund is decided all the same. `version` is the catalogue's."""
    decided = Receipt.new(
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
    return put(decided.serialize(), if_absent=True)


def claw_back(account_id: str, plan: Plan, period: str, tokens: int) -> Change:
    """As if `tokens` had been used; it opens the period, as an admission does, where none has."""
    return Change(
        sets=(
            "#used = if_not_exists(#used, :zero) + :clawed",
            "#terms = if_not_exists(#terms, :terms)",
            "#due = if_not_exists(#due, :shard)",
        ),
        names={
            "#used": USED + period,
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


def _name(refund_id: str) -> str:
    return f"refund_{refund_id}"


def _key(account_id: str, refund_id: str) -> keys.Key:
    return keys.receipt(account_id, _name(refund_id))
