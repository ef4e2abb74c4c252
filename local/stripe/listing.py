"""Stripe's lists (newest first, with ids as cursors) and its `expand` (objects for ids)."""

from typing import Any

from local.stripe import objects
from local.stripe.books import Books
from local.stripe.wire import Json, StripeError, missing

_LARGEST = 100
_RANGE = {
    "gt": lambda created, bound: created > bound,
    "gte": lambda created, bound: created >= bound,
    "lt": lambda created, bound: created < bound,
    "lte": lambda created, bound: created <= bound,
}


def page(url: str, found: list[Json], params: Json) -> Json:
    """The page of `found` that limit, starting_after, ending_before and created ask for."""
    limit = params.get("limit", 10)
    if not 1 <= limit <= _LARGEST:
        raise StripeError(f"This value must be between 1 and {_LARGEST}.", param="limit")
    if "created" in params:
        found = [each for each in found if _created_in(each, params["created"])]
    if "ending_before" in params:
        newer = found[: _place(found, params, "ending_before")]
        return objects.listing(url, newer[-limit:], has_more=len(newer) > limit)
    if "starting_after" in params:
        found = found[_place(found, params, "starting_after") + 1 :]
    return objects.listing(url, found[:limit], has_more=len(found) > limit)


def _created_in(thing: Json, wanted: int | dict[str, int]) -> bool:
    created = thing["created"]
    if isinstance(wanted, int):
        return bool(created == wanted)
    return all(_RANGE[name](created, bound) for name, bound in wanted.items())


def _place(found: list[Json], params: Json, param: str) -> int:
    for place, each in enumerate(found):
        if each["id"] == params[param]:
            return place
    raise missing("object", params[param], param=param, status=400)


def _line_items(books: Books, session_id: str) -> Json:
    items = books.get("order", session_id)["items"]
    return objects.listing(f"/v1/checkout/sessions/{session_id}/line_items", items)


def _refunds(books: Books, charge_id: str) -> Json:
    """The newest ten, as with every list that stands inside an object."""
    return page(f"/v1/charges/{charge_id}/refunds", books.all("refund", charge=charge_id), {})


def _payments(books: Books, invoice_id: str) -> Json:
    found = books.all("invoice_payment", invoice=invoice_id)
    return page(f"/v1/invoice_payments?invoice={invoice_id}", found, {})


_INNER_LISTS = {
    ("checkout.session", "line_items"): _line_items,
    ("charge", "refunds"): _refunds,
    ("invoice", "payments"): _payments,
}
"""The lists that an object carries only where a request expands them."""


def expand(books: Books, answer: Any, path: str) -> None:
    """In place. A list is walked by `data`; StripeError where there is nothing to expand."""
    nodes = [answer]
    for name in path.split("."):
        inside = [_expanded(books, node, name, path) for node in nodes if node is not None]
        lists = [found if isinstance(found, list) else [found] for found in inside]
        nodes = [each for found in lists for each in found]


def _expanded(books: Books, node: Any, name: str, path: str) -> Any:
    if not isinstance(node, dict):
        raise _not_expandable(path)
    inner = _INNER_LISTS.get((node.get("object", ""), name))
    if inner and name not in node:
        node[name] = inner(books, node["id"])
    if name not in node:
        raise _not_expandable(path)
    if isinstance(node[name], str):
        node[name] = books.find(node[name])
        if node[name] is None:
            raise _not_expandable(path)
    return node[name]


def _not_expandable(path: str) -> StripeError:
    return StripeError(f"This property cannot be expanded ({path}).", param="expand")
