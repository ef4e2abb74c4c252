"""A stop marks a hold of the caller's own and decides nothing."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.integration.quota.house import HOLD, SESSION, House, race
from tollgate.quota.admission import SessionEnded, Visitor
from tollgate.quota.stop import is_to_end, stop
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.gate import end_session

OWN = Visitor("acc_1", "usr_1", SESSION, "gen_1")
ANOTHER_MEMBER = replace(OWN, user_id="usr_2")


def stopped(house: House, visitor: Visitor = OWN) -> bool:
    return stop(house.table, visitor, house.clock())


def to_end(table: Table) -> bool:
    return is_to_end(table, OWN.account_id, OWN.generation_id)


def test_a_stop_is_one_write_that_leaves_the_hold_and_its_tokens(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    before = house.gate()
    assert not to_end(house.table)

    assert house.wire.made_by(lambda: stopped(house)) == ["update_item"]

    marked = replace(before.open["gen_1"], stopped=True)
    assert house.gate() == replace(before, open={"gen_1": marked})
    assert to_end(house.table)
    assert house.receipts() == {}


def test_a_stop_may_be_repeated_and_may_come_after_the_end(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")
    assert stopped(house)
    marked = house.item()
    assert stopped(house)
    assert house.item() == marked
    house.settle("gen_1", admitted.hold)
    settled = house.item()
    assert stopped(house)
    assert house.item() == settled
    assert to_end(house.table)


def test_another_members_generation_is_unknown_while_it_runs_and_after(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")
    assert not stopped(house, ANOTHER_MEMBER)
    assert not to_end(house.table)
    house.settle("gen_1", admitted.hold)
    assert not stopped(house, ANOTHER_MEMBER)


def test_a_session_that_ended_stops_nothing_and_is_told_nothing(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    house.table.update(keys.gate("acc_1"), end_session(SESSION))
    before = house.item()
    for generation in ("gen_1", "gen_unknown"):
        with pytest.raises(SessionEnded):
            stopped(house, replace(OWN, generation_id=generation))
    assert house.item() == before


def test_a_session_past_its_end_stops_nothing(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    house.clock.advance(days=3_651)
    with pytest.raises(SessionEnded):
        stopped(house)


def test_a_stopped_hold_whose_process_died_is_reclaimed_like_any_other(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    assert stopped(house)
    house.clock.now += timedelta(hours=1)
    assert house.reclaim() == 1
    assert house.receipts()["gen_1"].outcome == "reclaimed"
    assert house.gate().open == {}


def test_a_hold_that_is_being_reclaimed_is_to_end(house: House) -> None:
    house.open_account()
    house.admit("gen_1")
    pinned = replace(house.gate().open["gen_1"], pinned=True)
    house.edit(changes={"open": {"M": {"gen_1": pinned.value()}}})
    assert to_end(house.table)


def test_stops_and_a_settlement_at_once_settle_once(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")

    def settle() -> bool:
        return house.settle("gen_1", admitted.hold) is not None

    def stop_too() -> bool:
        return stopped(house)

    assert race([settle, *[stop_too] * 7], at_once=8) == [True] * 8
    assert house.gate().open == {}
    receipt = house.receipts()["gen_1"]
    assert sum(house.gate().used.values()) == HOLD - receipt.unused
