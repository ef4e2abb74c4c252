"""What generations cost is counted once a receipt, however the stream delivers it."""

from datetime import timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from local.stream import Stream
from tests.faults.wire import LATE, Killed, Wire, at_random
from tests.integration.quota.feed import (
    CENT,
    deliver,
    image,
    record,
    sequence,
    spent,
    with_cap,
)
from tests.integration.quota.house import NOON, TODAY, House, finished, race
from tollgate.quota.count_spend import COUNTERS
from tollgate.table import keys
from tollgate.table.client import Table, Unavailable

BATCH = [record(place, image(1 << place)) for place in range(20)]
ALL = (1 << 20) - 1


def unavailable() -> None:
    raise Unavailable("in a test")


def test_a_batch_is_one_transaction_and_one_look_at_the_day(house: House) -> None:
    requests = house.wire.made_by(partial(deliver, house, BATCH))
    assert requests == ["transact_write_items", "query"]
    assert spent(house) == ALL


def test_a_batch_that_is_delivered_three_times_counts_once(house: House) -> None:
    """F5."""
    for _ in range(3):
        assert deliver(house, BATCH) == []
    assert spent(house) == ALL


@pytest.mark.parametrize("cut", [slice(5), slice(5, 12), slice(12, 20), slice(20)])
def test_what_was_counted_is_skipped_however_it_is_cut_again(house: House, cut: slice) -> None:
    deliver(house, BATCH[:12])
    deliver(house, BATCH[cut])
    assert spent(house) == (ALL if cut.stop == 20 else (1 << 12) - 1)


def test_shards_of_the_stream_have_a_mark_each(house: House) -> None:
    deliver(house, BATCH[10:], shard="shard-a")
    deliver(house, BATCH[:10], shard="shard-b")
    assert spent(house) == ALL


def test_shards_that_are_counted_at_the_same_time_lose_nothing(house: House) -> None:
    shards = [f"shard-{place}" for place in range(4 * COUNTERS)]
    outcomes = race([partial(deliver, house, BATCH, shard=each) for each in shards], at_once=8)
    assert outcomes == [[]] * len(shards)
    assert spent(house) == ALL * len(shards)
    assert 2 < len(house.direct.query(f"SPEND#{TODAY}", "SHARD#").items) <= COUNTERS


def test_a_batch_over_midnight_counts_in_both_days(house: House) -> None:
    midnight = NOON.replace(day=22, hour=0)
    before, after = midnight - timedelta(milliseconds=1), midnight
    deliver(house, [record(1, image(10, before)), record(2, image(7, after))])
    assert (spent(house), spent(house, "2026-11-22")) == (10, 7)


def test_a_late_settlement_counts_its_difference_on_its_own_day(house: House) -> None:
    deliver(house, [record(1, image(10))])
    tomorrow = NOON + timedelta(days=1)
    deliver(house, [record(2, image(10, tomorrow, late_cost=25), image(10))])
    deliver(house, [record(3, image(10, tomorrow, late_cost=0), image(10, late_cost=4))])
    assert (spent(house), spent(house, "2026-11-22")) == (10, 15 - 4)


def test_a_change_of_a_receipt_that_costs_nothing_writes_nothing(house: House) -> None:
    unchanged = [record(1, image(10), image(10)), record(2, image(0))]
    assert house.wire.made_by(partial(deliver, house, unchanged)) == []


def test_the_end_of_a_window_brings_no_records_and_writes_nothing(house: House) -> None:
    assert house.wire.made_by(partial(deliver, house, [])) == []


