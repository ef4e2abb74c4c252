"""A purchase in our words: what Stripe is asked to sell, and what became of it."""

from dataclasses import dataclass


class BillingUnavailable(Exception):
    """There is no Stripe key, or no answer in time, or a refusal; nothing may be concluded."""


class InProgress(BillingUnavailable):
    """The same request was under way for all our tries: whoever sent it first has the answer."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """Addresses are absolute; 0 trial days mean none."""

    account_id: str
    customer_id: str
    price_id: str
    trial_days: int
    success_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """`status` is open, complete or expired; `url` is None once it is not open."""

    id: str
    status: str
    account_id: str | None
    url: str | None
