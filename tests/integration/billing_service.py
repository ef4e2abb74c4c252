"""Checkout and webhook over a real table and a scripted Stripe, with people who are signed in."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

import httpx2
import stripe as sdk
from starlette.applications import Starlette

import functions.checkout.app
import functions.webhook.app
from tests.integration.billing_stripe import Json, ScriptedStripe
from tests.integration.sign_in_service import CATALOGUE, KEY, Clock, profile, signed_in
from tollgate.billing import projection
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.identity.sealing import Sealer
from tollgate.identity.session import PURPOSE, Session
from tollgate.table.client import Table
from tollgate.tenancy import gate
from tollgate.tenancy.records import Account
from tollgate.web.authentication import SESSION_COOKIE, Authentication
from tollgate.web.cookies import SealedCookie
from tollgate.web.site import Site

ORIGIN = "http://127.0.0.1:8000"
SECRET = "whsec_test"
_numbers = count(1)


@dataclass
class Person:
    """Somebody signed in."""

    session: Session

    @property
    def account_id(self) -> str:
        return self.session.account

    @property
    def cookie(self) -> str:
        return f"{SESSION_COOKIE}={Sealer([KEY], PURPOSE).seal(self.session)}"


class Service:
    def __init__(self, table: Table, gateway: StripeGateway, clock: Callable[[], datetime]) -> None:
        self.table, self.gateway = table, gateway
        self.billing = Billing(table, CATALOGUE, gateway, clock)
        self.webhook = self.webhook_with([SECRET])
        self.checkout = self.checkout_with(gateway)

    def webhook_with(self, secrets: Sequence[str], *, livemode: bool = False) -> Starlette:
        return functions.webhook.app.build(
            billing=self.billing, site=Site(), secrets=secrets, livemode=livemode
        )

    def checkout_with(self, gateway: StripeGateway) -> Starlette:
        site = Site()
        cookie = SealedCookie(SESSION_COOKIE, Sealer([KEY], PURPOSE), site)
        return functions.checkout.app.build(
            billing=replace(self.billing, stripe=gateway),
            authentication=Authentication(cookie, self.table, self.billing.clock),
            site=site,
        )

    def person(self) -> Person:
        number = next(_numbers)
        return Person(signed_in(self.table, profile(f"s{number}", f"p{number}@example.com")))

    def customer(self) -> tuple[Person, str]:
        """Somebody whom Stripe knows and who has bought nothing yet."""
        person = self.person()
        account = self.account(person)
        customer_id = self.gateway.create_customer(account.id, account.email, account.name)
        assert self.deliver(event(customer_id)).json()["outcome"] == "applied"
        return person, customer_id

    def buy(
        self, person: Person, price_key: str = "pro_monthly", key: str | None = None
    ) -> httpx2.Response:
        headers = {"idempotency-key": key} if key else {}
        return self.ask(person, "POST", "/billing/checkout", {"price_key": price_key}, headers)

    def ask(
        self,
        person: Person,
        method: str,
        path: str,
        body: Json | bytes | None = None,
        headers: Mapping[str, str] = {},
        app: Starlette | None = None,
    ) -> httpx2.Response:
        """`body` is sent as it stands where it is bytes."""
        content = body if isinstance(body, bytes) else b""
        if isinstance(body, dict):
            content = json.dumps(body).encode()
        headers = {"cookie": person.cookie, **headers}
        return asyncio.run(send(app or self.checkout, method, path, content, headers))

    def deliver(self, body: bytes, header: str | None = None) -> httpx2.Response:
        return deliver(self.webhook, body, sign(body) if header is None else header)

    def account(self, person: Person) -> Account:
        found = projection.read(self.table, person.account_id, self.billing.clock())
        assert found is not None
        return found

    def tenant(self, person: Person) -> gate.Tenant:
        found = gate.read(self.table, person.account_id)
        assert found is not None
        return found


class ScriptedService(Service):
    """Over a Stripe whose state the test writes."""

    def __init__(self, table: Table, stripe: ScriptedStripe) -> None:
        self.stripe, self.clock = stripe, Clock()
        super().__init__(table, StripeGateway("sk_test_x", stripe.url), self.clock)


async def send(
    app: Starlette, method: str, path: str, body: bytes, headers: Mapping[str, str]
) -> httpx2.Response:
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        return await client.request(method, path, content=body, headers=raw)


def deliver(app: Starlette, body: bytes, header: str | None) -> httpx2.Response:
    headers = {} if header is None else {"stripe-signature": header}
    return asyncio.run(send(app, "POST", "/webhooks/stripe", body, headers))


def event(
    customer: str | None,
    kind: str = "customer.subscription.updated",
    *,
    event_id: str | None = None,
    livemode: bool = False,
) -> bytes:
    about: dict[str, Any] = {"id": "sub_any", "customer": customer}
    if kind == "customer.deleted":
        about = {"id": customer}
    document = {
        "id": event_id or f"evt_{next(_numbers)}",
        "object": "event",
        "type": kind,
        "livemode": livemode,
        "data": {"object": about},
    }
    return json.dumps(document, indent=2).encode()


def sign(body: bytes, secret: str = SECRET, age: int = 0) -> str:
    """`age` in seconds; negative for a signature from the future."""
    made_at = int(time.time()) - age
    header: str = sdk.WebhookSignature.generate_signature_header(body.decode(), secret, made_at)
    return header
