"""Subscriptions through the API."""

from local.stripe import billing_objects, changes, lifecycle, renewals, usage
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
    item = billing_objects.plan_item(subscription)
    given = call.params["cancel_at"]
    if isinstance(given, str) and given:  # min_period_end or max_period_end: of the one item
        given = item["current_period_end"]
    lifecycle.set_cancellation(call.books, subscription, given or None, at_period_end=False)


def _change_items(call: Call, subscription: Json) -> None:
    """Of the plan's item the price and quantity; what is metered comes and goes."""
    items, current = call.params["items"], billing_objects.plan_item(subscription)
    for place, wanted in enumerate(items):
        where = f"items[{place}]"
        if wanted.get("id") == current["id"] and wanted.keys() <= {"id", "price", "quantity"}:
            _change_plan(call, subscription, wanted)
        elif wanted.get("deleted") and wanted.keys() <= {"id", "deleted", "clear_usage"}:
            _remove(call, subscription, wanted.get("id"), where)
        elif wanted.keys() == {"price"}:
            _add(call, subscription, wanted["price"], where)
        else:
            message = "The stand-in changes the plan's item, and adds and removes what is metered."
            raise StripeError(message, param=where)
    changes.assert_one_interval(each["price"] for each in subscription["items"]["data"])


def _add(call: Call, subscription: Json, price_id: str, where: str) -> None:
    items, price = subscription["items"]["data"], call.books.get("price", price_id, where)
    if not billing_objects.is_metered(price):
        raise StripeError("The stand-in adds only what is metered.", param=where)
    if any(each["price"]["id"] == price_id for each in items):
        message = f"An existing Subscription Item is already using that Price {price_id}."
        raise StripeError(message, param=where)
    plan = billing_objects.plan_item(subscription)
    span = (plan["current_period_start"], plan["current_period_end"])
    items.append(
        billing_objects.subscription_item(call.books.now, subscription["id"], price, None, span)
    )


def _remove(call: Call, subscription: Json, item_id: str | None, where: str) -> None:
    for item in subscription["items"]["data"]:
        if item["id"] == item_id and billing_objects.is_metered(item["price"]):
            bills = call.params.get("proration_behavior") != "none"
            usage.remove(call.books, subscription, item, bills=bills)
            return
    raise StripeError(f"Invalid subscription item id: {item_id}", param=where)


def _change_plan(call: Call, subscription: Json, wanted: Json) -> None:
    current = billing_objects.plan_item(subscription)
    price_id = wanted.get("price", current["price"]["id"])
    price = call.books.get("price", price_id, "items[0][price]")
    prorate = call.params.get("proration_behavior") == "always_invoice"
    quantity = (current | wanted)["quantity"]
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
        and params.get("price") in (None, *(one["price"]["id"] for one in each["items"]["data"]))
    ]
    return page(call.path, found, params)


def _has_status(subscription: Json, wanted: str) -> bool:
    status: str = subscription["status"]
    ended = status in ENDED
    groups = {"all": True, "ended": ended, "unended": not ended}
    return groups.get(wanted, status == wanted)
