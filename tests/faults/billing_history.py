"""One account's random history at Stripe, its events and checkouts under faults of both wires."""

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from random import Random
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from local import template
from tests.faults.billing_state import State, broken_between
from tests.faults.billing_truth import (
    PRICES,
    WAITS,
    Payers,
    Truth,
    is_live,
    truth,
    unsold,
)
from tests.faults.history import Violation
from tests.faults.transports import StripeWire, planned
from tests.faults.wire import Arguments, Killed, Wire, quiet, untouched
from tests.integration.billing_stripe import ScriptedStripe, running_stripe
from tests.integration.quota.house import NOON, Clock
from tests.integration.sign_in_service import CATALOGUE, profile, signed_in
from tollgate.billing.apply_subscription import (
    APPLIED,
    DUPLICATE,
    IGNORED,
    Billing,
    Event,
    apply_event,
)
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.checkout_turn import Opened
from tollgate.billing.finish_checkout import finish_checkout
from tollgate.billing.refresh_entitlement import refresh_entitlement
from tollgate.billing.start_checkout import AlreadySubscribed, start_checkout
from tollgate.billing.stripe_gateway import StripeGateway
from tollgate.table import idempotency, keys
from tollgate.table.client import Table, Unavailable
from tollgate.tenancy.records import Account

STEPS = 40
RATES = {
    "get_item": 0.06,
    "update_item": 0.2,
    "transact_write_items": 0.3,
    "stripe_get": 0.12,
    "stripe_post": 0.3,
}
_MEETINGS = {
    "get_item": 0.03,
    "update_item": 0.06,
    "transact_write_items": 0.2,
    "stripe_get": 0.1,
    "stripe_post": 0.06,
}
_MOST_TRIES = 3
_KEYS = ("k1", "k2")
_BASE = "http://localhost:8000"


