"""What a gate says about limits and sessions."""

from datetime import UTC, datetime, timedelta

import pytest

from tollgate import catalogue
from tollgate.tenancy import gate
from tollgate.tenancy.gate import CALENDAR, Limits, Tenant, milliseconds

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PLANS = catalogue.load(None).plans


@pytest.mark.parametrize("plan", PLANS)
def test_a_gate_repeats_the_limits_that_it_was_born_with(plan: str) -> None:
    limits = Limits.of(PLANS[plan], CALENDAR, milliseconds(NOW))
    assert Tenant.of(gate.born("acc_1", limits, {})).limits == limits


def test_only_a_plan_that_sells_overage_is_metered_and_only_for_who_pays_for_it() -> None:
    sells = {name for name, plan in PLANS.items() if plan.overage is not None}
    assert sells
    for paid in (True, False):
        limits = {name: Limits.of(plan, CALENDAR, metered=paid) for name, plan in PLANS.items()}
        assert {name for name, each in limits.items() if each.metered} == (sells if paid else set())


def test_a_session_stands_until_its_end_and_no_other_does() -> None:
    end = NOW + timedelta(days=30)
    item = gate.born("acc_1", Limits.of(PLANS["free"], CALENDAR), {"s": milliseconds(end)})
    tenant = Tenant.of(item)
    assert tenant.admits("s", end - timedelta(milliseconds=1))
    assert not tenant.admits("s", end)
    assert not tenant.admits("t", NOW)
