"""One id per request: API Gateway's where there is one, never the client's."""

import uuid
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.types import Scope

_KEY = "tollgate.request_id"


def gateway_context(scope: Scope) -> dict[str, Any]:
    """API Gateway's requestContext: from Mangum's event, or from the header that Lambda Web Adapter
    overwrites.
    """
    event = scope.get("aws.event")
    if event is not None:
        context: dict[str, Any] = event.get("requestContext", {})
        return context
    return adapter_header(scope, "x-amzn-request-context")


def adapter_header(scope: Scope, name: str) -> dict[str, Any]:
    """One of Lambda Web Adapter's JSON headers; empty where it is missing or not an object.

    Without the adapter, which overwrites them, they are anybody's.
    """
    if not scope.get("tollgate.adapter"):
        return {}
    try:
        return msgspec.json.decode(Headers(scope=scope).get(name, "{}"), type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def request_id(scope: Scope) -> str:
    if _KEY not in scope:
        scope[_KEY] = gateway_context(scope).get("requestId") or f"req_{uuid.uuid4().hex}"
    known: str = scope[_KEY]
    return known
