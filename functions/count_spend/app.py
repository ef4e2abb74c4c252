"""The table's stream in, a batch of receipts at a time; what must be delivered again out.

A function of its own, apart from whatever else follows the stream: an outage of a service that
usage is reported to must never stop the count that the spend cap stands on.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from tollgate.catalogue import Catalogue
from tollgate.logs import raise_alarm
from tollgate.quota.count_spend import Charge, count_spend
from tollgate.quota.gate import day_of
from tollgate.table.client import Table

Event = dict[str, Any]

_END_OF_TIME = 253_402_300_799_999  # the year 9999, in epoch milliseconds


class _Amount(msgspec.Struct):
    N: int


class _Instant(msgspec.Struct):
    N: Annotated[int, msgspec.Meta(ge=0, le=_END_OF_TIME)]


class _Receipt(msgspec.Struct):
    """A settlement that came after its reclaim puts `late_…` beside what that had charged."""

    cost: _Amount
    decided_at: _Instant
    late_cost: _Amount | None = None
    late_at: _Instant | None = None


def build(
    *, table: Table, catalogue: Catalogue, clock: Callable[[], datetime]
) -> Callable[[Event, Any], Event]:
    """Lambda wants the `state` of a tumbling window back. There is none to keep: the window is
    there for the `shardId`, which no other event of a stream carries.
    """

    def count(event: Event, _: Any) -> Event:
        charges = list(_charges(event["Records"]))
        cap = catalogue.daily_spend_cap
        failed = count_spend(table, cap, event["shardId"], charges, clock())
        again = [] if failed is None else [{"itemIdentifier": failed.sequence}]
        return {"state": {}, "batchItemFailures": again}

    return count


def _charges(records: list[Event]) -> Iterator[Charge]:
    """What cannot be read is skipped with an alarm: delivered again it would be as unreadable, and
    nothing behind it would be counted. The receipt itself stands in the table.
    """
    for record in records:
        change = record["dynamodb"]
        try:
            yield _charge(change)
        except msgspec.ValidationError:
            key = {name: value["S"] for name, value in change["Keys"].items()}
            raise_alarm("uncounted_receipt", **key)


def _charge(change: Event) -> Charge:
    """By how much this change of a receipt raised what its generation costs."""
    new = msgspec.convert(change["NewImage"], _Receipt, strict=False)
    cost, at = (new.late_cost or new.cost).N, (new.late_at or new.decided_at).N
    if "OldImage" in change:
        old = msgspec.convert(change["OldImage"], _Receipt, strict=False)
        cost -= (old.late_cost or old.cost).N
    day = day_of(datetime.fromtimestamp(at / 1000, UTC))
    return Charge(change["SequenceNumber"], day, cost)
