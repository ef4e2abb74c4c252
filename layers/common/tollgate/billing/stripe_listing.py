"""What Stripe lists: of one customer every page, of everybody a page at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tollgate.billing.charges import Contested, Dispute, Refund
from tollgate.billing.debts import owed
from tollgate.billing.stripe_wire import (
    ChargeWire,
    DisputeWire,
    InvoiceWire,
    PriceWire,
    RefundWire,
    SubscriptionWire,
    item_before,
)
from tollgate.billing.subscription import Item, Subscription

if TYPE_CHECKING:
    import stripe
    from stripe.params import (
        ChargeListParams,
        DisputeListParams,
        RefundListParams,
        SubscriptionListParams,
    )

PAGE = 100
_MOST_CHARGES = 3 * PAGE
"""Eight retries of each payment in two years, and time enough for the pages. Declined cards make
any number.
"""
_EXPANDED = ["data.default_payment_method", "data.latest_invoice"]

T = TypeVar("T")
W = TypeVar("W", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    account_id: str | None
    is_deleted: bool = False


@dataclass(frozen=True, slots=True)
class Subscribed:
    """`subscriptions` are those of the customer that stand on this page: there may be others."""

    customer: Customer
    subscriptions: list[Subscription]


@dataclass(frozen=True, slots=True)
class SubscribedPage:
    """`last` is where the next page goes on; None where there is none. `unknown` are subscriptions
    of a shape that we do not know.
    """

    found: list[Subscribed]
    last: str | None
    unknown: list[str] = field(default_factory=list)


def subscriptions_of(client: "stripe.StripeClient", customer_id: str) -> list[Subscription]:
    asked: SubscriptionListParams = {
        "customer": customer_id,
        "status": "all",
        "limit": PAGE,
        "expand": _EXPANDED,
    }
    pages = client.v1.subscriptions.list(asked)
    return [_whole(client, wire) for wire in every(pages, SubscriptionWire)]


def subscribed_page(client: "stripe.StripeClient", after: str | None) -> SubscribedPage:
    """Everybody's subscriptions of any status, the newest first."""
    asked: SubscriptionListParams = {
        "status": "all",
        "limit": PAGE,
        "expand": [*_EXPANDED, "data.customer"],
    }
    if after is not None:
        asked["starting_after"] = after
    page = client.v1.subscriptions.list(asked)

    def held(row: dict[str, Any]) -> tuple[Customer, Subscription]:
        wire = msgspec.convert(row, SubscriptionWire)
        payer = wire.payer
        return Customer(payer.id, payer.account_id, payer.deleted), _whole(client, wire)

    known, unknown = _rows(page, held)
    found: dict[str, Subscribed] = {}
    for customer, subscription in known:
        found.setdefault(customer.id, Subscribed(customer, [])).subscriptions.append(subscription)
    return SubscribedPage(list(found.values()), _last(page), unknown)


@dataclass(frozen=True, slots=True)
class TakenBackPage:
    """Refunds, or else disputes, each with its customer; the rest as in `SubscribedPage`."""

    found: list[tuple[str, Refund | Dispute]]
    last: str | None
    unknown: list[str] = field(default_factory=list)


def refunded_page(
    client: "stripe.StripeClient", since: datetime, after: str | None
) -> TakenBackPage:
    """Everybody's refunds that were made since then, the newest first."""
    asked: RefundListParams = {
        "created": {"gte": int(since.timestamp())},
        "expand": ["data.charge"],
        "limit": PAGE,
    }
    if after is not None:
        asked["starting_after"] = after
    return _taken_back(client.v1.refunds.list(asked), RefundWire)


def disputed_page(
    client: "stripe.StripeClient", since: datetime, after: str | None
) -> TakenBackPage:
    """As `refunded_page`, of disputes."""
    asked: DisputeListParams = {
        "created": {"gte": int(since.timestamp())},
        "expand": ["data.charge"],
        "limit": PAGE,
    }
    if after is not None:
        asked["starting_after"] = after
    return _taken_back(client.v1.disputes.list(asked), DisputeWire)


