"""The Studio in a real browser: from the sign-in to a paid plan, and without a mouse."""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from playwright.sync_api import Browser, expect

from local.environment import ROOT
from local.stack import Stack
from tests.journeys.checks import eventually
from tests.journeys.studio_page import MINUTE, PATIENCE, QUESTION, Studio, launched, watched
from tests.stack import running_stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture
def studio(browser: Browser, stack: Stack) -> Iterator[Studio]:
    with watched(browser, stack.url) as opened:
        yield opened


@pytest.fixture
def capped(tmp_path: Path) -> Iterator[Stack]:
    """One answer costs more than all may spend in a day."""
    text = Path(ROOT, "plans.toml").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^daily_spend_cap = .*$", "daily_spend_cap = 1", text)
    text = re.sub(r"(?m)^output_price = .*$", "output_price = 1_000_000", text)
    plans = tmp_path / "plans.toml"
    plans.write_text(text, encoding="utf-8")
    with running_stack({"TOLLGATE_PLANS": str(plans), "LOCAL_MODELS_DELAY_MS": "5"}) as started:
        yield started


def a_new_person() -> str:
    return f"studio-{uuid4().hex[:12]}@example.com"


def test_the_page_may_load_and_post_nothing_elsewhere(stack: Stack) -> None:
    policy = httpx2.get(f"{stack.url}/").headers["content-security-policy"]

    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy


def test_an_unchanged_page_is_not_sent_twice(stack: Stack) -> None:
    first = httpx2.get(f"{stack.url}/")
    again = httpx2.get(f"{stack.url}/", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("name", ["index.html", "app.py", "..%2Fapp.py", "%2e%2e%2fapp.py", "a%00"])
def test_an_asset_is_one_of_the_pages_own_files(stack: Stack, name: str) -> None:
    assert httpx2.get(f"{stack.url}/studio/{name}").status_code == 404


@pytest.mark.parametrize("path", ["/", "/studio/app.js"])
def test_the_page_is_only_read(stack: Stack, path: str) -> None:
    answer = httpx2.post(f"{stack.url}{path}")

    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]


def test_the_door_shows_each_plan_by_the_month_and_by_the_year(studio: Studio) -> None:
    studio.open()

    plans = studio.page.get_by_role("region", name="Plans")
    pro = plans.get_by_role("article", name="Pro")
    expect(pro).to_contain_text("$19 / month")
    plans.get_by_label("Yearly").check()
    expect(pro).to_contain_text("$182.40 / year")


