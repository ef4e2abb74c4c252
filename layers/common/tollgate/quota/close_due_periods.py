"""The sweep: closes what has ended since the last one, and looks at nothing else.

Correctness never waits for it: a new period opens in its own first admission. Late, skipped, three
times at once or killed anywhere, sweeps end in the same state, because each close is one
transaction and what they note of their progress is true whoever noted it.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from tollgate.catalogue import Catalogue
from tollgate.quota import reset_progress
from tollgate.quota.close_gate import CLOCKS_APART
from tollgate.quota.due import SHARDS
from tollgate.quota.gate import LONGEST_RUN
from tollgate.quota.reset_progress import Left, Progress
from tollgate.quota.sweep_shard import PAGE, Tools, Work, sweep_shard
from tollgate.table.client import Table

MARGIN = LONGEST_RUN + CLOCKS_APART
"""How long after its end a period is closed: the longest run, and clocks that differ."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Gates that were `due`, periods `closed`, holds `reclaimed`, accounts `left` for next time.

    Up to `oldest` everything is closed; None: no sweep has come to its end yet. `finished` False:
    the deadline or a fault came first, and the next run goes on from there. After a deadline `left`
    means at least so many, and `oldest` no later than that.
    """

    due: int
    closed: int
    reclaimed: int
    left: int
    oldest: datetime | None
    finished: bool


def close_due_periods(
    table: Table,
    catalogue: Catalogue,
    clock: Callable[[], datetime],
    time_left: Callable[[], bool],
    *,
    workers: int = 1,
) -> Sweep:
    """Goes on with what another run began, and then to the present.

    Errors: `Unavailable` where the store is out of reach and nothing was done.
    """
    run = _Run(Tools(table, catalogue, clock, time_left), workers)
    progress = reset_progress.read(table)
    if progress.until is not None:
        progress = run.sweep(progress, progress.until)
    present = (clock() - MARGIN).replace(microsecond=0)
    if progress.until is None and (progress.done is None or progress.done < present):
        progress = reset_progress.begin(table, progress, present)
        if progress.until is not None:
            progress = run.sweep(progress, progress.until)
    left, since = run.retry_left(progress.done)
    known = [each for each in (progress.done, since) if each is not None]
    return Sweep(
        due=run.work.due,
        closed=run.work.closed,
        reclaimed=run.work.reclaimed,
        left=left,
        oldest=min(known, default=None),
        finished=progress.until is None,
    )


@dataclass(slots=True)
class _Run:
    tools: Tools
    workers: int
    work: Work = field(default_factory=Work)
    swept: datetime | None = None

    def sweep(self, progress: Progress, until: datetime) -> Progress:
        self.swept = until
        shards = [str(each) for each in range(SHARDS)]
        walk = partial(sweep_shard, self.tools, progress, until)
        if self.workers == 1:
            walked = [walk(shard) for shard in shards]
        else:
            with ThreadPoolExecutor(self.workers) as pool:
                walked = list(pool.map(walk, shards))
        for work in walked:
            self.work.due += work.due
            self.work.closed += work.closed
            self.work.reclaimed += work.reclaimed
        if self.work.due == 0:
            _raise_first_fault(walked)
        if not all(work.finished for work in walked):
            return progress
        return reset_progress.finish(self.tools.table, until)

    def retry_left(self, done: datetime | None) -> tuple[int, datetime | None]:
        """How many accounts stay left, and since when; this run's own wait for another.

        Out of time it asks for nothing after the page in hand, and tells of those it has seen:
        there may be more notes than the run's reserve has time for.
        """
        waiting: list[datetime] = []
        for page in reset_progress.left(self.tools.table, PAGE):
            old = self._to_retry(page) if self.tools.time_left() else []
            gates = self.tools.gates(old)
            for account_id, note in page.items():
                again = account_id in old and self.tools.time_left()
                until = note.until if done is None else max(note.until, done)
                if again and self.tools.close(account_id, gates.get(account_id), until, self.work):
                    reset_progress.forget(self.tools.table, account_id, note)
                else:
                    waiting.append(note.since)
            if not self.tools.time_left():
                break
        return len(waiting), min(waiting, default=None)

    def _to_retry(self, page: Mapping[str, Left]) -> list[str]:
        return [
            each for each, note in page.items() if self.swept is None or note.until < self.swept
        ]


def _raise_first_fault(walked: list[Work]) -> None:
    for work in walked:
        if work.fault is not None:
            raise work.fault
