"""What holds of the pure function whatever it is given, be it possible at Stripe or not."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.billing.test_entitlement import END, NOW, POLICY, START
from tollgate.billing.entitlement import entitlement
from tollgate.billing.subscription import Invoice, Item, Subscription

DAY = timedelta(days=1)

statuses = st.sampled_from(
    [
        "active",
        "trialing",
        "past_due",
        "unpaid",
        "paused",
        "canceled",
        "incomplete",
        "incomplete_expired",
    ]
)
instants = st.integers(-60, 60).map(lambda days: NOW + days * DAY)
invoices = st.none() | st.builds(
    Invoice,
    st.sampled_from(["paid", "open", "void", "draft"]),
    st.sampled_from(["subscription_create", "subscription_cycle", "subscription_update"]),
    instants,
    st.none() | instants,
    st.booleans(),
)
items = st.builds(
    Item,
    st.sampled_from([None, "renamed", "pro_monthly", "pro_yearly", "team_monthly"]),
    st.just(START),
    st.sampled_from([END, END + 365 * DAY]),
)
histories = st.lists(
    st.builds(
        Subscription,
        id=st.uuids().map(str),
        status=statuses,
        items=st.lists(items, max_size=3).map(tuple),
        created_at=instants,
        anchor_at=instants,
        cancel_at_period_end=st.booleans(),
        cancel_at=st.none() | instants,
        trial_end=st.none() | instants,
        paused_collection=st.sampled_from([None, "void", "keep_as_draft"]),
        invoice=invoices,
        owed=invoices,
        replaced=st.none() | items,
    ),
    max_size=4,
    unique_by=lambda each: each.id,
)
plans = st.sampled_from(POLICY.order)


@given(histories, plans, st.data())
def test_neither_order_nor_repetition_of_what_is_read_changes_the_outcome(
    history: list[Subscription], old: str, data: st.DataObject
) -> None:
    expected = entitlement(history, old, NOW, POLICY)
    shuffled = data.draw(st.permutations(history))
    repeated = shuffled + data.draw(st.lists(st.sampled_from(history))) if history else []
    assert entitlement(repeated, old, NOW, POLICY) == expected


@given(histories, plans)
def test_what_was_granted_once_does_not_feed_itself(history: list[Subscription], old: str) -> None:
    once = entitlement(history, old, NOW, POLICY)
    assert entitlement(history, once.plan_id, NOW, POLICY) == once


@given(histories, plans)
def test_every_end_lies_ahead_and_the_lowest_plan_has_none(
    history: list[Subscription], old: str
) -> None:
    found = entitlement(history, old, NOW, POLICY)
    assert found.until is None or found.until > NOW
    if found.anchor_at is None:
        assert (found.plan_id, found.until) == ("free", None)


@given(histories, plans)
def test_nothing_but_a_live_subscription_grants_a_plan(
    history: list[Subscription], old: str
) -> None:
    ended = [replace(each, status="canceled") for each in history]
    assert entitlement(ended, old, NOW, POLICY).plan_id == "free"
