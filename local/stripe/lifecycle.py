"""What people do with checkouts and subscriptions; what time does is in `renewals`."""

from local.stripe import billing_objects, objects
from local.stripe.books import ENDED, Books
from local.stripe.collection import begin_debit, collect, invoice, void
from local.stripe.cycle import DAY, period_end
from local.stripe.wire import Json

_REMINDER_DAYS = 3


def remind(books: Books, reminder: Json) -> None:
    """Of a trial's end, once."""
    books.store.put("reminder", reminder["subscription"], reminder)
    subscription = books.get("subscription", reminder["subscription"])
    if subscription["status"] == "trialing":
        books.save(subscription, "customer.subscription.trial_will_end")


def expire(books: Books, session: Json) -> Json:
    session |= {"status": "expired", "url": None}
    return books.save(session, "checkout.session.expired")


def complete(books: Books, session: Json, number: str | None) -> Json:
    """A checkout paid with this card, or begun without one: its subscription has started."""
    order = books.get("order", session["id"])
    customer = customer_of(books, session)
    method = _prefer(books, customer, number) if number else None
    waiting = waiting_of(books, order)
    if waiting:
        subscription = _go_on(books, waiting, method)
    else:
        subscription = _start(books, session, order, customer["id"], method)
    books.store.put("order", session["id"], order | {"challenged": None})
    session |= {
        "customer": customer["id"],
        "customer_details": {"email": customer["email"], "name": customer["name"]},
        "invoice": subscription["latest_invoice"],
        "payment_status": _payment_status(session, subscription),
        "status": "complete",
        "subscription": subscription["id"],
        "url": None,
    }
    return books.save(session, "checkout.session.completed")


def _payment_status(session: Json, subscription: Json) -> str:
    if subscription["status"] == "incomplete":
        return "unpaid"
    return "paid" if session["amount_total"] else "no_payment_required"


def take_card(books: Books, customer: Json, number: str) -> None:
    """For all that the customer still pays for."""
    method = _prefer(books, customer, number, "customer.updated")
    for subscription in books.all("subscription", customer=customer["id"]):
        if subscription["status"] not in ENDED:
            subscription["default_payment_method"] = method["id"]
            books.save(subscription, "customer.subscription.updated")


def _prefer(books: Books, customer: Json, number: str, event: str | None = None) -> Json:
    method = books.save(objects.payment_method(books.now, customer["id"], number))
    customer["invoice_settings"]["default_payment_method"] = method["id"]
    books.save(customer, event)
    return method


def customer_of(books: Books, session: Json) -> Json:
    if session["customer"]:
        return books.get("customer", session["customer"])
    email = session["customer_email"]
    return books.save(objects.customer(books.now, email=email), "customer.created")


def _start(books: Books, session: Json, order: Json, customer_id: str, method: Json | None) -> Json:
    subscription, owed = begin(books, session, order, customer_id, method)
    if method and method["type"] == "us_bank_account" and owed["amount_due"]:
        subscription["status"] = "incomplete"
        begin_debit(books, owed, method)
        return books.save(subscription, "customer.subscription.created")
    books.save(subscription, "customer.subscription.created")
    collect(books, subscription, owed)
    return subscription


def waiting_of(books: Books, order: Json) -> Json | None:
    """The order's subscription, if its first payment still waits for somebody."""
    if not order["subscription"]:
        return None
    subscription = books.get("subscription", order["subscription"])
    return subscription if subscription["status"] == "incomplete" else None


def _go_on(books: Books, subscription: Json, method: Json | None) -> Json:
    owed = books.get("invoice", subscription["latest_invoice"])
    subscription["default_payment_method"] = method and method["id"]
    if method and method["type"] == "us_bank_account":
        begin_debit(books, owed, method)
        return books.save(subscription)
    collect(books, subscription, owed)
    return books.save(subscription | {"status": "active"}, "customer.subscription.updated")


def begin(
    books: Books, session: Json, order: Json, customer_id: str, method: Json | None
) -> tuple[Json, Json]:
    """What was ordered and its first invoice, neither of them saved."""
    price, quantity, trial_days = order["price"], order["quantity"], order["trial_days"]
    now, end = books.now, period_end(books.now, objects.months_of(price), books.now)
    subscription = billing_objects.subscription(
        now,
        customer_id,
        price["currency"],
        default_payment_method=method and method["id"],
        metadata=order["metadata"],
        trial_settings=order["trial_settings"],
        status="active",
    )
    if trial_days:
        end = now + trial_days * DAY
        trial = {"status": "trialing", "trial_start": now, "trial_end": end}
        subscription |= {**trial, "billing_cycle_anchor": end}
        reminder, due = {"subscription": subscription["id"]}, end - _REMINDER_DAYS * DAY
        books.store.put("reminder", subscription["id"], reminder, due)
    sold = [(price, quantity), *((each, None) for each in order["metered"])]
    subscription["items"]["data"] = [
        billing_objects.subscription_item(now, subscription["id"], each, count, (now, end))
        for each, count in sold
    ]
    item = billing_objects.plan_item(subscription)
    owed = invoice(
        books,
        subscription,
        "subscription_create",
        [billing_objects.period_line(item, session["amount_total"])],
    )
    return subscription, owed


def expire_incomplete(books: Books, subscription: Json) -> Json:
    """Its first payment failed: it never was."""
    void(books, books.get("invoice", subscription["latest_invoice"]))
    subscription |= {"ended_at": books.now, "status": "incomplete_expired"}
    return books.save(subscription, "customer.subscription.updated")


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
    item = billing_objects.plan_item(subscription)
    set_cancellation(books, subscription, item["current_period_end"] if wanted else None, wanted)
