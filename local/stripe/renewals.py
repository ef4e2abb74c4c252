"""What time alone does: renewals, ends of trials, further attempts at what is unpaid."""

from typing import Literal, TypeAlias

from local.stripe import (
    authentication,
    billing_objects,
    changes,
    debits,
    lifecycle,
    objects,
    usage,
)
from local.stripe.books import ENDED, TIMED, Books
from local.stripe.collection import collect, draft, finalize, invoice, keep_draft, lay_aside
from local.stripe.cycle import period_end
from local.stripe.store import Store
from local.stripe.wire import Json, StripeError

Exhausted: TypeAlias = Literal["canceled", "unpaid", "past_due"]
"""What a subscription becomes after the last failed attempt, as the merchant has set it."""


def catch_up(store: Store, now: int) -> None:
    """Everything that fell due until now, each at its own moment and in their order."""
    while (due := store.first_due(*TIMED)) and due[0] <= now:
        moment, kind, thing = due
        books = Books(store, int(moment))
        if kind == "subscription":
            _fell_due(books, thing)
        elif kind == "invoice":
            _advance(books, thing)
        elif kind == "reminder":
            lifecycle.remind(books, thing)
        elif kind == "order":
            authentication.expire(books, thing)
        elif kind == "payment_intent":
            debits.settle(books, thing)
        else:
            lifecycle.expire(books, thing)


def set_exhausted(store: Store, becomes: Exhausted) -> None:
    store.put("setting", "dunning", {"becomes": becomes})


def end_trial(books: Books, subscription: Json) -> None:
    """Now, with the first payment; saved. Stripe reminds of this end too."""
    books.save(subscription, "customer.subscription.trial_will_end")
    item = billing_objects.plan_item(subscription)
    subscription["trial_end"] = item["current_period_end"] = books.now
    _collect(books, subscription, _begin_period(books, subscription))
    books.save(subscription, "customer.subscription.updated")


def resume(books: Books, subscription: Json) -> Json:
    """A paused one goes on from now, in a new period that is paid at once."""
    if subscription["status"] != "paused":
        raise StripeError("Only a paused subscription can be resumed.")
    item = billing_objects.plan_item(subscription)
    item["current_period_end"] = subscription["billing_cycle_anchor"] = books.now
    _collect(books, subscription, _begin_period(books, subscription))
    books.save(subscription, "customer.subscription.updated")
    return books.save(subscription, "customer.subscription.resumed")


def _fell_due(books: Books, subscription: Json) -> None:
    pending, ends = subscription["pending_update"], subscription["cancel_at"]
    if pending and pending["expires_at"] <= books.now:
        changes.expire_pending(books, subscription)
    elif ends is not None and ends <= books.now:
        _bill_the_last(books, subscription)
        lifecycle.cancel(books, subscription)
    elif subscription["status"] == "trialing" and not subscription["default_payment_method"]:
        _end_unpaid_trial(books, subscription)
    else:
        _renew(books, subscription)


def _end_unpaid_trial(books: Books, subscription: Json) -> None:
    """Nobody gave a card for the time after it."""
    settings = subscription["trial_settings"] or objects.TRIAL_SETTINGS
    wanted = settings["end_behavior"]["missing_payment_method"]
    if wanted == "cancel":
        lifecycle.cancel(books, subscription)
    elif wanted == "pause":
        subscription["status"] = "paused"
        books.save(subscription, "customer.subscription.updated")
        books.save(subscription, "customer.subscription.paused")
    else:
        _renew(books, subscription)


def _renew(books: Books, subscription: Json) -> None:
    """Into the next period at once; its invoice is collected an hour later."""
    owed, pause = _begin_period(books, subscription), subscription["pause_collection"]
    if subscription["status"] == "unpaid":
        lay_aside(books, owed, "keep_as_draft")
    elif pause:
        lay_aside(books, owed, pause["behavior"])
        subscription["status"] = "active"
    else:
        draft(books, owed)
        if subscription["status"] == "trialing":
            subscription["status"] = "active"
    books.save(subscription, "customer.subscription.updated")


def _begin_period(books: Books, subscription: Json) -> Json:
    """With its invoice, which is not saved yet."""
    item, metered = billing_objects.plan_item(subscription), usage.lines(books, subscription)
    price, start = item["price"], item["current_period_end"]
    if subscription["status"] == "trialing":
        subscription["billing_cycle_anchor"] = start
    end = period_end(subscription["billing_cycle_anchor"], objects.months_of(price), start)
    billing_objects.begin_period(subscription, start, end)
    line = billing_objects.period_line(item, price["unit_amount"] * item["quantity"])
    return invoice(books, subscription, "subscription_cycle", [line, *metered])


def _bill_the_last(books: Books, subscription: Json) -> None:
    """At a period's end, where anything was metered in it."""
    metered = usage.lines(books, subscription)
    if any(line["amount"] for line in metered):
        collect(books, subscription, invoice(books, subscription, "subscription_cycle", metered))


def _collect(books: Books, subscription: Json, owed: Json) -> bool:
    """Not saved yet. Says whether its status is another one now."""
    before = subscription["status"]
    paid = collect(books, subscription, owed)
    subscription["status"] = "active" if paid else "past_due"
    return bool(subscription["status"] != before)


def _advance(books: Books, owed: Json) -> None:
    """An invoice whose draft hour is over is collected; one that was refused is tried again."""
    owner = owed["parent"]["subscription_details"]["subscription"]
    subscription = books.get("subscription", owner)
    is_over = subscription["status"] in (*ENDED, "unpaid")
    if owed["status"] == "draft" and is_over:
        keep_draft(books, owed)
    elif owed["status"] == "draft":
        usage.recount(books, owed)
        finalize(books, owed)
        if _collect(books, subscription, owed):
            books.save(subscription, "customer.subscription.updated")
    elif is_over:
        books.save(owed | {"next_payment_attempt": None})
    elif collect(books, subscription, owed):
        books.save(subscription | {"status": "active"}, "customer.subscription.updated")
    elif owed["next_payment_attempt"] is None:
        _exhaust(books, subscription)


def _exhaust(books: Books, subscription: Json) -> None:
    setting = books.store.get("setting", "dunning")
    becomes: Exhausted = setting["becomes"] if setting else "canceled"
    if becomes == "canceled":
        lifecycle.cancel(books, subscription, "payment_failed")
    elif becomes == "unpaid":
        books.save(subscription | {"status": "unpaid"}, "customer.subscription.updated")
