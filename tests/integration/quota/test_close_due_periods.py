"""P10: a period closes once, with what was really used, and never reopens."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.integration.quota.house import HOLD, NOON, PERIOD, House, catalogue, finished
from tollgate.quota.close_due_periods import Sweep
from tollgate.quota.gate import Terms
from tollgate.table.client import Unavailable
from tollgate.tenancy.gate import milliseconds, number

DECEMBER = "2026-12-01T00:00:00Z"
END = datetime(2026, 12, 1, tzinfo=UTC)
MARGIN = timedelta(minutes=10)
"""The longest run and the clocks' skew."""


def use(house: House, generation: str, account: str = "acc_1") -> None:
    """One generation of fifty tokens."""
    hold = house.admit(generation, account).hold
    house.settle(generation, hold, finished(30, 20), account)


def swept(**counts: int) -> Sweep:
    """A sweep that has come to the end of the period."""
    none = {"due": 0, "closed": 0, "reclaimed": 0, "left": 0}
    return Sweep(**none | counts, oldest=END, finished=True)


def test_an_ended_period_becomes_history_with_what_was_used(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN
    assert house.close() == swept(due=1, closed=1)
    [period] = house.closed().values()
    assert period.attribute_values == {
        "pk": "ACCOUNT#acc_1",
        "sk": f"PERIOD#{PERIOD}",
        "account_id": "acc_1",
        "start": PERIOD,
        "plan": "free",
        "granted": 100_000,
        "used": 50,
        "closed_at": milliseconds(house.clock.now),
    }
    gate = house.gate()
    assert (gate.used, gate.terms, gate.closed) == ({}, {}, PERIOD)
    assert "due" not in house.item()


def test_history_says_under_what_a_period_was_used_not_what_came_after(house: House) -> None:
    house.open_account(plan="pro")
    use(house, "gen_1")
    house.clock.now = END
    house.change_plan("free", None)
    house.clock.now = END + MARGIN
    house.close()
    [period] = house.closed().values()
    assert (period.plan, period.granted) == ("pro", 1_000_000)


def test_a_period_waits_for_the_longest_run_and_the_clocks_skew(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN - timedelta(milliseconds=1)
    before = house.item()
    assert house.close().closed == 0
    assert house.item() == before


def test_a_running_period_is_left_open_and_keeps_its_gate_in_the_index(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END
    use(house, "gen_2")
    house.clock.now += MARGIN
    assert house.close().closed == 1
    assert house.gate().used == {DECEMBER: 50}
    assert "due" in house.item()
    assert house.close_all() == swept(due=1)


def test_a_closed_period_never_reopens(house: House) -> None:
    """Q14."""
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN
    house.close()
    house.clock.now = END - timedelta(minutes=1)
    with pytest.raises(Unavailable):
        house.admit("gen_2")
    assert house.gate().used == {}


def test_history_that_stands_is_never_rewritten(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN
    house.close()
    house.edit(
        changes={
            f"used#{PERIOD}": number(7),
            f"terms#{PERIOD}": Terms("free", 100_000).value(),
            "due": {"S": "0"},
        },
        without="closed",
    )
    assert house.close_all() == swept(due=1, left=1)
    assert house.closed()[PERIOD].used == 50


def test_the_watermark_never_falls(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.edit(changes={"closed": {"S": DECEMBER}})
    house.clock.now = END + MARGIN
    assert house.close().closed == 0
    assert house.gate().closed == DECEMBER
    assert house.closed() == {}


def test_a_gate_enters_the_index_again_with_its_next_admission(house: House) -> None:
    house.open_account()
    for month in (12, 1, 2):
        use(house, f"gen_{month}")
        following = datetime(2026 + (month != 12), month, 1, tzinfo=UTC)
        house.clock.now = following + MARGIN
        assert house.close().closed == 1
    assert [int(each.used) for each in house.closed().values()] == [50, 50, 50]


def test_a_period_with_a_hold_waits_and_so_does_every_later_one(house: House) -> None:
    """The watermark only rises: an older period must not be passed."""
    house.open_account()
    hold = house.admit("gen_1").hold
    house.clock.now = END
    use(house, "gen_2")
    house.clock.now = datetime(2027, 1, 1, tzinfo=UTC) + MARGIN
    still_alive = replace(hold, at=milliseconds(house.clock.now))
    house.edit(changes={"open": {"M": {"gen_1": still_alive.value()}}})
    assert house.close().closed == 0
    assert house.closed() == {}
    house.settle("gen_1", hold, finished(30, 20))
    assert house.close().closed == 2
    assert list(house.closed()) == [PERIOD, DECEMBER]
    assert "due" not in house.item()


def test_several_ended_periods_close_oldest_first(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END
    use(house, "gen_2")
    house.clock.now = datetime(2027, 2, 1, tzinfo=UTC)

    def die_at_the_second() -> None:
        house.wire.before["transact_write_items"] = _die

    house.wire.before["transact_write_items"] = die_at_the_second
    with pytest.raises(KeyboardInterrupt):
        house.close()
    assert list(house.closed()) == [PERIOD]
    assert house.gate().closed == PERIOD
    assert house.close().closed == 1
    assert house.gate().closed == DECEMBER
    assert {start: int(each.used) for start, each in house.closed().items()} == {
        PERIOD: 50,
        DECEMBER: 50,
    }


def _die() -> None:
    raise KeyboardInterrupt


def test_a_dead_hold_is_reclaimed_on_the_way(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    house.admit("gen_2")
    house.clock.now = END + MARGIN
    assert house.close() == swept(due=1, closed=1, reclaimed=2)
    spent = sum(int(each.input_tokens) for each in house.receipts().values())
    assert house.closed()[PERIOD].used == spent > 0


def test_a_period_that_changes_while_it_is_being_closed_waits(house: House) -> None:
    house.open_account()
    use(house, "gen_1")
    hold = house.admit("gen_2").hold
    house.edit(changes={"open": {"M": {}}})
    house.clock.now = END + MARGIN
    held = house.gate().used[PERIOD]

    def late_settlement() -> None:
        house.edit(changes={f"used#{PERIOD}": number(held - hold.tokens)})

    house.wire.before["transact_write_items"] = late_settlement
    requests = house.wire.made_by(house.close)
    assert requests.count("transact_write_items") == 2
    assert house.closed()[PERIOD].used == 50


def test_a_period_that_opens_while_the_last_one_closes_keeps_the_gate_in_the_index(
    house: House,
) -> None:
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN
    house.wire.before["transact_write_items"] = partial(house.admit, "gen_2")
    assert house.close() == swept(due=1, closed=1)
    assert house.gate().used == {DECEMBER: HOLD}
    assert "due" in house.item()


def test_a_plan_that_changes_while_the_last_period_closes_keeps_the_gate_in_the_index(
    house: House,
) -> None:
    """The running period may have another name since."""
    house.open_account()
    use(house, "gen_1")
    house.clock.now = END + MARGIN

    def change_and_use() -> None:
        house.change_plan("pro", NOON)
        house.admit("gen_2")

    house.wire.before["transact_write_items"] = change_and_use
    assert house.close() == swept(due=1, closed=1)
    assert "due" in house.item()
    assert house.item()["boundary"] == {"S": "21T12:00:00"}


def test_a_period_of_an_own_anchor_closes_at_its_own_end(house: House) -> None:
    house.catalogue = catalogue()
    house.open_account(plan="pro", anchor="2026-01-15T10:30:00Z")
    use(house, "gen_1")
    house.clock.now = END + MARGIN
    assert house.close().closed == 0
    house.clock.now = datetime(2026, 12, 15, 10, 40, tzinfo=UTC)
    assert house.close().closed == 1
    assert house.closed().keys() == {"2026-11-15T10:30:00Z"}
