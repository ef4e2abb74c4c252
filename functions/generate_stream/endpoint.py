"""One generation, from its request to its response; refusals come before the first byte."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response

from functions.generate_stream.event_response import EventResponse, until_gone
from functions.generate_stream.refusals import translated
from tollgate.catalogue import Catalogue
from tollgate.generation import ui_stream
from tollgate.generation.generate import Generate
from tollgate.generation.order import Body, order
from tollgate.quota.admission import Hint, Visitor
from tollgate.quota.gate import LONGEST_RUN
from tollgate.quota.spend import SpendSwitch
from tollgate.tenancy.ids import new_id
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import read_json
from tollgate.web.rate_limits import rate_limit_headers
from tollgate.web.request_id import adapter_header
from tollgate.web.site import Site

_BODY_LIMIT = 4 * 1024 * 1024
_RESERVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class GenerateEndpoint:
    catalogue: Catalogue
    authentication: Authentication
    generate: Generate
    spend: SpendSwitch
    site: Site
    clock: Callable[[], datetime]

    async def post(self, request: Request) -> Response:
        session = self.authentication.carried(request)
        body = await read_json(request, Body, _BODY_LIMIT)
        with translated(self.catalogue.per_minute, self.clock(), self.site.base(request)):
            wanted = order(body, self.catalogue)
            visitor = Visitor(session.account, session.user, session.id, new_id("gen"))
            hint = Hint(session.plan, session.anchor, session.version)
            if not self.spend.is_fresh():
                await run_sync(self.spend.refresh)
            self.spend.check()
            generation = await self.generate.start(
                visitor, hint, wanted, _seconds_left(request), partial(until_gone, request.receive)
            )
        gate = generation.admitted.gate
        headers = rate_limit_headers(gate, self.catalogue.per_minute, self.clock())
        response = EventResponse(generation.parts, {**ui_stream.HEADERS, **headers})
        self.authentication.renew(request, response, session, gate.tenant)
        return response


def _seconds_left(request: Request) -> float:
    """Until three seconds before the function is ended, which is time to settle and to end well."""
    context = adapter_header(request.scope, "x-amzn-lambda-context")
    deadline = context.get("deadline") or context.get("deadline_ms")
    longest = LONGEST_RUN.total_seconds()
    left = deadline / 1000 - time.time() if isinstance(deadline, int) else longest
    return min(left, longest) - _RESERVE_SECONDS
