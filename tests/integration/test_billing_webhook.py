"""W and S: what signed events do to a real table, whatever their order, number and honesty."""

import asyncio
import json
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.billing_service import (
    SECRET,
    ScriptedService,
    deliver,
    event,
    send,
    sign,
)
from tests.integration.billing_stripe import PERIOD, running_stripe
from tests.integration.conftest import Dump
from tollgate.billing.apply_subscription import sync_account
from tollgate.billing.lapse import lapse
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def outcome(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.json()["received"] is True
    return answer.json()["outcome"]


def test_a_paid_subscription_opens_projection_and_gate_together(
    service: ScriptedService,
) -> None:  # S1
    person, customer = service.customer()
    before = service.tenant(person)
    subscription = service.stripe.subscribe(customer)
    assert outcome(service.deliver(event(customer))) == "applied"
    account, tenant = service.account(person), service.tenant(person)
    assert (account.plan, account.subscription_status) == ("pro", "active")
    assert (account.price_key, account.subscription_id) == ("pro_monthly", subscription["id"])
    assert (tenant.limits.plan, tenant.limits.day, tenant.limits.until) == ("pro", 100, None)
    assert tenant.version == before.version + 1


def test_a_signature_is_enough_whatever_the_origin(service: ScriptedService) -> None:
    _, customer = service.customer()
    body = event(customer)
    headers = {"stripe-signature": sign(body), "origin": "https://elsewhere.example"}
    answer = asyncio.run(send(service.webhook, "POST", "/webhooks/stripe", body, headers))
    assert outcome(answer) == "applied"


@pytest.mark.case("W7")
def test_a_redelivery_changes_no_item_and_asks_stripe_nothing(  # W7
    service: ScriptedService, dump: Dump
) -> None:
    _, customer = service.customer()
    service.stripe.subscribe(customer)
    body = event(customer)
    assert outcome(service.deliver(body)) == "applied"
    before, asked = dump(), len(service.stripe.requests)
    for days in (0, 3, 30):
        service.clock.ahead = timedelta(days=days)
        assert outcome(service.deliver(body, sign(body))) == "duplicate"
    assert (dump(), len(service.stripe.requests)) == (before, asked)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.case("S1")
def test_any_order_and_repetition_ends_in_what_stripe_says(  # W1, S1, S22
    service: ScriptedService, seed: int
) -> None:
    person, customer = service.customer()
    read_at = service.account(person).applied_seq
    service.stripe.subscribe(customer, status="canceled", created=1_700_000_000)
    service.stripe.subscribe(customer, "team_monthly")
    kinds = [
        "checkout.session.completed",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "invoice.paid",
    ]
    deliveries = [event(customer, kind) for kind in kinds] * 3
    random.Random(seed).shuffle(deliveries)  # noqa: S311  a test's order is no secret
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(service.deliver, deliveries))
    for body, answer in zip(deliveries, answers, strict=True):
        if answer.status_code != 200:  # lost its race three times: Stripe sends it again
            assert answer.status_code == 503
            service.deliver(body)
    assert service.account(person).plan == "team"
    assert service.tenant(person).limits.month == 10_000_000
    assert service.account(person).applied_seq == read_at + len(kinds)


@pytest.mark.case("W8")
def test_a_stale_reading_never_replaces_a_newer_one(service: ScriptedService) -> None:  # W8
    person, customer = service.customer()
    read_at = service.account(person).applied_seq
    subscription = service.stripe.subscribe(customer)
    late = iter([True])

    def overtaken(path: str) -> None:
        if path == "/v1/subscriptions" and next(late, False):
            subscription["status"] = "canceled"
            assert outcome(service.deliver(event(customer))) == "applied"
            assert service.account(person).applied_seq == read_at + 1

    service.stripe.before_answer = overtaken
    assert outcome(service.deliver(event(customer))) == "applied"
    assert service.account(person).plan == "free"
    assert service.tenant(person).limits.plan == "free"
    assert service.account(person).applied_seq == read_at + 2


def test_a_race_lost_three_times_is_sent_again_and_leaves_no_marker(  # W3, P6
    service: ScriptedService, dump: Dump
) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer)
    nested = False

    def always_overtaken(path: str) -> None:
        nonlocal nested
        if path == "/v1/subscriptions" and not nested:
            nested = True
            assert outcome(service.deliver(event(customer))) == "applied"
            nested = False

    service.stripe.before_answer = always_overtaken
    body = event(customer, event_id="evt_unlucky")
    assert service.deliver(body).status_code == 503
    assert service.table.get(keys.stripe_event("evt_unlucky")) is None
    service.stripe.before_answer = lambda path: None
    assert outcome(service.deliver(body)) == "applied"
    assert service.account(person).plan == "pro"


def test_two_deliveries_of_one_event_at_once_are_one(service: ScriptedService) -> None:
    person, customer = service.customer()
    read_at = service.account(person).applied_seq
    service.stripe.subscribe(customer)
    body = event(customer)
    late = iter([True])

    def overtaken(path: str) -> None:
        if path == "/v1/subscriptions" and next(late, False):
            assert outcome(service.deliver(body)) == "applied"

    service.stripe.before_answer = overtaken
    assert outcome(service.deliver(body)) == "duplicate"
    assert service.account(person).applied_seq == read_at + 1


