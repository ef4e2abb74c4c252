"""One worker's way through one shard of the index, a page in memory at a time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tollgate.catalogue import Catalogue
from tollgate.logs import logger, raise_alarm
from tollgate.quota import reset_progress
from tollgate.quota.close_gate import close_gate
from tollgate.quota.due import ranges
from tollgate.quota.reset_progress import Overtaken, Place, Progress
from tollgate.table import keys
from tollgate.table.client import Item, Table, Unavailable

PAGE = 100
_PAGES_A_NOTE = 10
_NO_GATE = (LookupError, TypeError, ValueError, AttributeError)
"""What reading an item as a gate raises where it is none."""


@dataclass(slots=True)
class Work:
    """What a worker has done; it `finished` unless the deadline or a `fault` stopped it."""

    due: int = 0
    closed: int = 0
    reclaimed: int = 0
    finished: bool = True
    fault: Unavailable | None = None


@dataclass(frozen=True, slots=True)
class Tools:
    table: Table
    catalogue: Catalogue
    clock: Callable[[], datetime]
    time_left: Callable[[], bool]

    def gates(self, account_ids: Sequence[str]) -> Mapping[str, Item]:
        """By account, those that stand; at most a page."""
        items = self.table.get_many([keys.gate(each) for each in account_ids])
        return {keys.account_of(item): item for item in items}

    def close(self, account_id: str, gate: Item | None, until: datetime, work: Work) -> bool:
        """Whether nothing that ended by `until` is left; a failure is noted and stops nobody."""
        if gate is None:
            return True
        try:
            closing = close_gate(self.table, self.catalogue, gate, until, self.clock())
        except (Unavailable, *_NO_GATE) as error:
            reason = type(error).__name__
        else:
            work.closed += closing.closed
            work.reclaimed += closing.reclaimed
            if closing.complete:
                return True
            reason = "held"
        if reset_progress.leave(self.table, account_id, until):
            raise_alarm("reset_left", account=account_id, reason=reason)
        return False


def sweep_shard(tools: Tools, progress: Progress, until: datetime, shard: str) -> Work:
    """Goes on from where the shard's last worker was; what it has done is told in any case."""
    walk = _Walk(tools, progress, until, shard, progress.places.get(shard))
    try:
        walk.to_its_end()
    except Overtaken:
        walk.work.finished = True
    except Unavailable as fault:
        logger().warning("reset_stopped", extra={"shard": shard, "fault": str(fault)})
        walk.work.finished, walk.work.fault = False, fault
    return walk.work


@dataclass(slots=True)
class _Walk:
    tools: Tools
    progress: Progress
    until: datetime
    shard: str
    place: Place | None
    work: Work = field(default_factory=Work)

    def to_its_end(self) -> None:
        for count, page in enumerate(self._pages(), 1):
            self._close(page)
            if not self.work.finished:
                self._note()
                return
            if count % _PAGES_A_NOTE == 0:
                self._note()
        if self.work.due:
            self._note()

    def _close(self, page: Sequence[Place]) -> None:
        gates = self.tools.gates([each.account_id for each in page])
        for each in page:
            if not self.tools.time_left():
                self.work.finished = False
                return
            self.work.due += 1
            self.tools.close(each.account_id, gates.get(each.account_id), self.until, self.work)
            self.place = each

    def _note(self) -> None:
        if self.place is not None:
            reset_progress.advance(self.tools.table, self.until, self.shard, self.place)

    def _pages(self) -> Iterator[Sequence[Place]]:
        place = self.place
        for first, last in ranges(self.progress.done, self.until):
            if place is not None and place.boundary > last:
                continue
            resumed = place is not None and place.boundary >= first
            start = place.start(self.shard) if place is not None and resumed else None
            while True:
                page = self.tools.table.query_due(self.shard, first, last, limit=PAGE, start=start)
                if page.items:
                    yield [Place.of(item) for item in page.items]
                if (start := page.next_key) is None:
                    break
