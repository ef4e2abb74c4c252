"""A13: the attributes of a sealed cookie, and which of several counts."""

from datetime import timedelta
from http.cookies import SimpleCookie

import msgspec
import pytest
from cryptography.fernet import Fernet
from starlette.requests import Request
from starlette.responses import Response

from tollgate.identity.sealing import Sealer
from tollgate.web.cookies import SealedCookie
from tollgate.web.site import Site

SEALER = Sealer([Fernet.generate_key().decode()], "session")
SECURE = SealedCookie("tollgate_session", SEALER, Site("https://example.com"))
PLAIN = SealedCookie("tollgate_session", SEALER, Site("http://localhost:8000"))


class Person(msgspec.Struct):
    name: str


ADA, BOB = SEALER.seal(Person("Ada")), SEALER.seal(Person("Bob"))


def request(*cookies: str) -> Request:
    headers = [(b"cookie", cookie.encode()) for cookie in cookies]
    return Request({"type": "http", "path": "/", "headers": headers})


@pytest.mark.parametrize(
    ("cookies", "name"),
    [
        ([f"__Host-tollgate_session={ADA}"], "Ada"),
        ([f"theme=dark; __Host-tollgate_session={ADA}; x=y"], "Ada"),
        ([f"__Host-tollgate_session={ADA}; __Host-tollgate_session={BOB}"], "Ada"),
        ([f"__Host-tollgate_session=planted; __Host-tollgate_session={BOB}"], "Bob"),
        (["__Host-tollgate_session=", f"__Host-tollgate_session={BOB}"], "Bob"),
        ([f"tollgate_session={ADA}"], None),
        ([f"__Host-tollgate_session_old={ADA}"], None),
        ([f"__Host-tollgate_session={ADA[:-2]}"], None),
        (["__Host-tollgate_session"], None),
        ([], None),
    ],
)
def test_the_first_cookie_of_the_name_that_opens_counts(
    cookies: list[str], name: str | None
) -> None:
    found = SECURE.read(request(*cookies), Person)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("cookie", "name", "secure"),
    [(SECURE, "__Host-tollgate_session", True), (PLAIN, "tollgate_session", False)],
)
def test_a_cookie_is_bound_to_its_host_and_hidden_from_scripts(
    cookie: SealedCookie, name: str, secure: bool
) -> None:
    response = Response()
    cookie.write(request(), response, Person("Ada"), timedelta(days=30))
    [(found, morsel)] = SimpleCookie(response.headers["set-cookie"]).items()
    assert found == name
    assert (morsel["path"], morsel["domain"], morsel["samesite"]) == ("/", "", "lax")
    assert (morsel["httponly"], bool(morsel["secure"])) == (True, secure)
    assert morsel["max-age"] == str(30 * 86_400)
    assert cookie.read(request(f"{name}={morsel.value}"), Person) == Person("Ada")


def test_clearing_ends_the_cookie_under_the_attributes_that_it_was_set_with() -> None:
    written, cleared = Response(), Response()
    SECURE.write(request(), written, Person("Ada"), timedelta(days=1))
    SECURE.clear(request(), cleared)
    [one], [other] = (
        SimpleCookie(each.headers["set-cookie"]).values() for each in (written, cleared)
    )
    assert (other.value, other["max-age"]) == ("", "0")
    for attribute in ("path", "domain", "secure", "httponly", "samesite"):
        assert one[attribute] == other[attribute]
