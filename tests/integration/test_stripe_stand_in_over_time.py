"""The laptop's Stripe when time passes, things change, and something is down."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import stripe

from tests.integration import stripe_laptop
from tests.integration.stripe_laptop import FAILS_LATER, PAYS, Laptop

DAY = 86_400


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    with stripe_laptop.running(tmp_path_factory.mktemp("stripe")) as laptop:
        yield laptop


@pytest.fixture
def laptop(process: Laptop) -> Laptop:
    """Empty but for the catalogue's prices; only the clock goes on."""
    process.endpoint.status = 200
    process.tick(0)
    process.http.post("/control/reset")
    process.endpoint.events.clear()
    return process


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_a_trial_converts_and_then_renews_month_by_month(laptop: Laptop) -> None:
    subscription = laptop.subscribe(trial_days=7)
    trial_end = laptop.item(subscription).current_period_end
    laptop.tick(8 * DAY)
    assert laptop.subscription(subscription).status == "active"
    assert laptop.item(subscription).current_period_start == trial_end
    laptop.tick(62 * DAY)
    paid = laptop.client.v1.invoices.list({"subscription": subscription, "status": "paid"}).data
    assert [each.amount_paid for each in paid] == [1_900, 1_900, 1_900, 0]
    assert laptop.endpoint.types()[-2:] == ["invoice.finalized", "invoice.paid"]


@pytest.mark.parametrize(
    ("account", "outcome", "status"),
    [
        ("000123456789", "async_payment_succeeded", "active"),
        ("000111111116", "async_payment_failed", "incomplete_expired"),
    ],
)
def test_a_bank_debit_completes_the_checkout_and_is_paid_or_fails_days_later(
    laptop: Laptop, account: str, outcome: str, status: str
) -> None:
    subscription = laptop.subscribe(account)
    assert laptop.endpoint.only("checkout.session.completed").payment_status == "unpaid"
    assert laptop.subscription(subscription).status == "incomplete"
    laptop.tick(2 * DAY)
    assert laptop.subscription(subscription).status == "incomplete"
    laptop.tick(2 * DAY)
    assert laptop.subscription(subscription).status == status
    session = laptop.endpoint.only(f"checkout.session.{outcome}")
    assert session.payment_status == ("paid" if status == "active" else "unpaid")
    [charge] = laptop.client.v1.charges.list().data
    assert charge.paid is (status == "active")
    laptop.tick(30 * DAY)
    assert laptop.subscription(subscription).status == status


def test_an_advanced_clock_is_noticed_without_a_tick(laptop: Laptop) -> None:
    subscription = laptop.subscribe()
    ended = laptop.item(subscription).current_period_end
    laptop.clock.advance(32 * DAY)
    assert laptop.item(subscription).current_period_start == ended


def test_an_event_of_the_past_carries_its_own_time(laptop: Laptop) -> None:
    ends = laptop.item(laptop.subscribe()).current_period_end
    laptop.tick(40 * DAY)
    renewal = [event.created - ends for event in laptop.endpoint.events[-4:]]
    assert renewal == [0, 0, 3_600, 3_600]


def test_a_failed_renewal_is_past_due_and_at_last_canceled(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER, trial_days=7)
    laptop.tick(7 * DAY + 3_600)
    assert laptop.subscription(subscription).status == "past_due"
    failed = laptop.endpoint.only("invoice.payment_failed")
    assert (failed.status, failed.attempt_count, failed.amount_remaining) == ("open", 1, 1_900)
    assert failed.next_payment_attempt > laptop.clock().timestamp()
    laptop.tick(16 * DAY)
    assert laptop.subscription(subscription).status == "canceled"
    assert laptop.endpoint.types()[-1] == "customer.subscription.deleted"
    assert laptop.endpoint.types().count("invoice.payment_failed") == 4


def test_the_portal_cancels_at_the_end_of_the_period_and_takes_it_back(laptop: Laptop) -> None:
    subscription = laptop.subscribe(trial_days=7)
    portal = laptop.portal(subscription)
    assert "Pro" in laptop.http.get(portal).text
    ends = laptop.item(subscription).current_period_end
    assert laptop.http.post(portal, data={"action": "cancel"}).status_code == 303
    cancelled = laptop.endpoint.only("customer.subscription.updated")
    assert (cancelled.cancel_at_period_end, cancelled.cancel_at) == (True, ends)
    changes = laptop.endpoint.events[-1].data.previous_attributes
    assert changes is not None
    assert changes["cancel_at_period_end"] is False
    laptop.http.post(portal, data={"action": "resume"})
    assert laptop.subscription(subscription).cancel_at is None
    laptop.tick(8 * DAY)
    assert laptop.subscription(subscription).status == "active"


def test_a_cancelled_subscription_ends_with_its_period(laptop: Laptop) -> None:
    subscription = laptop.subscribe()
    laptop.http.post(laptop.portal(subscription), data={"action": "cancel"})
    laptop.tick(32 * DAY)
    ended = laptop.endpoint.only("customer.subscription.deleted")
    assert (ended.status, ended.ended_at) == ("canceled", ended.cancel_at)
    assert not laptop.client.v1.subscriptions.list().data
    assert len(laptop.client.v1.subscriptions.list({"status": "all"}).data) == 1


