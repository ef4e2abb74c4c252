"""What happens to subscriptions, by their owner's hand and by time alone.

Simpler than Stripe in three ways: an invoice is finalised the moment it is made, a price's change
is either prorated at once or not at all, and a change whose payment fails is refused as a whole.
"""

from local.stripe import billing_objects, objects
from local.stripe.books import LIVE, TIMED, Books
from local.stripe.cycle import DAY, period_end
from local.stripe.store import Store
from local.stripe.wire import Json, StripeError

ATTACHES_ONLY = "4000000000000341"
_RETRY_AFTER_DAYS = (3, 5, 7)
"""Between one failed attempt at an invoice and the next; after the last the subscription ends."""


def catch_up(store: Store, now: int) -> None:
    """Everything that fell due until now, each at its own moment and in their order."""
    while (due := store.first_due(*TIMED)) and due[0] <= now:
        moment, kind, thing = due
        books = Books(store, int(moment))
        if kind == "subscription":
            _end_of_period(books, thing)
        elif kind == "invoice":
            _retry(books, thing)
        else:
            expire(books, thing)


def expire(books: Books, session: Json) -> Json:
    session |= {"status": "expired", "url": None}
    return books.save(session, "checkout.session.expired")


def complete(books: Books, session: Json, number: str) -> Json:
    """A checkout paid with this card: its subscription has started when this returns."""
    order = books.get("order", session["id"])
    customer = _customer_of(books, session)
    method = books.save(objects.payment_method(books.now, customer["id"], number))
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    books.save(customer)
    subscription = _start(books, session, order, customer["id"], method["id"])
    session |= {
        "customer": customer["id"],
        "customer_details": {"email": customer["email"], "name": customer["name"]},
        "invoice": subscription["latest_invoice"],
        "payment_status": "paid" if session["amount_total"] else "no_payment_required",
        "status": "complete",
        "subscription": subscription["id"],
        "url": None,
    }
    return books.save(session, "checkout.session.completed")


def _customer_of(books: Books, session: Json) -> Json:
    if session["customer"]:
        return books.get("customer", session["customer"])
    email = session["customer_email"]
    return books.save(objects.customer(books.now, email=email), "customer.created")


def _start(books: Books, session: Json, order: Json, customer_id: str, method_id: str) -> Json:
    price, quantity, trial_days = order["price"], order["quantity"], order["trial_days"]
    now, end = books.now, period_end(books.now, objects.months_of(price), books.now)
    subscription = billing_objects.subscription(
        now,
        customer_id,
        price["currency"],
        default_payment_method=method_id,
        metadata=order["metadata"],
        status="active",
    )
    if trial_days:
        end = now + trial_days * DAY
        trial = {"status": "trialing", "trial_start": now, "trial_end": end}
        subscription |= {**trial, "billing_cycle_anchor": end}
    item = billing_objects.subscription_item(now, subscription["id"], price, quantity, end)
    subscription["items"]["data"] = [item]
    invoice = _invoice(books, subscription, "subscription_create", session["amount_total"])
    books.save(subscription, "customer.subscription.created")
    _collect(books, subscription, invoice)
    return subscription


def cancel(books: Books, subscription: Json, reason: str = "cancellation_requested") -> Json:
    """At once, and for good."""
    subscription |= {
        "canceled_at": subscription["canceled_at"] or books.now,
        "ended_at": books.now,
        "status": "canceled",
    }
    subscription["cancellation_details"]["reason"] = reason
    return books.save(subscription, "customer.subscription.deleted")


def set_cancellation(books: Books, subscription: Json, at: int | None, at_period_end: bool) -> None:
    """Not saved yet. None takes a cancellation back."""
    subscription |= {"cancel_at": at, "cancel_at_period_end": at_period_end}
    subscription["canceled_at"] = None if at is None else books.now
    reason = None if at is None else "cancellation_requested"
    subscription["cancellation_details"]["reason"] = reason


def cancel_at_period_end(books: Books, subscription: Json, wanted: bool) -> None:
    """Not saved yet."""
    [item] = subscription["items"]["data"]
    set_cancellation(books, subscription, item["current_period_end"] if wanted else None, wanted)


