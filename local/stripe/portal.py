"""The page where a subscription is managed: cancelled, kept, changed, paid for."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from local.stripe import billing_objects, cards, changes, invoices, lifecycle
from local.stripe.books import ENDED, Books
from local.stripe.page import PATIENCE_SECONDS, draw, form_of
from local.stripe.stand_in import StandIn
from local.stripe.wire import Json, StripeError

_SHOWN_INVOICES = 12
_DONE = {
    "cancel": "It is cancelled.",
    "resume": "It is not cancelled any more.",
    "change": "The plan is changed.",
    "card": "The card is changed.",
    "pay": "It is paid. Thank you.",
}


class Portal:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def show(self, request: Request) -> Response:
        with self._stand_in.books() as books:
            done = _DONE.get(request.query_params.get("done", ""))
            return _page(books, request.path_params["id"], done=done)

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
        return RedirectResponse(f"{request.url.path}?done={form['action']}", 303)


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
        raise StripeError(f"The action is one of {', '.join(_DONE)}.")


def _change(books: Books, subscription: Json, key: str) -> None:
    price = next(iter(books.all("price", lookup_key=key)), None)
    if not _may_change(subscription):
        raise StripeError("A subscription that has a metered price can only be cancelled here.")
    if not key or price is None or billing_objects.is_metered(price):
        raise StripeError("There is no such price.")
    quantity = billing_objects.plan_item(subscription)["quantity"]
    changes.change_price(
        books, subscription, price, quantity, prorate=True, on_failure="error_if_incomplete"
    )
    books.save(subscription, "customer.subscription.updated")


def _may_change(subscription: Json) -> bool:
    """Stripe's own portal changes no subscription that has several prices or a metered one."""
    return len(subscription["items"]["data"]) == 1


def _page(
    books: Books,
    portal_id: str,
    problem: str | None = None,
    status: int = 200,
    done: str | None = None,
) -> Response:
    portal = books.store.get("billing_portal.session", portal_id)
    customer = portal and books.get("customer", portal["customer"])
    if not portal or not customer or customer.get("deleted"):
        return draw("gone.html", 404, title="There is no such portal session", link=None)
    sold = (price for price in reversed(books.all("price")) if price["active"])
    subscription = _subscription_of(books, customer["id"])
    products = {product["id"]: product["name"] for product in books.all("product")}
    return draw(
        "portal.html",
        status,
        portal=portal,
        customer=customer,
        subscription=subscription,
        item=subscription and billing_objects.plan_item(subscription),
        may_change=subscription and _may_change(subscription),
        invoices=books.all("invoice", customer=customer["id"])[:_SHOWN_INVOICES],
        prices=[each for each in sold if not billing_objects.is_metered(each)],
        products=products,
        card=subscription and _card_of(books, subscription),
        cards=cards.CARDS,
        problem=problem,
        done=done,
    )


def _card_of(books: Books, subscription: Json) -> str | None:
    """What pays for it, as a person knows it."""
    if not subscription["default_payment_method"]:
        return None
    method = books.get("payment_method", subscription["default_payment_method"])
    details = method[method["type"]]
    name: str = details.get("brand") or details["bank_name"]
    return f"{name.title()} •••• {details['last4']}"


def _subscription_of(books: Books, customer_id: str) -> Json | None:
    """The newest that has not ended."""
    mine = books.all("subscription", customer=customer_id)
    return next((each for each in mine if each["status"] not in ENDED), None)
