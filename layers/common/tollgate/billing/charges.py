"""What is taken back of a payment, by us or by the card's holder: pure, from Stripe's objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.subscription import Subscription

_OPENED = frozenset({"needs_response", "under_review"})
"""Money was taken. An inquiry (`warning_…`) takes none, and changes nothing here."""
_NEVER_ARRIVED = frozenset({"failed", "canceled"})
CONTESTABLE = timedelta(days=720)
"""A dispute may come 540 days after its payment, and be decided on for 180 more."""


@dataclass(frozen=True, slots=True)
class Refund:
    """`amount` in minor units; one that succeeded may fail days later, when the bank returns it."""

    id: str
    amount: int
    status: str

    @property
    def is_paid_out(self) -> bool:
        return self.status == "succeeded"

    @property
    def has_failed(self) -> bool:
        return self.status in _NEVER_ARRIVED


@dataclass(frozen=True, slots=True)
class Dispute:
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Charge:
    amount: int
    created_at: datetime
    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()


@dataclass(frozen=True, slots=True)
class Contested:
    """Charges of which something was taken back; None where they were not asked for, or a `fault`
    came of it. Unless `is_all` there may be older ones.
    """

    charges: tuple[Charge, ...] | None = None
    is_all: bool = True
    fault: BillingUnavailable | None = None


def is_on_hold(charges: Iterable[Charge]) -> bool:
    """While a bank decides on a dispute nothing may be generated; it is neither won nor lost."""
    return any(is_open(each) for each in _disputes(charges))


def is_open(dispute: Dispute) -> bool:
    """Money was taken, and a bank decides."""
    return dispute.status in _OPENED


def revoked(subscriptions: Iterable[Subscription], charges: Iterable[Charge]) -> tuple[str, ...]:
    """Live subscriptions of before a charge whose dispute was lost; it paid for no later one."""
    lost = [
        charge.created_at
        for charge in charges
        if any(each.status == "lost" for each in charge.disputes)
    ]
    return tuple(
        each.id
        for each in subscriptions
        if each.is_live and any(each.created_at <= at for at in lost)
    )


def _disputes(charges: Iterable[Charge]) -> Iterator[Dispute]:
    return (dispute for charge in charges for dispute in charge.disputes)


def refunds(charges: Iterable[Charge]) -> Iterator[tuple[Charge, Refund]]:
    """Those that were paid out."""
    for charge in charges:
        yield from ((charge, each) for each in charge.refunds if each.is_paid_out)


def returned(charges: Iterable[Charge]) -> Iterator[Refund]:
    """Those whose money never reached the card, or came back from it."""
    for charge in charges:
        yield from (each for each in charge.refunds if each.has_failed)


def clawed_back(charge: Charge, refund: Refund, price: int, granted: int) -> int:
    """The part that the refund pays back of the `granted` tokens that `price` buys, rounded down.

    Of a charge, where it was more, with its taxes; a lesser one was for a part of the tokens.
    """
    return granted * refund.amount // max(charge.amount, price)
