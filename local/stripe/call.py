"""One request to the API, and the habits that all of Stripe's parameters share."""

from dataclasses import dataclass
from typing import Any

from local.stripe.books import Books
from local.stripe.wire import Json, StripeError


@dataclass(frozen=True)
class Call:
    """`origin` is the address that pages are given under; `id` is the path's, if it has one."""

    books: Books
    params: Json
    id: str
    path: str
    origin: str

    def of_path(self, kind: str) -> Json:
        return self.books.get(kind, self.id)


def only(params: Json, *names: str) -> Json:
    return {name: params[name] for name in names if name in params}


def cleared(params: Json) -> dict[str, Any]:
    """Stripe's way to unset a field is to send it empty."""
    return {name: value or None for name, value in params.items()}


def merged(old: dict[str, str], new: dict[str, str] | str) -> dict[str, str]:
    """Keys are added one by one and unset by an empty value; an empty whole unsets all."""
    if isinstance(new, str):
        return {}
    return {name: value for name, value in {**old, **new}.items() if value}


def required(name: str) -> StripeError:
    return StripeError(f"Missing required param: {name}.", param=name, code="parameter_missing")
