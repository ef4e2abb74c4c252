"""The metered price on a subscription, from the checkout to the invoice that bills it once."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import stripe

from local.clock import Clock
from tests.integration.billing_service import Person, ScriptedService, event
from tests.integration.billing_stripe import running_stripe
from tests.integration.stripe_laptop import Endpoint
from tests.integration.test_billing_upgrade import DAY, FAILS_LATER, Upgrades
from tests.stand_ins import stand_in
from tollgate.table.client import Table

HOUR = 3_600
METERED = ["team_monthly", "team_model_tokens_month"]


class Metered(Upgrades):
    def __init__(self, table: Table, url: str, clock: Clock) -> None:
        super().__init__(table, url, clock)
        self.client = stripe.StripeClient("sk_test_local", base_addresses={"api": url})
        self._heard = 0

    def hear(self) -> None:
        """What Stripe has told since."""
        told = self.events()
        for body in told[self._heard :]:
            assert self.deliver(body).status_code == 200
        self._heard = len(told)

    def pass_days(self, clock: Clock, days: int) -> None:
        self.advance(clock, days * DAY + HOUR)
        self.hear()

    def on_trial(self, price_key: str) -> Person:
        person = self.person()
        self.paid(person, price_key)
        self.hear()
        return person

    def paying(self, clock: Clock, price_key: str) -> Person:
        person = self.on_trial(price_key)
        self.pass_days(clock, 7)
        return person

    def manage(self, person: Person, **action: str) -> None:
        """Days pass here until nobody is signed in any more."""
        customer = str(self.account(person).customer_id)
        url = self.client.v1.billing_portal.sessions.create({"customer": customer}).url
        assert self._stripe("POST", url, action).status_code == 303

    def subscription(self, person: Person) -> stripe.Subscription:
        return self.client.v1.subscriptions.retrieve(str(self.account(person).subscription_id))

    def prices(self, person: Person) -> list[str | None]:
        return [each.price.lookup_key for each in self.subscription(person)["items"].data]

    def item(self, person: Person, key: str) -> stripe.SubscriptionItem:
        items: list[stripe.SubscriptionItem] = self.subscription(person)["items"].data
        return next(each for each in items if each.price.lookup_key == key)

    def price(self, key: str) -> str:
        [price] = self.client.v1.prices.list({"lookup_keys": [key]}).data
        return price.id

    def use(self, person: Person, tokens: int, at: datetime) -> None:
        payload = {"stripe_customer_id": str(self.account(person).customer_id)}
        self.client.v1.billing.meter_events.create(
            {
                "event_name": "model_tokens",
                "payload": payload | {"value": str(tokens)},
                "timestamp": int(at.timestamp()),
            }
        )

    def billed(self, person: Person) -> list[dict[str, Any]]:
        """The metered lines of all invoices, newest first."""
        customer = str(self.account(person).customer_id)
        invoices = self.client.v1.invoices.list({"customer": customer}).data
        lines = (line for each in invoices for line in each.to_dict()["lines"]["data"])
        return [line for line in lines if line["description"].startswith("team_model_tokens")]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def service(table: Table, tmp_path: Path, clock: Clock) -> Iterator[Metered]:
    """Somebody takes each event, so that nothing waits for that; the tests carry them on."""
    endpoint = Endpoint()
    arguments = ("--clock", str(tmp_path / "clock"), "--state", str(tmp_path / "stripe.db"))
    with endpoint.listening():
        hook = f"http://127.0.0.1:{endpoint.port}/webhooks/stripe"
        with stand_in("local.stripe", tmp_path / "log", *arguments, "--webhook-url", hook) as url:
            yield Metered(table, url, clock)


def test_a_checkout_sells_what_goes_beyond_the_month_and_no_trial_has_it(  # S10
    service: Metered, clock: Clock
) -> None:
    person = service.person()
    session = service.client.v1.checkout.sessions.retrieve(service.paid(person, "team_monthly"))
    sold = service.client.v1.subscriptions.retrieve(str(session.subscription))["items"].data
    assert [each.price.lookup_key for each in sold] == METERED
    service.hear()
    limits = service.tenant(person).limits
    assert (limits.plan, limits.metered) == ("team", False)
    service.pass_days(clock, 7)
    assert service.tenant(person).limits.metered


def test_a_plan_that_was_changed_in_the_portal_gets_its_metered_price_once(  # S9, S17
    service: Metered, clock: Clock
) -> None:
    person = service.paying(clock, "pro_monthly")
    service.manage(person, action="change", price="team_monthly")
    service.hear()
    assert service.prices(person) == METERED
    assert service.tenant(person).limits.metered
    service.pass_days(clock, 31)
    assert service.prices(person) == METERED


def test_what_goes_beyond_is_on_the_invoice_of_its_period_once(
    service: Metered, clock: Clock
) -> None:
    person = service.on_trial("team_monthly")
    service.use(person, 9_000_000, clock())  # nothing of a trial is ever billed
    service.pass_days(clock, 8)
    service.use(person, 1_000_000, clock())
    service.use(person, 500_000, clock())
    end = service.item(person, "team_monthly").current_period_end
    service.advance(clock, end - int(clock().timestamp()))
    service.use(person, 250_499, datetime.fromtimestamp(end - 60, clock().tzinfo))  # it came late
    service.use(person, 7, clock())  # of the next period
    service.pass_days(clock, 0)
    [line] = service.billed(person)
    assert (line["quantity"], line["amount"]) == (1_750_499, 1_750)
    service.pass_days(clock, 31)
    assert [each["quantity"] for each in service.billed(person)] == [7, 1_750_499]
    assert [each["amount"] for each in service.billed(person)] == [0, 1_750]


def test_a_cancelled_plan_is_billed_for_what_went_beyond_in_its_last_period(
    service: Metered, clock: Clock
) -> None:
    person = service.paying(clock, "team_monthly")
    service.use(person, 3_000_000, clock())
    service.manage(person, action="cancel")
    service.hear()
    assert service.tenant(person).limits.metered
    service.pass_days(clock, 31)
    assert service.account(person).plan == "free"
    assert [each["amount"] for each in service.billed(person)] == [3_000]


def test_the_portal_changes_no_plan_that_is_billed_by_usage_and_cancels_it(
    service: Metered, clock: Clock
) -> None:
    person = service.paying(clock, "team_monthly")
    with pytest.raises(AssertionError):
        service.manage(person, action="change", price="pro_monthly")
    assert service.prices(person) == METERED
    service.manage(person, action="cancel")
    assert service.subscription(person).cancel_at_period_end


def test_a_lower_plan_loses_the_metered_price_and_owes_what_it_has_counted(  # S18
    service: Metered, clock: Clock
) -> None:
    person = service.paying(clock, "team_monthly")
    service.use(person, 2_000_000, clock())
    service.advance(clock, DAY)
    moved = {"id": service.item(person, "team_monthly").id, "price": service.price("pro_monthly")}
    change: Any = {"items": [moved], "proration_behavior": "none"}
    service.client.v1.subscriptions.update(service.subscription(person).id, change)
    service.hear()
    assert service.prices(person) == ["pro_monthly"]
    assert not service.tenant(person).limits.metered
    service.pass_days(clock, 31)
    assert [each["amount"] for each in service.billed(person)] == [2_000]


def test_whoever_owes_a_renewal_is_sold_nothing_more_until_it_is_paid(  # S14, S15
    service: Metered, clock: Clock
) -> None:
    person = service.paying(clock, "team_monthly")
    service.manage(person, action="card", card=FAILS_LATER)
    service.pass_days(clock, 31)
    account, limits = service.account(person), service.tenant(person).limits
    assert (account.subscription_status, limits.plan, limits.metered) == ("past_due", "team", False)
    service.manage(person, action="card", card="4242424242424242")
    owed = str(service.subscription(person).latest_invoice)
    service.manage(person, action="pay", invoice=owed)
    service.hear()
    assert service.tenant(person).limits.metered


@pytest.fixture
def scripted(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def test_a_plan_is_not_kept_back_because_its_metered_price_is_refused(
    scripted: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    person, customer = scripted.customer()
    team = scripted.stripe.subscribe(customer, "team_monthly")
    path = f"/v1/subscriptions/{team['id']}"
    scripted.stripe.faults[path] = (400, "parameter_invalid")
    assert scripted.deliver(event(customer)).json()["outcome"] == "applied"
    limits = scripted.tenant(person).limits
    assert (limits.plan, limits.metered) == ("team", False)
    assert "metered_price_refused" in caplog.text
    del scripted.stripe.faults[path]
    scripted.deliver(event(customer))
    assert scripted.tenant(person).limits.metered


def test_a_price_that_goes_and_comes_again_within_a_day_is_added_again(
    scripted: ScriptedService,
) -> None:
    """Stripe repeats its answer to a key for a day."""
    person, customer = scripted.customer()
    items = scripted.stripe.subscribe(customer, "team_monthly")["items"]["data"]
    for key in ("team_monthly", "pro_monthly", "team_monthly"):
        items[0]["price"] = {"id": f"price_{key}", "lookup_key": key}
        scripted.deliver(event(customer))
        wanted = [key] if key == "pro_monthly" else METERED
        assert [each["price"]["lookup_key"] for each in items] == wanted
    assert scripted.tenant(person).limits.metered
