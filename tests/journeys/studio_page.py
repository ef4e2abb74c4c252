"""The Studio as a person meets it: every step by the words on the page, none by its insides."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import (
    APIResponse,
    Browser,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.browser import MISSING, find_chromium
from tests.journeys.checks import eventually

PATIENCE = 20_000  # milliseconds that a step may take on a busy machine
MINUTE = 75_000  # until the window of sixty seconds has surely moved on
DAY_SECONDS = 86_400
_MANY_WEBHOOKS_SECONDS = 60.0
PAYS = "4242424242424242"
FAILS_LATER = "4000 0000 0000 0341"  # a card of the portal that takes no further payment
QUESTION = "Plan our launch week: four people, one product, shipping on Friday."


@dataclass
class Trouble:
    """What no page should do: fail in the console, or ask a host that is not this machine."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        # Browsers log each refusal (401, 429) by themselves; that the page shows them is tested.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme != "data" and address.hostname not in {"localhost", "127.0.0.1"}:
            self.foreign.append(request.url)


@dataclass(frozen=True)
class Studio:
    page: Page
    url: str

    def open(self) -> None:
        self.page.goto(f"{self.url}/")

    def reopen(self) -> None:
        """Of somebody who is signed in."""
        self.open()
        expect(self.prompt).to_be_visible(timeout=PATIENCE)

    def sign_in(self, email: str) -> None:
        """Through the identity provider's own page, with clicks."""
        self.open()
        self.page.get_by_role("link", name="Continue with").first.click()
        self.page.get_by_label("Somebody else").fill(email)
        self.page.get_by_role("button", name="Sign in with this address").click()
        expect(self.prompt).to_be_visible(timeout=PATIENCE)

    def pick(self, blueprint: int) -> str:
        """Checks the unlocked blueprint at this place and returns its slug."""
        radio = self.page.locator("input[name=blueprint]").nth(blueprint)
        radio.check()
        return radio.get_attribute("value") or ""

    def ask(self, text: str = QUESTION) -> None:
        self.prompt.fill(text)
        self.send.click()

    def pay(self, card: str = PAYS) -> None:
        """On the hosted page, after which the Studio welcomes the new plan."""
        self.offer(card)
        expect(self.dialog).to_contain_text("Welcome to", timeout=PATIENCE)

    def offer(self, card: str) -> None:
        """On the hosted page, whatever it says to that."""
        self.page.locator("[name=card]").first.fill(card, timeout=PATIENCE)
        self.page.locator("form:has([name=card]) button").first.click()

    def spend_the_day(self) -> int:
        """Uses up what is left of the day without the page's help; returns how many it took."""
        for taken in range(100):
            answer = self.generate("One line, please.")
            if answer.status == 429:
                assert answer.json()["scope"] == "day", answer.json()
                return taken
            assert answer.status == 200, answer.text()
        raise AssertionError("the day has no end")

    def generate(self, text: str) -> APIResponse:
        body = {"blueprint": self._first_blueprint(), "input": text}
        return self.page.request.post(f"{self.url}/generate", data=body, timeout=PATIENCE)

    def left(self, scope: str) -> int:
        return int(self.meter(scope).get_attribute("aria-valuenow") or "-1")

    def meter(self, scope: str) -> Locator:
        return self.page.get_by_role("meter", name=scope)

    def _first_blueprint(self) -> str:
        listed = self.page.request.get(f"{self.url}/blueprints").json()["blueprints"]
        return next(str(each["slug"]) for each in listed if not each["locked"])

    def receipt(self) -> Locator:
        """The last answer's, opened."""
        self.answers.last.get_by_role("button", name="Receipt").click()
        expect(self.dialog).to_contain_text("Receipt", timeout=PATIENCE)
        return self.dialog

    def usage(self) -> Locator:
        """The present month's, opened from the menu, which a phone has too."""
        self.page.get_by_role("button", name="Account").click()
        self.page.get_by_role("button", name="Usage", exact=True).click()
        expect(self.dialog).to_contain_text("Usage", timeout=PATIENCE)
        return self.dialog

    def plans(self) -> None:
        self.page.get_by_role("button", name="Account").click()
        self.page.get_by_role("button", name="Plans", exact=True).click()

    def subscribe(self, card: str = PAYS) -> None:
        """To Pro, with its trial where nobody had one with this card before."""
        self.plans()
        self.dialog.get_by_role("button", name="Upgrade to Pro").click()
        self.pay(card)
        self.dialog.get_by_role("button", name="Start writing").click()

    def pass_days(self, days: int) -> None:
        """And the hour until a renewal is collected; back when the webhook knows all of it."""
        body = {"advance_seconds": days * DAY_SECONDS + 3_600}
        assert self.page.request.post(f"{self.url}/local/clock", data=body).ok
        eventually(self._undelivered, lambda waiting: not waiting, _MANY_WEBHOOKS_SECONDS)

    def _undelivered(self) -> list[str]:
        """The types of the events that the webhook has not taken yet."""
        events = self.page.request.get(f"{self.url}/local/stripe/events").json()["data"]
        return [
            each["type"]
            for each in events
            if not any(attempt["status"] == 200 for attempt in each["deliveries"])
        ]

    def portal(self) -> None:
        """Stripe's, by the menu."""
        self.page.get_by_role("button", name="Account").click()
        self.page.get_by_role("button", name="Billing and invoices").click()

    def choose(self, name: str) -> None:
        """A button of Stripe's page, and back to the Studio."""
        self.page.get_by_role("button", name=name).click(timeout=PATIENCE)
        self.page.get_by_role("link", name="Back").click()
        expect(self.prompt).to_be_visible(timeout=PATIENCE)

    @property
    def subscription(self) -> Locator:
        """How it stands, where that is something to know."""
        return self.page.get_by_role("status", name="Subscription")

    @property
    def prompt(self) -> Locator:
        return self.page.get_by_label("Your text")

    @property
    def send(self) -> Locator:
        return self.page.get_by_role("button", name="Generate")

    @property
    def answers(self) -> Locator:
        return self.page.get_by_role("article", name="Answer")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")


@contextmanager
def launched() -> Iterator[Browser]:
    chromium = find_chromium()
    assert chromium, MISSING
    with sync_playwright() as playwright:
        # A container's root user has no sandbox to give.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched(browser: Browser, url: str) -> Iterator[Studio]:
    """Nobody is signed in yet; what the browser complains of is an error in the end."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, locale="en-US", timezone_id="UTC"
    )
    page = context.new_page()
    trouble = Trouble()
    trouble.watch(page)
    yield Studio(page, url)
    context.close()
    assert trouble.errors == []
    assert trouble.foreign == []
