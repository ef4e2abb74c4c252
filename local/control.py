"""`/local/…`: the clock, the schedules and the stand-ins, for tests and for trying things out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.clock import Clock
from local.storage import dump
from tollgate.quota.periods import rfc3339
from tollgate.web.application import application
from tollgate.web.bodies import read_body, read_json
from tollgate.web.problems import not_found
from tollgate.web.site import Site

Schedule = Callable[[dict[str, Any], Any], dict[str, Any]]
_STAND_IN_SECONDS = 30.0


class Advance(msgspec.Struct, forbid_unknown_fields=True):
    advance_seconds: Annotated[int, msgspec.Meta(ge=0, le=10 * 366 * 86_400)]


class Context:
    """A Lambda context that is in no hurry."""

    function_name = "local"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@dataclass(frozen=True, slots=True)
class Control:
    """`stripe` and `models` are the stand-ins' addresses; None where the real service is in their
    place.
    """

    table: str
    clock: Clock
    schedules: Mapping[str, Schedule]
    stripe: str | None
    models: str | None

    def application(self, site: Site) -> Starlette:
        routes = [
            Route("/local/clock", self.advance_clock, methods=["POST"]),
            Route("/local/schedules/{name}", self.fire, methods=["POST"]),
            Route("/local/table", self.table_dump),
            Route("/local/stripe/events", self.stripe_events),
            Route("/local/stripe/events/{id}/redeliver", self.redeliver, methods=["POST"]),
            Route("/local/models/calls", self.model_calls),
            Route("/local/models/faults", self.model_faults, methods=["POST"]),
        ]
        return application(routes, site)

    async def advance_clock(self, request: Request) -> Response:
        wanted = await read_json(request, Advance)
        now = self.clock.advance(wanted.advance_seconds)
        if self.stripe is not None:
            await _forward("POST", f"{self.stripe}/control/tick")
        return JSONResponse({"now": rfc3339(now)})

    async def fire(self, request: Request) -> Response:
        schedule = self.schedules.get(request.path_params["name"])
        if schedule is None:
            raise not_found()
        return JSONResponse(await run_in_threadpool(schedule, {}, Context()))

    def table_dump(self, _: Request) -> Response:
        return JSONResponse({"items": dump(self.table)})

    async def stripe_events(self, _: Request) -> Response:
        return await _forward("GET", f"{self._stripe()}/control/events")

    async def redeliver(self, request: Request) -> Response:
        event = request.path_params["id"]
        return await _forward("POST", f"{self._stripe()}/control/events/{event}/redeliver")

    async def model_calls(self, _: Request) -> Response:
        return await _forward("GET", f"{self._models()}/calls")

    async def model_faults(self, request: Request) -> Response:
        return await _forward("POST", f"{self._models()}/faults", await read_body(request))

    def _stripe(self) -> str:
        if self.stripe is None:
            raise not_found()
        return self.stripe

    def _models(self) -> str:
        if self.models is None:
            raise not_found()
        return self.models


async def _forward(method: str, url: str, body: bytes = b"") -> Response:
    async with httpx2.AsyncClient(timeout=_STAND_IN_SECONDS, trust_env=False) as client:
        answer = await client.request(
            method, url, content=body, headers={"content-type": "application/json"}
        )
    return Response(answer.content, answer.status_code, media_type="application/json")
