"""S, I: what is found at Stripe, however it came about, and for how long it is remembered."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.billing_service import ScriptedService, event
from tests.integration.billing_stripe import Json, running_stripe
from tollgate.table import keys
from tollgate.table.client import Item, Table

STRIPE_SENDS_AGAIN = timedelta(days=30)
"""For so long an operator may have an event sent again: https://docs.stripe.com/webhooks."""
STRIPE_KEEPS_KEYS = timedelta(hours=24)
"""https://docs.stripe.com/api/idempotent_requests"""


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def outcome(service: ScriptedService, body: bytes) -> Any:
    answer = service.deliver(body)
    assert answer.status_code == 200, answer.text
    return answer.json()["outcome"]


@pytest.mark.case("S6")
def test_a_first_invoice_of_nothing_is_the_plan(service: ScriptedService) -> None:
    person, customer = service.customer()
    session_id = service.buy(person).json()["checkout_session_id"]
    service.stripe.sessions[session_id] |= {
        "status": "complete",
        "payment_status": "no_payment_required",
        "amount_total": 0,
    }
    nothing = {"status": "paid", "billing_reason": "subscription_create", "total": 0}
    subscription = service.stripe.subscribe(customer)
    subscription["latest_invoice"] |= nothing
    answer = service.ask(person, "GET", f"/billing/checkout/{session_id}")
    assert answer.json() == {"status": "complete", "plan": "pro"}
    assert service.stripe.charges == {}


@pytest.mark.case("S7")
def test_what_is_made_in_the_dashboard_is_found_by_its_customer(service: ScriptedService) -> None:
    """Nothing at Stripe names the account, neither the subscription nor, by now, the customer."""
    person, customer = service.customer()
    service.stripe.customers[customer]["metadata"] = {}
    now = int(service.clock().timestamp())
    by_hand: Json = {"status": "open", "billing_reason": "subscription_create", "created": now}
    by_hand["due_date"] = now + 30 * 86_400
    service.stripe.subscribe(customer, "team_monthly", latest_invoice=by_hand)
    assert outcome(service, event(customer, "customer.subscription.created")) == "applied"
    assert service.account(person).plan == service.tenant(person).limits.plan == "team"


@pytest.mark.case("S21")
def test_what_is_cancelled_at_once_is_free_with_the_event_that_says_so(
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer)
    assert outcome(service, event(customer)) == "applied"
    subscription |= {"status": "canceled", "cancel_at_period_end": False}
    assert outcome(service, event(customer, "customer.subscription.deleted")) == "applied"
    account, limits = service.account(person), service.tenant(person).limits
    assert (account.plan, account.subscription_status) == ("free", "canceled")
    assert (limits.plan, limits.until) == ("free", None)


@pytest.mark.case("S24")
@pytest.mark.parametrize("behaviour", ["void", "keep_as_draft", "mark_uncollectible"])
def test_a_pause_ends_the_plan_with_its_period_only_where_invoices_are_void(
    service: ScriptedService, behaviour: str
) -> None:
    person, customer = service.customer()
    subscription = service.stripe.subscribe(customer, pause_collection={"behavior": behaviour})
    assert outcome(service, event(customer)) == "applied"
    [item] = subscription["items"]["data"]
    end = item["current_period_end"] * 1_000 if behaviour == "void" else None
    limits = service.tenant(person).limits
    assert (limits.plan, limits.until) == ("pro", end)
    subscription["pause_collection"] = None
    assert outcome(service, event(customer)) == "applied"
    assert service.tenant(person).limits.until is None


@pytest.mark.case("I5")
def test_what_was_done_is_remembered_for_longer_than_anybody_sends_it_again(
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    now = service.clock()
    assert outcome(service, event(customer, event_id="evt_kept")) == "applied"
    assert _kept(service, keys.stripe_event("evt_kept")) > (now + STRIPE_SENDS_AGAIN).timestamp()
    assert service.buy(person, key="k1").status_code == 200
    kept = _kept(service, keys.idempotency(person.account_id, "checkout", "k1"))
    assert kept >= int((now + STRIPE_KEEPS_KEYS).timestamp())


def _kept(service: ScriptedService, key: keys.Key) -> int:
    item: Item | None = service.table.get(key)
    assert item is not None
    return int(item["expires_at"]["N"])
