"""What billing tells people of: in the transaction that changes their plan, once for each fact."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import Json, running_stripe
from tollgate.billing.apply_subscription import sync_account
from tollgate.billing.refresh_entitlement import refresh_entitlement
from tollgate.notices.texts import TEXTS
from tollgate.notices.words import day
from tollgate.table.client import Table

DAY = 86_400


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def deliver(service: ScriptedService, customer: str) -> None:
    answer = service.deliver(event(customer))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")


def payer(service: ScriptedService) -> tuple[Person, Json]:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer)
    deliver(service, customer)
    return person, subscription


def told(service: ScriptedService, person: Person) -> list[tuple[str, dict[str, str]]]:
    """Kind and words of what was put, without the name that all of it has."""
    found = []
    for kind in TEXTS:
        for item in service.table.query(f"NOTICE#{person.account_id}", kind).items:
            words = json.loads(item["data"]["S"])
            account = service.account(person)
            assert (item["to"]["S"], words.pop("name")) == (account.email, account.name)
            found.append((kind, words))
    return found


def overdue(subscription: Json, created: int) -> int:
    """Where the invoice of `created` cannot be collected; the end of the grace."""
    subscription["status"] = "past_due"
    subscription["latest_invoice"] = {"object": "invoice", "status": "open", "created": created}
    return created + 7 * DAY


def of(epoch: int) -> str:
    return day(datetime.fromtimestamp(epoch, UTC))


@pytest.mark.case("S14")
def test_who_cannot_be_charged_is_told_the_day_once_by_whatever_reads_it(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    ends = overdue(subscription, int(time.time()))
    sync_account(service.billing, person.account_id)  # a browser that came back is the first
    for _ in range(2):
        deliver(service, subscription["customer"])
    assert told(service, person) == [("payment_failed", {"plan": "Pro", "grace_until": of(ends)})]


def test_a_payment_that_arrives_is_told_and_the_next_failure_anew(service: ScriptedService) -> None:
    person, subscription = payer(service)
    first, second = int(time.time()) - 2 * DAY, int(time.time())
    for created in (first, second):
        overdue(subscription, created)
        deliver(service, subscription["customer"])
        subscription["status"] = "active"
        for _ in range(2):
            deliver(service, subscription["customer"])
    failed = [{"plan": "Pro", "grace_until": of(each + 7 * DAY)} for each in (first, second)]
    assert told(service, person) == [
        *(("payment_failed", each) for each in failed),
        *[("recovered", {"plan": "Pro"})] * 2,
    ]


def test_a_fact_that_comes_back_changes_the_plan_and_tells_nothing(
    service: ScriptedService,
) -> None:
    """A bank may return what had been paid: the invoice is open again, with its old date."""
    person, subscription = payer(service)
    created = int(time.time())
    partition = f"NOTICE#{person.account_id}"
    puts = []
    for status in ("past_due", "active", "past_due"):
        overdue(subscription, created)
        subscription["status"] = status
        deliver(service, subscription["customer"])
        puts.append(service.table.query(partition, "payment_failed").items)
    assert service.account(person).subscription_status == "past_due"
    assert [kind for kind, _ in told(service, person)] == ["payment_failed", "recovered"]
    assert puts[0] == puts[-1]


@pytest.mark.case("S14")
@pytest.mark.parametrize("away", [False, True])
def test_the_end_of_a_plan_is_told_once_though_stripe_is_away(
    service: ScriptedService, *, away: bool
) -> None:
    person, subscription = payer(service)
    overdue(subscription, int(time.time()))
    deliver(service, subscription["customer"])
    service.clock.ahead = timedelta(days=8)
    service.stripe.faults = {"/v1/subscriptions": (500, "away")} if away else {}
    for _ in range(2):
        refresh_entitlement(service.billing, person.account_id)
    ended = [each for each in told(service, person) if each[0] != "payment_failed"]
    assert ended == [("access_ended", {"plan": "Pro"})]
    service.stripe.faults = {}
    subscription["status"] = "canceled"
    deliver(service, subscription["customer"])
    assert service.tenant(person).limits.plan == "free"
    assert [each for each in told(service, person) if each[0] != "payment_failed"] == [
        ("access_ended", {"plan": "Pro"})
    ]


def test_another_plan_is_no_end_and_a_new_subscription_no_recovery(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    subscription["items"]["data"][0]["price"] = {"id": "p", "lookup_key": "team_monthly"}
    deliver(service, subscription["customer"])
    subscription["items"]["data"][0]["price"] = {"id": "p", "lookup_key": "pro_monthly"}
    deliver(service, subscription["customer"])
    assert told(service, person) == []
    overdue(subscription, int(time.time()))
    deliver(service, subscription["customer"])
    subscription["status"] = "canceled"
    service.stripe.subscribe(subscription["customer"])
    deliver(service, subscription["customer"])
    assert [kind for kind, _ in told(service, person)] == ["payment_failed"]


@pytest.mark.parametrize(
    ("days", "cancelled", "is_told"),
    [(4, False, False), (3, False, True), (2, False, True), (2, True, False)],
)
def test_a_trial_that_will_be_charged_is_told_three_days_before(
    service: ScriptedService, days: int, cancelled: bool, is_told: bool
) -> None:
    """By Stripe's clock, which is a minute before ours."""
    person, customer = service.customer()
    end = int(time.time()) + days * DAY + 60
    trial = service.stripe.subscribe(customer, status="trialing", trial_end=end)
    trial["items"]["data"][0]["current_period_end"] = end
    trial["cancel_at_period_end"] = cancelled
    for _ in range(2):
        deliver(service, customer)
    words = {"plan": "Pro", "ends_at": of(end), "amount": "$19.00 a month"}
    assert told(service, person) == ([("trial_ending", words)] if is_told else [])