def change_price(
    books: Books, subscription: Json, price: Json, quantity: int, *, prorate: bool
) -> None:
    """Not saved yet. Another interval starts a new period, unless a trial is running."""
    [item] = subscription["items"]["data"]
    old, old_quantity = item["price"], item["quantity"]
    start, end = item["current_period_start"], item["current_period_end"]
    item |= {"price": price, "plan": billing_objects.plan_of(price), "quantity": quantity}
    if subscription["status"] == "trialing":
        return
    amount = price["unit_amount"] * quantity
    unused = old["unit_amount"] * old_quantity * (end - books.now) // (end - start)
    if objects.months_of(old) != objects.months_of(price):
        end = period_end(books.now, objects.months_of(price), books.now)
        item |= {"current_period_start": books.now, "current_period_end": end}
        subscription["billing_cycle_anchor"] = books.now
        if subscription["cancel_at_period_end"]:
            subscription["cancel_at"] = end
    elif prorate:
        amount = amount * (end - books.now) // (end - start)
    else:
        return
    invoice = _invoice(books, subscription, "subscription_update", max(0, amount - unused))
    if not _collect(books, subscription, invoice):
        raise declined()


def end_trial(books: Books, subscription: Json) -> None:
    """Now, with the first payment; saved."""
    [item] = subscription["items"]["data"]
    subscription["trial_end"] = item["current_period_end"] = books.now
    _renew(books, subscription)


def declined() -> StripeError:
    message = "Your card was declined."
    return StripeError(message, code="card_declined", status=402, kind="card_error")


def _end_of_period(books: Books, subscription: Json) -> None:
    ends = subscription["cancel_at"]
    if ends is not None and ends <= books.now:
        cancel(books, subscription)
    else:
        _renew(books, subscription)


def _renew(books: Books, subscription: Json) -> None:
    [item] = subscription["items"]["data"]
    price, start = item["price"], item["current_period_end"]
    if subscription["status"] == "trialing":
        subscription |= {"billing_cycle_anchor": start, "status": "active"}
    end = period_end(subscription["billing_cycle_anchor"], objects.months_of(price), start)
    item |= {"current_period_start": start, "current_period_end": end}
    amount = price["unit_amount"] * item["quantity"]
    invoice = _invoice(books, subscription, "subscription_cycle", amount)
    paid = _collect(books, subscription, invoice)
    subscription["status"] = "active" if paid else "past_due"
    books.save(subscription, "customer.subscription.updated")


def _retry(books: Books, invoice: Json) -> None:
    owner = invoice["parent"]["subscription_details"]["subscription"]
    subscription = books.get("subscription", owner)
    if subscription["status"] not in LIVE:
        books.save(invoice | {"next_payment_attempt": None})
    elif _collect(books, subscription, invoice):
        books.save(subscription | {"status": "active"}, "customer.subscription.updated")
    elif invoice["next_payment_attempt"] is None:
        cancel(books, subscription, "payment_failed")


def _invoice(books: Books, subscription: Json, reason: str, amount: int) -> Json:
    invoice = billing_objects.invoice(books.now, subscription, reason, amount)
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def _collect(books: Books, subscription: Json, invoice: Json) -> bool:
    """One attempt at the card; the invoice is saved either way."""
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    if _is_refused(books, subscription, invoice):
        failures = invoice["attempt_count"]
        again = failures <= len(_RETRY_AFTER_DAYS)
        delay = _RETRY_AFTER_DAYS[failures - 1] * DAY if again else 0
        invoice["next_payment_attempt"] = books.now + delay if again else None
        books.save(invoice, "invoice.payment_failed")
        return False
    invoice |= {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "status": "paid",
    }
    invoice["status_transitions"]["paid_at"] = books.now
    books.save(invoice, "invoice.paid")
    return True


def _is_refused(books: Books, subscription: Json, invoice: Json) -> bool:
    """The card that only attaches lets the first invoice through, so that a renewal can fail."""
    method = books.get("payment_method", subscription["default_payment_method"])
    owed = invoice["amount_due"] > 0 and invoice["billing_reason"] != "subscription_create"
    return bool(owed and method["card"]["last4"] == ATTACHES_ONLY[-4:])
