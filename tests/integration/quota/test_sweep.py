"""P10, Q8, F4, F5: late, skipped, tripled, stopped or killed anywhere, sweeps end in one state."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count as counted
from itertools import islice

import pytest

from tests.integration.quota.house import NOON, PERIOD, House, finished, race
from tollgate.quota.close_due_periods import MARGIN, Sweep
from tollgate.quota.due import SHARDS, shard
from tollgate.table import keys
from tollgate.table.client import Item, Table, Unavailable, Value
from tollgate.tenancy.gate import number

END = datetime(2026, 12, 1, tzinfo=UTC)
FIFTEENTH = "2026-01-15T10:30:00Z"


def use(house: House, account: str, generation: str = "gen_1") -> None:
    """One generation of fifty tokens."""
    house.settle(generation, house.admit(generation, account).hold, finished(30, 20), account)


@pytest.fixture
def swept(house: House) -> House:
    """An hour before the month ends, all that ended before is closed."""
    house.clock.now = END - timedelta(hours=1)
    house.close()
    house.clock.now = NOON
    return house


def accounts(house: House, count: int) -> list[str]:
    """Used once, by the calendar's month."""
    opened = [house.open_account(f"acc_{each}") for each in range(count)]
    for each in opened:
        use(house, each)
    return opened


def of_shard(chosen: str, count: int) -> list[str]:
    names = (f"acc_{each}" for each in counted())
    return list(islice((each for each in names if shard(each) == chosen), count))


def closed(house: House, names: list[str]) -> set[int]:
    return {int(house.closed(each)[PERIOD].used) for each in names}


def test_only_gates_whose_period_has_ended_are_read(swept: House) -> None:
    house = swept
    due = accounts(house, 20)
    for each in range(30):
        use(house, house.open_account(f"acc_later_{each}", "pro", FIFTEENTH))
        house.open_account(f"acc_dormant_{each}")
    house.clock.now = END + MARGIN
    sweeps: list[Sweep] = []
    requests = house.wire.made_by(lambda: sweeps.append(house.close()))
    assert (sweeps[0].due, sweeps[0].closed) == (20, 20)
    # At a month's end a sweep asks for the 1st, and for the same hour of the 30th and the 31st.
    shards = len({shard(each) for each in due})
    assert {each: requests.count(each) for each in set(requests)} == {
        "get_item": 1,
        "query": 3 * SHARDS + 1,
        "batch_get_item": shards,
        "transact_write_items": 20,
        "update_item": shards + 2,
    }


def test_a_sweep_of_the_same_minute_looks_at_nothing_again(house: House) -> None:
    accounts(house, 3)
    house.clock.now = END + MARGIN
    house.close()
    assert sorted(house.wire.made_by(house.close)) == ["get_item", "query"]


def test_sixteen_workers_do_what_one_does(house: House) -> None:
    names = accounts(house, 60)
    house.clock.now = END + MARGIN
    assert house.close(workers=16) == Sweep(60, 60, 0, 0, END, finished=True)
    assert closed(house, names) == {50}


def test_three_sweeps_at_once_close_each_period_once(house: House) -> None:
    """Q8."""
    names = accounts(house, 40)
    house.clock.now = END + MARGIN
    sweeps = race([partial(house.close, workers=4)] * 3, at_once=3)
    assert sum(each.closed for each in sweeps if isinstance(each, Sweep)) == len(names)
    assert [each for each in sweeps if not isinstance(each, Sweep)] == []
    assert closed(house, names) == {50}
    assert house.close_all().due == 0


def test_a_sweep_that_is_forty_days_late_closes_everything(swept: House) -> None:
    house = swept
    names = accounts(house, 5)
    own = house.open_account("acc_own", "pro", FIFTEENTH)
    use(house, own)
    house.clock.now = END + timedelta(days=8)
    use(house, names[0], "gen_2")
    house.clock.now = END + timedelta(days=39)
    assert house.close().closed == 7
    assert [int(each.used) for each in house.closed(names[0]).values()] == [50, 50]
    assert int(house.closed(own)["2026-11-15T10:30:00Z"].used) == 50


def test_a_gate_whose_anchor_was_moved_is_closed_at_its_new_end(swept: House) -> None:
    """Q15."""
    house = swept
    [moved] = accounts(house, 1)
    house.change_plan("pro", NOON, moved)
    house.clock.now = END + MARGIN
    assert house.close() == Sweep(0, 0, 0, 0, END, finished=True)
    end = datetime(2026, 12, 21, 12, tzinfo=UTC)
    house.clock.now = end + MARGIN - timedelta(seconds=1)
    assert house.close().closed == 0
    house.clock.now = end + MARGIN
    assert house.close().closed == 1
    assert house.closed(moved).keys() == {PERIOD}


def test_a_sweep_that_meets_its_deadline_is_continued_by_the_next(house: House) -> None:
    names = accounts(house, 5)
    house.clock.now = END + MARGIN
    assert house.close(_for(2)) == Sweep(2, 2, 0, 0, None, finished=False)
    assert house.close(_for(2)) == Sweep(2, 2, 0, 0, None, finished=False)
    assert house.close(_for(2)) == Sweep(1, 1, 0, 0, END, finished=True)
    assert closed(house, names) == {50}


def test_a_sweep_goes_on_behind_the_gates_that_it_saw(house: House) -> None:
    """Those that are still in use stay in the index, and are not read again."""
    names = of_shard("3", 250)
    for each in names:
        house.open_account(each)
        house.edit(each, {"due": {"S": "3"}})
    assert house.close(_for(120)).due == 120
    assert house.close(_for(120)).due == 120
    assert house.close(_for(120)) == Sweep(10, 0, 0, 0, NOON - MARGIN, finished=True)


