"""Gives an admission back, whether it was written, was not, or is yet to arrive."""

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.catalogue import Catalogue
from tollgate.quota.gate import DECIDED, Gate, Hold
from tollgate.quota.records import Receipt
from tollgate.quota.settlement import FAILED, RECLAIMED, Usage, settle
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Item, Table, Update
from tollgate.tenancy.gate import milliseconds, number

if TYPE_CHECKING:
    from tollgate.quota.admission import Visitor


def give_back(
    table: Table,
    catalogue: Catalogue,
    visitor: "Visitor",
    now: datetime,
    admitted: Hold | None = None,
) -> Gate | None:
    """The gate afterwards; None where the account is gone.

    `admitted` is the hold that admission answered with. Without an answer nobody knows what may
    still arrive, so a note stays on the gate that refuses it. What a reclaim has charged meanwhile
    goes back too.
    """
    item = table.get(keys.gate(visitor.account_id))
    if admitted is None and item is not None and _hold(item, visitor) is None:
        try:
            item = table.update(keys.gate(visitor.account_id), _refuse_later(visitor, now))
        except ConditionFailed:
            return None
    if item is None:
        return None
    # By the hold as it stands: what came of the last write to it may be unknown too.
    hold = _hold(item, visitor) or admitted or _reclaimed(table, visitor)
    if hold is None:
        return Gate.of(item)
    hold = replace(hold, repeated=admitted is None or admitted.repeated)
    usage = Usage(FAILED, hold.model, 0, 0, estimated=False)
    return settle(table, catalogue, visitor.account_id, visitor.generation_id, hold, usage, now)


def _hold(item: Item, visitor: "Visitor") -> Hold | None:
    return Gate.of(item).open.get(visitor.generation_id)


def _reclaimed(table: Table, visitor: "Visitor") -> Hold | None:
    """The hold of an admission that arrived unheard, as its reclaim wrote it down; None where the
    generation was decided otherwise, or not at all.
    """
    item = table.get(keys.receipt(visitor.account_id, visitor.generation_id))
    if item is None:
        return None
    receipt = Receipt.from_raw_data(dict(item))
    if receipt.outcome != RECLAIMED or receipt.late_at is not None:
        return None
    return Hold(
        tokens=int(receipt.reserved),
        input_tokens=int(receipt.input_tokens),
        period=receipt.period,
        day=receipt.day,
        at=int(receipt.admitted_at),
        user=receipt.user_id,
        model=receipt.model,
    )


def _refuse_later(visitor: "Visitor", now: datetime) -> Update:
    return Update(
        "SET #decided = :now",
        {
            "#decided": DECIDED + visitor.generation_id,
            "#open": "open",
        },
        {":now": number(milliseconds(now))},
        "attribute_exists(#open)",
    )
