"""P7, P8: whose session, whose plan and whose word counts at the gate."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.integration.quota.house import (
    DEMAND,
    HOLD,
    NOON,
    PERIOD,
    House,
    catalogue,
    refused_scope,
)
from tollgate.catalogue import Plan
from tollgate.quota.admission import (
    Demand,
    Hint,
    PlanRefused,
    SessionEnded,
    Visitor,
)
from tollgate.table import keys
from tollgate.table.client import Unavailable
from tollgate.tenancy.gate import end_session

STALE = Hint("free", "calendar", 0)


def pro_only(plan: Plan) -> Demand:
    if plan.id == "free":
        raise PlanRefused
    return DEMAND


# --- The session, the account and its entitlement --------------------------------------------


@pytest.mark.parametrize("hint", [None, STALE])
def test_an_ended_session_is_let_in_nowhere_and_writes_nothing(
    house: House, hint: Hint | None
) -> None:
    """P7."""
    house.open_account()
    house.direct.update(keys.gate("acc_1"), end_session("ses_1"))
    before = house.item()
    with pytest.raises(SessionEnded):
        house.admit("gen_1", hint=hint)
    assert house.item() == before


def test_a_session_past_its_end_is_no_session(house: House) -> None:
    house.open_account()
    house.clock.advance(days=3_650)
    with pytest.raises(SessionEnded):
        house.admit("gen_1")
    house.clock.advance(milliseconds=-1)
    house.admit("gen_1")


def test_a_gate_that_is_gone_admits_nobody(house: House) -> None:
    with pytest.raises(SessionEnded):
        house.admit("gen_1", account="acc_none", hint=STALE)
    assert house.direct.get(keys.gate("acc_none")) is None


@pytest.mark.parametrize("day", [1, 2])
def test_a_suspended_account_is_refused_before_anything_else(house: House, day: int) -> None:
    house.catalogue = catalogue(day=day)
    house.open_account()
    house.admit("gen_1")
    house.edit(changes={"suspended": {"BOOL": True}})
    assert refused_scope(house) == "suspended"
    assert house.gate().open.keys() == {"gen_1"}


def test_an_entitlement_past_its_end_is_refreshed_and_tried_again(house: House) -> None:
    house.open_account(plan="pro", until=NOON + timedelta(seconds=1))
    refreshed: list[str] = []

    def refresh(account: str) -> None:
        refreshed.append(account)
        house.change_plan("free", None)

    house.refresh = refresh
    house.admit("gen_1")
    assert refreshed == []
    house.clock.advance(seconds=1)
    assert house.admit("gen_2").plan.id == "free"
    assert refreshed == ["acc_1"]


def test_an_entitlement_that_stays_past_its_end_admits_nobody(house: House) -> None:
    """P8: nobody could say what the account may do."""
    house.open_account(until=NOON)
    before = house.item()
    with pytest.raises(Unavailable):
        house.admit("gen_1")
    assert house.item() == before


# --- The caller's own beliefs ------------------------------------------------------------------


def test_a_stale_hint_costs_exactly_one_more_write_and_no_read(house: House) -> None:
    house.open_account()
    stale = house.hint()
    house.change_plan("pro", None)
    requests = house.wire.made_by(partial(house.admit, "gen_1", hint=stale))
    assert requests == ["update_item"] * 2


def test_a_plan_that_changes_in_between_is_the_plan_that_counts(house: House) -> None:
    house.open_account()
    house.wire.before["update_item"] = partial(house.change_plan, "pro", NOON)
    admitted = house.admit("gen_1")
    assert admitted.plan.id == "pro"
    assert admitted.hold.period == PERIOD
    assert house.gate().used == {PERIOD: HOLD}


def test_a_past_anchor_opens_no_period_of_its_own(house: House) -> None:
    """Only the version tells: the limits are the same."""
    house.open_account(plan="pro", anchor="2026-01-15T00:00:00Z")
    past = house.hint()
    house.change_plan("pro", None)
    house.clock.now = NOON.replace(month=12, day=2)
    assert house.admit("gen_1", hint=past).hold.period == "2026-12-01T00:00:00Z"
    assert house.gate().used == {"2026-12-01T00:00:00Z": HOLD}


def test_a_forged_higher_plan_gains_nothing(house: House) -> None:
    house.catalogue = catalogue(day=1)
    house.open_account()
    house.admit("gen_1")
    believed = replace(house.hint(), plan="pro")
    assert refused_scope(house, hint=believed) == "day"


def test_a_higher_plan_that_the_caller_does_not_know_of_yet_admits(house: House) -> None:
    """P7 for an upgrade: the cookie still says free."""
    house.open_account()
    stale = house.hint()
    house.change_plan("pro", None)
    visitor = Visitor("acc_1", "usr_1", "ses_1", "gen_1")
    assert house.admission.admit(visitor, stale, pro_only).plan.id == "pro"
    house.change_plan("free", None)
    before = house.item()
    with pytest.raises(PlanRefused):
        house.admission.admit(replace(visitor, generation_id="gen_2"), stale, pro_only)
    assert house.item() == before


def test_what_only_a_past_plan_includes_is_refused_by_the_true_plan(house: House) -> None:
    """Even where the day is used up as well: tomorrow would not help."""
    house.catalogue = catalogue(day=1)
    house.open_account(plan="pro")
    stale = house.hint()
    house.admit("gen_1")
    house.change_plan("free", None)
    visitor = Visitor("acc_1", "usr_1", "ses_1", "gen_2")
    with pytest.raises(PlanRefused):
        house.admission.admit(visitor, stale, pro_only)


def test_a_gate_of_an_older_catalogue_is_rewritten_and_then_right(house: House) -> None:
    house.open_account()
    hint = house.hint()
    house.catalogue = catalogue(day=2, month=5_000, concurrent=7)
    house.admit("gen_1", hint=hint)
    limits = house.gate().tenant.limits
    assert (limits.day, limits.month, limits.concurrent) == (2, 5_000, 7)
    house.admit("gen_2")
    assert refused_scope(house) == "day"


def test_a_plan_that_changes_while_old_limits_are_rewritten_stays(house: House) -> None:
    house.open_account()
    house.catalogue = catalogue(month=5_000)

    def upgrade_before_the_rewriting() -> None:
        house.wire.before["update_item"] = partial(house.change_plan, "pro", None)

    house.wire.before["update_item"] = upgrade_before_the_rewriting
    assert house.admit("gen_1").plan.id == "pro"
    limits = house.gate().tenant.limits
    assert (limits.plan, limits.month) == ("pro", house.catalogue.plans["pro"].month)


def test_more_room_in_a_newer_catalogue_is_found_at_the_next_refusal(house: House) -> None:
    house.catalogue = catalogue(day=1)
    house.open_account()
    house.admit("gen_1")
    house.catalogue = catalogue(day=2)
    house.admit("gen_2")
    assert refused_scope(house) == "day"


def test_a_slow_clock_reopens_no_closed_period(house: House) -> None:
    """Q14: it is tried once more, since the refusal has corrected the clock."""
    house.open_account()
    house.edit(changes={"closed": {"S": PERIOD}})
    before, hint = house.item(), house.hint()

    def refused() -> None:
        with pytest.raises(Unavailable):
            house.admit("gen_1", hint=hint)

    assert house.wire.made_by(refused) == ["update_item"] * 2
    assert house.item() == before
    house.clock.now = house.clock.now.replace(month=12, day=1)
    house.admit("gen_1")


def test_the_store_out_of_reach_admits_nobody(house: House) -> None:
    """Q10."""
    house.open_account()

    def no_answer() -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1")

    house.wire.before["update_item"] = no_answer
    with pytest.raises(Unavailable):
        house.admit("gen_1")
    assert house.gate().open == {}
