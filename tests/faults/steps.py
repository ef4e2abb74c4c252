"""What processes do in a history: use cases, each on some host with its own clock, and time."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.faults.circumstances import (
    ban,
    deploy,
    sign_in,
    sign_out,
    suspend,
    wait,
    wait_for_the_end_of_the_month,
)
from tests.faults.history import SKEW, USER, History, Step
from tests.integration.quota.house import INPUT, MODEL, OUTPUT
from tollgate.quota.admission import Admission, Hint, SessionEnded, Visitor
from tollgate.quota.close_gate import close_gate
from tollgate.quota.extend_hold import extend_hold
from tollgate.quota.gate import LONGEST_RUN, Hold
from tollgate.quota.give_back import give_back
from tollgate.quota.limits import changed, write_limits
from tollgate.quota.reclaim import reclaim_dead_holds
from tollgate.quota.refusal import Refused
from tollgate.quota.settlement import FAILED, FINISHED, STOPPED, Usage, checkpoint, settle
from tollgate.quota.stop import stop
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Unavailable
from tollgate.tenancy.gate import milliseconds

_SKEWS = (timedelta(), timedelta(), timedelta(), SKEW, -SKEW)


def admit(history: History, table: Table) -> str:
    """With what this process believes of the gate, which may be long past."""
    hint = history.hints[-1]
    if history.random.random() < 0.15:
        hint = history.random.choice(history.hints)
    return admit_as(history, table, history.begin(), hint)


def admit_as(history: History, table: Table, generation: str, hint: Hint) -> str:
    """An admission whose answer never came is given back."""
    admission = Admission(table, history.catalogue, history.now, _refresh(history, table))
    visitor, injected = history.visitor(generation), history.wire.injected.total()
    try:
        admitted = admission.admit(visitor, hint, lambda _: history.demand)
    except Refused as refused:
        history.assert_justified(generation, refused)
        return f"{generation} refused by {refused.refusal.scope}"
    except SessionEnded as ended:
        history.assert_justified(generation, ended)
        return f"{generation} without a session"
    except Unavailable as unknown:
        if history.wire.injected.total() == injected and not history.met:
            history.assert_justified(generation, unknown)
        return f"{generation} unknown, {_give_back(history, table, generation)}"
    tenant = admitted.gate.tenant
    history.hints.append(Hint(tenant.limits.plan, tenant.limits.anchor, tenant.version))
    history.live[generation] = admitted
    return f"{generation} admitted"


def _refresh(history: History, table: Table) -> Callable[[str], None]:
    """Billing's word on an entitlement that has ended: renewed, or the lowest plan."""

    def refresh(_: str) -> None:
        now, tenant = history.now(), history.gate(table).tenant
        if tenant.limits.until is None or tenant.limits.until > milliseconds(now):
            return
        renewed = history.random.random() < 0.5
        plan = tenant.limits.plan if renewed else history.catalogue.lowest.id
        _write_limits(history, table, plan, None, now + timedelta(days=3) if renewed else None)

    return refresh


def _write_limits(
    history: History,
    table: Table,
    plan: str,
    at: datetime | None,
    until: datetime | None,
    *,
    metered: bool = True,
) -> None:
    """As billing does it: with what was read, or not at all."""
    tenant = history.gate(table).tenant
    new = history.catalogue.plans[plan]
    limits = changed(tenant, new, at, until, history.now(), metered=metered)
    if limits == tenant.limits:
        return
    try:
        table.update(keys.gate(history.account), write_limits(tenant, limits))
    except ConditionFailed:
        return


def _give_back(history: History, table: Table, generation: str, hold: Hold | None = None) -> str:
    """Nothing of it may be admitted afterwards, whatever is still under way."""
    visitor, now = history.visitor(generation), history.now()
    left = give_back(table, history.catalogue, visitor, now, hold)
    assert left is None or generation not in left.open, "given back, and holds"
    history.over.add(generation)
    return "given back"


def _settle(history: History, table: Table, generation: str, hold: Hold, usage: Usage) -> None:
    settle(table, history.catalogue, history.account, generation, hold, usage, history.now())
    history.over.add(generation)
    assert generation not in history.gate(history.direct).open, "settled, and holds"
    history.ended[generation] = hold


def settle_one(history: History, table: Table) -> str:
    return settle_with(history, table, history.random.randint(0, OUTPUT + 50))


def settle_with(history: History, table: Table, output: int) -> str:
    """By its own process, which then does nothing else with it: where the store was away it tries
    again later, or leaves it to a reclaim.
    """
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
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
    generation, admitted = taken
    return f"{generation} {_give_back(history, table, generation, admitted.hold)}"


