"""The laptop's Stripe where an invoice stays unpaid: changes that fail, and what a person does."""

from collections.abc import Iterator
from typing import Literal

import pytest
import stripe

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import FAILS_LATER, PAYS, SUCCESS, Laptop

DAY = 86_400


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


Behavior = Literal["allow_incomplete", "error_if_incomplete", "pending_if_incomplete"]


def upgrade(laptop: Laptop, subscription: str, behavior: Behavior | None) -> stripe.Subscription:
    params: stripe.params.SubscriptionUpdateParams = {
        "items": [{"id": laptop.item(subscription).id, "price": laptop.price("team_monthly")}],
        "proration_behavior": "always_invoice",
    }
    if behavior:
        params["payment_behavior"] = behavior
    return laptop.client.v1.subscriptions.update(subscription, params)


def bought(laptop: Laptop, subscription: str) -> tuple[str, str | None]:
    return laptop.subscription(subscription).status, laptop.item(subscription).price.lookup_key


def unpaid(laptop: Laptop, subscription: str) -> stripe.Invoice:
    [invoice] = laptop.client.v1.invoices.list(
        {"subscription": subscription, "status": "open"}
    ).data
    return invoice


def renew_card(laptop: Laptop, subscription: str) -> None:
    form = {"action": "card", "card": PAYS}
    assert laptop.http.post(laptop.portal(subscription), data=form).status_code == 303


@pytest.mark.parametrize("behavior", [None, "allow_incomplete"])
def test_an_unpaid_change_is_made_and_past_due_by_default(
    laptop: Laptop, behavior: Behavior | None
) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    upgrade(laptop, subscription, behavior)
    assert bought(laptop, subscription) == ("past_due", "team_monthly")
    owed = unpaid(laptop, subscription)
    assert (owed.billing_reason, owed.id) == (
        "subscription_update",
        laptop.subscription(subscription).latest_invoice,
    )
    renew_card(laptop, subscription)
    assert laptop.client.v1.invoices.pay(owed.id).status == "paid"
    assert bought(laptop, subscription) == ("active", "team_monthly")


