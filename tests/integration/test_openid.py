"""A4 to A8 over HTTP: what a provider is sent, what is believed, what is asked how often."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from tests.integration.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    ScriptedProvider,
    running_provider,
)
from tollgate.identity.attempt import Attempt, begin
from tollgate.identity.linking import Profile
from tollgate.identity.openid import DEADLINE_SECONDS, OpenID
from tollgate.identity.providers import Provider
from tollgate.identity.refusals import LoginFailed, ProviderUnavailable

BACK = "https://app.example/auth/scripted/callback"


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def openid(provider: ScriptedProvider, clock: Clock) -> OpenID:
    return OpenID(
        Provider("scripted", "Scripted", provider.issuer, CLIENT_ID, CLIENT_SECRET), clock
    )


async def started(openid: OpenID, hint: str | None = None) -> tuple[Attempt, str]:
    attempt = begin("scripted", "/", datetime.now(UTC))
    return attempt, await openid.authorization_url(attempt, BACK, hint)


async def signed_in(
    openid: OpenID, provider: ScriptedProvider, also: Mapping[str, str] = {}, **changes: Any
) -> Profile:
    attempt, url = await started(openid)
    answer = provider.answer(url, **changes) | dict(also)
    return await openid.profile(attempt, answer, BACK)


def reason(
    openid: OpenID, provider: ScriptedProvider, also: Mapping[str, str] = {}, **changes: Any
) -> str:
    with pytest.raises(LoginFailed) as refusal:
        asyncio.run(signed_in(openid, provider, also, **changes))
    return refusal.value.reason


def test_every_authorization_address_carries_what_the_flow_rests_on(openid: OpenID) -> None:
    attempt, url = asyncio.run(started(openid, "ada@example.com"))
    assert {name: value for name, [value] in parse_qs(urlsplit(url).query).items()} == {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": BACK,
        "scope": "openid email profile",
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": create_s256_code_challenge(attempt.verifier),
        "code_challenge_method": "S256",
        "login_hint": "ada@example.com",
    }


def test_a_right_answer_tells_who_signed_in(openid: OpenID, provider: ScriptedProvider) -> None:
    found = asyncio.run(signed_in(openid, provider, sub="s", picture="https://p.example/a"))
    assert found == Profile("scripted", "s", "ada@example.com", True, "Ada", "https://p.example/a")


def test_another_verifier_is_refused(openid: OpenID, provider: ScriptedProvider) -> None:
    async def with_anothers_verifier() -> None:
        _, url = await started(openid)
        another, _ = await started(openid)
        await openid.profile(another, provider.answer(url), BACK)

    with pytest.raises(LoginFailed, match="code_refused"):
        asyncio.run(with_anothers_verifier())


def test_another_attempts_nonce_is_refused(openid: OpenID, provider: ScriptedProvider) -> None:
    assert reason(openid, provider, nonce="another") == "nonce_mismatch"
    assert reason(openid, provider, nonce=None) == "nonce_mismatch"


def test_a_token_that_is_not_for_us_is_refused(openid: OpenID, provider: ScriptedProvider) -> None:
    assert reason(openid, provider, aud="another") == "id_token_invalid"


def test_tokens_are_validated_by_the_stacks_clock(
    openid: OpenID, provider: ScriptedProvider, clock: Clock
) -> None:
    clock.ahead = timedelta(hours=1)
    assert reason(openid, provider) == "id_token_invalid"


def test_who_has_no_address_is_refused(openid: OpenID, provider: ScriptedProvider) -> None:
    assert reason(openid, provider, email=None) == "email_missing"


def test_an_answer_without_a_code_is_refused(openid: OpenID, provider: ScriptedProvider) -> None:
    assert reason(openid, provider, {"code": ""}) == "code_missing"


def test_a_token_answer_without_an_id_token_is_refused(
    openid: OpenID, provider: ScriptedProvider
) -> None:
    provider.token_answer = b'{"access_token": "a", "token_type": "Bearer"}'
    assert reason(openid, provider) == "id_token_missing"


@pytest.mark.parametrize("promised", [False, True])
def test_an_answer_of_another_issuer_is_refused_before_the_code_is_used(
    openid: OpenID, provider: ScriptedProvider, promised: bool
) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = promised
    assert reason(openid, provider, {"iss": "https://evil.example"}) == "issuer_mismatch"
    assert provider.asked["/token"] == 0


def test_a_promised_issuer_must_be_there(openid: OpenID, provider: ScriptedProvider) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    assert reason(openid, provider) == "issuer_mismatch"
    assert asyncio.run(signed_in(openid, provider, {"iss": provider.issuer})).subject


def test_rotated_keys_are_asked_for_once_and_work(
    openid: OpenID, provider: ScriptedProvider
) -> None:
    asyncio.run(signed_in(openid, provider))
    provider.rotate()
    asyncio.run(signed_in(openid, provider))
    asyncio.run(signed_in(openid, provider))
    assert provider.asked["/jwks"] == 2


def test_a_flood_of_unknown_keys_asks_once_a_minute(
    openid: OpenID, provider: ScriptedProvider, clock: Clock
) -> None:
    async def flood() -> None:
        async def one() -> None:
            with suppress(LoginFailed):
                await signed_in(openid, provider)

        await asyncio.gather(*(one() for _ in range(20)))

    async def two_floods() -> None:
        await signed_in(openid, provider)
        provider.rotate(publish=False)
        await flood()
        await flood()
        assert provider.asked["/jwks"] == 2
        clock.ahead = timedelta(seconds=61)
        await flood()
        assert provider.asked["/jwks"] == 3

    asyncio.run(two_floods())


def test_many_tokens_of_a_new_key_at_once_all_work_with_one_question(
    openid: OpenID, provider: ScriptedProvider
) -> None:
    async def many() -> list[Profile]:
        return await asyncio.gather(*(signed_in(openid, provider) for _ in range(10)))

    asyncio.run(signed_in(openid, provider))
    provider.rotate()
    assert len(asyncio.run(many())) == 10
    assert provider.asked["/jwks"] == 2


def test_what_is_published_is_kept_for_an_hour(
    openid: OpenID, provider: ScriptedProvider, clock: Clock
) -> None:
    for ahead in (0, 30, 61):
        clock.ahead = timedelta(minutes=ahead)
        now = int(clock().timestamp())
        asyncio.run(signed_in(openid, provider, iat=now, exp=now + 600))
    assert provider.asked["/.well-known/openid-configuration"] == 2
    assert provider.asked["/jwks"] == 2


def test_a_provider_that_speaks_for_another_issuer_is_not_used(
    openid: OpenID, provider: ScriptedProvider
) -> None:
    provider.metadata["issuer"] = "https://accounts.example"
    with pytest.raises(ProviderUnavailable):
        asyncio.run(started(openid))


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"null", b""])
def test_a_token_answer_that_is_none_means_the_provider_is_ill(
    openid: OpenID, provider: ScriptedProvider, answer: bytes
) -> None:
    provider.token_answer = answer
    with pytest.raises(ProviderUnavailable):
        asyncio.run(signed_in(openid, provider))


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": 5}, {"keys": [{"kty": "RSA"}]}, []])
def test_a_broken_key_set_means_the_provider_is_ill(
    openid: OpenID, provider: ScriptedProvider, keys: object
) -> None:
    provider.broken_keys = keys
    with pytest.raises(ProviderUnavailable):
        asyncio.run(signed_in(openid, provider))


def test_a_provider_that_is_down_is_unavailable(clock: Clock) -> None:
    with running_provider() as gone:
        issuer = gone.issuer
    down = OpenID(Provider("scripted", "Scripted", issuer, CLIENT_ID, CLIENT_SECRET), clock)
    with pytest.raises(ProviderUnavailable):
        asyncio.run(started(down))


def test_a_provider_that_trickles_is_given_up_in_time(
    openid: OpenID, provider: ScriptedProvider
) -> None:
    provider.slow = 0.2
    begun = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        asyncio.run(started(openid))
    assert DEADLINE_SECONDS - 1 < time.monotonic() - begun < DEADLINE_SECONDS + 2
