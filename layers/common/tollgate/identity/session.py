"""The session that a browser carries: who, until when, and a hint of the plan for admission.

It proves nothing alone. Every route asks the gate whether the session still stands there, so that a
logout is effective for copied cookies on the very next request.
"""

from datetime import datetime, timedelta

import msgspec

LIFETIME = timedelta(days=30)
PURPOSE = "session"


class Session(
    msgspec.Struct,
    frozen=True,
    rename={
        "id": "s",
        "user": "u",
        "account": "a",
        "ends": "e",
        "plan": "p",
        "anchor": "n",
        "version": "v",
    },
):
    """`ends` in epoch milliseconds.

    `plan`, `anchor`, `version`: what the gate said last; a stale hint costs one write.
    """

    id: str
    user: str
    account: str
    ends: int
    plan: str
    anchor: str
    version: int

    def live(self, now: datetime) -> bool:
        return now.timestamp() * 1000 < self.ends
