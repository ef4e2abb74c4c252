"""A1, A2: an answer counts only for the attempt that this browser carries."""

from datetime import UTC, datetime, timedelta

import pytest

from tollgate.identity.attempt import LIFETIME, Attempt, answered, begin, refuse_errors
from tollgate.identity.refusals import LoginFailed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def reason(
    attempt: Attempt | None, state: str | None, now: datetime = NOW, at: str = "google"
) -> str:
    with pytest.raises(LoginFailed) as refusal:
        answered(attempt, at, {} if state is None else {"state": state}, now)
    return refusal.value.reason


def test_the_answer_to_the_browsers_own_attempt_counts() -> None:
    attempt = begin("google", "/", NOW)
    answer = {"state": attempt.state}
    assert answered(attempt, "google", answer, NOW + LIFETIME - timedelta(seconds=1)) is attempt


@pytest.mark.parametrize(
    "state", [None, "", "wrong", "ä", "\ud800".encode("utf-8", "replace").decode()]
)
def test_a_missing_or_wrong_state_does_not(state: str | None) -> None:
    assert reason(begin("google", "/", NOW), state) == "state_mismatch"


def test_another_browsers_state_does_not() -> None:
    assert reason(begin("google", "/", NOW), begin("google", "/", NOW).state) == "state_mismatch"


def test_an_answer_without_an_attempt_does_not() -> None:
    assert reason(None, begin("google", "/", NOW).state) == "attempt_missing"


def test_an_attempt_ends_after_ten_minutes() -> None:
    attempt = begin("google", "/", NOW)
    assert reason(attempt, attempt.state, NOW + timedelta(minutes=10)) == "attempt_expired"


def test_an_attempt_at_one_provider_is_no_attempt_at_another() -> None:
    attempt = begin("google", "/", NOW)
    assert reason(attempt, attempt.state, at="other") == "state_mismatch"


def test_every_attempt_has_secrets_of_its_own() -> None:
    seen = {
        secret
        for attempt in (begin("google", "/", NOW) for _ in range(50))
        for secret in (attempt.state, attempt.nonce, attempt.verifier)
    }
    assert len(seen) == 150
    assert all(len(secret) >= 43 for secret in seen)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("access_denied", "access_denied"),
        ("server_error", "provider_refused"),
        ("", "provider_refused"),
    ],
)
def test_a_providers_refusal_is_named(error: str, expected: str) -> None:
    with pytest.raises(LoginFailed) as refusal:
        refuse_errors({"error": error})
    assert refusal.value.reason == expected
