"""What a person may read about themself, and what anyone may read about the plans."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import tollgate
from functions.account import documents
from tollgate.catalogue import Catalogue
from tollgate.generation.conversations import Conversations, Member
from tollgate.quota.gate import Gate
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.records import Account, User
from tollgate.web.application import application
from tollgate.web.authentication import Authentication, Caller
from tollgate.web.bodies import invalid
from tollgate.web.problems import not_found, unauthenticated
from tollgate.web.site import Site

_PAGE, _LONGEST_PAGE = 5, 50
_CURSOR = re.compile(r"[0-9A-Z]{26}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoints:
    table: Table
    catalogue: Catalogue
    authentication: Authentication
    conversations: Conversations
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

    def list_conversations(self, request: Request) -> Response:
        """All that are kept fit one page, so there never is a next one."""
        found = self.conversations.newest_first(self._member(request), self.clock())
        items = [documents.conversation_document(each) for each in found]
        return JSONResponse({"items": items, "next_cursor": None})

    def list_messages(self, request: Request) -> Response:
        member, conversation_id = self._member(request), _conversation_id(request)
        limit, before = _page(request)
        if not self.conversations.exists(member, conversation_id):
            raise not_found()
        found, cursor = self.conversations.messages(
            member, conversation_id, self.clock(), before=before, limit=limit
        )
        items = [documents.message_document(each) for each in found]
        return JSONResponse({"items": items, "next_cursor": cursor})

    def delete_conversation(self, request: Request) -> Response:
        if not self.conversations.delete(self._member(request), _conversation_id(request)):
            raise not_found()
        return Response(status_code=204)

    def _current(self, request: Request) -> Caller:
        """The caller under an entitlement that has not ended."""
        caller = self.authentication.caller(request)
        if not Gate.of(caller.item).has_ended(self.clock()):
            return caller
        self.refresh(caller.session.account)
        return self.authentication.caller(request)

    def _member(self, request: Request) -> Member:
        session = self.authentication.caller(request).session
        return Member(session.account, session.user)


def build(
    *,
    table: Table,
    catalogue: Catalogue,
    authentication: Authentication,
    refresh: Callable[[str], None],
    site: Site,
    clock: Callable[[], datetime],
) -> Starlette:
    """`refresh(account_id)` brings a gate whose entitlement has ended up to date with billing."""
    answer = Endpoints(table, catalogue, authentication, Conversations(table), refresh, clock)
    routes = [
        Route("/healthz", answer.health),
        Route("/me", answer.me),
        Route("/blueprints", answer.blueprints),
        Route("/billing/plans", answer.plans),
        Route("/conversations", answer.list_conversations),
        Route("/conversations/{id}", answer.delete_conversation, methods=["DELETE"]),
        Route("/conversations/{id}/messages", answer.list_messages),
    ]
    return application(routes, site)


def _conversation_id(request: Request) -> str:
    found: str = request.path_params["id"]
    if not _CLIENT_ID.fullmatch(found):
        raise not_found()
    return found


def _page(request: Request) -> tuple[int, str | None]:
    text = request.query_params.get("limit", str(_PAGE))
    if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= _LONGEST_PAGE:
        raise invalid("/limit", f"Expected a number from 1 to {_LONGEST_PAGE}.")
    before = request.query_params.get("before")
    if before is not None and not _CURSOR.fullmatch(before):
        raise invalid("/before", "Expected a cursor of this list.")
    return int(text), before
