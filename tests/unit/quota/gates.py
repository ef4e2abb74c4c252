"""Gates as a refused write would hand them back, for rules that need no table."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tollgate.quota.gate import Gate, Hold
from tollgate.tenancy.gate import CALENDAR, Limits, Tenant, milliseconds

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
PERIOD = "2026-11-01T00:00:00Z"
LIMITS = Limits(plan="free", anchor=CALENDAR, day=10, month=50_000, concurrent=2)
HOLD = Hold(
    tokens=100, input_tokens=10, period=PERIOD, day="2026-11-21", at=0, user="usr_1", model="tiny"
)


def a_gate(
    limits: Limits = LIMITS,
    *,
    used: int = 0,
    today: int = 0,
    admitted: Sequence[datetime] = (),
    open_streams: int = 0,
    suspended: bool = False,
    days: Mapping[str, int] | None = None,
) -> Gate:
    """On the 21st of November 2026, at noon; `admitted` newest first."""
    return Gate(
        tenant=Tenant("acc_1", 1, limits, suspended=suspended, sessions={}),
        days={"2026-11-21": today} if days is None else days,
        open={f"gen_{n}": HOLD for n in range(open_streams)},
        used={PERIOD: used},
        terms={},
        closed=None,
        admissions=tuple(map(milliseconds, admitted)),
        decided={},
    )
