"""What an account may do now, from all of its Stripe subscriptions: one pure function.

No event decides anything here, so that events may be lost, repeated or shuffled. Read `_standing`
as a table, one line a status; the rest works out its dates and chooses between subscriptions.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from tollgate.billing.subscription import Item, Subscription

DUPLICATE = "duplicate_subscription"
UNKNOWN_PRICE = "unknown_price"

_FIRST_CHARGE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Policy:
    """`plans` by price key; `order` from the lowest plan, which everybody has, to the highest.

    `metered` is what sells beyond the month, by the key of the price that it stands beside.
    """

    plans: Mapping[str, str]
    order: tuple[str, ...]
    grace: timedelta
    metered: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entitlement:
    """`until` is a deadline that holds without any further event; None where no end is known.

    A plain renewal has none: its webhook may be late, and a payer must not lose the plan for that.
    `metered`: what goes beyond the month is sold, and will be paid for. `duplicates` are
    subscriptions that renew beside a better one: to be cancelled.
    """

    plan_id: str
    price_key: str | None = None
    status: str = "none"
    until: datetime | None = None
    grace_until: datetime | None = None
    anchor_at: datetime | None = None
    current_period_start: datetime | None = None
    current_period_end: datetime | None = None
    cancel_at_period_end: bool = False
    subscription_id: str | None = None
    why: str = "no subscription"
    alarms: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    metered: bool = False


@dataclass(frozen=True, slots=True)
class _Standing:
    """Whether a subscription grants its plan, until when, and why; `paid` as often as it renews."""

    granted: bool
    why: str
    until: datetime | None = None
    grace_until: datetime | None = None
    paid: bool = False


def entitlement(
    subscriptions: Iterable[Subscription], old_plan: str, now: datetime, policy: Policy
) -> Entitlement:
    """The highest plan that any subscription grants at `now`, else the lowest plan of all.

    `old_plan`, held before, matters only where all that is live has a price we do not know: that
    plan stays, with an alarm, since a gap in the catalogue must not take what was paid for.
    """
    unique = {each.id: each for each in subscriptions}.values()
    claims = [_entitled(each, old_plan, now, policy) for each in unique]
    if not claims:
        return Entitlement(policy.order[0])
    chosen = max(claims, key=lambda claim: _precedence(claim, policy))
    return _with_alarms(chosen, claims, policy)


@dataclass(frozen=True, slots=True)
class _Claim:
    entitlement: Entitlement
    granted: bool
    guessed: bool
    created_at: datetime


def _entitled(subscription: Subscription, old_plan: str, now: datetime, policy: Policy) -> _Claim:
    item = _plan_item(subscription, policy)
    known_plan = policy.plans.get(item.price_key or "") if item else None
    standing = _standing(subscription, item, policy)
    over = standing.until is not None and standing.until <= now
    granted = standing.granted and not over
    guessed = granted and known_plan is None
    return _Claim(
        Entitlement(
            plan_id=(known_plan or old_plan) if granted else policy.order[0],
            price_key=item.price_key if item else None,
            status=subscription.status,
            until=standing.until if granted else None,
            grace_until=standing.grace_until,
            anchor_at=subscription.anchor_at if granted else None,
            current_period_start=item.period_start if item else None,
            current_period_end=item.period_end if item else None,
            cancel_at_period_end=subscription.is_ending and subscription.is_live,
            subscription_id=subscription.id,
            why=f"{standing.why}, now over" if over else standing.why,
            alarms=(UNKNOWN_PRICE,) if guessed else (),
            metered=granted and standing.paid and _has_metered(subscription, item, policy),
        ),
        granted,
        guessed,
        subscription.created_at,
    )


def _standing(subscription: Subscription, item: Item | None, policy: Policy) -> _Standing:
    ends = _announced_end(subscription, item)
    match subscription.status:
        case "trialing":
            return _Standing(True, "on trial", ends)
        case "active" if _first_payment_pending(subscription):
            return _Standing(False, "its first payment is not through yet")
        case "active" if subscription.paused_collection == "void":
            paid_until = _paid_until(subscription, item)
            return _Standing(True, "paused after this period", min(paid_until, ends or paid_until))
        case "active" if not subscription.is_overdue:
            return _Standing(True, "paid", ends, paid=subscription.paused_collection is None)
        case "active" | "past_due" | "unpaid" if _never_paid(subscription):
            return _Standing(False, "its first charge failed")
        case "active" | "past_due" | "unpaid":
            grace = _deadline(subscription, item, policy)
            return _Standing(True, "a payment is overdue", min(grace, ends or grace), grace)
        case status:  # incomplete, incomplete_expired, paused, canceled
            return _Standing(False, status)


def _plan_item(subscription: Subscription, policy: Policy) -> Item | None:
    """The item of the highest plan; where none is ours, any one, for its dates.

    Stripe has changed the item of an upgrade whose payment failed: what it replaced counts on.
    """
    if subscription.is_overdue and subscription.replaced is not None:
        return subscription.replaced

    def rank(item: Item) -> tuple[int, str, datetime]:
        plan = policy.plans.get(item.price_key or "")
        place = -1 if plan is None else policy.order.index(plan)
        return place, item.price_key or "", item.period_end

    return max(subscription.items, key=rank, default=None)


def _has_metered(subscription: Subscription, item: Item | None, policy: Policy) -> bool:
    wanted = policy.metered.get(item.price_key or "") if item else None
    return wanted is not None and any(each.price_key == wanted for each in subscription.items)


def _announced_end(subscription: Subscription, item: Item | None) -> datetime | None:
    ends = [subscription.cancel_at] if subscription.cancel_at else []
    if subscription.cancel_at_period_end and item is not None:
        ends.append(item.period_end)
    return min(ends, default=None)


def _first_payment_pending(subscription: Subscription) -> bool:
    """A bank debit is active days before its money arrives; who pays by hand is trusted."""
    invoice = subscription.invoice
    return (
        invoice is not None
        and invoice.reason == "subscription_create"
        and invoice.status == "open"
        and invoice.due_at is None
    )


def _paid_until(subscription: Subscription, item: Item | None) -> datetime:
    """Stripe goes on counting periods while it voids their invoices: the newest may be unpaid."""
    if item is None:
        return subscription.created_at
    paid = subscription.invoice is None or subscription.invoice.status == "paid"
    return item.period_end if paid else item.period_start


def _never_paid(subscription: Subscription) -> bool:
    """What is owed is the very first charge, of the beginning or of the trial's end: no grace."""
    trial_end, owed = subscription.trial_end, subscription.owed or subscription.invoice
    if owed is None or owed.is_change:
        return False
    if owed.reason == "subscription_create":
        return owed.due_at is None
    return trial_end is not None and owed.created_at <= trial_end + _FIRST_CHARGE


