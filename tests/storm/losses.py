"""W9: events that were never delivered and rows that were damaged; one reconciliation puts all of
it right, and the second finds nothing to write.
"""

import asyncio
import random as chances
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.faults.wire import WRITES
from tests.integration.quota.house import NOON
from tests.integration.sign_in_service import profile, signed_in
from tests.storm import books
from tests.storm.crashes import Till
from tests.storm.lives import Lives, Violation
from tests.storm.post import post
from tollgate.billing.reconcile import reconcile
from tollgate.table import keys
from tollgate.table.client import Table, Update, Value

PEOPLE, EVENTS = 100, 400
LOST, DAMAGED = 0.05, 0.01
_OUTAGE = 0.8 * LOST
"""At the end, when no later event brings the same to light; the others are lost at any time."""


@dataclass(frozen=True)
class Repaired:
    """`told` are the events that there were; `rows` are those of the whole table, of which those
    of accounts, gates and customers were `damaged`.
    """

    told: int
    lost: int
    rows: int
    damaged: int
    repaired: int
    written_again: int


def lose_and_repair(
    client: Any, seed: int = 1, people: int = PEOPLE, events: int = EVENTS
) -> Repaired:
    """Errors: Violation."""
    random = chances.Random(seed)  # noqa: S311  to be played again, not to be secret
    till = Till(client)
    table = Table(client, till.name)
    who = [profile(f"loss-{n}", f"l{n}@example.com") for n in range(people)]
    accounts = [signed_in(table, each, NOON).account for each in who]
    lives = Lives(till.merchant, till.billing, accounts, random)
    lost = asyncio.run(_live(till, lives, events, random))
    bought = [each for each in accounts if books.living(till.merchant, each)]
    rows = len(till.items())
    damaged = max(1, round(rows * DAMAGED))
    for account in random.sample(bought, damaged):
        random.choice(_DAMAGES)(table, account)
    first, _ = _reconciled(till)
    if problems := list(books.broken(table, till.merchant, accounts)):
        raise Violation("W9: after one reconciliation " + "\n  ".join(problems))
    again, written = _reconciled(till)
    if again or written:
        raise Violation(f"W9: the second run repaired {again}, and wrote {written}")
    client.delete_table(TableName=till.name)
    return Repaired(len(till.merchant.told), lost, rows, damaged, first, len(written))


async def _live(till: Till, lives: Lives, events: int, random: chances.Random) -> int:
    """How many events were never delivered."""
    lost = 0
    while len(till.merchant.told) < events:
        lives.act()
        waiting = till.merchant.tell()
        while waiting:
            event = waiting.pop(0)
            over = len(till.merchant.told) > events * (1 - _OUTAGE)
            if over or random.random() < LOST - _OUTAGE:
                lost += 1
                continue
            status, outcome = await post(till.app, event)
            if status != 200:
                raise Violation(f"W9: {event['type']} was answered {status} {outcome}")
            waiting += till.merchant.tell()
    return lost


def _reconciled(till: Till) -> tuple[int, list[str]]:
    """Accounts repaired, deadlines that had passed among them, and the writes that it made."""
    till.wire.restart()
    found = reconcile(till.watched)
    if found.left or not found.finished:
        raise Violation(f"W9: {found}")
    return found.repaired + found.lapsed, [each for each in till.wire.trace if each in WRITES]


def _set(key: Callable[[str], keys.Key], name: str, value: Value) -> Callable[[Table, str], None]:
    def damage(table: Table, account: str) -> None:
        table.update(key(account), Update("SET #name = :value", {"#name": name}, {":value": value}))

    return damage


def _unmapped(table: Table, account: str) -> None:
    customer = (table.get(keys.account(account)) or {}).get("customer_id")
    if customer is not None:
        table.delete(keys.customer(customer["S"]))


_DAMAGES: tuple[Callable[[Table, str], None], ...] = (
    _set(keys.account, "plan", {"S": "platinum"}),
    _set(keys.gate, "month_limit", {"N": "1"}),
    _unmapped,
)
