"""Subscriptions through the API."""

from local.stripe import changes, lifecycle, renewals
from local.stripe.books import ENDED
from local.stripe.call import Call, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError, missing


def update_subscription(call: Call) -> Json:
    books, params = call.books, call.params
    subscription = call.of_path("subscription")
    if subscription["status"] == "canceled":
        message = "A canceled subscription can only update its cancellation_details and metadata."
        raise StripeError(message)
    subscription["metadata"] = merged(subscription["metadata"], params.get("metadata", {}))
    if "items" in params:
        _change_items(call, subscription)
    if "cancel_at_period_end" in params:
        lifecycle.cancel_at_period_end(books, subscription, params["cancel_at_period_end"])
    if "cancel_at" in params:
        _set_cancel_at(call, subscription)
    if "pause_collection" in params:
        subscription["pause_collection"] = _pause(params["pause_collection"])
    if params.get("trial_end", "now") != "now":
        raise StripeError("The stand-in can only end a trial now.", param="trial_end")
    if "trial_end" in params and subscription["status"] == "trialing":
        renewals.end_trial(books, subscription)
        return subscription
    return books.save(subscription, "customer.subscription.updated")


def _set_cancel_at(call: Call, subscription: Json) -> None:
    [item] = subscription["items"]["data"]
    given = call.params["cancel_at"]
    if isinstance(given, str) and given:  # min_period_end or max_period_end: of the one item
        given = item["current_period_end"]
    lifecycle.set_cancellation(call.books, subscription, given or None, at_period_end=False)


def _change_items(call: Call, subscription: Json) -> None:
    items = call.params["items"]
    [current] = subscription["items"]["data"]
    if len(items) != 1 or items[0].get("id") != current["id"]:
        raise StripeError("The stand-in keeps one item a subscription; give its id.", param="items")
    [wanted] = items
    if not wanted.keys() <= {"id", "price", "quantity"}:
        raise StripeError("The stand-in changes an item's price and quantity.", param="items[0]")
    price_id = wanted.get("price", current["price"]["id"])
    price = call.books.get("price", price_id, "items[0][price]")
    prorate = call.params.get("proration_behavior") == "always_invoice"
    quantity = wanted.get("quantity", current["quantity"])
    on_failure = call.params.get("payment_behavior", "allow_incomplete")
    if on_failure == "default_incomplete":
        message = "The stand-in attempts each payment at once."
        raise StripeError(message, param="payment_behavior")
    changes.change_price(
        call.books, subscription, price, quantity, prorate=prorate, on_failure=on_failure
    )


def _pause(given: Json | str) -> Json | None:
    """Empty, it is taken back."""
    if isinstance(given, str):
        return None
    if "resumes_at" in given:
        message = "The stand-in's pauses end by hand."
        raise StripeError(message, param="pause_collection[resumes_at]")
    return {"behavior": given["behavior"], "resumes_at": None}


def resume_subscription(call: Call) -> Json:
    return renewals.resume(call.books, call.of_path("subscription"))


def cancel_subscription(call: Call) -> Json:
    subscription = call.of_path("subscription")
    given = call.params.get("cancellation_details", {})
    if subscription["status"] == "canceled":
        raise StripeError(f"No such subscription: '{call.id}'", code="resource_missing", status=404)
    subscription["cancellation_details"] |= given
    return lifecycle.cancel(call.books, subscription)


def list_subscriptions(call: Call) -> Json:
    """Without a status, what has ended is left out. A deleted customer has a history."""
    params = call.params
    if "customer" in params and call.books.find(params["customer"]) is None:
        raise missing("customer", params["customer"], param="customer", status=400)
    status = params.get("status", "unended")
    found = [
        each
        for each in call.books.all("subscription", **only(params, "customer"))
        if _has_status(each, status)
        and params.get("price") in (None, each["items"]["data"][0]["price"]["id"])
    ]
    return page(call.path, found, params)


def _has_status(subscription: Json, wanted: str) -> bool:
    status: str = subscription["status"]
    ended = status in ENDED
    groups = {"all": True, "ended": ended, "unended": not ended}
    return groups.get(wanted, status == wanted)
