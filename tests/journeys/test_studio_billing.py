"""A subscription's life as the Studio tells it, over days that pass at once."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from local.stack import Stack
from tests.journeys.studio_page import FAILS_LATER, PATIENCE, Studio, launched, watched
from tests.stack import running_stack


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


def a_subscriber(studio: Studio) -> str:
    """The address of who has a trial of Pro now."""
    email = f"billing-{uuid4().hex[:12]}@example.com"
    studio.sign_in(email)
    expect(studio.subscription).to_be_hidden()
    studio.subscribe()
    return email


def says(studio: Studio, text: str) -> None:
    expect(studio.subscription).to_contain_text(text, timeout=PATIENCE)


def test_a_trial_is_cancelled_and_kept_after_all(studio: Studio) -> None:
    a_subscriber(studio)
    says(studio, "Your trial of Pro runs until")

    studio.subscription.get_by_role("button", name="Manage").click()
    studio.choose("Cancel at the end of the period")
    says(studio, "Pro ends on")

    studio.subscription.get_by_role("button", name="Keep it").click()
    studio.choose("Keep the subscription")
    says(studio, "Your trial of Pro runs until")


def test_a_plan_is_changed_and_an_invoice_found_in_the_portal(studio: Studio) -> None:
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

    studio.portal()
    invoices = studio.page.get_by_role("table")
    expect(invoices).to_contain_text("$19", timeout=PATIENCE)


def test_a_failed_payment_is_told_with_its_date_until_it_is_made_good(studio: Studio) -> None:
    email = a_subscriber(studio)
    studio.pass_days(7)
    studio.portal()
    studio.choose(FAILS_LATER)
    studio.pass_days(31)
    studio.sign_in(email)
    says(studio, "Pro goes on until")
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")

    studio.pass_days(7)
    studio.reopen()
    says(studio, "Your plan has lapsed.")
    expect(studio.page.get_by_role("banner")).to_contain_text("Free")

    studio.subscription.get_by_role("button", name="Pay now").click()
    studio.page.get_by_role("button", name="4242").first.click(timeout=PATIENCE)
    studio.choose("Pay it")
    expect(studio.subscription).to_be_hidden(timeout=PATIENCE)
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")


def test_an_end_is_told_once(studio: Studio) -> None:
    a_subscriber(studio)
    studio.subscription.get_by_role("button", name="Manage").click()
    studio.choose("Cancel at the end of the period")
    studio.pass_days(8)
    studio.reopen()
    says(studio, "Your subscription has ended.")

    studio.subscription.get_by_role("button", name="See the plans").click()
    expect(studio.dialog.get_by_role("button", name="Upgrade to Pro")).to_be_visible()
    studio.reopen()
    expect(studio.subscription).to_be_hidden()