def fail_late(history: History, table: Table) -> str:
    """By a process that still holds what was reclaimed."""
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    usage = Usage(FAILED, MODEL.id, 0, 0, estimated=False)
    _settle(history, table, generation, admitted.hold, usage)
    return generation


def extend(history: History, table: Table) -> str:
    """A hold of which nobody knows how large it is goes back."""
    return extend_by(history, table, history.random.randint(1, 120))


def extend_by(history: History, table: Table, more: int) -> str:
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    try:
        extended = extend_hold(table, history.visitor(generation), admitted, more)
    except Unavailable:
        return f"{generation} unknown, {_give_back(history, table, generation, admitted.hold)}"
    history.live[generation] = extended
    return f"{generation} holds {extended.hold.tokens}, asked for {more} more"


def note(history: History, table: Table) -> str:
    return note_as(history, table, history.random.randint(1, OUTPUT))


def note_as(history: History, table: Table, delivered: int) -> str:
    if (taken := history.take()) is None:
        return "nothing runs"
    generation, admitted = taken
    history.live[generation] = admitted
    checkpoint(table, history.account, generation, delivered)
    if not history.met:
        hold = history.gate(history.direct).open.get(generation)
        assert hold is None or hold.pinned or hold.delivered >= delivered, "a checkpoint is lost"
    return f"{generation} delivered {delivered}"


def ask_to_stop(history: History, table: Table) -> str:
    generation = history.random.choice([*history.sessions, "gen_0"])
    return ask_to_stop_as(history, table, generation, USER)


def ask_to_stop_as(history: History, table: Table, generation: str, user: str) -> str:
    visitor = Visitor(history.account, user, history.session, generation)
    try:
        known = stop(table, visitor, history.now())
    except SessionEnded:
        return "without a session"
    return f"{generation} {'is asked to stop' if known else 'is unknown'}"


def die(history: History, _: Table) -> str:
    taken = history.take()
    return taken[0] if taken else "nothing runs"


def reclaim(history: History, table: Table) -> str:
    found = history.gate(table)
    return str(reclaim_dead_holds(table, history.catalogue, found, history.now()))


def close(history: History, table: Table) -> str:
    item, now = table.get(keys.gate(history.account)), history.now()
    assert item is not None
    return str(close_gate(table, history.catalogue, item, now - LONGEST_RUN - SKEW, now))


def change_plan(history: History, table: Table) -> str:
    now = history.now()
    plan = history.random.choice(list(history.catalogue.plans))
    at = now.replace(microsecond=0) if history.random.random() < 0.5 else None
    until = now + timedelta(hours=20) if history.random.random() < 0.3 else None
    return change_to(history, table, plan, at, until)


def change_to(
    history: History,
    table: Table,
    plan: str,
    at: datetime | None = None,
    until: datetime | None = None,
) -> str:
    _write_limits(history, table, plan, at, until)
    return plan


def begin_trial_of(history: History, table: Table, plan: str) -> str:
    """Nobody pays yet for what goes beyond its month."""
    _write_limits(history, table, plan, None, None, metered=False)
    return plan


_CHANCES: dict[Step, int] = {
    admit: 16,
    settle_one: 6,
    settle_again: 2,
    fail: 2,
    fail_late: 1,
    extend: 3,
    note: 4,
    ask_to_stop: 1,
    die: 1,
    reclaim: 4,
    close: 2,
    change_plan: 2,
    deploy: 1,
    sign_out: 1,
    ban: 1,
    suspend: 1,
    wait: 6,
    wait_for_the_end_of_the_month: 1,
}
_STEPS, _WEIGHTS = list(_CHANCES), list(_CHANCES.values())
STRANGERS: tuple[Step, ...] = (admit, settle_one, reclaim, close, change_plan)


def play(history: History, steps: int) -> None:
    """Ends in quiet: what is still held is then reclaimed, and every period closed.

    Errors: Violation.
    """
    for _ in range(steps):
        history.offset = history.random.choice(_SKEWS)
        [step] = history.random.choices(_STEPS, _WEIGHTS)
        history.step(step)
        if step in {sign_out, ban, suspend} and history.random.random() < 0.7:
            history.step(suspend if step is suspend else sign_in)
    end(history)


def end(history: History) -> None:
    history.calm()
    history.clock.advance(days=70)
    for step in (reclaim, close, close):
        history.step(step)
    left = history.books.gate
    if left.open or left.used:
        raise history.violation(f"P3: after the last close {dict(left.open)} {dict(left.used)}")
    history.direct.delete(keys.gate(history.account))
