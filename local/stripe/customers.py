"""Customers through the API. A deleted one keeps its id and its history, and takes part in nothing.

Simpler than Stripe in one way: the open checkouts of a deleted customer expire with it.
"""

from local.stripe import lifecycle, objects
from local.stripe.books import ENDED
from local.stripe.call import Call, cleared, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json, missing

FIELDS = ("address", "description", "email", "metadata", "name", "phone", "preferred_locales")


def create_customer(call: Call) -> Json:
    given = cleared(only(call.params, *FIELDS))
    given["metadata"] = merged({}, call.params.get("metadata", {}))
    customer = objects.customer(call.books.now, **given)
    return call.books.save(customer, "customer.created")


def update_customer(call: Call) -> Json:
    customer = _undeleted(call)
    metadata = merged(customer["metadata"], call.params.get("metadata", {}))
    customer |= {**cleared(only(call.params, *FIELDS)), "metadata": metadata}
    return call.books.save(customer, "customer.updated")


def list_customers(call: Call) -> Json:
    found = call.books.all("customer", deleted=None, **only(call.params, "email"))
    return page(call.path, found, call.params)


def delete_customer(call: Call) -> Json:
    """Cancels every subscription at once, each with an event of its own before the customer's."""
    books, customer = call.books, _undeleted(call)
    for session in books.all("checkout.session", customer=customer["id"], status="open"):
        lifecycle.expire(books, session)
    for subscription in books.all("subscription", customer=customer["id"]):
        if subscription["status"] not in ENDED:
            lifecycle.cancel(books, subscription)
    return books.delete(customer, "customer.deleted")


def _undeleted(call: Call) -> Json:
    customer = call.of_path("customer")
    if customer.get("deleted"):
        raise missing("customer", call.id)
    return customer
