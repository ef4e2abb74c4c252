"""A bank debit as the first payment: the checkout is complete long before it is paid, or fails.

Simpler than Stripe in one way: only a first payment takes its time, a renewal is paid at once.
"""

from local.stripe import lifecycle
from local.stripe.books import ENDED, Books
from local.stripe.cards import DEBIT_SUCCEEDS
from local.stripe.collection import charge, mark_paid
from local.stripe.wire import Json


def settle(books: Books, intent: Json) -> None:
    """What the bank says days later."""
    [payment] = books.all("invoice_payment", payment=_named(intent))
    invoice = books.get("invoice", payment["invoice"])
    owner = invoice["parent"]["subscription_details"]["subscription"]
    subscription = books.get("subscription", owner)
    [session] = books.all("checkout.session", subscription=owner)
    if subscription["status"] in ENDED:
        books.save(intent | {"canceled_at": books.now, "status": "canceled"})
        return
    method = books.get("payment_method", intent["payment_method"])
    paid = method["us_bank_account"]["last4"] == DEBIT_SUCCEEDS[-4:]
    charge(books, invoice, method, paid=paid)
    if paid:
        mark_paid(books, invoice)
        books.save(subscription | {"status": "active"}, "customer.subscription.updated")
        books.save(session | {"payment_status": "paid"}, "checkout.session.async_payment_succeeded")
    else:
        books.save(invoice, "invoice.payment_failed")
        lifecycle.expire_incomplete(books, subscription)
        books.save(session, "checkout.session.async_payment_failed")


def _named(intent: Json) -> Json:
    return {"payment_intent": intent["id"], "type": "payment_intent"}
