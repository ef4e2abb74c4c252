"""Gates for the reset's benchmark: most are in use and end at another time, some have just ended.

Every gate stands in the index. Half of the due ones are already in use in their next period and
stay there; the other half have been dormant since, and leave it with their close.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from tollgate.catalogue import Catalogue
from tollgate.quota import reset_progress
from tollgate.quota.due import shard
from tollgate.quota.gate import TERMS, USED, Terms
from tollgate.quota.periods import Anchor, period, rfc3339
from tollgate.table.client import Item, Table
from tollgate.tenancy import gate
from tollgate.tenancy.gate import Limits, milliseconds, number

NOW = datetime(2026, 12, 15, 11, 15, tzinfo=UTC)
_SWEPT = NOW - timedelta(minutes=70)
_HELD_AT_ONCE = 25


def fill(client: Any, name: str, catalogue: Catalogue, gates: int, due: int) -> None:
    """As a sweep an hour ago left it."""
    made = _gates(catalogue, gates, due)
    batches = iter(lambda: list(islice(made, _HELD_AT_ONCE)), [])

    def write(items: list[Item]) -> None:
        request = {name: [{"PutRequest": {"Item": dict(item)}} for item in items]}
        while request:
            request = client.batch_write_item(RequestItems=request)["UnprocessedItems"]

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(write, batches):
            pass
    table = Table(client, name)
    reset_progress.begin(table, reset_progress.read(table), _SWEPT)
    reset_progress.finish(table, _SWEPT)


def due_anchor(place: int) -> datetime:
    """Within the hour that is swept next."""
    return datetime(2026, 1, 15, 10, 6 + place % 54, tzinfo=UTC)


def _gates(catalogue: Catalogue, gates: int, due: int) -> Iterator[Item]:
    for place in range(gates):
        if place < due:
            yield _gate(catalogue, place, due_anchor(place), dormant=place % 2 == 0)
        else:
            day = 1 + place % 27
            elsewhere = datetime(2026, 1, day + (day >= 15), place % 24, tzinfo=UTC)
            yield _gate(catalogue, place, elsewhere, dormant=False)


def _gate(catalogue: Catalogue, place: int, anchor: datetime, *, dormant: bool) -> Item:
    """After a dozen generations, of about 700 bytes."""
    account = f"acc_{place:026}"
    plan = catalogue.plans["pro"]
    limits = Limits.of(plan, rfc3339(anchor))
    running = period(Anchor(anchor), NOW)
    last = period(Anchor(anchor), running.start - timedelta(seconds=1))
    ended = [last.name] if anchor.day == NOW.day else []
    names = ended if dormant else [*ended, running.name]
    item = {
        **gate.born(account, limits, {"ses_0123456789": milliseconds(NOW + timedelta(days=9))}),
        "due": {"S": shard(account)},
        "days": {"M": {"2026-12-14": number(3), "2026-12-15": number(2)}},
    }
    item |= {f"r{each}": number(milliseconds(NOW) - 60_000 * each) for each in range(10)}
    for each in names:
        item |= {
            USED + each: number(12_345),
            TERMS + each: Terms(plan.id, plan.month).value(),
        }
    return item


def digest(client: Any, name: str) -> str:
    """Of every item, the reset's own progress included."""
    pages = client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    lines = sorted(json.dumps(item, sort_keys=True) for page in pages for item in page["Items"])
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
