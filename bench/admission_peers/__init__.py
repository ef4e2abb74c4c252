"""What admits, set side by side: each module here has an `open_peer` of the same shape.

`measure` runs each as a program of its own, because zae-limiter has an environment of its own: what
it imports beside the peer is the standard library and botocore.
"""

from collections.abc import Callable
from typing import Protocol

TOKENS, SPENT = 140, 50
"""Model tokens that an admission sets aside, and what its settlement finds used."""

Settle = Callable[[], None]


class Peer(Protocol):
    """One account with one session, on the engine at AWS_ENDPOINT_URL."""

    def prepare(self) -> None:
        """Makes the table and the account; once, by one process."""

    def admit(self) -> Settle | None:
        """None where the limit refuses."""


OpenPeer = Callable[[str, int | None], Peer]
"""Given a table's name and the day's limit of generations; None: paced, so that nothing is
refused.
"""
