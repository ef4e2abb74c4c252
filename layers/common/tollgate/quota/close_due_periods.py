"""Closes periods that have ended: their use becomes history, and the gate forgets them.

Correctness never waits for this: a new period opens in its own first admission. Every close is one
transaction under the counter that was seen, so the sweep may run late, twice, or be killed
anywhere.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from tollgate.catalogue import Catalogue
from tollgate.quota.admission import SHARDS
from tollgate.quota.gate import LONGEST_RUN, TERMS, USED, Gate
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.records import ClosedPeriod
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Item, Table, Update, Value, put, update
from tollgate.tenancy.gate import milliseconds, number

_PAGE = 100
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Gates `seen`, periods `closed`, holds `reclaimed`.

    `finished` False: the deadline came first; the next run does what is left.
    """

    seen: int
    closed: int
    reclaimed: int
    finished: bool


def close_due_periods(
    table: Table,
    catalogue: Catalogue,
    clock: Callable[[], datetime],
    time_left: Callable[[], bool],
) -> Sweep:
    """Reads only gates that were used since their last close, which the sparse index names."""
    seen = closed = reclaimed = 0
    for account_id in _due_accounts(table, clock()):
        if not time_left():
            return Sweep(seen, closed, reclaimed, finished=False)
        seen += 1
        item = table.get(keys.gate(account_id))
        if item is None:
            continue
        gate = Gate.of(item)
        now = clock()
        if dead := reclaim_dead_holds(table, catalogue, gate, now):
            reclaimed += dead
            gate = Gate.of(table.get(keys.gate(account_id)) or item)
        closed += _close_ended(table, gate, now)
    return Sweep(seen, closed, reclaimed, finished=True)


def _due_accounts(table: Table, now: datetime) -> Iterator[str]:
    """Each hour begins at another shard, so that no shard is always the one that is cut off."""
    first = int(now.timestamp()) // 3_600
    for shard in ((first + place) % SHARDS for place in range(SHARDS)):
        start: Item | None = None
        while True:
            page = table.query_due(str(shard), limit=_PAGE, start=start)
            yield from (item["pk"]["S"].removeprefix("ACCOUNT#") for item in page.items)
            start = page.next_key
            if start is None:
                break


def _close_ended(table: Table, gate: Gate, now: datetime) -> int:
    """Oldest first, since the watermark only rises.

    What has a hold or ended just now waits for the next run.
    """
    safe = gate.period(now - LONGEST_RUN - _CLOCK_SKEW).name
    held = {hold.period for hold in gate.open.values()}
    ended = sorted(name for name in gate.used if name < safe)
    ready = list(takewhile(lambda name: name not in held, ended))
    for place, name in enumerate(ready):
        last = place == len(gate.used) - 1
        try:
            table.transact(_history(gate, name, now), _close(gate, name, now, last=last))
        except Cancelled:
            return place
    return len(ready)


def _history(gate: Gate, name: str, now: datetime) -> Action:
    terms = gate.terms[name]
    period = ClosedPeriod.new(
        keys.closed_period(gate.tenant.account_id, name),
        account_id=gate.tenant.account_id,
        start=name,
        plan=terms.plan,
        granted=terms.granted,
        used=gate.used[name],
        closed_at=milliseconds(now),
    )
    return put(period.serialize(), if_absent=True)


def _close(gate: Gate, name: str, now: datetime, *, last: bool) -> Action:
    """The last counter takes the gate out of the index, unless the running period was opened
    meanwhile.
    """
    expression = "SET #closed = :name REMOVE #used, #terms"
    condition = "#used = :seen AND (attribute_not_exists(#closed) OR #closed < :name)"
    names = {"#closed": "closed", "#used": USED + name, "#terms": TERMS + name}
    values: dict[str, Value] = {":name": {"S": name}, ":seen": number(gate.used[name])}
    if last:
        expression += ", #due"
        condition += " AND #version = :version AND attribute_not_exists(#running)"
        names |= {"#due": "due", "#version": "version", "#running": USED + gate.period(now).name}
        values[":version"] = number(gate.tenant.version)
    return update(keys.gate(gate.tenant.account_id), Update(expression, names, values, condition))
