"""Who pays for what goes beyond the month, and which item of a subscription sells it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tollgate.billing.entitlement import Entitlement, Policy, entitlement
from tollgate.billing.metering import Mending, mending
from tollgate.billing.subscription import Invoice, Item, Subscription

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = datetime(2026, 11, 20, tzinfo=UTC)
END = datetime(2026, 12, 20, tzinfo=UTC)
POLICY = Policy(
    plans={"pro_monthly": "pro", "team_monthly": "team", "team_yearly": "team"},
    order=("free", "pro", "team"),
    grace=timedelta(days=7),
    metered={"team_monthly": "tokens_month", "team_yearly": "tokens_year"},
)


def subscription(*keys: str, **changes: object) -> Subscription:
    """Each item is named after its price."""
    items = tuple(Item(key, START, END, f"si_{key}") for key in keys)
    paid = Invoice("paid", "subscription_cycle", START)
    plain = Subscription("sub_1", "active", items, START, START, invoice=paid)
    return replace(plain, **changes)  # type: ignore[arg-type]  # each test names real fields


def decide(*subscriptions: Subscription, old: str = "free") -> Entitlement:
    return entitlement(subscriptions, old, NOW, POLICY)


def wrong(*subscriptions: Subscription, old: str = "free") -> Mending | None:
    return mending(decide(*subscriptions, old=old), subscriptions, POLICY)


TEAM = ("team_monthly", "tokens_month")


def test_what_goes_beyond_is_sold_to_who_pays_for_the_plan_and_has_the_metered_price() -> None:
    assert decide(subscription(*TEAM)).metered
    assert decide(subscription(*TEAM, cancel_at_period_end=True)).metered
    assert not decide(subscription("team_monthly")).metered
    assert not decide(subscription("team_monthly", "tokens_year")).metered
    assert not decide(subscription("pro_monthly", "tokens_month")).metered


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "trialing", "trial_end": END},
        {"status": "past_due"},
        {"status": "unpaid"},
        {"paused_collection": "void"},
        {"paused_collection": "keep_as_draft"},
    ],
)
def test_nobody_is_sold_anything_beyond_the_month_who_does_not_pay(
    changes: dict[str, object],
) -> None:  # S10, S14, S16, S24
    found = decide(subscription(*TEAM, **changes))
    assert (found.plan_id, found.metered) == ("team", False)


@pytest.mark.parametrize("status", ["active", "trialing", "past_due"])
def test_a_metered_price_that_is_missing_is_added_before_it_is_paid_for(status: str) -> None:
    found = wrong(subscription("team_monthly", status=status))
    assert found == Mending("sub_1", "tokens_month", ())


def test_a_metered_price_that_another_plan_or_interval_left_behind_is_removed() -> None:
    assert wrong(subscription("pro_monthly", "tokens_month")) == Mending(
        "sub_1", None, ("si_tokens_month",)
    )
    assert wrong(subscription("team_yearly", "tokens_month")) == Mending(
        "sub_1", "tokens_year", ("si_tokens_month",)
    )


def test_what_is_right_is_left_alone() -> None:
    assert wrong() is None
    assert wrong(subscription(*TEAM)) is None
    assert wrong(subscription("pro_monthly")) is None
    assert wrong(subscription("pro_monthly", "somebody_elses")) is None


def test_nothing_is_added_where_nothing_is_granted_or_the_price_is_not_ours() -> None:  # S8, S21
    assert wrong(subscription("team_monthly", status="canceled")) is None
    assert wrong(subscription("team_monthly", status="paused")) is None
    assert wrong(subscription("renamed", "tokens_month"), old="team") is None


def test_only_the_subscription_that_grants_the_plan_is_mended() -> None:  # S23
    lower = subscription("pro_monthly", id="sub_2")
    assert wrong(lower, subscription("team_monthly")) == Mending("sub_1", "tokens_month", ())


def test_a_change_that_is_not_paid_is_left_to_be_paid_first() -> None:  # S17
    before = Item("pro_monthly", START, END)
    assert wrong(subscription("team_monthly", status="past_due", replaced=before)) is None
