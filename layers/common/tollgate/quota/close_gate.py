"""Closes what has ended on one gate: its use becomes history, and the gate forgets it.

Every close is one transaction under the counter that was seen, so that runs at the same time, late
ones and killed ones end in the same state.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from tollgate.catalogue import Catalogue
from tollgate.quota.gate import TERMS, USED, Gate
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.records import ClosedPeriod
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Item, Table, Update, Value, put, update
from tollgate.tenancy.gate import milliseconds, number

_TRIES = 3
CLOCKS_APART = timedelta(minutes=5)
"""Hosts that differ by that much open the period before or after the running one."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Periods `closed`, holds `reclaimed`; not `complete` where an ended period could not close."""

    closed: int
    reclaimed: int
    complete: bool


def close_gate(
    table: Table, catalogue: Catalogue, item: Item, until: datetime, now: datetime
) -> Closing:
    """Closes the periods that ended by `until`, having settled the holds of dead processes.

    Errors: `Unavailable`, and what `Gate.of` raises for an item that is no gate.
    """
    closed = reclaimed = 0
    for _ in range(_TRIES):
        gate = Gate.of(item)
        if dead := reclaim_dead_holds(table, catalogue, gate, now):
            reclaimed += dead
            gate = Gate.of(table.get(keys.gate(gate.tenant.account_id)) or item)
        ended, ready = _ended(gate, until)
        made = _close_each(table, gate, ready, now)
        closed += made
        if made == len(ready):
            return Closing(closed, reclaimed, complete=len(ready) == len(ended))
        fresh = table.get(keys.gate(gate.tenant.account_id))
        if fresh is None:
            return Closing(closed, reclaimed, complete=True)
        item = fresh
    return Closing(closed, reclaimed, complete=False)


def _ended(gate: Gate, until: datetime) -> tuple[list[str], list[str]]:
    """Oldest first, and those that can close: up to the first with a hold, since the watermark only
    rises.
    """
    safe = gate.period(until).name
    held = {hold.period for hold in gate.open.values()}
    ended = sorted(name for name in gate.used if name < safe)
    return ended, list(takewhile(lambda name: name not in held, ended))


def _close_each(table: Table, gate: Gate, ready: list[str], now: datetime) -> int:
    """How many were closed before another writer came between."""
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
        instants = (now - CLOCKS_APART, now + CLOCKS_APART)
        running = sorted({USED + gate.period(each).name for each in instants})
        aliases = {f"#running{place}": each for place, each in enumerate(running)}
        condition += " AND #version = :version"
        condition += "".join(f" AND attribute_not_exists({alias})" for alias in aliases)
        names |= {"#due": "due", "#version": "version", **aliases}
        values[":version"] = number(gate.tenant.version)
    return update(keys.gate(gate.tenant.account_id), Update(expression, names, values, condition))
