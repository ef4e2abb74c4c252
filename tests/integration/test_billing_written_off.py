"""S16: a debt that is written off is no payment, whatever Stripe calls the subscription then."""

import time
from collections.abc import Iterator

import pytest

from tests.integration.billing_service import ScriptedService, event
from tests.integration.billing_stripe import Json, running_stripe
from tollgate.table.client import Table

DAY = 86_400


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def invoice(status: str, age_days: int, **changes: object) -> Json:
    created = int(time.time()) - age_days * DAY
    made = {"object": "invoice", "status": status, "created": created, "amount_due": 1_900}
    transitions = {"finalized_at": created + 3_600}
    if status == "uncollectible":
        transitions["marked_uncollectible_at"] = created + 4 * DAY
    paid = {"amount_paid": 1_900 if status == "paid" else 0, "status_transitions": transitions}
    return {**made, "billing_reason": "subscription_cycle", **paid, **changes}


class Debtor:
    """Somebody who bought Pro three months ago.

    `plan` is what comes of a status of Stripe's and of the invoices, the newest first.
    """

    def __init__(self, service: ScriptedService) -> None:
        self.service = service
        self.person, customer = service.customer()
        created = int(time.time()) - 90 * DAY
        self.subscription = service.stripe.subscribe(customer, created=created)

    def plan(self, status: str, *invoices: Json) -> str:
        stripe, subscription = self.service.stripe, self.subscription
        subscription |= {"status": status, "latest_invoice": invoices[0]}
        stripe.invoices[subscription["id"]] = list(invoices)
        answer = self.service.deliver(event(subscription["customer"]))
        assert (answer.status_code, answer.json()["outcome"]) == (200, "applied")
        return self.service.account(self.person).plan


@pytest.fixture
def debtor(service: ScriptedService) -> Debtor:
    return Debtor(service)


LATE, WRITTEN_OFF = invoice("open", 8), invoice("uncollectible", 8)
NEW_DRAFT = invoice("draft", 0)


@pytest.mark.case("S16")
def test_what_is_written_off_stays_unpaid_until_a_later_renewal_is_paid(debtor: Debtor) -> None:
    assert debtor.plan("past_due", LATE) == "free"
    assert debtor.plan("active", WRITTEN_OFF) == "free"
    assert debtor.plan("active", NEW_DRAFT, WRITTEN_OFF) == "free"
    assert debtor.plan("active", invoice("paid", 0), WRITTEN_OFF) == "pro"
    assert debtor.plan("past_due", invoice("open", 0), invoice("paid", 7), WRITTEN_OFF) == "pro"


def test_no_month_of_what_stays_unpaid_brings_grace_of_its_own(debtor: Debtor) -> None:
    """Stripe leaves such a subscription unpaid, and drafts an invoice each month."""
    assert debtor.plan("unpaid", NEW_DRAFT, WRITTEN_OFF) == "free"
    assert debtor.plan("unpaid", NEW_DRAFT, invoice("void", 8)) == "free"


def test_a_small_change_of_plan_settles_no_debt_and_a_large_one_does(debtor: Debtor) -> None:
    for amount, plan in [(0, "free"), (300, "free"), (18_240, "pro")]:
        change = invoice("paid", 0, billing_reason="subscription_update", amount_paid=amount)
        assert (amount, debtor.plan("active", change, WRITTEN_OFF)) == (amount, plan)


def test_a_first_charge_that_is_written_off_was_never_paid(debtor: Debtor) -> None:  # S12
    first = invoice("uncollectible", 2)
    debtor.subscription["trial_end"] = first["created"]
    assert debtor.plan("active", first) == "free"


def test_what_a_pause_gave_away_is_no_debt_when_it_ends(debtor: Debtor) -> None:  # S24
    gift = invoice("uncollectible", 8)
    at = gift["status_transitions"]["finalized_at"]
    gift["status_transitions"]["marked_uncollectible_at"] = at
    debtor.subscription["pause_collection"] = {"behavior": "mark_uncollectible"}
    assert debtor.plan("active", gift) == "pro"
    debtor.subscription["pause_collection"] = None
    assert debtor.plan("active", gift) == "pro"
    assert debtor.plan("past_due", invoice("open", 0), gift) == "pro"
