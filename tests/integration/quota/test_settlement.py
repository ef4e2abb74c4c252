"""P3, P4: every admission is decided once, and repeating the decision changes nothing."""

from functools import partial

import pytest

from tests.integration.quota.house import (
    HOLD,
    INPUT,
    MODEL,
    NOON,
    PERIOD,
    TODAY,
    House,
    catalogue,
    failed,
    finished,
    race,
)
from tollgate.quota.settlement import STOPPED, Usage, checkpoint
from tollgate.table import keys
from tollgate.table.client import Unavailable
from tollgate.tenancy.gate import milliseconds


def test_unused_tokens_go_back_and_the_receipt_says_why(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.clock.advance(seconds=9)
    gate = house.settle("gen_1", hold, finished(30, 20))
    assert gate == house.gate()
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 50}, {TODAY: 1})
    receipt = house.receipts()["gen_1"]
    assert receipt.attribute_values == {
        "pk": "ACCOUNT#acc_1",
        "sk": "RECEIPT#gen_1",
        "account_id": "acc_1",
        "generation_id": "gen_1",
        "user_id": "usr_1",
        "outcome": "finished",
        "model": "tiny",
        "provider": "openai",
        "period": PERIOD,
        "day": TODAY,
        "reserved": HOLD,
        "input_tokens": 30,
        "output_tokens": 20,
        "estimated": False,
        "cost": (30 * MODEL.input_price + 20 * MODEL.output_price) * 10,
        "price_version": "v1",
        "admitted_at": milliseconds(NOON),
        "decided_at": milliseconds(NOON) + 9_000,
    }


def test_an_admission_with_its_settlement_is_two_requests(house: House) -> None:
    """One for the decision, one for the gate that follows."""
    house.open_account()
    hold = house.admit("gen_1").hold
    requests = house.wire.made_by(partial(house.settle, "gen_1", hold))
    assert requests == ["transact_write_items", "update_item"]


def test_settled_twenty_times_is_settled_once(house: House) -> None:
    """Q7."""
    house.open_account()
    hold = house.admit("gen_1").hold
    house.settle("gen_1", hold, finished(30, 20))
    gate, receipts, row = house.item(), house.receipts(), house.usage_row()
    for n in range(20):
        house.clock.advance(seconds=1)
        house.settle("gen_1", hold, finished(30, n))
    assert house.item() == gate
    assert house.usage_row() == row
    assert house.receipts()["gen_1"].attribute_values == receipts["gen_1"].attribute_values


def test_of_sixteen_settlers_one_decides_and_all_follow_it(house: House) -> None:
    house.open_account()
    for n in range(10):
        generation = f"gen_{n}"
        hold = house.admit(generation).hold
        works = [
            partial(house.settle, generation, hold, finished(30, output)) for output in range(16)
        ]
        outcomes = race(works, at_once=16)
        assert not [each for each in outcomes if isinstance(each, Exception)]
    receipts = house.receipts().values()
    spent = sum(int(each.input_tokens + each.output_tokens) for each in receipts)
    assert house.gate().used == {PERIOD: spent}
    row = house.usage_row()
    assert row["generations"] == len(receipts) == 10
    assert row["input_tokens"] + row["output_tokens"] == spent


def test_a_failed_generation_gives_day_and_tokens_back_and_not_its_place_in_the_burst(
    house: House,
) -> None:
    house.catalogue = catalogue(per_minute=10)
    house.open_account()
    hold = house.admit("gen_1").hold
    gate = house.settle("gen_1", hold, failed())
    assert gate is not None
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 0}, {TODAY: 0})
    assert gate.admissions[0] == hold.at
    assert house.usage_row()["generations"] == 0
    assert house.receipts()["gen_1"].cost == 0
    house.settle("gen_1", hold, failed())
    assert house.gate() == gate


