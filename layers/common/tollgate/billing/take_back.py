"""What refunds take of an account's allowance, and give back where they fail: the parts for the one
transaction.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
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
    from tollgate.billing.entitlement import Entitlement
    from tollgate.billing.reading import Reading
    from tollgate.catalogue import Catalogue, Plan
    from tollgate.quota.periods import Period
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
    charges, catalogue = reading.charges or (), billing.catalogue
    paid_out, failed = list(refunds(charges)), list(returned(charges))
    ids = [refund.id for refund in (*(refund for _, refund in paid_out), *failed)]
    standing = quota.decided(billing.table, account_id, ids, now)
    plan, running = catalogue.plans[limits.plan], period(Anchor.parse(limits.anchor), now)
    parts = _parts(catalogue, plan, running, reading.entitlement, paid_out, standing)
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


def _parts(
    catalogue: "Catalogue",
    plan: "Plan",
    running: "Period",
    found: "Entitlement",
    paid_out: Sequence[tuple[Charge, Refund]],
    standing: Mapping[str, "Receipt"],
) -> dict[str, int]:
    """By refund, of those that nothing was decided about: all of them together, and those before,
    take no more of a period than its month.

    Nothing for a charge of before what runs now, which is a year where a year was bought; nor of
    the plan that everybody has, nor of a metered one, where what goes beyond would be sold.
    """
    price = catalogue.price(found.price_key)
    since = min(running.start, found.current_period_start or running.start)
    takes_nothing = plan == catalogue.lowest or plan.overage is not None
    before = (standing[each.id] for _, each in paid_out if each.id in standing)
    left = plan.month - sum(each.charged_tokens for each in before if each.period == running.name)
    parts: dict[str, int] = {}
    for charge, refund in paid_out:
        if refund.id in standing:
            continue
        is_spared = takes_nothing or charge.created_at < since
        share = clawed_back(charge, refund, price.amount if price else 0, plan.month)
        parts[refund.id] = 0 if is_spared else min(share, max(0, left) - sum(parts.values()))
    return parts
