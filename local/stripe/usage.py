"""What was metered, as lines of an invoice.

As in Stripe's flexible billing mode: what a removed item has counted is on the next invoice.
"""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

from local.stripe import billing_objects, meters
from local.stripe.books import Books
from local.stripe.wire import Json


def lines(books: Books, subscription: Json) -> list[Json]:
    """Of the period that ends now, and of items that were removed in it; of a trial none."""
    removed = books.store.get("removed_items", subscription["id"])
    books.store.put("removed_items", subscription["id"], {"lines": []})
    earlier: list[Json] = removed["lines"] if removed else []
    if subscription["status"] == "trialing":
        return earlier
    return [*earlier, *(line(books, subscription, item) for item in _metered(subscription))]


def remove(books: Books, subscription: Json, item: Json, *, bills: bool) -> None:
    """Not saved yet, but for what is to be billed of it."""
    subscription["items"]["data"].remove(item)
    if bills and subscription["status"] != "trialing":
        kept = books.store.get("removed_items", subscription["id"]) or {"lines": []}
        kept["lines"].append(line(books, subscription, item))
        books.store.put("removed_items", subscription["id"], kept)


def line(books: Books, subscription: Json, item: Json) -> Json:
    """Until now, from when the item was added: Stripe bills nothing of before that."""
    start = max(item["current_period_start"], item["created"])
    span = {"current_period_start": start, "current_period_end": books.now}
    made = billing_objects.period_line({**item, **span, "quantity": 0}, 0)
    return _counted(books, made, subscription["customer"])


def recount(books: Books, invoice: Json) -> None:
    """With what came late, as long as it is a draft; not saved yet."""
    found = invoice["lines"]["data"]
    invoice["lines"]["data"] = [_counted(books, each, invoice["customer"]) for each in found]
    billing_objects.add_up(invoice)


def _metered(subscription: Json) -> Iterator[Json]:
    items = subscription["items"]["data"]
    return (each for each in items if billing_objects.is_metered(each["price"]))


def _counted(books: Books, line: Json, customer_id: str) -> Json:
    price = books.get("price", line["pricing"]["price_details"]["price"])
    if not billing_objects.is_metered(price):
        return line
    span, meter = line["period"], price["recurring"]["meter"]
    quantity = meters.counted(books, meter, customer_id, span["start"], span["end"]) or 0
    exact = max(0, quantity) * Decimal(price["unit_amount_decimal"])
    amount = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    return line | {"amount": amount, "quantity": quantity, "subtotal": amount}