def test_more_used_than_held_is_charged(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    gate = house.settle("gen_1", hold, finished(INPUT, 1_000))
    assert gate is not None
    assert gate.used == {PERIOD: INPUT + 1_000}


def test_a_model_that_left_the_catalogue_is_charged_without_a_price(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.settle("gen_1", hold, Usage(STOPPED, "gone", 30, 20, estimated=True))
    receipt = house.receipts()["gen_1"]
    assert (receipt.provider, receipt.cost, receipt.estimated) == ("", 0, True)
    assert house.gate().used == {PERIOD: 50}


def test_a_settlement_after_its_period_goes_to_its_own_period_and_day(house: House) -> None:
    """Q9."""
    house.open_account()
    house.clock.now = NOON.replace(day=30, hour=23, minute=59, second=59)
    november = house.admit("gen_1").hold
    failing = house.admit("gen_2").hold
    house.clock.advance(seconds=2)
    december = house.admit("gen_3").hold
    house.settle("gen_1", november, finished(30, 20))
    house.settle("gen_2", failing, failed())
    gate = house.gate()
    assert gate.used == {PERIOD: 50, december.period: HOLD}
    assert gate.days == {"2026-11-30": 1, "2026-12-01": 1}
    assert house.usage_row(day="2026-11-30")["generations"] == 1
    house.settle("gen_3", december, finished(30, 20))
    assert house.gate().used == {PERIOD: 50, december.period: 50}


def test_a_change_of_plan_and_anchor_under_an_open_hold_loses_nothing(house: House) -> None:
    """Q15."""
    house.open_account()
    hold = house.admit("gen_1").hold
    house.change_plan("pro", NOON)
    house.change_plan("free", None)
    house.change_plan("pro", NOON)
    second = house.admit("gen_2").hold
    assert second.period == hold.period
    house.settle("gen_1", hold, finished(30, 20))
    assert house.gate().used == {PERIOD: 50 + HOLD}


def test_a_settlement_that_died_between_receipt_and_gate_is_finished_by_the_next(
    house: House,
) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold

    def die() -> None:
        raise KeyboardInterrupt

    house.wire.before["update_item"] = die
    with pytest.raises(KeyboardInterrupt):
        house.settle("gen_1", hold, finished(30, 20))
    assert house.gate().open.keys() == {"gen_1"}
    house.settle("gen_1", hold, failed())
    gate = house.gate()
    assert (gate.open, gate.used, gate.days) == ({}, {PERIOD: 50}, {TODAY: 1})


def test_a_settlement_of_an_account_that_is_gone_still_has_its_receipt(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.direct.delete(keys.gate("acc_1"))
    assert house.settle("gen_1", hold) is None
    assert house.receipts().keys() == {"gen_1"}
    assert house.direct.get(keys.gate("acc_1")) is None


def test_the_usage_row_adds_up_a_day(house: House) -> None:
    house.open_account()
    for generation in ("gen_1", "gen_2"):
        house.settle(generation, house.admit(generation).hold, finished(30, 20))
    cost = int(house.receipts()["gen_1"].cost)
    assert house.usage_row() == {
        "generations": 2,
        "input_tokens": 60,
        "output_tokens": 40,
        "cost": 2 * cost,
    }


def test_day_counters_of_the_past_are_trimmed_but_two(house: House) -> None:
    house.open_account()
    for n in range(5):
        hold = house.admit(f"gen_{n}").hold
        house.clock.advance(hours=1)
        house.settle(f"gen_{n}", hold)
        house.clock.advance(hours=23)
    assert house.gate().days == {"2026-11-23": 1, "2026-11-24": 1, "2026-11-25": 1}


def test_a_fault_while_the_past_is_trimmed_leaves_the_settlement_done(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.edit(changes={"days": {"M": {"2026-01-01": {"N": "1"}, TODAY: {"N": "1"}}}})

    def fault() -> None:
        raise Unavailable("by hand")

    def fault_at_the_next_write() -> None:
        house.wire.before["update_item"] = fault

    house.wire.before["update_item"] = fault_at_the_next_write
    gate = house.settle("gen_1", hold, finished(30, 20))
    assert gate == house.gate()
    assert (gate.open, gate.used, gate.days["2026-01-01"]) == ({}, {PERIOD: 50}, 1)
    house.settle("gen_2", house.admit("gen_2").hold)
    assert house.gate().days.keys() == {TODAY}


# --- Checkpoints -----------------------------------------------------------------------------


def test_a_checkpoint_only_grows(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    notes = []
    for tokens in (0, 5, 3, 5, 9, 1):
        checkpoint(house.table, "acc_1", "gen_1", tokens)
        notes.append(house.gate().open["gen_1"].delivered)
    assert notes == [0, 5, 5, 5, 9, 9]


def test_a_checkpoint_of_a_settled_or_unknown_generation_writes_nothing(house: House) -> None:
    house.open_account()
    house.settle("gen_1", house.admit("gen_1").hold)
    before = house.item()
    checkpoint(house.table, "acc_1", "gen_1", 5)
    checkpoint(house.table, "acc_1", "gen_2", 5)
    assert house.item() == before


def test_a_receipt_that_can_be_neither_written_nor_read_settles_nothing(house: House) -> None:
    """P8: an unknown decision is no decision."""
    house.open_account()
    hold = house.admit("gen_1").hold
    row = keys.usage_day("acc_1", TODAY, "usr_1", MODEL.id)
    house.direct.put({"pk": {"S": row.pk}, "sk": {"S": row.sk}, "cost": {"S": "no number"}})
    with pytest.raises(Unavailable):
        house.settle("gen_1", hold)
    assert house.gate().open.keys() == {"gen_1"}
    assert house.receipts() == {}
