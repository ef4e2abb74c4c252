"""Short histories without chance: how what was admitted ends, and how periods and limits change."""

from datetime import timedelta

from tests.faults import circumstances, steps
from tests.faults.books import Books
from tests.faults.history import USER, History
from tests.faults.scenarios import (
    DEAD,
    MINUTE,
    Scenario,
    admit,
    admitted_and_settled,
    between,
    expect,
    landed,
    once,
)
from tests.faults.wire import Fault, quiet
from tollgate.quota.admission import Admitted
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.table.idempotency import LIFETIME, Idempotency, Mismatch


def a_hold_is_pinned(history: History) -> None:
    """Nothing moves it while it is being reclaimed, its process lives on or not."""
    admit(history)
    history.step(steps.note_as, 50)
    history.step(steps.note_as, 20)
    history.step(circumstances.wait_for, DEAD)
    history.wire.plan = once("transact_write_items", Fault.KILLED)
    expect(history, "Killed", steps.reclaim)
    history.wire.plan = quiet
    history.step(steps.note_as, 90)
    history.step(steps.extend_by, 10)
    steps.end(history)


def a_hold_moves_before_it_is_pinned(history: History) -> None:
    admit(history)
    history.step(circumstances.wait_for, DEAD)
    between(history, "update_item", steps.note_as, 50)
    history.step(steps.reclaim)
    steps.end(history)


def a_hold_is_stopped(history: History) -> None:
    admit(history)
    expect(history, "is unknown", steps.ask_to_stop_as, "gen_1", "usr_2")
    expect(history, "is asked to stop", steps.ask_to_stop_as, "gen_1", USER)
    history.step(steps.settle_one)
    expect(history, "is asked to stop", steps.ask_to_stop_as, "gen_1", USER)
    expect(history, "is unknown", steps.ask_to_stop_as, "gen_1", "usr_2")
    steps.end(history)


def a_hold_grows(history: History) -> None:
    """Once, however often and late it is sent; and not beyond the month."""
    admit(history)
    history.wire.plan = once("update_item", Fault.OVERTAKEN)
    expect(history, "holds 240", steps.extend_by, 100)
    history.wire.land()
    expect(history, "holds 240", steps.extend_by, 700)
    steps.end(history)


def a_hold_grows_while_its_plan_shrinks(history: History) -> None:
    for plan in ("pro", "team"):
        history.step(steps.change_to, plan)
        admit(history)
        between(history, "update_item", steps.change_to, "free")
        expect(history, "holds 140", steps.extend_by, 800)
        history.step(steps.settle_with, 0)
    steps.end(history)


def an_extension_lands_after_its_receipt(history: History) -> None:
    """What it added goes back with the hold."""
    admit(history)
    history.wire.plan = once("update_item", Fault.DELAYED)
    between(history, "update_item", landed, after=1)
    expect(history, "given back", steps.extend_by, 60)
    steps.end(history)


def an_admission_lands_after_its_reclaim(history: History) -> None:
    """Whose process died after the receipt: nobody knows that it was repeated."""
    history.wire.plan = once("update_item", Fault.OVERTAKEN)
    admit(history)
    history.wire.plan = once("transact_write_items", Fault.KILLED_AFTER)
    expect(history, "Killed", steps.settle_one)
    history.offset = DEAD
    history.step(steps.reclaim)
    history.offset = timedelta()
    history.wire.land()
    steps.end(history)


def a_receipt_stands(history: History) -> None:
    admitted_and_settled(history, output=10)
    history.step(steps.settle_again)
    history.step(steps.settle_again)
    steps.end(history)


def a_settlement_comes_late(history: History) -> None:
    """Twice, and only the first counts."""
    for outcome in (steps.settle_one, steps.fail_late):
        admit(history)
        history.step(circumstances.wait_for, DEAD)
        expect(history, "1", steps.reclaim)
        history.step(outcome)
        history.step(steps.settle_again)
    steps.end(history)


def two_settlements_come_late(history: History) -> None:
    """At once: the second has seen the receipt without the first one's numbers."""
    admit(history)
    history.step(circumstances.wait_for, DEAD)
    history.step(steps.reclaim)
    generation, admitted = next(iter(history.live.items()))
    history.ended[generation] = admitted.hold
    between(history, "transact_write_items", steps.settle_again, after=1)
    history.step(steps.settle_with, 77)
    steps.end(history)


def a_late_end_meets_the_close_of_its_period(history: History) -> None:
    for end_it in (steps.settle_one, steps.fail_late):
        history.step(circumstances.wait_for_the_end_of_the_month)
        admit(history)
        history.step(circumstances.wait_for, DEAD)
        history.step(steps.reclaim)
        between(history, "transact_write_items", steps.close, after=1)
        history.step(end_it)
    steps.end(history)


def a_late_failure_meets_the_end_of_its_day(history: History) -> None:
    """Another settlement forgets the day that it would have given back; its period may be closed
    by then.
    """
    for meanwhile in (steps.reclaim, steps.close):
        history.step(circumstances.wait_for_the_end_of_the_month)
        admit(history)
        late = history.live.copy()
        history.live.clear()
        history.step(circumstances.wait_for, DEAD)
        history.step(meanwhile)
        admit(history)
        history.step(circumstances.wait_for, timedelta(days=4))
        other = history.live
        history.live = late

        def settle_other(history: History, table: Table, other: dict[str, Admitted]) -> str:
            history.live = other
            return steps.settle_one(history, table)

        between(history, "transact_write_items", settle_other, other, after=1)
        history.step(steps.fail_late)
    steps.end(history)


