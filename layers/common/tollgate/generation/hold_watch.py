"""A running generation learns from its own hold that it shall end, since a stop may come to any
process.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from anyio.to_thread import run_sync

from tollgate.quota.admission import Visitor
from tollgate.quota.stop import is_to_end
from tollgate.table.client import Table, Unavailable

_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class HoldWatch:
    """The opening and the relay watch one after the other, and neither waits for the other's pause
    anew.
    """

    table: Table
    visitor: Visitor
    _next: float = field(default_factory=lambda: anyio.current_time() + _PAUSE_SECONDS)

    async def ended(self) -> None:
        """Returns when the hold was stopped or reclaimed."""
        ended = False
        while not ended:
            await anyio.sleep_until(self._next)
            ended = await run_sync(self._is_to_end, abandon_on_cancel=True)
            self._next = anyio.current_time() + _PAUSE_SECONDS

    def _is_to_end(self) -> bool:
        """No answer is no reason to stop: the settlement finds out what happened meanwhile."""
        try:
            return is_to_end(self.table, self.visitor.account_id, self.visitor.generation_id)
        except Unavailable:
            return False


async def cancel_after(event: Callable[[], Awaitable[object]], scope: anyio.CancelScope) -> None:
    await event()
    scope.cancel()
