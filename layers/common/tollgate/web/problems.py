"""Refusals as RFC 9457 problem details, with the contract's stable `code`s."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from tollgate.web.request_id import request_id

TITLES = {
    "account_exists": "Another sign-in owns this address",
    "account_suspended": "The account is suspended",
    "admission_unavailable": "The quota store is out of reach",
    "already_subscribed": "There is a subscription already",
    "billing_unavailable": "Billing is out of reach",
    "body_too_large": "The body is too large",
    "cross_site_request": "The request came from another site",
    "idempotency_mismatch": "The idempotency key was used for another request",
    "internal_error": "Something failed on our side",
    "invalid_request": "The request is not valid",
    "invalid_return_to": "The return address is not valid",
    "invalid_signature": "The signature is not valid",
    "login_failed": "The sign-in failed",
    "malformed_json": "The body is not JSON",
    "method_not_allowed": "The method is not allowed",
    "no_billing_account": "There is no billing account",
    "not_found": "Not found",
    "plan_required": "A higher plan is needed",
    "prompt_too_large": "The prompt is too large",
    "provider_unavailable": "No model provider answered",
    "quota_exceeded": "The plan's quota is used up",
    "rate_limited": "Too many requests",
    "service_unavailable": "The service is out of reach",
    "spend_cap_reached": "The day's spend cap is reached",
    "too_many_streams": "Too many open streams",
    "unauthenticated": "Sign in first",
    "unknown_blueprint": "No such blueprint",
    "unknown_price": "No such price",
    "unknown_provider": "No such sign-in provider",
}


class Problem(Exception):
    """Ends a request with a refusal; `detail` is a sentence for a person, without secrets."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = dict(headers or {})
        self.extensions = extensions

    def response(self, request: Request) -> Response:
        document = {
            "type": f"/problems/{self.code.replace('_', '-')}",
            "title": TITLES.get(self.code) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id(request.scope),
            **self.extensions,
        }
        return Response(
            msgspec.json.encode(document),
            self.status,
            headers=self.headers,
            media_type="application/problem+json",
        )


def not_found() -> Problem:
    """The same for what does not exist and for what belongs to another account."""
    return Problem(404, "not_found", "There is nothing at this address.")


def unauthenticated() -> Problem:
    return Problem(401, "unauthenticated", "Sign in to go on.")
