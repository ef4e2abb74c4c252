"""Routes that Stripe does not have: the laptop's own, to look inside and to repeat things."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.stripe.gateway import Gateway
from local.stripe.stand_in import StandIn
from local.stripe.webhooks import is_accepted

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

    async def tick(self, request: Request) -> Response:
        """Call it when the clock has moved; answers when the webhooks of that were tried."""
        self._stand_in.catch_up()
        await self._stand_in.sender.settle(_PATIENCE_SECONDS)
        return JSONResponse({"now": self._stand_in.now()})

    async def requests(self, request: Request) -> Response:
        """The newest API calls, oldest first."""
        return JSONResponse({"data": list(self._gateway.log)})

    async def reset(self, request: Request) -> Response:
        self._stand_in.reset()
        self._gateway.log.clear()
        return JSONResponse({"reset": True})
