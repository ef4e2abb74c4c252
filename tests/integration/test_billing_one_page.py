"""One open page and one customer for each account, whatever clicks, tabs and crashes there are."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.billing_service import ORIGIN, Person, ScriptedService
from tests.integration.billing_stripe import running_stripe
from tests.integration.checkout_pages import SESSIONS, open_pages, page_opened, refused
from tollgate.billing.start_checkout import start_checkout
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.table.client import Table


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def test_a_page_that_a_subscriber_left_open_is_closed(service: ScriptedService) -> None:  # S31
    person, customer = service.customer()
    page_opened(service, person)
    service.stripe.subscribe(customer)
    refused(service.buy(person), 409, "already_subscribed")
    assert open_pages(service) == []


def test_a_page_that_is_open_is_found_again(service: ScriptedService) -> None:  # S30
    person = service.person()
    assert page_opened(service, person) == page_opened(service, person)
    assert len(service.stripe.posted(SESSIONS)) == 1


@pytest.mark.case("S30")
def test_another_price_closes_the_page_of_the_first(service: ScriptedService) -> None:  # S30
    person = service.person()
    prices = ("pro_monthly", "pro_yearly", "pro_monthly")
    opened = [page_opened(service, person, price) for price in prices]
    assert len(set(opened)) == 3
    assert open_pages(service) == opened[2:]


@pytest.mark.parametrize("status", ["expired", "complete"])
@pytest.mark.case("S3")
def test_a_page_that_has_ended_leaves_the_way_open(
    service: ScriptedService, status: str
) -> None:  # S3
    person, customer = service.customer()
    ended = page_opened(service, person)
    service.stripe.sessions[ended]["status"] = status
    service.stripe.subscribe(customer, status="incomplete_expired")
    assert open_pages(service) == []
    opened = page_opened(service, person)
    assert open_pages(service) == [opened]


def test_a_page_that_is_paid_while_it_is_closed_is_a_subscription(
    service: ScriptedService,
) -> None:  # S31
    person, customer = service.customer()
    monthly = page_opened(service, person)

    def pays(path: str) -> None:
        if path == "/v1/prices" and service.stripe.sessions[monthly]["status"] == "open":
            service.stripe.sessions[monthly]["status"] = "complete"
            service.stripe.subscribe(customer)

    service.stripe.before_answer = pays
    refused(service.buy(person, "pro_yearly"), 409, "already_subscribed")
    assert service.account(person).plan == "pro"
    assert len(service.stripe.sessions) == 1


@pytest.mark.parametrize("keys", [[None], ["k1"], [None, "k1", "k2"]], ids=str)
@pytest.mark.case("S30")
def test_fifty_clicks_at_once_open_one_page_of_one_customer(
    service: ScriptedService, keys: list[str | None]
) -> None:  # S30, I1
    person = service.person()
    service.stripe.before_answer = lambda path: time.sleep(0.1)
    with ThreadPoolExecutor(50) as pool:
        clicks = [pool.submit(service.buy, person, key=keys[n % len(keys)]) for n in range(50)]
        answers = [click.result() for click in clicks]
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert len(service.stripe.customers) == len(service.stripe.posted("/v1/customers")) == 1
    assert len(service.stripe.posted(SESSIONS)) == 1


def test_two_tabs_with_two_prices_leave_one_page_open(service: ScriptedService) -> None:  # S30
    person = service.person()
    prices = ["pro_monthly", "pro_yearly"] * 5
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda price: service.buy(person, price), prices))
    assert {answer.status_code for answer in answers} == {200}
    assert len(open_pages(service)) == 1
    assert len(service.stripe.customers) == 1


def test_a_customer_that_was_recorded_first_stays_the_only_one(
    service: ScriptedService,
) -> None:  # S30
    person = service.person()
    late = iter([True])

    def overtaken(path: str) -> None:
        if path == "/v1/customers" and next(late, False):
            service.stripe._answers.clear()  # Stripe forgets keys after a day
            service.clock.ahead = timedelta(seconds=4)  # and whoever led was overtaken
            assert service.buy(person).status_code == 200

    service.stripe.before_answer = overtaken
    assert service.buy(person).status_code == 200
    assert len(service.stripe.customers) == 2
    assert {sold["customer"] for sold in service.stripe.posted(SESSIONS)} == {
        service.account(person).customer_id
    }


@pytest.mark.case("I1")
def test_a_repeated_key_has_its_first_answer_whatever_was_opened_since(
    service: ScriptedService,
) -> None:
    person = service.person()
    first = service.buy(person, key="k1")
    page_opened(service, person, "pro_yearly")
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: service.buy(person, key="k1"), range(50)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, first.text)}
    assert len(service.stripe.sessions) == 2


class Killed(BaseException):
    pass


def killed_after_stripe(service: ScriptedService, person: Person, price: str) -> str:
    """The page that was opened and that nobody has heard of."""

    class KilledAfterStripe(StripeGateway):
        def open_checkout(self, *arguments: Any) -> Any:
            super().open_checkout(*arguments)
            raise Killed

    dying = KilledAfterStripe("sk_test_x", service.stripe.url)
    billing = replace(service.billing, stripe=dying)
    with pytest.raises(Killed):
        start_checkout(billing, person.account_id, price, ORIGIN, None)
    return list(service.stripe.sessions)[-1]


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.case("I4")
def test_a_crash_between_stripe_and_the_record_repeats_the_same_page(
    service: ScriptedService, is_listed: bool
) -> None:  # I4
    person = service.person()
    made = killed_after_stripe(service, person, "pro_monthly")
    if not is_listed:
        service.stripe.sessions[made]["customer"] = "cus_not_yet"
    assert page_opened(service, person) == made
    assert list(service.stripe.sessions) == [made]


def test_a_page_that_a_crash_left_is_closed_for_another_price(service: ScriptedService) -> None:
    person = service.person()  # I4, S30
    killed_after_stripe(service, person, "pro_monthly")
    opened = page_opened(service, person, "pro_yearly")
    assert open_pages(service) == [opened]


@pytest.mark.case("I5")
def test_an_attempt_that_is_a_day_old_is_not_repeated(service: ScriptedService) -> None:  # I5
    person = service.person()
    made = killed_after_stripe(service, person, "pro_monthly")
    service.stripe.sessions[made]["status"] = "expired"
    service.clock.ahead = timedelta(hours=23, minutes=1)
    assert page_opened(service, person) != made


@pytest.mark.parametrize("path", ["/v1/customers", f"POST {SESSIONS}"])
@pytest.mark.parametrize(("status", "code"), [(400, "tax_address_missing"), (500, "api_error")])
def test_an_error_that_stripe_repeats_under_its_key_is_over_once_its_cause_is(  # I4, S30
    service: ScriptedService, path: str, status: int, code: str
) -> None:
    person = service.person()
    service.stripe.faults[path] = (status, code)
    for _ in range(2):
        refused(service.buy(person), 503, "billing_unavailable")
    service.stripe.faults.clear()
    opened = page_opened(service, person)
    assert (open_pages(service), len(service.stripe.customers)) == ([opened], 1)


def test_who_was_overtaken_closes_the_page_that_came_too_late(service: ScriptedService) -> None:
    person = service.person()  # S30
    overtaking = iter(["pro_yearly"])

    class Slow(StripeGateway):
        def open_checkout(self, *arguments: Any) -> Any:
            for price in overtaking:
                service.clock.ahead = timedelta(seconds=4)
                page_opened(service, person, price)
            return super().open_checkout(*arguments)

    slow = service.checkout_with(Slow("sk_test_x", service.stripe.url))
    body = {"price_key": "pro_monthly"}
    late = service.ask(person, "POST", "/billing/checkout", body, app=slow)
    refused(late, 503, "billing_unavailable")
    assert len(service.stripe.sessions) == 2
    assert open_pages(service) == [page_opened(service, person, "pro_yearly")]
