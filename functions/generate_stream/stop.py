"""POST /generate/{id}/stop: 202 for the caller's own generation, whether it still runs or not."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from tollgate.quota.admission import SessionEnded, Visitor
from tollgate.quota.stop import stop
from tollgate.table.client import Table
from tollgate.tenancy.ids import is_id
from tollgate.web.authentication import Authentication
from tollgate.web.problems import not_found, unauthenticated


@dataclass(frozen=True, slots=True)
class StopEndpoint:
    table: Table
    authentication: Authentication
    clock: Callable[[], datetime]

    def post(self, request: Request) -> Response:
        session = self.authentication.caller(request).session
        generation_id: str = request.path_params["id"]
        if not is_id("gen", generation_id):
            raise not_found()
        visitor = Visitor(session.account, session.user, session.id, generation_id)
        try:
            known = stop(self.table, visitor, self.clock())
        except SessionEnded:
            raise unauthenticated() from None
        if not known:
            raise not_found()
        return Response(status_code=202)
