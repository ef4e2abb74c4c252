import base64
import hashlib
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from local.clock import Clock
from tests.stand_ins import stand_in

_CALLBACK = "http://localhost:1/callback"
_VERIFIER = "v" * 64


@pytest.fixture(scope="module")
def clock_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clock") / "clock"


@pytest.fixture(scope="module")
def clock(clock_file: Path) -> Clock:
    return Clock(clock_file)


@pytest.fixture(scope="module")
def provider(
    tmp_path_factory: pytest.TempPathFactory, clock_file: Path, clock: Clock
) -> Iterator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("provider")
    clock.advance(86_400)
    with (
        stand_in("local.identity_provider", folder, "--clock", str(clock_file)) as url,
        httpx2.Client(base_url=url) as client,
    ):
        yield client


def _asked(**changed: str) -> dict[str, str]:
    digest = hashlib.sha256(_VERIFIER.encode()).digest()
    return {
        "response_type": "code",
        "client_id": "tollgate",
        "redirect_uri": _CALLBACK,
        "scope": "openid email profile",
        "state": "a-state",
        "nonce": secrets.token_hex(8),
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    } | changed


def _sent_back(provider: httpx2.Client, **changed: str) -> dict[str, list[str]]:
    answer = provider.get("/oauth2/authorize", params=_asked(**changed))
    assert answer.status_code == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)


def _exchange(provider: httpx2.Client, code: str, verifier: str) -> httpx2.Response:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": _CALLBACK,
        "client_id": "tollgate",
        "client_secret": "any",
        "code_verifier": verifier,
    }
    return provider.post("/oauth2/token", data=form)


def test_a_hint_signs_anybody_in_without_a_click(provider: httpx2.Client) -> None:
    back = _sent_back(provider, login_hint="Jane.Doe@example.com", nonce="n-1")
    assert back["state"] == ["a-state"]
    tokens = _exchange(provider, back["code"][0], _VERIFIER).json()
    keys = KeySet.import_key_set(provider.get("/jwks").json())
    token = jwt.decode(tokens["id_token"], keys)
    assert token.claims["email"] == "jane.doe@example.com"
    assert token.claims["email_verified"] is True
    assert token.claims["name"] == "Jane Doe"
    assert token.claims["nonce"] == "n-1"
    assert token.header["kid"] == next(iter(keys)).kid


def test_one_address_is_one_subject(provider: httpx2.Client) -> None:
    subjects = set()
    for hint in ("kim@example.com", "KIM@example.com"):
        code = _sent_back(provider, login_hint=hint)["code"][0]
        access = _exchange(provider, code, _VERIFIER).json()["access_token"]
        found = provider.get("/userinfo", headers={"authorization": f"Bearer {access}"}).json()
        subjects.add(found["sub"])
    assert len(subjects) == 1


def test_tokens_follow_the_shared_clock(provider: httpx2.Client, clock: Clock) -> None:
    code = _sent_back(provider, login_hint="ada@example.com")["code"][0]
    tokens = _exchange(provider, code, _VERIFIER).json()
    keys = KeySet.import_key_set(provider.get("/jwks").json())
    issued = jwt.decode(tokens["id_token"], keys).claims["iat"]
    assert abs(issued - clock().timestamp()) < timedelta(minutes=1).total_seconds()


@pytest.mark.parametrize(
    "changed", [{"code_challenge_method": "plain"}, {"code_challenge": ""}], ids=["plain", "none"]
)
def test_no_code_without_an_s256_challenge(
    provider: httpx2.Client, changed: dict[str, str]
) -> None:
    back = _sent_back(provider, login_hint="ada@example.com", **changed)
    assert back["error"] == ["invalid_request"]
    assert "code" not in back


def test_a_wrong_verifier_spends_the_code(provider: httpx2.Client) -> None:
    code = _sent_back(provider, login_hint="ada@example.com")["code"][0]
    assert _exchange(provider, code, "w" * 64).json()["error"] == "invalid_grant"
    assert _exchange(provider, code, _VERIFIER).json()["error"] == "invalid_grant"


def test_a_code_works_once(provider: httpx2.Client) -> None:
    code = _sent_back(provider, login_hint="ada@example.com")["code"][0]
    assert _exchange(provider, code, _VERIFIER).status_code == 200
    assert _exchange(provider, code, _VERIFIER).status_code == 400


def test_without_a_hint_the_page_offers_people_and_asks_no_other_server(
    provider: httpx2.Client,
) -> None:
    page = provider.get("/oauth2/authorize", params=_asked()).text
    assert "ada@example.com" in page
    assert "https://" not in page