def test_text_grows_while_it_streams_and_the_bars_follow(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    day, month = studio.left("Today"), studio.left("This month")
    chosen = studio.pick(1)

    with studio.page.expect_request("**/generate") as sent:
        studio.ask()
    assert (sent.value.post_data_json or {})["blueprint"] == chosen
    answer = studio.answers.last
    expect(answer).not_to_have_text("", timeout=PATIENCE)
    early = len(answer.inner_text())
    expect(answer).to_have_attribute("aria-busy", "true")
    expect(answer).to_have_attribute("aria-busy", "false", timeout=PATIENCE)

    assert len(answer.inner_text()) > early > 0
    expect(studio.meter("Today")).to_have_attribute("aria-valuenow", str(day - 1))
    assert studio.left("This month") < month


def test_a_conversation_goes_on_and_is_found_again(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    for text in (QUESTION, "Shorter, please."):
        studio.ask(text)
        expect(studio.send).to_be_visible(timeout=PATIENCE)
    expect(studio.answers).to_have_count(2)

    studio.open()
    recent = studio.page.get_by_role("navigation", name="Recent").get_by_role("listitem")
    expect(recent).to_have_count(1, timeout=PATIENCE)
    recent.get_by_role("button").first.click()
    turns = studio.page.get_by_role("article")
    expect(turns).to_have_count(4, timeout=PATIENCE)
    expect(turns.first).to_have_text(QUESTION)

    recent.get_by_role("button", name="Delete").click()
    studio.dialog.get_by_role("button", name="Delete").click()
    expect(recent).to_have_count(0)


def test_a_stopped_answer_keeps_what_arrived_and_is_charged_for_it(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    studio.ask()
    answer = studio.answers.last
    expect(answer.locator(".text > *").first).to_be_visible(timeout=PATIENCE)
    early = answer.locator(".text").inner_text()

    with studio.page.expect_response("**/generate/*/stop") as asked:
        studio.page.get_by_role("button", name="Stop").click()

    assert asked.value.status == 202
    expect(answer).to_contain_text("Stopped.", timeout=PATIENCE)
    expect(studio.send).to_be_visible()
    assert answer.locator(".text").inner_text().startswith(early[:20])
    receipt = studio.receipt()
    expect(receipt).to_contain_text("Stopped")
    written = receipt.get_by_text("Written").locator("+ dd").inner_text()
    assert int(written.removesuffix(" tokens")) > 0


def test_an_answers_receipt_and_the_months_usage_show_the_generation(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    studio.ask()
    expect(studio.send).to_be_visible(timeout=PATIENCE)
    receipt = studio.receipt()
    expect(receipt).to_contain_text("Finished")
    cost = receipt.locator(".receipt-cost").inner_text()
    assert float(cost.removeprefix("$")) > 0
    receipt.get_by_role("button", name="Close").click()

    usage = studio.usage()

    day = usage.get_by_role("table", name="By day").get_by_role("row").last.get_by_role("cell")
    expect(day.first).to_have_text("1")
    used = day.nth(1).inner_text()
    expect(usage.get_by_role("table", name="By model")).to_contain_text(used)
    expect(usage).to_contain_text(f"{used} of 50,000 tokens")
    usage.get_by_role("button", name=QUESTION).click()
    expect(studio.dialog).to_contain_text(cost)


def test_a_month_before_is_a_click_away(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    usage = studio.usage()
    name = usage.get_by_role("heading", level=3)
    present = name.inner_text()
    expect(usage.get_by_role("button", name="Next month")).to_be_disabled()

    usage.get_by_role("button", name="Previous month").click()

    expect(name).not_to_have_text(present)
    expect(usage.get_by_role("meter")).to_have_count(0)
    usage.get_by_role("button", name="Next month").click()
    expect(name).to_have_text(present)


def test_meeting_the_days_limit_leads_to_pro_and_on(studio: Studio) -> None:
    """Shows: an upgrade from the limit itself."""
    studio.sign_in(a_new_person())
    studio.spend_the_day()

    studio.ask("One more.")
    expect(studio.dialog).to_contain_text("generations are used up", timeout=PATIENCE)
    expect(studio.dialog).to_contain_text("12:00")
    expect(studio.prompt).to_have_value("One more.")

    studio.dialog.get_by_role("button", name="Upgrade to Pro").click()
    studio.pay()
    studio.dialog.get_by_role("button", name="Start writing").click()
    expect(studio.page.get_by_role("banner")).to_contain_text("Pro")
    assert "checkout" not in studio.page.url
    expect(studio.page.get_by_role("button", name="Locked")).to_have_count(0)

    # An upgrade lifts the day's limit; ten in any minute holds on every plan.
    studio.ask("One more.")
    expect(studio.answers.or_(studio.dialog).first).to_be_visible(timeout=PATIENCE)
    again = studio.dialog.get_by_role("button", name="Send again")
    begun = again.or_(studio.answers.last.locator(".text > *").first).first
    expect(begun).to_be_visible(timeout=PATIENCE)
    if again.is_visible():
        again.click(timeout=MINUTE)
    expect(studio.answers.last).to_have_attribute("aria-busy", "false", timeout=PATIENCE)
    expect(studio.answers.last).not_to_have_text("")


def test_the_days_spend_cap_is_told_in_its_own_words(studio: Studio, capped: Stack) -> None:
    capped_studio = Studio(studio.page, capped.url)
    capped_studio.sign_in(a_new_person())
    capped_studio.ask()
    expect(studio.send).to_be_visible(timeout=PATIENCE)
    eventually(lambda: capped_studio.generate("More.").status, lambda status: status == 503)

    capped_studio.ask("And more.")

    expect(studio.dialog).to_contain_text("spent what it may spend in a day", timeout=PATIENCE)
    expect(studio.dialog).to_contain_text("12:00")
    expect(studio.prompt).to_have_value("And more.")
    expect(studio.dialog.get_by_role("button", name="Upgrade")).to_have_count(0)


def test_a_locked_blueprint_offers_the_plan_that_has_it(studio: Studio) -> None:
    studio.sign_in(a_new_person())

    studio.page.get_by_role("button", name="Locked").first.click()

    expect(studio.dialog).to_contain_text("Unlock")
    expect(studio.dialog.get_by_role("button", name="Upgrade to Pro")).to_be_visible()


def test_choosing_and_sending_need_no_mouse(studio: Studio) -> None:
    studio.sign_in(a_new_person())
    studio.open()
    expect(studio.prompt).to_be_visible(timeout=PATIENCE)
    keyboard = studio.page.keyboard

    keyboard.press("Tab")
    expect(studio.page.get_by_role("link", name="Skip to the content")).to_be_focused()
    _tab_to(studio, "[name=blueprint]")
    keyboard.press("ArrowDown")
    expect(studio.page.locator("[name=blueprint]").nth(1)).to_be_checked()
    _tab_to(studio, "#prompt")
    keyboard.type(QUESTION)
    keyboard.press("Control+Enter")

    expect(studio.answers.last).not_to_have_text("", timeout=PATIENCE)
    expect(studio.prompt).to_be_focused()


def test_the_end_of_a_session_shows_the_door_and_keeps_the_text(studio: Studio) -> None:
    person = a_new_person()
    studio.sign_in(person)
    studio.page.context.clear_cookies()

    studio.ask("Words that I would hate to lose.")

    expect(studio.page.get_by_role("alert")).to_contain_text("Your session has ended")
    studio.sign_in(person)
    expect(studio.prompt).to_have_value("Words that I would hate to lose.")


def test_signing_out_asks_for_a_sign_in_again(studio: Studio) -> None:
    studio.sign_in(a_new_person())

    studio.page.get_by_role("button", name="Account").click()
    studio.page.get_by_role("button", name="Sign out", exact=True).click()

    expect(studio.page.get_by_role("link", name="Continue with").first).to_be_visible()
    studio.open()
    expect(studio.page.get_by_role("link", name="Continue with").first).to_be_visible()


def _tab_to(studio: Studio, selector: str) -> None:
    for _ in range(40):
        if studio.page.locator(f"{selector}:focus").count():
            return
        studio.page.keyboard.press("Tab")
    raise AssertionError(f"forty tabs do not reach {selector}")
