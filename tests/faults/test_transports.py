"""The faults of Stripe's and the models' wires come where they say, and retries stay within F2."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest

from tests.faults.generation_history import running_models
from tests.faults.transports import Break, ModelWire, StripeWire
from tests.faults.wire import Fault, Killed, Wire, quiet
from tests.integration.billing_stripe import ScriptedStripe, running_stripe
from tests.integration.quota.house import NOON
from tests.integration.sign_in_service import CATALOGUE
from tollgate.billing.apply_subscription import Billing, Event, apply_event
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.generation.events import ProvidersUnavailable
from tollgate.generation.generate import Generate
from tollgate.generation.order import Body, order
from tollgate.generation.prompt import Prompt, Turn
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Admission, Hint, Visitor
from tollgate.table.client import Unavailable, connect
from tollgate.tenancy.gate import CALENDAR

PROMPT = Prompt("Be brief.", (Turn("user", "in 5 words"),))
EVENTS_AFTER_THE_OPENING = 6


@pytest.fixture
def stripe() -> Iterator[ScriptedStripe]:
    with running_stripe() as running:
        yield running


def gateway(stripe: ScriptedStripe, wire: Wire) -> StripeGateway:
    return StripeGateway("sk_test_x", stripe.url, StripeWire(wire))


@pytest.mark.parametrize(
    ("fault", "error", "done"),
    [
        (Fault.KILLED, Killed, False),
        (Fault.KILLED_AFTER, Killed, True),
        (Fault.THROTTLED, BillingUnavailable, False),
        (Fault.CONFLICT, BillingUnavailable, False),
        (Fault.FAILED, BillingUnavailable, False),
        (Fault.FAILED_AFTER, BillingUnavailable, True),
        (Fault.TIMED_OUT, BillingUnavailable, False),
        (Fault.TIMED_OUT_AFTER, BillingUnavailable, True),
    ],
)
def test_a_fault_comes_before_or_after_stripe_has_done_it(
    stripe: ScriptedStripe, fault: Fault, error: type[BaseException], done: bool
) -> None:
    with pytest.raises(error):
        gateway(stripe, Wire(None, plan=lambda _: fault)).create_customer("acc_1", "a@b.c", "A")
    assert len(stripe.customers) == done


def test_what_stripe_is_sent_twice_is_done_once(stripe: ScriptedStripe) -> None:
    sent_twice = gateway(stripe, Wire(None, plan=lambda _: Fault.REPEATED))
    assert sent_twice.create_customer("acc_1", "a@b.c", "A") in stripe.customers
    assert (len(stripe.posted("/v1/customers")), len(stripe.customers)) == (2, 1)


def test_a_process_that_was_killed_at_stripe_reaches_no_provider_either(
    stripe: ScriptedStripe,
) -> None:
    wire = Wire(None, plan=lambda _: Fault.KILLED)
    with pytest.raises(Killed):
        gateway(stripe, wire).subscriptions("cus_1")
    wire.plan = quiet
    request = httpx2.Request("POST", "http://127.0.0.1:9/v1/responses", json={"model": "m"})
    with pytest.raises(Killed):
        asyncio.run(ModelWire(wire).handle_async_request(request))
    assert stripe.requests == []


@pytest.mark.parametrize("chosen", [each for each in Break if each is not Break.KILLED])
@pytest.mark.parametrize("path", ["v1/responses", "anthropic/v1/messages"])
def test_an_answer_breaks_after_the_chosen_event_and_its_connection_is_closed(
    chosen: Break, path: str
) -> None:
    async def read(url: str) -> tuple[bytes, ModelWire]:
        wire = ModelWire(Wire(None), lambda: (chosen, EVENTS_AFTER_THE_OPENING))
        body = {"model": "m", "stream": True, "input": "in 5 words"} | {
            "messages": [{"role": "user", "content": "in 5 words"}],
        }
        del body["messages" if "responses" in path else "input"]
        if "messages" in path:
            body["max_tokens"] = 50
        headers = {"authorization": "Bearer x"}
        got = b""
        async with (
            httpx2.AsyncClient(transport=wire) as client,
            client.stream("POST", f"{url}/{path}", json=body, headers=headers) as answer,
        ):
            try:
                async for chunk in answer.aiter_bytes():
                    got += chunk
            except httpx2.TransportError:
                assert chosen in {Break.CUT, Break.RESET, Break.STALLED}
            else:
                assert chosen in {Break.ENDED, Break.MALFORMED}
        return got, wire

    with running_models() as url:
        got, wire = asyncio.run(read(url))
    [call] = wire.calls
    assert got.count(b"event: ") - EVENTS_AFTER_THE_OPENING in {0, 1}
    assert (call.broken, call.open, call.usage) == (chosen, False, None)
    assert 0 < len(call.texts) < 5


@dataclass
class Outage:
    """A server that answers 500 to everybody, and counts."""

    url: str = ""
    requests: list[str] = field(default_factory=list)


@contextmanager
def outage() -> Iterator[Outage]:
    down = Outage()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            down.requests.append(self.path.partition("?")[0])
            content = json.dumps({"__type": "InternalServerError"}).encode()
            self.send_response(500)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = handle_any

        def log_message(self, *_: object) -> None:
            """The requests are in `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    down.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield down
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def store_down(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outage]:
    with outage() as down:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", down.url)
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            monkeypatch.setenv(name, "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "local")
        yield down


def test_with_the_store_down_an_event_is_tried_three_times_and_refused(
    stripe: ScriptedStripe, store_down: Outage
) -> None:
    """F2, counted on the wire."""
    billing = Billing(connect("t"), CATALOGUE, gateway(stripe, Wire(None)), lambda: NOON)
    with pytest.raises(Unavailable):
        apply_event(billing, Event("evt_1", "invoice.paid", "cus_1"))
    assert len(store_down.requests) == 3
    assert stripe.requests == []


def test_with_the_store_down_admission_and_giving_back_are_tried_three_times_each(
    store_down: Outage,
) -> None:
    """F2, Q10, P8: whether it was admitted is unknown, so it is given back; nobody is asked."""

    async def ask() -> None:
        ledger = Ledger(connect("t"), CATALOGUE, lambda: NOON)
        admission = Admission(ledger.table, CATALOGUE, ledger.clock, lambda _: None)
        generate = Generate(ledger, admission, providers_at(store_down.url))
        wanted = order(Body(input="in 5 words"), CATALOGUE)
        visitor = Visitor("acc_1", "usr_1", "ses_1", "gen_1")
        with pytest.raises(Unavailable):
            await generate.start(visitor, Hint("free", CALENDAR, 1), wanted, 60.0)
        await asyncio.gather(*generate.running)

    asyncio.run(ask())
    assert store_down.requests == ["/"] * 6


def test_with_stripe_down_each_thing_is_asked_three_times() -> None:
    with outage() as down:
        lost = StripeGateway("sk_test_x", down.url, StripeWire(Wire(None)))
        with pytest.raises(BillingUnavailable):
            lost.subscriptions("cus_1")
    assert down.requests == ["/v1/subscriptions"] * 3


def providers_at(url: str) -> Providers:
    """Both, with their SDKs imported: a first import is part of an opening's patience."""
    providers = Providers(
        openai_key="sk-x",
        anthropic_key="sk-x",
        openai_base_url=f"{url}/v1",
        anthropic_base_url=f"{url}/anthropic",
    )
    for each in ("openai", "anthropic"):
        providers.preload(each)
    return providers


def test_with_the_providers_down_each_of_the_route_is_asked_once() -> None:
    async def ask(url: str) -> None:
        providers = providers_at(url)
        route = CATALOGUE.route("gpt", CATALOGUE.lowest.id)
        try:
            with pytest.raises(ProvidersUnavailable):
                await anext(providers.stream(route, PROMPT, 50))
        finally:
            await providers.aclose()

    with outage() as down:
        asyncio.run(ask(down.url))
    assert down.requests == ["/v1/responses", "/anthropic/v1/messages"]
