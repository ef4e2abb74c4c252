"""Ends sessions on the gate itself, so that copies of the cookie end with them."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from tollgate.identity.session import Session
from tollgate.table import keys
from tollgate.table.client import Table, Update
from tollgate.tenancy import gate
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import read_nothing
from tollgate.web.cookies import SealedCookie


@dataclass(frozen=True, slots=True)
class SignOut:
    authentication: Authentication
    cookie: SealedCookie
    table: Table

    async def here(self, request: Request) -> Response:
        session = await self._session(request)
        return await self._ended(request, session, gate.end_session(session.id))

    async def everywhere(self, request: Request) -> Response:
        session = await self._session(request)
        return await self._ended(request, session, gate.end_all_sessions())

    async def _session(self, request: Request) -> Session:
        caller = await run_in_threadpool(self.authentication.caller, request)
        await read_nothing(request)
        return caller.session

    async def _ended(self, request: Request, session: Session, change: Update) -> Response:
        await run_in_threadpool(self.table.update, keys.gate(session.account), change)
        response = Response(status_code=204)
        self.cookie.clear(request, response)
        return response
