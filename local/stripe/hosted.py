"""The pages that Stripe hosts: where a checkout is paid and where a subscription is managed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.stripe import lifecycle
from local.stripe.books import LIVE, Books
from local.stripe.stand_in import StandIn
from local.stripe.wire import Json, StripeError

CARDS = (
    ("4242424242424242", "Pays, now and at every renewal"),
    (lifecycle.ATTACHES_ONLY, "Pays now, fails at the first renewal"),
    ("4000000000000002", "Is declined"),
)
_DECLINED = CARDS[2][0]
_PATIENCE_SECONDS = 1.0
"""How long a redirect waits for its webhooks, so that the next request sees what was paid for."""

_pages = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("pages")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Hosted:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def show_checkout(self, request: Request) -> Response:
        with self._stand_in.books() as books:
            return _checkout_page(books, request.path_params["id"])

    async def pay(self, request: Request) -> Response:
        """A repeated POST after the payment is sent on to the success address again."""
        card = await _field(request, "card")
        number = "".join(filter(str.isdecimal, card))
        with self._stand_in.books() as books:
            session = books.store.get("checkout.session", request.path_params["id"])
            if session is None or session["status"] == "expired":
                return _checkout_page(books, request.path_params["id"])
            if session["status"] == "open":
                if number == _DECLINED:
                    return _checkout_page(books, session["id"], "Your card was declined.", 402)
                if number not in dict(CARDS):
                    message = "Your card number is not one of the test cards below."
                    return _checkout_page(books, session["id"], message, 402)
                lifecycle.complete(books, session, number)
        await self._stand_in.sender.settle(_PATIENCE_SECONDS)
        return RedirectResponse(_success_url(session), 303)

    async def show_portal(self, request: Request) -> Response:
        with self._stand_in.books() as books:
            return _portal_page(books, request.path_params["id"])

    async def manage(self, request: Request) -> Response:
        action, key = await _field(request, "action"), await _field(request, "price")
        portal_id = request.path_params["id"]
        try:
            with self._stand_in.books() as books:
                portal = books.store.get("billing_portal.session", portal_id)
                subscription = portal and _subscription_of(books, portal["customer"])
                if not subscription:
                    return _portal_page(books, portal_id, "There is no subscription.", 409)
                _apply(books, subscription, action, key)
        except StripeError as refusal:
            with self._stand_in.books() as books:
                return _portal_page(books, portal_id, str(refusal), refusal.status)
        await self._stand_in.sender.settle(_PATIENCE_SECONDS)
        return RedirectResponse(request.url.path, 303)


def _apply(books: Books, subscription: Json, action: str, key: str) -> None:
    if action in ("cancel", "resume"):
        lifecycle.cancel_at_period_end(books, subscription, action == "cancel")
    elif action == "change":
        [item] = subscription["items"]["data"]
        price = next(iter(books.all("price", lookup_key=key)), None)
        if not key or price is None:
            raise StripeError("There is no such price.")
        lifecycle.change_price(books, subscription, price, item["quantity"], prorate=True)
    else:
        raise StripeError("The action is cancel, resume or change.")
    books.save(subscription, "customer.subscription.updated")


def _checkout_page(
    books: Books, session_id: str, problem: str | None = None, status: int = 200
) -> Response:
    session = books.store.get("checkout.session", session_id)
    if session is None:
        return _page("gone.html", 404, title="There is no such checkout", link=None)
    if session["status"] == "complete":
        link = _success_url(session)
        return _page("gone.html", 200, title="This checkout is paid", link=link)
    if session["status"] == "expired":
        link = session["cancel_url"]
        return _page("gone.html", 410, title="This checkout has expired", link=link)
    order = books.get("order", session_id)
    product = books.get("product", order["price"]["product"])
    return _page(
        "checkout.html",
        status,
        session=session,
        order=order,
        product=product,
        cards=CARDS,
        problem=problem,
    )


def _portal_page(
    books: Books, portal_id: str, problem: str | None = None, status: int = 200
) -> Response:
    portal = books.store.get("billing_portal.session", portal_id)
    if portal is None:
        return _page("gone.html", 404, title="There is no such portal session", link=None)
    customer = books.get("customer", portal["customer"])
    prices = [price for price in reversed(books.all("price")) if price["active"]]
    products = {product["id"]: product["name"] for product in books.all("product")}
    return _page(
        "portal.html",
        status,
        portal=portal,
        customer=customer,
        subscription=_subscription_of(books, customer["id"]),
        invoices=books.all("invoice", customer=customer["id"])[:12],
        prices=prices,
        products=products,
        problem=problem,
    )


def _subscription_of(books: Books, customer_id: str) -> Json | None:
    """The newest live one."""
    mine = books.all("subscription", customer=customer_id)
    return next((each for each in mine if each["status"] in LIVE), None)


def _success_url(session: Json) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])


async def _field(request: Request, name: str) -> str:
    fields = parse_qs((await request.body()).decode())
    return fields.get(name, [""])[0]


def _page(template: str, status: int, **shown: Any) -> Response:
    return HTMLResponse(_pages.get_template(template).render(shown), status)


def _money(amount: int, currency: str) -> str:
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency, f"{currency.upper()} ")
    return f"{sign}{amount // 100:,}.{amount % 100:02}"


def _date(instant: int) -> str:
    moment = datetime.fromtimestamp(instant, UTC)
    return f"{moment.day} {moment:%B %Y}"


_pages.filters |= {"date": _date, "money": _money}
