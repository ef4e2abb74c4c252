"""The model of Stripe driven in one process, as a storm of events drives it."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from local.stripe.actions import Actions
from local.stripe.books import Books
from local.stripe.cards import ATTACHES_ONLY, PAYS
from local.stripe.seed import seed
from local.stripe.store import Store
from local.stripe.wire import Json, StripeError
from tollgate import catalogue

DAY = 86_400
CATALOGUE = catalogue.load()


@pytest.fixture
def stripe() -> Iterator[Actions]:
    store = Store(Path(":memory:"))
    yield Actions(store, CATALOGUE, int(time.time()))
    store.close()


def subscription(stripe: Actions, subscription_id: str) -> Json:
    found = stripe.store.get("subscription", subscription_id)
    assert found is not None
    return found


def bought(stripe: Actions, subscription_id: str) -> tuple[str, str]:
    found = subscription(stripe, subscription_id)
    [item] = found["items"]["data"]
    return found["status"], item["price"]["metadata"]["price_key"]


def subscribed(stripe: Actions, card: str = PAYS) -> tuple[str, str]:
    customer = stripe.customer("ada@example.com", "acc_1")
    return customer, stripe.subscribe(customer, "pro_monthly", card=card)


def test_events_are_taken_once_and_in_their_order(stripe: Actions) -> None:
    subscribed(stripe)
    assert [event["type"] for event in stripe.events()] == [
        "customer.created",
        "customer.subscription.created",
        "invoice.paid",
        "checkout.session.completed",
    ]
    assert list(stripe.events()) == []
    stripe.advance(32 * DAY)
    assert [event["type"] for event in stripe.events()] == [
        "invoice.created",
        "customer.subscription.updated",
        "invoice.finalized",
        "invoice.paid",
    ]


@pytest.mark.parametrize("card", [PAYS, ATTACHES_ONLY])
def test_a_renewal_is_a_draft_for_an_hour_and_only_then_collected(
    stripe: Actions, card: str
) -> None:
    _, bought_id = subscribed(stripe, card)
    [item] = subscription(stripe, bought_id)["items"]["data"]
    stripe.advance(item["current_period_end"] - stripe.now + 3_599)
    [owed, first] = stripe.store.all("invoice")
    assert (owed["status"], owed["number"], owed["attempted"]) == ("draft", None, False)
    assert subscription(stripe, bought_id)["latest_invoice"] == owed["id"]
    assert bought(stripe, bought_id) == ("active", "pro_monthly")
    [renewed] = subscription(stripe, bought_id)["items"]["data"]
    assert renewed["current_period_start"] == item["current_period_end"]
    stripe.advance(1)
    [owed, _] = stripe.store.all("invoice")
    status = bought(stripe, bought_id)[0]
    wanted = ("paid", "active") if card == PAYS else ("open", "past_due")
    assert (owed["status"], status) == wanted
    assert owed["number"] not in (None, first["number"])


def test_what_is_cancelled_in_the_draft_hour_is_never_charged(stripe: Actions) -> None:
    _, bought_id = subscribed(stripe)
    [item] = subscription(stripe, bought_id)["items"]["data"]
    stripe.advance(item["current_period_end"] - stripe.now)
    stripe.cancel(bought_id)
    stripe.advance(40 * DAY)
    [owed, _] = stripe.store.all("invoice")
    assert (owed["status"], owed["auto_advance"]) == ("draft", False)
    assert len(stripe.store.all("charge")) == 1


@pytest.mark.parametrize("is_cancelled", [False, True])
def test_the_end_of_a_trial_is_told_once_three_days_before(
    stripe: Actions, is_cancelled: bool
) -> None:
    customer = stripe.customer("ada@example.com", "acc_1")
    bought_id = stripe.subscribe(customer, "pro_monthly", trial_days=7)
    if is_cancelled:
        stripe.cancel(bought_id)
    stripe.advance(4 * DAY - 1)
    reminder = "customer.subscription.trial_will_end"
    assert reminder not in [event["type"] for event in stripe.events()]
    stripe.advance(DAY)
    told = [event["data"]["object"]["id"] for event in stripe.events() if event["type"] == reminder]
    assert told == ([] if is_cancelled else [bought_id])
    stripe.advance(40 * DAY)
    assert reminder not in [event["type"] for event in stripe.events()]


def test_a_failed_renewal_is_paid_by_hand_with_another_card(stripe: Actions) -> None:
    stripe.exhausted_becomes("unpaid")
    customer, bought_id = subscribed(stripe, ATTACHES_ONLY)
    stripe.advance(50 * DAY)
    assert bought(stripe, bought_id)[0] == "unpaid"
    stripe.take_card(customer, PAYS)
    stripe.pay(subscription(stripe, bought_id)["latest_invoice"])
    assert bought(stripe, bought_id)[0] == "active"


def test_a_price_changes_and_a_cancellation_is_undone(stripe: Actions) -> None:
    _, bought_id = subscribed(stripe)
    stripe.change_price(bought_id, "team_monthly", "error_if_incomplete")
    stripe.cancel_at_period_end(bought_id)
    stripe.cancel_at_period_end(bought_id, wanted=False)
    stripe.advance(32 * DAY)
    assert bought(stripe, bought_id) == ("active", "team_monthly")
    stripe.cancel(bought_id)
    assert bought(stripe, bought_id)[0] == "canceled"


def test_money_goes_back(stripe: Actions) -> None:
    subscribed(stripe)
    [charge] = stripe.store.all("charge")
    refund = stripe.refund(charge["id"], 400)
    stripe.fail_refund(refund)
    stripe.move_dispute(stripe.dispute(charge["id"], "needs_response"), "lost")
    assert [event["type"] for event in stripe.events()][-6:] == [
        "charge.refunded",
        "charge.refund.updated",
        "refund.failed",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.closed",
    ]


def test_what_is_refused_leaves_nothing_behind(stripe: Actions) -> None:
    customer, bought_id = subscribed(stripe, ATTACHES_ONLY)
    list(stripe.events())
    with pytest.raises(StripeError):
        stripe.change_price(bought_id, "team_monthly", "error_if_incomplete")
    assert bought(stripe, bought_id) == ("active", "pro_monthly")
    assert list(stripe.events()) == []
    stripe.delete_customer(customer)
    with pytest.raises(StripeError):
        stripe.subscribe(customer, "pro_monthly")
    assert len(stripe.store.all("checkout.session")) == 1


def test_a_price_that_lost_its_lookup_key_is_known_by_its_metadata(stripe: Actions) -> None:
    _, bought_id = subscribed(stripe)
    pro = CATALOGUE.plans["pro"]
    prices = tuple(msgspec.structs.replace(each, amount=each.amount + 1) for each in pro.prices)
    dearer = msgspec.structs.replace(pro, prices=prices)
    plans = {**CATALOGUE.plans, "pro": dearer}
    seed(Books(stripe.store, stripe.now), msgspec.structs.replace(CATALOGUE, plans=plans))
    [old] = [each for each in stripe.store.all("price") if each["unit_amount"] == 1_900]
    assert (old["active"], old["lookup_key"]) == (False, None)
    assert bought(stripe, bought_id) == ("active", "pro_monthly")
