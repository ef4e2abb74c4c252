"""The hourly sweep: one EventBridge Scheduler event in, what it closed out."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tollgate.catalogue import Catalogue
from tollgate.quota.close_due_periods import close_due_periods
from tollgate.table.client import Table

Event = dict[str, Any]
_RESERVE_MILLISECONDS = 10_000


def build(
    *,
    table: Table,
    catalogue: Catalogue,
    clock: Callable[[], datetime],
) -> Callable[[Event, Any], Event]:
    """The schedule's payload says nothing that matters: what is due is read from the table."""

    def reset(_: Event, context: Any) -> Event:
        sweep = close_due_periods(
            table,
            catalogue,
            clock,
            lambda: context.get_remaining_time_in_millis() > _RESERVE_MILLISECONDS,
        )
        return {
            "seen": sweep.seen,
            "closed": sweep.closed,
            "reclaimed": sweep.reclaimed,
            "finished": sweep.finished,
        }

    return reset
