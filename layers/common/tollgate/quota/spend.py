"""The daily spend cap: what all accounts together may cost at the providers in one UTC day.

No single gate can hold it, and an item that every admission writes would be the table's hottest.
So what is decided is counted off the hot path, from the table's stream (`count_spend`), and the
count throws a switch that is read here, from memory for `FRESH` at a time. The price is a bounded
overshoot. A generation can add to it only if it was open when the true spend met the cap, or was
admitted in the F + C seconds after that:

    spend beyond the cap <= (O + A * (F + C)) * M

O  generations open at once: at most Lambda's concurrency (1,000 by default), one stream each, and
   those that died and await their reclaim
A  admissions a second: at most the gateway's throttle (200), and once, after a quieter time, its
   burst (400 at most) on top
F  seconds from a receipt to the switch: the stream and its batch window (about 2), the
   function's run, and all the time for which the feed stands still: an alarm tells after a minute
C  `FRESH`, 5 seconds
M  the dearest hold of a plan at the prices of its dearest model (27.8 cents: Team's 2,000 tokens
   of output and 129,122 of input. The plan's 32,000 are estimated at four bytes each, but a token
   may be a single byte and a hold covers that, with the longest blueprint's prompt)

With the deployment's own numbers that is at most (1,000 + 200 * 7) * 27.8 cents, 670 dollars, and
780 with the burst, on a day on which all of a thousand streams are Team's longest and no text is
usual; for a service with twenty of them open and two admissions a second it is 9.50 dollars. A
lower reserved concurrency or throttle lowers it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tollgate.quota.gate import day_ends, day_of
from tollgate.table import keys
from tollgate.table.client import Table

FRESH = timedelta(seconds=5)
NANO_DOLLARS_PER_CENT = 10_000_000


class SpendCapReached(Exception):
    """Nothing is admitted for anybody before `resets_at`."""

    def __init__(self, resets_at: datetime) -> None:
        super().__init__(resets_at)
        self.resets_at = resets_at


@dataclass(frozen=True, slots=True)
class _Reading:
    at: datetime
    spent: int


@dataclass(slots=True)
class SpendSwitch:
    """What one process knows of the switch; `cap` (cents a UTC day) None asks for nothing.

    The switch holds what was spent when it was thrown, in billionths of a dollar, and is compared
    with today's catalogue: a raised cap opens again. Every day has a switch of its own, so that
    midnight opens without an event.
    """

    table: Table
    cap: int | None
    clock: Callable[[], datetime]
    _reading: _Reading | None = field(default=None, init=False)

    def is_fresh(self) -> bool:
        """False: `refresh` before `check`."""
        if self.cap is None:
            return True
        now, reading = self.clock(), self._reading
        return (
            reading is not None
            and reading.at <= now < reading.at + FRESH
            and day_of(reading.at) == day_of(now)
        )

    def refresh(self) -> None:
        """One read. Errors: `Unavailable`, in which nothing may be admitted: a store that cannot
        be read for the switch would not admit either, and an old verdict has outlived its bound.
        """
        now = self.clock()  # before the read: its answer may be as old as that
        item = self.table.get(keys.spend_switch(day_of(now)))
        self._reading = _Reading(now, 0 if item is None else int(item["spent"]["N"]))

    def check(self) -> None:
        """From memory. Errors: `SpendCapReached`."""
        if self.cap is None or self._reading is None:
            return
        if self._reading.spent >= self.cap * NANO_DOLLARS_PER_CENT:
            raise SpendCapReached(day_ends(self._reading.at))
