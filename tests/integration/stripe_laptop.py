"""A stand-in for Stripe in a process of its own, with an endpoint that verifies its webhooks."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2
import stripe

from local.clock import Clock
from local.engine import base_environ
from local.environment import ROOT
from local.processes import accepts, free_ports

PAYS, FAILS_LATER, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
SUCCESS = "http://localhost:8000/?checkout={CHECKOUT_SESSION_ID}"
_READY_SECONDS = 20


@dataclass
class Endpoint:
    """Keeps every event whose signature is right; answers `status` to them, and 400 to others."""

    port: int = 0
    status: int = 200
    events: list[stripe.Event] = field(default_factory=list)

    def types(self) -> list[str]:
        return [event.type for event in self.events]

    def only(self, kind: str) -> Any:
        """The object that the one event of this type carries."""
        [event] = [event for event in self.events if event.type == kind]
        return event.data.object

    def take(self, payload: bytes, signature: str | None) -> int:
        try:
            event = stripe.Webhook.construct_event(payload, signature, "whsec_local")
        except stripe.SignatureVerificationError:
            return 400
        self.events.append(event)
        return self.status

    @contextmanager
    def listening(self) -> Iterator[None]:
        """On the same port each time, once it has one."""
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payload = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(endpoint.take(payload, self.headers["stripe-signature"]))
                self.end_headers()
                self.wfile.write(b'{"received":true}')

            def log_message(self, format: str, *args: Any) -> None:
                """Not a word: what arrived is in `events`."""

        with ThreadingHTTPServer(("127.0.0.1", self.port), Handler) as server:
            self.port = server.server_port
            thread = Thread(target=server.serve_forever, args=(0.02,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown()
                thread.join()


class Laptop:
    """The stand-in's process, its clock, a Stripe client for it and the endpoint it calls."""

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        [self._port] = free_ports(1)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"
        self.endpoint = endpoint
        self.clock = Clock(folder / "clock")
        self.client = stripe.StripeClient("sk_test_local", base_addresses={"api": self.url})
        self.http = httpx2.Client(base_url=self.url, trust_env=False)

    def start(self) -> None:
        command = [sys.executable, "-m", "local.stripe", "--port", str(self._port)]
        command += ["--clock", str(self._folder / "clock")]
        command += ["--state", str(self._folder / "stripe.db"), "--delay-ms", "100"]
        command += ["--webhook-url", f"http://127.0.0.1:{self.endpoint.port}/webhooks/stripe"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=base_environ())
        deadline = time.monotonic() + _READY_SECONDS
        while not accepts(self._port):
            assert self._process.poll() is None, "the stand-in stopped"
            assert time.monotonic() < deadline, "the stand-in did not start"
            time.sleep(0.03)

    def kill(self) -> None:
        """As `kill -9` does: it gets no chance to tidy up."""
        if self._process:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def killed_at_the_end(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.kill()

    def price(self, key: str) -> str:
        [price] = self.client.v1.prices.list({"lookup_keys": [key]}).data
        return price.id

    def customer(self) -> str:
        return self.client.v1.customers.create({"email": "ada@example.com", "name": "Ada"}).id

    def checkout(
        self, customer: str, key: str = "pro_monthly", trial_days: int = 0, *, codes: bool = False
    ) -> stripe.checkout.Session:
        details: Any = {"metadata": {"account_id": "acc_1"}}
        if trial_days:
            details["trial_period_days"] = trial_days
        return self.client.v1.checkout.sessions.create(
            {
                "mode": "subscription",
                "allow_promotion_codes": codes,
                "customer": customer,
                "client_reference_id": "acc_1",
                "line_items": [{"price": self.price(key), "quantity": 1}],
                "metadata": {"account_id": "acc_1"},
                "subscription_data": details,
                "success_url": SUCCESS,
                "cancel_url": "http://localhost:8000/",
            }
        )

    def subscribe(self, card: str = PAYS, key: str = "pro_monthly", trial_days: int = 0) -> str:
        """The id of a new customer's paid subscription."""
        session = self.checkout(self.customer(), key, trial_days)
        assert self.http.post(str(session.url), data={"card": card}).status_code == 303
        subscription = self.client.v1.checkout.sessions.retrieve(session.id).subscription
        assert isinstance(subscription, str)
        return subscription

    def subscription(self, subscription_id: str) -> stripe.Subscription:
        return self.client.v1.subscriptions.retrieve(subscription_id)

    def item(self, subscription_id: str) -> stripe.SubscriptionItem:
        [item] = self.subscription(subscription_id)["items"].data
        return item  # type: ignore[no-any-return]  # the SDK types indexing as Any

    def portal(self, subscription_id: str) -> str:
        customer = str(self.subscription(subscription_id).customer)
        return self.client.v1.billing_portal.sessions.create(
            {"customer": customer, "return_url": "http://localhost:8000/"}
        ).url

    def tick(self, seconds: int) -> None:
        self.clock.advance(seconds)
        assert self.http.post("/control/tick").status_code == 200


@contextmanager
def running(folder: Path) -> Iterator[Laptop]:
    endpoint = Endpoint()
    with endpoint.listening():
        laptop = Laptop(folder, endpoint)
        with laptop.http, laptop.killed_at_the_end():
            laptop.start()
            yield laptop
