"""Stripe's post to the webhook's function, signed, without a socket."""

import json
from typing import Any

from local.stripe.wire import Json
from tests.integration.billing_service import sign


async def post(app: Any, event: Json) -> tuple[int, str]:
    """The status and the outcome, or the problem's code."""
    body = json.dumps(event).encode()
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(_scope(sign(body)), receive, send)
    answer = json.loads(b"".join(each.get("body", b"") for each in sent[1:]))
    return sent[0]["status"], answer.get("outcome") or answer["code"]


def _scope(signature: str) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "server": ("tollgate.test", 80),
        "client": ("stripe.test", 1),
        "path": "/webhooks/stripe",
        "raw_path": b"/webhooks/stripe",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"stripe-signature", signature.encode())],
    }
