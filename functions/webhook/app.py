"""Stripe's signed events in; the signature is checked before a byte is believed."""

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tollgate.billing.apply_subscription import Billing
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.receive_event import receive_event
from tollgate.billing.signature import is_signed
from tollgate.web.application import application
from tollgate.web.bodies import read_body
from tollgate.web.problems import Problem
from tollgate.web.site import Site

PATH = "/webhooks/stripe"


def build(*, billing: Billing, site: Site, secrets: Sequence[str], livemode: bool) -> Starlette:
    """`secrets`: several while one is being replaced; with none every delivery is refused."""

    async def receive(request: Request) -> Response:
        body = await read_body(request)
        if not is_signed(body, request.headers.get("stripe-signature"), secrets):
            raise Problem(400, "invalid_signature", "The delivery is not signed by Stripe.")
        outcome = await run_in_threadpool(apply, body)
        return JSONResponse({"received": True, "outcome": outcome})

    def apply(body: bytes) -> str:
        try:
            with billing.stripe.in_time():
                return receive_event(billing, body, livemode=livemode)
        except BillingUnavailable:
            raise Problem(503, "billing_unavailable", "Not applied: send it again.") from None

    return application([Route(PATH, receive, methods=["POST"])], site, unguarded=[PATH])
