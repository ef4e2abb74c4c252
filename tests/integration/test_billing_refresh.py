"""S20, P5, P8: what a passed deadline brings about, whatever Stripe says and whether it answers."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import PERIOD, Json, running_stripe
from tests.integration.conftest import Dump
from tollgate.billing.apply_subscription import sync_account
from tollgate.billing.lapse import lapse
from tollgate.billing.refresh_entitlement import refresh_entitlement
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.table.client import Table

GRACE = timedelta(days=7)


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


@pytest.fixture
def overdue(service: ScriptedService) -> tuple[Person, Json]:
    """Somebody whose days of grace are over, and the subscription that was not paid."""
    person, customer = service.customer()
    owed = {"object": "invoice", "status": "open", "created": int(time.time())}
    subscription = service.stripe.subscribe(customer, status="past_due", latest_invoice=owed)
    service.deliver(event(customer, "invoice.payment_failed"))
    assert service.tenant(person).limits.plan == "pro"
    service.clock.ahead = GRACE + timedelta(seconds=1)
    return person, subscription


def pay(subscription: Json) -> None:
    paid = {"object": "invoice", "status": "paid", "created": int(time.time())}
    subscription.update(status="active", latest_invoice=paid)


def plans(service: ScriptedService, person: Person) -> tuple[str, str]:
    """The gate's and the projection's."""
    return service.tenant(person).limits.plan, service.account(person).plan


def test_a_payment_whose_event_is_late_keeps_the_plan(
    service: ScriptedService, overdue: tuple[Person, Json]
) -> None:
    person, subscription = overdue
    pay(subscription)
    refresh_entitlement(service.billing, person.account_id)
    assert plans(service, person) == ("pro", "pro")
    assert service.tenant(person).limits.until is None
    assert service.account(person).subscription_status == "active"


def test_a_subscription_that_stripe_has_cancelled_is_over(
    service: ScriptedService, overdue: tuple[Person, Json]
) -> None:
    person, subscription = overdue
    subscription["status"] = "canceled"
    refresh_entitlement(service.billing, person.account_id)
    assert plans(service, person) == ("free", "free")
    assert service.account(person).subscription_status == "canceled"


@pytest.mark.parametrize("trouble", ["no key", "nobody listens", "hangs"])
def test_without_stripes_word_there_is_no_grant_until_the_next_event(
    service: ScriptedService, overdue: tuple[Person, Json], trouble: str
) -> None:
    person, subscription = overdue
    pay(subscription)
    gateways = {
        "no key": StripeGateway(None),
        "nobody listens": StripeGateway("sk_test_x", "http://127.0.0.1:9"),
        "hangs": service.gateway,
    }
    service.stripe.hangs = trouble == "hangs"
    started = time.monotonic()
    refresh_entitlement(replace(service.billing, stripe=gateways[trouble]), person.account_id)
    assert time.monotonic() - started < 6  # what waits for it has to end within ten seconds
    assert plans(service, person) == ("free", "free")
    assert service.tenant(person).limits.until is None
    service.stripe.hangs = False
    service.deliver(event(subscription["customer"], "invoice.paid"))
    assert plans(service, person) == ("pro", "pro")


@pytest.mark.parametrize("ending", ["grace", "cancelled"])
def test_what_lapses_is_what_stripes_last_word_has_become(
    service: ScriptedService, dump: Dump, ending: str
) -> None:
    """A plan that is free beside a status that is active is not a contradiction to be repaired."""
    person, customer = service.customer()
    if ending == "grace":
        service.stripe.subscribe(customer, status="past_due")
    else:
        service.stripe.subscribe(customer, cancel_at_period_end=True)
    service.deliver(event(customer))
    service.clock.ahead = timedelta(seconds=PERIOD + 1)
    lapse(service.table, service.billing.catalogue, person.account_id, service.clock())
    assert plans(service, person) == ("free", "free")
    lapsed = dump()
    sync_account(service.billing, person.account_id)
    assert dump() == lapsed


@pytest.mark.parametrize("ahead", [timedelta(), GRACE - timedelta(minutes=1)])
def test_nothing_lapses_before_its_deadline(
    service: ScriptedService, overdue: tuple[Person, Json], dump: Dump, ahead: timedelta
) -> None:
    person, _ = overdue
    service.clock.ahead = ahead
    before = dump()
    lapse(service.table, service.billing.catalogue, person.account_id, service.clock())
    assert dump() == before


def test_a_writer_that_was_faster_than_a_lapse_is_right(
    service: ScriptedService, overdue: tuple[Person, Json], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, subscription = overdue
    pay(subscription)
    slow = Table(service.table._client, service.table._name)
    transact = slow.transact

    def overtaken(*actions: object) -> None:
        sync_account(service.billing, person.account_id)
        transact(*actions)  # type: ignore[arg-type]  # handed on as they came

    monkeypatch.setattr(slow, "transact", overtaken)
    lapse(slow, service.billing.catalogue, person.account_id, service.clock())
    assert plans(service, person) == ("pro", "pro")
