"""S: what a reading of Stripe puts right at Stripe, once, before it is written down."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import PERIOD, Json, running_stripe
from tests.integration.conftest import Dump
from tests.integration.sign_in_service import profile, signed_in
from tollgate.billing.entitlement import DUPLICATE
from tollgate.table import keys
from tollgate.table.client import Table, Update


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def outcome(service: ScriptedService, body: bytes) -> str:
    answer = service.deliver(body)
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["outcome"]
    return found


def cancelled(service: ScriptedService) -> list[str]:
    requests = service.stripe.requests
    return [path.rpartition("/")[2] for method, path, _ in requests if method == "DELETE"]


@pytest.mark.case("S23")
def test_a_duplicate_is_cancelled_once_with_an_alarm(  # S23
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    person, customer = service.customer()
    pro = service.stripe.subscribe(customer)
    team = service.stripe.subscribe(customer, "team_monthly")
    for _ in range(2):
        assert outcome(service, event(customer)) == "applied"
    assert cancelled(service) == [pro["id"]]
    assert caplog.messages.count(DUPLICATE) == 1
    account = service.account(person)
    assert (account.plan, account.subscription_id) == ("team", team["id"])


def test_a_repair_that_fails_is_made_by_the_redelivery(service: ScriptedService) -> None:  # S23, P6
    person, customer = service.customer()
    service.stripe.subscribe(customer, "team_monthly")
    duplicate = service.stripe.subscribe(customer)
    body = event(customer)
    service.stripe.faults[f"/v1/subscriptions/{duplicate['id']}"] = (400, "no")
    assert service.deliver(body).status_code == 503
    assert service.account(person).plan == "free"
    service.stripe.faults.clear()
    assert outcome(service, body) == "applied"
    assert duplicate["status"] == "canceled"
    assert service.account(person).plan == "team"


def test_a_price_is_known_after_its_lookup_key_moved_on(service: ScriptedService) -> None:  # S8
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer)
    price = {"lookup_key": None, "metadata": {"price_key": "team_yearly"}}
    subscription["items"]["data"][0]["price"] |= price
    assert outcome(service, event(customer)) == "applied"
    assert service.account(person).price_key == "team_yearly"


@pytest.mark.case("S17")
def test_an_unpaid_upgrade_is_read_from_the_invoice_that_credits_the_old_price(  # S17
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, "team_monthly", status="past_due")
    now, paid_until = subscription["created"], subscription["created"] + PERIOD // 2
    lines = [
        {"amount": amount, "period": {"start": now, "end": paid_until}, "pricing": pricing(key)}
        for amount, key in ((-1_000, "pro_monthly"), (2_500, "team_monthly"))
    ]
    unpaid = {"status": "open", "billing_reason": "subscription_update", "created": now}
    unpaid["lines"] = {"data": lines}
    service.stripe.invoices[subscription["id"]] = [unpaid]
    assert outcome(service, event(customer, "invoice.payment_failed")) == "applied"
    assert service.account(person).plan == "pro"
    assert service.tenant(person).limits.until == paid_until * 1000
    subscription["status"] = "active"
    assert outcome(service, event(customer, "invoice.paid")) == "applied"
    assert service.tenant(person).limits.plan == "team"


def test_a_change_that_waits_for_its_payment_has_changed_nothing_yet(  # S17
    service: ScriptedService,
) -> None:
    """Where Stripe is told so, the change itself waits, and its invoice is open meanwhile."""
    person, customer = service.customer()
    now = int(service.clock().timestamp())
    unpaid = {"status": "open", "billing_reason": "subscription_update", "created": now}
    subscription = service.stripe.subscribe(customer, latest_invoice=unpaid)
    assert outcome(service, event(customer, "invoice.payment_failed")) == "applied"
    limits = service.tenant(person).limits
    assert (limits.plan, limits.until) == ("pro", None)
    assert service.account(person).grace_until is None
    [item] = subscription["items"]["data"]
    item["price"] = {"id": "price_team_monthly", "lookup_key": "team_monthly"}
    unpaid["status"] = "paid"
    kind = "customer.subscription.pending_update_applied"
    assert outcome(service, event(customer, kind)) == "applied"
    assert service.tenant(person).limits.plan == "team"


@pytest.mark.case("S27")
def test_a_deleted_customer_leaves_a_free_account_that_becomes_another_customer(  # S27
    service: ScriptedService, dump: Dump, caplog: pytest.LogCaptureFixture
) -> None:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer)
    assert outcome(service, event(customer)) == "applied"
    subscription["status"] = "canceled"
    service.stripe.customers[customer] = {"id": customer, "deleted": True}
    assert outcome(service, event(customer, "customer.deleted")) == "applied"
    account = service.account(person)
    gone = int(account.customers_gone)
    assert (account.plan, gone) == ("free", 1)
    assert account.customer_id is None
    assert service.tenant(person).limits.plan == "free"
    before = dump()
    assert outcome(service, event(customer, "customer.subscription.deleted")) == "ignored"
    assert (dump(), caplog.messages) == (before, [])
    assert service.buy(person).status_code == 200
    other = service.account(person).customer_id
    assert other is not None
    assert (other != customer, list(service.stripe.customers)) == (True, [customer, other])
    service.stripe.subscribe(other, "team_monthly")
    assert outcome(service, event(other)) == "applied"
    assert service.account(person).plan == "team"


@pytest.mark.parametrize("buys", [False, True])
def test_an_account_that_lost_its_link_is_the_customers_again(  # S7, P5
    service: ScriptedService, *, buys: bool
) -> None:
    person, customer = service.customer()
    lost = Update("REMOVE #customer_id", {"#customer_id": "customer_id"})
    service.table.update(keys.account(person.account_id), lost)
    if buys:
        assert service.buy(person).status_code == 200
    else:
        assert outcome(service, event(customer)) == "applied"
    assert service.account(person).customer_id == customer


def test_a_deletion_whose_event_is_lost_is_seen_at_the_next_one(  # S27, P5
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    service.stripe.customers[customer] = {"id": customer, "deleted": True}
    assert outcome(service, event(customer, "customer.subscription.deleted")) == "applied"
    assert service.account(person).customer_id is None


def on_trial(
    service: ScriptedService, customer: str, fingerprint: str, kind: str = "card", **changes: Any
) -> Json:
    trial_end = int(service.clock().timestamp()) + 7 * 86_400
    method = {"id": "pm_1", "type": kind, kind: {"fingerprint": fingerprint}}
    trial = {"trial_end": trial_end, "default_payment_method": method, **changes}
    return service.stripe.subscribe(customer, status="trialing", **trial)


@pytest.mark.case("S11")
@pytest.mark.parametrize("kind", ["card", "sepa_debit", "us_bank_account"])
def test_one_payment_method_has_one_trial_whoever_pays_with_it(  # S11
    service: ScriptedService, kind: str
) -> None:
    first, customer = service.customer()
    trial = on_trial(service, customer, f"{kind}_a", kind)
    for _ in range(2):
        assert outcome(service, event(customer)) == "applied"
    assert (trial["status"], service.tenant(first).limits.plan) == ("trialing", "pro")
    second, other = service.customer()
    another = on_trial(service, other, f"{kind}_a", kind)
    for _ in range(2):
        assert outcome(service, event(other)) == "applied"
    assert another["status"] == "active"
    assert service.stripe.posted(f"/v1/subscriptions/{another['id']}") == [{"trial_end": "now"}]
    assert service.account(second).subscription_status == "active"
    assert service.stripe.posted(f"/v1/subscriptions/{trial['id']}") == []


@pytest.mark.parametrize("proved", [[True, False], [False, True]])
def test_only_a_verified_address_uses_up_its_trial(  # S11
    service: ScriptedService, proved: list[bool]
) -> None:
    for number, verified in enumerate(proved):
        person = Person(signed_in(service.table, profile(f"s{number}", "t@example.com", verified)))
        account = service.account(person)
        customer = service.gateway.create_customer(account.id, account.email, account.name)
        trial = on_trial(service, customer, f"card_{number}")
        assert outcome(service, event(customer)) == "applied"
    assert trial["status"] == ("active" if proved[0] else "trialing")


def test_an_account_has_one_trial_with_any_card_and_customer(  # S11, S27
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    trial = on_trial(service, customer, "card_b")
    assert outcome(service, event(customer)) == "applied"
    trial["status"] = "canceled"
    service.stripe.customers[customer] = {"id": customer, "deleted": True}
    assert outcome(service, event(customer, "customer.deleted")) == "applied"
    account = service.account(person)
    other = service.gateway.create_customer(account.id, account.email, account.name, 1)
    again = on_trial(service, other, "card_c")
    assert outcome(service, event(other)) == "applied"
    assert (again["status"], service.account(person).plan) == ("active", "pro")


def test_a_second_trial_that_is_cancelled_ends_without_a_charge(  # S11
    service: ScriptedService,
) -> None:
    _, customer = service.customer()
    on_trial(service, customer, "card_d")["status"] = "canceled"
    second = on_trial(service, customer, "card_d", cancel_at_period_end=True)
    assert outcome(service, event(customer)) == "applied"
    assert second["status"] == "canceled"
    assert service.stripe.posted(f"/v1/subscriptions/{second['id']}") == []


def pricing(price_key: str) -> Json:
    return {"price_details": {"price": f"price_{price_key}"}}
