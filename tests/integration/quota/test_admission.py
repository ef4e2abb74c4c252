"""P1, P8: how many are let in, and at what cost."""

from dataclasses import replace
from functools import partial

import msgspec
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
    race,
    refused_scope,
)
from tollgate.catalogue import Catalogue
from tollgate.quota.admission import (
    SHORTEST_OUTPUT,
    Admitted,
    Hint,
    Visitor,
)
from tollgate.quota.admission_write import admission_write
from tollgate.quota.gate import USED, Hold, day_of
from tollgate.quota.refusal import Refused
from tollgate.table import keys
from tollgate.table.client import ConditionFailed
from tollgate.tenancy.gate import milliseconds, number
from tollgate.tenancy.ids import new_id

STALE = Hint("free", "calendar", 0)


def selling(known: Catalogue, month: int) -> Catalogue:
    """Another month of the plan that sells what goes beyond it."""
    team = msgspec.structs.replace(known.plans["team"], month=month)
    return msgspec.structs.replace(known, plans={**known.plans, "team": team})


# --- The usual admission ---------------------------------------------------------------------


def test_a_usual_admission_is_one_request_and_one_write_unit(house: House) -> None:
    """The first after a close costs another unit: it enters the index of what is due."""
    house.catalogue = catalogue(per_minute=10)
    account = house.open_account(new_id("acc"))
    hint = house.hint(account)
    house.admit(new_id("gen"), account, hint)
    house.wire.write_units = 0
    requests = house.wire.made_by(lambda: house.admit(new_id("gen"), account, hint))
    assert requests == ["update_item"]
    assert house.wire.write_units == 1


def test_an_admission_holds_what_it_may_use(house: House) -> None:
    house.open_account()
    admitted = house.admit("gen_1")
    expected = Hold(HOLD, INPUT, PERIOD, TODAY, milliseconds(NOON), "usr_1", "tiny", plan="free")
    assert admitted.hold == house.gate().open["gen_1"] == expected
    assert admitted.gate == house.gate()
    assert admitted.output_tokens == OUTPUT
    assert house.gate().used == {PERIOD: HOLD}
    assert house.gate().days == {TODAY: 1}


def test_its_own_repeated_write_is_recognised_as_admitted(house: House) -> None:
    """Q0: botocore repeats a write whose answer was lost."""
    house.open_account()
    first = house.admit("gen_1")
    house.clock.advance(seconds=2)
    second = house.admit("gen_1")
    assert (second.hold, second.output_tokens) == (first.hold, first.output_tokens)
    assert house.gate() == first.gate


# --- Limits under contention -----------------------------------------------------------------


def test_a_limit_of_100_admits_exactly_100_of_1000(house: House) -> None:
    """Q1, small."""
    house.open_account()
    hint = house.hint()
    works = [partial(house.admit, f"gen_{n}", hint=hint) for n in range(1_000)]
    outcomes = race(works, at_once=32)
    assert sum(isinstance(each, Admitted) for each in outcomes) == 100
    assert {type(each) for each in outcomes} == {Admitted, Refused}
    gate = house.gate()
    assert (gate.days[TODAY], len(gate.open), gate.used[PERIOD]) == (100, 100, 100 * HOLD)


@pytest.mark.parametrize(
    ("limits", "scope"),
    [
        ({"day": 3}, "day"),
        ({"month": 3 * HOLD}, "month"),
        ({"concurrent": 3}, "concurrent"),
    ],
)
def test_the_last_unit_goes_to_one_of_fifty(
    house: House, limits: dict[str, int], scope: str
) -> None:
    """Q2."""
    house.catalogue = catalogue(**limits)
    house.open_account()
    for n in range(2):
        house.admit(f"gen_before_{n}")
    hint = house.hint()
    outcomes = race([partial(house.admit, f"gen_{n}", hint=hint) for n in range(50)], at_once=50)
    assert sum(isinstance(each, Admitted) for each in outcomes) == 1
    refusals = [each.refusal for each in outcomes if isinstance(each, Refused)]
    assert len(refusals) == 49
    assert {(each.scope, each.remaining) for each in refusals} == {(scope, 0)}


def test_a_day_without_a_limit_admits_and_counts(house: House) -> None:
    house.catalogue = catalogue(day=None)
    house.open_account()
    for n in range(3):
        house.admit(f"gen_{n}")
    assert house.gate().days == {TODAY: 3}


@pytest.mark.parametrize(
    "limit", ["day_limit", "month_limit", "concurrent_limit", "until", "sessions", "version"]
)
def test_an_absent_limit_refuses(house: House, limit: str) -> None:
    """P8: an item that lost its limit is no unlimited one."""
    house.open_account()
    hint = house.hint()
    house.edit(without=limit)
    before = house.item()
    hold = Hold(HOLD, INPUT, PERIOD, TODAY, milliseconds(NOON), "usr_1", "tiny")
    visitor = Visitor("acc_1", "usr_1", "ses_1", "gen_1")
    change = admission_write(visitor, hint, house.catalogue.lowest, hold, None, NOON)
    with pytest.raises(ConditionFailed):
        house.table.update(keys.gate("acc_1"), change)
    assert house.item() == before


