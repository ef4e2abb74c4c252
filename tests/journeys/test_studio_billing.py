"""A subscription's life as the Studio tells it, over days that pass at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from local.stack import Stack
from local.stripe.cards import CHALLENGED, MORE_THAT_PAY
from tests.journeys.studio_page import FAILS_LATER, PATIENCE, Studio, launched, watched
from tests.stack import running_stack

# A card has one trial, whoever pays with it.
_CARDS = iter(MORE_THAT_PAY)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def calendar() -> Iterator[Stack]:
    """A stack whose days pass without disturbing the other tests."""
    with running_stack() as started:
        yield started


@pytest.fixture
def studio(browser: Browser, calendar: Stack) -> Iterator[Studio]:
    with watched(browser, calendar.url) as opened:
        yield opened


@dataclass(frozen=True)
class Bank:
    """What becomes of the payment that was made last, of which only Stripe tells the Studio."""

    stripe: httpx2.Client

    def dispute(self) -> str:
        opened = {"charge": self._charge(), "status": "needs_response"}
        found: str = self._ask("/control/disputes", json=opened)["id"]
        return found

    def decide(self, dispute: str, status: str) -> None:
        self._ask(f"/control/disputes/{dispute}", json={"status": status})

    def refund(self) -> None:
        self._ask("/v1/refunds", data={"charge": self._charge()})
        self._ask("/control/tick")  # which answers when the webhook was told

    def _charge(self) -> str:
        newest, *_ = self.stripe.get("/v1/charges").json()["data"]
        charge: str = newest["id"]
        return charge

    def _ask(self, path: str, **sent: Any) -> dict[str, Any]:
        answer = self.stripe.post(path, **sent)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


@pytest.fixture
def bank(calendar: Stack) -> Iterator[Bank]:
    key = {"authorization": f"Bearer {calendar.environ['STRIPE_SECRET_KEY']}"}
    base_url = calendar.environ["LOCAL_STRIPE"]
    with httpx2.Client(base_url=base_url, headers=key, trust_env=False) as stripe:
        yield Bank(stripe)


def an_address() -> str:
    return f"billing-{uuid4().hex[:12]}@example.com"


def says(studio: Studio, text: str) -> None:
    expect(studio.subscription).to_contain_text(text, timeout=PATIENCE)


def a_subscriber(studio: Studio) -> str:
    """The address of who has a trial of Pro now."""
    email = an_address()
    studio.sign_in(email)
    expect(studio.subscription).to_be_hidden()
    studio.subscribe(next(_CARDS))
    says(studio, "Your trial of Pro runs until")
    return email


def an_ended_trial(studio: Studio) -> None:
    a_subscriber(studio)
    studio.subscription.get_by_role("button", name="Manage").click()
    studio.choose("Cancel at the end of the period")
    says(studio, "Pro ends on")
    studio.pass_days(8)
    studio.reopen()
    says(studio, "Your subscription has ended.")


def test_a_trial_is_cancelled_and_kept_after_all(studio: Studio) -> None:
    """Shows: a trial with its date, a cancellation and its undoing."""
    a_subscriber(studio)

    studio.subscription.get_by_role("button", name="Manage").click()
    studio.choose("Cancel at the end of the period")
    says(studio, "Pro ends on")

    studio.subscription.get_by_role("button", name="Keep it").click()
    studio.choose("Keep the subscription")
    says(studio, "Your trial of Pro runs until")


def test_a_plan_is_changed_and_an_invoice_found_in_the_portal(studio: Studio) -> None:
    """Shows: an upgrade from plan to plan, and invoices."""
    a_subscriber(studio)
    studio.pass_days(7)
    studio.reopen()
    expect(studio.subscription).to_be_hidden()

    studio.plans()
    studio.dialog.get_by_role("button", name="Change to Team").click()
    studio.page.get_by_role("combobox").select_option("team_monthly", timeout=PATIENCE)
    studio.choose("Change the plan")
    banner = studio.page.get_by_role("banner")
    expect(banner).to_contain_text("Team", timeout=PATIENCE)
    expect(studio.page.get_by_text("10M left")).to_be_visible()
    studio.plans()
    expect(studio.dialog).to_contain_text("From a plan that bills by usage, cancel first")
    expect(studio.dialog.get_by_role("button", name="Change to")).to_have_count(0)
    expect(studio.dialog.get_by_role("button", name="Cancel", exact=True)).to_be_visible()
    studio.dialog.get_by_role("button", name="Close").click()

    studio.portal()
    invoices = studio.page.get_by_role("table")
    expect(invoices.get_by_role("row", name="$19")).to_contain_text("paid", timeout=PATIENCE)


def test_a_failed_payment_is_told_with_its_date_until_it_is_made_good(studio: Studio) -> None:
    """Shows: past due with the date, the lapse, and the recovery."""
    email = a_subscriber(studio)
    studio.pass_days(7)
    studio.portal()
    studio.choose(FAILS_LATER)
    studio.pass_days(31)
    studio.sign_in(email)
    says(studio, "Pro goes on until")
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")

    studio.subscription.get_by_role("button", name="Pay now").click()
    studio.choose("Cancel at the end of the period")
    says(studio, "It is cancelled as well")
    studio.subscription.get_by_role("button", name="Keep it").click()
    studio.choose("Keep the subscription")
    expect(studio.subscription).not_to_contain_text("cancelled", timeout=PATIENCE)

    studio.pass_days(7)
    studio.reopen()
    says(studio, "Your plan has lapsed.")
    expect(studio.page.get_by_role("banner")).to_contain_text("Free")

    studio.subscription.get_by_role("button", name="Pay now").click()
    expect(studio.page.get_by_text("Payment is owed: $19.00")).to_be_in_viewport(timeout=PATIENCE)
    studio.page.get_by_role("button", name="4242 4242").click()
    expect(studio.page.get_by_role("status")).to_contain_text("The card is changed")
    studio.choose("Pay it with Visa •••• 4242")
    expect(studio.subscription).to_be_hidden(timeout=PATIENCE)
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")


def test_an_end_is_told_once(studio: Studio) -> None:
    """Shows: the end, until the person has looked at the plans."""
    an_ended_trial(studio)

    studio.subscription.get_by_role("button", name="See the plans").click()
    expect(studio.dialog.get_by_role("button", name="Upgrade to Pro")).to_be_visible()
    studio.reopen()
    expect(studio.subscription).to_be_hidden()


def test_a_second_trial_with_one_card_is_paid_for_at_once_and_says_why(studio: Studio) -> None:
    """Shows: an upgrade whose trial was refused."""
    card = next(_CARDS)
    studio.sign_in(an_address())
    studio.subscribe(card)
    says(studio, "Your trial of Pro runs until")
    studio.page.context.clear_cookies()

    studio.sign_in(an_address())
    studio.plans()
    studio.dialog.get_by_role("button", name="Upgrade to Pro").click()
    trial = studio.page.get_by_role("button", name="Start the trial")
    expect(trial).to_be_visible(timeout=PATIENCE)
    studio.pay(card)

    expect(studio.dialog).to_contain_text("It is paid until")
    expect(studio.dialog).to_contain_text("an address and a card have one each")
    studio.dialog.get_by_role("button", name="Start writing").click()
    expect(studio.subscription).to_be_hidden()


def test_a_bank_that_asks_its_customer_first_is_answered_no_and_then_yes(studio: Studio) -> None:
    """Shows: a payment with 3-D Secure."""
    an_ended_trial(studio)
    studio.plans()
    studio.dialog.get_by_role("button", name="Upgrade to Pro").click()
    studio.offer(CHALLENGED)
    studio.page.get_by_role("button", name="Fail authentication").click(timeout=PATIENCE)
    told = studio.page.get_by_role("alert")
    expect(told).to_contain_text("unable to authenticate", timeout=PATIENCE)
    studio.page.get_by_role("link", name="Back without buying").click()
    says(studio, "Your first payment was not confirmed. Nothing was charged.")
    expect(studio.page.get_by_role("banner")).to_contain_text("Free")

    studio.subscription.get_by_role("button", name="Pay another way").click()
    studio.dialog.get_by_role("button", name="Upgrade to Pro").click()
    studio.offer(CHALLENGED)
    studio.page.get_by_role("button", name="Complete authentication").click(timeout=PATIENCE)

    expect(studio.dialog).to_contain_text("Welcome to Pro", timeout=PATIENCE)
    expect(studio.dialog).to_contain_text("It is paid until")


def test_a_disputed_payment_holds_the_account_until_the_bank_has_decided(
    studio: Studio, bank: Bank
) -> None:
    """Shows: an account on hold, and its return."""
    a_subscriber(studio)
    studio.pass_days(7)
    dispute = bank.dispute()
    studio.reopen()

    studio.ask("Words that I would hate to lose.")
    expect(studio.dialog).to_contain_text("Your account is on hold", timeout=PATIENCE)
    expect(studio.dialog.get_by_role("button", name="Billing and invoices")).to_be_visible()
    expect(studio.prompt).to_have_value("Words that I would hate to lose.")

    bank.decide(dispute, "won")
    studio.dialog.get_by_role("button", name="Close").click()
    studio.ask("Words that I would hate to lose.")
    expect(studio.answers.last).not_to_have_text("", timeout=PATIENCE)


def test_a_refund_takes_back_what_it_bought_and_leaves_the_plan(studio: Studio, bank: Bank) -> None:
    """Shows: a refund."""
    a_subscriber(studio)
    studio.pass_days(7)
    bank.refund()

    studio.reopen()
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")
    expect(studio.subscription).to_be_hidden()
    expect(studio.meter("This month")).to_have_attribute("aria-valuenow", "0")

    studio.ask()
    expect(studio.dialog).to_contain_text("tokens are used up", timeout=PATIENCE)
