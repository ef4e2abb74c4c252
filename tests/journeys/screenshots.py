"""Takes the Studio's pictures for docs/images, from a stack of its own or from $BASE_URL."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.stripe.cards import MORE_THAT_PAY
from tests.browser import MISSING, find_chromium
from tests.journeys.studio_page import DAY_SECONDS, FAILS_LATER, PATIENCE, QUESTION, Studio
from tests.stack import running_stack

IMAGES = Path(__file__).parents[2] / "docs" / "images"
# Suffix, width, height, colour scheme.
USED_ON_DAYS = (3, 1, 5)  # generations
LOOKS = (("", 1280, 800, "light"), ("-phone", 390, 844, "light"), ("-dark", 1280, 800, "dark"))
# A card has one trial, whoever pays with it.
CARDS = iter(MORE_THAT_PAY)


def main() -> None:
    chromium = find_chromium()
    if chromium is None:
        sys.exit(MISSING)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, base_url() as url:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for page, suffix in each_look(browser):
            take(Studio(page, url), suffix)
        person, days = a_new_ada(), iter(USED_ON_DAYS)
        for page, suffix in each_look(browser):
            take_usage(Studio(page, url), suffix, person, days)
        for page, suffix in each_look(browser):
            take_billing(Studio(page, url), suffix)
        browser.close()


def each_look(browser: Browser) -> Iterator[tuple[Page, str]]:
    for suffix, width, height, scheme in LOOKS:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=2,
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
        )
        yield context.new_page(), suffix
        context.close()


@contextmanager
def base_url() -> Iterator[str]:
    named = os.environ.get("BASE_URL")
    if named:
        yield named.rstrip("/")
        return
    with running_stack() as stack:
        yield stack.url


def take(studio: Studio, suffix: str) -> None:
    """One person's way, with a picture at each of its four stations."""
    studio.open()
    expect(studio.page.get_by_role("link", name="Continue with").first).to_be_visible()
    shoot(studio.page, f"signed-out{suffix}")

    studio.sign_in(a_new_ada())
    studio.ask()
    words = studio.answers.last.locator(".text")
    expect(words).to_have_text(re.compile(".{140}", re.DOTALL), timeout=PATIENCE)
    shoot(studio.page, f"streaming{suffix}")
    expect(studio.send).to_be_visible(timeout=PATIENCE)

    studio.spend_the_day()
    studio.ask("And now for the week after.")
    expect(studio.dialog).to_be_visible(timeout=PATIENCE)
    shoot(studio.page, f"limit{suffix}")

    studio.dialog.get_by_role("button", name="Upgrade to Pro").click()
    studio.pay(next(CARDS))
    studio.dialog.get_by_role("button", name="Start writing").click()
    shoot(studio.page, f"pro{suffix}")


def take_usage(studio: Studio, suffix: str, person: str, days: Iterator[int]) -> None:
    """The first look is the one that uses something; it turns the stack's clock from day to day."""
    studio.sign_in(person)
    for generations in days:
        for number in range(generations):
            studio.generate(f"Three lines on topic {number}, in {30 * generations} words.")
        studio.page.request.post(f"{studio.url}/local/clock", data={"advance_seconds": DAY_SECONDS})
    studio.ask()
    expect(studio.send).to_be_visible(timeout=PATIENCE)
    studio.usage()
    expect(studio.dialog.get_by_role("table", name="By model")).to_be_visible()
    shoot(studio.page, f"usage{suffix}")
    studio.dialog.get_by_role("button", name=QUESTION).click()
    expect(studio.dialog).to_contain_text("Finished", timeout=PATIENCE)
    shoot(studio.page, f"receipt{suffix}")


def take_billing(studio: Studio, suffix: str) -> None:
    """A trial, and six weeks later a renewal that a card has refused."""
    person = a_new_ada()
    studio.sign_in(person)
    studio.subscribe(next(CARDS))
    shoot(studio.page, f"trial{suffix}")
    studio.pass_days(7)
    studio.portal()
    studio.choose(FAILS_LATER)
    studio.pass_days(31)
    studio.sign_in(person)
    expect(studio.subscription).to_contain_text("Your last payment failed.", timeout=PATIENCE)
    shoot(studio.page, f"past-due{suffix}")


def a_new_ada() -> str:
    return f"ada.lovelace+{uuid4().hex[:6]}@example.com"


def shoot(page: Page, name: str) -> None:
    path = IMAGES / f"studio-{name}.png"
    page.screenshot(path=path)
    print(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    main()
