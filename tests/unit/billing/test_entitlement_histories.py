"""P5: whatever somebody does at Stripe, and whenever it is read, the ledger says the same.

The model below is Stripe's side: subscriptions that begin, renew, fail, change, pause and end as
days pass. Beside what Stripe would show it keeps a ledger, of what was paid and what is owed, and
from that alone comes what the account may do. It imports no rule of the product.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tollgate.billing.entitlement import DUPLICATE, Policy, entitlement
from tollgate.billing.subscription import Invoice, Item, Subscription

DAY = timedelta(days=1)
PERIOD, TRIAL, GRACE, DUNNING = 12 * DAY, 6 * DAY, 7 * DAY, 10 * DAY
ORDER = ("free", "pro", "team")
PLANS = {"pro_monthly": "pro", "pro_yearly": "pro", "team_monthly": "team"}
POLICY = Policy(PLANS, ORDER, GRACE)
PRICES = st.sampled_from(list(PLANS))
BEGINNINGS = st.sampled_from(
    ["card", "card", "trial", "trial", "declined", "debit", "failing debit"]
)
PLACES = st.sampled_from([0, 0, 1, 2])


@dataclass
class Bill:
    """`replaces` is the price that stood before, where it is the bill of a change."""

    reason: str
    created_at: datetime
    status: str
    replaces: Item | None = None

    def shown(self) -> Invoice:
        return Invoice(self.status, self.reason, self.created_at, is_change=bool(self.replaces))


@dataclass
class Life:
    """One subscription. Of the ledger are `bills`, `settled` (the price that all was paid for) and
    `paid_to`.
    """

    id: str
    price: str
    start: datetime
    begins: str
    bills: list[Bill] = field(default_factory=list)
    status: str = "active"
    trial_end: datetime | None = None
    at_end: bool = False
    void: bool = False

    def __post_init__(self) -> None:
        self.settled, self.created_at = self.price, self.start
        self.end = self.paid_to = self.start + (TRIAL if self.begins == "trial" else PERIOD)
        first = "paid" if self.begins in {"trial", "card"} else "open"
        self.bills.append(Bill("subscription_create", self.start, first))
        if self.begins == "trial":
            self.status, self.trial_end = "trialing", self.end
        if self.begins == "declined":
            self.status = "incomplete"

    @property
    def has_ended(self) -> bool:
        return self.status in {"canceled", "incomplete_expired"}

    @property
    def debts(self) -> list[Bill]:
        return [bill for bill in self.bills if bill.status == "open"]

    @property
    def is_overdue(self) -> bool:
        return self.status in {"past_due", "unpaid"}

    @property
    def is_on_its_way(self) -> bool:
        """A bank's debit takes days, and may never arrive."""
        return self.status == "active" and self.bills[0].status == "open"

    def next_at(self) -> datetime:
        if self.status == "incomplete":
            return self.start + DAY
        if self.is_on_its_way:
            return self.start + 3 * DAY
        if self.status == "past_due":
            return min(self.end, self.debts[0].created_at + DUNNING)
        return self.end

    def fall_due(self, *, pays: bool, exhausted: str) -> None:
        at = self.next_at()
        if self.status == "incomplete":
            self.status = "incomplete_expired"
        elif self.is_on_its_way and self.begins == "debit":
            self.pay()
        elif self.is_on_its_way:
            self.status = "past_due"
        elif self.status == "past_due" and at < self.end:
            self.status = exhausted
        elif self.at_end:
            self.status = "canceled"
        else:
            self._renew(at, pays=pays)

    def _renew(self, at: datetime, *, pays: bool) -> None:
        self.start, self.end = at, at + PERIOD
        bill = Bill("subscription_cycle", at, "open")
        self.bills.append(bill)
        if self.status == "unpaid":
            bill.status = "draft"
        elif self.void and not self.debts[:-1]:
            self.status, bill.status = "active", "void"
        elif pays:
            self.pay()
        else:
            self.status = "past_due"

    def pay(self) -> None:
        """With the drafts of the time when nothing was: their periods count as paid."""
        for bill in self.bills:
            if bill.status in {"open", "draft"}:
                bill.status = "paid"
        self.status, self.settled, self.paid_to = "active", self.price, self.end

    def change(self, price: str, at: datetime, *, pays: bool) -> None:
        before = Item(self.price, at, self.end)
        self.price = price
        if self.status == "trialing":
            self.settled = price
            return
        self.bills.append(Bill("subscription_update", at, "open", before))
        if pays:
            self.pay()
        else:
            self.status = "past_due"

    def shown(self) -> Subscription:
        """As the gateway reads it: debts only of what is overdue."""
        owed = self.debts if self.is_overdue else []
        return Subscription(
            id=self.id,
            status=self.status,
            items=(Item(self.price, self.start, self.end),),
            created_at=self.created_at,
            anchor_at=self.created_at,
            cancel_at_period_end=self.at_end,
            trial_end=self.trial_end,
            paused_collection="void" if self.void else None,
            invoice=self.bills[-1].shown(),
            owed=owed[0].shown() if owed else None,
            replaced=next((bill.replaces for bill in owed if bill.replaces), None),
        )

    def granted(self, now: datetime) -> tuple[str, datetime | None] | None:
        """The plan and its end, as the ledger has it."""
        if self.has_ended or self.bills[0].status == "open":
            return None
        ends = [self.end] if self.at_end else []
        if self.debts:
            oldest = self.debts[0]
            if oldest.reason == "subscription_cycle" and oldest.created_at == self.trial_end:
                return None  # the charge that the trial was for
            grace = oldest.created_at + GRACE
            # What stood at a change goes on as if there had been none, also where a pause gave it.
            ends.append(max(grace, oldest.replaces.period_end) if oldest.replaces else grace)
        elif self.void and self.status != "trialing":
            ends.append(self.paid_to)
        until = min(ends, default=None)
        return None if until is not None and until <= now else (PLANS[self.settled], until)


