"""One account's history: processes over one faulty wire, each write and each step checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from tests.faults import model
from tests.faults.books import Books, broken, broken_between
from tests.faults.wire import LATE, WRITES, Arguments, Killed, Wire, at_random, quiet, untouched
from tests.integration.quota.house import DEMAND, INPUT, NOON, SESSION, Clock
from tests.integration.quota.house import catalogue as whole_catalogue
from tollgate.catalogue import Catalogue
from tollgate.quota.admission import SHORTEST_OUTPUT, Admitted, Demand, Hint, SessionEnded, Visitor
from tollgate.quota.gate import Gate, Hold
from tollgate.quota.refusal import Refused
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Unavailable
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, milliseconds
from tollgate.tenancy.ids import new_id

PER_MINUTE = 4
USER = "usr_1"
SKEW = timedelta(minutes=5)
LATEST = timedelta(minutes=2)
"""No write is longer under way."""
RATES = {"update_item": 0.5, "transact_write_items": 0.5, "get_item": 0.25}
MEETINGS = {"update_item": 0.1, "transact_write_items": 0.1, "get_item": 0.05}
_LANDING = 0.25


class Violation(Exception):
    """A promise was broken; the message has the seed and the history that led to it."""


Step = Callable[["History", Table], str]


@dataclass
class History:
    """`direct` inspects beside the wires; `beside` is that of the processes that come between.

    Everything follows from `seed`, so that a violation can be played again.
    """

    seed: int
    client: Any
    table_name: str
    tamper: Callable[[str, Arguments], Arguments] = untouched
    rates: Mapping[str, float] = field(default_factory=lambda: RATES)
    meetings: Mapping[str, float] = field(default_factory=lambda: MEETINGS)
    strangers: Sequence[Step] = ()
    clock: Clock = field(default_factory=Clock)
    offset: timedelta = timedelta()
    session: str = SESSION
    demand: Demand = DEMAND
    live: dict[str, Admitted] = field(default_factory=dict)
    ended: dict[str, Hold] = field(default_factory=dict)
    sessions: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    admitted_at: dict[str, int] = field(default_factory=dict)
    met: bool = False
    wrote: bool = False
    stood: list[Gate] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311  to be played again, not to be secret
        self.catalogues = (_catalogue(day=6, month=900), _catalogue(day=4, month=600))
        self.catalogue = self.catalogues[0]
        plan = at_random(self.random, self.rates, LATE)
        audit = self._audit
        self.wire = Wire(self.client, plan, self.random, self.tamper, self._meet, audit)
        self.beside = Wire(self.client, tamper=self.tamper, audit=audit)
        self.table = Table(self.wire, self.table_name)
        self.direct = Table(self.client, self.table_name)
        self.account = new_id("acc")
        limits = Limits.of(self.catalogue.plans["free"], CALENDAR)
        sessions = {SESSION: milliseconds(NOON + timedelta(days=3_650))}
        self.direct.put(gate.born(self.account, limits, sessions))
        self.hints = [Hint("free", CALENDAR, 1)]
        self.books = Books.read(self.direct, self.account)

    def now(self) -> datetime:
        """By the clock of the host that this step runs on."""
        return self.clock() + self.offset

    def step(self, step: Callable[..., str], *arguments: object) -> str:
        """Its outcome. Errors: Violation."""
        self.met, self.stood = False, []
        self.wire.restart()
        self.wire.land(_LANDING)
        name, injected = step.__name__, self.wire.injected.total()
        try:
            outcome = step(self, self.table, *arguments)
        except (Killed, Unavailable, ConditionFailed) as end:
            outcome = type(end).__name__
            if self.wire.injected.total() == injected and not isinstance(end, ConditionFailed):
                raise self.violation(f"{name} ended in {outcome} without a fault") from end
        except Exception as error:
            raise self.violation(f"{name} raised {error!r}") from error
        self.lines.append(f"{self.now():%m-%dT%H:%M:%S} {name} → {outcome}  {self.wire.trace}")
        self._check()
        return outcome

    def calm(self) -> None:
        """No more faults and no more strangers: what is under way arrives."""
        self.wire.plan = quiet
        self.wire.meet = lambda _: None
        self.offset = timedelta()
        self.wire.land()

    def violation(self, problem: str) -> Violation:
        return Violation("\n".join([f"seed {self.seed}: {problem}", *self.lines, *self.wire.trace]))

    def visitor(self, generation: str) -> Visitor:
        return Visitor(self.account, USER, self.sessions[generation], generation)

    def gate(self, table: Table) -> Gate:
        item = table.get(keys.gate(self.account))
        assert item is not None
        return Gate.of(item)

    def begin(self) -> str:
        """Another generation, of the session that the person has now."""
        generation = f"gen_{len(self.sessions) + 1}"
        self.sessions[generation] = self.session
        return generation

    def take(self) -> tuple[str, Admitted] | None:
        """A live generation, whose process is dead unless the step puts it back."""
        if not self.live:
            return None
        generation = self.random.choice(list(self.live))
        return generation, self.live.pop(generation)

    def assert_justified(self, generation: str, error: Exception) -> None:
        """P1: what is refused had a reason in a gate that it met, and holds nothing."""
        assert generation not in self.gate(self.direct).open, "refused, and holds"
        match error:
            case Refused():
                reason = error.refusal.scope
            case SessionEnded():
                reason = model.SESSION
            case _:
                reason = model.CLOSED
        session, now = self.sessions[generation], self.now()
        smallest = INPUT + SHORTEST_OUTPUT
        assert any(
            reason in model.against(each, session, smallest, PER_MINUTE, now)
            for each in self.stood or [self.gate(self.direct)]
        ), f"refused by {reason}, which had room"

    def _check(self) -> None:
        """After a step that wrote nothing, the books are what they were."""
        if not (self.wrote or self.problems):
            return
        self.wrote = False
        before, self.books = self.books, Books.read(self.direct, self.account)
        self.problems += broken(self.books, self.clock(), SKEW)
        tried = frozenset(self.sessions)
        self.problems += broken_between(before, self.books, tried, self.holds)
        if self.problems:
            raise self.violation("; ".join(self.problems))

    def _audit(self, call: str, arguments: Arguments, send: Callable[..., Any]) -> Any:
        """Every write that changes the gate is judged by what stood there."""
        if call not in WRITES:
            return send(**arguments)
        self.wrote = True
        if not self._of_gate(arguments):
            return send(**arguments)
        item = self.direct.get(keys.gate(self.account))
        if item is None:
            return send(**arguments)
        before = Gate.of(item)
        try:
            answer = send(**arguments)
        except ClientError:
            self.stood.append(before)
            raise
        made = answer.get("Attributes")
        self._judge(before, Gate.of(made) if made else self.gate(self.direct))
        return answer

    def _of_gate(self, arguments: Arguments) -> bool:
        actions = [each.get("Update", {}) for each in arguments.get("TransactItems", [])]
        sks = [each["Key"]["sk"]["S"] for each in (arguments, *actions) if "Key" in each]
        return keys.gate(self.account).sk in sks

    def _judge(self, before: Gate, after: Gate) -> None:
        self.problems += model.broken_by(before, after, self.sessions, PER_MINUTE)
        self.holds |= after.open
        for name in after.open.keys() - before.open.keys():
            if name in self.over:
                self.problems.append(f"P3: {name} was decided, and is admitted again")
            self.admitted_at[name] = after.open[name].at
            times = sorted(self.admitted_at.values())
            for first, last in zip(times, times[PER_MINUTE:], strict=False):
                if last - first < 60_000:
                    self.problems.append(f"P1: a burst {first} … {last}")

    def _meet(self, call: str) -> None:
        """Late writes arrive, and another process does all of its work, between two calls."""
        if self.wire.late:
            self.wire.land(_LANDING)
        if self.strangers and self.random.random() < self.meetings.get(call, 0):
            self.met = True
            step = self.random.choice(self.strangers)
            self.wire.trace.append(f"[{step.__name__}")
            try:
                outcome = step(self, Table(self.beside, self.table_name))
            except ConditionFailed:
                outcome = "late"
            self.wire.trace.append(f"{outcome}]")


def _catalogue(**free: int) -> Catalogue:
    """Limits that a short history reaches."""
    whole = whole_catalogue(PER_MINUTE, concurrent=3, **free)
    pro = msgspec.structs.replace(whole.plans["pro"], day=9, month=1_500, concurrent=4)
    return msgspec.structs.replace(whole, plans={**whole.plans, "pro": pro})
