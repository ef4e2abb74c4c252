"""`make stripe-setup` on the stand-in's account, with plans of which it knows nothing yet."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import msgspec
import pytest
import stripe

from local.engine import base_environ
from local.environment import ROOT
from local.stripe_setup.setup import StripeSetup
from tests.stand_ins import stand_in
from tollgate import catalogue
from tollgate.billing.receive_event import RELEVANT
from tollgate.catalogue import Overage, Plan, Price

HOOK = "https://tollgate.example/webhooks/stripe"
TEAM = catalogue.load().plans["team"]
OVERAGE = Overage(amount=1_000, currency="usd", meter="words")


def plan(monthly: int = 4_900) -> Plan:
    """By the month and by the year, with overage."""
    prices = (
        Price(key="crew_monthly", interval="month", amount=monthly, currency="usd"),
        Price(key="crew_yearly", interval="year", amount=47_040, currency="usd"),
    )
    return msgspec.structs.replace(TEAM, id="crew", name="Crew", prices=prices, overage=OVERAGE)


@dataclass(frozen=True)
class Account:
    url: str
    client: stripe.StripeClient
    http: httpx2.Client


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("stripe")
    arguments = ["--clock", str(folder / "clock"), "--state", str(folder / "stripe.db")]
    arguments += ["--webhook-url", "http://127.0.0.1:1/", "--delay-ms", "0"]
    with stand_in("local.stripe", folder, *arguments) as url:
        client = stripe.StripeClient("sk_test_local", base_addresses={"api": url})
        with httpx2.Client(base_url=url, trust_env=False) as http:
            yield Account(url, client, http)


@pytest.fixture
def account(process: Account) -> Account:
    process.http.post("/control/reset")
    return process


class Stopped(Exception):
    """As Ctrl-C between two requests does."""


class Run:
    """One run, stopped after so many writes where that is given."""

    def __init__(
        self,
        account: Account,
        *plans: Plan,
        dry_run: bool = False,
        stop_after: int | None = None,
    ) -> None:
        self.lines: list[str] = []
        self._stop_after = stop_after
        before = len(requests(account))
        setup = StripeSetup(account.client, self._say, dry_run=dry_run)
        try:
            self.secret = setup.run(plans or [plan()], HOOK)
        except Stopped:
            self.secret = None
        self.stopped = setup.changes == stop_after
        self.changes = setup.changes
        self.written = [
            each["path"] for each in requests(account)[before:] if each["method"] != "GET"
        ]

    def _say(self, line: str) -> None:
        self.lines.append(line)
        done = sum(not each.startswith(("unchanged", "note")) for each in self.lines)
        if done == self._stop_after:
            raise Stopped


def requests(account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.http.get("/control/requests").json()["data"]
    return found


def price(account: Account, key: str) -> stripe.Price:
    [found] = account.client.v1.prices.list({"lookup_keys": [key], "active": True}).data
    return found


def offered(account: Account) -> dict[str, list[str]]:
    """By product: between which prices the portal lets change."""
    [portal] = account.client.v1.billing_portal.configurations.list().data
    products = portal.features.subscription_update.products or []
    return {each.product: each.prices for each in products}


def endpoint(account: Account) -> stripe.WebhookEndpoint:
    [found] = account.client.v1.webhook_endpoints.list().data
    return found


def test_an_empty_account_sells_the_catalogue_after_one_run(account: Account) -> None:
    run = Run(account)
    monthly, yearly = price(account, "crew_monthly"), price(account, "crew_yearly")
    over = price(account, "crew_words_year")
    assert run.changes == len(run.written) == 8
    assert (monthly.unit_amount, yearly.unit_amount) == (4_900, 47_040)
    assert monthly.metadata["price_key"] == "crew_monthly"
    assert str(over.unit_amount_decimal) == "0.001", "1,000 cents a million tokens"
    assert over.recurring is not None
    assert (over.recurring.usage_type, over.recurring.interval) == ("metered", "year")
    meters = account.client.v1.billing.meters.list().data
    assert {over.recurring.meter: "words"}.items() <= {m.id: m.event_name for m in meters}.items()
    assert offered(account) == {"prod_crew": [monthly.id, yearly.id]}
    assert set(endpoint(account).enabled_events) == RELEVANT


def test_a_second_run_writes_nothing(account: Account) -> None:
    first, second = Run(account), Run(account)
    assert (second.changes, second.written) == (0, [])
    assert all(line.startswith(("unchanged: ", "note: ")) for line in second.lines)
    assert (bool(first.secret), second.secret) == (True, None)


def test_a_dry_run_announces_what_a_run_does_and_writes_nothing(account: Account) -> None:
    dry, run = Run(account, dry_run=True), Run(account)
    assert (dry.written, dry.secret) == ([], None)
    done = [line.replace("would create:", "created:") for line in dry.lines]
    assert done == run.lines
    assert dry.changes == run.changes


def test_another_amount_is_another_price_and_the_old_one_stays_known(account: Account) -> None:
    Run(account)
    old = price(account, "crew_monthly").id
    assert Run(account, plan(monthly=5_900)).changes == 3, "new price, archived one, portal"
    new = price(account, "crew_monthly")
    left = account.client.v1.prices.retrieve(old)
    assert new.unit_amount == 5_900
    assert (left.active, left.lookup_key) == (False, None)
    assert left.metadata["price_key"] == "crew_monthly"
    assert new.id in offered(account)["prod_crew"]
    assert old not in offered(account)["prod_crew"]
    assert Run(account, plan(monthly=5_900)).changes == 0


def by_hand(account: Account, key: str, interval: Literal["month", "year"], amount: int) -> str:
    """The id of a price in a product of its own."""
    product = account.client.v1.products.create({"name": key})
    return account.client.v1.prices.create(
        {
            "product": product.id,
            "currency": "usd",
            "unit_amount": amount,
            "recurring": {"interval": interval},
            "lookup_key": key,
        }
    ).id


def test_prices_made_by_hand_keep_their_products_and_are_named(account: Account) -> None:
    monthly = by_hand(account, "crew_monthly", "month", 4_900)
    yearly = by_hand(account, "crew_yearly", "year", 47_040)
    Run(account)
    for key, made in {"crew_monthly": monthly, "crew_yearly": yearly}.items():
        kept = price(account, key)
        assert (kept.id, kept.metadata["price_key"]) == (made, key)
        assert offered(account)[str(kept.product)] == [made]
    assert Run(account).changes == 0


def test_a_price_made_by_hand_is_named_before_it_loses_its_key(account: Account) -> None:
    old = by_hand(account, "crew_monthly", "month", 4_000)
    Run(account)
    replaced = account.client.v1.prices.retrieve(old)
    assert (replaced.active, replaced.lookup_key) == (False, None)
    assert replaced.metadata["price_key"] == "crew_monthly"
    assert price(account, "crew_monthly").product == replaced.product
    events = account.client.v1.events.list({"type": "price.updated"}).data
    history = [each.data.object for each in reversed(events) if each.data.object["id"] == old]
    assert [(each["lookup_key"], each["metadata"].to_dict()) for each in history[:2]] == [
        ("crew_monthly", {"price_key": "crew_monthly"}),
        (None, {"price_key": "crew_monthly"}),
    ]


def test_a_run_that_was_stopped_is_finished_by_the_next(account: Account) -> None:
    """After each of its writes: here 8 that make everything, and 3 that change an amount."""
    for amount, writes in ((4_900, 8), (5_900, 3)):
        for stop_after in range(1, writes):
            account.http.post("/control/reset")
            if amount != 4_900:
                Run(account)
            assert Run(account, plan(amount), stop_after=stop_after).stopped
            assert Run(account, plan(amount)).changes == writes - stop_after
            assert Run(account, plan(amount)).changes == 0
            active = account.client.v1.prices.list({"product": "prod_crew", "active": True}).data
            assert len(active) == 4, "one for each key"


def test_a_switched_off_or_outdated_webhook_endpoint_is_repaired(account: Account) -> None:
    Run(account)
    update = account.client.v1.webhook_endpoints.update
    update(endpoint(account).id, {"disabled": True})
    assert Run(account).changes == 1
    assert endpoint(account).status == "enabled"
    update(endpoint(account).id, {"enabled_events": ["invoice.paid"]})
    assert Run(account).changes == 1
    assert set(endpoint(account).enabled_events) == RELEVANT


def test_an_account_without_a_default_portal_is_told_where_to_make_one(account: Account) -> None:
    assert any("settings/billing/portal" in line for line in Run(account).lines)


def command(account: Account, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    given = {"STRIPE_SECRET_KEY": "sk_test_local", "STRIPE_API_BASE": account.url, **environ}
    return subprocess.run(
        [sys.executable, "-m", "local.stripe_setup", *arguments],
        cwd=ROOT,
        env=base_environ() | given,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_tells_the_secret_once_with_the_way_to_keep_it(account: Account) -> None:
    url = {"PUBLIC_URL": "https://tollgate.example/", "ENV": "staging"}
    dry = command(account, "--dry-run", **url)
    first, second = command(account, **url), command(account, **url)
    assert (dry.returncode, first.returncode, second.returncode) == (0, 0, 0), first.stderr
    assert first.stdout.count("whsec_") == 1
    assert "--name /tollgate/staging/STRIPE_WEBHOOK_SECRET --value whsec_" in first.stdout
    assert "whsec_" not in dry.stdout + second.stdout
    assert "stripe-setup: 0 changes in the account's test mode" in second.stdout
    assert endpoint(account).url == HOOK


@pytest.mark.parametrize(
    ("environ", "complaint"),
    [
        ({"STRIPE_SECRET_KEY": "", "WEBHOOK_URL": HOOK}, "STRIPE_SECRET_KEY is not set"),
        ({"STRIPE_SECRET_KEY": "sk_test_other", "WEBHOOK_URL": HOOK}, "Invalid API Key"),
        ({}, "Neither PUBLIC_URL nor WEBHOOK_URL is set"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    account: Account, environ: dict[str, str], complaint: str
) -> None:
    ended = command(account, **environ)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert complaint in ended.stderr
