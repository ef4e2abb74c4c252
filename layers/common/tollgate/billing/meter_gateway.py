"""The way to Stripe's meters: an event is delivered, or never will be, or may be later."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

import stripe

from tollgate.billing.checkout import BillingUnavailable

if TYPE_CHECKING:
    from tollgate.settings import Settings

_CONNECT_SECONDS, _READ_SECONDS = 1, 3
_RETRIES = 2
_DUPLICATE = "An event already exists with identifier"
"""Stripe has no code for it: https://docs.stripe.com/api/billing/meter-event/create"""


class Undeliverable(Exception):
    """Sending it again would change nothing; the message is a word for an operator."""


@dataclass(frozen=True, slots=True)
class MeterEvent:
    """`value` tokens more, or fewer where negative. `identifier` counts once in 24 hours at
    least; `at` is at most 35 days ago.
    """

    meter: str
    customer_id: str
    value: int
    identifier: str
    at: datetime


class MeterGateway:
    """Shared by all threads of a process. Without a key every call is `BillingUnavailable`."""

    def __init__(self, key: str | None, base: str | None = None) -> None:
        """`base` is another address than Stripe's own."""
        self._key = key
        self._base = base

    @classmethod
    def configured(cls, settings: "Settings") -> Self:
        return cls(settings.secret("STRIPE_SECRET_KEY"), settings.optional("STRIPE_API_BASE"))

    def send(self, event: MeterEvent) -> None:
        """One that Stripe has already is delivered.

        Errors: `Undeliverable`; `BillingUnavailable`, after which it may be delivered all the same.
        """
        try:
            self._client.v1.billing.meter_events.create(
                {
                    "event_name": event.meter,
                    "payload": {
                        "stripe_customer_id": event.customer_id,
                        "value": str(event.value),
                    },
                    "identifier": event.identifier,
                    "timestamp": int(event.at.timestamp()),
                }
            )
        except stripe.InvalidRequestError as error:
            if not (error.user_message or "").startswith(_DUPLICATE):
                raise Undeliverable(error.code or error.param or "refused") from error
        except stripe.StripeError as error:
            raise BillingUnavailable(type(error).__name__) from error

    @cached_property
    def _client(self) -> "stripe.StripeClient":
        if self._key is None:
            raise BillingUnavailable("there is no Stripe key")
        return stripe.StripeClient(
            self._key,
            max_network_retries=_RETRIES,
            base_addresses={"api": self._base} if self._base else {},
            http_client=stripe.RequestsClient(timeout=(_CONNECT_SECONDS, _READ_SECONDS)),
        )
