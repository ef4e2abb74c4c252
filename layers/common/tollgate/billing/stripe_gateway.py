"""The only module that talks to Stripe: our words outward, Stripe's inward.

Whatever goes wrong there is one fact to callers, `BillingUnavailable`; what does not exist is None.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec
import stripe

from tollgate.billing.charges import Contested
from tollgate.billing.checkout import (
    Answered,
    BillingUnavailable,
    Checkout,
    CheckoutSession,
    InProgress,
    Refused,
)
from tollgate.billing.checkout_wire import checkout_session, session_params
from tollgate.billing.stripe_listing import (
    PAGE,
    Customer,
    SubscribedPage,
    TakenBackPage,
    contested,
    disputed_page,
    refunded_page,
    subscribed_page,
    subscriptions_of,
)
from tollgate.billing.subscription import Subscription
from tollgate.logs import logger, raise_alarm

if TYPE_CHECKING:
    from stripe.params import SubscriptionUpdateParamsItem
    from stripe.params.checkout import SessionListParams

    from tollgate.settings import Settings

_CONNECT_SECONDS, _READ_SECONDS = 1, 3
_PAGE_READ_SECONDS = 15
"""A page of everybody's is a hundred, with three more in each, and no person waits for it."""
_PATIENCE_SECONDS = 5.5
"""No call starts later than this, so that with its time-outs a request ends within ten seconds."""
_CHARGES_SECONDS = 2.5
_RETRIES = 2
_IN_PROGRESS, _TOO_MANY = 409, 429

_ends: ContextVar[float | None] = ContextVar("stripe_patience_ends", default=None)

