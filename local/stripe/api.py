"""The operations of Stripe's API that the stand-in knows, each with the SDK's type of its request.

A parameter that Stripe knows and an operation here would ignore is refused and named:
better to stop the developer than to pretend.
"""

from collections.abc import Callable
from dataclasses import dataclass

from stripe import params as requests
from stripe.params import billing, billing_portal, checkout

from local.stripe import (
    charges,
    checkouts,
    customers,
    invoices,
    meters,
    setup_operations,
    subscriptions,
)
from local.stripe.call import Call, only
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


_PAGE = ("created", "ending_before", "limit", "starting_after")


def _operation(line: str, params: type, run: Callable[[Call], Json], *knows: str) -> Operation:
    method, path = line.split()
    return Operation(method, f"/v1/{path}", params, run, frozenset({*knows, "expand"}))


OPERATIONS = (
    _operation(
        "POST customers",
        requests.CustomerCreateParams,
        customers.create_customer,
        *customers.FIELDS,
    ),
    _operation(
        "GET customers", requests.CustomerListParams, customers.list_customers, "email", *_PAGE
    ),
    _operation("GET customers/{id}", requests.CustomerRetrieveParams, _retrieve("customer")),
    _operation(
        "POST customers/{id}",
        requests.CustomerUpdateParams,
        customers.update_customer,
        *customers.FIELDS,
    ),
    _operation("DELETE customers/{id}", requests.CustomerDeleteParams, customers.delete_customer),
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
        *checkouts.KNOWS,
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
        *("cancel_at", "cancel_at_period_end", "items", "metadata", "payment_behavior"),
        *("pause_collection", "proration_behavior", "trial_end"),
    ),
    _operation(
        "POST subscriptions/{id}/resume",
        requests.SubscriptionResumeParams,
        subscriptions.resume_subscription,
    ),
    _operation(
        "DELETE subscriptions/{id}",
        requests.SubscriptionCancelParams,
        subscriptions.cancel_subscription,
        "cancellation_details",
    ),
    _operation(
        "GET invoices",
        requests.InvoiceListParams,
        invoices.list_invoices,
        *("customer", "status", "subscription"),
        *_PAGE,
    ),
    _operation("GET invoices/{id}", requests.InvoiceRetrieveParams, _retrieve("invoice")),
    _operation("POST invoices/{id}/pay", requests.InvoicePayParams, invoices.pay_invoice),
    _operation("POST invoices/{id}/void", requests.InvoiceVoidInvoiceParams, invoices.void_invoice),
    _operation(
        "POST invoices/{id}/mark_uncollectible",
        requests.InvoiceMarkUncollectibleParams,
        invoices.mark_uncollectible,
    ),
    _operation(
        "GET invoice_payments",
        requests.InvoicePaymentListParams,
        charges.list_invoice_payments,
        *("invoice", "payment", "status"),
        *_PAGE,
    ),
    _operation(
        "GET payment_intents/{id}",
        requests.PaymentIntentRetrieveParams,
        _retrieve("payment_intent"),
    ),
    _operation(
        "GET charges",
        requests.ChargeListParams,
        _listed("charge", "customer", "payment_intent"),
        *("customer", "payment_intent"),
        *_PAGE,
    ),
    _operation("GET charges/{id}", requests.ChargeRetrieveParams, _retrieve("charge")),
    _operation(
        "POST refunds",
        requests.RefundCreateParams,
        charges.create_refund,
        *("amount", "charge", "metadata", "payment_intent", "reason"),
    ),
    _operation(
        "GET refunds",
        requests.RefundListParams,
        _listed("refund", "charge", "payment_intent"),
        *("charge", "payment_intent"),
        *_PAGE,
    ),
    _operation("GET refunds/{id}", requests.RefundRetrieveParams, _retrieve("refund")),
    _operation(
        "GET disputes",
        requests.DisputeListParams,
        _listed("dispute", "charge", "payment_intent"),
        *("charge", "payment_intent"),
        *_PAGE,
    ),
    _operation("GET disputes/{id}", requests.DisputeRetrieveParams, _retrieve("dispute")),
    _operation(
        "POST billing_portal/sessions",
        billing_portal.SessionCreateParams,
        checkouts.create_portal_session,
        *("customer", "locale", "return_url"),
    ),
    _operation(
        "POST billing/meter_events",
        billing.MeterEventCreateParams,
        meters.create_meter_event,
        *("event_name", "identifier", "payload", "timestamp"),
    ),
    _operation(
        "GET billing/meters/{id}/event_summaries",
        billing.MeterListEventSummariesParams,
        meters.list_summaries,
        *("customer", "end_time", "start_time"),
    ),
    _operation("GET events", requests.EventListParams, list_events, "type", "types", *_PAGE),
    _operation("GET events/{id}", requests.EventRetrieveParams, _retrieve("event")),
    *(
        _operation(line, params, run, *knows)
        for line, params, run, knows in setup_operations.OPERATIONS
    ),
)
