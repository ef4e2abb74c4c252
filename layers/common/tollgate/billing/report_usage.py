"""Tells Stripe's meter what a receipt sold beyond the plan's month, once.

The receipt is the outbox: the part that is sold is written on it before it is sent, under the
generation's own id, and that it was sent after. Who dies between the two sends the same again,
which Stripe knows for a day; later than that the receipt itself knows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from tollgate.billing import projection
from tollgate.billing.meter_gateway import MeterEvent, Undeliverable
from tollgate.quota.overage import Charge, charges, fix_overage, note_reported
from tollgate.quota.records import Receipt
from tollgate.table.client import Item, Table
from tollgate.table.record import UNREADABLE
from tollgate.tenancy.gate import instant

if TYPE_CHECKING:
    from tollgate.billing.meter_gateway import MeterGateway
    from tollgate.table.keys import Key

_OLDEST = timedelta(days=34)
"""Stripe takes what is up to 35 days old; what is found later counts as of then."""


@dataclass(frozen=True, slots=True)
class Reporting:
    table: Table
    meters: "MeterGateway"
    clock: Callable[[], datetime]


def report_usage(reporting: Reporting, key: "Key") -> None:
    """Repeating it changes nothing.

    Errors: `Undeliverable`, also where an item of the account is damaged; `BillingUnavailable` and
    `Unavailable`, after which it is to be repeated.
    """
    try:
        _report(reporting, key)
    except UNREADABLE as error:
        raise Undeliverable("unreadable") from error


def _report(reporting: Reporting, key: "Key") -> None:
    now = reporting.clock()
    receipt = _read(reporting.table.get(key))
    if receipt is None:
        return
    for charge in charges(receipt):
        value = 0 if charge.reported else fix_overage(reporting.table, receipt, charge, now)
        if value:
            reporting.meters.send(_event(reporting, receipt, charge, value, now))
            note_reported(reporting.table, receipt, charge, now)


class _Number(msgspec.Struct):
    N: int


class _Metered(msgspec.Struct):
    """What must be there to work an overage out."""

    included: _Number
    reserved: _Number
    input_tokens: _Number
    output_tokens: _Number
    admitted_at: _Number


def _read(item: Item | None) -> Receipt | None:
    """None where nothing is metered. Errors: those of `UNREADABLE`."""
    if item is None or "meter" not in item:
        return None
    msgspec.convert(item, _Metered, strict=False)
    return Receipt.from_raw_data(dict(item))


def _event(
    reporting: Reporting, receipt: Receipt, charge: Charge, value: int, now: datetime
) -> MeterEvent:
    """At the time of admission, which lies in the charge's own period; to the customer of today,
    subscribed or not.
    """
    account = projection.read(reporting.table, receipt.account_id, now)
    if account is None or account.customer_id is None:
        raise Undeliverable("no_customer")
    return MeterEvent(
        meter=str(receipt.meter),
        customer_id=account.customer_id,
        value=value,
        identifier=receipt.generation_id + ("_late" if charge.late else ""),
        at=max(instant(int(receipt.admitted_at)), now - _OLDEST),
    )
