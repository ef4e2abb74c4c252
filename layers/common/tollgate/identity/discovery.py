"""What a provider publishes about itself (OpenID Connect Discovery 1.0), kept for an hour."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tollgate.identity.refusals import ProviderUnavailable

KEPT = timedelta(hours=1)
ASKED_AGAIN = timedelta(minutes=1)

Get = Callable[[str], Awaitable[bytes]]
"""Reads an address with the caller's client and within the caller's deadline."""


class Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: frozenset[str] = frozenset({"RS256"})
    token_endpoint_auth_methods_supported: frozenset[str] = frozenset({"client_secret_basic"})
    authorization_response_iss_parameter_supported: bool = False


class Discovery:
    """One per provider and event loop. Errors: ProviderUnavailable for what is no such document."""

    def __init__(self, issuer: str, clock: Callable[[], datetime]) -> None:
        self._issuer = issuer
        self._clock = clock
        self._metadata: Metadata | None = None
        self._metadata_at = clock()
        self._keys: KeySet | None = None
        self._keys_at = clock()
        self._asked_again_at = clock() - ASKED_AGAIN
        self._asking = asyncio.Lock()

    async def metadata(self, get: Get) -> Metadata:
        if self._metadata is None or self._clock() >= self._metadata_at + KEPT:
            address = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
            found = _decoded(await get(address), Metadata)
            if found.issuer != self._issuer:
                raise ProviderUnavailable("the discovery document names another issuer")
            self._metadata, self._metadata_at = found, self._clock()
        return self._metadata

    async def keys(self, get: Get) -> KeySet:
        if self._keys is None or self._clock() >= self._keys_at + KEPT:
            return await self._read_keys(get)
        return self._keys

    async def newer_keys(self, get: Get, tried: KeySet) -> KeySet:
        """Asked at most once a minute, however many tokens name keys that nobody has."""
        async with self._asking:
            if self._keys is not None and self._keys is not tried:
                return self._keys
            if self._clock() < self._asked_again_at + ASKED_AGAIN:
                return tried
            self._asked_again_at = self._clock()
            return await self._read_keys(get)

    async def _read_keys(self, get: Get) -> KeySet:
        document = _decoded(await get((await self.metadata(get)).jwks_uri), dict[str, Any])
        try:
            found = KeySet.import_key_set({"keys": document["keys"]})
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise ProviderUnavailable("the key set is not one") from error
        self._keys, self._keys_at = found, self._clock()
        return found


def _decoded(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise ProviderUnavailable("the document is not what it should be") from error