def _taken_back(
    page: "stripe.ListObject[Any]", shape: type[RefundWire] | type[DisputeWire]
) -> TakenBackPage:
    def taken(row: dict[str, Any]) -> tuple[str | None, Refund | Dispute]:
        wire = msgspec.convert(row, shape)
        return wire.customer_id, wire.neutral()

    known, unknown = _rows(page, taken)
    found = [(customer_id, each) for customer_id, each in known if customer_id is not None]
    return TakenBackPage(found, _last(page), unknown)


def _rows(
    page: "stripe.ListObject[Any]", read: Callable[[dict[str, Any]], T]
) -> tuple[list[T], list[str]]:
    """One of a shape that we do not know hides no other: its id is told."""
    known: list[T] = []
    unknown: list[str] = []
    for row in page.data:
        try:
            known.append(read(row.to_dict()))
        except msgspec.ValidationError:
            unknown.append(row.id)
    return known, unknown


def _last(page: "stripe.ListObject[Any]") -> str | None:
    return page.data[-1].id if page.has_more and page.data else None


def contested(client: "stripe.StripeClient", customer_id: str, since: datetime) -> Contested:
    """Among the newest charges since then, those of which something was refunded or disputed."""
    asked: ChargeListParams = {
        "customer": customer_id,
        "created": {"gte": int(since.timestamp())},
        "expand": ["data.refunds"],
        "limit": PAGE,
    }
    newest = list(islice(every(client.v1.charges.list(asked), ChargeWire), _MOST_CHARGES))
    found = (
        wire.neutral(_refunds(client, wire), _disputes(client, wire))
        for wire in newest
        if wire.is_contested
    )
    return Contested(tuple(found), is_all=len(newest) < _MOST_CHARGES)


def _refunds(client: "stripe.StripeClient", charge: ChargeWire) -> Iterator[Refund]:
    """Seldom a request: the newest ten came with the charge."""
    if not charge.refunds.has_more:
        return (each.neutral() for each in charge.refunds.data)
    pages = client.v1.refunds.list({"charge": charge.id, "limit": PAGE})
    return (each.neutral() for each in every(pages, RefundWire))


def _disputes(client: "stripe.StripeClient", charge: ChargeWire) -> Iterator[Dispute]:
    if not charge.disputed:
        return iter(())
    pages = client.v1.disputes.list({"charge": charge.id, "limit": PAGE})
    return (each.neutral() for each in every(pages, DisputeWire))


def every(pages: "stripe.ListObject[Any]", shape: type[W]) -> Iterator[W]:
    return (msgspec.convert(each.to_dict(), shape) for each in pages.auto_paging_iter())


def _whole(client: "stripe.StripeClient", wire: SubscriptionWire) -> Subscription:
    """With what is owed for it, which its newest invoice does not tell."""
    subscription = wire.neutral()
    if not subscription.is_overdue and not wire.may_owe:
        return subscription
    debts = owed(_invoices(client, wire.id))
    if not subscription.is_overdue and not any(each.is_written_off for each in debts):
        return subscription
    return wire.neutral(next(iter(debts), None), _replaced(client, debts))


def _invoices(client: "stripe.StripeClient", subscription_id: str) -> Iterator[InvoiceWire]:
    pages = client.v1.invoices.list({"subscription": subscription_id, "limit": PAGE})
    return every(pages, InvoiceWire)


def _replaced(client: "stripe.StripeClient", debts: list[InvoiceWire]) -> Item | None:
    """What stood before the oldest change that is not paid."""
    credit = next((wire.credit for wire in debts if wire.credit), None)
    if credit is None or credit.price_id is None:
        return None
    price = client.v1.prices.retrieve(credit.price_id)
    return item_before(credit, msgspec.convert(price.to_dict(), PriceWire))
