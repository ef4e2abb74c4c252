"""POST /generate: guarded, admitted in one write, relayed as it comes, settled whatever happens.

Beside it the stop of a generation.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Lifespan

from functions.generate_stream.endpoint import GenerateEndpoint
from functions.generate_stream.stop import StopEndpoint
from tollgate.catalogue import Catalogue
from tollgate.generation.generate import Generate
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Admission
from tollgate.quota.spend import SpendSwitch
from tollgate.table.client import Table
from tollgate.web.application import application
from tollgate.web.authentication import Authentication
from tollgate.web.site import Site


def build(
    *,
    table: Table,
    catalogue: Catalogue,
    authentication: Authentication,
    providers: Providers,
    refresh: Callable[[str], None],
    site: Site,
    clock: Callable[[], datetime],
) -> Starlette:
    """`refresh(account_id)` brings a gate whose entitlement has ended up to date with billing."""
    admission = Admission(table, catalogue, clock, refresh)
    generate = Generate(Ledger(table, catalogue, clock), admission, providers)
    spend = SpendSwitch(table, catalogue.daily_spend_cap, clock)
    endpoint = GenerateEndpoint(catalogue, authentication, generate, spend, site, clock)
    stop = StopEndpoint(table, authentication, clock)
    routes = [
        Route("/generate", endpoint.post, methods=["POST"]),
        Route("/generate/{id}/stop", stop.post, methods=["POST"]),
        Route("/ready", _ready),
    ]
    return application(routes, site, lifespan=_prepared(providers, catalogue))


async def _ready(_: Request) -> Response:
    """The adapter's readiness check; the gateway has no way here."""
    return Response(status_code=204)


def _prepared(providers: Providers, catalogue: Catalogue) -> Lifespan[Starlette]:
    """Imports the default model's SDK beside the first requests: none but a generation waits."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        default = catalogue.route(catalogue.aliases[0], catalogue.lowest.id)[0].provider
        preloading = asyncio.create_task(asyncio.to_thread(providers.preload, default))
        yield
        await preloading
        await providers.aclose()

    return lifespan
