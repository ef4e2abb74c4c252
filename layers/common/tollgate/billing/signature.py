"""Proves that a delivery is Stripe's, over its raw bytes; with no secret nothing is ever proved."""

import time
from collections.abc import Sequence

import stripe

TOLERANCE_SECONDS = 300


def is_signed(body: bytes, header: str | None, secrets: Sequence[str]) -> bool:
    """True if one of `secrets` signed it, at most five minutes away from now, in real time.

    The SDK refuses old signatures only; one from the future would stay good until that day.
    """
    return any(_holds(body, header, secret) for secret in secrets)


def _holds(body: bytes, header: str | None, secret: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError, TypeError):
        return False  # TypeError: the SDK compares strings, and a header may hold more than ASCII
    return header is not None and _made_at(header) <= time.time() + TOLERANCE_SECONDS


def _made_at(header: str) -> int:
    """The first `t`, which is the one that the SDK has verified."""
    stamps = (part.removeprefix("t=") for part in header.split(",") if part.startswith("t="))
    return int(next(stamps))
