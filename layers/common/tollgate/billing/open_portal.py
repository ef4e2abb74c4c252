"""Stripe's own pages for cards, invoices, changes and cancellation."""

from tollgate.billing import projection
from tollgate.billing.apply_subscription import Billing


class NoBillingAccount(Exception):
    """The account has never been a customer."""


def open_portal(billing: Billing, account_id: str, return_url: str) -> str:
    """A short-lived address. Errors: `NoBillingAccount`, `BillingUnavailable`, `Unavailable`."""
    account = projection.read(billing.table, account_id, billing.clock())
    if account is None or account.customer_id is None:
        raise NoBillingAccount
    return billing.stripe.portal_url(account.customer_id, return_url)
