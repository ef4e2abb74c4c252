"""The operations of Stripe's API that the stand-in knows, each with the SDK's type of its request.

A parameter that Stripe knows and an operation here would ignore is refused and named:
better to stop the developer than to pretend.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stripe import params as requests
from stripe.params import billing_portal, checkout

from local.stripe import checkouts, objects, subscriptions
from local.stripe.call import Call, cleared, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json


@dataclass(frozen=True)
class Operation:
    """`knows` are the parameters that `run` heeds."""

    method: str
    path: str
    params: type
    run: Callable[[Call], Json]
    knows: frozenset[str]


def create_customer(call: Call) -> Json:
    given = cleared(only(call.params, *_CUSTOMER))
    given["metadata"] = merged({}, call.params.get("metadata", {}))
    customer = objects.customer(call.books.now, **given)
    return call.books.save(customer, "customer.created")


def update_customer(call: Call) -> Json:
    customer = call.of_path("customer")
    metadata = merged(customer["metadata"], call.params.get("metadata", {}))
    customer |= {**cleared(only(call.params, *_CUSTOMER)), "metadata": metadata}
    return call.books.save(customer, "customer.updated")


def list_prices(call: Call) -> Json:
    wanted = only(call.params, "active", "currency", "product", "type")
    keys = call.params.get("lookup_keys")
    found = call.books.all("price", **wanted)
    named = [each for each in found if keys is None or each["lookup_key"] in keys]
    return page(call.path, named, call.params)


def list_events(call: Call) -> Json:
    found = call.books.all("event", **only(call.params, "type"))
    types = call.params.get("types")
    wanted = [each for each in found if types is None or each["type"] in types]
    return page(call.path, wanted, call.params)


def _retrieve(kind: str) -> Callable[[Call], Json]:
    return lambda call: call.of_path(kind)


def _listed(kind: str, *filters: str) -> Callable[[Call], Json]:
    return lambda call: page(
        call.path, call.books.all(kind, **only(call.params, *filters)), call.params
    )


_CUSTOMER = ("address", "description", "email", "metadata", "name", "phone", "preferred_locales")
_PAGE = ("created", "ending_before", "limit", "starting_after")


def _operation(line: str, params: type, run: Callable[[Call], Json], *knows: str) -> Operation:
    method, path = line.split()
    return Operation(method, f"/v1/{path}", params, run, frozenset({*knows, "expand"}))


OPERATIONS = (
    _operation("POST customers", requests.CustomerCreateParams, create_customer, *_CUSTOMER),
    _operation(
        "GET customers", requests.CustomerListParams, _listed("customer", "email"), "email", *_PAGE
    ),
    _operation("GET customers/{id}", requests.CustomerRetrieveParams, _retrieve("customer")),
    _operation("POST customers/{id}", requests.CustomerUpdateParams, update_customer, *_CUSTOMER),
    _operation(
        "GET products", requests.ProductListParams, _listed("product", "active"), "active", *_PAGE
    ),
    _operation("GET products/{id}", requests.ProductRetrieveParams, _retrieve("product")),
    _operation(
        "GET prices",
        requests.PriceListParams,
        list_prices,
        *("active", "currency", "lookup_keys", "product", "type"),
        *_PAGE,
    ),
    _operation("GET prices/{id}", requests.PriceRetrieveParams, _retrieve("price")),
    _operation(
        "POST checkout/sessions",
        checkout.SessionCreateParams,
        checkouts.create_checkout_session,
        *("line_items", "subscription_data", "success_url"),
        *checkouts.ECHOES,
    ),
    _operation(
        "GET checkout/sessions",
        checkout.SessionListParams,
        _listed("checkout.session", "customer", "status", "subscription"),
        *("customer", "status", "subscription"),
        *_PAGE,
    ),
    _operation(
        "GET checkout/sessions/{id}", checkout.SessionRetrieveParams, _retrieve("checkout.session")
    ),
    _operation(
        "POST checkout/sessions/{id}/expire",
        checkout.SessionExpireParams,
        checkouts.expire_checkout_session,
    ),
    _operation(
        "GET checkout/sessions/{id}/line_items",
        checkout.SessionLineItemListParams,
        checkouts.list_line_items,
        *_PAGE,
    ),
    _operation(
        "GET subscriptions",
        requests.SubscriptionListParams,
        subscriptions.list_subscriptions,
        *("customer", "price", "status"),
        *_PAGE,
    ),
    _operation(
        "GET subscriptions/{id}", requests.SubscriptionRetrieveParams, _retrieve("subscription")
    ),
    _operation(
        "POST subscriptions/{id}",
        requests.SubscriptionUpdateParams,
        subscriptions.update_subscription,
        *("cancel_at", "cancel_at_period_end", "items", "metadata", "proration_behavior"),
        "trial_end",
    ),
    _operation(
        "DELETE subscriptions/{id}",
        requests.SubscriptionCancelParams,
        subscriptions.cancel_subscription,
    ),
    _operation(
        "GET invoices",
        requests.InvoiceListParams,
        subscriptions.list_invoices,
        *("customer", "status", "subscription"),
        *_PAGE,
    ),
    _operation("GET invoices/{id}", requests.InvoiceRetrieveParams, _retrieve("invoice")),
    _operation(
        "POST billing_portal/sessions",
        billing_portal.SessionCreateParams,
        checkouts.create_portal_session,
        *("customer", "locale", "return_url"),
    ),
    _operation("GET events", requests.EventListParams, list_events, "type", "types", *_PAGE),
    _operation("GET events/{id}", requests.EventRetrieveParams, _retrieve("event")),
)
