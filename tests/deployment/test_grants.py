"""Least privilege: what each function does to the table, recorded, is what its role may do."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

import functions.account.app
import functions.count_spend.app
import functions.generate_stream.app
import functions.monthly_reset.app
import functions.reconcile.app
import functions.report_usage.app
import functions.send_notices.app
from local.control import Context
from tests.deployment.conftest import client, create_table, use_beyond_the_month
from tests.deployment.entry import sample
from tests.deployment.rules import grants
from tests.deployment.template import Template
from tests.integration.billing_service import Person, ScriptedService, event, send
from tests.integration.billing_stripe import running_stripe
from tests.integration.mailbox import WORDS, inserted, running_mailbox
from tests.integration.sign_in_service import CATALOGUE, KEY, running_service
from tollgate.billing.meter_gateway import MeterGateway
from tollgate.billing.refresh_entitlement import refresh_entitlement
from tollgate.billing.report_usage import Reporting
from tollgate.generation.providers import Providers
from tollgate.identity.sealing import Sealer
from tollgate.identity.session import PURPOSE
from tollgate.notices.records import notice
from tollgate.notices.send_notice import Post
from tollgate.quota.admission import Admission, Demand, Hint, Visitor
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.gate import number
from tollgate.web.authentication import SESSION_COOKIE, Authentication
from tollgate.web.cookies import SealedCookie
from tollgate.web.site import Site

_WRITES = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}


@dataclass
class World:
    """People and their Stripe; what is done to the table inside `recorded` is in `seen`."""

    service: ScriptedService
    models: str
    seen: set[tuple[str, str]] = field(default_factory=set)
    _records: bool = False

    @contextmanager
    def recorded(self) -> Iterator[None]:
        self._records = True
        yield
        self._records = False

    def note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        """botocore's hook before each request."""
        if self._records:
            self.seen |= set(accesses(model.name, params))

    def late_payer(self) -> Person:
        """Somebody whose days of grace are over by the service's clock."""
        person, customer = self.service.customer()
        owed = {"object": "invoice", "status": "open", "created": int(time.time())}
        self.service.stripe.subscribe(customer, status="past_due", latest_invoice=owed)
        self.service.deliver(event(customer))
        self.service.clock.ahead = timedelta(days=8)
        return person

    def receipt(self, person: Person) -> str:
        """The generation of somebody's oldest one."""
        partition = f"ACCOUNT#{person.account_id}"
        [item, *_] = self.service.table.query(partition, "RECEIPT#", limit=1).items
        return str(item["generation_id"]["S"])

    def parts(self) -> dict[str, Any]:
        """What both functions that refresh an entitlement are built from."""
        service, site = self.service, Site()
        cookie = SealedCookie(SESSION_COOKIE, Sealer([KEY], PURPOSE), site)
        return {
            "table": service.table,
            "catalogue": CATALOGUE,
            "authentication": Authentication(cookie, service.table, service.clock),
            "refresh": partial(refresh_entitlement, service.billing),
            "site": site,
            "clock": service.clock,
        }

    async def generate(self, person: Person) -> None:
        """A question that is asked twice: the second answer takes the place of the first."""
        providers = Providers(anthropic_key="sk-x", anthropic_base_url=f"{self.models}/anthropic")
        app = functions.generate_stream.app.build(providers=providers, **self.parts())
        text = {"type": "text", "text": "hello"}
        asked = [{"id": "m1", "role": "user", "parts": [text]}]
        body = json.dumps({"id": "c1", "messages": asked}).encode()
        async with aclosing(providers):
            for _ in range(2):
                answer = await send(app, "POST", "/generate", body, {"cookie": person.cookie})
                assert answer.status_code == 200, answer.text


