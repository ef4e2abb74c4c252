"""What an account may do, judged from Stripe's plain objects and a policy: a second opinion.

Written from the table of cases alone, and importing nothing of what it judges. All times are
Stripe's, in seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
_DAY = 86_400


@dataclass(frozen=True)
class Policy:
    """`plans` by price key; `order` from the lowest plan on."""

    plans: Mapping[str, str]
    order: Sequence[str]
    grace: int


@dataclass(frozen=True)
class Merchant:
    """One customer's objects from the newest on, and the prices that all of them were sold at."""

    subscriptions: Sequence[Json]
    invoices: Sequence[Json]
    charges: Sequence[Json]
    refunds: Sequence[Json]
    disputes: Sequence[Json]
    prices: Sequence[Json]


@dataclass(frozen=True)
class Verdict:
    """`grace` is a deadline that is still ahead, for a payment that failed."""

    plan: str
    until: int | None = None
    grace: int | None = None
    subscription: str | None = None
    suspended: bool = False


@dataclass(frozen=True)
class _Claim:
    plan: str
    until: int | None
    grace: int | None
    subscription: Json


def judge(merchant: Merchant, policy: Policy, now: int) -> Verdict:
    """S23: of several the highest plan, then the one that ends last, then the newest."""
    held = any(each["status"] in ("needs_response", "under_review") for each in merchant.disputes)
    claims = [
        claim
        for each in merchant.subscriptions
        if (claim := _claim(each, merchant, policy)) and (claim.until is None or claim.until > now)
    ]
    if not claims:
        return Verdict(policy.order[0], suspended=held)
    best = max(claims, key=lambda claim: _rank(claim, policy))
    return Verdict(best.plan, best.until, best.grace, best.subscription["id"], held)


def mistakes(merchant: Merchant, policy: Policy, now: int) -> Iterable[str]:
    """What should have been put right at Stripe itself: S11, S23, S26."""
    disputed = {each["charge"] for each in merchant.disputes if each["status"] == "lost"}
    lost = [each["created"] for each in merchant.charges if each["id"] in disputed]
    alive = ("active", "trialing", "past_due", "unpaid", "paused")
    for each in merchant.subscriptions:
        if each["status"] in alive and any(each["created"] <= at for at in lost):
            yield f"S26: {each['id']} outlived a dispute that was lost"
    renewing = [
        each["id"]
        for each in merchant.subscriptions
        if (claim := _claim(each, merchant, policy)) and claim.until is None
    ]
    if len(renewing) > 1:
        yield f"S23: {renewing} are all paid for, and renew"
    tried = [each for each in merchant.subscriptions if each["trial_end"] is not None]
    first = min(tried, key=lambda each: (each["created"], each["id"]), default=None)
    for each in tried:
        if each["status"] == "trialing" and first and each["created"] > first["created"]:
            yield f"S11: {each['id']} is a second trial"


def _rank(claim: _Claim, policy: Policy) -> tuple[int, bool, int, int, str]:
    made = claim.subscription
    return (
        policy.order.index(claim.plan),
        claim.until is None,
        claim.until or 0,
        made["created"],
        made["id"],
    )


def _claim(subscription: Json, merchant: Merchant, policy: Policy) -> _Claim | None:
    """What one subscription gives, whether or not its end has come."""
    item = _plan_item(subscription, policy)
    plan = policy.plans[_key(item["price"])]
    end = _announced_end(subscription, item)
    match subscription["status"]:
        case "trialing":  # S10
            return _Claim(plan, end, None, subscription)
        case "active" if _unpaid_at_first(subscription, merchant):  # S4
            return None
        case "active" if (subscription["pause_collection"] or {}).get("behavior") == "void":  # S24
            paid = _invoice(subscription["latest_invoice"], merchant)["status"] == "paid"
            over = item["current_period_end"] if paid else item["current_period_start"]
            return _Claim(plan, _earlier(over, end), None, subscription)
        case "active" if subscription["pause_collection"] or not any(
            map(_is_written_off, _owed(subscription, merchant))
        ):
            return _Claim(plan, end, None, subscription)
        case "active" | "past_due" | "unpaid":  # S14, S16
            return _overdue(subscription, merchant, policy, end)
    return None  # S5, S12, S21


