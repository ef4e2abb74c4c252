"""What feeds the count of the spend: batches as Lambda cuts them, and the table's own stream."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from functions.count_spend.app import build
from tests.integration.quota.house import NOON, TODAY, House
from tollgate.catalogue import Catalogue
from tollgate.table.client import Table
from tollgate.tenancy.gate import milliseconds

Event = dict[str, Any]

CENT = 10_000_000
SHARD = "shardId-00000001763719200000-4f2c1a9b"


def with_cap(catalogue: Catalogue, cents: int | None) -> Catalogue:
    return msgspec.structs.replace(catalogue, daily_spend_cap=cents)


def image(cost: int, at: datetime = NOON, late_cost: int | None = None) -> Event:
    """A receipt's, as far as it matters; where there is a late settlement, `at` is the time of
    that, and the reclaim was at noon.
    """
    found: Event = {"cost": {"N": str(cost)}, "decided_at": {"N": str(milliseconds(at))}}
    if late_cost is None:
        return found
    late = {"late_cost": {"N": str(late_cost)}, "late_at": found["decided_at"]}
    return found | late | {"decided_at": {"N": str(milliseconds(NOON))}}


def record(place: int, new: Event, old: Event | None = None) -> Event:
    """Sequence numbers grow by a digit on the way, as text they would not sort."""
    change = {
        "Keys": {"pk": {"S": "ACCOUNT#acc_1"}, "sk": {"S": f"RECEIPT#gen_{place}"}},
        "NewImage": new,
        "SequenceNumber": str(99_999_999_999_999_999_990 + place),
    }
    if old is not None:
        change["OldImage"] = old
    return {"eventName": "INSERT" if old is None else "MODIFY", "dynamodb": change}


def deliver(
    house: House, records: Sequence[Event], table: Table | None = None, shard: str = SHARD
) -> list[str]:
    """The sequence numbers that the function reports as failed."""
    handler = build(table=table or house.table, catalogue=house.catalogue, clock=house.clock)
    answer = handler({"Records": list(records), "shardId": shard, "state": {}}, None)
    assert answer["state"] == {}  # without it Lambda takes the batch for failed
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def sequence(record: Event) -> str:
    found: str = record["dynamodb"]["SequenceNumber"]
    return found


def spent(house: House, day: str = TODAY) -> int:
    items = house.direct.query(f"SPEND#{day}", "SHARD#").items
    return sum(int(item["spent"]["N"]) for item in items)
