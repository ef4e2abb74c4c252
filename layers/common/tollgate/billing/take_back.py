"""What an account loses by refunds that it has not lost yet: the parts for the one transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.billing.charges import Charge, clawed_back, refunds
from tollgate.quota.claw_back import claw_back, receipt, undecided
from tollgate.quota.limits import Change
from tollgate.quota.periods import Anchor, period
from tollgate.table.client import Action

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing
    from tollgate.tenancy.gate import Limits


@dataclass(frozen=True, slots=True)
class TakenBack:
    """`receipts` decide new refunds; `changes` are what the gate's write does besides."""

    receipts: tuple[Action, ...] = ()
    changes: tuple[Change, ...] = ()


def take_back(
    billing: "Billing",
    account_id: str,
    limits: "Limits",
    charges: tuple[Charge, ...],
    now: datetime,
) -> TakenBack:
    """`limits` are those from now on.

    Nothing is taken for a charge of before the running period, nor from the plan that everybody
    has; but such a refund is decided too, so that it takes nothing later.
    """
    paid_out = list(refunds(charges))
    new = undecided(billing.table, account_id, [refund.id for _, refund in paid_out])
    if not new:
        return TakenBack()
    catalogue = billing.catalogue
    plan, running = catalogue.plans[limits.plan], period(Anchor.parse(limits.anchor), now)
    parts = {
        refund.id: clawed_back(charge, refund, plan.month)
        if plan != catalogue.lowest and charge.created_at >= running.start
        else 0
        for charge, refund in paid_out
        if refund.id in new
    }
    tokens = sum(parts.values())
    return TakenBack(
        tuple(
            receipt(account_id, refund_id, running.name, part, catalogue.version, now)
            for refund_id, part in parts.items()
        ),
        (claw_back(account_id, plan, running.name, tokens),) if tokens else (),
    )
