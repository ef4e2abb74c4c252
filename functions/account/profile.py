"""Who somebody is, what their plan allows, and what is left of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

import tollgate
from functions.account import documents
from tollgate.catalogue import Catalogue
from tollgate.quota.gate import Gate
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.records import Account, User
from tollgate.web.authentication import Authentication, Caller
from tollgate.web.problems import unauthenticated


@dataclass(frozen=True, slots=True)
class ProfileEndpoints:
    """`refresh(account_id)` brings a gate whose entitlement has ended up to date with billing."""

    table: Table
    catalogue: Catalogue
    authentication: Authentication
    refresh: Callable[[str], None]
    clock: Callable[[], datetime]

    def health(self, _: Request) -> Response:
        self.table.get(keys.health())
        return JSONResponse({"status": "ok", "version": tollgate.__version__})

    def plans(self, _: Request) -> Response:
        plans = self.catalogue.plans.values()
        return JSONResponse(
            {"plans": [documents.plan_document(each, self.catalogue) for each in plans]}
        )

    def me(self, request: Request) -> Response:
        caller = self._current(request)
        now = self.clock()
        user = User.read(self.table.get(keys.user(caller.session.user)), now)
        account = Account.read(self.table.get(keys.account(caller.session.account)), now)
        if user is None or account is None:
            raise unauthenticated()
        gate = Gate.of(caller.item)
        return JSONResponse(documents.me_document(user, account, gate, self.catalogue, now))

    def blueprints(self, request: Request) -> Response:
        plan = self._current(request).tenant.limits.plan
        listed = [
            documents.blueprint_document(each, plan, self.catalogue)
            for each in self.catalogue.blueprints.values()
        ]
        return JSONResponse({"blueprints": listed})

    def _current(self, request: Request) -> Caller:
        """The caller under an entitlement that has not ended."""
        caller = self.authentication.caller(request)
        if not Gate.of(caller.item).has_ended(self.clock()):
            return caller
        self.refresh(caller.session.account)
        return self.authentication.caller(request)
