"""One try to sign in, kept sealed by the browser; the store hears of it only when it succeeds."""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from tollgate.identity.refusals import LoginFailed

LIFETIME = timedelta(minutes=10)
PURPOSE = "login"


class Attempt(
    msgspec.Struct,
    frozen=True,
    rename={
        "provider": "p",
        "state": "s",
        "nonce": "n",
        "verifier": "v",
        "return_to": "r",
        "ends": "e",
    },
):
    """`ends` in epoch seconds. Each of the three secrets has 256 random bits (RFC 7636, 7.1)."""

    provider: str
    state: str
    nonce: str
    verifier: str
    return_to: str
    ends: int

    @property
    def state_hash(self) -> str:
        return sha256(self.state.encode()).hexdigest()


def begin(provider: str, return_to: str, now: datetime) -> Attempt:
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    return Attempt(provider, state, nonce, verifier, return_to, int((now + LIFETIME).timestamp()))


def answered(
    attempt: Attempt | None, provider: str, answer: Mapping[str, str], now: datetime
) -> Attempt:
    """The browser's own attempt that `answer` belongs to. Errors: LoginFailed."""
    if attempt is None:
        raise LoginFailed("attempt_missing")
    state = answer.get("state", "").encode()
    if attempt.provider != provider or not secrets.compare_digest(attempt.state.encode(), state):
        raise LoginFailed("state_mismatch")
    if attempt.ends <= now.timestamp():
        raise LoginFailed("attempt_expired")
    return attempt


def refuse_errors(answer: Mapping[str, str]) -> None:
    """A provider's refusal, with or without the `state` that RFC 6749 asks it to repeat."""
    error = answer.get("error")
    if error is not None:
        raise LoginFailed("access_denied" if error == "access_denied" else "provider_refused")
