"""POST /generate: guarded, admitted in one write, relayed as it comes, settled whatever happens."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Lifespan

from functions.generate_stream.event_response import EventResponse
from functions.generate_stream.refusals import translated
from tollgate.catalogue import Catalogue
from tollgate.generation import ui_stream
from tollgate.generation.generate import Generate
from tollgate.generation.order import Body, order
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Admission, Hint, Visitor
from tollgate.quota.gate import LONGEST_RUN
from tollgate.table.client import Table
from tollgate.tenancy.ids import new_id
from tollgate.web.application import application
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import read_json
from tollgate.web.rate_limits import rate_limit_headers
from tollgate.web.request_id import adapter_header
from tollgate.web.site import Site

_BODY_LIMIT = 4 * 1024 * 1024
_RESERVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Endpoints:
    catalogue: Catalogue
    authentication: Authentication
    generate: Generate
    site: Site
    clock: Callable[[], datetime]

    async def post(self, request: Request) -> Response:
        session = self.authentication.carried(request)
        body = await read_json(request, Body, _BODY_LIMIT)
        with translated(self.catalogue.per_minute, self.clock(), self.site.base(request)):
            wanted = order(body, self.catalogue)
            visitor = Visitor(session.account, session.user, session.id, new_id("gen"))
            hint = Hint(session.plan, session.anchor, session.version)
            generation = await self.generate.start(visitor, hint, wanted, _seconds_left(request))
        gate = generation.admitted.gate
        headers = rate_limit_headers(gate, self.catalogue.per_minute, self.clock())
        response = EventResponse(generation.parts, {**ui_stream.HEADERS, **headers})
        self.authentication.renew(request, response, session, gate.tenant)
        return response

    async def ready(self, _: Request) -> Response:
        return Response(status_code=204)


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
    answer = Endpoints(catalogue, authentication, generate, site, clock)
    routes = [
        Route("/generate", answer.post, methods=["POST"]),
        Route("/ready", answer.ready),
    ]
    return application(routes, site, lifespan=_prepared(providers, catalogue))


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


def _seconds_left(request: Request) -> float:
    """Until three seconds before the function is ended: time to settle and to end the stream
    properly.
    """
    context = adapter_header(request.scope, "x-amzn-lambda-context")
    deadline = context.get("deadline") or context.get("deadline_ms")
    longest = LONGEST_RUN.total_seconds()
    left = deadline / 1000 - time.time() if isinstance(deadline, int) else longest
    return min(left, longest) - _RESERVE_SECONDS
