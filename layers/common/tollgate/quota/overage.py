"""What a metered plan sells beyond its month, fixed a charge at a time; the parts add up exactly.

A period's overage is what is spent in it beyond what the plan includes; `sold` is the part of it
that charges stand for. Each charge is looked at after the gate has followed it, and then moves
`sold` towards the overage: never past it, and never by more than its own tokens. So `sold` is never
further below the overage than what was spent and not looked at yet, nor further above it than what
was given back and not looked at yet. Once everything was looked at the two are equal, whatever the
order, and another look changes nothing.

Bounded by its own tokens, a charge under a metered plan never pays for what was used under another
plan that included it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.quota.claw_back import REFUNDS
from tollgate.quota.gate import Gate
from tollgate.quota.records import ClosedPeriod, Receipt
from tollgate.quota.settlement import follow
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Item, Table, Unavailable, Update, update
from tollgate.tenancy.gate import integer, milliseconds, number

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRIES = 5
_NOTE = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """`tokens` that a receipt charged, negative where they were given back; `overage` of them were
    sold, or None: nobody has looked beyond the month yet.

    What a settlement that came late has changed is a charge of its own.
    """

    late: bool
    tokens: int
    overage: int | None
    reported: bool

    @property
    def prefix(self) -> str:
        """Of its attributes in the receipt."""
        return "late_" if self.late else ""


def charges(receipt: Receipt) -> "Iterator[Charge]":
    own = int(receipt.input_tokens + receipt.output_tokens)
    yield Charge(False, own, _whole(receipt.overage), receipt.reported_at is not None)
    if receipt.late_at is not None:
        reported = receipt.late_reported_at is not None
        yield Charge(True, receipt.debt, _whole(receipt.late_overage), reported)


def part(overage: int, sold: int, tokens: int) -> int:
    """By how much a charge of `tokens` moves what is `sold` towards the `overage`."""
    return max(min(0, tokens), min(max(0, tokens), overage - sold))


def fix_overage(table: Table, receipt: Receipt, charge: Charge, now: datetime) -> int:
    """The part of this charge that is sold: what was written down at the first look beyond the
    month.

    The gate is read after `sold`, which only changes with its count of looks: so every look knows
    all that the looks before it knew. Errors: `Unavailable`.
    """
    if charge.overage is not None:
        return charge.overage
    if not charge.tokens:
        return 0
    for _ in range(_TRIES):
        before = table.get(keys.sold(receipt.account_id, receipt.period))
        overage = _overage(table, receipt, now)
        if not overage and charge.tokens >= 0:
            return 0
        sold = 0 if before is None else integer(before["sold"])
        moved = part(overage, sold, charge.tokens)
        try:
            table.transact(_note(receipt, charge, moved), _sell(receipt, before, sold + moved))
        except Cancelled as cancelled:
            standing = cancelled.failed.get(_NOTE)
            if standing is not None:
                return integer(standing[f"{charge.prefix}overage"])
        else:
            return moved
    raise Unavailable("an overage met other looks too often")


def note_reported(table: Table, receipt: Receipt, charge: Charge, now: datetime) -> None:
    name = {"#at": f"{charge.prefix}reported_at"}
    change = Update("SET #at = :now", name, {":now": number(milliseconds(now))})
    table.update(keys.receipt(receipt.account_id, receipt.generation_id), change)


def _note(receipt: Receipt, charge: Charge, moved: int) -> Action:
    change = Update(
        "SET #overage = :moved",
        {"#overage": f"{charge.prefix}overage"},
        {":moved": number(moved)},
        "attribute_not_exists(#overage)",
    )
    return update(keys.receipt(receipt.account_id, receipt.generation_id), change)


def _sell(receipt: Receipt, before: Item | None, sold: int) -> Action:
    looks = 0 if before is None else integer(before["looks"])
    unchanged = "attribute_not_exists(#looks)" if before is None else "#looks = :before"
    values = {":sold": number(sold), ":looks": number(looks + 1)}
    change = Update(
        "SET #sold = :sold, #looks = :looks",
        {"#sold": "sold", "#looks": "looks"},
        values if before is None else values | {":before": number(looks)},
        unchanged,
    )
    return update(keys.sold(receipt.account_id, receipt.period), change)


def _overage(table: Table, receipt: Receipt, now: datetime) -> int:
    """Beyond the month, of what generations have spent: a refund takes allowance, it sells none."""
    included = int(receipt.included or 0)
    if _counted(table, receipt, now) <= included:
        return 0
    for _ in range(_TRIES):
        refunds = _refunds(table, receipt)
        counted = _counted(table, receipt, now)
        if refunds == _refunds(table, receipt):  # so the gate counted these and no other
            return max(0, counted - sum(refunds.values()) - included)
    raise Unavailable("refunds came too fast")


def _counted(table: Table, receipt: Receipt, now: datetime) -> int:
    """What the receipt's period has spent, this charge included; not what is only held."""
    item = table.get(keys.gate(receipt.account_id))
    gate = None if item is None else Gate.of(item)
    if gate is not None and receipt.generation_id in gate.open:
        gate = follow(table, receipt, now)
    if gate is not None and receipt.period in gate.used:
        held = (hold.tokens for hold in gate.open.values() if hold.period == receipt.period)
        return gate.used[receipt.period] - sum(held)
    closed = table.get(keys.closed_period(receipt.account_id, receipt.period))
    if closed is None:
        return 0
    history = ClosedPeriod.from_raw_data(dict(closed))
    return int(history.used + (history.debt or 0))


def _refunds(table: Table, receipt: Receipt) -> dict[str, int]:
    """What they count for in the receipt's period."""
    key = keys.receipt(receipt.account_id, REFUNDS)
    found: dict[str, int] = {}
    start: Item | None = None
    while True:
        page = table.query(key.pk, key.sk, start=start)
        read = (Receipt.from_raw_data(dict(item)) for item in page.items)
        found |= {each.sk: each.charged_tokens for each in read if each.period == receipt.period}
        start = page.next_key
        if start is None:
            return found


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