def accesses(operation: str, arguments: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """As IAM sees a request: actions, each with its item's kind; an index stands for itself."""
    if operation == "TransactWriteItems":
        for part in arguments["TransactItems"]:
            for write, inner in part.items():
                yield from accesses(_WRITES.get(write, write), inner)
    elif operation == "BatchGetItem":
        for asked in arguments["RequestItems"].values():
            for key in asked["Keys"]:
                yield operation, key["pk"]["S"].partition("#")[0]
    elif "IndexName" in arguments:
        yield operation, arguments["IndexName"]
    else:
        key = arguments.get("Key") or arguments.get("Item")
        pk = key["pk"] if key else arguments["ExpressionAttributeValues"][":pk"]
        yield operation, pk["S"].partition("#")[0]


def oauth_callback(world: World) -> None:
    with running_service(world.service.table) as running:
        browser = running.browser()
        with world.recorded():
            for _ in range(2):
                assert browser.sign_in(sub="granted", email="granted@example.com").is_redirect
            assert browser.post("/auth/logout").status_code == 204


def checkout(world: World) -> None:
    service, person = world.service, world.service.person()
    with world.recorded():
        for _ in range(2):
            assert service.buy(person, key="k1").status_code == 200
        assert service.ask(person, "POST", "/billing/portal").status_code == 200
    owed = {"object": "invoice", "status": "open", "created": int(time.time())}
    customer_id = service.account(person).customer_id or ""
    service.stripe.subscribe(customer_id, status="past_due", latest_invoice=owed)
    [page, *_] = service.stripe.sessions.values()
    page["status"] = "complete"
    with world.recorded():
        assert service.ask(person, "GET", f"/billing/checkout/{page['id']}").status_code == 200
        assert service.buy(person).status_code == 409


def webhook(world: World) -> None:
    person = world.service.person()
    metadata = {"account_id": person.account_id}
    customer_id = f"cus_{person.account_id}"
    world.service.stripe.customers[customer_id] = {"id": customer_id, "metadata": metadata}
    trial_end = int(world.service.clock().timestamp()) + 86_400
    world.service.stripe.subscribe(customer_id, status="trialing", trial_end=trial_end)
    with world.recorded():
        for body in (event(customer_id), b"{"):
            assert world.service.deliver(body).status_code == 200
        charge = world.service.stripe.charge(customer_id)
        world.service.stripe.refund(charge, 1)
        world.service.stripe.dispute(charge, "needs_response")
        assert world.service.deliver(event(customer_id)).status_code == 200


def generate_stream(world: World) -> None:
    person = world.late_payer()
    with world.recorded():
        asyncio.run(world.generate(person))


def account(world: World) -> None:
    person = world.service.person()
    asyncio.run(world.generate(person))
    late = world.late_payer()
    app = functions.account.app.build(**world.parts())
    requests = [
        ("GET", "/healthz", person),
        ("GET", "/me", late),
        ("GET", "/conversations", person),
        ("GET", "/usage", person),
        ("GET", f"/usage/receipts/{world.receipt(person)}", person),
    ]
    with world.recorded():
        for method, path, who in [*requests, ("DELETE", "/conversations/c1", person)]:
            answer = world.service.ask(who, method, path, app=app)
            assert answer.is_success, answer.text


def monthly_reset(world: World) -> None:
    """With a hold whose process has died, and a gate that was beyond closing for an hour."""
    service, session = world.service, world.service.person().session
    admission = Admission(service.table, CATALOGUE, service.clock, lambda _: None)
    visitor = Visitor(session.account, session.user, session.id, "gen_dead")
    hint = Hint(session.plan, session.anchor, session.version)
    admission.admit(visitor, hint, lambda _: Demand(10, 100, next(iter(CATALOGUE.models))))
    service.clock.ahead = timedelta(days=40)

    whole = service.table.get(keys.gate(session.account)) or {}

    reset = functions.monthly_reset.app.build(
        table=service.table,
        catalogue=CATALOGUE,
        clock=service.clock,
        continue_later=lambda _: None,
    )
    service.table.put({**whole, "days": number(0)})
    with world.recorded():
        assert reset({}, Context())["left"] == 1
    service.table.put(whole)
    service.clock.ahead += timedelta(hours=1)
    with world.recorded():
        assert reset({}, Context())["closed"] == 1


def reconcile(world: World) -> None:
    """Of a trial nobody has heard of, by a run that hands its place over and one that takes it."""
    service = world.service
    _, trying = service.customer()
    _, customer = service.customer()
    trial_end = int(service.clock().timestamp()) + 86_400
    service.stripe.subscribe(trying, status="trialing", trial_end=trial_end)
    service.stripe.subscribe(customer)
    service.stripe.refund(service.stripe.charge(customer), 1)
    service.table.delete(keys.customer(customer))
    owed = {"object": "invoice", "status": "open", "created": int(time.time())}
    service.stripe.subscribe(service.customer()[1], status="past_due", latest_invoice=owed)
    compare = functions.reconcile.app.build(billing=service.billing, continue_later=lambda _: None)
    with world.recorded():
        assert not compare({}, Hurried())["finished"]
        assert compare({}, Context())["finished"]


class Hurried(Context):
    """Time for one look."""

    _looks = 1

    def get_remaining_time_in_millis(self) -> int:
        self._looks -= 1
        return 900_000 if self._looks >= 0 else 0


def count_spend(world: World) -> None:
    """Over the cap, so that the switch is thrown too."""
    build = functions.count_spend.app.build
    count = build(table=world.service.table, catalogue=CATALOGUE, clock=world.service.clock)
    event = sample("count_spend_receipts")
    image = event["Records"][0]["dynamodb"]["NewImage"]
    image |= {
        "cost": {"N": str((CATALOGUE.daily_spend_cap or 0) * 10_000_000)},
        "decided_at": {"N": str(int(world.service.clock().timestamp() * 1000))},
    }
    with world.recorded():
        assert count(event, None)["batchItemFailures"] == []


def send_notices(world: World) -> None:
    with running_mailbox() as mailbox:
        post = Post(
            world.service.table, mailbox.mail(), "https://example.com/", world.service.clock
        )
        send = functions.send_notices.app.build(post)
        told = notice("acc_1", "payment_failed", "x", "ada@example.com", WORDS, post.clock())
        world.service.table.put(told.serialize())
        with world.recorded():
            assert send(inserted(told), None)["batchItemFailures"] == []
        assert len(mailbox.messages()) == 1


def report_usage(world: World) -> None:
    """Up to Stripe, which is away."""
    event = sample("report_usage_receipts")
    use_beyond_the_month(world.service.table, event["Records"][0]["dynamodb"]["NewImage"])
    meters = MeterGateway("sk_test_deployed", "http://127.0.0.1:9")
    reporting = Reporting(world.service.table, meters, world.service.clock)
    with world.recorded():
        answer = functions.report_usage.app.build(reporting, lambda _: None)(event, Context())
    assert len(answer["batchItemFailures"]) == 1


def studio(_: World) -> None:
    """Has no table."""


WORK: dict[str, Callable[[World], None]] = {
    "OauthCallback": oauth_callback,
    "Checkout": checkout,
    "Webhook": webhook,
    "GenerateStream": generate_stream,
    "Account": account,
    "Studio": studio,
    "MonthlyReset": monthly_reset,
    "Reconcile": reconcile,
    "CountSpend": count_spend,
    "SendNotices": send_notices,
    "ReportUsage": report_usage,
}


@pytest.fixture
def world(template: Template, engine_url: str, models: str) -> Iterator[World]:
    name = f"tollgate-{uuid4().hex}"
    create_table(template, engine_url, name)
    with running_stripe() as stripe:
        wire = client(engine_url)
        found = World(ScriptedService(Table(wire, name), stripe), models)
        wire.meta.events.register("provide-client-params.dynamodb", found.note)
        yield found


@pytest.mark.parametrize("function", Template.read().folders)
def test_a_role_grants_what_its_function_does_and_no_more(
    template: Template, world: World, function: str
) -> None:
    WORK[function](world)
    assert world.seen == grants(template, function)
