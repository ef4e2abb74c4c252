"""P3, P4: a hold whose process died is charged for what it had delivered, once."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from tests.integration.quota.house import (
    HOLD,
    INPUT,
    NOON,
    OUTPUT,
    PERIOD,
    TODAY,
    House,
    catalogue,
    finished,
    race,
)
from tollgate.quota.admission import SHORTEST_OUTPUT
from tollgate.quota.gate import CLOCK_SKEW, LONGEST_RUN
from tollgate.quota.settlement import checkpoint

READ = INPUT // 4
"""Of the hold's upper bound of input, what a reclaim charges."""
RACES = 200


def die() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def delivered(house: House) -> Callable[[str, int], None]:
    return partial(checkpoint, house.table, "acc_1")


def test_a_dead_hold_is_charged_by_its_checkpoint_and_not_twice(
    house: House, delivered: Callable[[str, int], None]
) -> None:
    house.open_account()
    house.admit("gen_1")
    delivered("gen_1", 17)
    house.clock.advance(seconds=361)
    assert house.reclaim() == 1
    receipt = house.receipts()["gen_1"]
    assert (receipt.outcome, receipt.estimated) == ("reclaimed", True)
    assert (receipt.input_tokens, receipt.output_tokens) == (READ, 17)
    gate = house.gate()
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: READ + 17}, {TODAY: 1})
    before = house.item()
    assert house.reclaim() == 0
    assert house.item() == before


def test_a_hold_is_alive_for_the_longest_run_on_any_clock(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    house.clock.now += LONGEST_RUN + CLOCK_SKEW
    assert house.reclaim() == 0
    house.clock.now += timedelta(milliseconds=1)
    assert house.reclaim() == 1


def test_a_month_that_the_dead_have_filled_is_open_to_the_next_admission(house: House) -> None:
    house.catalogue = catalogue(month=HOLD + INPUT)
    house.open_account()
    house.admit("gen_dead")
    house.clock.advance(seconds=361)
    admitted = house.admit("gen_next")
    assert house.receipts()["gen_dead"].outcome == "reclaimed"
    assert admitted.output_tokens == OUTPUT


def test_the_dead_are_reclaimed_before_an_answer_is_shortened_for_whoever_knew_an_older_plan(
    house: House,
) -> None:
    house.catalogue = catalogue(month=HOLD + INPUT + SHORTEST_OUTPUT)
    house.open_account()
    stale = house.hint()
    house.admit("gen_dead")
    house.clock.advance(seconds=361)
    house.change_plan("free", NOON)
    assert house.hint() != stale
    assert house.admit("gen_next", hint=stale).output_tokens == OUTPUT


def test_a_hold_that_noted_nothing_is_reclaimed_too(
    house: House, delivered: Callable[[str, int], None]
) -> None:
    house.open_account()
    house.admit("gen_1")
    delivered("gen_1", 0)
    house.clock.advance(seconds=361)
    assert house.reclaim() == 1
    assert house.gate().used == {PERIOD: READ}


def test_a_pinned_hold_takes_no_checkpoint_and_is_reclaimed_by_the_next(
    house: House, delivered: Callable[[str, int], None]
) -> None:
    house.open_account()
    house.admit("gen_1")
    delivered("gen_1", 5)
    house.clock.advance(seconds=361)
    house.wire.before["transact_write_items"] = die
    with pytest.raises(KeyboardInterrupt):
        house.reclaim()
    assert house.gate().open["gen_1"].pinned
    delivered("gen_1", 50)
    assert house.gate().open["gen_1"].delivered == 5
    assert house.reclaim() == 1
    assert house.receipts()["gen_1"].output_tokens == 5
    assert house.gate().used == {PERIOD: READ + 5}


def test_a_hold_that_moves_while_it_is_being_pinned_is_left_to_the_next(
    house: House, delivered: Callable[[str, int], None]
) -> None:
    house.open_account()
    house.admit("gen_1")
    house.clock.advance(seconds=361)
    house.wire.before["update_item"] = partial(checkpoint, house.direct, "acc_1", "gen_1", 9)
    assert house.reclaim() == 0
    assert house.receipts() == {}
    assert house.reclaim() == 1
    assert house.receipts()["gen_1"].output_tokens == 9


def test_a_settlement_between_pin_and_receipt_decides(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.clock.advance(seconds=361)
    house.wire.before["transact_write_items"] = partial(
        house.settle, "gen_1", hold, finished(30, 20)
    )
    house.reclaim()
    assert house.receipts()["gen_1"].outcome == "finished"
    assert house.gate().used == {PERIOD: 50}


def test_a_receipt_whose_gate_did_not_follow_is_finished_by_a_reclaim(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.wire.before["update_item"] = die
    with pytest.raises(KeyboardInterrupt):
        house.settle("gen_1", hold, finished(30, 20))
    assert house.gate().used == {PERIOD: HOLD}
    house.clock.advance(seconds=361)
    house.reclaim()
    assert (house.gate().open, house.gate().used) == ({}, {PERIOD: 50})
    assert house.receipts()["gen_1"].outcome == "finished"
    assert house.usage_row()["generations"] == 1


def test_of_settlement_and_reclaims_exactly_one_decides(house: House) -> None:
    """Q5, small."""
    outcomes = []
    for n in range(RACES):
        account = house.open_account(f"acc_{n}")
        house.clock.now = NOON
        hold = house.admit("gen_1", account).hold
        house.clock.advance(seconds=361)
        reclaim = partial(house.reclaim, account)
        settlement = partial(house.settle, "gen_1", hold, finished(30, 20), account)
        works: list[Callable[[], object]] = [settlement, reclaim, reclaim]
        raised = [each for each in race(works, at_once=3) if isinstance(each, Exception)]
        assert not raised
        [receipt] = house.receipts(account).values()
        assert receipt.late_outcome == {"finished": None, "reclaimed": "finished"}[receipt.outcome]
        assert receipt.charged_tokens == 50
        assert (house.gate(account).open, house.gate(account).used) == ({}, {PERIOD: 50})
        row = house.usage_row(account)
        assert (row["generations"], row["input_tokens"] + row["output_tokens"]) == (1, 50)
        outcomes.append(receipt.outcome)
    assert set(outcomes) == {"finished", "reclaimed"}
