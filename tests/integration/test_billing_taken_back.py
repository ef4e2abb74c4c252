"""S25, S26: what refunds and disputes at Stripe do to the account."""

import json
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import Json, running_stripe
from tollgate.quota.close_gate import close_gate
from tollgate.quota.gate import Gate
from tollgate.quota.records import ClosedPeriod, Receipt
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
    assert (answer.status_code, answer.json().get("outcome")) == (200, "applied")


def payer(service: ScriptedService) -> tuple[Person, Json, Json]:
    """Somebody with Pro, and its subscription and charge."""
    person, customer = service.customer()
    subscription, charge = service.stripe.subscribe(customer), service.stripe.charge(customer)
    deliver(service, event(customer, "invoice.paid"))
    return person, subscription, charge


@pytest.mark.case("S26")
@pytest.mark.parametrize(("end", "plan"), [("won", "pro"), ("lost", "free")])
def test_a_dispute_is_asked_about_opened_and_then_won_or_lost(
    service: ScriptedService, end: str, plan: str
) -> None:
    """An inquiry changes nothing, an open dispute holds generation, and its end decides."""
    person, subscription, charge = payer(service)
    dispute = service.stripe.dispute(charge, "warning_needs_response")
    for status, held, left in [
        ("warning_needs_response", False, "pro"),
        ("needs_response", True, "pro"),
        ("under_review", True, "pro"),
        (end, False, plan),
    ]:
        dispute["status"] = status
        deliver(service, about("charge.dispute.updated", dispute))
        tenant = service.tenant(person)
        assert (status, tenant.suspended, tenant.limits.plan) == (status, held, left)
    assert subscription["status"] == ("active" if end == "won" else "canceled")


@pytest.mark.case("S26")
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


def test_a_lost_dispute_leaves_what_was_bought_after_the_charge(service: ScriptedService) -> None:
    """S26: while the bank decided, somebody ended what was disputed and bought anew."""
    person, subscription, charge = payer(service)
    subscription["status"] = "canceled"
    dispute = service.stripe.dispute(charge, "lost")
    bought = charge["created"] + 30
    assert bought < dispute["created"]
    newer = service.stripe.subscribe(subscription["customer"], created=bought)
    deliver(service, about("charge.dispute.closed", dispute))
    assert (newer["status"], service.tenant(person).limits.plan) == ("active", "pro")


def test_billing_releases_no_suspension_but_its_own(service: ScriptedService) -> None:  # S26, P7
    person, subscription, _ = payer(service)
    banned = Update("SET #s = :yes", {"#s": "suspended"}, {":yes": {"BOOL": True}})
    service.table.update(keys.gate(person.account_id), banned)
    subscription["status"] = "canceled"
    deliver(service, event(subscription["customer"]))
    tenant = service.tenant(person)
    assert (tenant.suspended, tenant.limits.plan) == (True, "free")


