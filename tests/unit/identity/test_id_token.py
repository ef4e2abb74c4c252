"""A5, A6: an ID token is believed only when everything about it is right."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, RSAKey

from tollgate.identity.id_token import (
    LEEWAY_SECONDS,
    Expected,
    UnknownKey,
    signing_algorithms,
    verified,
)
from tollgate.identity.refusals import LoginFailed

NOW = 1_800_000_000
OURS, OTHER = (RSAKey.generate_key(2048, {"kid": name}) for name in ("ours", "other"))
CURVE = ECKey.generate_key("P-256", {"kid": "curve"})
KEYS = KeySet(
    [RSAKey.import_key(OURS.as_dict(private=False)), ECKey.import_key(CURVE.as_dict(private=False))]
)
EXPECTED = Expected("https://id.example", "client", "nonce", frozenset({"RS256", "ES256"}), NOW)
CLAIMS: dict[str, Any] = {
    "iss": "https://id.example",
    "aud": "client",
    "sub": "s1",
    "iat": NOW,
    "exp": NOW + 3600,
    "nonce": "nonce",
}
ABSENT = "(absent)"


def token(
    key: RSAKey | ECKey = OURS, alg: str = "RS256", kid: str | None = "ours", **changes: Any
) -> str:
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not ABSENT}
    header = {"alg": alg} | ({} if kid is None else {"kid": kid})
    return jwt.encode(header, claims, key, algorithms=[alg])


def forged(header: dict[str, Any], secret: bytes | None) -> str:
    """Signed by HMAC with what everybody knows, or not at all."""
    parts = (json.dumps(part).encode() for part in (header, CLAIMS))
    signed = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b""
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def reason(id_token: str, expected: Expected = EXPECTED, keys: KeySet = KEYS) -> str:
    with pytest.raises(LoginFailed) as refusal:
        verified(id_token, keys, expected)
    return refusal.value.reason


def test_a_right_token_tells_who_it_is() -> None:
    assert verified(token(), KEYS, EXPECTED)["sub"] == "s1"
    assert verified(token(CURVE, "ES256", "curve"), KEYS, EXPECTED)["sub"] == "s1"
    assert verified(token(aud=["client"], azp="client"), KEYS, EXPECTED)["sub"] == "s1"


def test_without_a_kid_every_key_is_tried() -> None:
    assert verified(token(kid=None), KEYS, EXPECTED)["sub"] == "s1"
    assert verified(token(CURVE, "ES256", None), KEYS, EXPECTED)["sub"] == "s1"
    with pytest.raises(UnknownKey):
        verified(token(OTHER, kid=None), KEYS, EXPECTED)


def test_a_kid_that_nobody_has_is_told_apart() -> None:
    with pytest.raises(UnknownKey):
        verified(token(OTHER, kid="other"), KEYS, EXPECTED)


def test_the_right_kid_with_a_wrong_key_is_refused() -> None:
    assert reason(token(OTHER, kid="ours")) == "id_token_invalid"


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", ""])
@pytest.mark.parametrize("listed", [{"RS256"}, {"RS256", "none"}])
def test_an_unsigned_token_is_refused_whatever_the_metadata_lists(
    alg: str, listed: set[str]
) -> None:
    expected = replace(EXPECTED, algorithms=signing_algorithms(frozenset(listed)))
    assert reason(forged({"alg": alg, "kid": "ours"}, None), expected) == "id_token_invalid"


SHARED = b"a secret that somebody has published"


@pytest.mark.parametrize(
    ("kid", "secret"), [("ours", OURS.as_pem(private=False)), ("shared", SHARED)]
)
@pytest.mark.parametrize("listed", [{"RS256"}, {"RS256", "HS256"}, {"HS256"}])
def test_hmac_is_refused_even_with_a_published_key(
    kid: str, secret: bytes, listed: set[str]
) -> None:
    shared = OctKey.import_key(SHARED, {"kid": "shared"}).as_dict()
    keys = KeySet.import_key_set({"keys": [*KEYS.as_dict()["keys"], shared]})
    expected = replace(EXPECTED, algorithms=signing_algorithms(frozenset(listed)))
    assert (
        reason(forged({"alg": "HS256", "kid": kid}, secret), expected, keys) == "id_token_invalid"
    )


def test_an_algorithm_that_the_provider_does_not_promise_is_refused() -> None:
    expected = replace(EXPECTED, algorithms=frozenset({"ES256"}))
    assert reason(token(), expected) == "id_token_invalid"


@pytest.mark.parametrize(
    "changes",
    [
        *(
            {"aud": value}
            for value in ("another", ["another"], [], "", None, 5, "client ", "CLIENT")
        ),
        *(
            {"aud": value}
            for value in (["client", "another"], ["another", "client"], ["client"] * 2)
        ),
        {"aud": ["client", "another"], "azp": "client"},
        *({"azp": value} for value in ("another", ["client"], 7)),
        *({"iss": value} for value in ("https://id.example/", "http://id.example", "", None, 5)),
        *({"sub": value} for value in ("", None, 5, ["s1"], "s" * 256)),
        *({"exp": value} for value in (NOW - LEEWAY_SECONDS, 0, "never", None, True, 1e400)),
        *({"iat": value} for value in (NOW + LEEWAY_SECONDS + 1, "now", None, float("nan"))),
        {"nbf": NOW + LEEWAY_SECONDS + 1},
        *({name: ABSENT} for name in ("iss", "aud", "sub", "exp", "iat")),
    ],
    ids=str,
)
def test_one_wrong_claim_is_enough(changes: dict[str, Any]) -> None:
    assert reason(token(**changes)) == "id_token_invalid"


@pytest.mark.parametrize("nonce", [ABSENT, None, "", "another", ["nonce"], "Nonce"])
def test_a_missing_or_wrong_nonce_is_refused(nonce: object) -> None:
    assert reason(token(nonce=nonce)) == "nonce_mismatch"


@pytest.mark.parametrize("text", ["", ".", "..", "a.b", "a.b.c", "ä.b.c", "e30.e30.", "null", "[]"])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert reason(text) == "id_token_invalid"


def test_a_changed_payload_is_refused() -> None:
    head, _, signature = token().split(".")
    claims = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"sub": "s2"}).encode()).decode()
    assert reason(f"{head}.{claims.rstrip('=')}.{signature}") == "id_token_invalid"
