"""The only module that talks to Stripe: our words outward, Stripe's inward.

Whatever goes wrong there is one fact to callers, `BillingUnavailable`; what does not exist is None.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec
import stripe

from tollgate.billing.checkout import BillingUnavailable, Checkout, CheckoutSession, InProgress
from tollgate.billing.entitlement import Invoice, Item, Subscription
from tollgate.logs import logger, raise_alarm

if TYPE_CHECKING:
    from stripe.params.checkout import SessionCreateParams

    from tollgate.settings import Settings

_CONNECT_SECONDS, _READ_SECONDS = 1, 3
_PATIENCE_SECONDS = 5.5
"""No call starts later than this, so that with its time-outs a request ends within ten seconds."""
_RETRIES = 2
_PAGE = 100
_IN_PROGRESS = 409

_ends: ContextVar[float | None] = ContextVar("stripe_patience_ends", default=None)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Customer:
    id: str
    account_id: str | None


class StripeGateway:
    """Shared by all requests of a process. Without a key every call is `BillingUnavailable`."""

    def __init__(
        self, key: str | None, base: str | None = None, http: "PatientClient | None" = None
    ) -> None:
        """`base` is another address than Stripe's own, `http` another way to it."""
        self._key = key
        self._base = base
        self._http = http

    @classmethod
    def configured(cls, settings: "Settings") -> Self:
        return cls(settings.secret("STRIPE_SECRET_KEY"), settings.optional("STRIPE_API_BASE"))

    @contextmanager
    def in_time(self, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """All calls inside share one patience, retries included."""
        token = _ends.set(time.monotonic() + patience_seconds)
        try:
            yield
        finally:
            _ends.reset(token)

    def create_customer(self, account_id: str, email: str, name: str) -> str:
        """The customer's id: the same one however often and at once this is asked for."""
        customer = self._ask(
            lambda client: client.v1.customers.create(
                {"email": email, "name": name, "metadata": {"account_id": account_id}},
                {"idempotency_key": f"customer-{account_id}"},
            )
        )
        return self._found(customer).id

    def customer(self, customer_id: str) -> Customer | None:
        """None where it does not exist, and where it was deleted."""
        found = self._ask(lambda client: client.v1.customers.retrieve(customer_id))
        if found is None or getattr(found, "deleted", False):
            return None
        metadata = found.metadata.to_dict() if found.metadata else {}
        return Customer(found.id, metadata.get("account_id"))

    def price_id(self, key: str) -> str:
        """Stripe's id of the active price with this lookup key; none is an operator's mistake.

        Asked for each time: an operator may move the key to another price at any moment.
        """
        prices = self._ask(
            lambda client: client.v1.prices.list({"lookup_keys": [key], "active": True})
        )
        found = self._found(prices).data
        if not found:
            raise_alarm("price_missing", price=key)
            raise BillingUnavailable(f"Stripe has no active price {key}")
        return found[0].id

    def open_checkout(self, checkout: Checkout, idempotency_key: str | None) -> CheckoutSession:
        params = _session_params(checkout)
        options: stripe.RequestOptions = (
            {"idempotency_key": idempotency_key} if idempotency_key else {}
        )
        session = self._ask(lambda client: client.v1.checkout.sessions.create(params, options))
        return _checkout_session(self._found(session))

    def checkout(self, session_id: str) -> CheckoutSession | None:
        session = self._ask(lambda client: client.v1.checkout.sessions.retrieve(session_id))
        return None if session is None else _checkout_session(session)

    def portal_url(self, customer_id: str, return_url: str) -> str:
        session = self._ask(
            lambda client: client.v1.billing_portal.sessions.create(
                {"customer": customer_id, "return_url": return_url}
            )
        )
        return self._found(session).url

    def subscriptions(self, customer_id: str) -> list[Subscription]:
        """Every one that the customer ever had, every page."""
        found = self._ask(lambda client: self._all_subscriptions(client, customer_id))
        return [] if found is None else found

    @staticmethod
    def _all_subscriptions(client: "stripe.StripeClient", customer_id: str) -> list[Subscription]:
        pages = client.v1.subscriptions.list(
            {
                "customer": customer_id,
                "status": "all",
                "limit": _PAGE,
                "expand": ["data.latest_invoice"],
            }
        )
        found = []
        for each in pages.auto_paging_iter():
            wire = msgspec.convert(each.to_dict(), _Subscription)
            subscription = wire.neutral(None)
            if subscription.is_overdue:
                subscription = wire.neutral(_oldest_open_invoice(client, each.id))
            found.append(subscription)
        return found

    @cached_property
    def _client(self) -> "stripe.StripeClient":
        """Made when first asked for: most of the SDK, which refused and repeated events skip."""
        if self._key is None:
            _tell("no_key")
            raise BillingUnavailable("there is no Stripe key")
        return stripe.StripeClient(
            self._key,
            max_network_retries=_RETRIES,
            base_addresses={"api": self._base} if self._base else {},
            http_client=self._http or PatientClient(timeout=(_CONNECT_SECONDS, _READ_SECONDS)),
        )

    def _ask(self, call: "Callable[[stripe.StripeClient], T]") -> T | None:
        """None where Stripe says that there is no such object."""
        try:
            return call(self._client)
        except stripe.InvalidRequestError as error:
            if error.code == "resource_missing":
                return None
            raise _fault(error) from error
        except stripe.StripeError as error:
            raise _fault(error) from error
        except msgspec.ValidationError as error:
            _tell("another_shape")
            raise BillingUnavailable(f"an answer of another shape: {error}") from error

    @staticmethod
    def _found(answer: T | None) -> T:
        """Something that the call itself named is gone, a customer for example."""
        if answer is None:
            raise BillingUnavailable("resource_missing")
        return answer


class PatientClient(stripe.RequestsClient):
    """Sends nothing after the request's patience has ended; the SDK bounds each try only."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        ends = _ends.get()
        if ends is not None and time.monotonic() > ends:
            raise stripe.APIConnectionError("no time left")  # type: ignore[no-untyped-call]  # the SDK's own class has no types
        return super().request(*args, **kwargs)


def _session_params(checkout: Checkout) -> "SessionCreateParams":
    account = {"account_id": checkout.account_id}
    params: SessionCreateParams = {
        "mode": "subscription",
        "customer": checkout.customer_id,
        "client_reference_id": checkout.account_id,
        "line_items": [{"price": checkout.price_id, "quantity": 1}],
        "metadata": account,
        "subscription_data": {"metadata": account},
        "success_url": checkout.success_url,
        "cancel_url": checkout.cancel_url,
    }
    if checkout.trial_days:
        params["subscription_data"] = {
            "metadata": account,
            "trial_period_days": checkout.trial_days,
        }
    return params


def _checkout_session(session: "stripe.checkout.Session") -> CheckoutSession:
    return CheckoutSession(
        session.id, session.status or "open", session.client_reference_id, session.url
    )


def _fault(error: "stripe.StripeError") -> BillingUnavailable:
    kind = type(error).__name__
    _tell(kind, status=error.http_status, code=error.code, stripe_request_id=error.request_id)
    return InProgress(kind) if error.http_status == _IN_PROGRESS else BillingUnavailable(kind)


def _tell(kind: str, **facts: str | int | None) -> None:
    """Enough for an operator to find it at Stripe, and nothing that a person typed: callers answer
    one and the same 503 whatever it was.
    """
    logger().warning("stripe_fault", extra={"kind": kind, **facts})


def _oldest_open_invoice(client: "stripe.StripeClient", subscription_id: str) -> "_Invoice | None":
    pages = client.v1.invoices.list(
        {"subscription": subscription_id, "status": "open", "limit": _PAGE}
    )
    wires = (msgspec.convert(each.to_dict(), _Invoice) for each in pages.auto_paging_iter())
    return min(wires, key=lambda wire: wire.created, default=None)


class _Price(msgspec.Struct):
    lookup_key: str | None = None


class _Item(msgspec.Struct):
    price: _Price
    current_period_start: int
    current_period_end: int


class _Items(msgspec.Struct):
    data: list[_Item]


class _Invoice(msgspec.Struct):
    created: int
    status: str | None = None
    billing_reason: str | None = None
    due_date: int | None = None

    def neutral(self) -> Invoice:
        return Invoice(
            status=self.status or "",
            reason=self.billing_reason or "",
            created_at=_instant(self.created),
            due_at=_instant_or_none(self.due_date),
        )


class _PauseCollection(msgspec.Struct):
    behavior: str


class _Subscription(msgspec.Struct):
    id: str
    status: str
    items: _Items
    created: int
    billing_cycle_anchor: int
    cancel_at_period_end: bool
    cancel_at: int | None = None
    trial_end: int | None = None
    pause_collection: _PauseCollection | None = None
    latest_invoice: _Invoice | None = None

    def neutral(self, owed: _Invoice | None) -> Subscription:
        return Subscription(
            id=self.id,
            status=self.status,
            items=tuple(
                Item(
                    each.price.lookup_key,
                    _instant(each.current_period_start),
                    _instant(each.current_period_end),
                )
                for each in self.items.data
            ),
            created_at=_instant(self.created),
            anchor_at=_instant(self.billing_cycle_anchor),
            cancel_at_period_end=self.cancel_at_period_end,
            cancel_at=_instant_or_none(self.cancel_at),
            trial_end=_instant_or_none(self.trial_end),
            paused_collection=self.pause_collection.behavior if self.pause_collection else None,
            invoice=self.latest_invoice.neutral() if self.latest_invoice else None,
            owed=owed.neutral() if owed else None,
        )


def _instant(epoch_seconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)


def _instant_or_none(epoch_seconds: int | None) -> datetime | None:
    return None if epoch_seconds is None else _instant(epoch_seconds)
