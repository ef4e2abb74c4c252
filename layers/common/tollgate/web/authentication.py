"""Who is asking: the session cookie opened, and its session found on the user's own gate."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollgate.identity.sealing import Sealer
from tollgate.identity.session import PURPOSE, Session
from tollgate.settings import Settings
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy import gate
from tollgate.web.cookies import SealedCookie
from tollgate.web.problems import unauthenticated
from tollgate.web.site import Site

SESSION_COOKIE = "tollgate_session"


@dataclass(frozen=True, slots=True)
class Caller:
    """`item` is the whole gate as it was read."""

    session: Session
    tenant: gate.Tenant
    item: Item


@dataclass(frozen=True, slots=True)
class Authentication:
    """Every refusal is the same 401: no cookie, a tampered, expired, retired or revoked one."""

    cookie: SealedCookie
    table: Table
    clock: Callable[[], datetime]

    @classmethod
    def configured(
        cls, settings: Settings, table: Table, site: Site, clock: Callable[[], datetime]
    ) -> Self:
        sealer = Sealer(settings.secrets("SESSION_KEYS"), PURPOSE)
        return cls(SealedCookie(SESSION_COOKIE, sealer, site), table, clock)

    def carried(self, request: Request) -> Session:
        """The cookie's session, not yet looked up: for admission, which asks the gate in its own
        write.
        """
        session = self.cookie.read(request, Session)
        if session is None or not session.live(self.clock()):
            raise unauthenticated()
        return session

    def renew(
        self, request: Request, response: Response, session: Session, tenant: gate.Tenant
    ) -> None:
        """Puts a changed plan into the cookie, so that the next admission has it right at once."""
        if tenant.version == session.version:
            return
        limits = tenant.limits
        renewed = msgspec.structs.replace(
            session, plan=limits.plan, anchor=limits.anchor, version=tenant.version
        )
        left = gate.instant(session.ends) - self.clock()
        self.cookie.write(request, response, renewed, left)

    def caller(self, request: Request) -> Caller:
        """One consistent read of the gate."""
        session = self.carried(request)
        item = self.table.get(keys.gate(session.account))
        if item is None:
            raise unauthenticated()
        tenant = gate.Tenant.of(item)
        if not tenant.admits(session.id, self.clock()):
            raise unauthenticated()
        return Caller(session, tenant, item)
