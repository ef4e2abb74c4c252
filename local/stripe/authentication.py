"""3-D Secure: before the first payment the card's bank asks its owner, on a page of its own.

Until the owner has said yes, the subscription is incomplete. Simpler than Stripe in one way: no
renewal asks again.
"""

from local.stripe import lifecycle, objects
from local.stripe.books import Books
from local.stripe.collection import await_payment
from local.stripe.wire import Json, StripeError

_PATIENCE_SECONDS = 23 * 3_600
"""Until a subscription that nobody paid for expires."""


def ask(books: Books, session: Json, number: str) -> None:
    """Where nothing is due yet, the card alone is asked for, and nothing has started."""
    order = books.get("order", session["id"]) | {"challenged": number}
    waiting = lifecycle.waiting_of(books, order)
    if session["amount_total"]:
        session["customer"] = lifecycle.customer_of(books, session)["id"]
        waiting = _wait(books, session, order, number)
        order["subscription"] = waiting["id"]
    books.save(session)
    _keep(books, order, waiting)


def _wait(books: Books, session: Json, order: Json, number: str) -> Json:
    """The subscription that waits for the answer."""
    method = books.save(objects.payment_method(books.now, session["customer"], number))
    subscription = lifecycle.waiting_of(books, order)
    if subscription:
        owed = books.get("invoice", subscription["latest_invoice"])
    else:
        subscription, owed = lifecycle.begin(books, session, order, session["customer"], None)
        subscription["status"] = "incomplete"
        books.save(subscription, "customer.subscription.created")
    await_payment(books, owed, method, "requires_action")
    books.save(owed, "invoice.payment_action_required")
    return subscription


def _keep(books: Books, order: Json, waiting: Json | None) -> None:
    due = None if waiting is None else waiting["created"] + _PATIENCE_SECONDS
    books.store.put("order", order["session"], order, due)


def fail(books: Books, session: Json) -> StripeError:
    """The owner said no, and may try another card; what to tell them."""
    order = books.get("order", session["id"]) | {"challenged": None}
    waiting = lifecycle.waiting_of(books, order)
    _keep(books, order, waiting)
    if waiting:
        owed = books.get("invoice", waiting["latest_invoice"])
        [payment] = books.all("invoice_payment", invoice=owed["id"])
        intent = books.get("payment_intent", payment["payment"]["payment_intent"])
        books.save(intent | {"status": "requires_payment_method"})
        owed |= {"attempted": True, "attempt_count": owed["attempt_count"] + 1}
        books.save(owed, "invoice.payment_failed")
    kind = "payment" if waiting else "setup"
    message = (
        "We are unable to authenticate your payment method. "
        "Please choose a different payment method and try again."
    )
    return StripeError(
        message, code=f"{kind}_intent_authentication_failure", status=402, kind="card_error"
    )


def expire(books: Books, order: Json) -> None:
    """Nobody said yes in time."""
    waiting = lifecycle.waiting_of(books, order)
    if waiting:
        lifecycle.expire_incomplete(books, waiting)
    _keep(books, order | {"challenged": None}, None)
