"""What a change at Stripe does to the running allowance: never there twice, nor below zero."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from functions.account.documents import usage_document
from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import PERIOD, Json, running_stripe
from tests.integration.sign_in_service import CATALOGUE
from tollgate.quota.admission import Admission, Admitted, Demand, Hint, Visitor
from tollgate.quota.gate import Gate
from tollgate.quota.periods import Anchor, period
from tollgate.quota.refusal import MONTH, Refused
from tollgate.quota.settlement import FINISHED, Usage, settle
from tollgate.table import keys
from tollgate.table.client import Table, Update
from tollgate.tenancy.gate import milliseconds, number
from tollgate.web.rate_limits import rate_limit_headers

DAY = 86_400
OUTPUT = 64
_generations = count(1)


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def tell(service: ScriptedService, subscription: Json, **changes: Any) -> None:
    subscription |= changes
    answer = service.deliver(event(subscription["customer"]))
    assert (answer.status_code, answer.json().get("outcome")) == (200, "applied")


def payer(service: ScriptedService, price: str = "pro_monthly") -> tuple[Person, Json]:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, price)
    tell(service, subscription)
    return person, subscription


def gate_of(service: ScriptedService, person: Person) -> Gate:
    item = service.table.get(keys.gate(person.account_id))
    assert item is not None
    return Gate.of(item)


def spend(service: ScriptedService, person: Person, tokens: int) -> None:
    """One generation, admitted and settled."""
    admitted = admit(service, person, tokens)
    model = admitted.hold.model
    usage = Usage(FINISHED, model, tokens - OUTPUT, OUTPUT, estimated=False)
    [generation] = admitted.gate.open
    now = service.clock()
    settle(service.table, CATALOGUE, person.account_id, generation, admitted.hold, usage, now)


def stay_signed_in(service: ScriptedService, person: Person) -> None:
    """For longer than a session lasts."""
    end = number(milliseconds(service.clock() + timedelta(days=1)))
    names = {"#sessions": "sessions", "#id": person.session.id}
    change = Update("SET #sessions.#id = :end", names, {":end": end})
    service.table.update(keys.gate(person.account_id), change)


def admit(service: ScriptedService, person: Person, tokens: int) -> Admitted:
    limits, version = service.tenant(person).limits, service.tenant(person).version
    generation = f"gen_{next(_generations)}"
    visitor = Visitor(person.account_id, person.session.user, person.session.id, generation)
    demand = Demand(tokens - OUTPUT, OUTPUT, next(iter(CATALOGUE.models)))
    admission = Admission(service.table, CATALOGUE, service.clock, lambda _: None)
    return admission.admit(visitor, Hint(limits.plan, limits.anchor, version), lambda _: demand)


def owed(created: int) -> Json:
    return {"status": "open", "billing_reason": "subscription_cycle", "created": created}


@pytest.mark.case("S13")
def test_a_renewal_opens_one_allowance_whatever_becomes_of_its_invoice(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    spend(service, person, 5_000)
    [(first, _)] = gate_of(service, person).used.items()
    limits = service.tenant(person).limits
    service.clock.ahead = timedelta(days=32)
    stay_signed_in(service, person)
    renewed = int(service.clock().timestamp())
    [item] = subscription["items"]["data"]
    item |= {"current_period_start": renewed, "current_period_end": renewed + PERIOD}
    invoice = {"billing_reason": "subscription_cycle", "created": renewed}
    for status in ("draft", "open", "paid", "paid"):
        tell(service, subscription, latest_invoice={**invoice, "status": status})
        assert (status, service.tenant(person).limits) == (status, limits)
        spend(service, person, 1_000)
    used = dict(gate_of(service, person).used)
    assert (used.pop(first), list(used.values())) == (5_000, [4_000])


@pytest.mark.case("S15")
def test_a_recovered_payment_brings_the_earlier_limits_and_no_second_allowance(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    spend(service, person, 5_000)
    before, limits = gate_of(service, person).used, service.tenant(person).limits
    late = owed(subscription["created"])
    tell(service, subscription, status="past_due", latest_invoice=late)
    assert service.tenant(person).limits.until is not None
    tell(service, subscription, status="active", latest_invoice={**late, "status": "paid"})
    assert (service.tenant(person).limits, gate_of(service, person).used) == (limits, before)
    assert service.account(person).grace_until is None


@pytest.mark.case("S16")
@pytest.mark.parametrize("exhausted", ["past_due", "unpaid", "canceled"])
def test_after_its_deadline_an_unpaid_plan_is_free_and_again_the_plan_once_it_is_paid(
    service: ScriptedService, exhausted: str
) -> None:
    person, subscription = payer(service)
    spend(service, person, 5_000)
    before, limits = gate_of(service, person).used, service.tenant(person).limits
    late = owed(subscription["created"])
    tell(service, subscription, status="past_due", latest_invoice=late)
    service.clock.ahead = timedelta(days=7, seconds=1)
    tell(service, subscription, status=exhausted)
    assert service.tenant(person).limits.plan == service.account(person).plan == "free"
    assert service.account(person).subscription_status == exhausted
    if exhausted != "canceled":
        tell(service, subscription, status="active", latest_invoice={**late, "status": "paid"})
        assert (service.tenant(person).limits, gate_of(service, person).used) == (limits, before)


@pytest.mark.case("S17")
def test_an_upgrade_is_worth_its_difference_at_once_and_what_was_used_stays_used(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    spend(service, person, 5_000)
    [item] = subscription["items"]["data"]
    item["price"] = {"id": "price_team_monthly", "lookup_key": "team_monthly"}
    tell(service, subscription)
    standing, now = gate_of(service, person), service.clock()
    assert (standing.tenant.limits.plan, standing.month_used(now)) == ("team", 5_000)
    assert standing.month_left(now) == 10_000_000 - 5_000


@pytest.mark.case("S18")
def test_a_downgrade_below_what_was_used_leaves_nothing_and_never_less(
    service: ScriptedService,
) -> None:
    person, subscription = payer(service)
    for step in range(11):
        service.clock.ahead = timedelta(seconds=7 * step)
        spend(service, person, 6_000)
    tell(service, subscription, status="canceled")
    standing, now = gate_of(service, person), service.clock()
    assert standing.tenant.limits.plan == "free"
    shown = usage_document(standing, CATALOGUE.per_minute, now)
    assert (shown["month"]["used"], shown["month"]["remaining"]) == (66_000, 0)
    assert shown["day"]["remaining"] >= 0
    assert "-" not in rate_limit_headers(standing, CATALOGUE.per_minute, now)["ratelimit"]
    with pytest.raises(Refused) as refused:
        admit(service, person, 1_000)
    assert (refused.value.refusal.scope, refused.value.refusal.remaining) == (MONTH, 0)


@pytest.mark.case("S19")
def test_a_yearly_plan_has_a_new_anchor_and_a_monthly_allowance(service: ScriptedService) -> None:
    person, subscription = payer(service)
    spend(service, person, 5_000)
    service.clock.ahead = timedelta(days=3)
    now = int(service.clock().timestamp())
    [item] = subscription["items"]["data"]
    item["price"] = {"id": "price_pro_yearly", "lookup_key": "pro_yearly"}
    item |= {"current_period_start": now, "current_period_end": now + 365 * DAY}
    tell(service, subscription, billing_cycle_anchor=now)
    standing = gate_of(service, person)
    assert standing.month_left(service.clock()) == 2_000_000 - 5_000
    later = period(
        Anchor.parse(standing.tenant.limits.anchor), service.clock() + timedelta(days=70)
    )
    assert timedelta(days=28) <= later.end - later.start <= timedelta(days=31)
    assert later.start.day in {service.clock().day, 28, 29, 30}