def _deadline(subscription: Subscription, item: Item | None, policy: Policy) -> datetime:
    """Where only a change is owed, what stood before it is paid to its period's end."""
    grace = _owed_since(subscription, item) + policy.grace
    owes_change_alone = subscription.owed is not None and subscription.owed.is_change
    return max(grace, item.period_end) if item and owes_change_alone else grace


def _owed_since(subscription: Subscription, item: Item | None) -> datetime:
    """From the invoice and never from a clock, so that every reading finds the same deadline.

    A draft is a new one each period: what was not paid before it has had its grace.
    """
    owed = subscription.owed or subscription.invoice
    if owed is not None:
        is_draft = owed.status == "draft"
        return subscription.created_at if is_draft else owed.due_at or owed.created_at
    return item.period_start if item else subscription.created_at


def _precedence(
    claim: _Claim, policy: Policy
) -> tuple[bool, bool, int, bool, float, datetime, str]:
    """Granted, at a known price, the higher plan, the later end, the newer: no two are equal."""
    found = claim.entitlement
    return (
        claim.granted,
        not claim.guessed,
        policy.order.index(found.plan_id) if found.plan_id in policy.order else 0,
        found.until is None,
        found.until.timestamp() if found.until else 0.0,
        claim.created_at,
        found.subscription_id or "",
    )


def _with_alarms(chosen: _Claim, claims: list[_Claim], policy: Policy) -> Entitlement:
    alarms = {alarm for claim in claims for alarm in claim.entitlement.alarms}
    if sum(claim.granted for claim in claims) > 1:
        alarms.add(DUPLICATE)
    duplicates = _duplicates(claims, policy)
    return replace(chosen.entitlement, alarms=tuple(sorted(alarms)), duplicates=duplicates)


def _duplicates(claims: list[_Claim], policy: Policy) -> tuple[str, ...]:
    """All but the highest plan, and of one plan all but the oldest.

    Only what is paid and would be again: what is overdue or ends by itself needs no hand, and what
    an unknown price sells is for a person to judge.
    """
    renewing = [
        claim
        for claim in claims
        if claim.granted and not claim.guessed and claim.entitlement.until is None
    ]
    renewing.sort(key=lambda claim: (claim.created_at, claim.entitlement.subscription_id or ""))
    renewing.sort(key=lambda claim: policy.order.index(claim.entitlement.plan_id), reverse=True)
    return tuple(claim.entitlement.subscription_id or "" for claim in renewing[1:])
