"""The way to Pro and back against the laptop's Stripe, which checks every request."""

import asyncio
import json
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from local.clock import Clock
from tests.integration.billing_service import ORIGIN, Person, Service, sign
from tests.integration.conftest import Dump
from tests.integration.sign_in_service import CATALOGUE
from tests.stand_ins import stand_in
from tollgate.billing.apply_subscription import sync_account
from tollgate.billing.lapse import lapse
from tollgate.billing.records import trial_claim
from tollgate.billing.start_checkout import start_checkout
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.billing.trials import by_email
from tollgate.catalogue import CheckoutOptions
from tollgate.table.client import Table

PAYS, FAILS_LATER = "4242424242424242", "4000000000000341"
DAY = 86_400
NOBODY = "http://127.0.0.1:9/webhooks/stripe"
"""The tests carry the events themselves, in the order that they want."""


class Upgrades(Service):
    def __init__(self, table: Table, url: str, clock: Clock) -> None:
        super().__init__(table, StripeGateway("sk_test_local", url), clock)
        self._url = url

    def events(self) -> list[bytes]:
        found = self._stripe("GET", "/control/events").json()["data"]
        return [_whole(each) for each in found]

    def advance(self, clock: Clock, seconds: int) -> None:
        clock.advance(seconds)
        self._stripe("POST", "/control/tick")

    def pay(self, url: str, card: str = PAYS, code: str = "") -> str:
        """Where the person is sent after the payment."""
        answer = self._stripe("POST", url, {"card": card, "code": code})
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def manage(self, person: Person, **action: str) -> None:
        url = self.ask(person, "POST", "/billing/portal").json()["url"]
        assert self._stripe("POST", url, action).status_code == 303

    def paid(self, person: Person, price_key: str = "pro_monthly", card: str = PAYS) -> str:
        """The session of a checkout that was paid; nothing of it has reached us yet."""
        opened = self.buy(person, price_key).json()
        assert opened["checkout_session_id"] in self.pay(opened["url"], card)
        return str(opened["checkout_session_id"])

    def _stripe(self, method: str, url: str, form: dict[str, str] | None = None) -> httpx2.Response:
        async def ask() -> httpx2.Response:
            async with httpx2.AsyncClient(
                base_url=self._url, timeout=30, trust_env=False
            ) as client:
                return await client.request(method, url, data=form)

        return asyncio.run(ask())


def _whole(event: dict[str, Any]) -> bytes:
    return json.dumps({name: event[name] for name in event if name != "deliveries"}).encode()


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def service(table: Table, tmp_path: Path, clock: Clock) -> Iterator[Upgrades]:
    arguments = ("--clock", str(tmp_path / "clock"), "--state", str(tmp_path / "stripe.db"))
    with stand_in("local.stripe", tmp_path / "log", *arguments, "--webhook-url", NOBODY) as url:
        yield Upgrades(table, url, clock)


def test_a_payment_is_pro_on_return_and_its_events_change_nothing_more(  # S1, S2, S10, W7
    service: Upgrades, dump: Dump
) -> None:
    person = service.person()
    session_id = service.paid(person)
    assert service.account(person).plan == "free"
    answer = service.ask(person, "GET", f"/billing/checkout/{session_id}")
    assert answer.json() == {"status": "complete", "plan": "pro"}
    assert service.account(person).subscription_status == "trialing"
    limits = service.tenant(person).limits
    assert limits.plan == "pro"
    events = service.events()
    random.Random(1).shuffle(events)  # noqa: S311  a test's order is no secret
    outcomes = [service.deliver(body).json()["outcome"] for body in events]
    assert set(outcomes) == {"applied", "ignored"}
    assert service.tenant(person).limits == limits
    before = dump()
    repeated = [service.deliver(body, sign(body)).json()["outcome"] for body in events]
    assert set(repeated) == {"duplicate", "ignored"}
    assert dump() == before


