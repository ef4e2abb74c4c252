"""The clocks of a deployed function; rules are given the time and never ask for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from threading import Lock

_SECOND = timedelta(seconds=1)


def utc_now() -> datetime:
    return datetime.now(UTC)


class StoreClock:
    """The host's clock, moved no further than the store's answers force it.

    What many hosts write to one item is as exact as their clocks agree; the store is the clock that
    they share. Its `date` has whole seconds: somewhere between a sending and its answer the true
    time was in [date, date + 1 s). A host that fits is left alone; one that does not is moved to
    the near edge of that interval, and so is within a second of the truth.
    """

    def __init__(self, host: Callable[[], datetime] = utc_now) -> None:
        self.host = host
        self._ahead = timedelta()
        self._lock = Lock()

    def __call__(self) -> datetime:
        return self.host() + self._ahead

    def heard(self, date: str, sent: datetime, received: datetime) -> None:
        """`date` as in HTTP (RFC 9110, 5.6.7), of an answer to what was sent, by the host."""
        try:
            true = _parsed(date)
        except ValueError:  # whatever stands between: an answer without a date corrects nothing
            return
        least, most = true - received, true + _SECOND - sent
        with self._lock:
            self._ahead = max(least, min(self._ahead, most))


@lru_cache(maxsize=2)  # a busy process has many answers of one second
def _parsed(date: str) -> datetime:
    return parsedate_to_datetime(date)