@pytest.mark.case("W4")
def test_a_forged_delivery_writes_nothing(service: ScriptedService, dump: Dump) -> None:  # W4
    _, customer = service.customer()
    service.stripe.subscribe(customer)
    body = event(customer)
    good = sign(body)
    reserialised = json.dumps(json.loads(body)).encode()
    forged = {
        "missing": (body, None),
        "empty": (body, ""),
        "nonsense": (body, "t=x,v1=y"),
        "no signature": (body, good.split(",")[0]),
        "not ASCII": (body, f"{good.split(',')[0]},v1=é"),
        "wrong": (body, good[:-1] + ("0" if good[-1] != "0" else "1")),
        "one byte changed": (body.replace(b"sub_any", b"sub_eny"), good),
        "JSON made again": (reserialised, good),
        "not UTF-8": (b"\xff" + body, good),
        "301 seconds old": (body, sign(body, age=301)),
        "301 seconds early": (body, sign(body, age=-302)),
        "another endpoint's secret": (body, sign(body, "whsec_other")),
        "another scheme": (body, good.replace("v1=", "v0=")),
    }
    before, asked = dump(), len(service.stripe.requests)
    for name, (content, header) in forged.items():
        answer = deliver(service.webhook, content, header)
        assert (answer.status_code, answer.json().get("code")) == (400, "invalid_signature"), name
    assert (dump(), len(service.stripe.requests)) == (before, asked)
    assert outcome(service.deliver(body, good)) == "applied"


def test_a_signature_is_good_for_five_minutes_in_both_directions(service: ScriptedService) -> None:
    _, customer = service.customer()
    for age in (295, -295):
        body = event(customer)
        assert outcome(service.deliver(body, sign(body, age=age))) == "applied"


@pytest.mark.parametrize("secrets", [[], [""], [" "]])
@pytest.mark.case("W5")
def test_without_a_secret_everything_is_refused(  # W5
    service: ScriptedService, secrets: list[str]
) -> None:
    _, customer = service.customer()
    app = service.webhook_with(secrets)
    body = event(customer)
    for header in (sign(body, ""), sign(body, " "), sign(body), f"t={int(time.time())}", None):
        assert deliver(app, body, header).status_code == 400


@pytest.mark.case("W6")
def test_both_secrets_hold_while_one_is_replaced_and_the_old_one_not_after(  # W6
    service: ScriptedService,
) -> None:
    _, customer = service.customer()
    during, after = service.webhook_with(["whsec_new", SECRET]), service.webhook_with(["whsec_new"])
    for secret in (SECRET, "whsec_new"):
        body = event(customer)
        assert outcome(deliver(during, body, sign(body, secret))) == "applied"
    body = event(customer)
    assert deliver(after, body, sign(body, SECRET)).status_code == 400
    assert outcome(deliver(after, body, sign(body, "whsec_new"))) == "applied"


@pytest.mark.parametrize("live_deployment", [False, True])
@pytest.mark.case("S29")
def test_an_event_of_the_other_mode_is_ignored_with_an_alarm(  # S29
    service: ScriptedService, dump: Dump, caplog: pytest.LogCaptureFixture, live_deployment: bool
) -> None:
    _, customer = service.customer()
    service.stripe.subscribe(customer)
    app = service.webhook_with([SECRET], livemode=live_deployment)
    body = event(customer, livemode=not live_deployment)
    before = dump()
    assert outcome(deliver(app, body, sign(body))) == "ignored"
    assert dump() == before
    assert "livemode_mismatch" in caplog.messages


@pytest.mark.case("W10")
def test_an_unknown_type_is_ignored_and_writes_nothing(
    service: ScriptedService, dump: Dump
) -> None:  # W10
    _, customer = service.customer()
    before = dump()
    assert outcome(service.deliver(event(customer, "radar.early_fraud_warning.created"))) == (
        "ignored"
    )
    assert dump() == before


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"id": 5, "type": "invoice.paid", "livemode": false, "data": {"object": {}}}',
        b'{"id": "evt_x", "type": "invoice.paid", "livemode": false,'
        b' "data": {"object": {"customer": 5}}}',
    ],
)
@pytest.mark.case("W10")
def test_a_signed_event_that_cannot_be_read_is_kept_for_a_person(  # W10
    service: ScriptedService, dump: Dump, caplog: pytest.LogCaptureFixture, body: bytes
) -> None:
    assert outcome(service.deliver(body)) == "quarantined"
    kept = dump()
    assert [item["body"]["S"] for item in kept] == [body.decode()]
    assert "malformed_event" in caplog.messages
    assert outcome(service.deliver(body)) == "quarantined"
    assert dump() == kept


def test_a_customer_without_our_item_is_found_by_its_metadata(service: ScriptedService) -> None:
    person = service.person()
    service.stripe.customers["cus_made"] = {
        "id": "cus_made",
        "metadata": {"account_id": person.account_id},
    }
    service.stripe.subscribe("cus_made")
    assert outcome(service.deliver(event("cus_made"))) == "applied"
    assert service.account(person).customer_id == "cus_made"
    assert service.table.get(keys.customer("cus_made")) is not None