@pytest.mark.parametrize(
    "poison",
    [
        {},
        {"cost": {"N": "many"}, "decided_at": {"N": "1"}},
        {"cost": {"S": "7"}, "decided_at": {"N": "1"}},
        {"cost": {"N": "7"}, "decided_at": {"N": "999999999999999999"}},
    ],
)
def test_a_receipt_that_cannot_be_read_raises_an_alarm_and_blocks_nobody(
    house: House, caplog: pytest.LogCaptureFixture, poison: dict[str, Any]
) -> None:
    """F3."""
    assert deliver(house, [BATCH[0], record(1, poison), BATCH[2]]) == []
    assert spent(house) == 0b101
    [line] = [each for each in caplog.records if each.message == "uncounted_receipt"]
    assert (line.__dict__["sk"], line.__dict__["Alarm"]) == ("RECEIPT#gen_1", 1)


def test_a_batch_that_could_not_be_written_comes_again_from_its_first_record(
    house: House,
) -> None:
    house.wire.before["transact_write_items"] = unavailable
    assert deliver(house, BATCH) == [sequence(BATCH[0])]
    assert spent(house) == 0
    assert deliver(house, BATCH) == []
    assert spent(house) == ALL


def test_only_the_part_that_failed_comes_again(house: House) -> None:
    """F3."""
    deliver(house, BATCH[:12])

    def fail_the_next() -> None:
        house.wire.before["transact_write_items"] = unavailable

    house.wire.before["transact_write_items"] = fail_the_next
    assert deliver(house, BATCH) == [sequence(BATCH[12])]
    assert deliver(house, BATCH[12:]) == []
    assert spent(house) == ALL


def test_who_dies_after_counting_has_the_cap_compared_by_the_next_delivery(house: House) -> None:
    house.catalogue = with_cap(house.catalogue, 1)
    house.wire.before["query"] = unavailable
    full = [record(1, image(CENT))]
    assert deliver(house, full) == [sequence(full[0])]
    assert house.direct.get(keys.spend_switch(TODAY)) is None
    assert deliver(house, full) == []
    assert house.direct.get(keys.spend_switch(TODAY)) is not None
    assert spent(house) == CENT


@pytest.mark.parametrize("seed", range(12))
def test_no_fault_and_no_cut_of_the_stream_changes_the_sum(
    house: House, dynamodb: Any, table_name: str, seed: int
) -> None:
    """First deliveries are in order, and after a lost checkpoint anything before comes again."""
    house.catalogue = with_cap(house.catalogue, 1)
    random = Random(seed)  # noqa: S311  no secret
    rates = {"transact_write_items": 0.4, "query": 0.2, "update_item": 0.2}
    wire = Wire(dynamodb, at_random(random, rates, LATE), random)
    records = [record(place, image(random.randrange(CENT // 10))) for place in range(60)]
    place = 0
    while place < len(records):
        wire.restart()
        wire.land(0.3)
        batch = records[place : place + random.randint(1, 15)]
        try:
            failed = deliver(house, batch, Table(wire, table_name))
        except Killed:
            continue
        place += [*map(sequence, batch), *failed].index(failed[0]) if failed else len(batch)
        if random.random() < 0.2 and place < len(records):
            place = random.randint(0, place)
    wire.land()
    total = sum(int(each["dynamodb"]["NewImage"]["cost"]["N"]) for each in records)
    assert wire.injected.total() > 0
    assert spent(house) == total
    switch = house.direct.get(keys.spend_switch(TODAY))
    assert (switch is not None) == (total >= CENT)


def test_the_tables_own_stream_brings_every_receipt_and_nothing_else(
    house: House, stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    house.open_account()
    for n in range(5):
        house.settle(f"gen_{n}", house.admit(f"gen_{n}").hold, finished(30, n))
    for _ in range(2):
        stream.poll()
    assert spent(house) == sum(each.cost for each in house.receipts().values()) > 0
    assert "uncounted_receipt" not in caplog.messages


def test_what_failed_is_polled_again_from_there(house: House, stream: Stream) -> None:
    house.open_account()
    house.settle("gen_1", house.admit("gen_1").hold)
    house.wire.before["transact_write_items"] = unavailable
    stream.poll()
    assert spent(house) == 0
    stream.poll()
    assert spent(house) == house.receipts()["gen_1"].cost
