"""Beside the price of a plan that sells beyond its month stands the metered one, whoever put the
plan there: our checkout, Stripe's portal, or a person in its dashboard.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tollgate.billing.entitlement import Entitlement, Policy
from tollgate.billing.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Mending:
    """`adds` is the key of a price, `removes` are items that another plan has left behind."""

    subscription_id: str
    adds: str | None
    removes: tuple[str, ...]


def mending(
    found: Entitlement, subscriptions: Iterable[Subscription], policy: Policy
) -> Mending | None:
    """What the subscription that grants the plan needs; None where all is right.

    Nothing is touched where the price is not ours, and none while a change is not paid: its items
    are those of another plan than the one that counts.
    """
    if policy.plans.get(found.price_key or "") != found.plan_id:
        return None
    chosen = next(each for each in subscriptions if each.id == found.subscription_id)
    if chosen.is_overdue and chosen.replaced is not None:
        return None
    wanted, ours = policy.metered.get(found.price_key or ""), frozenset(policy.metered.values())
    standing = [each for each in chosen.items if each.price_key in ours]
    is_missing = all(each.price_key != wanted for each in standing)
    adds = wanted if is_missing else None
    removes = tuple(each.id for each in standing if each.price_key != wanted)
    return Mending(chosen.id, adds, removes) if adds or removes else None