def test_declined_cards_keep_no_plan_and_release_no_dispute(  # S21, S26
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has thousands of charges is read as far as there is time, and a person is told."""
    person, subscription, charge = payer(service)
    dispute = service.stripe.dispute(charge, "needs_response")
    deliver(service, about("charge.dispute.created", dispute))
    for _ in range(400):
        service.stripe.charge(subscription["customer"])
    subscription["status"] = "canceled"
    asked = len(service.stripe.requests)
    deliver(service, event(subscription["customer"], "customer.subscription.deleted"))
    paths = [path for _, path, _ in service.stripe.requests[asked:]]
    tenant = service.tenant(person)
    assert (tenant.suspended, tenant.limits.plan, paths.count("/v1/charges")) == (True, "free", 3)
    assert caplog.messages == ["too_many_charges"]


def test_charges_that_do_not_come_keep_no_plan_and_forget_no_refund(  # S21, S25, W3
    service: ScriptedService,
) -> None:
    """What the subscriptions say stands; the event is sent again for what the charges will."""
    person, subscription, charge = payer(service)
    service.stripe.refund(charge, 633)
    subscription["cancel_at_period_end"] = True
    service.stripe.before_answer = lambda path: time.sleep(3.2 if path == "/v1/charges" else 0)
    body = event(subscription["customer"], "charge.refunded")
    assert service.deliver(body).status_code == 503
    assert (service.account(person).cancel_at_period_end, receipts(service, person)) == (True, [])
    service.stripe.before_answer = lambda path: None
    deliver(service, body)
    assert receipts(service, person) == [("refunded", 2_000_000 * 633 // 1_900)]


def used(service: ScriptedService, person: Person) -> dict[str, int]:
    item = service.table.get(keys.gate(person.account_id))
    assert item is not None
    return dict(Gate.of(item).used)


def receipts(service: ScriptedService, person: Person) -> list[tuple[str, int]]:
    partition, _ = keys.gate(person.account_id)
    items = service.table.query(partition, "RECEIPT#refund_").items
    read = [Receipt.from_raw_data(dict(each)) for each in items]
    return [(each.outcome, each.charged_tokens) for each in read]


@pytest.mark.case("S25")
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


def test_a_refund_of_less_than_the_price_takes_its_part_and_all_together_one_month(  # S25
    service: ScriptedService,
) -> None:
    """A change of plan, or a thing sold beside it, is a charge of its own."""
    person, subscription, charge = payer(service)
    beside = service.stripe.charge(subscription["customer"], 300)
    service.stripe.refund(beside, 300)
    deliver(service, event(subscription["customer"], "charge.refunded"))
    part = 2_000_000 * 300 // 1_900
    assert list(used(service, person).values()) == [part]
    for each in (charge, service.stripe.charge(subscription["customer"])):
        service.stripe.refund(each, 1_900)
        deliver(service, event(subscription["customer"], "charge.refunded"))
    assert list(used(service, person).values()) == [2_000_000]
    taken = sorted(tokens for _, tokens in receipts(service, person))
    assert taken == [0, part, 2_000_000 - part]


def test_every_refund_of_a_charge_counts_though_ten_of_them_come_with_it(  # S25
    service: ScriptedService,
) -> None:
    person, subscription, charge = payer(service)
    for _ in range(11):
        service.stripe.refund(charge, 19)
    deliver(service, event(subscription["customer"], "charge.refunded"))
    assert list(used(service, person).values()) == [11 * 2_000_000 * 19 // 1_900]
    for _ in range(11):
        service.stripe.refund(service.stripe.charge(subscription["customer"]), 19)
    asked = len(service.stripe.requests)
    deliver(service, event(subscription["customer"], "charge.refunded"))
    assert len(service.stripe.requests) - asked == 3  # else who has many is never done in time


def test_two_events_that_find_one_refund_take_it_once(service: ScriptedService) -> None:  # S25, P2
    person, subscription, charge = payer(service)
    service.stripe.refund(charge, 633)
    late = iter([True])

    def overtaken(path: str) -> None:
        if path == "/v1/charges" and next(late, False):
            deliver(service, event(subscription["customer"], "charge.refunded"))

    service.stripe.before_answer = overtaken
    deliver(service, event(subscription["customer"], "refund.updated"))
    assert list(used(service, person).values()) == [2_000_000 * 633 // 1_900]
    assert len(receipts(service, person)) == 1


def test_a_refund_that_fails_gives_back_once_what_it_took(service: ScriptedService) -> None:
    """S25, P2: once per refund id, in either direction."""
    person, subscription, charge = payer(service)
    first, second = (service.stripe.refund(charge, amount) for amount in (633, 400))
    deliver(service, about("charge.refunded", {"customer": subscription["customer"]}))
    first["status"] = "failed"
    for _ in range(2):
        deliver(service, about("refund.failed", {"charge": charge["id"]}))
    kept = 2_000_000 * 400 // 1_900
    assert list(used(service, person).values()) == [kept]
    second["status"] = "canceled"
    service.stripe.refund(charge, 800)  # taken in the write that gives the other back
    deliver(service, about("charge.refund.updated", {"charge": charge["id"]}))
    assert list(used(service, person).values()) == [2_000_000 * 800 // 1_900]
    assert sum(tokens for _, tokens in receipts(service, person)) == 2_000_000 * 800 // 1_900


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_refund_that_fails_in_a_later_period_gives_back_to_its_own(  # S25, P10
    service: ScriptedService, is_closed: bool
) -> None:
    person, subscription, charge = payer(service)
    refund = service.stripe.refund(charge, 633)
    deliver(service, about("charge.refunded", {"customer": subscription["customer"]}))
    [(period, part)] = used(service, person).items()
    service.clock.ahead = timedelta(days=40)
    if is_closed:
        item = service.table.get(keys.gate(person.account_id))
        assert item is not None
        now = service.clock()
        assert close_gate(service.table, service.billing.catalogue, item, now, now).closed == 1
    refund["status"] = "failed"
    for _ in range(2):
        deliver(service, about("refund.failed", {"charge": charge["id"]}))
    history = service.table.get(keys.closed_period(person.account_id, period))
    if history is None:
        assert used(service, person) == {period: 0}
    else:
        closed = ClosedPeriod.from_raw_data(dict(history))
        assert (closed.used, closed.debt, used(service, person)) == (part, -part, {})
    assert receipts(service, person) == [("refunded", 0)]


def test_a_refund_on_a_metered_plan_takes_nothing_that_would_be_billed_as_overage(  # S25
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer, "team_monthly")
    service.stripe.refund(service.stripe.charge(customer, 4_900), 4_900)
    deliver(service, event(customer, "charge.refunded"))
    assert (used(service, person), receipts(service, person)) == ({}, [("refunded", 0)])


def test_a_refund_of_a_year_takes_the_running_month_of_it(service: ScriptedService) -> None:  # S25
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, "pro_yearly")
    charge = service.stripe.charge(customer, 18_240)
    [item] = subscription["items"]["data"]
    charge["created"] = item["current_period_start"] = subscription["created"] - 100 * 86_400
    service.stripe.refund(charge, 18_240)
    deliver(service, event(customer, "charge.refunded"))
    assert list(used(service, person).values()) == [2_000_000]


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
