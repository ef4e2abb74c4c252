"""One customer's subscription in Stripe's words, without Stripe's types."""

from dataclasses import dataclass
from datetime import datetime

OVERDUE = frozenset({"past_due", "unpaid"})
_LIVE = OVERDUE | {"active", "trialing", "paused"}


@dataclass(frozen=True, slots=True)
class Item:
    """`price_key` is our key of the price: None or a foreign one where it is no plan of ours."""

    price_key: str | None
    period_start: datetime
    period_end: datetime
    id: str = ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """`due_at` is set only where the customer pays by hand; `reason` is Stripe's billing reason.

    `is_change`: it charges for a change within a period, less the unused time of what stood before.
    """

    status: str
    reason: str
    created_at: datetime
    due_at: datetime | None = None
    is_change: bool = False


@dataclass(frozen=True, slots=True)
class Method:
    """A card, or an account at a bank: its `fingerprint` is the same whoever pays with it."""

    kind: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """All times are aware.

    `invoice` is the newest, `owed` the oldest that is not paid: Stripe bills on who does not pay.
    Of an active one it is set only where some debt was written off. `replaced` is what stood before
    a change that is not paid, and until when. `method` pays, by default.
    """

    id: str
    status: str
    items: tuple[Item, ...]
    created_at: datetime
    anchor_at: datetime
    cancel_at_period_end: bool = False
    cancel_at: datetime | None = None
    trial_end: datetime | None = None
    paused_collection: str | None = None
    invoice: Invoice | None = None
    owed: Invoice | None = None
    replaced: Item | None = None
    method: Method | None = None

    @property
    def is_overdue(self) -> bool:
        if self.status == "active":
            return self.owed is not None and self.paused_collection is None
        return self.status in OVERDUE

    @property
    def is_ending(self) -> bool:
        return self.cancel_at_period_end or self.cancel_at is not None

    @property
    def is_live(self) -> bool:
        """It can be paid, resumed or cancelled still: a second one beside it would be a mistake."""
        return self.status in _LIVE
