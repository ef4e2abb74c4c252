"""The hourly sweep: one EventBridge Scheduler event in, what it closed out.

A run that meets its deadline starts the next one itself. The table holds how far it came; the event
carries only which link of the chain this is.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tollgate.catalogue import Catalogue
from tollgate.logs import logger, metrics
from tollgate.quota.close_due_periods import Sweep, close_due_periods
from tollgate.quota.periods import rfc3339
from tollgate.table.client import Table

Event = dict[str, Any]
LONGEST_CHAIN = 12
"""Of five minutes each: then the schedule comes again. Lambda itself stops a chain of sixteen."""
_WORKERS = 16
_RESERVE_MILLISECONDS = 30_000
"""A call to the table may take ten seconds: after the one that is under way, what was done is noted
by another, and the accounts that are left are counted by a third.
"""


def build(
    *,
    table: Table,
    catalogue: Catalogue,
    clock: Callable[[], datetime],
    continue_later: Callable[[int], None],
) -> Callable[[Event, Any], Event]:
    """`continue_later` starts another run, which is given its place in the chain."""

    def reset(event: Event, context: Any) -> Event:
        sweep = close_due_periods(
            table,
            catalogue,
            clock,
            lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS,
            workers=_WORKERS,
        )
        chain = int(event.get("chain", 0))
        if not sweep.finished and sweep.due and chain < LONGEST_CHAIN:
            continue_later(chain + 1)
        answer = _members(sweep)
        line = {"function_name": context.function_name, **answer, **_metrics(sweep, clock())}
        logger().info("reset", extra=line)
        return answer

    return reset


def _members(sweep: Sweep) -> Event:
    return {
        "due": sweep.due,
        "closed": sweep.closed,
        "reclaimed": sweep.reclaimed,
        "left": sweep.left,
        "oldest": None if sweep.oldest is None else rfc3339(sweep.oldest),
        "finished": sweep.finished,
    }


def _metrics(sweep: Sweep, now: datetime) -> Event:
    behind = {}
    if sweep.oldest is not None:
        behind = {"behind_seconds": int((now - sweep.oldest).total_seconds())}
    return {**behind, **metrics(now, "due", "closed", "reclaimed", "left", *behind)}