def test_a_shard_that_was_walked_to_its_end_is_not_walked_again(house: House) -> None:
    for place, count in (("3", 30), ("5", 50)):
        for each in of_shard(place, count):
            house.open_account(each)
            house.edit(each, {"due": {"S": place}})
    assert house.close(_for(60)).due == 60
    assert house.close() == Sweep(20, 0, 0, 0, NOON - MARGIN, finished=True)


def _for(gates: int) -> Callable[[], bool]:
    left = iter([True] * gates)
    return lambda: next(left, False)


def test_more_gates_than_one_page_of_the_index_are_all_found(house: House) -> None:
    for each in of_shard("3", 210):
        house.open_account(each)
        house.edit(each, {"due": {"S": "3"}})
    assert house.close().due == 210


class Killed(BaseException):
    """As a process ends: nothing of ours may catch it."""


def test_a_sweep_killed_at_any_request_ends_in_the_same_state(house: House) -> None:
    """F4."""
    names = accounts(house, 4)
    before = {each: house.item(each) for each in names}
    house.clock.now = END + MARGIN
    requests = house.wire.made_by(house.close)
    expected = _state(house, names)
    for place in range(len(requests)):
        _restore(house, before)
        _kill_at(house, place)
        with pytest.raises(Killed):
            house.close()
        house.wire.before.clear()
        assert house.close().finished
        assert _state(house, names) == expected, f"killed at request {place}, {requests[place]}"


def _kill_at(house: House, place: int) -> None:
    names = {
        "get_item",
        "query",
        "batch_get_item",
        "put_item",
        "update_item",
        "transact_write_items",
    }
    left = iter(range(place))

    def kill_or_wait() -> None:
        if next(left, None) is None:
            raise Killed
        house.wire.before.update(dict.fromkeys(names, kill_or_wait))

    house.wire.before.update(dict.fromkeys(names, kill_or_wait))


def _state(house: House, names: list[str]) -> list[Item | None]:
    history = [keys.closed_period(each, PERIOD) for each in names]
    gates = [keys.gate(each) for each in names]
    return [house.direct.get(each) for each in [*gates, *history, keys.reset_progress()]]


def _restore(house: House, gates: Mapping[str, Item]) -> None:
    house.direct.delete(keys.reset_progress())
    for name, item in gates.items():
        house.direct.put(item)
        house.direct.delete(keys.closed_period(name, PERIOD))


@pytest.mark.parametrize(
    "poison",
    [
        {"days": number(0)},
        {"version": {"S": "x"}},
        {"anchor": {"S": "yesterday"}},
        {f"terms#{PERIOD}": {"S": "x"}},
        {"days": {"L": []}},
    ],
)
def test_one_unreadable_gate_stops_no_other_and_is_tried_again(
    house: House, poison: Mapping[str, Value]
) -> None:
    names = accounts(house, 10)
    whole = house.item(names[4])
    house.edit(names[4], poison)
    house.clock.now = END + MARGIN
    assert house.close() == Sweep(10, 9, 0, 1, END, finished=True)
    house.clock.advance(hours=1)
    since = house.close()
    assert (since.left, since.closed, since.oldest) == (1, 0, END)
    house.direct.put(whole)
    house.clock.advance(hours=1)
    assert house.close() == Sweep(0, 1, 0, 0, house.clock.now - MARGIN, finished=True)
    assert closed(house, names) == {50}


def test_a_gate_that_the_store_refuses_is_left_and_closed_by_the_next_run(house: House) -> None:
    names = accounts(house, 10)
    house.clock.now = END + MARGIN
    house.wire.before["transact_write_items"] = _unavailable
    assert house.close() == Sweep(10, 9, 0, 1, END, finished=True)
    assert house.close() == Sweep(0, 1, 0, 0, END, finished=True)
    assert closed(house, names) == {50}


def test_a_person_is_told_once_of_an_account_that_is_left(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    [poisoned] = accounts(house, 1)
    house.edit(poisoned, {"days": number(0)})
    house.clock.now = END + MARGIN
    house.close()
    house.close()
    [line] = [each for each in caplog.records if each.message == "reset_left"]
    assert (line.__dict__["account"], line.__dict__["reason"]) == (poisoned, "KeyError")


def test_a_shard_that_cannot_be_read_is_taken_up_by_the_next_run(house: House) -> None:
    names = accounts(house, 30)
    house.clock.now = END + MARGIN
    house.wire.before["batch_get_item"] = _unavailable
    first = house.close()
    assert not first.finished
    assert 0 < first.closed < 30
    assert house.close().finished
    assert closed(house, names) == {50}


def test_a_store_out_of_reach_fails_the_run(house: House) -> None:
    [_] = accounts(house, 1)
    house.clock.now = END + MARGIN
    house.wire.before["batch_get_item"] = _unavailable
    with pytest.raises(Unavailable):
        house.close()
    assert house.close().closed == 1


def _unavailable() -> None:
    raise Unavailable("by hand")


def test_a_gate_that_is_gone_is_passed_by(house: House) -> None:
    accounts(house, 1)
    house.clock.now = END + MARGIN
    house.wire.before["batch_get_item"] = partial(_vanish, house.direct)
    assert house.close() == Sweep(1, 0, 0, 0, END, finished=True)


def _vanish(table: Table) -> None:
    table.delete(keys.gate("acc_0"))


def test_what_another_run_finishes_meanwhile_is_not_begun_again(house: House) -> None:
    names = accounts(house, 3)
    house.clock.now = END + MARGIN
    house.wire.before["transact_write_items"] = house.close
    overtaken = house.close()
    assert (overtaken.finished, overtaken.oldest) == (True, END)
    assert closed(house, names) == {50}
    assert house.close() == Sweep(0, 0, 0, 0, END, finished=True)
