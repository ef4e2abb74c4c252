"""One account's random history under faults, each step of it checked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import Any

import msgspec

from tests.faults.books import Books, broken, broken_between
from tests.faults.wire import Arguments, Killed, Wire, at_random, quiet, untouched
from tests.integration.quota.house import DEMAND, INPUT, MODEL, NOON, OUTPUT, SESSION, Clock
from tests.integration.quota.house import catalogue as whole_catalogue
from tollgate.catalogue import Catalogue
from tollgate.quota.admission import SHORTEST_OUTPUT, Admission, Admitted, Hint, Visitor
from tollgate.quota.close_due_periods import close_due_periods
from tollgate.quota.extend_hold import extend_hold
from tollgate.quota.gate import Gate, Hold
from tollgate.quota.limits import changed, write_limits
from tollgate.quota.periods import Anchor, period
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.refusal import CONCURRENT, DAY, MINUTE, MONTH, Refused
from tollgate.quota.settlement import FAILED, FINISHED, STOPPED, Usage, checkpoint, settle
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Unavailable
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds

PER_MINUTE = 4
USER = "usr_1"
RATES = {"update_item": 0.4, "transact_write_items": 0.4, "get_item": 0.2, "query": 0.03}
_MEETINGS = {"update_item": 0.1, "transact_write_items": 0.1, "get_item": 0.05}
_WAITS = (
    timedelta(seconds=20),
    timedelta(seconds=61),
    timedelta(minutes=6),
    timedelta(minutes=11),
    timedelta(hours=13),
    timedelta(days=9, hours=12),
)


class Violation(Exception):
    """A promise was broken; the message has the seed and the history that led to it."""


@dataclass
class History:
    """Processes come and go over one wire; `direct` inspects, and serves those that come between.

    Everything follows from `seed`, so that a violation can be played again.
    """

    seed: int
    client: Any
    table_name: str
    tamper: Callable[[str, Arguments], Arguments] = untouched
    clock: Clock = field(default_factory=Clock)
    live: dict[str, Admitted] = field(default_factory=dict)
    ended: dict[str, Hold] = field(default_factory=dict)
    tried: int = 0
    admitted_at: set[tuple[int, str]] = field(default_factory=set)
    met: bool = False
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  to be played again, not to be secret
        self.catalogue = _catalogue()
        plan = at_random(self.random, RATES)
        self.wire = Wire(self.client, plan, self.random, self.tamper, self._meet)
        self.table = Table(self.wire, self.table_name)
        self.direct = Table(self.client, self.table_name)
        self.account = f"acc_{self.seed}"
        limits = Limits.of(self.catalogue.plans["free"], CALENDAR)
        sessions = {SESSION: milliseconds(NOON + timedelta(days=3_650))}
        self.direct.put(gate.born(self.account, limits, sessions))
        self.hint = Hint("free", CALENDAR, 1)
        self.books = Books.read(self.direct, self.account)

    def play(self, steps: int) -> None:
        """Ends in quiet: what is still held is then reclaimed, and every period closed."""
        for _ in range(steps):
            [step] = self.random.choices(_STEPS, _WEIGHTS)
            self._step(step)
        self.wire.plan = quiet
        self.wire.meet = lambda _: None
        self.clock.advance(days=70)
        for step in (reclaim, close, close):
            self._step(step)
        left = self.books.gate
        if left.open or left.used:
            raise self._violation(f"P3: after the last close {dict(left.open)} {dict(left.used)}")
        self.direct.delete(keys.gate(self.account))

    def _step(self, step: "Step") -> None:
        self.met = False
        self.wire.restart()
        name, injected = step.__name__, self.wire.injected.total()
        try:
            outcome = step(self, self.table)
        except (Killed, Unavailable, ConditionFailed) as end:
            outcome = type(end).__name__
            if self.wire.injected.total() == injected and not isinstance(end, ConditionFailed):
                raise self._violation(f"{name} ended in {outcome} without a fault") from end
        except Exception as error:
            raise self._violation(f"{name} raised {error!r}") from error
        self.lines.append(f"{self.clock():%m-%dT%H:%M:%S} {name} → {outcome}  {self.wire.trace}")
        self._check()

    def _check(self) -> None:
        before, self.books = self.books, Books.read(self.direct, self.account)
        tried = frozenset(f"gen_{number}" for number in range(1, self.tried + 1))
        problems = [
            *broken(self.books, self.clock()),
            *broken_between(before, self.books, tried),
            *self._broken_burst(),
        ]
        if problems:
            raise self._violation("; ".join(problems))

    def _broken_burst(self) -> Sequence[str]:
        self.admitted_at |= {(hold.at, name) for name, hold in self.books.gate.open.items()}
        times = sorted(self.admitted_at)
        windows = zip(times, times[PER_MINUTE:], strict=False)
        return [f"P1: a burst {a} … {b}" for a, b in windows if b[0] - a[0] < 60_000]

    def _violation(self, problem: str) -> Violation:
        return Violation("\n".join([f"seed {self.seed}: {problem}", *self.lines, *self.wire.trace]))

    def _meet(self, call: str) -> None:
        """Another process does all of its work between two calls of this one."""
        if self.random.random() < _MEETINGS.get(call, 0):
            self.met = True
            step = self.random.choice((admit, settle_one, reclaim, close, change_plan))
            self.wire.trace.append(f"[{step.__name__}")
            try:
                outcome = step(self, self.direct)
            except ConditionFailed:
                outcome = "late"
            self.wire.trace.append(f"{outcome}]")

    def visitor(self, generation: str) -> Visitor:
        return Visitor(self.account, USER, SESSION, generation)

    def gate(self, table: Table) -> Gate:
        item = table.get(keys.gate(self.account))
        assert item is not None
        return Gate.of(item)

    def take(self) -> tuple[str, Admitted] | None:
        """A live generation, whose process is dead unless the step puts it back."""
        if not self.live:
            return None
        generation = self.random.choice(list(self.live))
        return generation, self.live.pop(generation)


Step = Callable[[History, Table], str]


def admit(history: History, table: Table) -> str:
    """An admission whose answer never came is given back."""
    history.tried += 1
    generation = f"gen_{history.tried}"
    admission = Admission(table, history.catalogue, history.clock, lambda _: None)
    try:
        admitted = admission.admit(history.visitor(generation), history.hint, lambda _: DEMAND)
    except Refused as refused:
        _justified(history, generation, refused.refusal.scope)
        return f"{generation} refused by {refused.refusal.scope}"
    except Unavailable:
        return f"{generation} unknown, {_give_back(history, table, generation)}"
    tenant = admitted.gate.tenant
    history.hint = Hint(tenant.limits.plan, tenant.limits.anchor, tenant.version)
    history.live[generation] = admitted
    return f"{generation} admitted"


def _justified(history: History, generation: str, scope: str) -> None:
    """P1: what is refused had no room, and holds nothing."""
    now, gate = history.clock(), history.gate(history.direct)
    assert generation not in gate.open, "refused, and holds"
    left = gate.month_left(now)
    full = {
        MONTH: left is not None and left < INPUT + SHORTEST_OUTPUT,
        DAY: gate.day_left(now) == 0,
        MINUTE: gate.minute_left(now, PER_MINUTE) == 0,
        CONCURRENT: len(gate.open) >= gate.tenant.limits.concurrent,
    }
    assert history.met or full.get(scope, False), f"refused by {scope}, which had room"


def _give_back(history: History, table: Table, generation: str) -> str:
    hold = history.gate(table).open.get(generation)
    if hold is None:
        return "was not admitted"
    _settle(history, table, generation, hold, Usage(FAILED, hold.model, 0, 0, estimated=False))
    return "given back"


def _settle(history: History, table: Table, generation: str, hold: Hold, usage: Usage) -> None:
    settle(table, history.catalogue, history.account, generation, hold, usage, history.clock())
    assert generation not in history.gate(history.direct).open, "settled, and holds"
    history.ended[generation] = hold


def settle_one(history: History, table: Table) -> str:
    """By its own process, which then does nothing else with it: where the store was away it tries
    again later, or leaves it to a reclaim.
    """
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    output = history.random.randint(0, OUTPUT + 50)
    outcome = history.random.choice((FINISHED, STOPPED))
    usage = Usage(outcome, MODEL.id, INPUT, output, estimated=outcome == STOPPED)
    try:
        _settle(history, table, generation, admitted.hold, usage)
    except Unavailable:
        if history.random.random() < 0.5:
            history.ended[generation] = admitted.hold
        raise
    return f"{generation} used {INPUT + output}"


def settle_again(history: History, table: Table) -> str:
    """P4: with other numbers, and nothing may change."""
    if not history.ended:
        return "nothing has ended"
    generation = history.random.choice(list(history.ended))
    usage = Usage(STOPPED, MODEL.id, INPUT, history.random.randint(0, OUTPUT), estimated=True)
    _settle(history, table, generation, history.ended[generation], usage)
    return generation


def fail(history: History, table: Table) -> str:
    if (taken := history.take()) is None:
        return "nothing runs"
    return f"{taken[0]} {_give_back(history, table, taken[0])}"


def extend(history: History, table: Table) -> str:
    """A hold of which nobody knows how large it is goes back."""
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    more = history.random.randint(1, 120)
    try:
        extended = extend_hold(table, history.visitor(generation), admitted, more)
    except Unavailable:
        return f"{generation} unknown, {_give_back(history, table, generation)}"
    history.live[generation] = extended
    return f"{generation} holds {extended.hold.tokens}, asked for {more} more"


def note(history: History, table: Table) -> str:
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    delivered = history.random.randint(1, OUTPUT)
    try:
        checkpoint(table, history.account, generation, delivered)
    except Unavailable:
        history.live[generation] = admitted
        raise
    history.live[generation] = admitted
    if not history.met:
        hold = history.gate(history.direct).open.get(generation)
        assert hold is None or hold.pinned or hold.delivered >= delivered, "a checkpoint is lost"
    return f"{generation} delivered {delivered}"


def die(history: History, _: Table) -> str:
    taken = history.take()
    return taken[0] if taken else "nothing runs"


def reclaim(history: History, table: Table) -> str:
    gate = history.gate(table)
    return str(reclaim_dead_holds(table, history.catalogue, gate, history.clock()))


def close(history: History, table: Table) -> str:
    def time_left() -> bool:
        return history.wire.plan is quiet or history.random.random() < 0.9

    return str(close_due_periods(table, history.catalogue, history.clock, time_left))


def change_plan(history: History, table: Table) -> str:
    """As billing does it: with what was read, or not at all."""
    now = history.clock()
    plan = history.random.choice(list(history.catalogue.plans))
    at = now.replace(microsecond=0) if history.random.random() < 0.5 else None
    tenant = history.gate(table).tenant
    limits = changed(tenant, history.catalogue.plans[plan], at, None, now)
    table.update(keys.gate(history.account), write_limits(tenant, limits))
    return f"{plan} {limits.anchor}"


def wait(history: History, _: Table) -> str:
    time = history.random.choice(_WAITS)
    history.clock.now += time
    return str(time)


def wait_for_the_end_of_the_month(history: History, _: Table) -> str:
    history.clock.now = period(Anchor(), history.clock()).end - timedelta(seconds=1)
    return "one second before it"


_CHANCES: dict[Step, int] = {
    admit: 14,
    settle_one: 6,
    settle_again: 2,
    fail: 2,
    extend: 3,
    note: 4,
    die: 1,
    reclaim: 4,
    close: 2,
    change_plan: 2,
    wait: 6,
    wait_for_the_end_of_the_month: 1,
}
_STEPS, _WEIGHTS = list(_CHANCES), list(_CHANCES.values())


def _catalogue() -> Catalogue:
    """Limits that a short history reaches."""
    whole = whole_catalogue(PER_MINUTE, day=6, month=900, concurrent=3)
    pro = msgspec.structs.replace(whole.plans["pro"], day=9, month=1_500, concurrent=4)
    return msgspec.structs.replace(whole, plans={**whole.plans, "pro": pro})
