"""One clock for every process of the laptop's stack: real time plus an offset kept in a file.

Advancing it lets a month pass in a second. Webhook signatures keep real time, as Stripe's do.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path


class Clock:
    """`clock()` is the stack's time now, aware and in UTC; every call reads the file again."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    @property
    def offset(self) -> int:
        """Seconds ahead of real time; a clock that nobody has moved has no file."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except FileNotFoundError:
            return 0

    def advance(self, seconds: int) -> datetime:
        """Only forward. Readers see the old offset or the new one, never half a file."""
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        fresh.write_text(str(self.offset + seconds), encoding="ascii")
        fresh.replace(self._path)
        return self()
