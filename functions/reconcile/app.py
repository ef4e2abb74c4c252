"""The daily comparison with Stripe: one EventBridge Scheduler event in, what was put right out.

A run that meets its deadline starts the next one itself, as the reset does.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from tollgate.billing.apply_subscription import Billing
from tollgate.billing.reconcile import reconcile
from tollgate.logs import logger, metrics

Event = dict[str, Any]
LONGEST_CHAIN = 12
"""Of fifteen minutes each. Lambda itself stops a chain of sixteen."""
_RESERVE_MILLISECONDS = 60_000
"""For one account's repair, or a page, which wait for Stripe and for the table a few times, and for
the note."""


def build(
    *, billing: Billing, continue_later: Callable[[int], None]
) -> Callable[[Event, Any], Event]:
    """`continue_later` starts another run, which is given its place in the chain."""

    def compare(event: Event, context: Any) -> Event:
        found = reconcile(
            billing, lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS
        )
        chain = int(event.get("chain", 0))
        if not found.finished and found.seen and chain < LONGEST_CHAIN:
            continue_later(chain + 1)
        answer = {**asdict(found), "named": list(found.named)}
        told = {
            "drift": found.repaired,
            "lapsed": found.lapsed,
            "left": found.left,
            "unfinished": int(not found.finished),
        }
        line = {"function_name": context.function_name, **answer, **told}
        logger().info("reconciled", extra={**line, **metrics(billing.clock(), *told)})
        return answer

    return compare
