"""What a passed deadline brings about: Stripe is asked again, and only its silence ends the plan.

So no event has to be kept, and none has to be in time: a payment whose event is late keeps its
plan, and where there is no verdict there is no grant.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from tollgate.billing.apply_subscription import Billing, sync_account
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.lapse import lapse

if TYPE_CHECKING:
    from tollgate.catalogue import Catalogue
    from tollgate.settings import Settings
    from tollgate.table.client import Table

_PATIENCE_SECONDS = 2.0
"""Less than a purchase is given: who waits here has asked for something else."""


def refresh_entitlement(billing: Billing, account_id: str) -> None:
    """The gate's `until` has not passed afterwards. Errors: `Unavailable`."""
    with suppress(BillingUnavailable), billing.stripe.in_time(_PATIENCE_SECONDS):
        sync_account(billing, account_id)
    lapse(billing.table, billing.catalogue, account_id, billing.clock())


def refreshing(
    settings: "Settings", table: "Table", catalogue: "Catalogue", clock: Callable[[], datetime]
) -> Callable[[str], None]:
    """`refresh(account_id)` that loads Stripe's SDK at the first deadline that has passed: few
    processes ever see one.
    """

    @cache
    def billing() -> Billing:
        from tollgate.billing.stripe_gateway import StripeGateway

        return Billing(table, catalogue, StripeGateway.configured(settings), clock)

    return lambda account_id: refresh_entitlement(billing(), account_id)