T = TypeVar("T")


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
        """All calls inside share one patience, retries included; within another, what is left."""
        ends, outer = time.monotonic() + patience_seconds, _ends.get()
        token = _ends.set(ends if outer is None else min(ends, outer))
        try:
            yield
        finally:
            _ends.reset(token)

    def create_customer(self, account_id: str, email: str, name: str, answered: int = 0) -> str:
        """The customer's id: the same one however often and at once this is asked for.

        `answered` grows with each answer of no more use, since Stripe repeats its answer to a key:
        the last customer, though it was deleted, or a refusal whose cause is mended.
        """
        key = f"customer-{account_id}-{answered}" if answered else f"customer-{account_id}"
        customer = self._ask(
            lambda client: client.v1.customers.create(
                {"email": email, "name": name, "metadata": {"account_id": account_id}},
                {"idempotency_key": key},
            )
        )
        return self._found(customer).id

    def customer(self, customer_id: str) -> Customer | None:
        """None where it does not exist; one that was deleted belongs to no account."""
        found = self._ask(lambda client: client.v1.customers.retrieve(customer_id))
        if found is None:
            return None
        if getattr(found, "deleted", False):
            return Customer(found.id, None, is_deleted=True)
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
            raise Refused(f"Stripe has no active price {key}")
        return found[0].id

    def open_checkout(self, checkout: Checkout, idempotency_key: str) -> CheckoutSession:
        session = self._ask(
            lambda client: client.v1.checkout.sessions.create(
                session_params(checkout), {"idempotency_key": idempotency_key}
            )
        )
        return checkout_session(self._found(session))

    def open_checkouts(self, customer_id: str) -> list[CheckoutSession]:
        """Every one that the customer could pay at this moment."""
        asked: SessionListParams = {"customer": customer_id, "status": "open", "limit": PAGE}
        found = self._ask(
            lambda client: [
                checkout_session(each)
                for each in client.v1.checkout.sessions.list(asked).auto_paging_iter()
            ]
        )
        return found or []

    def expire_checkout(self, session_id: str) -> bool:
        """False where it was paid before this came."""
        try:
            self._ask(lambda client: client.v1.checkout.sessions.expire(session_id))
        except BillingUnavailable:
            session = self.checkout(session_id)
            if session is None or session.status == "open":
                raise
            return session.status != "complete"
        return True

    def checkout(self, session_id: str) -> CheckoutSession | None:
        session = self._ask(lambda client: client.v1.checkout.sessions.retrieve(session_id))
        return None if session is None else checkout_session(session)

    def portal_url(self, customer_id: str, return_url: str) -> str:
        session = self._ask(
            lambda client: client.v1.billing_portal.sessions.create(
                {"customer": customer_id, "return_url": return_url}
            )
        )
        return self._found(session).url

    def subscriptions(self, customer_id: str) -> list[Subscription]:
        """Every one that the customer ever had, every page."""
        found = self._ask(lambda client: subscriptions_of(client, customer_id))
        return [] if found is None else found

    def everybody(self, after: str | None) -> SubscribedPage | None:
        """Everybody's subscriptions, a page; None where that of `after` is gone."""
        return self._ask(lambda client: subscribed_page(client, after), page=True)

    def refunded(self, since: datetime, after: str | None) -> TakenBackPage | None:
        """Everybody's refunds since then, a page; None where that of `after` is gone."""
        return self._ask(lambda client: refunded_page(client, since, after), page=True)

    def disputed(self, since: datetime, after: str | None) -> TakenBackPage | None:
        """Everybody's disputes, in the same way."""
        return self._ask(lambda client: disputed_page(client, since, after), page=True)

    def customer_of_charge(self, charge_id: str) -> str | None:
        """None where there is no such charge, and where nobody is named by it."""
        charge = self._ask(lambda client: client.v1.charges.retrieve(charge_id))
        customer = charge.customer if charge else None
        return customer if customer is None or isinstance(customer, str) else customer.id

    def charges(self, customer_id: str, since: datetime) -> Contested:
        """Those of which something was refunded or disputed, with all of that.

        In a part of the patience: what else there is to ask must not wait for them in vain.
        """
        with self.in_time(_CHARGES_SECONDS):
            found = self._ask(lambda client: contested(client, customer_id, since))
        return found or Contested(())

    def cancel(self, subscription_id: str) -> None:
        """At once. Whether money goes back is for a person to decide.

        Harmless to repeat: Stripe takes no idempotency key here, and finds no live one again.
        """
        self._ask(lambda client: client.v1.subscriptions.cancel(subscription_id))

    def end_trial(self, subscription_id: str) -> None:
        """Now, with the first charge."""
        key = f"end-trial-{subscription_id}"
        self._ask(
            lambda client: client.v1.subscriptions.update(
                subscription_id, {"trial_end": "now"}, {"idempotency_key": key}
            )
        )

    def change_items(
        self,
        subscription_id: str,
        added_price: str | None,
        removed_items: Iterable[str],
        idempotency_key: str,
    ) -> None:
        """What is added begins now; what a removed one has counted is on the next invoice.

        Errors: `Refused`, as for an item that is there already.
        """
        items: list[SubscriptionUpdateParamsItem] = [
            {"id": each, "deleted": True} for each in removed_items
        ]
        if added_price is not None:
            items.append({"price": added_price})
        self._ask(
            lambda client: client.v1.subscriptions.update(
                subscription_id,
                {"items": items, "proration_behavior": "create_prorations"},
                {"idempotency_key": idempotency_key},
            )
        )

    @cached_property
    def _client(self) -> "stripe.StripeClient":
        """Made when first asked for: most of the SDK, which refused and repeated events skip."""
        return self._connect(_READ_SECONDS)

    @cached_property
    def _page_client(self) -> "stripe.StripeClient":
        return self._connect(_PAGE_READ_SECONDS)

    def _connect(self, read_seconds: float) -> "stripe.StripeClient":
        if self._key is None:
            _tell("no_key")
            raise BillingUnavailable("there is no Stripe key")
        return stripe.StripeClient(
            self._key,
            max_network_retries=_RETRIES,
            base_addresses={"api": self._base} if self._base else {},
            http_client=self._http or PatientClient(timeout=(_CONNECT_SECONDS, read_seconds)),
        )

    def _ask(self, call: "Callable[[stripe.StripeClient], T]", *, page: bool = False) -> T | None:
        """None where Stripe says that there is no such object."""
        try:
            return call(self._page_client if page else self._client)
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
            raise Answered("resource_missing")
        return answer


class PatientClient(stripe.RequestsClient):
    """Sends nothing after the request's patience has ended; the SDK bounds each try only."""

    def request(self, *args: Any, **kwargs: Any) -> Any:
        ends = _ends.get()
        if ends is not None and time.monotonic() > ends:
            raise stripe.APIConnectionError("no time left")  # type: ignore[no-untyped-call]  # the SDK's own class has no types
        return super().request(*args, **kwargs)


def _fault(error: "stripe.StripeError") -> BillingUnavailable:
    kind = type(error).__name__
    _tell(kind, status=error.http_status, code=error.code, stripe_request_id=error.request_id)
    if isinstance(error, stripe.InvalidRequestError):
        return Refused(kind)
    if error.http_status == _IN_PROGRESS:
        return InProgress(kind)
    nothing_came = error.http_status in {None, _TOO_MANY}
    return BillingUnavailable(kind) if nothing_came else Answered(kind)


def _tell(kind: str, **facts: str | int | None) -> None:
    """Enough for an operator to find it at Stripe, and nothing that a person typed: callers answer
    one and the same 503 whatever it was.
    """
    logger().warning("stripe_fault", extra={"kind": kind, **facts})
