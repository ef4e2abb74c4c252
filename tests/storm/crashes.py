"""W2: whatever the event, its delivery is killed before and after every single call, to the table
and to Stripe, and sent again: the same final state as without the kill, at every point.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import functions.webhook.app
from local import template
from local.stripe.wire import Json
from tests.faults.transports import StripeWire
from tests.faults.wire import Fault, Killed, Plan, Wire, quiet
from tests.integration.billing_service import SECRET
from tests.integration.quota.house import NOON
from tests.integration.sign_in_service import CATALOGUE, profile, signed_in
from tests.storm.lives import Violation
from tests.storm.merchant import URL, Merchant
from tests.storm.post import post
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.stripe_gateway import PatientClient, StripeGateway
from tollgate.table.client import Table
from tollgate.web.site import Site

_KILLS = (Fault.KILLED, Fault.KILLED_AFTER)
_MADE_HERE = re.compile(r"\b(?:cs|ch|cus|du|evt|ii|il|in|inpay|pi|pm|re|req|si|sub)_\w{14,}")

State = tuple[str, str]
Picture = tuple[list[Any], bytes]


@dataclass
class Points:
    """`events` are the kinds that were examined, each by its type and the calls that it makes."""

    events: set[tuple[str, ...]]
    tried: int = 0
    recovered: int = 0


class Till:
    """A merchant, two accounts of ours and the webhook's function, on a table of their own.

    `billing` makes no call that is seen; those of `watched`, and of the function, are.
    """

    def __init__(self, client: Any) -> None:
        self.client, self.name = client, f"crashes-{uuid4().hex}"
        client.create_table(**template.load().table(self.name))
        self.merchant = Merchant(NOON)
        self.wire = Wire(client)
        transport = StripeWire(self.wire, self.merchant.session())
        self.watched = self._billing(Table(self.wire, self.name), transport)
        self.app = functions.webhook.app.build(
            billing=self.watched,
            site=Site(),
            secrets=[SECRET],
            livemode=False,
        )
        table = Table(client, self.name)
        direct = PatientClient(timeout=5, session=self.merchant.session())
        self.billing = self._billing(table, direct)
        self.account, self.other = (
            signed_in(table, profile(f"crash-{n}", f"c{n}@example.com"), NOON).account
            for n in range(2)
        )

    def _billing(self, table: Table, transport: PatientClient) -> Billing:
        gateway = StripeGateway("sk_test_local", URL, transport)
        return Billing(table, CATALOGUE, gateway, lambda: self.merchant.now)

    def deliver(self, event: Json, plan: Plan = quiet) -> int:
        """The status; 0 where the process died."""
        self.wire.restart()
        self.wire.plan = plan
        try:
            return asyncio.run(post(self.app, event))[0]
        except Killed:
            return 0

    def picture(self) -> Picture:
        """All that is written, here and at Stripe, to be restored."""
        return self.items(), self.merchant.picture()

    def restore(self, picture: Picture) -> None:
        before, store = picture
        self.merchant.restore(store)
        standing = {_key(item): item for item in self.items()}
        wanted = {_key(item): item for item in before}
        requests: list[Any] = [
            {"DeleteRequest": {"Key": {"pk": item["pk"], "sk": item["sk"]}}}
            for key, item in standing.items()
            if key not in wanted
        ]
        requests += [
            {"PutRequest": {"Item": item}}
            for key, item in wanted.items()
            if standing.get(key) != item
        ]
        if requests:
            self.client.batch_write_item(RequestItems={self.name: requests})

    def state(self) -> State:
        """What is written, whatever ids Stripe gave to what was made since."""
        return _named(json.dumps(self.items(), sort_keys=True), self.merchant.objects())

    def items(self) -> list[Any]:
        found: list[Any] = self.client.scan(TableName=self.name, ConsistentRead=True)["Items"]
        return sorted(found, key=_key)


def examine(
    client: Any, life: Callable[[Till], Iterator[None]], points: Points, only: str | None = None
) -> None:
    """Every new kind of event of this life, or of one type of them. Errors: Violation."""
    till = Till(client)
    for _ in life(till):
        waiting = till.merchant.tell()
        while waiting:
            event = waiting.pop(0)
            if only in {None, event["type"]}:
                _examine(till, event, points)
            _expect(till.deliver(event) == 200, f"{event['type']} is refused")
            waiting += till.merchant.tell()
    client.delete_table(TableName=till.name)


def _examine(till: Till, event: Json, points: Points) -> None:
    before = till.picture()
    _expect(till.deliver(event) == 200, f"{event['type']} is refused")
    calls, expected = till.wire.trace, till.state()
    kind = (event["type"], *(re.sub(r"_\w{14,}", "", call) for call in calls))
    if kind not in points.events:
        points.events.add(kind)
        for number, call in enumerate(calls):
            for kill in _KILLS:
                till.restore(before)
                points.tried += 1
                died = till.deliver(event, _at(number, kill))
                _expect(died == 0, f"{event['type']} survived: {kill} call {number}, {call}")
                again = till.deliver(event)
                same = again == 200 and till.state() == expected
                _expect(same, f"{event['type']}: {again} after: {kill} call {number}, {call}")
                points.recovered += 1
    till.restore(before)


def _at(number: int, kill: Fault) -> Plan:
    """The one call that this process does not survive."""
    sent = iter(range(number + 1))

    def plan(_: str) -> Fault | None:
        return kill if next(sent, number) == number else None

    return plan


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise Violation(f"W2: {problem}")


def _key(item: Any) -> tuple[str, str]:
    return item["pk"]["S"], item["sk"]["S"]


def _named(ours: str, stripes: str) -> State:
    """Each id's name is its place in the order in which Stripe's objects were made."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"id{len(names)}")

    named = _MADE_HERE.sub(name, stripes)
    return named, _MADE_HERE.sub(name, ours)
