"""A10: whatever `return_to` says, the browser stays inside the service."""

import itertools
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollgate.identity.return_to import LENGTH, valid

BASE = "https://app.example.com/prod"

_STARTS = (
    *(
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "\\/evil.example",
    ),
    *(
        "/\t/evil.example",
        "/\n/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/ /evil.example",
    ),
    *("https://evil.example", "https:evil.example", "https:/evil.example", "HTTPS://evil.example"),
    *("javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", "data:text/html,x"),
    *("//user@evil.example", "@evil.example", ".evil.example", ":80@evil.example", "evil.example"),
    *("/%5cevil.example", "/%5Cevil.example", "/%2fevil.example", "/%2Fevil.example"),
    *("/%255cevil.example", "/%252fevil.example", "/%09/evil.example", "/%0d%0aLocation:x"),
    *("/..//evil.example", "/../admin", "/./x", "/a/../../x", "/%2e%2e/x", "/%2e%2e%2fx"),
    *(
        "/\r\nLocation: https://evil.example",
        "/\x00",
        "/\x7f",
        "/ä",
        "/\u2028",
        "/\ufeff/x",
        "?x",
        "#x",
    ),
)
_ENDINGS = ("", "/", "/path", "?next=/", "#top", "/%2e%2e", "//")


@pytest.mark.parametrize(
    "address", ["".join(each) for each in itertools.product(_STARTS, _ENDINGS)]
)
def test_no_known_open_redirect_is_valid(address: str) -> None:
    assert not valid(address)


@pytest.mark.parametrize(
    "address",
    ["/", "/a", "/a/b?c=d&e=%2F%2Fx#top", "/?checkout=cs_1", "/a:b@c", "/~x/..a/b..", "/%C3%A4"],
)
def test_paths_of_the_service_are_valid(address: str) -> None:
    assert valid(address)


def test_an_empty_address_is_not_valid() -> None:
    assert not valid("")


def test_an_address_too_long_for_the_cookie_is_not_valid() -> None:
    assert valid("/" + "a" * (LENGTH - 1))
    assert not valid("/" + "a" * LENGTH)


_SPICY = st.text(st.sampled_from("/\\.%25cCfFeE0dDaA@:?#jx \t\r\n\x00ä"), max_size=14)


@given(st.one_of(_SPICY, st.text(), _SPICY.map(quote)).map(lambda text: "/" + text))
@example("//evil.example")
@example("/\t/evil.example")
def test_a_valid_address_never_leaves_the_site_however_often_it_is_decoded(address: str) -> None:
    if not valid(address):
        return
    for decoded in (address, unquote(address.split("?")[0].split("#")[0])):
        seen = _as_a_browser(decoded)
        assert seen.startswith("/")
        assert urlsplit(urljoin(f"{BASE}/", seen)).netloc == "app.example.com"
        assert urlsplit(urljoin(BASE, BASE + seen)).netloc == "app.example.com"
        assert urljoin(BASE, BASE + seen).startswith(f"{BASE}/")


def _as_a_browser(address: str) -> str:
    """The WHATWG's reading: outer controls, tabs and newlines vanish; a backslash is a slash."""
    trimmed = address.strip("".join(map(chr, range(33))))
    return trimmed.translate({ord("\t"): None, ord("\n"): None, ord("\r"): None, ord("\\"): "/"})
