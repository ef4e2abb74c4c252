"""The page where a subscription is managed: cancelled, kept, changed, paid for."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from local.stripe import cards, changes, invoices, lifecycle
from local.stripe.books import ENDED, Books
from local.stripe.page import PATIENCE_SECONDS, draw, form_of
from local.stripe.stand_in import StandIn
from local.stripe.wire import Json, StripeError

_SHOWN_INVOICES = 12


class Portal:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def show(self, request: Request) -> Response:
        with self._stand_in.books() as books:
            return _page(books, request.path_params["id"])

    async def manage(self, request: Request) -> Response:
        form = await form_of(request)
        portal_id = request.path_params["id"]
        try:
            with self._stand_in.books() as books:
                portal = books.store.get("billing_portal.session", portal_id)
                subscription = portal and _subscription_of(books, portal["customer"])
                if not subscription:
                    return _page(books, portal_id, "There is no subscription.", 409)
                _apply(books, subscription, form)
        except StripeError as refusal:
            with self._stand_in.books() as books:
                return _page(books, portal_id, str(refusal), refusal.status)
        await self._stand_in.sender.settle(PATIENCE_SECONDS)
        return RedirectResponse(request.url.path, 303)


def _apply(books: Books, subscription: Json, form: dict[str, str]) -> None:
    action = form.get("action")
    if action in ("cancel", "resume"):
        lifecycle.cancel_at_period_end(books, subscription, action == "cancel")
        books.save(subscription, "customer.subscription.updated")
    elif action == "change":
        _change(books, subscription, form.get("price", ""))
    elif action == "card":
        number = cards.accepted(form.get("card", ""))
        lifecycle.take_card(books, books.get("customer", subscription["customer"]), number)
    elif action == "pay":
        owed = books.all("invoice", customer=subscription["customer"], id=form.get("invoice"))
        if not owed:
            raise StripeError("There is no such invoice.")
        invoices.pay(books, owed[0])
    else:
        raise StripeError("The action is cancel, resume, change, card or pay.")


def _change(books: Books, subscription: Json, key: str) -> None:
    price = next(iter(books.all("price", lookup_key=key)), None)
    if not key or price is None:
        raise StripeError("There is no such price.")
    [item] = subscription["items"]["data"]
    quantity = item["quantity"]
    changes.change_price(
        books, subscription, price, quantity, prorate=True, on_failure="error_if_incomplete"
    )
    books.save(subscription, "customer.subscription.updated")


def _page(books: Books, portal_id: str, problem: str | None = None, status: int = 200) -> Response:
    portal = books.store.get("billing_portal.session", portal_id)
    customer = portal and books.get("customer", portal["customer"])
    if not portal or not customer or customer.get("deleted"):
        return draw("gone.html", 404, title="There is no such portal session", link=None)
    prices = [price for price in reversed(books.all("price")) if price["active"]]
    products = {product["id"]: product["name"] for product in books.all("product")}
    return draw(
        "portal.html",
        status,
        portal=portal,
        customer=customer,
        subscription=_subscription_of(books, customer["id"]),
        invoices=books.all("invoice", customer=customer["id"])[:_SHOWN_INVOICES],
        prices=prices,
        products=products,
        cards=cards.CARDS,
        problem=problem,
    )


def _subscription_of(books: Books, customer_id: str) -> Json | None:
    """The newest that has not ended."""
    mine = books.all("subscription", customer=customer_id)
    return next((each for each in mine if each["status"] not in ENDED), None)
