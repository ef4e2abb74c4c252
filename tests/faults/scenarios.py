"""Short histories without chance: what admission must refuse, and what it must not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec

from tests.faults import circumstances, steps
from tests.faults.history import USER, History
from tests.faults.wire import Fault, Plan, quiet
from tests.integration.quota.house import DEMAND
from tollgate.table import keys
from tollgate.table.client import Table

Scenario = Callable[[History], None]
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DEAD = timedelta(minutes=12)
"""A hold of this age is reclaimed, on any host."""


def expect(history: History, expected: str, step: Callable[..., str], *arguments: object) -> None:
    outcome = history.step(step, *arguments)
    if expected not in outcome:
        raise history.violation(f"{step.__name__} came to {outcome!r}, not to {expected!r}")


def admit(history: History, expected: str = "admitted", hint: int = -1) -> None:
    """`hint` is which of all that were ever right."""
    expect(history, expected, steps.admit_as, history.begin(), history.hints[hint])


def admitted_and_settled(history: History, output: int = 0) -> None:
    admit(history)
    expect(history, "used", steps.settle_with, output)


def twice(call: str) -> Fault | None:
    return Fault.REPEATED if call == "update_item" else None


def once(call: str, fault: Fault, after: int = 0) -> Plan:
    """At the call of that name which comes `after` so many others."""
    left = iter([None] * after + [fault])

    def plan(sent: str) -> Fault | None:
        return next(left, None) if sent == call else None

    return plan


def between(
    history: History, call: str, step: Callable[..., str], *arguments: object, after: int = 0
) -> None:
    """Another process does this ahead of the call of that name which comes `after` so many."""
    calls = iter([False] * after + [True])

    def meet(sent: str) -> None:
        if sent == call and next(calls, False):
            history.met = True
            step(history, Table(history.beside, history.table_name), *arguments)

    history.wire.meet = meet


def believe(history: History) -> None:
    """From now on this process knows the gate as it is."""
    tenant = history.gate(history.direct).tenant
    hint = replace(
        history.hints[-1],
        plan=tenant.limits.plan,
        anchor=tenant.limits.anchor,
        version=tenant.version,
    )
    history.hints.append(hint)


def with_plan(history: History, plan: str, **limits: object) -> None:
    """In a release of its own, which the next step runs."""
    plans = history.catalogue.plans
    changed = msgspec.structs.replace(plans[plan], **limits)
    history.catalogue = msgspec.structs.replace(history.catalogue, plans={**plans, plan: changed})


def limits_are_met(history: History) -> None:
    for _ in range(3):
        admit(history)
    admit(history, "refused by concurrent")
    for _ in range(3):
        expect(history, "used", steps.settle_with, 0)
    admitted_and_settled(history)
    admit(history, "refused by minute")
    history.step(circumstances.wait_for, 2 * MINUTE)
    admitted_and_settled(history)
    admitted_and_settled(history)
    admit(history, "refused by day")
    steps.end(history)


def the_month_is_met(history: History) -> None:
    """And a day's first admission comes after it."""
    for _ in range(2):
        admit(history)
        expect(history, "used", steps.settle_with, 400)
        history.step(circumstances.wait_for, DAY)
    admit(history, "refused by month")
    steps.end(history)


def more_than_a_month_allows(history: History) -> None:
    history.demand = replace(DEMAND, output_tokens=2_000)
    admit(history)
    steps.end(history)


def a_plan_without_a_day(history: History) -> None:
    with_plan(history, "free", day=0)
    admitted_and_settled(history)
    history.step(circumstances.wait_for, DAY)
    admit(history, "refused by day")
    steps.end(history)


def an_unlimited_plan(history: History) -> None:
    history.step(steps.change_to, "team")
    admit(history)
    admit(history)
    expect(history, "holds 1140", steps.extend_by, 1_000)
    admit(history)
    steps.end(history)


def a_metered_plan_is_on_trial(history: History) -> None:
    history.step(steps.begin_trial_of, "team")
    believe(history)
    admit(history)
    with_plan(history, "team", month=300)
    admit(history)
    admit(history, "refused by month")
    history.step(steps.change_to, "team")
    believe(history)
    admit(history)
    steps.end(history)


def the_session_has_ended(history: History) -> None:
    admit(history)
    history.step(circumstances.sign_out)
    admit(history, "without a session")
    expect(history, "without a session", steps.ask_to_stop_as, "gen_1", USER)
    steps.end(history)


