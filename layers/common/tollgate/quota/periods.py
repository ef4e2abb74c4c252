"""When an allowance begins and ends: pure, in UTC, from an anchor and an instant.

Free accounts have calendar months, paid ones the months of their subscription's own anchor; an
anchor on the 31st falls on the last day of shorter months and returns to the 31st after them.
"""

from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end), both aware; it is named by its full start instant."""

    start: datetime
    end: datetime

    @property
    def name(self) -> str:
        return rfc3339(self.start)


@dataclass(frozen=True, slots=True)
class Anchor:
    """`at` None means calendar months. `running` is a period that was open when the anchor changed.

    That period keeps its name, so what was used stays used, and ends at the new anchor's next
    boundary.
    """

    at: datetime | None = None
    running: Period | None = None

    @classmethod
    def parse(cls, text: str) -> "Anchor":
        """The inverse of `str`. Errors: ValueError."""
        at, _, running = text.partition(";")
        start, _, end = running.partition("/")
        return cls(
            None if at == "calendar" else instant(at),
            Period(instant(start), instant(end)) if running else None,
        )

    def __str__(self) -> str:
        at = "calendar" if self.at is None else rfc3339(self.at)
        if self.running is None:
            return at
        return f"{at};{self.running.name}/{rfc3339(self.running.end)}"


def period(anchor: Anchor, now: datetime) -> Period:
    """The period that holds `now`."""
    if anchor.running is not None and now < anchor.running.end:
        return anchor.running  # for a slow clock too: before its start, nothing fresh may open
    origin = anchor.at or datetime(2000, 1, 1, tzinfo=UTC)
    months = (now.year - origin.year) * 12 + now.month - origin.month
    if now < _boundary(origin, months):
        months -= 1
    return Period(_boundary(origin, months), _boundary(origin, months + 1))


def change_anchor(anchor: Anchor, at: datetime | None, now: datetime) -> Anchor:
    """Switching to and fro gains nothing: the running period goes on under its own name."""
    if at == anchor.at:
        return anchor
    natural = period(Anchor(at), now)
    running = Period(period(anchor, now).start, natural.end)
    return Anchor(at, None if running == natural else running)


def rfc3339(when: datetime) -> str:
    """Whole seconds in UTC, with a Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _boundary(origin: datetime, months: int) -> datetime:
    """`origin` moved by whole months, its day clamped to the month's last."""
    year, month = divmod(origin.year * 12 + origin.month - 1 + months, 12)
    day = min(origin.day, monthrange(year, month + 1)[1])
    return origin.replace(year=year, month=month + 1, day=day)
