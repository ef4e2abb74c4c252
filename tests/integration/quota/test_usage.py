"""What is shown of an account's use is what its receipts say, in the month they belong to."""

from datetime import UTC, datetime

import msgspec
import pytest

from functions.account.usage_documents import dollars, month_document, receipt_document
from tests.integration.quota.house import HOLD, MODEL, TODAY, House, failed, finished
from tollgate.catalogue import Model
from tollgate.quota.records import ClosedPeriod
from tollgate.quota.settlement import STOPPED, Usage
from tollgate.quota.usage import (
    Counters,
    OpenPeriod,
    is_month,
    read_month,
    read_periods,
    read_receipt,
)
from tollgate.table import keys

ACCOUNT = "acc_1"
NOVEMBER, DECEMBER = "2026-11", "2026-12"
STOPPED_SHORT = Usage(STOPPED, MODEL.id, 40, 7, estimated=True)


def spend(house: House, generation: str, usage: Usage) -> None:
    house.settle(generation, house.admit(generation).hold, usage)


def periods(house: House, month: str) -> list[OpenPeriod | ClosedPeriod]:
    return read_periods(house.table, house.gate(), month, house.clock())


def starts(house: House, month: str) -> list[str]:
    return [each.start for each in periods(house, month)]


def test_totals_are_the_sum_of_the_receipts(house: House) -> None:
    house.open_account()
    for number, usage in enumerate((finished(40, 10), STOPPED_SHORT, failed())):
        spend(house, f"gen_{number}", usage)
    house.clock.advance(days=2)
    spend(house, "gen_3", finished(3, 5))

    month = read_month(house.table, ACCOUNT, NOVEMBER)

    receipts = house.receipts().values()
    assert month.totals.generations == 3
    assert month.totals.input_tokens == sum(each.input_tokens for each in receipts)
    assert month.totals.output_tokens == sum(each.output_tokens for each in receipts)
    assert month.totals.cost == sum(each.cost for each in receipts) > 0
    assert list(month.days) == [TODAY, "2026-11-23"]
    assert sum(each.cost for each in month.days.values()) == month.totals.cost
    assert month.models == {MODEL.id: month.totals}


def test_a_day_on_which_every_generation_failed_has_no_row(house: House) -> None:
    house.open_account()
    spend(house, "gen_1", failed())

    month = read_month(house.table, ACCOUNT, NOVEMBER)

    assert (month.days, month.models) == ({}, {})


def test_a_generation_counts_in_the_month_of_its_admission(house: House) -> None:
    house.open_account()
    house.clock.now = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    hold = house.admit("gen_1").hold
    house.clock.advance(seconds=2)
    house.settle("gen_1", hold, finished(3, 5))
    spend(house, "gen_2", finished(30, 50))

    assert read_month(house.table, ACCOUNT, NOVEMBER).totals.input_tokens == 3
    assert read_month(house.table, ACCOUNT, DECEMBER).totals.input_tokens == 30


def test_a_month_is_read_to_its_last_page(house: House) -> None:
    """A page of DynamoDB ends at a megabyte."""
    house.open_account()
    spend(house, "gen_1", finished(3, 5))
    row = house.direct.get(keys.usage_day(ACCOUNT, TODAY, "usr_1", MODEL.id))
    assert row is not None
    padding = {"padding": {"S": "x" * 300_000}}
    for number in range(8):
        key = keys.usage_day(ACCOUNT, TODAY, f"usr_{number}", MODEL.id)
        house.direct.put({**row, **padding, "sk": {"S": key.sk}})

    requests = house.wire.made_by(lambda: read_month(house.table, ACCOUNT, NOVEMBER))

    assert len(requests) > 1
    assert read_month(house.table, ACCOUNT, NOVEMBER).totals.generations == 8


def test_the_running_period_shows_what_is_spent_apart_from_what_is_held(house: House) -> None:
    house.open_account()
    spend(house, "gen_1", finished(3, 5))
    house.admit("gen_2")

    assert periods(house, NOVEMBER) == [
        OpenPeriod(
            start="2026-11-01T00:00:00Z",
            end=datetime(2026, 12, 1, tzinfo=UTC),
            plan="free",
            granted=100_000,
            used=8,
            reserved=HOLD,
        )
    ]
    assert periods(house, "2026-10") == periods(house, DECEMBER) == []


def test_a_period_is_found_in_each_month_that_it_ran_in(house: House) -> None:
    house.open_account(plan="pro", anchor="2026-01-14T09:30:00Z")
    spend(house, "gen_1", finished(3, 5))
    first, second = "2026-11-14T09:30:00Z", "2026-12-14T09:30:00Z"
    assert (starts(house, NOVEMBER), starts(house, DECEMBER)) == ([first], [first])

    house.clock.advance(days=31)
    spend(house, "gen_2", finished(3, 5))
    assert starts(house, DECEMBER) == [first, second]
    assert house.close().closed == 1

    assert starts(house, NOVEMBER) == [first]
    assert starts(house, DECEMBER) == [first, second]
    assert starts(house, "2027-01") == [second]
    assert starts(house, "2026-10") == []


