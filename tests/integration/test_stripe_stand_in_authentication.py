"""The laptop's Stripe where a card's bank asks its owner before the first payment."""

from collections.abc import Iterator

import pytest
import stripe

from local.stripe.cards import CHALLENGED
from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import PAYS, Laptop

HOUR = 3_600
NO, YES = {"authentication": "fail"}, {"authentication": "complete"}


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices; only the clock goes on."""
    process.tick(0)
    process.http.post("/control/reset")
    process.endpoint.events.clear()
    return process


def asked(laptop: Laptop, trial_days: int = 0) -> str:
    """The page of a checkout whose payer is asked now."""
    page = str(laptop.checkout(laptop.customer(), trial_days=trial_days).url)
    answer = laptop.http.post(page, data={"card": CHALLENGED})
    assert (answer.status_code, page.endswith(answer.headers["location"])) == (303, True)
    assert "3-D Secure" in laptop.http.get(page).text
    return page


def the_subscription(laptop: Laptop) -> stripe.Subscription:
    [found] = laptop.client.v1.subscriptions.list(
        {"status": "all", "expand": ["data.latest_invoice"]}
    ).data
    return found


def intent(laptop: Laptop) -> str:
    [payment] = laptop.client.v1.invoice_payments.list().data
    return laptop.client.v1.payment_intents.retrieve(str(payment.payment.payment_intent)).status


def test_nothing_is_paid_before_the_owner_has_said_yes(laptop: Laptop) -> None:
    page = asked(laptop)
    laptop.tick(0)
    assert (the_subscription(laptop).status, intent(laptop)) == ("incomplete", "requires_action")
    assert laptop.endpoint.types()[-2:] == [
        "customer.subscription.created",
        "invoice.payment_action_required",
    ]
    assert not laptop.client.v1.charges.list().data
    paid = laptop.http.post(page, data=YES)
    assert "checkout=cs_test" in paid.headers["location"]
    assert (the_subscription(laptop).status, intent(laptop)) == ("active", "succeeded")
    laptop.tick(32 * 24 * HOUR)
    assert [each.paid for each in laptop.client.v1.charges.list().data] == [True, True]


def test_who_says_no_pays_the_same_subscription_with_another_card(laptop: Laptop) -> None:
    page = asked(laptop)
    refused = laptop.http.post(page, data=NO)
    assert refused.status_code == 402
    assert "unable to authenticate" in refused.text
    assert (the_subscription(laptop).status, intent(laptop)) == (
        "incomplete",
        "requires_payment_method",
    )
    laptop.http.post(page, data={"card": PAYS})
    assert (the_subscription(laptop).status, intent(laptop)) == ("active", "succeeded")
    kinds = laptop.endpoint.types()
    assert kinds[-4:] == [
        "invoice.payment_failed",
        "invoice.paid",
        "customer.subscription.updated",
        "checkout.session.completed",
    ]


def test_without_an_answer_it_expires_after_a_day_less_an_hour(laptop: Laptop) -> None:
    page = asked(laptop)
    laptop.tick(22 * HOUR)
    assert the_subscription(laptop).status == "incomplete"
    laptop.tick(HOUR)
    expired = the_subscription(laptop)
    assert expired.status == "incomplete_expired"
    assert isinstance(expired.latest_invoice, stripe.Invoice)
    assert expired.latest_invoice.status == "void"
    assert laptop.http.post(page, data={"card": PAYS}).status_code == 303
    assert [each.status for each in laptop.client.v1.subscriptions.list().data] == ["active"]


def test_a_trial_asks_for_the_card_alone(laptop: Laptop) -> None:
    page = asked(laptop, trial_days=7)
    assert not laptop.client.v1.subscriptions.list({"status": "all"}).data
    assert laptop.http.post(page, data=NO).status_code == 402
    assert not laptop.client.v1.subscriptions.list({"status": "all"}).data
    laptop.http.post(page, data={"card": CHALLENGED})
    laptop.http.post(page, data=YES)
    assert the_subscription(laptop).status == "trialing"
