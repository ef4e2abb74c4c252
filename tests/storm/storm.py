"""W1: a hundred events of random lives, delivered a thousand times by eight processes at once.

They are shuffled and repeated, processes die and calls fail before and after each of them, and what
one has read of Stripe may arrive long after a newer answer did (W8). Now and then it grows quiet:
what was never accepted is sent again, accounts are reconciled once, and the model judges.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any
from uuid import uuid4

import requests

import functions.webhook.app
from local import template
from local.stripe.wire import Json
from tests.faults.transports import StripeWire, planned
from tests.faults.wire import Arguments, Killed, Wire, quiet, untouched
from tests.integration.billing_service import SECRET
from tests.integration.quota.house import NOON
from tests.integration.sign_in_service import CATALOGUE, profile, signed_in
from tests.storm import books
from tests.storm.baton import Baton
from tests.storm.lives import Lives, Violation
from tests.storm.merchant import URL, Merchant
from tests.storm.post import post
from tollgate.billing.apply_subscription import Billing, sync_account
from tollgate.billing.reconcile import reconcile
from tollgate.billing.stripe_gateway import PatientClient, StripeGateway
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.web.site import Site

AT_ONCE, ACCOUNTS = 8, 6
_ROUNDS = 6
_WILD = 0.85
"""Of all events and deliveries; the others come when it is quiet, to the full numbers."""
Tamper = Callable[[str, Arguments], Arguments]
RATES = {
    "get_item": 0.015,
    "transact_write_items": 0.15,
    "stripe_get": 0.02,
    "stripe_post": 0.2,
}
_HELD_UP, _LONGEST = 0.04, 150


@dataclass(frozen=True)
class Size:
    events: int = 100
    deliveries: int = 1_000


@dataclass(frozen=True)
class Result:
    events: int
    deliveries: int
    injected: Counter[str]
    outcomes: Counter[str]


class Process:
    """One instance of the webhook's function, with faults on both of its wires."""

    def __init__(self, storm: "Storm", number: int) -> None:
        self._storm, self._number = storm, number
        self.wire = Wire(storm.client, random=storm.random, tamper=storm.tamper, audit=self._audit)
        self._read_at = 0
        session = storm.merchant.session()
        session.hooks["response"].append(self._read)
        transport = StripeWire(self.wire, session)
        self.app = functions.webhook.app.build(
            billing=Billing(
                Table(self.wire, storm.table_name),
                CATALOGUE,
                StripeGateway("sk_test_local", URL, transport),
                lambda: storm.merchant.now,
            ),
            site=Site(),
            secrets=[SECRET],
            livemode=False,
        )

    def play(self, _: int) -> None:
        asyncio.run(self._deliver())

    async def _deliver(self) -> None:
        """In one loop: what serves requests is never made anew between them."""
        storm = self._storm
        while storm.deliveries < storm.wild_deliveries:
            event = storm.choose()
            if event is None:
                storm.baton.hand_on(self._number)
                continue
            storm.deliveries += 1
            await self.take(event)

    async def take(self, event: Json) -> None:
        self.wire.restart()
        try:
            status, outcome = await post(self.app, event)
        except Killed:
            status, outcome = 0, "killed"
        self._storm.note(event, status, outcome)

    def _meet(self, _: str) -> None:
        """Before every call, and so between an answer of Stripe and what is written of it."""
        random = self._storm.random
        held = random.randrange(_LONGEST) if random.random() < _HELD_UP else 0
        self._storm.baton.hand_on(self._number, held)

    def _read(self, answer: requests.Response, **_: Any) -> None:
        if "/v1/subscriptions?" in answer.url:
            self._read_at = next(self._storm.moments)

    def _audit(self, call: str, arguments: Arguments, send: Callable[..., Any]) -> Any:
        """What was really committed, whatever this process has heard of it."""
        answer = send(**arguments)
        for part in arguments.get("TransactItems", ()):
            item, key = part.get("Put", {}).get("Item", {}), part.get("Update", {}).get("Key", {})
            if item.get("sk") == {"S": "EVENT"}:
                self._storm.marked[item["pk"]["S"]].add(arguments["ClientRequestToken"])
            if key.get("sk") == {"S": "ACCOUNT"}:
                self._projected(key["pk"]["S"])
        return answer

    def _projected(self, account: str) -> None:
        """W8: nothing older may stand where a newer answer of Stripe stood."""
        newest = self._storm.written_at[account]
        self._storm.written_at[account] = max(newest, self._read_at)
        if self._read_at < newest:
            self._storm.problems.append(f"W8: {account} is what it was before")

    def grow_quiet(self) -> None:
        self.wire.plan, self.wire.meet = quiet, _undisturbed

    def grow_wild(self) -> None:
        self.wire.plan, self.wire.meet = planned(self._storm.random, RATES), self._meet


