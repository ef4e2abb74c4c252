"""H3: which requests may change something, by what the browser says of their origin."""

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tollgate.web.application import application
from tollgate.web.site import Site

HERE = "https://api.example.com"
FRONT = "https://app.example.com"
FOREIGN = (
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "https://evil-app.example.com",
    "null",
    "",
)
METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]


async def changed(_: Request) -> Response:
    return PlainTextResponse("changed")


@pytest.fixture(scope="module")
def client() -> TestClient:
    site = Site(public_url=f"{HERE}/prod", allowed_origins=(FRONT,))
    routes = [Route("/change", changed, methods=METHODS), Route("/hook", changed, methods=["POST"])]
    return TestClient(application(routes, site, unguarded={"/hook"}), base_url=HERE)


def passes(
    client: TestClient, method: str, fetch_site: str | None, origin: str | None, path: str
) -> bool:
    headers = {"sec-fetch-site": fetch_site, "origin": origin}
    sent = {name: value for name, value in headers.items() if value is not None}
    answer = client.request(method, path, headers=sent)
    if answer.status_code == 403:
        assert answer.json()["code"] == "cross_site_request"
        return False
    return answer.status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("fetch_site", "origin", "allowed"),
    [
        (None, None, True),
        (None, HERE, True),
        (None, FRONT, True),
        *((None, foreign, False) for foreign in FOREIGN),
        *((own, origin, True) for own in ("same-origin", "none") for origin in (None, HERE)),
        *((other, FRONT, True) for other in ("same-site", "cross-site", "same-origin")),
        *((other, HERE, False) for other in ("same-site", "cross-site", "same-origin ,none")),
        *((other, None, False) for other in ("same-site", "cross-site", "", "SAME-ORIGIN")),
        *(("cross-site", foreign, False) for foreign in FOREIGN),
        *(("same-site", foreign, False) for foreign in FOREIGN),
    ],
)
def test_a_change_must_come_from_here_from_the_list_or_from_a_script(
    client: TestClient, method: str, fetch_site: str | None, origin: str | None, allowed: bool
) -> None:
    assert passes(client, method, fetch_site, origin, "/change") is allowed


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_open_to_links_from_everywhere(client: TestClient, method: str) -> None:
    assert passes(client, method, "cross-site", "https://evil.example", "/change")


def test_a_path_that_proves_its_sender_is_exempt_and_no_other(client: TestClient) -> None:
    assert passes(client, "POST", "cross-site", "https://evil.example", "/hook")
    assert not passes(client, "POST", "cross-site", "https://evil.example", "/change")


@pytest.mark.parametrize("host", ["http://localhost:8000", "http://127.0.0.1:8000"])
def test_a_laptop_is_its_own_origin_under_both_of_its_names(host: str) -> None:
    routes = [Route("/change", changed, methods=["POST"])]
    client = TestClient(application(routes, Site()), base_url=host)
    assert passes(client, "POST", None, host, "/change")
    assert not passes(client, "POST", None, "http://localhost:9999", "/change")


def test_a_host_header_makes_no_origin_ours() -> None:
    routes = [Route("/change", changed, methods=["POST"])]
    client = TestClient(application(routes, Site()), base_url="https://evil.example")
    assert not passes(client, "POST", None, "https://evil.example", "/change")