@pytest.mark.case("S6")
def test_a_code_that_leaves_nothing_to_pay_brings_the_plan(service: Upgrades) -> None:
    options = CheckoutOptions(promotion_codes=True)
    offered = msgspec.structs.replace(CATALOGUE, checkout=options, trial_days=0)
    person = service.person()
    billing = replace(service.billing, catalogue=offered)
    opened = start_checkout(billing, person.account_id, "pro_monthly", ORIGIN, None)
    service.pay(opened.url, code="FREE100")
    sync_account(service.billing, person.account_id)
    assert service.account(person).subscription_status == "active"
    assert service.tenant(person).limits.plan == "pro"


@pytest.mark.case("S4")
@pytest.mark.parametrize(("account", "plan"), [("000123456789", "pro"), ("000111111116", "free")])
def test_a_bank_debit_is_the_plan_when_its_money_arrives_and_not_before(
    service: Upgrades, clock: Clock, account: str, plan: str
) -> None:
    person = service.person()
    had = trial_claim(by_email(service.account(person).email), "acc_another", "sub_another")
    service.table.put(had.serialize())  # a trial would put the debit off
    session_id = service.paid(person, card=account)
    answer = service.ask(person, "GET", f"/billing/checkout/{session_id}")
    assert answer.json() == {"status": "complete", "plan": "free"}
    service.advance(clock, 3 * DAY + 1)
    for body in service.events():
        assert service.deliver(body).status_code == 200
    assert (service.account(person).plan, service.tenant(person).limits.plan) == (plan, plan)


def test_twenty_checkouts_at_once_make_one_customer(service: Upgrades) -> None:  # S30
    person = service.person()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: service.buy(person), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    made = [body for body in service.events() if b'"type": "customer.created"' in body]
    assert len(made) == 1


def test_fifty_clicks_with_one_key_open_one_session(service: Upgrades) -> None:  # I1
    person = service.person()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: service.buy(person, key="k1"), range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.case("S20")
def test_a_cancelled_plan_stays_until_its_end_and_can_be_resumed(  # S12, S20, S31
    service: Upgrades, clock: Clock
) -> None:
    person = service.person()
    service.paid(person)
    service.manage(person, action="cancel")
    assert service.buy(person).json()["code"] == "already_subscribed"
    account, limits = service.account(person), service.tenant(person).limits
    assert (account.plan, account.cancel_at_period_end) == ("pro", True)
    assert limits.until is not None
    service.manage(person, action="resume")
    sync_account(service.billing, person.account_id)
    assert service.tenant(person).limits.until is None
    service.manage(person, action="cancel")
    sync_account(service.billing, person.account_id)
    service.advance(clock, 8 * DAY)
    lapse(service.table, service.billing.catalogue, person.account_id, clock())
    assert service.account(person).plan == "free"
    sync_account(service.billing, person.account_id)
    assert service.account(person).subscription_status == "canceled"
    assert service.buy(person).status_code == 200


def test_a_change_of_plan_is_effective_at_once(service: Upgrades) -> None:  # S17, S19
    person = service.person()
    service.paid(person)
    service.manage(person, action="change", price="team_yearly")
    sync_account(service.billing, person.account_id)
    assert service.account(person).price_key == "team_yearly"
    assert service.tenant(person).limits.plan == "team"


def test_a_trial_that_cannot_be_charged_is_free_again(  # S12
    service: Upgrades, clock: Clock
) -> None:
    person = service.person()
    service.paid(person, card=FAILS_LATER)
    sync_account(service.billing, person.account_id)
    assert service.account(person).plan == "pro"
    service.advance(clock, 8 * DAY)
    sync_account(service.billing, person.account_id)
    account = service.account(person)
    assert (account.plan, account.subscription_status) == ("free", "past_due")
    assert account.had_trial


def test_a_renewal_changes_neither_limits_nor_anchor(service: Upgrades, clock: Clock) -> None:
    person = service.person()  # S13
    service.paid(person)
    service.advance(clock, 8 * DAY)
    sync_account(service.billing, person.account_id)
    limits, end = service.tenant(person).limits, service.account(person).current_period_end
    service.advance(clock, 31 * DAY)
    sync_account(service.billing, person.account_id)
    assert service.tenant(person).limits == limits
    renewed = service.account(person).current_period_end
    assert end is not None
    assert renewed is not None
    assert renewed > end
