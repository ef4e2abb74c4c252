"""I and S: checkout, the way back and the portal, for one person and for many clicks at once."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from tests.integration.billing_service import ORIGIN, ScriptedService, event
from tests.integration.billing_stripe import running_stripe
from tests.integration.checkout_pages import SESSIONS, page_opened, refused
from tests.integration.conftest import Dump
from tests.integration.sign_in_service import CATALOGUE
from tollgate.billing.records import trial_claim
from tollgate.billing.start_checkout import start_checkout
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.billing.trials import by_email
from tollgate.catalogue import CheckoutOptions
from tollgate.table.client import Table


@pytest.fixture
def service(table: Table) -> Iterator[ScriptedService]:
    with running_stripe() as stripe:
        yield ScriptedService(table, stripe)


def test_a_checkout_says_whose_it_is_and_where_to_return(service: ScriptedService) -> None:
    person = service.person()
    answer = service.buy(person, "pro_yearly")
    assert answer.status_code == 200, answer.text
    [sold] = service.stripe.posted(SESSIONS)
    assert answer.json() == {
        "url": f"{service.stripe.url}/pay",
        "checkout_session_id": next(iter(service.stripe.sessions)),
    }
    assert sold["mode"] == "subscription"
    assert sold["line_items[0][price]"] == "price_pro_yearly"
    assert sold["success_url"] == f"{ORIGIN}/?checkout={{CHECKOUT_SESSION_ID}}"
    assert sold["cancel_url"] == f"{ORIGIN}/"
    for place in ("client_reference_id", "metadata[account_id]"):
        assert sold[place] == person.account_id
    assert sold["subscription_data[metadata][account_id]"] == person.account_id
    assert sold["customer"] == service.account(person).customer_id
    [customer] = service.stripe.posted("/v1/customers")
    assert customer["metadata[account_id]"] == person.account_id


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        (CheckoutOptions(), {}),
        (CheckoutOptions(promotion_codes=True), {"allow_promotion_codes": "true"}),
        (
            CheckoutOptions(tax_ids=True, automatic_tax=True),
            {
                "tax_id_collection[enabled]": "true",
                "automatic_tax[enabled]": "true",
                "customer_update[address]": "auto",
                "customer_update[name]": "auto",
            },
        ),
        (
            CheckoutOptions(automatic_tax=True),
            {"automatic_tax[enabled]": "true", "customer_update[address]": "auto"},
        ),
    ],
    ids=str,
)
def test_a_checkout_asks_for_what_the_catalogue_says(
    service: ScriptedService, options: CheckoutOptions, sent: dict[str, str]
) -> None:
    catalogue = msgspec.structs.replace(CATALOGUE, checkout=options)
    billing = replace(service.billing, catalogue=catalogue)
    start_checkout(billing, service.person().account_id, "pro_monthly", ORIGIN, None)
    [sold] = service.stripe.posted(SESSIONS)
    asked = ("allow_promotion", "tax_id", "automatic_tax", "customer_update")
    assert {name: sold[name] for name in sold if name.startswith(asked)} == sent


@pytest.mark.parametrize("price_key", ["free", "enterprise", "", "price_1"])
def test_an_unknown_price_is_refused_before_anything_is_done(
    service: ScriptedService, dump: Dump, price_key: str
) -> None:
    person = service.person()
    before = dump()
    refused(service.buy(person, price_key, key="k1"), 422, "unknown_price")
    assert (dump(), service.stripe.requests) == (before, [])


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid_request"),
        ({"price_key": 5}, "invalid_request"),
        ({"price_key": "pro_monthly", "customer": "cus_x"}, "invalid_request"),
    ],
)
def test_a_body_that_says_more_or_less_is_refused(
    service: ScriptedService, body: dict[str, Any], code: str
) -> None:
    person = service.person()
    refused(service.ask(person, "POST", "/billing/checkout", body), 422, code)
    assert service.stripe.requests == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/billing/checkout"),
        ("GET", "/billing/checkout/cs_test_1"),
        ("POST", "/billing/portal"),
    ],
)
def test_nobody_pays_without_a_session(service: ScriptedService, method: str, path: str) -> None:
    for body in ({"price_key": "pro_monthly"}, b"{"):
        answer = service.ask(service.person(), method, path, body, {"cookie": ""})
        refused(answer, 401, "unauthenticated")
    assert service.stripe.requests == []


def test_a_first_subscription_has_a_trial_and_a_second_one_has_none(
    service: ScriptedService,
) -> None:  # S11
    person, customer = service.customer()
    page_opened(service, person)
    [first] = service.stripe.posted(SESSIONS)
    assert first["subscription_data[trial_period_days]"] == "7"
    service.stripe.subscribe(customer, status="canceled", trial_end=int(time.time()))
    assert service.buy(person).status_code == 200
    assert "subscription_data[trial_period_days]" not in service.stripe.posted(SESSIONS)[-1]


@pytest.mark.case("S11")
def test_an_address_that_had_its_trial_is_offered_none(service: ScriptedService) -> None:  # S11
    person = service.person()
    had = trial_claim(by_email(service.account(person).email), "acc_another", "sub_another")
    service.table.put(had.serialize())
    page_opened(service, person)
    [sold] = service.stripe.posted(SESSIONS)
    assert "subscription_data[trial_period_days]" not in sold


def test_a_trial_is_remembered_when_stripe_has_forgotten_it(
    service: ScriptedService,
) -> None:  # S11
    person, customer = service.customer()
    service.stripe.subscribe(customer, status="canceled", trial_end=int(time.time()))
    service.deliver(event(customer))
    service.stripe.subscriptions.clear()
    assert service.buy(person).status_code == 200
    assert "subscription_data[trial_period_days]" not in service.stripe.posted(SESSIONS)[-1]


@pytest.mark.parametrize("status", ["active", "trialing", "past_due", "unpaid", "paused"])
@pytest.mark.case("S31")
def test_a_subscriber_is_sent_to_the_portal(service: ScriptedService, status: str) -> None:  # S31
    person, customer = service.customer()
    service.stripe.subscribe(customer, status=status)
    answer = service.buy(person, "team_monthly")
    refused(answer, 409, "already_subscribed")
    assert answer.json()["portal"] == "/billing/portal"
    assert service.stripe.posted(SESSIONS) == []


def test_a_refused_subscriber_gets_the_plan_that_no_event_has_brought(
    service: ScriptedService,
) -> None:
    person, customer = service.customer()
    service.stripe.subscribe(customer)
    refused(service.buy(person), 409, "already_subscribed")
    assert service.account(person).plan == "pro"


@pytest.mark.case("I2")
def test_one_key_for_another_body_is_a_mismatch(service: ScriptedService) -> None:  # I2
    person = service.person()
    assert service.buy(person, "pro_monthly", key="k1").status_code == 200
    refused(service.buy(person, "pro_yearly", key="k1"), 409, "idempotency_mismatch")
    assert len(service.stripe.sessions) == 1


@pytest.mark.case("I3")
def test_one_key_of_two_accounts_is_two_checkouts(service: ScriptedService) -> None:  # I3
    one, other = service.person(), service.person()
    first, second = service.buy(one, key="k1"), service.buy(other, key="k1")
    assert first.json() != second.json()
    assert len(service.stripe.sessions) == 2


def test_a_refusal_is_not_kept_under_its_key(service: ScriptedService) -> None:
    person = service.person()
    down = service.checkout_with(StripeGateway(None))
    body, headers = {"price_key": "pro_monthly"}, {"idempotency-key": "k1"}
    answer = service.ask(person, "POST", "/billing/checkout", body, headers, down)
    refused(answer, 503, "billing_unavailable")
    started = time.monotonic()
    assert service.buy(person, key="k1").status_code == 200
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("key", ["x" * 256])
def test_a_key_beyond_reason_is_refused(service: ScriptedService, key: str) -> None:
    refused(service.buy(service.person(), key=key), 422, "invalid_request")


@pytest.mark.case("S2")
def test_who_returns_before_the_webhook_has_the_plan_already(
    service: ScriptedService,
) -> None:  # S2
    person, customer = service.customer()
    session_id = page_opened(service, person)
    path = f"/billing/checkout/{session_id}"
    answer = service.ask(person, "GET", path)
    assert answer.json() == {"status": "open", "plan": "free"}
    service.stripe.sessions[session_id]["status"] = "complete"
    service.stripe.subscribe(customer, status="trialing")
    assert service.ask(person, "GET", path).json() == {"status": "complete", "plan": "pro"}
    assert service.tenant(person).limits.plan == "pro"


def test_a_session_that_is_complete_but_unpaid_shows_no_plan(
    service: ScriptedService,
) -> None:  # S4
    person, customer = service.customer()
    session_id = page_opened(service, person)
    service.stripe.sessions[session_id]["status"] = "complete"
    service.stripe.subscribe(customer, status="incomplete")
    answer = service.ask(person, "GET", f"/billing/checkout/{session_id}")
    assert answer.json() == {"status": "complete", "plan": "free"}


def test_anothers_checkout_answers_as_one_that_does_not_exist(service: ScriptedService) -> None:
    session_id = page_opened(service, service.person())
    stranger = service.person()
    bodies = []
    for unknown in (session_id, "cs_test_nothing", "sub_1", "cs_..%2F..", "x"):
        answer = service.ask(stranger, "GET", f"/billing/checkout/{unknown}")
        refused(answer, 404, "not_found")
        bodies.append({**answer.json(), "request_id": ""})
    asked = [path for method, path, _ in service.stripe.requests if method == "GET"]
    assert asked[-2:] == [f"{SESSIONS}/{session_id}", f"{SESSIONS}/cs_test_nothing"]
    assert all(body == bodies[0] for body in bodies)


def test_the_portal_opens_for_a_customer_only(service: ScriptedService) -> None:
    person = service.person()
    refused(service.ask(person, "POST", "/billing/portal"), 409, "no_billing_account")
    service.buy(person)
    answer = service.ask(person, "POST", "/billing/portal")
    customer = service.account(person).customer_id
    assert answer.json() == {"url": f"{service.stripe.url}/portal/{customer}"}
    [opened] = service.stripe.posted("/v1/billing_portal/sessions")
    assert opened["return_url"] == f"{ORIGIN}/"


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_the_portal_is_entered_without_a_word(service: ScriptedService, body: bytes) -> None:
    person, _ = service.customer()
    assert service.ask(person, "POST", "/billing/portal", body).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_json"),
        (b'{"customer": "cus_x"}', 422, "invalid_request"),
        (b" " * (256 * 1024 + 1), 413, "body_too_large"),
    ],
)
def test_the_portal_takes_no_members(
    service: ScriptedService, body: bytes, status: int, code: str
) -> None:
    person, _ = service.customer()
    refused(service.ask(person, "POST", "/billing/portal", body), status, code)
    assert service.stripe.posted("/v1/billing_portal/sessions") == []


def test_a_lookup_key_that_moved_sells_its_new_price_at_once(service: ScriptedService) -> None:
    person = service.person()
    service.buy(person)
    service.stripe.prices["pro_monthly"] = "price_dearer"
    service.buy(person)
    prices = [sold["line_items[0][price]"] for sold in service.stripe.posted(SESSIONS)]
    assert prices == ["price_pro_monthly", "price_dearer"]


def test_stripes_refusal_is_logged_by_its_kind_and_tells_nothing_of_the_person(
    service: ScriptedService, caplog: pytest.LogCaptureFixture
) -> None:
    person = service.person()
    service.stripe.faults["/v1/checkout/sessions"] = (402, "card_declined")
    refused(service.buy(person), 503, "billing_unavailable")
    [line] = [each for each in caplog.records if each.message == "stripe_fault"]
    told = {"kind": "CardError", "status": 402, "code": "card_declined"}
    assert vars(line).items() >= (told | {"stripe_request_id": "req_scripted"}).items()
    assert service.account(person).email not in str(vars(line))
    assert "sk_test" not in str(vars(line))


@pytest.mark.parametrize("trouble", ["no key", "nobody listens", "hangs"])
def test_stripe_out_of_reach_is_told_within_ten_seconds(
    service: ScriptedService, trouble: str
) -> None:
    person, _ = service.customer()
    gateways = {
        "no key": StripeGateway(None),
        "nobody listens": StripeGateway("sk_test_x", "http://127.0.0.1:9"),
        "hangs": service.gateway,
    }
    service.stripe.hangs = trouble == "hangs"
    app = service.checkout_with(gateways[trouble])
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", "/billing/checkout", {"price_key": "pro_monthly"}),
        ("GET", "/billing/checkout/cs_test_1", None),
        ("POST", "/billing/portal", None),
    ]

    def timed(request: tuple[str, str, dict[str, Any] | None]) -> float:
        started = time.monotonic()
        answer = service.ask(person, *request, app=app)
        refused(answer, 503, "billing_unavailable")
        assert answer.headers["retry-after"] == "5"
        return time.monotonic() - started

    with ThreadPoolExecutor(3) as pool:
        assert max(pool.map(timed, requests)) < 10


def test_a_stripe_whose_every_answer_is_slow_is_given_up_in_time(service: ScriptedService) -> None:
    person = service.person()
    service.stripe.before_answer = lambda path: time.sleep(2.4)
    started = time.monotonic()
    refused(service.buy(person), 503, "billing_unavailable")
    assert time.monotonic() - started < 10


def test_a_page_of_another_site_cannot_start_a_checkout(service: ScriptedService) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    body = {"price_key": "pro_monthly"}
    answer = service.ask(service.person(), "POST", "/billing/checkout", body, headers)
    refused(answer, 403, "cross_site_request")
