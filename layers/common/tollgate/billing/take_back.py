"""What refunds take of an account's allowance, and give back where they fail: the parts for the one
transaction.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.billing.charges import Charge, Refund, clawed_back, refunds, returned
from tollgate.quota import claw_back as quota
from tollgate.quota.limits import Change
from tollgate.quota.periods import Anchor, period
from tollgate.table.client import Action

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing
    from tollgate.billing.reading import Reading
    from tollgate.catalogue import Catalogue, Plan
    from tollgate.quota.records import Receipt
    from tollgate.tenancy.gate import Limits


@dataclass(frozen=True, slots=True)
class TakenBack:
    """`actions` decide refunds; `changes` are what the gate's write does besides."""

    actions: tuple[Action, ...] = ()
    changes: tuple[Change, ...] = ()


def take_back(
    billing: "Billing",
    account_id: str,
    limits: "Limits",
    reading: "Reading",
    now: datetime,
) -> TakenBack:
    """`limits` are those from now on. What takes nothing is decided too, and takes nothing later.

    A period is counted once in a write, whatever is taken from it and given back to it.
    """
    charges, bought_at = reading.charges or (), reading.entitlement.current_period_start
    paid_out, failed = list(refunds(charges)), list(returned(charges))
    ids = [refund.id for refund in (*(refund for _, refund in paid_out), *failed)]
    standing = quota.decided(billing.table, account_id, ids, now)
    catalogue = billing.catalogue
    plan, running = catalogue.plans[limits.plan], period(Anchor.parse(limits.anchor), now)
    since = min(running.start, bought_at or running.start)
    price = catalogue.price(reading.entitlement.price_key)
    left = _left(plan, running.name, (standing.get(refund.id) for _, refund in paid_out))
    parts: dict[str, int] = {}
    for charge, refund in paid_out:
        if refund.id not in standing:
            part = _part(catalogue, plan, since, charge, refund, price.amount if price else 0)
            parts[refund.id] = min(part, left - sum(parts.values()))
    known = (standing[each.id] for each in failed if each.id in standing)
    undone = [receipt for receipt in known if receipt.charged_tokens]
    given: Counter[str] = Counter()
    for each in undone:
        given[each.period] += each.charged_tokens
    taken = sum(parts.values()) - given.pop(running.name, 0)
    beside, changes = quota.give_back(billing.table, account_id, given)
    if taken:
        changes.append(quota.claw_back(account_id, plan, running.name, taken))
    return TakenBack(
        (
            *(
                quota.receipt(account_id, refund_id, running.name, part, catalogue.version, now)
                for refund_id, part in parts.items()
            ),
            *(quota.returned(each, now) for each in undone),
            *beside,
        ),
        tuple(changes),
    )


def _left(plan: "Plan", running: str, before: Iterable["Receipt | None"]) -> int:
    """All refunds together take no more of a period than its month."""
    taken = (each.charged_tokens for each in before if each and each.period == running)
    return max(0, plan.month - sum(taken))


def _part(
    catalogue: "Catalogue",
    plan: "Plan",
    since: datetime,
    charge: Charge,
    refund: Refund,
    price: int,
) -> int:
    """Nothing for a charge of before what runs now, which is a year where a year was bought; nor of
    the plan that everybody has, nor of a metered one, where what goes beyond would be sold.
    """
    if plan == catalogue.lowest or plan.overage is not None or charge.created_at < since:
        return 0
    return clawed_back(charge, refund, price, plan.month)
