"""P2, P3, P10 (Q3): a random history on the real engine, against a model that only adds up."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from tests.integration.quota.house import DEMAND, INPUT, NOON, OUTPUT, House, catalogue
from tests.integration.quota.house import failed as failure
from tests.integration.quota.house import finished as usage
from tollgate.catalogue import Catalogue, Plan
from tollgate.quota.admission import SHORTEST_OUTPUT, Admitted, Hint
from tollgate.quota.gate import day_of
from tollgate.quota.periods import Anchor, change_anchor, period
from tollgate.quota.refusal import Refused
from tollgate.quota.settlement import checkpoint
from tollgate.table import keys
from tollgate.tenancy.ids import new_id

PER_MINUTE = 4
DEAD_AFTER, MARGIN = timedelta(minutes=6), timedelta(minutes=10)


def small() -> Catalogue:
    """Limits that a short history reaches."""
    whole = catalogue(PER_MINUTE, day=6, month=600, concurrent=3)
    pro = msgspec.structs.replace(whole.plans["pro"], day=9, month=900, concurrent=4)
    return msgspec.structs.replace(whole, plans={**whole.plans, "pro": pro})


@dataclass(frozen=True)
class Held:
    output: int
    period: str
    day: str
    at: datetime
    delivered: int = 0

    @property
    def tokens(self) -> int:
        return INPUT + self.output


@dataclass
class Books:
    """One account's truth, kept by hand: what is held, what was spent, what is closed; what was
    `reclaimed` may still be settled, once.
    """

    catalogue: Catalogue
    plan: str = "free"
    anchor: Anchor = field(default_factory=Anchor)
    held: dict[str, Held] = field(default_factory=dict)
    reclaimed: dict[str, Held] = field(default_factory=dict)
    spent: dict[str, tuple[str, int]] = field(default_factory=dict)
    days: dict[str, int] = field(default_factory=dict)
    burst: list[datetime] = field(default_factory=list)
    closed: set[str] = field(default_factory=set)

    def used(self, name: str) -> int:
        spent = sum(tokens for where, tokens in self.spent.values() if where == name)
        return spent + sum(each.tokens for each in self.held.values() if each.period == name)

    def admit(self, generation: str, now: datetime) -> str | int:
        """The limit that refuses, or the output tokens that are held."""
        plan = self.catalogue.plans[self.plan]
        name, day = period(self.anchor, now).name, day_of(now)
        if self._room(plan, name) < OUTPUT:
            self.reclaim(now)
        room = self._room(plan, name)
        if room < SHORTEST_OUTPUT:
            return "month"
        if plan.day is not None and self.days.get(day, 0) >= plan.day:
            return "day"
        if sum(now - each < timedelta(seconds=60) for each in self.burst) >= PER_MINUTE:
            return "minute"
        if len(self.held) >= plan.concurrent and not self.reclaim(now):
            return "concurrent"
        output = min(OUTPUT, room)
        self.held[generation] = Held(output, name, day, now)
        self.days[day] = self.days.get(day, 0) + 1
        self.burst.append(now)
        return output

    def _room(self, plan: Plan, name: str) -> int:
        return OUTPUT if plan.overage else plan.month - self.used(name) - INPUT

    def decide(self, generation: str, tokens: int) -> None:
        hold = self.held.pop(generation, None) or self.reclaimed.pop(generation, None)
        if hold is not None:
            self.spent[generation] = (hold.period, tokens)

    def fail(self, generation: str) -> None:
        if hold := self.held.get(generation) or self.reclaimed.get(generation):
            self.days[hold.day] -= 1
        self.decide(generation, 0)

    def note(self, generation: str, delivered: int) -> None:
        hold = self.held.get(generation)
        if hold is not None and hold.delivered < delivered:
            self.held[generation] = replace(hold, delivered=delivered)

    def reclaim(self, now: datetime) -> int:
        dead = {each: hold for each, hold in self.held.items() if now - hold.at > DEAD_AFTER}
        for generation, hold in dead.items():
            self.decide(generation, INPUT // 4 + hold.delivered)
        self.reclaimed |= dead
        return len(dead)

    def close(self, now: datetime) -> int:
        self.reclaim(now)
        safe = period(self.anchor, now - MARGIN).name
        ended = {name for name, _ in self.spent.values() if name < safe}
        ended |= {each.period for each in self.held.values() if each.period < safe}
        waiting = {each.period for each in self.held.values()}
        ready = takewhile(lambda name: name not in waiting, sorted(ended - self.closed))
        before = len(self.closed)
        self.closed |= set(ready)
        return len(self.closed) - before


class History(RuleBasedStateMachine):
    """Generations stay in the bundle after their end: what is decided is decided again."""

    generations: Bundle[str] = Bundle("generations")

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house
        house.clock.now = NOON
        self.account = house.open_account(new_id("acc"))
        self.books = Books(house.catalogue)
        self.admitted: dict[str, Admitted] = {}
        self.hint: Hint = house.hint(self.account)

    def teardown(self) -> None:
        self.house.direct.delete(keys.gate(self.account))

    @rule(target=generations, seconds=st.integers(0, 40))
    def admit(self, seconds: int) -> Any:
        """With the plan as it was at the last admission."""
        self.house.clock.advance(seconds=seconds)
        generation = new_id("gen")
        expected = self.books.admit(generation, self.house.clock())
        try:
            admitted = self.house.admit(generation, self.account, self.hint, DEMAND)
        except Refused as refused:
            outcome: str | int = refused.refusal.scope
        else:
            outcome = admitted.output_tokens
        assert outcome == expected
        if isinstance(outcome, str):
            return multiple()
        limits = admitted.gate.tenant.limits
        self.hint = Hint(limits.plan, limits.anchor, admitted.gate.tenant.version)
        self.admitted[generation] = admitted
        return generation

    @rule(generation=generations, output=st.integers(0, 150))
    def settle(self, generation: str, output: int) -> None:
        hold = self.admitted[generation].hold
        self.house.settle(generation, hold, usage(INPUT, output), self.account)
        self.books.decide(generation, INPUT + output)

    @rule(generation=generations)
    def fail(self, generation: str) -> None:
        hold = self.admitted[generation].hold
        self.house.settle(generation, hold, failure(), self.account)
        self.books.fail(generation)

    @rule(generation=generations, delivered=st.integers(0, OUTPUT))
    def checkpoint(self, generation: str, delivered: int) -> None:
        checkpoint(self.house.table, self.account, generation, delivered)
        self.books.note(generation, delivered)

    @rule(generation=consumes(generations))
    def die(self, generation: str) -> None:
        """Nobody settles this one: only a reclaim can."""

    @rule()
    def reclaim(self) -> None:
        assert self.house.reclaim(self.account) == self.books.reclaim(self.house.clock())

    @rule(
        time=st.sampled_from(
            [
                timedelta(seconds=61),
                timedelta(minutes=5),
                timedelta(minutes=11),
                timedelta(hours=13),
                timedelta(days=9, hours=12),
                timedelta(days=40),
            ]
        )
    )
    def wait(self, time: timedelta) -> None:
        self.house.clock.now += time

    @rule()
    def wait_for_the_end_of_the_month(self) -> None:
        now = self.house.clock()
        self.house.clock.now = period(Anchor(), now).end - timedelta(seconds=1)

    @rule()
    def close(self) -> None:
        assert self.house.close_all().closed == self.books.close(self.house.clock())

    @rule(plan=st.sampled_from(["free", "pro", "team"]), anchored=st.booleans())
    def change_plan(self, plan: str, anchored: bool) -> None:
        now = self.house.clock()
        at = now.replace(microsecond=0) if anchored else None
        self.house.change_plan(plan, at, self.account)
        self.books.plan = plan
        self.books.anchor = change_anchor(self.books.anchor, at, now)

    @invariant()
    def the_books_agree(self) -> None:
        house, books = self.house, self.books
        gate = house.gate(self.account)
        closed = house.closed(self.account)
        receipts = house.receipts(self.account)
        history = {name: int(each.used + (each.debt or 0)) for name, each in closed.items()}
        counted = {**gate.used, **history}
        assert counted.keys() == set(_periods(books))
        assert counted == {name: books.used(name) for name in counted}
        assert closed.keys() == books.closed
        assert not closed.keys() & gate.used.keys()
        assert gate.open.keys() == books.held.keys()
        assert {each: receipt.charged_tokens for each, receipt in receipts.items()} == {
            each: tokens for each, (_, tokens) in books.spent.items()
        }
        today = day_of(house.clock())
        assert gate.days.get(today, 0) == books.days.get(today, 0)
        assert ("due" in house.item(self.account)) == bool(gate.used)


def _periods(books: Books) -> Iterator[str]:
    yield from (name for name, _ in books.spent.values())
    yield from (each.period for each in books.held.values())


def test_used_is_spent_and_held_after_every_step_of_a_random_history(house: House) -> None:
    house.catalogue = small()

    class OnThisTable(History):
        def __init__(self) -> None:
            super().__init__(house)

    run_state_machine_as_test(
        OnThisTable,
        settings=settings(max_examples=30, stateful_step_count=40, deadline=None),
    )
