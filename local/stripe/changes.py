"""A subscription's price changes, and what becomes of the change when its payment fails.

Simpler than Stripe in one way: a change is either prorated at once or not at all.
"""

import copy
from collections.abc import Iterable
from typing import Literal, TypeAlias

from local.stripe import billing_objects, objects
from local.stripe.books import Books
from local.stripe.cards import declined
from local.stripe.collection import collect, invoice, void
from local.stripe.cycle import period_end
from local.stripe.wire import Json, StripeError

PaymentBehavior: TypeAlias = Literal[
    "allow_incomplete", "error_if_incomplete", "pending_if_incomplete"
]
_PENDING_SECONDS = 23 * 3_600


def change_price(
    books: Books,
    subscription: Json,
    price: Json,
    quantity: int,
    *,
    prorate: bool,
    on_failure: PaymentBehavior,
) -> None:
    """Not saved yet. An unpaid change is made and past due, refused as a whole, or waits."""
    before = copy.deepcopy(subscription)
    owed = _changed(books, subscription, price, quantity, prorate=prorate)
    if owed is None or collect(books, subscription, owed):
        return
    if on_failure == "error_if_incomplete":
        raise declined()
    if on_failure == "allow_incomplete":
        subscription["status"] = "past_due"
        return
    books.save(owed | {"next_payment_attempt": None})
    pending = {
        "billing_cycle_anchor": subscription["billing_cycle_anchor"],
        "expires_at": books.now + _PENDING_SECONDS,
        "subscription_items": subscription["items"]["data"],
        "trial_end": None,
        "trial_from_plan": None,
    }
    subscription |= before | {"latest_invoice": owed["id"], "pending_update": pending}


def assert_one_interval(prices: Iterable[Json]) -> None:
    if len({each["recurring"]["interval"] for each in prices}) > 1:
        message = "The stand-in bills all prices of a subscription at one interval."
        raise StripeError(message, param="items")


def apply_pending(books: Books, subscription: Json) -> None:
    """Its invoice was paid: the change is made, and saved."""
    pending = subscription["pending_update"]
    subscription["items"]["data"] = pending["subscription_items"]
    subscription |= {
        "billing_cycle_anchor": pending["billing_cycle_anchor"],
        "pending_update": None,
    }
    books.save(subscription, "customer.subscription.updated")
    books.save(subscription, "customer.subscription.pending_update_applied")


def expire_pending(books: Books, subscription: Json) -> None:
    """Nobody paid in time: the invoice is void, and all is as it was."""
    for owed in books.all("invoice", status="open", billing_reason="subscription_update"):
        if owed["parent"]["subscription_details"]["subscription"] == subscription["id"]:
            void(books, owed)
    subscription["pending_update"] = None
    books.save(subscription, "customer.subscription.updated")
    books.save(subscription, "customer.subscription.pending_update_expired")


def _changed(
    books: Books, subscription: Json, price: Json, quantity: int, *, prorate: bool
) -> Json | None:
    """The invoice of the change, if it makes one.

    Another interval starts a new period, unless a trial is running.
    """
    item = billing_objects.plan_item(subscription)
    old = dict(item)
    item |= {"price": price, "plan": billing_objects.plan_of(price), "quantity": quantity}
    if subscription["status"] == "trialing":
        return None
    start, end = item["current_period_start"], item["current_period_end"]
    left = (end - books.now) / (end - start)
    amount = price["unit_amount"] * quantity
    unused = int(old["price"]["unit_amount"] * old["quantity"] * left)
    credit = billing_objects.proration_line(old, -unused, books.now, end)
    if objects.months_of(old["price"]) != objects.months_of(price):
        _start_period(books, subscription, item)
        debit = billing_objects.period_line(item, amount)
    elif prorate:
        debit = billing_objects.proration_line(item, int(amount * left), books.now, end)
    else:
        return None
    return invoice(books, subscription, "subscription_update", [credit, debit])


def _start_period(books: Books, subscription: Json, item: Json) -> None:
    end = period_end(books.now, objects.months_of(item["price"]), books.now)
    billing_objects.begin_period(subscription, books.now, end)
    subscription["billing_cycle_anchor"] = books.now
    if subscription["cancel_at_period_end"]:
        subscription["cancel_at"] = end