@dataclass
class BillingHistory:
    """Everything follows from `seed`. `direct` serves the processes that come between."""

    seed: int
    client: Any
    table_name: str
    stripe: ScriptedStripe
    tamper: Callable[[str, Arguments], Arguments] = untouched
    rates: Mapping[str, float] = field(default_factory=lambda: RATES)
    clock: Clock = field(default_factory=Clock)
    opened: list[Opened] = field(default_factory=list)
    answers: dict[str, tuple[datetime, Opened]] = field(default_factory=dict)
    applied: set[str] = field(default_factory=set)
    forgotten: int = 0
    met: bool = False
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  to be played again, not to be secret
        plan = planned(self.random, dict(self.rates))
        self.wire = Wire(self.client, plan, self.random, self.tamper, self._meet)
        table, direct = Table(self.wire, self.table_name), Table(self.client, self.table_name)
        gateway = StripeGateway("sk_test_x", self.stripe.url, StripeWire(self.wire))
        self.billing = Billing(table, CATALOGUE, gateway, self.clock)
        gateway = StripeGateway("sk_test_x", self.stripe.url)
        self.direct = Billing(direct, CATALOGUE, gateway, self.clock)
        who = profile(f"s{self.seed}", f"p{self.seed}@example.com")
        self.account_id = signed_in(direct, who, NOON).account
        self.payers = Payers(self.stripe, self.account_id, self.random)
        self.state = self.read(frozenset())

    def play(self, steps: int) -> None:
        """Ends in quiet: what was not accepted is sent again, and then Stripe's word stands."""
        for _ in range(steps):
            [step] = self.random.choices(_STEPS, _WEIGHTS)
            self._step(step)
        self.wire.plan = quiet
        self.wire.meet = lambda _: None
        while self.payers.pending:
            self._step(deliver)
        for step in (repeat, repeat, refresh):
            self._step(step)
        said = self.truth()
        if self.state.seen != said:
            raise self.violation(f"P5: {self.state.seen} at the end, Stripe says {said}")
        if unsold(self.payers.subscriptions(self.state.account.customer_id), said):
            raise self.violation(f"{said.subscription} of plan {said.plan} has other items")

    def truth(self) -> Truth:
        """Of the customer that the account has, now."""
        standing = self.direct.table.get(keys.account(self.account_id))
        account = Account.read(standing, self.clock())
        customer_id = account.customer_id if account else None
        return truth(self.payers.subscriptions(customer_id), self.clock())

    def read(self, marked: frozenset[str]) -> State:
        told = [event.id for event in self.payers.told]
        return State.read(self.direct.table, self.account_id, told, marked, self.clock())

    def _step(self, step: "Step") -> None:
        self.met = False
        self.wire.restart()
        name, injected = step.__name__, self.wire.injected.total()
        try:
            with self.billing.stripe.in_time():
                outcome = step(self, self.billing)
        except (Killed, Unavailable, BillingUnavailable) as end:
            outcome = type(end).__name__
            if self.wire.injected.total() == injected and not self.met:
                raise self.violation(f"{name} ended in {outcome} without a fault") from end
        except Exception as error:
            raise self.violation(f"{name} raised {error!r}") from error
        self.lines.append(f"{self.clock():%m-%dT%H:%M:%S} {name} → {outcome}  {self.wire.trace}")
        before, self.state = self.state, self.read(self.state.marked)
        if problems := [*self._broken(before), *self._broken_tries()]:
            raise self.violation("; ".join(problems))
        if step in _READERS and self.state.account.applied_seq > before.account.applied_seq:
            self._must_be_true()

    def _broken(self, before: State) -> Iterator[str]:
        yield from broken_between(before, self.state)
        if len(self.payers.customers) > 1 + self.forgotten:
            yield f"I4: the account's customers are {self.payers.customers}"

    def _broken_tries(self) -> Iterator[str]:
        """F2: of each thing that is asked of Stripe."""
        for asked, tries in groupby(self.wire.trace, lambda line: line.partition(":")[0]):
            failed = sum(":" in line for line in tries)
            if asked.startswith("stripe_") and failed > _MOST_TRIES:
                yield f"F2: {failed} tries of {asked}"

    def _must_be_true(self) -> None:
        """A reading of Stripe that nobody came between is Stripe's present word."""
        if not self.met and self.state.seen != (said := self.truth()):
            raise self.violation(f"P5: {self.state.seen} written, Stripe says {said}")

    def violation(self, problem: str) -> Violation:
        return Violation("\n".join([f"seed {self.seed}: {problem}", *self.lines, *self.wire.trace]))

    def _meet(self, call: str) -> None:
        """Somebody pays, or another process does all of its work, between two calls of this."""
        if self.random.random() < _MEETINGS.get(call, 0):
            self.met = True
            step = self.random.choice((change, deliver, deliver, check_out))
            self.wire.trace.append(f"[{step.__name__} {step(self, self.direct)}]")


Step = Callable[[BillingHistory, Billing], str]


def deliver(history: BillingHistory, billing: Billing) -> str:
    """In any order; what is not accepted will be sent again."""
    if not history.payers.pending:
        return "nothing waits"
    event = history.random.choice(history.payers.pending)
    outcome = _delivered(history, billing, event)
    if event in history.payers.pending:  # it may have met itself
        history.payers.pending.remove(event)
    return outcome


def repeat(history: BillingHistory, billing: Billing) -> str:
    if not history.payers.told:
        return "nothing happened yet"
    return _delivered(history, billing, history.random.choice(history.payers.told))


def _delivered(history: BillingHistory, billing: Billing, event: Event) -> str:
    marker = keys.stripe_event(event.id)
    stood = history.direct.table.get(marker) is not None
    outcome = apply_event(billing, event)
    stands = history.direct.table.get(marker) is not None
    assert stands == (outcome != IGNORED), f"{outcome}, and its marker stands: {stands}"
    if not history.met:
        assert (outcome == DUPLICATE) == stood, f"{outcome}, and its marker stood: {stood}"
    if outcome == APPLIED:
        assert event.id not in history.applied, f"{event.id} is applied a second time"
        history.applied.add(event.id)
    return f"{event.id} {event.type} {outcome}"


def change(history: BillingHistory, _: Billing) -> str:
    return history.payers.change(history.clock())


def pay(history: BillingHistory, _: Billing) -> str:
    if not history.opened:
        return "no page is open"
    chosen = history.random.choice(history.opened)
    return history.payers.pay(chosen.checkout_session_id, history.clock())


