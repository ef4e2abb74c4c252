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
        "invoice.paid",
        "customer.subscription.updated",
    ]


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