def _overdue(
    subscription: Json, merchant: Merchant, policy: Policy, end: int | None
) -> _Claim | None:
    """From the oldest invoice that is owed; who never paid has no grace (S5, S12), and what stood
    before a change that is not paid was paid for (S17).
    """
    price, owed = _plan_item(subscription, policy)["price"], _owed(subscription, merchant)
    oldest = owed[0] if owed else _invoice(subscription["latest_invoice"], merchant)
    taken_back = [line for each in owed for line in _taken_back(each)]
    change_alone = bool(owed) and bool(_taken_back(oldest))
    by_hand = oldest["due_date"] is not None
    if oldest["billing_reason"] == "subscription_create" and not by_hand:
        return None
    trial_end = subscription["trial_end"]
    if trial_end is not None and oldest["created"] <= trial_end + _DAY and not change_alone:
        return None
    grace = (oldest["due_date"] or oldest["created"]) + policy.grace
    if taken_back:
        before = taken_back[0]
        price = _price(before["pricing"]["price_details"]["price"], merchant)
        if change_alone:
            grace = max(grace, before["period"]["end"])
    plan = policy.plans[_key(price)]
    return _Claim(plan, _earlier(grace, end), grace, subscription)


def _plan_item(subscription: Json, policy: Policy) -> Json:
    """S9: what is metered beside it decides nothing."""
    items: Sequence[Json] = subscription["items"]["data"]
    return next(each for each in items if _key(each["price"]) in policy.plans)


def _key(price: Json) -> str:
    """Ours, which a price keeps when its lookup key has moved on to another."""
    key: str = price["metadata"].get("price_key", "")
    return key


def _announced_end(subscription: Json, item: Json) -> int | None:
    """S20."""
    at_period_end = item["current_period_end"] if subscription["cancel_at_period_end"] else None
    cancel_at: int | None = subscription["cancel_at"]
    return cancel_at if at_period_end is None else _earlier(at_period_end, cancel_at)


def _unpaid_at_first(subscription: Json, merchant: Merchant) -> bool:
    invoice = _invoice(subscription["latest_invoice"], merchant)
    first = invoice["billing_reason"] == "subscription_create"
    return bool(first and invoice["status"] == "open" and invoice["due_date"] is None)


def _owed(subscription: Json, merchant: Merchant) -> list[Json]:
    """From the oldest on: they are listed from the newest on, also those of one second. What is
    written off is owed until a period, or as much, is paid after.
    """
    mine = [
        each
        for each in reversed(merchant.invoices)
        if each["parent"]["subscription_details"]["subscription"] == subscription["id"]
    ]
    paid = [each for each in mine if each["status"] == "paid"]
    owed = [
        each
        for each in mine
        if each["status"] == "open"
        or (_is_written_off(each) and not any(_makes_good(each, other) for other in paid))
    ]
    return sorted(owed, key=_created)


def _is_written_off(invoice: Json) -> bool:
    """After somebody was asked to pay it: what a pause gives away is written off as it is sent."""
    changes = invoice["status_transitions"]
    if invoice["status"] != "uncollectible":
        return False
    return bool(changes["marked_uncollectible_at"] - changes["finalized_at"] > 60)


def _makes_good(lost: Json, paid: Json) -> bool:
    if paid["created"] <= lost["created"]:
        return False
    change = paid["billing_reason"] == "subscription_update"
    return bool(not change or paid["amount_paid"] >= lost["amount_due"])


def _taken_back(invoice: Json) -> list[Json]:
    """The unused time of what a change replaced."""
    changes = invoice["billing_reason"] == "subscription_update"
    return [line for line in invoice["lines"]["data"] if changes and line["amount"] < 0]


def _invoice(invoice_id: str, merchant: Merchant) -> Json:
    return next(each for each in merchant.invoices if each["id"] == invoice_id)


def _price(price_id: str, merchant: Merchant) -> Json:
    return next(each for each in merchant.prices if each["id"] == price_id)


def _created(thing: Json) -> int:
    created: int = thing["created"]
    return created


def _earlier(one: int, other: int | None) -> int:
    return one if other is None else min(one, other)