@pytest.mark.parametrize(
    "customer",
    [
        None,
        {"id": "cus_z", "deleted": True},
        {"id": "cus_z", "metadata": {}},
        {"id": "cus_z", "metadata": {"account_id": "acc_nobody"}},
    ],
)
def test_an_unknown_customer_is_ignored_unmarked_with_an_alarm(
    service: ScriptedService,
    dump: Dump,
    caplog: pytest.LogCaptureFixture,
    customer: dict[str, Any] | None,
) -> None:
    if customer:
        service.stripe.customers["cus_z"] = customer
    assert outcome(service.deliver(event("cus_z"))) == "ignored"
    assert dump() == []
    assert caplog.messages[0].startswith("unknown_")


def test_another_customer_that_names_an_account_does_not_change_it(
    service: ScriptedService, dump: Dump
) -> None:
    person, _ = service.customer()
    service.stripe.customers["cus_rogue"] = {
        "id": "cus_rogue",
        "metadata": {"account_id": person.account_id},
    }
    service.stripe.subscribe("cus_rogue", "team_monthly")
    before = dump()
    assert outcome(service.deliver(event("cus_rogue"))) == "ignored"
    assert dump() == before


def test_subscriptions_on_a_later_page_count(service: ScriptedService) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer)
    for _ in range(4):
        service.stripe.subscribe(customer, status="incomplete_expired")
    service.stripe.page = 2
    assert outcome(service.deliver(event(customer))) == "applied"
    assert service.account(person).plan == "pro"


@pytest.mark.case("S14")
def test_grace_counts_from_the_oldest_open_invoice(service: ScriptedService) -> None:  # S14, S16
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, status="past_due")
    now = int(time.time())
    subscription["latest_invoice"] = {"id": "in_2", "status": "open", "created": now}
    service.stripe.invoices[subscription["id"]] = [
        {"id": "in_2", "status": "open", "created": now},
        {"id": "in_1", "status": "open", "created": now - 86_400},
    ]
    assert outcome(service.deliver(event(customer, "invoice.payment_failed"))) == "applied"
    deadline = now + 6 * 86_400
    assert service.tenant(person).limits.until == deadline * 1000
    grace_until = service.account(person).grace_until
    assert grace_until is not None
    assert int(grace_until.timestamp()) == deadline


@pytest.mark.case("S8")
def test_an_unknown_price_keeps_the_plan_and_raises_an_alarm(  # S8
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer)
    service.deliver(event(customer))
    subscription["items"]["data"][0]["price"]["lookup_key"] = None
    assert outcome(service.deliver(event(customer))) == "applied"
    assert service.tenant(person).limits.plan == "pro"
    assert "unknown_price" in caplog.messages


@pytest.mark.case("W3")
def test_stripe_out_of_reach_is_sent_again_and_leaves_nothing(  # W3, P6
    service: ScriptedService, dump: Dump
) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer)
    body, before = event(customer), dump()
    service.stripe.hangs = True
    started = time.monotonic()
    answer = service.deliver(body)
    assert (answer.status_code, answer.json().get("code")) == (503, "billing_unavailable")
    assert time.monotonic() - started < 10
    assert dump() == before
    service.stripe.hangs = False
    assert outcome(service.deliver(body)) == "applied"
    assert service.account(person).plan == "pro"


def test_a_cancelled_plan_lapses_at_its_end_without_any_event(
    service: ScriptedService,
) -> None:  # S20
    person, customer = service.customer()
    service.stripe.subscribe(customer, cancel_at_period_end=True)
    service.deliver(event(customer))
    lapse(service.table, service.billing.catalogue, person.account_id, service.clock())
    assert service.account(person).plan == "pro"
    service.clock.ahead = timedelta(seconds=PERIOD + 1)
    until = service.tenant(person).limits.until
    assert until is not None
    assert until <= milliseconds(service.clock())
    lapse(service.table, service.billing.catalogue, person.account_id, service.clock())
    assert service.account(person).plan == "free"
    limits = service.tenant(person).limits
    assert (limits.plan, limits.until) == ("free", None)
    assert limits.anchor.startswith(CALENDAR)
    assert limits == Limits.of(service.billing.catalogue.lowest, limits.anchor)


def test_reading_stripe_again_restores_what_lapsed_by_mistake(
    service: ScriptedService,
) -> None:  # S20
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, cancel_at_period_end=True)
    service.deliver(event(customer))
    service.clock.ahead = timedelta(seconds=PERIOD + 1)
    lapse(service.table, service.billing.catalogue, person.account_id, service.clock())
    subscription["cancel_at_period_end"] = False
    sync_account(service.billing, person.account_id)
    assert service.account(person).plan == "pro"
    assert service.tenant(person).limits.plan == "pro"


def test_reading_stripe_again_without_a_change_writes_nothing(
    service: ScriptedService, dump: Dump
) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer)
    sync_account(service.billing, person.account_id)
    before = dump()
    sync_account(service.billing, person.account_id)
    assert dump() == before
