"""Where the service says that it is."""

import pytest
from starlette.requests import Request

from tollgate.web.site import Site, origin_of


def request(host: str, path: str = "/me", scheme: str = "http", **event: object) -> Request:
    name, _, port = host.rpartition(":") if host.count(":") == 1 else (host, "", "")
    scope = {
        "type": "http",
        "scheme": scheme,
        "path": path,
        "root_path": "",
        "query_string": b"",
        "server": (name, int(port or 80)),
        "headers": [(b"host", host.encode())],
    }
    return Request(scope | ({"aws.event": {"requestContext": event}} if event else {}))


def test_a_configured_address_wins_over_everything() -> None:
    site = Site("https://example.com/prod")
    asked = request("evil.example", domainName="x.execute-api.amazonaws.com", path="/v1/me")
    assert site.base(asked) == "https://example.com/prod"
    assert site.origin(asked) == "https://example.com"


@pytest.mark.parametrize(
    ("path", "staged", "base"),
    [
        ("/me", "/prod/me", "https://d.example/prod"),
        ("/", "/prod/", "https://d.example/prod"),
        ("/me", "/me", "https://d.example"),
        ("/auth/me", "/prod/auth/me", "https://d.example/prod"),
    ],
)
def test_behind_the_gateway_it_is_the_domain_with_its_stage(
    path: str, staged: str, base: str
) -> None:
    asked = request("evil.example", path, domainName="d.example", path_=None)
    asked.scope["aws.event"]["requestContext"]["path"] = staged
    assert Site().base(asked) == base
    assert Site().secure(asked)


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000"])
def test_on_a_laptop_it_is_the_requests_loopback_host(host: str) -> None:
    assert Site().base(request(host)) == f"http://{host}"
    assert not Site().secure(request(host))
    assert Site().secure(request(host, scheme="https"))


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io"])
def test_a_host_header_is_believed_on_loopback_only(host: str) -> None:
    assert Site().base(request(host)) == ""
    assert Site().origin(request(host)) == ""
    assert Site().secure(request(host))


def test_an_address_in_plain_http_is_insecure_on_loopback_alone() -> None:
    assert Site("http://example.com").secure(request("localhost"))
    assert not Site("http://localhost:8000").secure(request("example.com"))


def test_an_origin_is_scheme_and_authority() -> None:
    assert origin_of("https://example.com:8443/prod?x=1") == "https://example.com:8443"
    assert origin_of("") == ""