def test_the_portal_changes_the_plan_for_the_rest_of_the_period(laptop: Laptop) -> None:
    subscription = laptop.subscribe()
    portal = laptop.portal(subscription)
    before = laptop.item(subscription)
    changed = laptop.http.post(portal, data={"action": "change", "price": "team_monthly"})
    assert changed.status_code == 303
    after = laptop.item(subscription)
    assert after.price.lookup_key == "team_monthly"
    assert after.current_period_end == before.current_period_end
    laptop.http.post(portal, data={"action": "change", "price": "pro_yearly"})
    year = laptop.item(subscription)
    assert year.current_period_end - year.current_period_start >= 365 * DAY


def test_a_change_that_cannot_be_paid_leaves_the_old_plan(laptop: Laptop) -> None:
    subscription = laptop.subscribe(FAILS_LATER)
    portal = laptop.portal(subscription)
    refused = laptop.http.post(portal, data={"action": "change", "price": "team_monthly"})
    assert refused.status_code == 402
    assert "declined" in refused.text
    assert laptop.item(subscription).price.lookup_key == "pro_monthly"


@pytest.mark.parametrize("form", [{"action": "explode"}, {"action": "change", "price": "gold"}])
def test_the_portal_refuses_what_it_does_not_know(laptop: Laptop, form: dict[str, str]) -> None:
    portal = laptop.portal(laptop.subscribe())
    assert laptop.http.post(portal, data=form).status_code == 400


def test_the_api_changes_and_cancels_as_the_portal_does(laptop: Laptop) -> None:
    subscription = laptop.subscribe(trial_days=7)
    update = laptop.client.v1.subscriptions.update
    price, item = laptop.price("team_monthly"), laptop.item(subscription).id
    update(subscription, {"items": [{"id": item, "price": price}]})
    assert laptop.item(subscription).price.lookup_key == "team_monthly"
    assert update(subscription, {"cancel_at_period_end": True}).cancel_at_period_end is True
    assert update(subscription, {"trial_end": "now"}).status == "active"
    assert laptop.client.v1.subscriptions.cancel(subscription).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        update(subscription, {"cancel_at_period_end": True})


def test_an_event_can_be_delivered_again(laptop: Laptop) -> None:
    laptop.subscribe()
    listed = laptop.http.get("/control/events").json()["data"]
    assert [each["type"] for each in listed] == laptop.endpoint.types()
    assert [each["deliveries"][0]["status"] for each in listed] == [200] * len(listed)
    url = f"/control/events/{listed[-1]['id']}/redeliver"
    again = laptop.http.post(url)
    assert (again.status_code, again.json()["status"]) == (200, 200)
    assert again.json()["body"] == '{"received":true}'
    assert laptop.endpoint.events[-1].id == listed[-1]["id"]
    laptop.endpoint.status = 500
    assert laptop.http.post(url).status_code == 502
    assert laptop.http.post("/control/events/evt_none/redeliver").status_code == 404


def test_a_refused_event_is_sent_again_and_holds_up_no_other(laptop: Laptop) -> None:
    laptop.endpoint.status = 500
    laptop.customer()
    laptop.customer()
    eventually(lambda: len({event.id for event in laptop.endpoint.events}) == 2)
    laptop.endpoint.status = 200

    def last_answers() -> list[int]:
        listed = laptop.http.get("/control/events").json()["data"]
        return [each["deliveries"][-1]["status"] for each in listed if each["deliveries"]]

    eventually(lambda: last_answers() == [200, 200])


def test_events_wait_in_order_for_an_endpoint_that_is_down(tmp_path: Path) -> None:
    endpoint = stripe_laptop.Endpoint()
    with endpoint.listening():
        laptop = Laptop(tmp_path, endpoint)
    with laptop.http, laptop.killed_at_the_end():
        laptop.start()
        session = laptop.checkout(laptop.customer())
        started = time.monotonic()
        assert laptop.http.post(str(session.url), data={"card": PAYS}).status_code == 303
        assert time.monotonic() - started < 3, "the browser must not wait for a dead endpoint"
        laptop.kill()
        laptop.start()
        with endpoint.listening():
            eventually(lambda: len(endpoint.events) == 4)
    assert endpoint.types()[0] == "customer.created"
    assert endpoint.types()[-1] == "checkout.session.completed"


def test_nothing_is_forgotten_by_a_kill(tmp_path: Path) -> None:
    with stripe_laptop.running(tmp_path) as laptop:
        subscription = laptop.subscribe()
        prices = laptop.client.v1.prices.list().data
        laptop.kill()
        laptop.start()
        assert laptop.subscription(subscription).status == "active"
        assert [each.id for each in laptop.client.v1.prices.list().data] == [p.id for p in prices]


def test_it_listens_on_loopback_only(laptop: Laptop) -> None:
    with pytest.raises(httpx2.TransportError):
        httpx2.get(laptop.url.replace("127.0.0.1", "127.0.0.2"), trust_env=False)