class Customer(RuleBasedStateMachine):
    """Everything that one customer does, in any order, and readings of it at any moment."""

    @initialize(price=PRICES, begins=BEGINNINGS, pays=st.booleans())
    def begin(self, price: str, begins: str, pays: bool) -> None:
        self.now = datetime(2026, 11, 21, 12, tzinfo=UTC)
        self.lives: list[Life] = []
        self.projected, self.card_pays, self.exhausted = "free", pays, "canceled"
        self.order = Random(1)  # noqa: S311  a test's order is no secret
        self.subscribe(price, begins)

    @rule(price=PRICES, begins=BEGINNINGS)
    def subscribe(self, price: str, begins: str) -> None:
        if len(self.lives) < 3:
            self.lives.append(Life(f"sub_{len(self.lives)}", price, self.now, begins))

    @rule(days=st.sampled_from([1, 3, 6, 12]))
    def pass_days(self, days: int) -> None:
        until = self.now + days * DAY
        while due := [each for each in self._standing() if each.next_at() <= until]:
            first = min(due, key=Life.next_at)
            self.now = max(self.now, first.next_at())
            first.fall_due(pays=self.card_pays, exhausted=self.exhausted)
        self.now = until

    @rule(pays=st.booleans(), exhausted=st.sampled_from(["canceled", "unpaid"]))
    def take_another_card(self, pays: bool, exhausted: str) -> None:
        self.card_pays, self.exhausted = pays, exhausted

    @rule(place=PLACES, price=PRICES)
    def change(self, place: int, price: str) -> None:
        for life in self._at(place, "active", "trialing", "past_due"):
            if life.price != price and life.bills[0].status == "paid" and not life.void:
                life.change(price, self.now, pays=self.card_pays)

    @rule(place=PLACES, act=st.sampled_from(["pay", "keep", "pause", "pause", "end"]))
    def visit_the_portal(self, place: int, act: str) -> None:
        for life in self._at(place, "active", "trialing", "past_due", "unpaid"):
            if act == "end":
                life.status = "canceled"
            elif act == "pay" and life.is_overdue:
                life.pay()
            elif act == "pause" and life.status == "active":
                life.void = not life.void
            elif act == "keep" and life.status != "unpaid":
                life.at_end = not life.at_end

    @rule()
    def read(self) -> None:
        """What is found is kept; that nobody reads at most moments is what may be left out."""
        shown = [life.shown() for life in self.lives]
        self.projected = entitlement(shown, self.projected, self.now, POLICY).plan_id

    @invariant()
    def what_stripe_shows_is_what_the_ledger_has(self) -> None:
        """In any order, and repeated."""
        shown = [life.shown() for life in self.lives]
        seen = (
            self.order.choices(shown, k=3) + self.order.sample(shown, len(shown)) if shown else []
        )
        found = entitlement(seen, self.projected, self.now, POLICY)
        granted = [each for life in self.lives if (each := life.granted(self.now))]
        assert (found.plan_id, found.until) == max(granted, key=_rank, default=("free", None))
        assert (DUPLICATE in found.alarms) == (len(granted) > 1)

    def _standing(self) -> list[Life]:
        return [life for life in self.lives if not life.has_ended]

    def _at(self, place: int, *statuses: str) -> list[Life]:
        """One, if it has such a status."""
        return [life for life in self.lives[place : place + 1] if life.status in statuses]


def _rank(granted: tuple[str, datetime | None]) -> tuple[int, bool, float]:
    plan, until = granted
    return ORDER.index(plan), until is None, until.timestamp() if until else 0.0


def test_every_history_is_read_as_its_ledger_has_it() -> None:
    run_state_machine_as_test(
        Customer, settings=settings(max_examples=300, stateful_step_count=25, deadline=None)
    )
