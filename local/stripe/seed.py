"""What the catalogue names, as if an operator had made it: products, prices and meters."""

from local.stripe import meters, objects
from local.stripe.books import Books
from local.stripe.wire import Json
from tollgate.catalogue import Catalogue


def seed(books: Books, catalogue: Catalogue) -> None:
    """As the catalogue is now; a changed price is a new one.

    Old subscriptions keep the old price, which loses its lookup key as in Stripe and is still
    known by its metadata.
    """
    for plan in catalogue.plans.values():
        for entry in plan.prices:
            if books.store.get("product", f"prod_{plan.id}") is None:
                books.save(objects.product(plan, books.now))
            _offer(books, objects.price(entry, plan, books.now))
            if plan.overage is not None:
                meter = _meter(books, plan.overage.meter)
                _offer(books, objects.metered_price(entry, plan, plan.overage, meter, books.now))


def _offer(books: Books, wanted: Json) -> None:
    same = ("currency", "product", "recurring", "unit_amount_decimal")
    for old in books.all("price", lookup_key=wanted["lookup_key"]):
        if all(old[name] == wanted[name] for name in same):
            return
        books.save(old | {"active": False, "lookup_key": None})
    books.save(wanted)


def _meter(books: Books, event_name: str) -> str:
    known = books.all("billing.meter", event_name=event_name)
    made: Json = known[0] if known else books.save(meters.meter(books.now, event_name))
    return str(made["id"])
