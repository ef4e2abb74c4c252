"""Stripe against every account: what lost events and damaged items have left behind is put right.

First Stripe's side: everybody's subscriptions, a page at a time. Then ours: the customers that we
know and the gates in use, for what Stripe no longer has. Both only name suspects; each of them is
read afresh and repaired through the same path as an event. A second run finds nothing to write.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

from tollgate.billing import reconcile_progress
from tollgate.billing.apply_subscription import Billing, repair_account
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.reconcile_pages import PHASES, Checks, begin, pages
from tollgate.billing.reconcile_progress import Progress
from tollgate.billing.suspects import Check, Orphaned, UnknownShape
from tollgate.logs import logger, raise_alarm
from tollgate.table.client import Unavailable
from tollgate.table.record import UNREADABLE

_ACCOUNTS_A_NOTE = 1_000
_OLD = timedelta(hours=12)
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """Accounts `seen`, and those `repaired`; `lapsed` had a deadline behind them that nobody had
    asked about since. `left` could not be repaired, and are told of by an alarm each; the first of
    them are `named`. `finished` False: the next run goes on from where this one came to.
    """

    seen: int
    repaired: int
    lapsed: int
    left: int
    named: tuple[str, ...]
    finished: bool


def reconcile(billing: Billing, time_left: Callable[[], bool] = lambda: True) -> Reconciliation:
    """Goes on with what another run began; one that is half a day old is followed by its own.

    Errors: `BillingUnavailable`, `Unavailable` where nothing could be seen.
    """
    run, now = _Run(billing, time_left), billing.clock()
    fresh, begun = begin(now), reconcile_progress.read(billing.table, now)
    if begun is not None and begun.phase not in PHASES:
        begun = None  # of another version of this
    finished = run.walk(begun or fresh, noted=begun is not None)
    if finished and begun is not None and begun.began < now - _OLD:
        finished = run.walk(fresh, noted=False)
    return Reconciliation(
        seen=len(run.seen),
        repaired=run.repaired,
        lapsed=run.lapsed,
        left=len(run.left),
        named=tuple(run.left[:_NAMED]),
        finished=finished,
    )


@dataclass(slots=True)
class _Run:
    """`seen` is what makes the second half cheap: what this very run found at Stripe is right."""

    billing: Billing
    time_left: Callable[[], bool]
    seen: set[str] = field(default_factory=set)
    left: list[str] = field(default_factory=list)
    repaired: int = 0
    lapsed: int = 0

    def walk(self, progress: Progress, *, noted: bool) -> bool:
        """Whether it came to the end. Nothing is noted of a short way, and nothing stays noted."""
        at, told = progress, len(self.seen)
        try:
            for checks, at in pages(self.billing, progress, self.seen):
                if not self._all(checks):
                    reconcile_progress.write(self.billing.table, at)
                    return False
                if len(self.seen) - told >= _ACCOUNTS_A_NOTE:
                    reconcile_progress.write(self.billing.table, at)
                    noted, told = True, len(self.seen)
        except (Unavailable, BillingUnavailable) as fault:
            logger().warning("reconcile_stopped", extra={"phase": at.phase, "fault": str(fault)})
            if not self.seen:
                raise
            with suppress(Unavailable):  # the place saves time only; what was done is told
                reconcile_progress.write(self.billing.table, at)
            return False
        if noted:
            reconcile_progress.forget(self.billing.table)
        return True

    def _all(self, checks: Checks) -> bool:
        """False where the time was over first."""
        for name, check in checks:
            if not self.time_left():
                return False
            self._one(name, check)
            self.seen.add(name)
        return self.time_left()

    def _one(self, name: str, check: Check) -> None:
        """What cannot be repaired stops nobody else, and is tried again by every run."""
        try:
            with self.billing.stripe.in_time():
                suspect = check()
                if suspect is None:
                    return
                wrote = repair_account(self.billing, suspect.account_id, suspect.doubt)
        except (BillingUnavailable, Unavailable, Orphaned, UnknownShape, *UNREADABLE) as error:
            self.left.append(name)
            raise_alarm("reconcile_left", account=name, reason=type(error).__name__)
            return
        if wrote and suspect.lapsed:
            self.lapsed += 1
        elif wrote:
            self.repaired += 1
            raise_alarm("drift", account=suspect.account_id, found_by=suspect.doubt.found_by)
