"""Q6, P2, P4: a settlement that comes after its reclaim records the difference, once."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.integration.quota.house import (
    INPUT,
    MODEL,
    PERIOD,
    TODAY,
    House,
    failed,
    finished,
    race,
)
from tollgate.quota.gate import CLOCK_SKEW, LONGEST_RUN, Hold
from tollgate.quota.settlement import FINISHED, RECLAIMED, Usage, settle
from tollgate.table import keys
from tollgate.tenancy.gate import milliseconds

READ = INPUT // 4
"""What the reclaim charges of a hold that had noted nothing."""
RACES = 50


def reclaimed(house: House, account: str = "acc_1") -> Hold:
    house.open_account(account)
    hold = house.admit("gen_1", account).hold
    house.clock.now += LONGEST_RUN + CLOCK_SKEW * 2
    assert house.reclaim(account) == 1
    return hold


def close(house: House, account: str = "acc_1") -> None:
    """By hand, as the close leaves it."""
    used = house.gate(account).used[PERIOD]
    key = keys.closed_period(account, PERIOD)
    item = {"account_id": account, "start": PERIOD, "plan": "free"}
    numbers = {"granted": 100_000, "used": used, "closed_at": milliseconds(house.clock())}
    house.direct.put(
        {"pk": {"S": key.pk}, "sk": {"S": key.sk}}
        | {name: {"S": value} for name, value in item.items()}
        | {name: {"N": str(value)} for name, value in numbers.items()}
    )
    house.edit(account, {"closed": {"S": PERIOD}}, without=f"used#{PERIOD}")


def test_the_difference_is_on_the_receipt_in_the_period_and_in_the_row(house: House) -> None:
    hold = reclaimed(house)
    gate = house.settle("gen_1", hold, finished(30, 20))
    assert gate == house.gate()
    assert (gate.used, gate.days, gate.open) == ({PERIOD: 50}, {TODAY: 1}, {})
    receipt = house.receipts()["gen_1"]
    assert (receipt.outcome, receipt.input_tokens, receipt.output_tokens) == ("reclaimed", READ, 0)
    late = (receipt.late_outcome, receipt.late_input_tokens, receipt.late_output_tokens)
    assert late == ("finished", 30, 20)
    assert (receipt.late_model, receipt.late_provider) == (MODEL.id, MODEL.provider)
    assert (receipt.estimated, receipt.late_estimated) == (True, False)
    assert receipt.late_at == milliseconds(house.clock())
    assert (receipt.charged_tokens, receipt.debt) == (50, 50 - READ)
    cost = (30 * MODEL.input_price + 20 * MODEL.output_price) * 10
    assert receipt.charged_cost == receipt.late_cost == cost
    assert house.usage_row() == {
        "generations": 1,
        "input_tokens": 30,
        "output_tokens": 20,
        "cost": cost,
    }


def test_another_model_of_the_same_numbers_is_booked_to_itself(
    house: House, dump: Callable[[], object]
) -> None:
    """A fallback that answered after its reclaim: price and tokens may be alike."""
    hold = reclaimed(house)
    usage = Usage(FINISHED, "fallback", READ, 0, estimated=False)
    house.settle("gen_1", hold, usage)
    receipt = house.receipts()["gen_1"]
    assert (receipt.model, receipt.provider) == (MODEL.id, MODEL.provider)
    assert (receipt.late_model, receipt.late_provider) == ("fallback", "")
    assert (house.gate().used, house.gate().days) == ({PERIOD: READ}, {TODAY: 1})
    assert set(house.usage_row().values()) == {0}
    assert house.usage_row(model="fallback") == {
        "generations": 1,
        "input_tokens": READ,
        "output_tokens": 0,
        "cost": 0,
    }
    before = dump()
    house.settle("gen_1", hold, usage)
    house.settle("gen_1", hold, finished(30, 20))
    assert dump() == before


def test_repeating_it_changes_nothing(house: House, dump: Callable[[], object]) -> None:
    hold = reclaimed(house)
    house.settle("gen_1", hold, finished(30, 20))
    before = dump()
    for output in range(5):
        house.clock.advance(seconds=1)
        house.settle("gen_1", hold, finished(30, output))
        house.settle("gen_1", hold, failed())
    assert dump() == before


def test_a_reclaim_that_charged_too_much_is_paid_back(house: House) -> None:
    hold = reclaimed(house)
    house.settle("gen_1", hold, finished(3, 2))
    assert house.gate().used == {PERIOD: 5}
    assert house.receipts()["gen_1"].debt == 5 - READ


def test_a_late_failure_gives_tokens_and_day_back(house: House) -> None:
    hold = reclaimed(house)
    house.settle("gen_1", hold, failed())
    gate = house.gate()
    assert (gate.used, gate.days) == ({PERIOD: 0}, {TODAY: 0})
    assert not any(house.usage_row().values())
    assert house.receipts()["gen_1"].charged_cost == 0


def test_a_late_failure_whose_day_is_trimmed_gives_tokens_back(house: House) -> None:
    hold = reclaimed(house)
    house.edit(changes={"days": {"M": {}}})
    house.settle("gen_1", hold, failed())
    gate = house.gate()
    assert (gate.used, gate.days) == ({PERIOD: 0}, {})


def test_a_reclaim_that_was_right_leaves_nothing_to_record(
    house: House, dump: Callable[[], object]
) -> None:
    hold = reclaimed(house)
    before = dump()
    requests = house.wire.made_by(partial(house.settle, "gen_1", hold, finished(READ, 0)))
    assert requests == ["transact_write_items", "update_item"]
    assert dump() == before


def test_a_reclaim_that_is_repeated_is_no_late_settlement(
    house: House, dump: Callable[[], object]
) -> None:
    hold = reclaimed(house)
    before = dump()
    usage = Usage(RECLAIMED, MODEL.id, READ, 9, estimated=True)
    settle(house.table, house.catalogue, "acc_1", "gen_1", hold, usage, house.clock())
    assert dump() == before


def test_after_the_close_the_debt_stands_beside_what_was_used(house: House) -> None:
    hold = reclaimed(house)
    close(house)
    gate = house.settle("gen_1", hold, finished(30, 20))
    assert gate == house.gate()
    assert gate.used == {}
    period = house.closed()[PERIOD]
    assert (period.used, period.debt) == (READ, 50 - READ)
    assert house.usage_row()["output_tokens"] == 20
    house.settle("gen_1", hold, finished(30, 90))
    assert house.closed()[PERIOD].debt == 50 - READ


def test_a_late_failure_after_the_close_gives_back_in_both_places(house: House) -> None:
    hold = reclaimed(house)
    close(house)
    house.settle("gen_1", hold, failed())
    assert house.gate().days == {TODAY: 0}
    assert house.closed()[PERIOD].debt == -READ


def test_a_close_in_between_is_met_with_the_truth(house: House) -> None:
    hold = reclaimed(house)

    def close_before_the_record() -> None:
        house.wire.before["transact_write_items"] = partial(close, house)

    house.wire.before["transact_write_items"] = close_before_the_record
    house.settle("gen_1", hold, finished(30, 20))
    assert house.gate().used == {}
    period = house.closed()[PERIOD]
    assert (period.used, period.debt) == (READ, 50 - READ)


def test_a_late_settlement_of_an_account_that_is_gone_is_owed_by_nobody(house: House) -> None:
    hold = reclaimed(house)
    house.direct.delete(keys.gate("acc_1"))
    assert house.settle("gen_1", hold, finished(30, 20)) is None
    assert house.receipts()["gen_1"].late_at is None


@pytest.mark.parametrize("at_once", [2, 8])
def test_of_many_late_settlements_one_records(house: House, at_once: int) -> None:
    for n in range(RACES // at_once):
        account = f"acc_{n}"
        hold = reclaimed(house, account)
        works = [
            partial(house.settle, "gen_1", hold, finished(30, output), account)
            for output in range(at_once)
        ]
        assert not [each for each in race(works, at_once=at_once) if isinstance(each, Exception)]
        [receipt] = house.receipts(account).values()
        row = house.usage_row(account)
        assert house.gate(account).used == {PERIOD: receipt.charged_tokens}
        assert row["input_tokens"] + row["output_tokens"] == receipt.charged_tokens
        assert row["cost"] == receipt.charged_cost
