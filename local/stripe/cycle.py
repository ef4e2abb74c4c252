"""When a subscription's period ends: calendar steps from its anchor, as Stripe's billing cycles."""

import calendar
from datetime import UTC, datetime

DAY = 86_400


def period_end(anchor: int, months: int, start: int) -> int:
    """The first whole step of `months` from the anchor that lies after `start`, in Unix seconds.

    Counted from the anchor each time: an anchor on the 31st comes back to the 31st after February.
    """
    steps = 1
    while (end := _months_after(anchor, steps * months)) <= start:
        steps += 1
    return end


def _months_after(instant: int, months: int) -> int:
    moment = datetime.fromtimestamp(instant, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())
