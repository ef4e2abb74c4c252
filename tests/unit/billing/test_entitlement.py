"""The cases of a subscription's life, as the one pure function decides them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tollgate.billing.entitlement import DUPLICATE, UNKNOWN_PRICE, Entitlement, Policy, entitlement
from tollgate.billing.subscription import Invoice, Item, Subscription

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
START = datetime(2026, 11, 10, tzinfo=UTC)
END = datetime(2026, 12, 10, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy(
    plans={"pro_monthly": "pro", "pro_yearly": "pro", "team_monthly": "team"},
    order=("free", "pro", "team"),
    grace=7 * DAY,
)
PAID = Invoice("paid", "subscription_cycle", START)


def item(key: str | None = "pro_monthly") -> Item:
    return Item(key, START, END)


def subscription(status: str = "active", **changes: object) -> Subscription:
    plain = Subscription("sub_1", status, (item(),), START, START, invoice=PAID)
    return replace(plain, **changes)  # type: ignore[arg-type]  # each test names real fields


def decide(*subscriptions: Subscription, old: str = "free", now: datetime = NOW) -> Entitlement:
    return entitlement(subscriptions, old, now, POLICY)


def owed(created_at: datetime, due_at: datetime | None = None) -> Invoice:
    return Invoice("open", "subscription_cycle", created_at, due_at)


def test_nobody_without_a_subscription_has_more_than_the_lowest_plan() -> None:
    assert decide() == Entitlement("free")


@pytest.mark.parametrize("status", ["active", "trialing"])  # S1, S6, S10
@pytest.mark.case("S10")
def test_a_paid_or_trial_subscription_grants_its_plan_without_a_known_end(status: str) -> None:
    found = decide(subscription(status))
    assert (found.plan_id, found.until, found.anchor_at) == ("pro", None, START)
    assert (found.status, found.price_key) == (status, "pro_monthly")
    assert found.alarms == ()


@pytest.mark.parametrize("status", ["incomplete", "incomplete_expired", "paused", "canceled"])
@pytest.mark.case("S5")
def test_what_is_not_paid_grants_nothing(status: str) -> None:  # S5, S12, S21
    found = decide(subscription(status), old="pro")
    assert (found.plan_id, found.anchor_at, found.status) == ("free", None, status)


@pytest.mark.case("S4")
def test_a_bank_debit_on_its_way_grants_nothing_yet() -> None:  # S4
    pending = Invoice("open", "subscription_create", START)
    assert decide(subscription(invoice=pending)).plan_id == "free"
    assert decide(subscription(invoice=replace(pending, status="paid"))).plan_id == "pro"
    failed = subscription("past_due", invoice=pending, owed=pending)
    assert (decide(failed).plan_id, decide(failed).grace_until) == ("free", None)


def test_who_pays_by_hand_is_trusted_until_the_due_date() -> None:  # S7
    sent = Invoice("open", "subscription_create", START, START + 30 * DAY)
    assert decide(subscription(invoice=sent)).plan_id == "pro"
    overdue = subscription("past_due", owed=sent)
    assert decide(overdue, now=START + 31 * DAY).grace_until == START + 37 * DAY


def test_an_unknown_price_keeps_the_old_plan_and_raises_an_alarm() -> None:  # S8
    found = decide(subscription(items=(item("renamed"),)), old="team")
    assert (found.plan_id, found.alarms) == ("team", (UNKNOWN_PRICE,))


def test_an_ended_subscription_at_an_unknown_price_keeps_nothing() -> None:  # S8
    found = decide(subscription("canceled", items=(item("renamed"),)), old="team")
    assert (found.plan_id, found.alarms) == ("free", ())


def test_a_known_price_decides_beside_an_unknown_one() -> None:  # S8
    ending = subscription(cancel_at_period_end=True)
    unknown = subscription(id="sub_2", items=(item("renamed"),))
    found = decide(ending, unknown, old="pro")
    assert (found.plan_id, found.until, found.subscription_id) == ("pro", END, "sub_1")
    assert UNKNOWN_PRICE in found.alarms


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.case("S9")
def test_the_plan_item_decides_beside_a_metered_one(order: int) -> None:  # S9
    items = (item("model_tokens"), item("team_monthly"), item(None))[::order]
    found = decide(subscription(items=items))
    assert (found.plan_id, found.price_key, found.alarms) == ("team", "team_monthly", ())


AFTER_TRIAL = Invoice("open", "subscription_cycle", NOW + timedelta(hours=1))


@pytest.mark.case("S12")
@pytest.mark.parametrize(
    ("changes", "plan", "until"),
    [
        ({"status": "active", "invoice": replace(AFTER_TRIAL, status="paid")}, "pro", None),
        ({"status": "past_due", "owed": AFTER_TRIAL}, "free", None),
        ({"status": "unpaid", "owed": AFTER_TRIAL}, "free", None),
        ({"status": "paused"}, "free", None),
        ({"status": "active", "invoice": PAID}, "pro", None),
        ({"status": "trialing", "trial_end": END, "cancel_at_period_end": True}, "pro", END),
        ({"status": "canceled"}, "free", None),
    ],
    ids=["converts", "fails", "exhausted", "no card", "resumed", "cancelled", "and its end"],
)
def test_each_end_of_a_trial(changes: dict[str, Any], plan: str, until: datetime | None) -> None:
    """A first charge that fails has no grace: nothing was ever paid."""
    found = decide(replace(subscription(trial_end=NOW), **changes), now=NOW + DAY)
    assert (found.plan_id, found.until, found.grace_until) == (plan, until, None)


def test_a_later_renewal_of_a_former_trial_has_its_grace() -> None:  # S14
    failed = subscription("past_due", trial_end=NOW - 30 * DAY, owed=owed(NOW))
    assert decide(failed).plan_id == "pro"


@pytest.mark.parametrize("status", ["past_due", "unpaid"])
def test_an_overdue_payment_keeps_the_plan_until_a_dated_deadline(status: str) -> None:  # S14, S16
    late = subscription(status, owed=owed(NOW - DAY))
    deadline = NOW + 6 * DAY
    found = decide(late)
    assert (found.plan_id, found.until, found.grace_until) == ("pro", deadline, deadline)
    over = decide(late, now=deadline)
    assert (over.plan_id, over.until, over.grace_until) == ("free", None, deadline)


def test_grace_is_counted_from_the_oldest_debt_and_from_its_due_date() -> None:  # S14, S16
    newer = owed(NOW)
    late = subscription("past_due", invoice=newer, owed=owed(NOW - 31 * DAY))
    assert decide(late).plan_id == "free"
    by_hand = replace(late, owed=owed(NOW - 31 * DAY, NOW - DAY))
    assert decide(by_hand).grace_until == NOW + 6 * DAY


@pytest.mark.case("S16")
def test_a_debt_that_was_written_off_gains_nothing_though_stripe_says_active() -> None:  # S16, S12
    debt = replace(owed(NOW - DAY), status="uncollectible")
    late = subscription(invoice=debt, owed=debt)
    found = decide(late)
    assert (found.plan_id, found.until, found.status) == ("pro", NOW + 6 * DAY, "active")
    assert decide(late, now=NOW + 6 * DAY).plan_id == "free"
    draft = replace(late, invoice=replace(PAID, status="draft"))
    assert decide(draft, now=NOW + 30 * DAY).plan_id == "free"
    assert decide(replace(late, trial_end=NOW - DAY)).plan_id == "free"
    assert decide(replace(late, paused_collection="mark_uncollectible")).until is None


def test_no_grace_is_counted_from_a_draft() -> None:  # S16
    """Each period of what is unpaid brings another."""
    draft = Invoice("draft", "subscription_cycle", NOW)
    assert decide(subscription("unpaid", invoice=draft)).plan_id == "free"


def test_an_upgrade_that_is_not_paid_leaves_the_old_plan_as_long_as_it_is_paid() -> None:  # S17
    change = Invoice("open", "subscription_update", NOW, is_change=True)
    team = subscription("past_due", items=(item("team_monthly"),), owed=change, replaced=item())
    found = decide(team, old="team")
    assert (found.plan_id, found.price_key, found.until) == ("pro", "pro_monthly", END)
    assert decide(team, now=END).plan_id == "free"
    late = replace(team, replaced=replace(item(), period_end=NOW + DAY))
    assert decide(late).until == NOW + 7 * DAY
    assert decide(replace(team, status="active", owed=None, replaced=None)).plan_id == "team"


def test_an_upgrade_on_top_of_an_unpaid_renewal_gains_neither_plan_nor_time() -> None:  # S17, S14
    renewal = owed(NOW - DAY)
    team = subscription("past_due", items=(item("team_monthly"),), owed=renewal, replaced=item())
    assert (decide(team).plan_id, decide(team).until) == ("pro", NOW + 6 * DAY)


def test_an_unpaid_upgrade_on_the_first_paid_day_is_no_failed_trial() -> None:  # S17, S12
    change = Invoice("open", "subscription_update", NOW, is_change=True)
    team = subscription("past_due", owed=change, replaced=item(), trial_end=NOW - DAY / 2)
    assert decide(team).plan_id == "pro"
    assert decide(replace(team, owed=owed(NOW))).plan_id == "free"


def test_a_recovered_payment_is_exactly_what_it_was_before() -> None:  # S15
    assert decide(subscription()) == decide(subscription(), old="free")


@pytest.mark.case("S20")
def test_cancellation_keeps_the_plan_until_the_period_ends() -> None:  # S18, S20
    ending = subscription(cancel_at_period_end=True)
    found = decide(ending)
    assert (found.plan_id, found.until, found.cancel_at_period_end) == ("pro", END, True)
    assert decide(ending, now=END).plan_id == "free"
    assert decide(replace(ending, cancel_at_period_end=False)).until is None


@pytest.mark.case("S20")
def test_a_cancellation_date_ends_the_plan_on_that_date() -> None:  # S20
    found = decide(subscription(cancel_at=NOW + DAY))
    assert (found.until, found.cancel_at_period_end) == (NOW + DAY, True)


def test_the_earlier_of_grace_and_cancellation_ends_the_plan() -> None:  # S14, S20
    late = subscription("past_due", owed=owed(NOW), cancel_at=NOW + DAY)
    assert (decide(late).until, decide(late).grace_until) == (NOW + DAY, NOW + 7 * DAY)


def test_a_yearly_subscription_brings_its_own_anchor() -> None:  # S19
    yearly = subscription(items=(item("pro_yearly"),), anchor_at=NOW)
    assert (decide(yearly).plan_id, decide(yearly).anchor_at) == ("pro", NOW)


@pytest.mark.case("S22")
def test_the_end_of_an_older_subscription_does_not_touch_a_live_one() -> None:  # S22
    old = subscription("canceled", id="sub_0", created_at=START - 90 * DAY)
    found = decide(subscription(), old)
    assert (found.plan_id, found.subscription_id, found.alarms) == ("pro", "sub_1", ())


@pytest.mark.case("S23")
def test_of_two_live_subscriptions_the_higher_plan_counts_with_an_alarm() -> None:  # S23
    team = subscription(id="sub_2", items=(item("team_monthly"),), created_at=START - DAY)
    found = decide(subscription(), team)
    assert (found.plan_id, found.subscription_id) == ("team", "sub_2")
    assert found.alarms == (DUPLICATE,)


def test_the_lower_plan_and_else_the_newer_is_the_duplicate() -> None:  # S23
    team = subscription(id="sub_2", items=(item("team_monthly"),), created_at=START + DAY)
    newer = subscription("trialing", id="sub_3", created_at=START + DAY)
    assert decide(newer, subscription(), team).duplicates == ("sub_1", "sub_3")
    assert decide(newer, subscription()).duplicates == ("sub_3",)


@pytest.mark.parametrize(
    "beside",
    [
        subscription("past_due", id="sub_2", owed=owed(NOW)),
        subscription(id="sub_2", cancel_at_period_end=True),
        subscription(id="sub_2", items=(item("renamed"),)),
        subscription("canceled", id="sub_2"),
    ],
)
def test_what_is_overdue_ends_or_is_unknown_is_no_duplicate_to_cancel(  # S23
    beside: Subscription,
) -> None:
    assert decide(subscription(), beside, old="pro").duplicates == ()


def test_of_several_ended_subscriptions_the_newest_is_told_of() -> None:
    old = subscription("canceled", id="sub_2", created_at=START - 90 * DAY)
    new = subscription("incomplete_expired")
    assert decide(old, new).status == "incomplete_expired"


def test_paused_collection_that_voids_invoices_ends_with_the_paid_period() -> None:  # S24
    paused = subscription(paused_collection="void")
    assert (decide(paused).plan_id, decide(paused).until) == ("pro", END)
    voided = replace(paused, invoice=replace(PAID, status="void"))
    assert decide(voided).plan_id == "free"


@pytest.mark.parametrize("behaviour", ["keep_as_draft", "mark_uncollectible"])
def test_paused_collection_of_another_kind_keeps_the_plan(behaviour: str) -> None:  # S24
    found = decide(subscription(paused_collection=behaviour))
    assert (found.plan_id, found.until) == ("pro", None)
