"""A member's conversations and their messages, by the page."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from functions.account import documents
from tollgate.generation.conversations import Conversations, Member
from tollgate.web.authentication import Authentication
from tollgate.web.bodies import invalid
from tollgate.web.problems import not_found

_PAGE, _LONGEST_PAGE = 5, 50
_LIMIT = re.compile(r"[0-9]{1,3}")
_CURSOR = re.compile(r"[0-9A-Z]{26}")
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ConversationEndpoints:
    authentication: Authentication
    conversations: Conversations
    clock: Callable[[], datetime]

    def listed(self, request: Request) -> Response:
        """All that are kept fit one page, so there never is a next one."""
        found = self.conversations.newest_first(self._member(request), self.clock())
        items = [documents.conversation_document(each) for each in found]
        return JSONResponse({"items": items, "next_cursor": None})

    def messages(self, request: Request) -> Response:
        member, conversation_id = self._member(request), _conversation_id(request)
        limit, before = _page(request)
        if not self.conversations.exists(member, conversation_id):
            raise not_found()
        found, cursor = self.conversations.messages(
            member, conversation_id, self.clock(), before=before, limit=limit
        )
        items = [documents.message_document(each) for each in found]
        return JSONResponse({"items": items, "next_cursor": cursor})

    def delete(self, request: Request) -> Response:
        if not self.conversations.delete(self._member(request), _conversation_id(request)):
            raise not_found()
        return Response(status_code=204)

    def _member(self, request: Request) -> Member:
        session = self.authentication.caller(request).session
        return Member(session.account, session.user)


def _conversation_id(request: Request) -> str:
    found: str = request.path_params["id"]
    if not _CLIENT_ID.fullmatch(found):
        raise not_found()
    return found


def _page(request: Request) -> tuple[int, str | None]:
    text = request.query_params.get("limit", str(_PAGE))
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= _LONGEST_PAGE:
        raise invalid("/limit", f"Expected a number from 1 to {_LONGEST_PAGE}.")
    before = request.query_params.get("before")
    if before is not None and not _CURSOR.fullmatch(before):
        raise invalid("/before", "Expected a cursor of this list.")
    return int(text), before
