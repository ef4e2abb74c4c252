"""What Stripe lists: of one customer every page, of everybody a page at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tollgate.billing.charges import Charge, Dispute, Refund
from tollgate.billing.entitlement import Item, Subscription
from tollgate.billing.stripe_wire import (
    ChargeWire,
    DisputeWire,
    InvoiceWire,
    PriceWire,
    RefundWire,
    SubscriptionWire,
    item_before,
)

if TYPE_CHECKING:
    import stripe
    from stripe.params import DisputeListParams, RefundListParams, SubscriptionListParams

PAGE = 100
_EXPANDED = ["data.default_payment_method", "data.latest_invoice"]

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
    """`last` is where the next page goes on; None where there is none."""

    found: list[Subscribed]
    last: str | None


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
    wires = [msgspec.convert(each.to_dict(), SubscriptionWire) for each in page.data]
    found: dict[str, Subscribed] = {}
    for wire in wires:
        payer = wire.payer
        customer = Customer(payer.id, payer.account_id, payer.deleted)
        held = found.setdefault(payer.id, Subscribed(customer, []))
        held.subscriptions.append(_whole(client, wire))
    return SubscribedPage(list(found.values()), wires[-1].id if page.has_more and wires else None)


@dataclass(frozen=True, slots=True)
class TakenBackPage:
    """Refunds, or else disputes, each with its customer; `last` as in `SubscribedPage`."""

    found: list[tuple[str, Refund | Dispute]]
    last: str | None


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
    wires = [msgspec.convert(each.to_dict(), shape) for each in page.data]
    found = [(each.customer_id, each.neutral()) for each in wires]
    return TakenBackPage(
        [(customer_id, each) for customer_id, each in found if customer_id is not None],
        wires[-1].id if page.has_more and wires else None,
    )


def contested(client: "stripe.StripeClient", customer_id: str) -> Iterator[Charge]:
    """Charges of which something was refunded or disputed."""
    pages = client.v1.charges.list(
        {"customer": customer_id, "limit": PAGE, "expand": ["data.refunds"]}
    )
    for wire in every(pages, ChargeWire):
        if wire.is_contested:
            yield wire.neutral(_refunds(client, wire), _disputes(client, wire))


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
    if not subscription.is_overdue:
        return subscription
    owed = _open_invoices(client, wire.id)
    return wire.neutral(next(iter(owed), None), _replaced(client, owed))


def _open_invoices(client: "stripe.StripeClient", subscription_id: str) -> list[InvoiceWire]:
    """From the oldest on."""
    pages = client.v1.invoices.list(
        {"subscription": subscription_id, "status": "open", "limit": PAGE}
    )
    return sorted(every(pages, InvoiceWire), key=lambda wire: wire.created)


def _replaced(client: "stripe.StripeClient", owed: list[InvoiceWire]) -> Item | None:
    """What stood before the oldest change that is not paid."""
    credit = next((wire.credit for wire in owed if wire.credit), None)
    if credit is None or credit.price_id is None:
        return None
    price = client.v1.prices.retrieve(credit.price_id)
    return item_before(credit, msgspec.convert(price.to_dict(), PriceWire))
