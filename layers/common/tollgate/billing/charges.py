"""What is taken back of a payment, by us or by the card's holder: pure, from Stripe's objects."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from tollgate.billing.entitlement import Subscription

_OPENED = frozenset({"needs_response", "under_review"})
"""Money was taken. An inquiry (`warning_…`) takes none, and changes nothing here."""


@dataclass(frozen=True, slots=True)
class Refund:
    """`amount` in minor units; a failed one never reached the card."""

    id: str
    amount: int
    status: str


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


def is_on_hold(charges: Iterable[Charge]) -> bool:
    """While a bank decides on a dispute nothing may be generated; it is neither won nor lost."""
    return any(each.status in _OPENED for each in _disputes(charges))


def revoked(subscriptions: Iterable[Subscription], charges: Iterable[Charge]) -> tuple[str, ...]:
    """Live subscriptions of before a dispute that was lost; a later one is a new beginning."""
    lost = [each.created_at for each in _disputes(charges) if each.status == "lost"]
    return tuple(
        each.id
        for each in subscriptions
        if each.is_live and any(each.created_at < at for at in lost)
    )


def _disputes(charges: Iterable[Charge]) -> Iterator[Dispute]:
    return (dispute for charge in charges for dispute in charge.disputes)


def refunds(charges: Iterable[Charge]) -> Iterator[tuple[Charge, Refund]]:
    """Those that were paid out."""
    for charge in charges:
        yield from ((charge, each) for each in charge.refunds if each.status == "succeeded")


def clawed_back(charge: Charge, refund: Refund, granted: int) -> int:
    """The part of `granted` tokens that the refund pays back, rounded down."""
    return granted * refund.amount // charge.amount
