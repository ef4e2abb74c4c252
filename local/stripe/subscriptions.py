"""Subscriptions and invoices through the API."""

from local.stripe import lifecycle
from local.stripe.books import LIVE
from local.stripe.call import Call, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError


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
    if params.get("trial_end", "now") != "now":
        raise StripeError("The stand-in can only end a trial now.", param="trial_end")
    if "trial_end" in params and subscription["status"] == "trialing":
        lifecycle.end_trial(books, subscription)
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
    lifecycle.change_price(call.books, subscription, price, quantity, prorate=prorate)


def cancel_subscription(call: Call) -> Json:
    subscription = call.of_path("subscription")
    if subscription["status"] == "canceled":
        raise StripeError(f"No such subscription: '{call.id}'", code="resource_missing", status=404)
    return lifecycle.cancel(call.books, subscription)


def list_subscriptions(call: Call) -> Json:
    """Without a status Stripe leaves out the canceled ones."""
    params = call.params
    if "customer" in params:
        call.books.get("customer", params["customer"], "customer")
    status = params.get("status")
    groups = {"all": (*LIVE, "canceled"), "ended": ("canceled",), None: LIVE}
    wanted = groups.get(status, (status,))
    found = [
        each
        for each in call.books.all("subscription", **only(params, "customer"))
        if each["status"] in wanted
        and params.get("price") in (None, each["items"]["data"][0]["price"]["id"])
    ]
    return page(call.path, found, params)


def list_invoices(call: Call) -> Json:
    found = call.books.all("invoice", **only(call.params, "customer", "status"))
    owner = call.params.get("subscription")
    details = [(each, each["parent"]["subscription_details"]) for each in found]
    mine = [each for each, of in details if owner in (None, of["subscription"])]
    return page(call.path, mine, call.params)
