"""Invoices through the API and the portal: listed, paid by hand, voided, given up.

Simpler than Stripe in one way: an attempt by hand that fails leaves no trace.
"""

from local.stripe import cards, changes, collection
from local.stripe.books import Books
from local.stripe.call import Call, only
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError

_OWED = ("open", "uncollectible")


def list_invoices(call: Call) -> Json:
    found = call.books.all("invoice", **only(call.params, "customer", "status"))
    owner = call.params.get("subscription")
    details = [(each, each["parent"]["subscription_details"]) for each in found]
    mine = [each for each, of in details if owner in (None, of["subscription"])]
    return page(call.path, mine, call.params)


def pay_invoice(call: Call) -> Json:
    return pay(call.books, call.of_path("invoice"))


def void_invoice(call: Call) -> Json:
    books, invoice = call.books, _owed(call.of_path("invoice"))
    collection.void(books, invoice)
    subscription = _subscription_of(books, invoice)
    if subscription["latest_invoice"] == invoice["id"]:
        _restore(books, subscription)
    return invoice


def mark_uncollectible(call: Call) -> Json:
    """Nobody asks for it any more, so what it was owed for is in good standing again."""
    books, invoice = call.books, call.of_path("invoice")
    if invoice["status"] != "open":
        raise StripeError("Only an open invoice can be marked uncollectible.")
    collection.give_up(books, invoice)
    subscription = _subscription_of(books, invoice)
    if subscription["latest_invoice"] == invoice["id"]:
        _restore(books, subscription)
    return invoice


def pay(books: Books, invoice: Json) -> Json:
    """With the subscription's card as it is now; StripeError where that is declined."""
    subscription = _subscription_of(books, _owed(invoice))
    if not collection.collect(books, subscription, invoice):
        raise cards.declined()
    if subscription["pending_update"] and invoice["billing_reason"] == "subscription_update":
        changes.apply_pending(books, subscription)
    elif subscription["status"] == "incomplete":
        books.save(subscription | {"status": "active"}, "customer.subscription.updated")
    elif subscription["latest_invoice"] == invoice["id"]:
        _restore(books, subscription)
    return invoice


def _restore(books: Books, subscription: Json) -> None:
    if subscription["status"] in ("past_due", "unpaid"):
        books.save(subscription | {"status": "active"}, "customer.subscription.updated")


def _owed(invoice: Json) -> Json:
    if invoice["status"] == "paid":
        raise StripeError("Invoice is already paid", code="invoice_already_paid")
    if invoice["status"] not in _OWED:
        raise StripeError(f"This invoice is {invoice['status']}.")
    return invoice


def _subscription_of(books: Books, invoice: Json) -> Json:
    owner = invoice["parent"]["subscription_details"]["subscription"]
    return books.get("subscription", owner)
