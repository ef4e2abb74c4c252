"""What one account's items say, and which promise they break: in one state, and between two."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tollgate.quota.gate import Gate, Hold, day_of
from tollgate.quota.settlement import FAILED, RECLAIMED
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy.gate import integer

_EVERY_ITEM = ""
LATE = "late_"
_COUNTERS = ("generations", "input_tokens", "output_tokens", "cost")


@dataclass(frozen=True)
class Books:
    """Raw receipts and closed periods, because what is written once must stay as it was."""

    gate: Gate
    indexed: bool
    receipts: Mapping[str, Item]
    closed: Mapping[str, Item]
    rows: Mapping[str, Item]

    @classmethod
    def read(cls, table: Table, account: str) -> "Books":
        key = keys.gate(account)
        items: dict[str, Item] = {}
        start: Item | None = None
        while True:
            page = table.query(key.pk, _EVERY_ITEM, start=start)
            items |= {item["sk"]["S"]: item for item in page.items}
            if (start := page.next_key) is None:
                break
        gate = items[key.sk]
        return cls(
            Gate.of(gate),
            "due" in gate,
            _under("RECEIPT#", items),
            _under("PERIOD#", items),
            _under("USAGE#", items),
        )

    def settled(self) -> Iterator[Item]:
        """Receipts that the gate has followed."""
        return (each for name, each in self.receipts.items() if name not in self.gate.open)

    def used(self) -> Mapping[str, int]:
        """By period, as the gate or its history has it."""
        history = {name: _count(each, "used", "debt") for name, each in self.closed.items()}
        return {**self.gate.used, **history}


def _under(prefix: str, items: Mapping[str, Item]) -> Mapping[str, Item]:
    return {name.removeprefix(prefix): each for name, each in items.items() if prefix in name}


def _count(item: Item, *names: str) -> int:
    """Of those that are there."""
    return sum(integer(item[name]) for name in names if name in item)


def charged(receipt: Item) -> Item:
    """With what came after a reclaim in place of what the reclaim had assumed."""
    late = {
        name.removeprefix(LATE): each for name, each in receipt.items() if name.startswith(LATE)
    }
    return {**receipt, **late}


def tokens(receipt: Item) -> int:
    return _count(charged(receipt), "input_tokens", "output_tokens")


def broken(books: Books, now: datetime, skew: timedelta) -> Iterator[str]:
    """Promises that this state breaks, where hosts' clocks are up to `skew` away from `now`."""
    spent: Counter[str] = Counter()
    for receipt in books.settled():
        spent[receipt["period"]["S"]] += tokens(receipt)
    noted = (each for name, each in books.receipts.items() if name in books.gate.open)
    if early := [each["generation_id"]["S"] for each in noted if "late_at" in each]:
        yield f"P2: the debt of {early} came before their gate had followed"
    for hold in books.gate.open.values():
        spent[hold.period] += hold.tokens
    if books.used() != dict(spent):
        yield f"P2: used is {books.used()}, spent and held are {dict(spent)}"
    yield from _broken_periods(books)
    yield from _broken_days(books, now + skew)
    if _rows(books) != _rows_of_receipts(books):
        yield f"P4: usage rows {_rows(books)} are not the receipts' {_rows_of_receipts(books)}"


def _broken_periods(books: Books) -> Iterator[str]:
    if reopened := books.closed.keys() & books.gate.used.keys():
        yield f"P10: {sorted(reopened)} are closed and open"
    if books.gate.closed != max(books.closed, default=None):
        yield f"P10: the watermark {books.gate.closed} is not the last of {sorted(books.closed)}"
    if held := {hold.period for hold in books.gate.open.values()} & books.closed.keys():
        yield f"P10: {sorted(held)} closed before their holds"
    if books.indexed != bool(books.gate.used):
        yield f"P10: in the index is {books.indexed}, with {dict(books.gate.used)} to close"


def _broken_days(books: Books, now: datetime) -> Iterator[str]:
    """Of the days that the gate still keeps, by the fastest clock."""
    admitted = Counter(hold.day for hold in books.gate.open.values())
    admitted.update(
        receipt["day"]["S"]
        for receipt in map(charged, books.settled())
        if receipt["outcome"]["S"] != FAILED
    )
    for day in (day_of(now - timedelta(days=ago)) for ago in range(3)):
        if books.gate.days.get(day, 0) != admitted[day]:
            yield f"P2: {day} counts {books.gate.days.get(day, 0)}, admitted were {admitted[day]}"


def _rows(books: Books) -> Counter[str]:
    return Counter(
        {
            f"{name} {counter}": count
            for name, row in books.rows.items()
            for counter in _COUNTERS
            if (count := integer(row[counter]))
        }
    )


def _rows_of_receipts(books: Books) -> Counter[str]:
    rows: Counter[str] = Counter()
    for each in map(charged, books.receipts.values()):
        name = "#".join(each[part]["S"] for part in ("day", "user_id", "model"))
        rows[f"{name} generations"] += each["outcome"]["S"] != FAILED
        for counter in _COUNTERS[1:]:
            rows[f"{name} {counter}"] += integer(each[counter])
    return +rows


def broken_between(
    before: Books, after: Books, tried: frozenset[str], holds: Mapping[str, Hold]
) -> Iterator[str]:
    """Promises that the way from one state to the next breaks; `tried` are all admissions ever
    sent, and `holds` their holds as they last stood.
    """
    changes = (
        (before.receipts, after.receipts, _as_decided),
        (before.closed, after.closed, _as_closed),
    )
    for was, became, written in changes:
        if moved := [name for name in was if not _kept(was[name], became.get(name), written)]:
            yield f"P3: written once, and changed: {moved}"
    if lost := before.gate.open.keys() - after.gate.open.keys() - after.receipts.keys():
        yield f"P3: holds without a decision: {sorted(lost)}"
    if unknown := (after.receipts.keys() | after.gate.open.keys()) - tried:
        yield f"P3: never sent, and admitted: {sorted(unknown)}"
    if twice := (after.gate.open.keys() - before.gate.open.keys()) & before.receipts.keys():
        yield f"P3: decided, and admitted again: {sorted(twice)}"
    for name in after.receipts.keys() - before.receipts.keys():
        receipt, hold = after.receipts[name], holds.get(name)
        if receipt["outcome"]["S"] == RECLAIMED and not _fair(receipt, hold):
            yield f"P4: {name} reclaimed for {receipt}, its hold was {hold}"


def _as_decided(receipt: Item) -> Item:
    return {name: each for name, each in receipt.items() if not name.startswith(LATE)}


def _as_closed(period: Item) -> Item:
    return {name: each for name, each in period.items() if name != "debt"}


def _kept(was: Item, became: Item | None, written: Callable[[Item], Item]) -> bool:
    """A reclaimed receipt takes its late numbers once; a debt may grow and fall."""
    if became is None or written(became) != written(was):
        return False
    if "outcome" not in was or was == became:
        return True
    return was["outcome"]["S"] == RECLAIMED and "late_at" not in was


def _fair(receipt: Item, hold: Hold | None) -> bool:
    """By what was noted as delivered."""
    return (
        hold is not None
        and integer(receipt["output_tokens"]) == hold.delivered
        and integer(receipt["reserved"]) == hold.tokens
    )
