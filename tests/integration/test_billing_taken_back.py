"""S25, S26: what refunds and disputes at Stripe do to the account."""

import json
from collections.abc import Iterator

import pytest

from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import Json, running_stripe
from tollgate.quota.gate import Gate
from tollgate.table import keys
from tollgate.table.client import Table, Update


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def about(kind: str, thing: Json) -> bytes:
    """An event whose object names its charge and no customer."""
    document = json.loads(event(None, kind))
    document["data"]["object"] = thing
    return json.dumps(document).encode()


def deliver(service: ScriptedService, body: bytes) -> None:
    answer = service.deliver(body)
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")


def payer(service: ScriptedService) -> tuple[Person, Json, Json]:
    """Somebody with Pro, and its subscription and charge."""
    person, customer = service.customer()
    subscription, charge = service.stripe.subscribe(customer), service.stripe.charge(customer)
    deliver(service, event(customer, "invoice.paid"))
    return person, subscription, charge


def test_a_dispute_holds_generation_until_it_is_won(service: ScriptedService) -> None:  # S26
    person, _, charge = payer(service)
    dispute = service.stripe.dispute(charge, "warning_needs_response")
    for status, held in [
        ("warning_needs_response", False),
        ("needs_response", True),
        ("under_review", True),
        ("won", False),
    ]:
        dispute["status"] = status
        deliver(service, about("charge.dispute.updated", dispute))
        tenant = service.tenant(person)
        assert (status, tenant.suspended, tenant.limits.plan) == (status, held, "pro")


def test_a_lost_dispute_ends_what_was_bought_before_it_and_nothing_after(  # S26
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    person, subscription, charge = payer(service)
    dispute = service.stripe.dispute(charge, "needs_response")
    deliver(service, about("charge.dispute.created", dispute))
    dispute["status"] = "lost"
    for _ in range(2):
        deliver(service, about("charge.dispute.closed", dispute))
    assert subscription["status"] == "canceled"
    assert caplog.messages.count("dispute_lost") == 1
    tenant = service.tenant(person)
    assert (tenant.suspended, tenant.limits.plan) == (False, "free")
    again = service.stripe.subscribe(subscription["customer"], created=dispute["created"] + 60)
    deliver(service, event(subscription["customer"]))
    assert (again["status"], service.tenant(person).limits.plan) == ("active", "pro")


def test_billing_releases_no_suspension_but_its_own(service: ScriptedService) -> None:  # S26, P7
    person, subscription, _ = payer(service)
    banned = Update("SET #s = :yes", {"#s": "suspended"}, {":yes": {"BOOL": True}})
    service.table.update(keys.gate(person.account_id), banned)
    subscription["status"] = "canceled"
    deliver(service, event(subscription["customer"]))
    tenant = service.tenant(person)
    assert (tenant.suspended, tenant.limits.plan) == (True, "free")


def used(service: ScriptedService, person: Person) -> dict[str, int]:
    item = service.table.get(keys.gate(person.account_id))
    assert item is not None
    return dict(Gate.of(item).used)


def receipts(service: ScriptedService, person: Person) -> list[tuple[str, int]]:
    partition, _ = keys.gate(person.account_id)
    items = service.table.query(partition, "RECEIPT#refund_").items
    return [(each["outcome"]["S"], int(each["input_tokens"]["N"])) for each in items]


def test_a_refund_claws_its_part_of_the_allowance_back_once(service: ScriptedService) -> None:
    """S25, P2: the plan stays, and what is counted as used has its receipts."""
    person, subscription, charge = payer(service)
    first = service.stripe.refund(charge, 633)
    for _ in range(2):
        deliver(service, about("charge.refunded", {"customer": subscription["customer"]}))
    part = 2_000_000 * 633 // 1_900
    assert list(used(service, person).values()) == [part]
    assert receipts(service, person) == [("refunded", part)]
    service.stripe.refund(charge, 1_900 - 633)
    deliver(service, about("refund.updated", first))
    [total] = used(service, person).values()
    assert total == sum(tokens for _, tokens in receipts(service, person))
    assert total in {2_000_000, 1_999_999}
    limits = service.tenant(person).limits
    assert (limits.plan, limits.month) == ("pro", 2_000_000)


def test_a_refund_of_an_earlier_period_or_after_the_plan_takes_nothing(  # S25
    service: ScriptedService,
) -> None:
    person, subscription, charge = payer(service)
    old = service.stripe.charge(subscription["customer"])
    old["created"] -= 40 * 86_400
    service.stripe.refund(old, 1_900)
    service.stripe.refund(charge, 1_900, "failed")
    deliver(service, event(subscription["customer"], "charge.refunded"))
    assert used(service, person) == {}
    subscription["status"] = "canceled"
    service.stripe.refund(charge, 1_900)
    deliver(service, event(subscription["customer"], "charge.refunded"))
    subscription["status"] = "active"
    deliver(service, event(subscription["customer"]))
    assert (used(service, person), service.tenant(person).limits.plan) == ({}, "pro")
    assert receipts(service, person) == [("refunded", 0)] * 2
