"""What an account sells and whom it tells: the objects that an operator makes once."""

from collections.abc import Callable

import stripe
import stripe.billing_portal
from stripe import params as requests
from stripe.params import billing, billing_portal

from local.stripe import meters, objects
from local.stripe.call import Call, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError

_PAGE = ("ending_before", "limit", "starting_after")
_PRODUCT = ("active", "marketing_features", "metadata", "name")
_PRICE = ("active", "lookup_key", "metadata", "transfer_lookup_key")
_METER = ("customer_mapping", "default_aggregation", "display_name", "event_name", "value_settings")
_PORTAL = ("default_return_url", "features", "metadata")
_ENDPOINT = ("description", "enabled_events", "metadata", "url")


def create_product(call: Call) -> Json:
    product_id = call.params.get("id") or objects.new_id("prod")
    if call.books.store.get("product", product_id):
        message = f"Product already exists: {product_id}"
        raise StripeError(message, code="resource_already_exists", param="id")
    product = {
        **objects.blank(stripe.Product, "product", product_id, call.books.now),
        "active": True,
        "images": [],
        "marketing_features": [],
        "metadata": {},
        "type": "service",
        "updated": call.books.now,
    }
    return call.books.save(_changed(product, call, *_PRODUCT), "product.created")


def update_product(call: Call) -> Json:
    product = _changed(call.of_path("product"), call, *_PRODUCT)
    return call.books.save(product | {"updated": call.books.now}, "product.updated")


def create_price(call: Call) -> Json:
    params, books = call.params, call.books
    books.get("product", params["product"], "product")
    whole, exact = params.get("unit_amount"), params.get("unit_amount_decimal")
    if (whole is None) == (exact is None):
        raise StripeError("Give unit_amount or unit_amount_decimal.", param="unit_amount")
    recurring: Json = {"interval_count": 1, "meter": None, "trial_period_days": None}
    recurring |= {"usage_type": "licensed", **params.get("recurring", {})}
    if recurring["meter"]:
        books.get("billing.meter", recurring["meter"], "recurring[meter]")
    price = {
        **objects.blank(stripe.Price, "price", objects.new_id("price"), books.now),
        **only(params, "currency", "product"),
        "active": True,
        "billing_scheme": "per_unit",
        "metadata": {},
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "type": "recurring",
        "unit_amount": whole,
        "unit_amount_decimal": str(whole) if exact is None else exact,
    }
    return books.save(_keyed(price, call), "price.created")


def update_price(call: Call) -> Json:
    return call.books.save(_keyed(call.of_path("price"), call), "price.updated")


def _keyed(price: Json, call: Call) -> Json:
    """A lookup key names one price at a time."""
    key = call.params.get("lookup_key")
    for holder in call.books.all("price", lookup_key=key) if key else ():
        if holder["id"] == price["id"]:
            continue
        if not call.params.get("transfer_lookup_key"):
            message = f"A price (`{holder['id']}`) already uses that lookup key."
            raise StripeError(message, param="lookup_key")
        call.books.save(holder | {"lookup_key": None}, "price.updated")
    return _changed(price, call, "active", "lookup_key", "metadata")


def create_meter(call: Call) -> Json:
    name = call.params["event_name"]
    if call.books.all("billing.meter", event_name=name, status="active"):
        raise StripeError(f"An active meter already has the event name {name}.", param="event_name")
    made = meters.meter(call.books.now, **only(call.params, *_METER))
    return call.books.save(made, "billing.meter.created")


def create_portal(call: Call) -> Json:
    """Never the account's default, which only its dashboard makes."""
    portal = {
        **objects.blank(
            stripe.billing_portal.Configuration,
            "billing_portal.configuration",
            objects.new_id("bpc"),
            call.books.now,
        ),
        "active": True,
        "features": {},
        "is_default": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "updated": call.books.now,
    }
    return call.books.save(_changed(portal, call, *_PORTAL), "billing_portal.configuration.created")


def update_portal(call: Call) -> Json:
    portal = _changed(call.of_path("billing_portal.configuration"), call, *_PORTAL)
    return call.books.save(portal, "billing_portal.configuration.updated")


def create_endpoint(call: Call) -> Json:
    """Told nothing: the stand-in's events go to the one endpoint that it was started with."""
    endpoint = {
        **objects.blank(
            stripe.WebhookEndpoint, "webhook_endpoint", objects.new_id("we"), call.books.now
        ),
        "metadata": {},
        "status": "enabled",
    }
    del endpoint["secret"]
    endpoint = call.books.save(_changed(endpoint, call, *_ENDPOINT))
    return endpoint | {"secret": objects.new_id("whsec")}


def update_endpoint(call: Call) -> Json:
    endpoint = _changed(call.of_path("webhook_endpoint"), call, *_ENDPOINT)
    if "disabled" in call.params:
        endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    return call.books.save(endpoint)


def _changed(thing: Json, call: Call, *names: str) -> Json:
    """Metadata and a portal's features are given one by one, all else as a whole."""
    given = {name: None if value == "" else value for name, value in call.params.items()}
    given = only(given, *names)
    if "metadata" in call.params:
        given["metadata"] = merged(thing["metadata"], call.params["metadata"])
    if "features" in given:
        given["features"] = {**thing["features"], **given["features"]}
    return thing | given


def _listed(kind: str, *filters: str) -> Callable[[Call], Json]:
    return lambda call: page(
        call.path, call.books.all(kind, **only(call.params, *filters)), call.params
    )


Row = tuple[str, type, Callable[[Call], Json], tuple[str, ...]]

OPERATIONS: tuple[Row, ...] = (
    ("POST products", requests.ProductCreateParams, create_product, ("id", *_PRODUCT)),
    ("POST products/{id}", requests.ProductUpdateParams, update_product, _PRODUCT),
    (
        "POST prices",
        requests.PriceCreateParams,
        create_price,
        (*_PRICE, "currency", "product", "recurring", "unit_amount", "unit_amount_decimal"),
    ),
    ("POST prices/{id}", requests.PriceUpdateParams, update_price, _PRICE),
    (
        "GET billing/meters",
        billing.MeterListParams,
        _listed("billing.meter", "status"),
        ("status", *_PAGE),
    ),
    ("POST billing/meters", billing.MeterCreateParams, create_meter, _METER),
    (
        "GET billing_portal/configurations",
        billing_portal.ConfigurationListParams,
        _listed("billing_portal.configuration", "active", "is_default"),
        ("active", "is_default", *_PAGE),
    ),
    (
        "POST billing_portal/configurations",
        billing_portal.ConfigurationCreateParams,
        create_portal,
        _PORTAL,
    ),
    (
        "POST billing_portal/configurations/{id}",
        billing_portal.ConfigurationUpdateParams,
        update_portal,
        _PORTAL,
    ),
    (
        "GET webhook_endpoints",
        requests.WebhookEndpointListParams,
        _listed("webhook_endpoint"),
        _PAGE,
    ),
    (
        "POST webhook_endpoints",
        requests.WebhookEndpointCreateParams,
        create_endpoint,
        _ENDPOINT,
    ),
    (
        "POST webhook_endpoints/{id}",
        requests.WebhookEndpointUpdateParams,
        update_endpoint,
        ("disabled", *_ENDPOINT),
    ),
)