def test_a_second_trial_that_became_a_plan_is_told_once(service: ScriptedService) -> None:  # S11
    person, customer = service.customer()
    end = int(time.time()) + 6 * DAY
    first = service.stripe.subscribe(customer, status="trialing", trial_end=end)
    deliver(service, customer)
    first["status"] = "canceled"
    second = service.stripe.subscribe(customer, status="trialing", trial_end=end)
    second["created"] += 1
    sync_account(service.billing, person.account_id)  # the browser knows of no other trial
    for _ in range(3):
        deliver(service, customer)
    assert second["status"] == "active"
    assert [each for each in told(service, person) if each[0] != "trial_ending"] == [
        ("trial_refused", {"plan": "Pro", "amount": "$19.00 a month"})
    ]


def test_each_dispute_is_told_once(service: ScriptedService) -> None:  # S26
    person, subscription = payer(service)
    inquiry = ("warning_needs_response", "warning_closed")
    taken = ("needs_response", "under_review", "won")
    for number, statuses in enumerate((taken, inquiry, taken)):
        charge = service.stripe.charge(subscription["customer"])
        charge["created"] += number * DAY
        dispute = service.stripe.dispute(charge, "needs_response")
        for status in statuses:
            dispute["status"] = status
            deliver(service, subscription["customer"])
    assert told(service, person) == [("dispute_opened", {})] * 2


def test_two_that_find_the_same_at_once_tell_it_once(service: ScriptedService) -> None:
    """The fence stands for the notice's own condition: the slower one reads again, and is done."""
    person, subscription = payer(service)
    overdue(subscription, int(time.time()))

    def overtake(path: str) -> None:
        if path == "/v1/subscriptions":
            service.stripe.before_answer = lambda path: None
            deliver(service, subscription["customer"])

    service.stripe.before_answer = overtake
    deliver(service, subscription["customer"])
    assert [kind for kind, _ in told(service, person)] == ["payment_failed"]