def subscribe_in_the_dashboard(history: BillingHistory, _: Billing) -> str:
    """S7, and for a customer that nobody could record too."""
    customers = history.payers.customers
    if not customers:
        return "no customer"
    return history.payers.subscribe(history.random.choice(customers), history.clock())


def check_out(history: BillingHistory, billing: Billing) -> str:
    key = history.random.choice([None, *_KEYS])
    price = history.random.choice(PRICES)
    taken = key is not None and _is_taken(history, key, price)
    try:
        opened = start_checkout(billing, history.account_id, price, _BASE, key)
    except AlreadySubscribed:
        live = [is_live(each) for each in history.payers.subscriptions(_customer(history))]
        assert history.met or any(live), "nothing is subscribed"
        return "already subscribed"
    except idempotency.Mismatch:
        assert taken or history.met, f"{key} is free"
        return f"{key} belongs to another request"
    assert not taken or history.met, f"{key} belongs to another request"
    history.opened.append(opened)
    if key is not None:
        _same_answer(history, key, price, opened)
    return f"{key} {opened.checkout_session_id}"


def _is_taken(history: BillingHistory, key: str, price: str) -> bool:
    """I2: by a request for something else, within its window."""
    item = history.direct.table.get(keys.idempotency(history.account_id, "checkout", key))
    if item is None or int(item["expires_at"]["N"]) <= int(history.clock().timestamp()):
        return False
    asked: str = item["request"]["S"]
    return asked != hashlib.sha256(price.encode()).hexdigest()


def _customer(history: BillingHistory) -> str | None:
    return history.read(history.state.marked).account.customer_id


def _same_answer(history: BillingHistory, key: str, price: str, opened: Opened) -> None:
    """I1, I4: one key, one answer, until its window is over."""
    now, name = history.clock(), f"{key} {price}"
    since, first = history.answers.setdefault(name, (now, opened))
    if now - since >= idempotency.LIFETIME:
        history.answers[name] = (now, opened)
    else:
        assert first == opened, f"{key} was answered {first}, and then {opened}"


def come_back(history: BillingHistory, billing: Billing) -> str:
    if not history.opened:
        return "nobody has left"
    session_id = history.random.choice(history.opened).checkout_session_id
    return str(finish_checkout(billing, history.account_id, session_id))


def refresh(history: BillingHistory, billing: Billing) -> str:
    """As admission asks for it, where the deadline has passed."""
    until = history.state.tenant.limits.until
    now = history.clock().timestamp() * 1000
    if until is None or until > now:
        return "no deadline has passed"
    refresh_entitlement(billing, history.account_id)
    until = history.read(history.state.marked).tenant.limits.until
    assert until is None or until > now, "refreshed, and still over"
    return "refreshed"


def wait(history: BillingHistory, _: Billing) -> str:
    time = history.random.choice(WAITS)
    history.clock.now += time
    if time >= idempotency.LIFETIME:
        history.stripe.forget_keys()
        history.forgotten += 1
    return str(time)


_CHANCES: dict[Step, int] = {
    deliver: 10,
    repeat: 3,
    change: 6,
    pay: 3,
    subscribe_in_the_dashboard: 1,
    check_out: 6,
    come_back: 2,
    refresh: 3,
    wait: 2,
}
_STEPS, _WEIGHTS = list(_CHANCES), list(_CHANCES.values())
_READERS = {deliver, repeat, come_back}


def play_billing(
    client: Any, tamper: Callable[[str, Arguments], Arguments], seeds: range
) -> Counter[str]:
    """Faults injected, on a table and a Stripe of their own. Errors: Violation."""
    name = f"billing-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    injected: Counter[str] = Counter()
    with running_stripe() as stripe, _quick_and_silent():
        for seed in seeds:
            history = BillingHistory(seed, client, name, stripe, tamper)
            history.play(STEPS)
            injected.update(history.wire.injected)
    return injected


@contextmanager
def _quick_and_silent() -> Iterator[None]:
    """Nobody waits for a leader that died, and what faults bring into the logs is not read."""
    logging.disable(logging.CRITICAL)
    try:
        with patch.object(idempotency, "_WAIT_SECONDS", 0.0):
            yield
    finally:
        logging.disable(logging.NOTSET)
