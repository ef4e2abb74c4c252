"""One at a time decides about an account's checkout; who comes meanwhile waits for that answer.

The item `CHECKOUT` says which attempt is under way, and which page is open. The lease is soft: who
takes it over from a leader that died, or is slow, goes on with the same attempt under the same
Stripe key, so both of them get one and the same page.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import msgspec

from tollgate.billing.checkout import Answered, CheckoutSession, InProgress
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Item, Table, Update, Value

_LEASE = timedelta(seconds=3)
"""Longer than opening takes (five calls of Stripe, about 2 s)."""
_WAIT_SECONDS = 4.0
"""Longer than the lease, so that a dead leader's followers answer still; with the patience for
Stripe (5.5 s from the request's start) they all end within ten seconds."""
_POLL_SECONDS = 0.1
_REPLAYABLE = timedelta(hours=23)
"""Shorter than Stripe keeps an idempotency key (24 h) and a page stays open (24 h): a repetition
never brings a page that has ended. Clients that got no answer repeat within minutes."""


class Opened(msgspec.Struct, frozen=True):
    """Where the person pays."""

    url: str
    checkout_session_id: str


@dataclass(slots=True)
class Turn:
    """The right to decide; `item` is as it was when that was got."""

    table: Table
    account_id: str
    asked: str
    leader: str
    item: Item
    attempt: int

    def begin(self, fingerprint: str, now: datetime) -> str:
        """Stripe's idempotency key: that of the attempt which nobody has finished, or a new one.

        Errors: `InProgress` where another one leads by now.
        """
        if not self._is_unfinished(fingerprint, now):
            self.attempt += 1
            values: dict[str, Value] = {
                ":attempt": {"N": str(self.attempt)},
                ":fingerprint": {"S": fingerprint},
                ":asked": {"S": self.asked},
                ":now": {"N": str(int(now.timestamp()))},
                ":leader": {"S": self.leader},
            }
            sets = "SET #attempt = :attempt, #fingerprint = :fingerprint, #asked = :asked"
            change = f"{sets}, #begun = :now REMOVE #session_id, #url"
            self._write(change, values, "#leader = :leader")
        return f"checkout-{self.account_id}-{self.attempt}-{fingerprint[:32]}"

    def finish(self, page: CheckoutSession) -> None:
        """By the attempt and not by the lease: whoever took that over goes on with this page.

        Errors: `InProgress` where another attempt has begun, which may not have seen this page.
        """
        values: dict[str, Value] = {
            ":attempt": {"N": str(self.attempt)},
            ":asked": {"S": self.asked},
            ":session_id": {"S": page.id},
            ":url": {"S": page.url or ""},
        }
        sets = "SET #asked = :asked, #session_id = :session_id, #url = :url"
        self._write(f"{sets} REMOVE #leader, #leased_until", values, "#attempt = :attempt")

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Whoever comes after an error that Stripe answered asks under another key. Should Stripe
        have made the page all the same, it is among those that are open.
        """
        try:
            yield
        except Answered:
            values: dict[str, Value] = {
                ":attempt": {"N": str(self.attempt)},
                ":next": {"N": str(self.attempt + 1)},
            }
            with suppress(InProgress):  # another attempt has begun
                self._write("SET #attempt = :next REMOVE #begun", values, "#attempt = :attempt")
            raise

    def give_up(self) -> None:
        """Lets the next one in at once."""
        mine: dict[str, Value] = {":leader": {"S": self.leader}}
        with suppress(InProgress):  # it is another one's lease by now
            self._write("REMOVE #leader, #leased_until", mine, "#leader = :leader")

    def _is_unfinished(self, fingerprint: str, now: datetime) -> bool:
        if "session_id" in self.item or "begun" not in self.item:
            return False
        young = int(self.item["begun"]["N"]) > (now - _REPLAYABLE).timestamp()
        return young and bool(self.item["fingerprint"]["S"] == fingerprint)

    def _write(self, expression: str, values: Mapping[str, Value], condition: str) -> None:
        names = {f"#{name}": name for name in _NAMES if f"#{name}" in expression + condition}
        change = Update(expression, names, values, condition)
        try:
            self.table.update(keys.checkout(self.account_id), change)
        except ConditionFailed:
            raise InProgress("another one leads") from None


_NAMES = (
    *("attempt", "fingerprint", "asked", "begun"),
    *("session_id", "url", "leader", "leased_until"),
)


def take_turn(
    table: Table, account_id: str, asked: str, clock: Callable[[], datetime]
) -> Turn | Opened:
    """The turn, or what another one opened meanwhile for the same that is `asked`.

    Errors: `InProgress`.
    """
    key, leader = keys.checkout(account_id), uuid4().hex
    deadline, waited = time.monotonic() + _WAIT_SECONDS, False
    while True:
        item = table.get(key) or {}
        if "leader" not in item and waited and item.get("asked") == {"S": asked}:
            opened = _opened(item)
            if opened is not None:
                return opened
        if _is_free(item, clock()):
            try:
                held = table.update(key, _lease(leader, clock()))
            except ConditionFailed:
                pass  # somebody was faster
            else:
                return Turn(table, account_id, asked, leader, held, int(held["attempt"]["N"]))
        if time.monotonic() > deadline:
            raise InProgress("a checkout is being opened")
        time.sleep(_POLL_SECONDS)
        waited = True


def _opened(item: Item) -> Opened | None:
    if "session_id" not in item:
        return None
    return Opened(item["url"]["S"], item["session_id"]["S"])


def _is_free(item: Item, now: datetime) -> bool:
    return "leader" not in item or int(item["leased_until"]["N"]) <= _milliseconds(now)


def _lease(leader: str, now: datetime) -> Update:
    return Update(
        "SET #leader = :leader, #leased_until = :until, #attempt = if_not_exists(#attempt, :zero)",
        {"#leader": "leader", "#leased_until": "leased_until", "#attempt": "attempt"},
        {
            ":zero": {"N": "0"},
            ":leader": {"S": leader},
            ":until": {"N": str(_milliseconds(now + _LEASE))},
            ":now": {"N": str(_milliseconds(now))},
        },
        "attribute_not_exists(#leader) OR #leased_until <= :now",
    )


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