def everybody_is_signed_out(history: History) -> None:
    history.step(circumstances.ban)
    admit(history, "without a session")
    steps.end(history)


def an_account_is_suspended(history: History) -> None:
    history.step(circumstances.suspend)
    admit(history, "refused by suspended")
    steps.end(history)


def an_entitlement_ends(history: History) -> None:
    until = history.now() + timedelta(hours=1)
    history.step(steps.change_to, "pro", None, until)
    believe(history)
    admitted_and_settled(history)
    history.step(circumstances.wait_for, timedelta(hours=2))
    admit(history)
    steps.end(history)


def an_anchor_is_stale(history: History) -> None:
    """Of the same plan: only the version tells."""
    history.step(steps.change_to, "free", history.now().replace(microsecond=0))
    history.step(circumstances.wait_for, 31 * DAY)
    admit(history, hint=0)
    steps.end(history)


def a_slow_clock_meets_a_closed_period(history: History) -> None:
    admitted_and_settled(history)
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, 15 * MINUTE)
    history.step(steps.close)
    history.offset = -20 * MINUTE
    admit(history, "unknown")
    history.offset = timedelta()
    admit(history)
    steps.end(history)


def an_older_release_grants_more(history: History) -> None:
    """It knows the gate's version, and not that its month became smaller."""
    history.step(circumstances.deploy)
    admitted_and_settled(history, output=450)
    believe(history)
    history.step(circumstances.deploy)
    admit(history)
    steps.end(history)


def an_older_release_is_metered(history: History) -> None:
    newer = history.catalogue
    history.step(steps.change_to, "team")
    with_plan(history, "team", overage=None)
    admitted_and_settled(history, output=900)
    believe(history)
    history.catalogue = newer  # what it has turned off only billing turns on again
    admit(history, "refused by month")
    history.step(steps.change_to, "team")
    believe(history)
    admit(history)
    steps.end(history)


def an_admission_lands_after_it_was_given_back(history: History) -> None:
    history.wire.plan = once("update_item", Fault.DELAYED)
    admit(history, "given back")
    history.wire.land()
    steps.end(history)


def an_admission_lands_while_it_is_given_back(history: History) -> None:
    history.wire.plan = once("update_item", Fault.DELAYED)
    between(history, "update_item", landed, after=1)
    admit(history, "given back")
    steps.end(history)


def landed(history: History, _: Table) -> str:
    history.wire.land()
    return "landed"


def an_account_goes_before_it_is_given_back(history: History) -> None:
    """Giving back makes no gate."""
    history.wire.plan = once("update_item", Fault.TIMED_OUT)
    between(history, "update_item", _deleted, after=1)
    steps.admit_as(history, history.table, history.begin(), history.hints[-1])
    if history.direct.get(keys.gate(history.account)) is not None:
        raise history.violation("a gate without limits came to be")


def _deleted(history: History, _: Table) -> str:
    history.direct.delete(keys.gate(history.account))
    return "deleted"


def an_admission_lands_after_its_repeat_was_settled(history: History) -> None:
    for end_it in (steps.settle_one, steps.fail):
        history.wire.plan = once("update_item", Fault.OVERTAKEN)
        admit(history)
        history.step(end_it)
        history.wire.land()
        history.step(circumstances.wait_for, MINUTE)
    steps.end(history)


def every_write_is_sent_twice(history: History) -> None:
    """Settled is once, whether or not a sending of the admission may still be under way."""
    for end_it in (steps.settle_one, steps.fail):
        for admission in (quiet, twice):
            history.wire.plan = admission
            admit(history)
            history.wire.plan = twice
            history.step(steps.note_as, 30)
            history.step(steps.extend_by, 10)
            history.step(end_it)
            history.step(circumstances.wait_for, 2 * MINUTE)
    steps.end(history)


OF_ADMISSION: tuple[Scenario, ...] = (
    limits_are_met,
    the_month_is_met,
    more_than_a_month_allows,
    a_plan_without_a_day,
    an_unlimited_plan,
    a_metered_plan_is_on_trial,
    the_session_has_ended,
    everybody_is_signed_out,
    an_account_is_suspended,
    an_entitlement_ends,
    an_anchor_is_stale,
    a_slow_clock_meets_a_closed_period,
    an_older_release_grants_more,
    an_older_release_is_metered,
    an_admission_lands_after_it_was_given_back,
    an_admission_lands_while_it_is_given_back,
    an_account_goes_before_it_is_given_back,
    an_admission_lands_after_its_repeat_was_settled,
    every_write_is_sent_twice,
)
