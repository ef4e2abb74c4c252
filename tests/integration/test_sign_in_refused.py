"""A1, A2, A6, A7, A10, A13: who is refused, what is not written, and where browsers are sent."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.integration.conftest import Dump
from tests.integration.sign_in_service import (
    ORIGIN,
    Browser,
    Service,
    running_service,
)
from tollgate.table.client import Table
from tollgate.web.site import Site

HTML = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def service(table: Table) -> Iterator[Service]:
    with running_service(table) as running:
        yield running


def _altered(change: Mapping[str, str | None]) -> Callable[[Browser], httpx2.Response]:
    def come_back(browser: Browser) -> httpx2.Response:
        answer = {**browser.service.provider.answer(browser.start()), **change}
        return browser.come_back(
            {name: value for name, value in answer.items() if value is not None}
        )

    return come_back


def _from_another_browser(browser: Browser) -> httpx2.Response:
    theirs = browser.service.browser()
    answer = browser.service.provider.answer(theirs.start())
    browser.start()
    return browser.come_back(answer)


def _without_cookies(browser: Browser) -> httpx2.Response:
    answer = browser.service.provider.answer(browser.start())
    return browser.service.browser().come_back(answer)


def _too_late(browser: Browser) -> httpx2.Response:
    answer = browser.service.provider.answer(browser.start())
    browser.service.clock.ahead = timedelta(minutes=10)
    return browser.come_back(answer)


def _at_another_provider(browser: Browser) -> httpx2.Response:
    answer = browser.service.provider.answer(browser.start())
    return asyncio.run(browser.send("GET", "/auth/other/callback", query=answer))


@pytest.mark.parametrize(
    ("come_back", "reason"),
    [
        (_altered({"state": None}), "state_mismatch"),
        (_altered({"state": ""}), "state_mismatch"),
        (_altered({"state": "wrong"}), "state_mismatch"),
        (_altered({"code": None}), "code_missing"),
        (_altered({"code": "wrong"}), "code_refused"),
        (_altered({"iss": "https://evil.example"}), "issuer_mismatch"),
        (_altered({"error": "access_denied", "code": None}), "access_denied"),
        (_altered({"error": "access_denied", "code": None, "state": None}), "access_denied"),
        (_altered({"error": "server_error"}), "provider_refused"),
        (_from_another_browser, "state_mismatch"),
        (_without_cookies, "attempt_missing"),
        (_too_late, "attempt_expired"),
        (_at_another_provider, "state_mismatch"),
        (lambda browser: browser.sign_in(nonce="another"), "nonce_mismatch"),
        (lambda browser: browser.sign_in(aud="another"), "id_token_invalid"),
        (lambda browser: browser.sign_in(email=None), "email_missing"),
    ],
)
def test_a_refused_answer_gives_no_session_and_writes_nothing(
    service: Service, dump: Dump, come_back: Callable[[Browser], httpx2.Response], reason: str
) -> None:
    browser = service.browser()
    answer = come_back(browser)
    assert answer.status_code == 400
    assert (answer.json()["code"], answer.json()["reason"]) == ("login_failed", reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert "tollgate_session" not in answer.headers.get("set-cookie", "")
    assert dump() == []


def test_an_attempt_is_spent_by_its_answer_but_not_by_a_strangers(service: Service) -> None:
    browser = service.browser()
    answer = service.provider.answer(browser.start())
    assert browser.come_back({"code": "x", "state": "wrong"}).status_code == 400
    assert browser.cookies.get("tollgate_login")
    assert browser.come_back({**answer, "code": "wrong"}).status_code == 400
    assert not browser.cookies.get("tollgate_login")


def test_a_person_gets_a_page_that_repeats_nothing_of_the_request(service: Service) -> None:
    planted = "<script>alert(1)</script>"
    query = {"error": planted, "state": planted, "error_description": planted, "code": "s3cr3t"}
    answer = service.browser().come_back(query, **HTML)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")
    assert "script" not in answer.text
    assert "s3cr3t" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_a_provider_that_is_down_is_a_503_and_leaves_the_attempt(
    service: Service, dump: Dump
) -> None:
    browser = service.browser()
    answer = service.provider.answer(browser.start())
    service.provider.token_answer = b"<html>maintenance</html>"
    refused = browser.come_back(answer)
    assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
    assert dump() == []
    service.provider.token_answer = None
    assert browser.come_back(answer).status_code == 302


def test_a_login_at_a_provider_that_is_down_is_a_503(service: Service) -> None:
    service.provider.metadata["issuer"] = "https://another.example"
    answer = service.browser().get("/auth/scripted/login")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert "set-cookie" not in answer.headers


def test_providers_are_listed_with_their_addresses(service: Service) -> None:
    assert service.browser().get("/auth/providers").json()["providers"][0] == {
        "id": "scripted",
        "name": "Scripted",
        "login_url": f"{ORIGIN}/auth/scripted/login",
    }


@pytest.mark.parametrize("path", ["/auth/nobody/login", "/auth/nobody/callback"])
def test_an_unknown_provider_is_a_404(service: Service, path: str) -> None:
    answer = service.browser().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_provider")


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
def test_a_get_signs_nobody_out(service: Service, path: str) -> None:
    answer = service.browser().get(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_login_leads_back_to_where_it_was_asked_from(service: Service) -> None:
    browser = service.browser()
    answer = service.provider.answer(browser.start(return_to="/plans?x=1#top"))
    assert browser.come_back(answer).headers["location"] == f"{ORIGIN}/plans?x=1#top"


@pytest.mark.parametrize(
    "return_to", ["//evil.example", "https://evil.example", "/\\x", "", "/%5cx"]
)
def test_no_login_leads_to_another_site(service: Service, return_to: str) -> None:
    answer = service.browser().get("/auth/scripted/login", return_to=return_to)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_return_to")
    assert "set-cookie" not in answer.headers


def test_behind_a_stage_every_address_keeps_it(service: Service) -> None:
    public = "https://api.example.com/prod"
    app = service.deployed(Site(public))
    browser = service.browser(app, "https://api.example.com")
    url = browser.start(return_to="/plans")
    assert httpx2.URL(url).params["redirect_uri"] == f"{public}/auth/scripted/callback"
    answer = browser.come_back(service.provider.answer(url))
    assert answer.headers["location"] == f"{public}/plans"
    assert browser.session_named("__Host-tollgate_session") is not None


@pytest.mark.parametrize(
    ("public", "prefix", "secure"),
    [("https://api.example.com", "__Host-", True), (None, "", False)],
)
def test_cookies_have_the_attributes_and_the_size_of_the_contract(
    service: Service, public: str | None, prefix: str, secure: bool
) -> None:
    browser = service.browser(service.deployed(Site(public)), public or ORIGIN)
    login = browser.get("/auth/scripted/login", return_to="/" + "a" * 1023)
    answer = browser.come_back(service.provider.answer(login.headers["location"]))
    attempt, session = login.headers["set-cookie"], answer.headers.get_list("set-cookie")[1]
    for name, cookie, age in (("login", attempt, 600), ("session", session, 30 * 86400)):
        first, *attributes = cookie.split("; ")
        assert first.startswith(f"{prefix}tollgate_{name}=")
        assert len(cookie) <= 4096
        expected = {"HttpOnly", "SameSite=lax", "Path=/", f"Max-Age={age}"}
        assert set(attributes) == expected | ({"Secure"} if secure else set())


def test_nothing_of_a_login_is_cached_or_told_as_a_referrer(service: Service) -> None:
    browser = service.browser()
    login = browser.get("/auth/scripted/login")
    answer = browser.come_back(service.provider.answer(login.headers["location"]))
    for each in (login, answer, browser.come_back({})):
        assert each.headers["cache-control"] == "no-store"
        assert each.headers["referrer-policy"] == "no-referrer"


def test_a_login_writes_nothing(service: Service, dump: Dump) -> None:
    assert urlsplit(service.browser().start()).path == "/authorize"
    assert dump() == []
