"""The page where a checkout is paid."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from local.stripe import authentication, cards, lifecycle
from local.stripe.books import Books
from local.stripe.page import PATIENCE_SECONDS, draw, form_of
from local.stripe.stand_in import StandIn
from local.stripe.wire import Json, StripeError

PROMOTION_CODE = "FREE100"
"""Takes all off the first invoice, where the checkout allows codes."""


class Hosted:
    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in

    async def show_checkout(self, request: Request) -> Response:
        with self._stand_in.books() as books:
            return _checkout_page(books, request.path_params["id"])

    async def pay(self, request: Request) -> Response:
        """A repeated POST after the payment is sent on to the success address again."""
        form = await form_of(request)
        with self._stand_in.books() as books:
            session = books.store.get("checkout.session", request.path_params["id"])
            if session is None or session["status"] == "expired":
                return _checkout_page(books, request.path_params["id"])
            if session["status"] == "open":
                try:
                    _pay(books, session, form)
                except StripeError as refusal:
                    return _checkout_page(books, session["id"], str(refusal), refusal.status)
        await self._stand_in.sender.settle(PATIENCE_SECONDS)
        paid = session["status"] == "complete"
        return RedirectResponse(_success_url(session) if paid else request.url.path, 303)


def _pay(books: Books, session: Json, form: dict[str, str]) -> None:
    """Once, or in two steps where the card's owner is asked between them."""
    order = books.get("order", session["id"])
    if order["challenged"] and form.get("authentication") == "fail":
        raise authentication.fail(books, session)
    if order["challenged"] and form.get("authentication") == "complete":
        lifecycle.complete(books, session, order["challenged"])
        return
    _redeem(session, order, form.get("code", ""))
    number = _card(session, form)
    if number == cards.CHALLENGED:
        authentication.ask(books, session, number)
    else:
        lifecycle.complete(books, session, number)


def _redeem(session: Json, order: Json, code: str) -> None:
    """The first invoice costs nothing, where there is none yet; the next cost what they cost."""
    if not code:
        return
    known = session["allow_promotion_codes"] and code == PROMOTION_CODE
    if not known or order["subscription"]:
        raise StripeError("This code is invalid.", code="resource_missing", status=402)
    total = session["amount_subtotal"]
    session |= {
        "amount_total": 0,
        "total_details": {"amount_discount": total, "amount_shipping": 0, "amount_tax": 0},
    }


def _card(session: Json, form: dict[str, str]) -> str | None:
    """None where nothing is due and the merchant asks for a card only then."""
    if _needs_card(session) or form.get("card"):
        return cards.accepted(form.get("card", ""))
    return None


def _needs_card(session: Json) -> bool:
    return bool(session["amount_total"] or session["payment_method_collection"] == "always")


def _checkout_page(
    books: Books, session_id: str, problem: str | None = None, status: int = 200
) -> Response:
    session = books.store.get("checkout.session", session_id)
    if session is None:
        return draw("gone.html", 404, title="There is no such checkout", link=None)
    if session["status"] == "complete":
        link = _success_url(session)
        return draw("gone.html", 200, title="This checkout is paid", link=link)
    if session["status"] == "expired":
        link = session["cancel_url"]
        return draw("gone.html", 410, title="This checkout has expired", link=link)
    order = books.get("order", session_id)
    product = books.get("product", order["price"]["product"])
    if order["challenged"]:
        number = order["challenged"]
        return draw("challenge.html", status, session=session, product=product, number=number)
    return draw(
        "checkout.html",
        status,
        session=session,
        order=order,
        product=product,
        cards=cards.CARDS + cards.CHALLENGES + cards.DEBITS,
        needs_card=_needs_card(session),
        code=PROMOTION_CODE if session["allow_promotion_codes"] else None,
        problem=problem,
    )


def _success_url(session: Json) -> str:
    url: str = session["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session["id"])