def two_close_one_period(history: History) -> None:
    admitted_and_settled(history)
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, DEAD)
    between(history, "transact_write_items", steps.close)
    history.step(steps.close)
    history.step(steps.close)
    steps.end(history)


def a_gate_is_restored_from_a_backup(history: History) -> None:
    """By hand, after its period was closed: what is history stays."""
    admitted_and_settled(history)
    backup = history.direct.get(keys.gate(history.account))
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, DEAD)
    history.step(steps.close)
    now = history.direct.get(keys.gate(history.account))
    assert backup is not None
    assert now is not None
    closed = history.books.closed
    history.direct.put(backup)
    history.clock.advance(seconds=1)
    steps.close(history, history.table)
    if Books.read(history.direct, history.account).closed != closed:
        raise history.violation("P10: a period was closed again")
    history.direct.put(now)
    steps.end(history)


def a_period_grows_before_its_close(history: History) -> None:
    """By a clock that is slow."""
    admitted_and_settled(history)
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, DEAD)

    def slowly(history: History, table: Table) -> str:
        history.offset = -DEAD
        outcome = steps.admit(history, table)
        history.offset = timedelta()
        return outcome

    between(history, "transact_write_items", slowly)
    history.step(steps.close)
    steps.end(history)


def a_period_opens_while_the_last_one_closes(history: History) -> None:
    admitted_and_settled(history)
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, DEAD)
    between(history, "transact_write_items", steps.admit)
    history.step(steps.close)
    steps.end(history)


def another_anchor_opens_a_period_while_the_last_one_closes(history: History) -> None:
    """One that ends the running period before the hosts' clocks agree that it has ended."""
    admitted_and_settled(history)
    history.step(circumstances.wait_for_the_end_of_the_month)
    history.step(circumstances.wait_for, timedelta(days=3))
    boundary = (history.now() - timedelta(days=30) + MINUTE).replace(microsecond=0)

    def moved(history: History, table: Table) -> str:
        steps.change_to(history, table, "pro", boundary)
        history.offset = 2 * MINUTE
        outcome = steps.admit(history, table)
        history.offset = timedelta()
        return outcome

    between(history, "transact_write_items", moved)
    history.step(steps.close)
    steps.end(history)


def another_clock_opens_a_period_while_the_last_one_closes(history: History) -> None:
    for ahead in (2 * MINUTE, -2 * MINUTE):
        admitted_and_settled(history)
        history.step(circumstances.wait_for, timedelta(days=31))
        history.step(circumstances.wait_for_the_end_of_the_month)
        if ahead < timedelta():
            history.step(circumstances.wait_for, MINUTE)

        def opened(history: History, table: Table, ahead: timedelta) -> str:
            history.offset = ahead
            outcome = steps.admit(history, table)
            history.offset = timedelta()
            return outcome

        between(history, "transact_write_items", opened, ahead)
        history.step(steps.close)
    steps.end(history)


def a_clock_is_slow_by_months(history: History) -> None:
    """What it opens while a later period closes stays open: the watermark never falls."""
    history.step(circumstances.wait_for, timedelta(days=40))
    admitted_and_settled(history)
    history.step(circumstances.wait_for, timedelta(days=40))
    admitted_and_settled(history)

    def long_ago(history: History, table: Table) -> str:
        history.offset = -timedelta(days=79)
        outcome = steps.admit(history, table)
        history.offset = timedelta()
        return outcome

    between(history, "transact_write_items", long_ago)
    expect(history, "closed=1", steps.close)
    history.step(steps.reclaim)
    expect(history, "closed=0", steps.close)


def limits_change_under_a_release(history: History) -> None:
    """Two who knew one version write two others."""
    admitted_and_settled(history)
    for plan in ("pro", "team"):
        history.step(circumstances.deploy)
        between(history, "update_item", steps.change_to, plan)
        history.step(steps.change_to, "free")
        history.step(steps.change_to, plan)
        history.step(circumstances.wait_for, 2 * MINUTE)
        between(history, "update_item", steps.change_to, "free")
        history.step(steps.change_to, "team")
    steps.end(history)


def a_key_is_used_again(history: History) -> None:
    """I1, I2: one answer for as long as it is kept."""
    answers = iter(("first", "second"))

    def ask(history: History, table: Table, request: bytes) -> str:
        key = keys.idempotency(history.account, "checkout", "once")
        try:
            return Idempotency(table, key, request).answer(lambda: next(answers), history.now())
        except Mismatch:
            return "another request"

    expect(history, "first", ask, b"this")
    expect(history, "first", ask, b"this")
    expect(history, "another request", ask, b"that")
    history.step(circumstances.wait_for, LIFETIME + MINUTE)
    expect(history, "second", ask, b"that")
    steps.end(history)


OF_ENDS: tuple[Scenario, ...] = (
    a_hold_is_pinned,
    a_hold_moves_before_it_is_pinned,
    a_hold_is_stopped,
    a_hold_grows,
    a_hold_grows_while_its_plan_shrinks,
    an_extension_lands_after_its_receipt,
    an_admission_lands_after_its_reclaim,
    a_receipt_stands,
    a_settlement_comes_late,
    two_settlements_come_late,
    a_late_end_meets_the_close_of_its_period,
    a_late_failure_meets_the_end_of_its_day,
    two_close_one_period,
    a_gate_is_restored_from_a_backup,
    a_period_grows_before_its_close,
    a_period_opens_while_the_last_one_closes,
    another_anchor_opens_a_period_while_the_last_one_closes,
    another_clock_opens_a_period_while_the_last_one_closes,
    a_clock_is_slow_by_months,
    limits_change_under_a_release,
    a_key_is_used_again,
)
