"""Routes that Stripe does not have: the laptop's own, to look inside and to repeat things."""

from collections.abc import Callable
from typing import get_args

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.stripe import charges, renewals
from local.stripe.books import Books
from local.stripe.disorder import Disorder, Mode
from local.stripe.gateway import Gateway
from local.stripe.renewals import Exhausted
from local.stripe.stand_in import StandIn
from local.stripe.webhooks import is_accepted
from local.stripe.wire import Json, StripeError

_PATIENCE_SECONDS = 5.0


class Control:
    def __init__(self, stand_in: StandIn, gateway: Gateway) -> None:
        self._stand_in = stand_in
        self._gateway = gateway

    async def events(self, request: Request) -> Response:
        """Whole events, oldest first, each with its `deliveries`."""
        self._stand_in.catch_up()
        return JSONResponse({"object": "list", "data": self._stand_in.deliveries()})

    async def redeliver(self, request: Request) -> Response:
        """200 where the endpoint took it, else 502; with the endpoint's own status and body."""
        event_id = request.path_params["id"]
        if self._stand_in.store.get("event", event_id) is None:
            return JSONResponse({"error": f"there is no event {event_id}"}, 404)
        attempt = await self._stand_in.sender.attempt(event_id)
        return JSONResponse(attempt, 200 if is_accepted(attempt) else 502)

    async def disturb(self, request: Request) -> Response:
        """{"mode": orderly, shuffle, repeat, delay or drop, "seed": n} for events from now on."""
        asked = await request.json()
        mode = asked.get("mode")
        if mode not in get_args(Mode):
            known = ", ".join(get_args(Mode))
            return JSONResponse({"error": f"the modes are {known}"}, 400)
        self._stand_in.sender.disorder = Disorder(mode, asked.get("seed", 0))
        return JSONResponse({"mode": mode, "seed": self._stand_in.sender.disorder.seed})

    async def set_exhausted(self, request: Request) -> Response:
        """{"becomes": canceled, unpaid or past_due} after the last failed attempt at an invoice."""
        becomes = (await request.json()).get("becomes")
        if becomes not in get_args(Exhausted):
            known = ", ".join(get_args(Exhausted))
            return JSONResponse({"error": f"it becomes one of {known}"}, 400)
        renewals.set_exhausted(self._stand_in.store, becomes)
        return JSONResponse({"becomes": becomes})

    async def tick(self, request: Request) -> Response:
        """Call it when the clock has moved; answers when the webhooks of that were tried."""
        self._stand_in.catch_up()
        await self._stand_in.sender.settle(_PATIENCE_SECONDS)
        return JSONResponse({"now": self._stand_in.now()})

    async def open_dispute(self, request: Request) -> Response:
        """{"charge": id, "status": "warning_needs_response" or "needs_response"}."""
        asked = await request.json()
        return await self._done(
            lambda books: charges.open_dispute(books, asked["charge"], asked["status"])
        )

    async def move_dispute(self, request: Request) -> Response:
        """{"status": where to}, as the bank decides."""
        asked = await request.json()
        dispute_id = request.path_params["id"]
        return await self._done(
            lambda books: charges.move_dispute(books, dispute_id, asked["status"])
        )

    async def fail_refund(self, request: Request) -> Response:
        refund_id = request.path_params["id"]
        return await self._done(lambda books: charges.fail_refund(books, refund_id))

    async def _done(self, act: Callable[[Books], Json]) -> Response:
        """What came of it, when its webhooks were tried; a refusal is Stripe's error object."""
        try:
            with self._stand_in.books() as books:
                done = act(books)
        except StripeError as refusal:
            return JSONResponse(refusal.body, refusal.status)
        await self._stand_in.sender.settle(_PATIENCE_SECONDS)
        return JSONResponse(done)

    async def requests(self, request: Request) -> Response:
        """The newest API calls, oldest first."""
        return JSONResponse({"data": list(self._gateway.log)})

    async def reset(self, request: Request) -> Response:
        self._stand_in.reset()
        self._stand_in.sender.disorder = Disorder()
        self._gateway.log.clear()
        return JSONResponse({"reset": True})