def test_a_period_that_ended_and_is_not_closed_keeps_its_own_end_and_terms(house: House) -> None:
    house.open_account()
    spend(house, "gen_1", finished(3, 5))
    house.clock.advance(days=20)
    house.change_plan("pro", house.clock())

    [ended] = periods(house, NOVEMBER)

    assert isinstance(ended, OpenPeriod)
    assert (ended.plan, ended.granted, ended.used) == ("free", 100_000, 8)
    assert ended.end == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_period_that_closes_while_it_is_read_is_shown_once(house: House) -> None:
    house.open_account()
    spend(house, "gen_1", finished(3, 5))
    house.clock.advance(days=20)
    seen = house.gate()
    assert house.close().closed == 1

    [closed] = read_periods(house.table, seen, NOVEMBER, house.clock())

    assert isinstance(closed, ClosedPeriod)
    assert (closed.used, closed.granted) == (8, 100_000)


def test_a_receipt_is_read_under_its_own_account_alone(house: House) -> None:
    generation = "gen_" + "a" * 20
    house.open_account()
    house.open_account("acc_2")
    spend(house, generation, finished(3, 5))
    now = house.clock()

    found = read_receipt(house.table, ACCOUNT, generation, now)
    assert found is not None
    assert found.generation_id == generation
    assert read_receipt(house.table, "acc_2", generation, now) is None


def test_a_late_settlement_is_shown_beside_its_reclaim_and_in_the_totals(house: House) -> None:
    generation = "gen_" + "b" * 20
    house.open_account()
    hold = house.admit(generation).hold
    house.clock.advance(minutes=10)
    assert house.reclaim() == 1
    reclaimed = read_month(house.table, ACCOUNT, NOVEMBER).totals
    house.settle(generation, hold, finished(40, 90))

    receipt = read_receipt(house.table, ACCOUNT, generation, house.clock())

    assert receipt is not None
    shown = receipt_document(receipt)
    assert shown["outcome"] == "reclaimed"
    assert shown["used"] == reclaimed.input_tokens + reclaimed.output_tokens
    late = shown["late"]
    assert late == {
        "outcome": "finished",
        "model": MODEL.id,
        "provider": MODEL.provider,
        "input_tokens": 40,
        "output_tokens": 90,
        "used": 130,
        "debt": 130 - shown["used"],
        "estimated": False,
        "cost": {"amount": "0.000049000", "currency": "usd"},
        "at": "2026-11-21T12:10:00Z",
    }
    assert read_month(house.table, ACCOUNT, NOVEMBER).totals == Counters(1, 40, 90, 49_000)


def test_the_model_that_answered_after_the_reclaim_is_shown_and_counted_alone(house: House) -> None:
    generation = "gen_" + "c" * 20
    other = Model("other", "anthropic", input_price=20, output_price=70)
    house.catalogue = msgspec.structs.replace(
        house.catalogue, models={MODEL.id: MODEL, other.id: other}
    )
    house.open_account()
    hold = house.admit(generation).hold
    house.clock.advance(minutes=10)
    house.reclaim()
    house.settle(generation, hold, Usage(STOPPED, other.id, 40, 90, estimated=False))

    receipt = read_receipt(house.table, ACCOUNT, generation, house.clock())

    assert receipt is not None
    shown = receipt_document(receipt)
    assert (shown["model"], shown["provider"]) == (MODEL.id, MODEL.provider)
    assert (shown["late"]["model"], shown["late"]["provider"]) == (other.id, other.provider)
    counted = Counters(1, 40, 90, (40 * 20 + 90 * 70) * 10)
    month = read_month(house.table, ACCOUNT, NOVEMBER)
    assert (month.totals, month.models) == (counted, {other.id: counted})


def test_what_a_closed_period_owes_stands_beside_what_it_used(house: House) -> None:
    house.open_account()
    hold = house.admit("gen_1").hold
    house.clock.advance(days=20)
    assert house.reclaim() == 1
    assert house.close().closed == 1
    house.settle("gen_1", hold, finished(40, 90))

    month = month_document(
        read_month(house.table, ACCOUNT, NOVEMBER), periods(house, NOVEMBER), house.catalogue
    )

    [closed] = month["periods"]
    assert closed["used"] + closed["debt"] == 130
    assert closed["debt"] > 0
    assert month["totals"]["input_tokens"] + month["totals"]["output_tokens"] == 130


@pytest.mark.parametrize(
    ("billionths", "amount"),
    [
        (0, "0.000000000"),
        (1, "0.000000001"),
        (10**9, "1.000000000"),
        (10**18 + 7, "1000000000.000000007"),
    ],
)
def test_money_is_exact_to_the_billionth(billionths: int, amount: str) -> None:
    assert dollars(billionths) == {"amount": amount, "currency": "usd"}


@pytest.mark.parametrize("text", ["gen_1", "gen_" + "A" * 20, "", "gen_" + "a" * 20 + "\n"])
def test_what_is_no_generations_id_asks_the_table_nothing(house: House, text: str) -> None:
    requests = house.wire.made_by(
        lambda: read_receipt(house.table, ACCOUNT, text, house.clock()),
    )
    assert requests == []


@pytest.mark.parametrize("text", ["0001-01", "2026-09", "2026-12", "9999-12"])
def test_a_month_of_the_calendar_is_one(house: House, text: str) -> None:
    house.open_account()
    assert is_month(text)
    assert periods(house, text) == []
