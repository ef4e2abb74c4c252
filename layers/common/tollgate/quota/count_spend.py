"""Every charge is counted once, however often, and however cut, the stream delivers it.

Within one shard of the stream, sequence numbers rise and what was never delivered before comes in
order. So one mark a shard, moved in the transaction that counts, tells what is counted: charges at
or before it are skipped, whether they come again as the same batch, a shorter or a longer one.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zlib import crc32

from tollgate.logs import logger, raise_alarm
from tollgate.quota.gate import day_of
from tollgate.quota.spend import NANO_DOLLARS_PER_CENT
from tollgate.table import keys
from tollgate.table.client import (
    Action,
    Cancelled,
    ConditionFailed,
    Table,
    Unavailable,
    Update,
    Value,
    update,
)
from tollgate.tenancy.gate import number

if TYPE_CHECKING:
    from tollgate.table.keys import Key

COUNTERS = 8
_WARNING_PERCENT = 80
_MARK_KEPT = timedelta(days=2)  # longer than a shard of the stream lives
_DAY_KEPT = timedelta(days=35)
_SEQUENCE_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Charge:
    """`amount` in billionths of a dollar, negative where a correction lowers an earlier one; `day`
    is the UTC day of the decision.
    """

    sequence: str
    day: str
    amount: int


def count_spend(
    table: Table, cap: int | None, shard_id: str, charges: Sequence[Charge], now: datetime
) -> Charge | None:
    """Counts the charges of one shard, in the stream's order, and compares the day with the cap.

    The first charge that must be delivered again, with all after it; None where everything is done.
    """
    delivered = [charge for charge in charges if charge.amount]
    left: Sequence[Charge] = delivered
    try:
        while left:
            left = _count(table, shard_id, left, now)
        # For charges that were counted before, too: whoever did may have died before this.
        for day in {charge.day for charge in delivered if charge.day >= day_of(now)}:
            _compare(table, cap, day, now)
    except Unavailable:
        return (left or delivered)[0]
    return None


def _count(
    table: Table, shard_id: str, charges: Sequence[Charge], now: datetime
) -> Sequence[Charge]:
    """Those that are left to count: the mark stood further on than where these begin."""
    try:
        table.transact(_mark(shard_id, charges, now), *_additions(shard_id, charges, now))
    except Cancelled as standing:
        mark = standing.failed.get(0)
        if mark is None:
            raise Unavailable("the mark was neither written nor found") from standing
        return [charge for charge in charges if _padded(charge) > mark["last"]["S"]]
    return ()


def _mark(shard_id: str, charges: Sequence[Charge], now: datetime) -> Action:
    change = Update(
        "SET #last = :last, #expires_at = :expires_at",
        {"#last": "last", "#expires_at": "expires_at"},
        {
            ":first": {"S": _padded(charges[0])},
            ":last": {"S": _padded(charges[-1])},
            ":expires_at": _after(now, _MARK_KEPT),
        },
        "attribute_not_exists(#last) OR #last < :first",
    )
    return update(keys.spend_mark(shard_id), change)


def _additions(shard_id: str, charges: Sequence[Charge], now: datetime) -> Iterator[Action]:
    """A stream's shard adds to one counter, so that several shards seldom meet on an item."""
    by_day: dict[str, int] = defaultdict(int)
    for charge in charges:
        by_day[charge.day] += charge.amount
    counter = crc32(shard_id.encode()) % COUNTERS
    for day, amount in by_day.items():
        change = Update(
            "ADD #spent :amount SET #expires_at = :expires_at",
            {"#spent": "spent", "#expires_at": "expires_at"},
            {":amount": number(amount), ":expires_at": _after(now, _DAY_KEPT)},
        )
        yield update(keys.spend_shard(day, counter), change)


def _compare(table: Table, cap: int | None, day: str, now: datetime) -> None:
    """Tells of the day's spend, and throws the switch where the cap is newly reached.

    The alarm comes before the write: who dies between them raises it again, and never not at all.
    """
    spent, thrown = _read(table, day)
    logger().info("spend_counted", extra={"day": day, "SpentCents": spent // NANO_DOLLARS_PER_CENT})
    if cap is None:
        return
    full = cap * NANO_DOLLARS_PER_CENT
    warning = full * _WARNING_PERCENT // 100
    if thrown < full <= spent:
        raise_alarm("spend_cap_reached", day=day, cap_cents=str(cap))
    elif thrown < warning <= spent:
        logger().warning("spend_cap_near", extra={"day": day, "cap_cents": cap})
    else:
        return
    _throw(table, keys.spend_switch(day), spent, now)


def _read(table: Table, day: str) -> tuple[int, int]:
    """The sum of the day's counters, and what the switch was last thrown at."""
    spent = thrown = 0
    partition, switch = keys.spend_switch(day)
    for item in table.query(partition, "S").items:
        if item["sk"]["S"] == switch:
            thrown = int(item["spent"]["N"])
        else:
            spent += int(item["spent"]["N"])
    return spent, thrown


def _throw(table: Table, key: "Key", spent: int, now: datetime) -> None:
    """Also at the warning, below the cap, which shuts nothing: readers compare with the cap."""
    change = Update(
        "SET #spent = :spent, #expires_at = :expires_at",
        {"#spent": "spent", "#expires_at": "expires_at"},
        {":spent": number(spent), ":expires_at": _after(now, _DAY_KEPT)},
        "attribute_not_exists(#spent) OR #spent < :spent",
    )
    with suppress(ConditionFailed):  # somebody saw more
        table.update(key, change)


def _padded(charge: Charge) -> str:
    """As text that sorts by number: a sequence number may be longer than DynamoDB's own numbers."""
    return charge.sequence.zfill(_SEQUENCE_DIGITS)


def _after(now: datetime, kept: timedelta) -> Value:
    return number(int((now + kept).timestamp()))
