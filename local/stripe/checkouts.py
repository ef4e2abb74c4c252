"""Checkout and portal sessions, as the API makes them; their pages are in `hosted`."""

from local.stripe import billing_objects, changes, lifecycle, objects
from local.stripe.call import Call, only, required
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError

ECHOES = (
    "allow_promotion_codes",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer",
    "customer_email",
    "expires_at",
    "locale",
    "metadata",
    "mode",
    "payment_method_collection",
)

KNOWS = (
    "automatic_tax",
    "customer_update",
    "line_items",
    "subscription_data",
    "success_url",
    "tax_id_collection",
)


def create_checkout_session(call: Call) -> Json:
    params = call.params
    if params.get("mode") != "subscription":
        raise StripeError("The stand-in sells subscriptions only.", param="mode")
    if "success_url" not in params:
        raise required("success_url")
    (price, quantity), metered = _ordered(call)
    taxes = _taxes(call)
    details = params.get("subscription_data", {})
    if not details.keys() <= {"metadata", "trial_period_days", "trial_settings"}:
        raise StripeError("The stand-in knows metadata and trials.", param="subscription_data")
    trial_days = details.get("trial_period_days", 0)
    kept = {name: params[name] for name in ECHOES if name in params}
    session = objects.checkout_session(
        call.books.now, call.origin, price, quantity, trial=bool(trial_days), **kept, **taxes
    )
    session["success_url"] = params["success_url"]
    total = session["amount_total"]
    items = [objects.line_item(price, quantity, total)]
    items += [objects.line_item(each, None, 0) for each in metered]
    order = {"metadata": details.get("metadata", {}), "trial_days": trial_days}
    order["trial_settings"] = details.get("trial_settings", objects.TRIAL_SETTINGS)
    order |= {"price": price, "quantity": quantity, "metered": metered, "items": items}
    order |= {"session": session["id"], "subscription": None, "challenged": None}
    call.books.store.put("order", session["id"], order)
    return call.books.save(session)


def _ordered(call: Call) -> tuple[tuple[Json, int], list[Json]]:
    """What is paid ahead with its quantity, and what is metered beside it."""
    licensed, metered = [], []
    for place, line in enumerate(call.params.get("line_items", [])):
        where = f"line_items[{place}]"
        if not line.keys() <= {"price", "quantity"} or "price" not in line:
            raise StripeError("A line item is a price and a quantity.", param=where)
        price = call.books.get("price", line["price"], f"{where}[price]")
        if not billing_objects.is_metered(price):
            licensed.append((price, line.get("quantity", 1)))
            continue
        if "quantity" in line:
            message = "Quantity should not be specified where usage_type is `metered`."
            raise StripeError(f"{message} Remove quantity from `{where}`", param=where)
        metered.append(price)
    if len(licensed) != 1:
        message = "The stand-in sells one price that is paid ahead, and what is metered beside it."
        raise StripeError(message, param="line_items")
    changes.assert_one_interval([licensed[0][0], *metered])
    return licensed[0], metered


def _taxes(call: Call) -> Json:
    """No tax is ever due here, but what Stripe needs to know of an existing customer is asked."""
    params = call.params
    automatic = params.get("automatic_tax", {"enabled": False})["enabled"]
    tax_ids = params.get("tax_id_collection", {"enabled": False})["enabled"]
    saved = params.get("customer_update", {})
    if "customer" in params:
        customer = call.books.get("customer", params["customer"], "customer")
        if automatic and not customer["address"] and saved.get("address") != "auto":
            message = (
                "Automatic tax calculation in Checkout requires a valid address on the Customer. "
                "Add a valid address to the Customer or set either `customer_update[address]` to "
                "'auto' or `customer_update[shipping]` to 'auto' to save the address entered in "
                "Checkout to the Customer."
            )
            raise StripeError(message, code="customer_tax_location_invalid")
        if tax_ids and saved.get("name") != "auto":
            message = (
                "Tax ID collection requires updating business name on the customer. To enable tax "
                "ID collection for an existing customer, please set `customer_update[name]` to "
                "`auto`."
            )
            raise StripeError(message)
    elif saved:
        message = "`customer_update` can only be used with `customer`."
        raise StripeError(message, param="customer_update")
    status = "requires_location_inputs" if automatic else None
    return {
        "automatic_tax": {"enabled": automatic, "liability": None, "status": status},
        "tax_id_collection": {"enabled": tax_ids, "required": "never"},
    }


def expire_checkout_session(call: Call) -> Json:
    session = call.of_path("checkout.session")
    if session["status"] != "open":
        message = 'Only Checkout Sessions with a status in ["open"] can be expired.'
        raise StripeError(f"{message} This one is {session['status']}.")
    return lifecycle.expire(call.books, session)


def list_line_items(call: Call) -> Json:
    call.of_path("checkout.session")
    return page(call.path, call.books.get("order", call.id)["items"], call.params)


def create_portal_session(call: Call) -> Json:
    if "customer" not in call.params:
        raise required("customer")
    customer = call.books.get("customer", call.params["customer"], "customer")
    given = only(call.params, "locale", "return_url")
    session = objects.portal_session(call.books.now, call.origin, customer["id"], **given)
    return call.books.save(session)
