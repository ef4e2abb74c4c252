"""P7, A11: a session ends on the server, for copied cookies too."""

from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from cryptography.fernet import Fernet

from tests.integration.sign_in_service import (
    KEY,
    Service,
    running_service,
    sessions_of,
)
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy import gate
from tollgate.web.site import Site


@pytest.fixture
def service(table: Table) -> Iterator[Service]:
    with running_service(table) as running:
        yield running


def test_logout_ends_this_session_for_copied_cookies_too(service: Service) -> None:
    browser, other = service.browser(), service.browser()
    browser.sign_in()
    other.sign_in()
    copied = service.browser()
    copied.cookies = httpx2.Cookies(browser.cookies)
    assert browser.post("/auth/logout").status_code == 204
    assert browser.session is None
    assert copied.post("/auth/logout").json()["code"] == "unauthenticated"
    assert sessions_of(service.table, other.session) == {getattr(other.session, "id", None)}


def test_logout_all_ends_every_session(service: Service) -> None:
    browser, other = service.browser(), service.browser()
    browser.sign_in()
    other.sign_in()
    assert browser.post("/auth/logout-all").status_code == 204
    assert other.post("/auth/logout").status_code == 401
    assert sessions_of(service.table, other.session) == set()
    assert other.sign_in().status_code == 302


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b'{"all": true}', 422), (b" " * (256 * 1024 + 1), 413)]
)
def test_a_logout_that_says_anything_is_refused_and_ends_nothing(
    service: Service, path: str, body: bytes, status: int
) -> None:
    browser = service.browser()
    assert browser.post(path, body=body).status_code == 401
    browser.sign_in()
    assert browser.post(path, body=body).status_code == status
    assert len(sessions_of(service.table, browser.session)) == 1
    assert browser.post(path, body=b"{}").status_code == 204


def test_a_session_ends_after_thirty_days(service: Service) -> None:
    browser = service.browser()
    browser.sign_in()
    service.clock.ahead = timedelta(days=30)
    assert browser.post("/auth/logout").status_code == 401


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    ],
)
def test_no_other_site_signs_anybody_out(
    service: Service, path: str, headers: dict[str, str]
) -> None:
    browser = service.browser()
    browser.sign_in()
    assert browser.post(path, headers).json()["code"] == "cross_site_request"
    assert len(sessions_of(service.table, browser.session)) == 1


@pytest.mark.parametrize("cookie", ["", "x", "gAAAA", "ä", '"', "a" * 5000])
def test_a_cookie_that_is_none_is_nobody(service: Service, cookie: str) -> None:
    headers = {"cookie": f"tollgate_session={cookie}"}
    answer = service.browser().post("/auth/logout", headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_of_two_cookies_of_one_name_the_good_one_counts(service: Service) -> None:
    browser = service.browser()
    browser.sign_in()
    good = browser.cookies["tollgate_session"]
    headers = {"cookie": f"tollgate_session=planted; tollgate_session={good}"}
    assert service.browser().post("/auth/logout", headers).status_code == 204


def test_an_attempts_cookie_is_no_session(service: Service) -> None:
    browser = service.browser()
    browser.start()
    cookie = browser.cookies["tollgate_login"]
    headers = {"cookie": f"tollgate_session={cookie}"}
    assert service.browser().post("/auth/logout", headers).status_code == 401


def test_rotating_the_key_logs_nobody_out_and_retiring_it_does(service: Service) -> None:
    browser = service.browser()
    browser.sign_in()
    newer = Fernet.generate_key().decode()
    for session_keys, status in (((newer,), 401), ((newer, KEY), 204)):
        later = service.browser(service.deployed(Site(), session_keys))
        later.cookies = httpx2.Cookies(browser.cookies)
        assert later.post("/auth/logout").status_code == status


def test_emptying_a_gates_sessions_signs_out_at_once(service: Service) -> None:
    browser = service.browser()
    browser.sign_in()
    assert browser.session is not None
    service.table.update(keys.gate(browser.session.account), gate.end_all_sessions())
    assert browser.post("/auth/logout").status_code == 401
