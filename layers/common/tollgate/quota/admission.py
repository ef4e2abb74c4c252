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
from zlib import crc32

from tollgate.catalogue import Catalogue, Plan
from tollgate.logs import raise_alarm
from tollgate.quota.gate import TERMS, USED, WINDOW, Gate, Hold, Terms, day_of
from tollgate.quota.limits import in_force, write_limits
from tollgate.quota.periods import Anchor, period
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.refusal import CONCURRENT, MONTH, Refused, refusal
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Item, Table, Unavailable, Update, Value
from tollgate.tenancy.gate import milliseconds, number

SHORTEST_OUTPUT = 64
SHARDS = 16
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
        try:
            outcome = self._attempt(visitor, hint, demand, None)
        except PlanRefused:
            outcome = self._read(visitor)
        for _ in range(_TRIES):
            if isinstance(outcome, Admitted):
                return outcome
            outcome = self._attempt(visitor, _hint(outcome), demand, outcome)
        raise Unavailable("admission met a changing gate too often")

    def _attempt(
        self, visitor: Visitor, hint: Hint, demand: Callable[[Plan], Demand], seen: Gate | None
    ) -> Admitted | Gate:
        """The gate as it stood, where another attempt may be right; `seen` is what the last met."""
        now = self.clock()
        plan = self._plan(hint.plan)
        wanted = demand(plan)
        if seen is not None:
            wanted = _fitting(wanted, seen, now)
        hold = _hold(visitor, hint, wanted, now)
        change = admission(visitor, hint, plan, hold, self.catalogue.per_minute, now)
        try:
            gate = Gate.of(self.table.update(keys.gate(visitor.account_id), change))
        except ConditionFailed as failed:
            gate = _standing(failed.item, visitor, now)
            if visitor.generation_id not in gate.open:
                self._mend(gate, hint, wanted, now)
                return gate
        self._apply_catalogue(gate)
        hold = gate.open[visitor.generation_id]
        return Admitted(gate, hold, plan, hold.tokens - hold.input_tokens)

    def _mend(self, gate: Gate, hint: Hint, wanted: Demand, now: datetime) -> None:
        """Returns where another attempt may be right, having done what it needs; else `Refused`."""
        if self._apply_catalogue(gate):
            return
        if gate.has_ended(now):
            self.refresh(gate.tenant.account_id)
            return
        if hint != _hint(gate):
            return
        tokens = wanted.input_tokens + wanted.output_tokens
        refused = refusal(gate, tokens, self.catalogue.per_minute, now)
        if refused is None:
            return
        if refused.scope == MONTH and _room(wanted, gate, now) >= SHORTEST_OUTPUT:
            return
        if refused.scope == CONCURRENT and reclaim_dead_holds(
            self.table, self.catalogue, gate, now
        ):
            return
        raise Refused(refused, gate)

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

    def _read(self, visitor: Visitor) -> Gate:
        return _standing(self.table.get(keys.gate(visitor.account_id)), visitor, self.clock())

    def _plan(self, plan_id: str) -> Plan:
        return self.catalogue.plans.get(plan_id, self.catalogue.lowest)


def admission(
    visitor: Visitor, hint: Hint, plan: Plan, hold: Hold, per_minute: int | None, now: datetime
) -> Update:
    """The one write. Every right-hand side sees the item as it was before."""
    terms = [
        "#sessions.#sid > :now",
        "#version = :version",
        "attribute_not_exists(#suspended)",
        "(attribute_type(#until, :null) OR #until > :now)",
        "(attribute_not_exists(#closed) OR #closed < :period)",
        "((attribute_not_exists(#days.#today) AND #day_limit >= :one)"
        " OR #days.#today < #day_limit OR attribute_type(#day_limit, :null))",
        "size(#open) < #concurrent_limit",
        "attribute_not_exists(#open.#generation)",
    ]
    sets = [
        "#used = if_not_exists(#used, :zero) + :hold",
        "#days.#today = if_not_exists(#days.#today, :zero) + :one",
        "#open.#generation = :open",
        "#terms = :terms",
        "#due = if_not_exists(#due, :shard)",
    ]
    names = {
        "#sid": visitor.session_id,
        "#today": hold.day,
        "#generation": visitor.generation_id,
        "#used": USED + hold.period,
        "#terms": TERMS + hold.period,
        **{f"#{name}": name for name in _ALIASED},
    }
    values: dict[str, Value] = {
        ":now": number(milliseconds(now)),
        ":version": number(hint.version),
        ":period": {"S": hold.period},
        ":hold": number(hold.tokens),
        ":open": hold.value(),
        ":terms": Terms(plan.id, plan.month).value(),
        ":zero": number(0),
        ":one": number(1),
        ":null": {"S": "NULL"},
        ":shard": {"S": str(crc32(visitor.account_id.encode()) % SHARDS)},
    }
    if plan.overage is not None:
        terms.append("attribute_exists(#metered)")
        names["#metered"] = "metered"
    else:
        terms.append(
            "#month_limit = :limit AND ((attribute_not_exists(#used) AND #month_limit >= :hold)"
            " OR #used <= :room)"
        )
        names["#month_limit"] = "month_limit"
        values |= {":limit": number(plan.month), ":room": number(plan.month - hold.tokens)}
    if per_minute is not None:
        places = range(per_minute)
        terms.append("(attribute_not_exists(#last) OR #last <= :window)")
        sets += ["#r0 = :now", *(f"#r{n} = if_not_exists(#r{n - 1}, :zero)" for n in places[1:])]
        names |= {f"#r{n}": f"r{n}" for n in places} | {"#last": f"r{per_minute - 1}"}
        values[":window"] = number(milliseconds(now - WINDOW))
    return Update("SET " + ", ".join(sets), names, values, " AND ".join(terms))


_ALIASED = (
    "sessions",
    "version",
    "suspended",
    "until",
    "closed",
    "days",
    "day_limit",
    "open",
    "concurrent_limit",
    "due",
)


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
    )


def _standing(item: Item | None, visitor: Visitor, now: datetime) -> Gate:
    """The gate that stands there, if the visitor's session still does."""
    gate = None if item is None else Gate.of(item)
    if gate is None or not gate.tenant.admits(visitor.session_id, now):
        raise SessionEnded
    return gate


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
