"""The way to pay and back, and the portal."""

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from functions.checkout.refusals import as_problems
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.finish_checkout import finish_checkout
from tollgate.billing.open_portal import open_portal
from tollgate.billing.start_checkout import start_checkout
from tollgate.web.application import application
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import invalid, read_json, read_nothing
from tollgate.web.problems import not_found
from tollgate.web.site import Site

_LONGEST_KEY = 255


class Purchase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    price_key: str


def build(*, billing: Billing, authentication: Authentication, site: Site) -> Starlette:
    def payer(request: Request) -> str:
        return authentication.caller(request).tenant.account_id

    async def start(request: Request) -> Response:
        account_id = await run_in_threadpool(payer, request)
        purchase = await read_json(request, Purchase)
        return await run_in_threadpool(sell, request, account_id, purchase)

    def sell(request: Request, account_id: str, purchase: Purchase) -> Response:
        key, base = _client_key(request), site.base(request)
        with as_problems(), billing.stripe.in_time():
            opened = start_checkout(billing, account_id, purchase.price_key, base, key)
        return JSONResponse(msgspec.to_builtins(opened))

    def finish(request: Request) -> Response:
        account_id = payer(request)
        with as_problems(), billing.stripe.in_time():
            finished = finish_checkout(billing, account_id, request.path_params["id"])
        if finished is None:
            raise not_found()
        return JSONResponse(msgspec.to_builtins(finished))

    async def portal(request: Request) -> Response:
        account_id = await run_in_threadpool(payer, request)
        await read_nothing(request)
        return await run_in_threadpool(enter_portal, request, account_id)

    def enter_portal(request: Request, account_id: str) -> Response:
        with as_problems(), billing.stripe.in_time():
            url = open_portal(billing, account_id, f"{site.base(request)}/")
        return JSONResponse({"url": url})

    routes = [
        Route("/billing/checkout", start, methods=["POST"]),
        Route("/billing/checkout/{id}", finish, methods=["GET"]),
        Route("/billing/portal", portal, methods=["POST"]),
    ]
    return application(routes, site)


def _client_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise invalid("", f"An Idempotency-Key has 1 to {_LONGEST_KEY} characters.")
    return key