def test_an_invoice_of_a_change_takes_back_what_is_left_of_the_old_price(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    item, old = laptop.item(subscription), laptop.price("pro_monthly")
    upgrade(laptop, subscription, None)
    owed = unpaid(laptop, subscription)
    lines = []
    for line in owed.lines.data:
        assert line.pricing is not None
        assert line.pricing.price_details is not None
        assert line.period.end == item.current_period_end
        lines.append((line.pricing.price_details.price, line.amount < 0))
    assert lines == [(old, True), (laptop.price("team_monthly"), False)]
    assert owed.amount_due == sum(line.amount for line in owed.lines.data)


def test_an_unpaid_change_can_be_refused_as_a_whole(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    with pytest.raises(stripe.CardError) as refusal:
        upgrade(laptop, subscription, "error_if_incomplete")
    assert (refusal.value.http_status, refusal.value.code) == (402, "card_declined")
    assert bought(laptop, subscription) == ("active", "pro_monthly")
    assert not laptop.client.v1.invoices.list({"status": "open"}).data


def test_an_unpaid_change_can_wait_and_is_made_when_it_is_paid(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    waiting = upgrade(laptop, subscription, "pending_if_incomplete")
    assert waiting.pending_update is not None
    assert bought(laptop, subscription) == ("active", "pro_monthly")
    renew_card(laptop, subscription)
    form = {"action": "pay", "invoice": unpaid(laptop, subscription).id}
    assert laptop.http.post(laptop.portal(subscription), data=form).status_code == 303
    assert bought(laptop, subscription) == ("active", "team_monthly")
    assert laptop.endpoint.types()[-1] == "customer.subscription.pending_update_applied"


def test_a_change_that_waits_is_forgotten_after_23_hours(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    upgrade(laptop, subscription, "pending_if_incomplete")
    laptop.tick(22 * 3_600)
    assert laptop.subscription(subscription).pending_update is not None
    laptop.tick(2 * 3_600)
    assert laptop.subscription(subscription).pending_update is None
    assert bought(laptop, subscription) == ("active", "pro_monthly")
    assert laptop.endpoint.only("invoice.voided").billing_reason == "subscription_update"


def test_an_invoice_is_not_paid_by_a_card_that_is_declined(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    laptop.tick(32 * DAY)
    owed = unpaid(laptop, subscription).id
    with pytest.raises(stripe.CardError):
        laptop.client.v1.invoices.pay(owed)
    form = {"action": "pay", "invoice": owed}
    assert laptop.http.post(laptop.portal(subscription), data=form).status_code == 402
    assert bought(laptop, subscription)[0] == "past_due"


@pytest.mark.parametrize("way", ["void", "uncollectible"])
def test_an_invoice_that_is_given_up_leaves_the_subscription_in_good_standing(
    laptop: Laptop, way: str
) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    laptop.tick(32 * DAY)
    owed = unpaid(laptop, subscription).id
    invoices = laptop.client.v1.invoices
    end = invoices.void_invoice if way == "void" else invoices.mark_uncollectible
    assert end(owed).status == way
    assert bought(laptop, subscription)[0] == "active"
    with pytest.raises(stripe.InvalidRequestError):
        end(owed)


def test_nobody_pays_an_invoice_twice_or_of_somebody_else(laptop: Laptop) -> None:
    mine, other = laptop.subscribe(), laptop.subscribe()
    paid = str(laptop.subscription(mine).latest_invoice)
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        laptop.client.v1.invoices.pay(paid)
    assert refusal.value.code == "invoice_already_paid"
    form = {"action": "pay", "invoice": paid}
    assert laptop.http.post(laptop.portal(other), data=form).status_code == 400


@pytest.mark.parametrize("becomes", ["canceled", "unpaid", "past_due"])
def test_after_the_last_attempt_comes_what_the_merchant_has_set(
    laptop: Laptop, becomes: str
) -> None:
    assert laptop.http.post("/control/dunning", json={"becomes": becomes}).status_code == 200
    subscription = laptop.subscribe(FAILS_LATER, trial_days=7)
    laptop.tick(7 * DAY + 16 * DAY)
    assert bought(laptop, subscription)[0] == becomes
    owed = unpaid(laptop, subscription)
    assert owed.next_payment_attempt is None
    if becomes != "canceled":
        renew_card(laptop, subscription)
        laptop.client.v1.invoices.pay(owed.id)
        assert bought(laptop, subscription)[0] == "active"


def test_another_end_of_attempts_is_refused(laptop: Laptop) -> None:
    assert laptop.http.post("/control/dunning", json={"becomes": "free"}).status_code == 400


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("void", "void"), ("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible")],
)
def test_a_pause_sets_the_invoices_aside_and_leaves_the_subscription(
    laptop: Laptop,
    behavior: Literal["void", "keep_as_draft", "mark_uncollectible"],
    status: str,
) -> None:
    subscription = laptop.subscribe()
    update = laptop.client.v1.subscriptions.update
    update(subscription, {"pause_collection": {"behavior": behavior}})
    laptop.tick(32 * DAY)
    listed = laptop.client.v1.invoices.list({"subscription": subscription}).data
    assert [each.status for each in listed] == [status, "paid"]
    assert bought(laptop, subscription)[0] == "active"
    assert update(subscription, {"pause_collection": ""}).pause_collection is None
    laptop.tick(31 * DAY)
    assert laptop.endpoint.types().count("invoice.paid") == 2


@pytest.mark.parametrize(
    ("wanted", "status"),
    [("create_invoice", "past_due"), ("pause", "paused"), ("cancel", "canceled")],
)
def test_a_trial_without_a_card_ends_as_the_merchant_has_set(
    laptop: Laptop, wanted: Literal["create_invoice", "pause", "cancel"], status: str
) -> None:
    session = laptop.client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": laptop.customer(),
            "line_items": [{"price": laptop.price("pro_monthly"), "quantity": 1}],
            "payment_method_collection": "if_required",
            "subscription_data": {
                "trial_period_days": 7,
                "trial_settings": {"end_behavior": {"missing_payment_method": wanted}},
            },
            "success_url": SUCCESS,
        }
    )
    assert "without a card" in laptop.http.get(str(session.url)).text
    assert laptop.http.post(str(session.url)).status_code == 303
    subscription = str(laptop.client.v1.checkout.sessions.retrieve(session.id).subscription)
    assert bought(laptop, subscription)[0] == "trialing"
    laptop.tick(8 * DAY)
    assert bought(laptop, subscription)[0] == status
    if status == "paused":
        renew_card(laptop, subscription)
        laptop.client.v1.subscriptions.resume(subscription)
        assert bought(laptop, subscription)[0] == "active"
        laptop.tick(0)
        assert laptop.endpoint.types()[-1] == "customer.subscription.resumed"


def test_a_card_is_asked_for_unless_it_need_not_be(laptop: Laptop) -> None:
    session = laptop.checkout(laptop.customer(), trial_days=7)
    assert laptop.http.post(str(session.url)).status_code == 402
