"""What is owed for a subscription: pure, from all of its invoices."""

import math
from collections.abc import Iterable

from tollgate.billing.stripe_wire import InvoiceWire


def owed(invoices: Iterable[InvoiceWire]) -> list[InvoiceWire]:
    """From the oldest on: what is open, and what was written off since the last that was paid.

    To Stripe a subscription is active again when its debt is written off, and to us no more than
    before. A renewal that is paid is a new beginning; a change within a period only where as much
    was paid for it, or the smallest would do.
    """
    debts, paid = [], 0.0
    for each in sorted(invoices, key=lambda each: each.created, reverse=True):
        if each.is_open or (each.is_written_off and paid < each.amount_due):
            debts.append(each)
        paid = max(paid, math.inf if each.settles else each.amount_paid)
    return debts[::-1]