def test_a_metered_plan_goes_on_beyond_its_month(house: House) -> None:
    house.open_account(plan="team")
    for n in range(10):
        house.admit(f"gen_{n}")
    assert house.gate().used[PERIOD] == 10 * HOLD > house.catalogue.plans["team"].month
    assert house.admit("gen_10", hint=STALE).output_tokens == OUTPUT


def test_the_month_is_a_hard_limit_where_nobody_pays_for_what_goes_beyond(house: House) -> None:
    """A trial of a metered plan, or one whose payment is overdue: still one write an admission."""
    house.catalogue = selling(house.catalogue, month=2 * HOLD)
    house.open_account(plan="team", metered=False)
    for n in range(2):
        hint = house.hint()
        requests = house.wire.made_by(partial(house.admit, f"gen_{n}", hint=hint))
        assert requests == ["update_item"]
    assert refused_scope(house) == "month"


def test_a_catalogue_that_changes_under_a_gate_sells_nothing_to_who_does_not_pay(
    house: House,
) -> None:
    house.open_account(plan="team", metered=False)
    house.catalogue = selling(house.catalogue, month=2 * HOLD)
    house.admit("gen_1")
    limits = house.gate().tenant.limits
    assert (limits.month, limits.metered) == (2 * HOLD, False)


def test_a_plan_is_metered_only_where_its_gate_says_so(house: House) -> None:
    """A caller who believes in a metered plan meets the month of the gate that is not."""
    house.catalogue = catalogue(month=HOLD)
    house.open_account()
    house.admit("gen_1")
    believed = replace(house.hint(), plan="team")
    assert refused_scope(house, hint=believed) == "month"


@pytest.mark.parametrize("left", [SHORTEST_OUTPUT, OUTPUT - 1])
def test_what_is_left_of_the_month_shortens_the_answer(house: House, left: int) -> None:
    house.catalogue = catalogue(month=HOLD + INPUT + left)
    house.open_account()
    assert house.admit("gen_1").output_tokens == OUTPUT
    hint = house.hint()
    requests = house.wire.made_by(partial(house.admit, "gen_2", hint=hint))
    assert requests == ["update_item"] * 2
    assert house.gate().open["gen_2"].tokens == INPUT + left
    assert house.gate().used == {PERIOD: house.catalogue.lowest.month}


def test_less_than_the_shortest_answer_is_refused(house: House) -> None:
    house.catalogue = catalogue(month=HOLD + INPUT + SHORTEST_OUTPUT - 1)
    house.open_account()
    house.admit("gen_1")
    with pytest.raises(Refused) as refused:
        house.admit("gen_2")
    refusal = refused.value.refusal
    assert (refusal.scope, refusal.remaining) == ("month", INPUT + SHORTEST_OUTPUT - 1)
    assert refused.value.gate == house.gate()


def test_a_hold_larger_than_the_whole_month_opens_no_period(house: House) -> None:
    house.catalogue = catalogue(month=HOLD - OUTPUT)
    house.open_account()
    assert refused_scope(house) == "month"
    assert house.gate().used == {}


@pytest.mark.parametrize(("limits", "scope"), [({"day": 1}, "day"), ({"month": HOLD}, "month")])
def test_a_new_day_and_a_new_period_open_themselves(
    house: House, limits: dict[str, int], scope: str
) -> None:
    house.catalogue = catalogue(**limits)
    house.open_account()
    house.admit("gen_1")
    assert refused_scope(house) == scope
    house.clock.now = house.clock.now.replace(month=12, day=1, hour=0)
    house.admit("gen_2")


# --- What time brings ----------------------------------------------------------------------------


def test_a_full_set_of_dead_holds_is_mended(house: House) -> None:
    house.catalogue = catalogue(concurrent=2)
    house.open_account()
    house.admit("gen_1")
    house.admit("gen_2")
    house.clock.advance(seconds=360)
    assert refused_scope(house) == "concurrent"
    house.clock.advance(milliseconds=1)
    house.admit("gen_3")
    assert house.gate().open.keys() == {"gen_3"}
    assert {each.outcome for each in house.receipts().values()} == {"reclaimed"}


def test_day_and_period_are_those_of_the_admission(house: House) -> None:
    house.open_account()
    house.clock.now = house.clock.now.replace(day=30, hour=23, minute=59, second=59)
    hold = house.admit("gen_1").hold
    assert (hold.day, hold.period) == ("2026-11-30", PERIOD)
    house.clock.advance(seconds=1)
    hold = house.admit("gen_2").hold
    assert (hold.day, hold.period) == (day_of(house.clock.now), "2026-12-01T00:00:00Z")
    assert USED + hold.period in house.item()
    assert house.item()[USED + PERIOD] == number(HOLD)
