"""Stripe's wire format: bracketed form fields in, error objects out.

The errors are those of docs.stripe.com/api/errors and /error-codes.
"""

import re
from collections.abc import Iterable
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]
Field: TypeAlias = "str | Form"
Form: TypeAlias = "dict[str, Field]"
"""Fields as they came: lists are still mappings from "0", "1", …, for only a schema can tell."""

_FIELD = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class StripeError(Exception):
    """A refusal in Stripe's own words; without `code` Stripe sends none either."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        status: int = 400,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        named = {"code": code, "param": param, "message": message, "type": kind}
        self.body: Json = {"error": {name: value for name, value in named.items() if value}}


def missing(what: str, object_id: str, *, param: str = "id", status: int = 404) -> StripeError:
    """Stripe answers 404 for an id in the path, and 400 for one in a parameter."""
    message = f"No such {what}: '{object_id}'"
    return StripeError(message, param=param, code="resource_missing", status=status)


def decode(fields: Iterable[tuple[str, str]]) -> Form:
    """`items[0][price]=x` becomes {"items": {"0": {"price": "x"}}}; `key[]=x` counts by itself."""
    form: Form = {}
    for name, value in fields:
        match = _FIELD.fullmatch(name)
        if match is None:
            raise StripeError(f"Invalid parameter name: {name}", param=name)
        node = form
        *path, last = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])]
        for part in path:
            child = node.setdefault(part or str(len(node)), {})
            if isinstance(child, str):
                raise StripeError(f"Invalid object: {name}", param=name)
            node = child
        node[last or str(len(node))] = value
    return form
