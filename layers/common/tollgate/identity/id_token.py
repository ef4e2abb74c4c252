"""An ID token is believed only after every check of OpenID Connect Core, section 3.1.3.7."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry, extract_compact

from tollgate.identity.refusals import LoginFailed

LEEWAY_SECONDS = 60

_ASYMMETRIC = frozenset(
    {
        *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
        *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
    }
)
_SUBJECT_LENGTH = 255


class UnknownKey(Exception):
    """None of these keys is the token's: the provider may have rotated them."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say; `now` in epoch seconds."""

    issuer: str
    client_id: str
    nonce: str
    algorithms: frozenset[str]
    now: int


def signing_algorithms(promised: frozenset[str]) -> frozenset[str]:
    """Of those listed only what needs the provider's private key: never `none`, never HMAC.

    Without that the provider's public key, or our own secret, would sign for everybody.
    """
    return promised & _ASYMMETRIC


def verified(token: str, keys: KeySet, expected: Expected) -> Mapping[str, Any]:
    """The claims. Errors: UnknownKey; LoginFailed `nonce_mismatch`, `id_token_invalid`."""
    try:
        return _claims(_decoded(token, keys, expected.algorithms), expected)
    except (JoseError, ValueError, TypeError) as error:
        raise LoginFailed("id_token_invalid") from error


def _decoded(token: str, keys: KeySet, algorithms: frozenset[str]) -> jwt.Token:
    if not algorithms:
        # joserfc would take an empty list for its own recommendation, which has HMAC in it.
        raise LoginFailed("id_token_invalid")
    registry = JWSRegistry(algorithms=algorithms, strict_check_header=False)
    if extract_compact(token.encode()).headers().get("kid") is not None:
        try:
            return jwt.decode(token, keys, registry=registry)
        except InvalidKeyIdError as error:
            raise UnknownKey from error
    for key in keys:
        try:
            return jwt.decode(token, KeySet([key]), registry=registry)
        except JoseError:
            continue
    raise UnknownKey


def _claims(token: jwt.Token, expected: Expected) -> Mapping[str, Any]:
    claims = CodeIDToken(
        token.claims,
        token.header,
        {
            "iss": {"essential": True, "value": expected.issuer},
            "sub": {"essential": True},
            "aud": {"essential": True, "value": expected.client_id},
        },
        {"nonce": expected.nonce, "client_id": expected.client_id},
    )
    if claims.get("nonce") != expected.nonce:
        raise LoginFailed("nonce_mismatch")
    claims.validate(now=expected.now, leeway=LEEWAY_SECONDS)
    # Authlib accepts further audiences; a token that others may use as well proves nothing to us.
    if claims["aud"] not in (expected.client_id, [expected.client_id]):
        raise LoginFailed("id_token_invalid")
    if len(claims["sub"]) > _SUBJECT_LENGTH:
        raise LoginFailed("id_token_invalid")
    return dict(claims)