class Storm:
    """`tamper` plants a bug in what is sent to the table."""

    def __init__(
        self, seed: int, client: Any, tamper: Tamper = untouched, size: Size = Size()
    ) -> None:
        self.seed, self.client = seed, client
        self.table_name = f"storm-{uuid4().hex}"
        client.create_table(**template.load().table(self.table_name))
        self.tamper = tamper
        self.size = size
        self.random = Random(seed)  # noqa: S311  to be played again, not to be secret
        self.merchant = Merchant(NOON)
        self.baton = Baton(self.random)
        self.table = Table(client, self.table_name)
        session = self.merchant.session()
        self.direct = Billing(
            self.table,
            CATALOGUE,
            StripeGateway("sk_test_local", URL, PatientClient(timeout=5, session=session)),
            lambda: self.merchant.now,
        )
        people = [profile(f"storm{seed}-{n}", f"s{seed}-{n}@example.com") for n in range(ACCOUNTS)]
        self.accounts = [signed_in(self.table, who, NOON).account for who in people]
        self.lives = Lives(self.merchant, self.direct, self.accounts, self.random)
        self.wild_events = self.wild_deliveries = 0
        self.moments = count(1)
        self.written_at: Counter[str] = Counter()
        self.marked: defaultdict[str, set[str]] = defaultdict(set)
        self.problems: list[str] = []
        self.waiting: list[Json] = []
        self.deliveries = 0
        self.outcomes: Counter[str] = Counter()
        self.accepted: dict[str, str] = {}

    def rage(self) -> Result:
        """Errors: Violation."""
        processes = [Process(self, number) for number in range(AT_ONCE)]
        for number in range(1, _ROUNDS + 1):
            wild = _WILD * number / _ROUNDS
            self.wild_events = round(self.size.events * wild)
            self.wild_deliveries = round(self.size.deliveries * wild)
            for each in processes:
                each.grow_wild()
            self.baton.play([*(each.play for each in processes), self._live])
            for each in processes:
                each.grow_quiet()
            asyncio.run(self._calm(processes[0], is_last=number == _ROUNDS))
            self._judge()
        self._reconcile()
        self.client.delete_table(TableName=self.table_name)
        injected = sum((each.wire.injected for each in processes), Counter[Any]())
        return Result(
            len(self.merchant.told),
            self.deliveries,
            Counter({str(fault): count for fault, count in injected.items()}),
            self.outcomes,
        )

    def choose(self) -> Json | None:
        """What still waits, or anything that was ever told, once more."""
        self.waiting += self.merchant.tell()
        if self.waiting and self.random.random() < 0.5:
            return self.random.choice(self.waiting)
        return self.random.choice(self.merchant.told) if self.merchant.told else None

    def note(self, event: Json, status: int, outcome: str) -> None:
        self.outcomes[outcome] += 1
        if status == 200:
            self.accepted[event["id"]] = outcome
            self.waiting = [each for each in self.waiting if each["id"] != event["id"]]
        elif status not in (0, 503):
            raise Violation(f"seed {self.seed}: {status} {outcome} for {event['type']}")

    def _live(self, me: int) -> None:
        """Evenly among the deliveries, so that everything changes while it is read."""
        told = self.merchant.told
        while len(told) < self.wild_events and self.deliveries < self.wild_deliveries:
            late = self.deliveries * self.size.events >= len(told) * self.size.deliveries
            if late:
                self.lives.act()
                self.waiting += self.merchant.tell()
            self.baton.hand_on(me, 1 if late else AT_ONCE)

    async def _calm(self, process: Process, *, is_last: bool) -> None:
        """What waits, without a fault; in the end to the full numbers."""
        while True:
            self.waiting += self.merchant.tell()
            if self.waiting:
                await self._again(process, self.random.choice(self.waiting))
            elif is_last and len(self.merchant.told) < self.size.events:
                self._one_more()
            else:
                break
        while is_last and self.deliveries < self.size.deliveries:
            await self._again(process, self.random.choice(self.merchant.told))

    async def _again(self, process: Process, event: Json) -> None:
        self.deliveries += 1
        await process.take(event)
        if event["id"] not in self.accepted:
            raise Violation(f"seed {self.seed}: {event['type']} is refused without a fault")

    def _one_more(self) -> None:
        try:
            self.lives.touch()
        except IndexError:
            self.lives.buy()

    def _judge(self) -> None:
        """A passed deadline is asked about by whoever comes next; nothing else is repaired here."""
        for account_id in self.accounts:
            sync_account(self.direct, account_id)
        if problems := [*self.problems, *self._lost_or_doubled()]:
            raise Violation(f"seed {self.seed}: " + "\n  ".join(problems))

    def _reconcile(self) -> None:
        """It finds nothing to repair, but for those who were deleted in a dispute: what becomes of
        that reaches nobody, and their hold may end here.
        """
        held = sum(books.is_deleted_in_a_dispute(self.table, each) for each in self.accounts)
        found = reconcile(self.direct)
        if found.repaired > held or found.left or not found.finished:
            raise Violation(f"seed {self.seed}: P5: {found}, and {held} were deleted in a dispute")
        self._judge()

    def _lost_or_doubled(self) -> Iterator[str]:
        for event in self.merchant.told:
            outcome = self.accepted[event["id"]]
            marker = keys.stripe_event(event["id"])
            stands = self.table.get(marker) is not None
            if not stands and (outcome != "ignored" or not self._is_of_the_deleted(event)):
                yield f"P6: {event['id']} {event['type']} was {outcome} and is lost"
            if len(self.marked[marker.pk]) > 1:
                yield f"P4: {event['id']} {event['type']} was applied twice"
        yield from books.broken(self.table, self.merchant, self.accounts)

    def _is_of_the_deleted(self, event: Json) -> bool:
        about = event["data"]["object"]
        charge = self.merchant.store.get("charge", about.get("charge") or "") or {}
        named = about["id"] if about["object"] == "customer" else about.get("customer")
        customer = self.merchant.store.get("customer", named or charge.get("customer") or "")
        return bool(customer and customer.get("deleted"))


def _undisturbed(_: str) -> None:
    """Nobody comes between."""
