"""Speaks OpenID Connect to one provider: the authorization code flow with PKCE, through Authlib.

Tokens are validated by the clock that is passed in: a laptop's provider keeps that clock too.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client

from tollgate.identity.attempt import Attempt
from tollgate.identity.discovery import Discovery, Get, Metadata
from tollgate.identity.id_token import Expected, UnknownKey, signing_algorithms, verified
from tollgate.identity.linking import Profile
from tollgate.identity.providers import Provider
from tollgate.identity.refusals import LoginFailed, ProviderUnavailable
from tollgate.logs import logger

DEADLINE_SECONDS = 5
"""For all that one request asks of the provider together, so that nobody waits for a dead one."""


class OpenID:
    """Remembers the provider's metadata and keys; otherwise without state."""

    def __init__(self, provider: Provider, clock: Callable[[], datetime]) -> None:
        self.provider = provider
        self._clock = clock
        self._discovery = Discovery(provider.issuer, clock)
        self._tls = httpx2.create_ssl_context()

    async def authorization_url(
        self, attempt: Attempt, redirect_uri: str, login_hint: str | None
    ) -> str:
        """Errors: ProviderUnavailable."""
        async with self._client() as client:
            metadata = await self._discovery.metadata(_reader(client))
            hint = {"login_hint": login_hint} if login_hint else {}
            url, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
                redirect_uri=redirect_uri,
                **hint,
            )
        return str(url)

    async def profile(
        self, attempt: Attempt, answer: Mapping[str, str], redirect_uri: str
    ) -> Profile:
        """Who signed in, by the provider's `answer` at our callback.

        Errors: LoginFailed, ProviderUnavailable.
        """
        async with self._client() as client:
            metadata = await self._discovery.metadata(_reader(client))
            _refuse_mix_up(metadata, answer)
            if not answer.get("code"):
                raise LoginFailed("code_missing")
            tokens = await self._exchange(client, metadata, attempt, answer["code"], redirect_uri)
            token = tokens.get("id_token")
            if not isinstance(token, str):
                raise LoginFailed("id_token_missing")
            claims = await self._verified(_reader(client), metadata, token, attempt.nonce)
        profile = Profile.of(self.provider.id, claims)
        if profile is None:
            raise LoginFailed("email_missing")
        return profile

    async def _exchange(
        self,
        client: Any,
        metadata: Metadata,
        attempt: Attempt,
        code: str,
        redirect_uri: str,
    ) -> Mapping[str, Any]:
        # Basic is what a provider accepts that says nothing (RFC 8414, section 2).
        if "client_secret_basic" not in metadata.token_endpoint_auth_methods_supported:
            client.token_endpoint_auth_method = "client_secret_post"  # noqa: S105  a method's name
        try:
            tokens: Mapping[str, Any] = await client.fetch_token(
                metadata.token_endpoint,
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=attempt.verifier,
            )
        except OAuthError as error:
            logger().warning("%s refused a code: %s", self.provider.id, error.error)
            raise LoginFailed("code_refused") from error
        except ValueError as error:
            raise ProviderUnavailable("the token endpoint did not answer in JSON") from error
        return tokens

    async def _verified(
        self, get: Get, metadata: Metadata, token: str, nonce: str
    ) -> Mapping[str, Any]:
        expected = Expected(
            issuer=metadata.issuer,
            client_id=self.provider.client_id,
            nonce=nonce,
            algorithms=signing_algorithms(metadata.id_token_signing_alg_values_supported),
            now=int(self._clock().timestamp()),
        )
        keys = await self._discovery.keys(get)
        try:
            return verified(token, keys, expected)
        except UnknownKey:
            keys = await self._discovery.newer_keys(get, keys)
        try:
            return verified(token, keys, expected)
        except UnknownKey as error:
            raise LoginFailed("id_token_invalid") from error

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[Any]:
        """For one request, under one deadline: httpx2's own limits begin anew with every byte."""
        try:
            async with (
                asyncio.timeout(DEADLINE_SECONDS),
                AsyncOAuth2Client(
                    self.provider.client_id,
                    self.provider.client_secret,
                    scope=self.provider.scope,
                    code_challenge_method="S256",
                    timeout=DEADLINE_SECONDS,
                    verify=self._tls,
                ) as client,
            ):
                yield client
        except (TimeoutError, httpx2.HTTPError) as error:
            raise ProviderUnavailable(type(error).__name__) from error


def _reader(client: Any) -> Get:
    async def get(address: str) -> bytes:
        # Public documents: our credentials stay at home.
        response = await client.request("GET", address, withhold_token=True)
        response.raise_for_status()
        body: bytes = response.content
        return body

    return get


def _refuse_mix_up(metadata: Metadata, answer: Mapping[str, str]) -> None:
    """An answer of another provider is not taken to this one (RFC 9207, section 2.4)."""
    issuer = answer.get("iss")
    promised = metadata.authorization_response_iss_parameter_supported
    if issuer != metadata.issuer and (promised or issuer is not None):
        raise LoginFailed("issuer_mismatch")
