"""A purchase in our words: what Stripe is asked to sell, and what became of it."""

import hashlib
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollgate.catalogue import CheckoutOptions


class BillingUnavailable(Exception):
    """There is no Stripe key, or no answer in time, or a refusal; nothing may be concluded."""


class Answered(BillingUnavailable):
    """Stripe's own error, which it repeats for a day to whoever asks under the same key."""


class Refused(Answered):
    """Asking for the same again would change nothing."""


class InProgress(BillingUnavailable):
    """The same request was under way for all our tries: whoever sent it first has the answer."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """Addresses are absolute; 0 trial days mean none. `metered_id` is the price of what goes beyond
    the month, where the plan sells it.
    """

    account_id: str
    customer_id: str
    price_id: str
    metered_id: str | None
    trial_days: int
    success_url: str
    cancel_url: str
    options: "CheckoutOptions"

    @property
    def fingerprint(self) -> str:
        """Equal for what would be the same page, so that an open one can be told to be it."""
        parts = "\n".join(str(part) for part in astuple(self))
        return hashlib.sha256(parts.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """`status` is open, complete or expired; `url` is None once it is not open.

    `fingerprint` is that of the checkout which it was opened for.
    """

    id: str
    status: str
    account_id: str | None
    url: str | None
    fingerprint: str | None
