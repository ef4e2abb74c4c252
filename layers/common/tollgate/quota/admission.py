"""Admission: one conditional write decides session, entitlement, month, day, burst and open
streams.

No read before it, no lock, no second store. DynamoDB's conditions do no arithmetic, so the gate is
shaped for comparisons and the caller brings the sums; a caller with a stale plan fails the
condition, is handed the true item in the same answer, and has it right on the second try.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from tollgate.catalogue import Catalogue, Plan
from tollgate.logs import raise_alarm
from tollgate.quota.admission_write import admission_write
from tollgate.quota.gate import Gate, Hold, day_of
from tollgate.quota.give_back import give_back
from tollgate.quota.limits import in_force, write_limits
from tollgate.quota.periods import Anchor, period
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.refusal import CONCURRENT, MONTH, Refusal, Refused, refusal
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Item, Table, Unavailable
from tollgate.tenancy.gate import milliseconds

SHORTEST_OUTPUT = 64
_TRIES = 6


class SessionEnded(Exception):
    """The session no longer stands on the gate, or the gate itself is gone."""


class PlanRefused(Exception):
    """The plan does not include what was asked for; raised by `demand`, believed only of the true
    plan.
    """


@dataclass(frozen=True, slots=True)
class Hint:
    """What the caller believes of the gate; `version` guards it."""

    plan: str
    anchor: str
    version: int


@dataclass(frozen=True, slots=True)
class Demand:
    """The most that one generation may use, in model tokens, under one plan."""

    input_tokens: int
    output_tokens: int
    model: str


@dataclass(frozen=True, slots=True)
class Visitor:
    account_id: str
    user_id: str
    session_id: str
    generation_id: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """`output_tokens` may be less than was asked for: what is left of the month shortens the
    answer.
    """

    gate: Gate
    hold: Hold
    plan: Plan
    output_tokens: int


@dataclass(frozen=True, slots=True)
class _Met:
    """The gate as an attempt found it, and what refuses there; `repeated`: a sending of this or of
    an earlier attempt may still be under way.
    """

    gate: Gate
    repeated: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """`refresh(account_id)` brings a gate whose entitlement has ended up to date with billing."""

    table: Table
    catalogue: Catalogue
    clock: Callable[[], datetime]
    refresh: Callable[[str], None]

    def admit(self, visitor: Visitor, hint: Hint, demand: Callable[[Plan], Demand]) -> Admitted:
        """Usually one write.

        Errors: `Refused`, `SessionEnded`, `Unavailable`, and `PlanRefused` where `demand` raises it
        for the true plan.
        """
        met: _Met | None = None
        for _ in range(_TRIES):
            try:
                outcome = self._attempt(visitor, hint, demand, met)
            except PlanRefused:
                if met is not None:
                    raise
                outcome = self._read(visitor, repeated=False)
            if isinstance(outcome, Admitted):
                return outcome
            met, hint = outcome, _hint(outcome.gate)
            if met.refusal is not None:
                if met.repeated:
                    give_back(self.table, self.catalogue, visitor, self.clock())
                raise Refused(met.refusal, met.gate)
        raise Unavailable("admission met a changing gate too often")

    def _attempt(
        self, visitor: Visitor, hint: Hint, demand: Callable[[Plan], Demand], seen: _Met | None
    ) -> Admitted | _Met:
        """What it met, where another attempt may be right; `seen` is what the last one met."""
        now = self.clock()
        repeated = seen is not None and seen.repeated
        plan = self._plan(hint.plan)
        wanted = demand(plan)
        if seen is not None:
            wanted = _fitting(wanted, seen.gate, now)
        hold = _hold(visitor, hint, wanted, now)
        change = admission_write(visitor, hint, plan, hold, self.catalogue.per_minute, now)
        try:
            written = self.table.write(keys.gate(visitor.account_id), change)
            gate, repeated = Gate.of(written.item), repeated or written.repeated
        except ConditionFailed as failed:
            repeated |= failed.repeated
            gate = self._standing(failed.item, visitor, now, repeated=repeated)
            if visitor.generation_id not in gate.open:
                return self._mend(visitor, _Met(gate, repeated), hint, wanted, seen, now)
            repeated = True  # refused by its own hold: an earlier sending has arrived
        self._apply_catalogue(gate)
        hold = replace(gate.open[visitor.generation_id], repeated=repeated)
        return Admitted(gate, hold, plan, hold.tokens - hold.input_tokens)

    def _mend(
        self,
        visitor: Visitor,
        met: _Met,
        hint: Hint,
        wanted: Demand,
        seen: _Met | None,
        now: datetime,
    ) -> _Met:
        """With what refuses, or without where another attempt may be right, having done what it
        needs.
        """
        gate = met.gate
        if self._apply_catalogue(gate):
            return met
        if gate.has_ended(now):
            self.refresh(gate.tenant.account_id)
            return met
        tokens = wanted.input_tokens + wanted.output_tokens
        found = refusal(gate, tokens, self.catalogue.per_minute, now)
        if (
            found is not None
            and found.scope in {MONTH, CONCURRENT}
            and reclaim_dead_holds(self.table, self.catalogue, gate, now)
        ):
            return self._read(visitor, repeated=met.repeated)
        if hint != _hint(gate):
            return met
        if found is None:
            # The period is closed, so this clock was slow. The answer has corrected it: once more.
            if seen is not None:
                raise Unavailable("no limit refuses, and the gate does")
            return met
        if found.scope == MONTH and _room(wanted, gate, now) >= SHORTEST_OUTPUT:
            return met
        return replace(met, refusal=found)

    def _apply_catalogue(self, gate: Gate) -> bool:
        """Rewrites a gate's limits where the catalogue has changed under it, for the next write."""
        tenant = gate.tenant
        limits = in_force(tenant, self._plan(tenant.limits.plan))
        if tenant.limits == limits:
            return False
        if tenant.limits.plan != limits.plan:
            raise_alarm("unknown_plan", account=tenant.account_id, plan=tenant.limits.plan)
        with suppress(ConditionFailed):
            self.table.update(keys.gate(tenant.account_id), write_limits(tenant, limits))
        return True

    def _read(self, visitor: Visitor, *, repeated: bool) -> _Met:
        item = self.table.get(keys.gate(visitor.account_id))
        return _Met(self._standing(item, visitor, self.clock(), repeated=repeated), repeated)

    def _standing(
        self, item: Item | None, visitor: Visitor, now: datetime, *, repeated: bool
    ) -> Gate:
        """The gate that stands there, if the visitor's session still does.

        Otherwise an earlier sending may have been admitted before the session ended, or be yet: it
        goes back.
        """
        gate = None if item is None else Gate.of(item)
        if gate is not None and gate.tenant.admits(visitor.session_id, now):
            return gate
        if gate is not None and (repeated or visitor.generation_id in gate.open):
            give_back(self.table, self.catalogue, visitor, now)
        raise SessionEnded

    def _plan(self, plan_id: str) -> Plan:
        return self.catalogue.plans.get(plan_id, self.catalogue.lowest)


def _hint(gate: Gate) -> Hint:
    limits = gate.tenant.limits
    return Hint(limits.plan, limits.anchor, gate.tenant.version)


def _hold(visitor: Visitor, hint: Hint, wanted: Demand, now: datetime) -> Hold:
    return Hold(
        tokens=wanted.input_tokens + wanted.output_tokens,
        input_tokens=wanted.input_tokens,
        period=period(Anchor.parse(hint.anchor), now).name,
        day=day_of(now),
        at=milliseconds(now),
        user=visitor.user_id,
        model=wanted.model,
        plan=hint.plan,
    )


def _room(wanted: Demand, gate: Gate, now: datetime) -> int:
    """Output tokens that the month still has room for beside the input."""
    left = gate.month_left(now)
    if gate.tenant.limits.metered or left is None:
        return wanted.output_tokens
    return left - wanted.input_tokens


def _fitting(wanted: Demand, gate: Gate, now: datetime) -> Demand:
    """A shorter answer rather than none, down to `SHORTEST_OUTPUT`."""
    room = max(SHORTEST_OUTPUT, _room(wanted, gate, now))
    return replace(wanted, output_tokens=min(wanted.output_tokens, room))
