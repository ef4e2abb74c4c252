"""What every step asks of an answer."""

import hashlib
import hmac
import re
import time
from collections.abc import Callable
from typing import TypeVar

import httpx2

from tests.journeys.person import Answer

_POLICIES = ("minute", "day", "month")
_PARTS = re.compile(r"start start-step text-start (text-delta )+text-end finish-step finish ")
_PATIENCE_SECONDS = 10.0

T = TypeVar("T")


def same(what: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise AssertionError(f"{what} is {actual!r}, not {expected!r}")


def holds(what: str, truth: object) -> None:
    if not truth:
        raise AssertionError(what)


def eventually(
    read: Callable[[], T], enough: Callable[[T], object], seconds: float = _PATIENCE_SECONDS
) -> T:
    """What is read once it is enough; a webhook takes a moment, but no longer than ten seconds."""
    deadline = time.monotonic() + seconds
    while not enough(seen := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"still {seen!r} after {seconds:.0f} s")
        time.sleep(0.2)
    return seen


def check_stream(answer: Answer) -> None:
    """A 200 whose parts, metadata and headers are as the contract says."""
    response = answer.response
    if response.status_code != 200:
        raise AssertionError(f"/generate answered {response.status_code}: {response.text}")
    same("content type", response.headers["content-type"].split(";")[0], "text/event-stream")
    same("protocol", response.headers["x-vercel-ai-ui-message-stream"], "v1")
    kinds = "".join(f"{part['type']} " for part in answer.parts)
    holds(f"parts in the contract's order: {kinds}", _PARTS.fullmatch(kinds))
    holds("the stream ends with [DONE]", answer.done)
    names = set(answer.part("start")["messageMetadata"])
    holds("start names the generation", names >= {"generation_id", "conversation_id", "model"})
    metadata = answer.part("finish")["messageMetadata"]
    usage = metadata["usage"]
    same("total", usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"])
    check_limits(response, day_left=metadata["remaining"]["day"])


def check_limits(answer: httpx2.Response, day_left: int) -> None:
    """What every answer carries for which admission was tried, on a plan with all three limits."""
    policy, state = answer.headers["ratelimit-policy"], answer.headers["ratelimit"]
    holds(f"policies: {policy}", all(f'"{name}";q=' in policy for name in _POLICIES))
    holds(f"states: {state}", all(f'"{name}";r=' in state for name in _POLICIES))
    holds(f"the day's rest is {day_left}: {state}", f'"day";r={day_left};' in state)
    same("x-usage-remaining", answer.headers["x-usage-remaining"], str(day_left))


def stripe_signature(payload: bytes, secret: str, at: int) -> str:
    """Stripe's scheme, https://docs.stripe.com/webhooks#verify-manually, without Stripe's code."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256)
    return f"t={at},v1={signed.hexdigest()}"
