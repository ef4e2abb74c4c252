"""A client's Idempotency-Key: the first answer is kept, and every repetition gets that one.

Never a lock: who takes over after a crash repeats the work under the same key at the provider,
which is what makes the repetition harmless. The first answer that is written stays.
"""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tollgate.table.client import ConditionFailed, Item, Table, Update, Value
from tollgate.table.keys import Key

LIFETIME = timedelta(hours=24)
_WAIT_SECONDS = 3.0
_POLL_SECONDS = 0.1


class Mismatch(Exception):
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class Idempotency:
    """One key and what is asked under it."""

    table: Table
    key: Key
    request: bytes

    def answer(self, work: Callable[[], str], now: datetime) -> str:
        """What `work` answered the first time.

        Errors: `Mismatch`, and those of `work`, which are not kept.
        """
        if not self._is_first(now):
            kept = self._wait_for_answer()
            if kept is not None:
                return kept
        try:
            answer = work()
        except Exception:
            # Whatever it was, it is raised again: a refusal must not keep the next try waiting.
            self._write("REMOVE #busy", {"#busy": "busy"})
            raise
        names = {"#answer": "answer", "#busy": "busy"}
        keep = "SET #answer = if_not_exists(#answer, :answer) REMOVE #busy"
        return str(self._write(keep, names, {":answer": {"S": answer}})["answer"]["S"])

    def _is_first(self, now: datetime) -> bool:
        begin = Update(
            "SET #request = :request, #expires_at = :expires, #busy = :busy REMOVE #answer",
            {
                "#request": "request",
                "#expires_at": "expires_at",
                "#answer": "answer",
                "#busy": "busy",
                "#pk": "pk",
            },
            {
                ":request": {"S": self._request_hash},
                ":expires": {"N": str(int((now + LIFETIME).timestamp()))},
                ":now": {"N": str(int(now.timestamp()))},
                ":busy": {"BOOL": True},
            },
            "attribute_not_exists(#pk) OR #expires_at <= :now",
        )
        try:
            self.table.update(self.key, begin)
        except ConditionFailed as standing:
            if standing.item is None or standing.item["request"]["S"] != self._request_hash:
                raise Mismatch from None
            return False
        return True

    def _wait_for_answer(self) -> str | None:
        """None: whoever began has failed, has died, or is slower than it is worth to wait for."""
        deadline = time.monotonic() + _WAIT_SECONDS
        while True:
            item = self.table.get(self.key) or {}
            if "answer" in item:
                return str(item["answer"]["S"])
            if "busy" not in item or time.monotonic() > deadline:
                return None
            time.sleep(_POLL_SECONDS)

    def _write(
        self, expression: str, names: Mapping[str, str], values: Mapping[str, Value] | None = None
    ) -> Item:
        return self.table.update(self.key, Update(expression, names, values or {}))

    @property
    def _request_hash(self) -> str:
        return hashlib.sha256(self.request).hexdigest()
