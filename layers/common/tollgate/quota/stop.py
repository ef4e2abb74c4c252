"""A stop only marks the hold: the generation, which reads its own hold, ends and settles itself.

So it works from any process, and decides no tokens: those of a process that has died are left to
the reclaim.
"""

from datetime import datetime

from tollgate.quota.admission import SessionEnded, Visitor
from tollgate.quota.gate import Hold
from tollgate.quota.records import Receipt
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Update
from tollgate.tenancy.gate import Tenant, milliseconds, number


def stop(table: Table, visitor: Visitor, now: datetime) -> bool:
    """True where the generation is this user's, running or decided; repeating it changes nothing.

    Errors: `SessionEnded`, `Unavailable`.
    """
    mark = Update(
        "SET #open.#generation.#stopped = :one",
        {
            "#open": "open",
            "#generation": visitor.generation_id,
            "#stopped": "s",
            "#user": "u",
            "#sessions": "sessions",
            "#session": visitor.session_id,
        },
        {
            ":one": number(1),
            ":user": {"S": visitor.user_id},
            ":now": number(milliseconds(now)),
        },
        "#open.#generation.#user = :user AND #sessions.#session > :now",
    )
    try:
        table.update(keys.gate(visitor.account_id), mark)
    except ConditionFailed as failed:
        if failed.item is None or not Tenant.of(failed.item).admits(visitor.session_id, now):
            raise SessionEnded from failed
        return _decided(table, visitor)
    return True


def is_to_end(table: Table, account_id: str, generation_id: str) -> bool:
    """One consistent read: the hold is stopped, or being reclaimed, or no longer there."""
    item = table.get(keys.gate(account_id))
    value = None if item is None else item["open"]["M"].get(generation_id)
    if value is None:
        return True
    hold = Hold.of(value)
    return hold.stopped or hold.pinned


def _decided(table: Table, visitor: Visitor) -> bool:
    """The receipt is written before its hold goes, so one of the two is always there."""
    item = table.get(keys.receipt(visitor.account_id, visitor.generation_id))
    return item is not None and Receipt.from_raw_data(dict(item)).user_id == visitor.user_id
