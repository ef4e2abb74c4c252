"""Stripe on a laptop, as one ASGI app: API, hosted pages and control routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

from starlette.applications import Starlette
from starlette.routing import Route

from local.clock import Clock
from local.stripe.api import OPERATIONS
from local.stripe.control import Control
from local.stripe.gateway import Gateway
from local.stripe.hosted import Hosted
from local.stripe.portal import Portal
from local.stripe.stand_in import StandIn
from local.stripe.store import Store
from local.stripe.webhooks import Sender
from tollgate.catalogue import Catalogue


def build(
    *,
    clock: Clock,
    state: Path,
    catalogue: Catalogue,
    webhook_url: str,
    webhook_secret: str,
    key: str,
    delay_ms: int,
) -> Starlette:
    store = Store(state)
    sender = Sender(store, webhook_url, webhook_secret)
    stand_in = StandIn(store, clock, sender, catalogue)
    stand_in.seed()
    gateway = Gateway(stand_in, key, delay_ms)
    hosted = Hosted(stand_in)
    portal = Portal(stand_in)
    control = Control(stand_in, gateway)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        sending = asyncio.create_task(sender.run())
        yield
        sending.cancel()
        with suppress(asyncio.CancelledError):
            await sending
        store.close()

    api = [
        Route(each.path, partial(gateway.call, each), methods=[each.method]) for each in OPERATIONS
    ]
    return Starlette(
        lifespan=lifespan,
        routes=[
            *api,
            Route("/v1/{rest:path}", gateway.unknown, methods=["GET", "POST", "DELETE"]),
            Route("/v2/{rest:path}", gateway.unknown, methods=["GET", "POST", "DELETE"]),
            Route("/pay/{id}", hosted.show_checkout, methods=["GET"]),
            Route("/pay/{id}", hosted.pay, methods=["POST"]),
            Route("/portal/{id}", portal.show, methods=["GET"]),
            Route("/portal/{id}", portal.manage, methods=["POST"]),
            Route("/control/events", control.events, methods=["GET"]),
            Route("/control/events/{id}/redeliver", control.redeliver, methods=["POST"]),
            Route("/control/disputes", control.open_dispute, methods=["POST"]),
            Route("/control/disputes/{id}", control.move_dispute, methods=["POST"]),
            Route("/control/refunds/{id}/fail", control.fail_refund, methods=["POST"]),
            Route("/control/webhooks", control.disturb, methods=["POST"]),
            Route("/control/dunning", control.set_exhausted, methods=["POST"]),
            Route("/control/tick", control.tick, methods=["POST"]),
            Route("/control/requests", control.requests, methods=["GET"]),
            Route("/control/reset", control.reset, methods=["POST"]),
        ],
    )
