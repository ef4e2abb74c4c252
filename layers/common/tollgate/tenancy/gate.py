"""The gate's identity part: version, limits, sessions, suspension.

The gate is the one item that admission writes. It is kept as raw attribute values, because
conditions compare them in place; `tollgate.quota` owns its counters and holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from tollgate.table import keys
from tollgate.table.client import Item, Table, Update, Value

if TYPE_CHECKING:
    from tollgate.catalogue import Plan

SESSIONS_KEPT = 10
CALENDAR = "calendar"
"""The anchor of an account that pays nothing: its periods are calendar months in UTC."""
NULL: Value = {"NULL": True}


@dataclass(frozen=True, slots=True)
class Limits:
    """Generations a day, model tokens a period, open streams; None is unlimited.

    `until` (epoch milliseconds) ends the entitlement. Where `metered`, `month` is what the plan
    includes, and what goes beyond it is sold instead of refused: only to who pays for it.
    """

    plan: str
    anchor: str
    day: int | None
    month: int | None
    concurrent: int
    until: int | None = None
    metered: bool = False

    @classmethod
    def of(
        cls, plan: "Plan", anchor: str, until: int | None = None, *, metered: bool = False
    ) -> Self:
        """What `plan` enforces; `anchor` is `CALENDAR` where nothing is paid.

        `metered` counts only where the plan sells anything beyond its month.
        """
        return cls(
            plan=plan.id,
            anchor=anchor,
            day=plan.day,
            month=plan.month,
            concurrent=plan.concurrent,
            until=until,
            metered=metered and plan.overage is not None,
        )

    def attributes(self) -> dict[str, Value]:
        """As gate attributes. An absent limit refuses, so "unlimited" is an explicit NULL."""
        attributes: dict[str, Value] = {
            "plan": {"S": self.plan},
            "anchor": {"S": self.anchor},
            "boundary": {"S": boundary(self.anchor)},
            "day_limit": number_or_null(self.day),
            "month_limit": number_or_null(self.month),
            "concurrent_limit": number(self.concurrent),
            "until": number_or_null(self.until),
        }
        if self.metered:
            attributes["metered"] = {"BOOL": True}
        return attributes


@dataclass(frozen=True, slots=True)
class Tenant:
    """What any route needs of a gate: whose limits these are and which sessions stand."""

    account_id: str
    version: int
    limits: Limits
    suspended: bool
    sessions: Mapping[str, int]

    @classmethod
    def of(cls, item: Item) -> "Tenant":
        return cls(
            account_id=item["pk"]["S"].removeprefix("ACCOUNT#"),
            version=integer(item["version"]),
            limits=Limits(
                plan=item["plan"]["S"],
                anchor=item["anchor"]["S"],
                day=integer_or_none(item["day_limit"]),
                month=integer_or_none(item["month_limit"]),
                concurrent=integer(item["concurrent_limit"]),
                until=integer_or_none(item["until"]),
                metered="metered" in item,
            ),
            suspended="suspended" in item,
            sessions={key: integer(end) for key, end in item["sessions"]["M"].items()},
        )

    def admits(self, session_id: str, now: datetime) -> bool:
        return self.sessions.get(session_id, 0) > milliseconds(now)


def boundary(anchor: str) -> str:
    """On which day of a month and at what time its periods end, such as `15T10:30:00`.

    It stands beside the anchor for the index of gates in use, and changes with it alone. On a day
    that a month does not have, periods end on that month's last.
    """
    at = anchor.partition(";")[0]
    return "01T00:00:00" if at == CALENDAR else at[8:19]


def born(account_id: str, limits: Limits, sessions: Mapping[str, int]) -> Item:
    """A new gate. It is born with the maps that admission's expressions reach into."""
    key = keys.gate(account_id)
    return {
        "pk": {"S": key.pk},
        "sk": {"S": key.sk},
        "version": number(1),
        "days": {"M": {}},
        "open": {"M": {}},
        "sessions": {"M": {each: number(end) for each, end in sessions.items()}},
        **limits.attributes(),
    }


def read(table: Table, account_id: str) -> Tenant | None:
    item = table.get(keys.gate(account_id))
    return None if item is None else Tenant.of(item)


def add_session(tenant: Tenant, session_id: str, end: int, now: datetime) -> Update:
    """Ended sessions and the oldest beyond ten make room.

    Refused if sessions came, or those that make room went, since `tenant` was read: two sign-ins at
    once would otherwise replace the same session and leave eleven.
    """
    live = sorted(
        (each for each, ends in tenant.sessions.items() if ends > milliseconds(now)),
        key=lambda each: tenant.sessions[each],
    )
    kept = live[-(SESSIONS_KEPT - 1) :]
    gone = [each for each in tenant.sessions if each not in kept]
    aliases = {f"#gone{place}": each for place, each in enumerate(gone)}
    expression = "SET #sessions.#new = :end"
    if gone:
        expression += " REMOVE " + ", ".join(f"#sessions.{alias}" for alias in aliases)
    unchanged = (f"attribute_exists(#sessions.{alias})" for alias in aliases)
    return Update(
        expression,
        {"#sessions": "sessions", "#new": session_id, **aliases},
        {":end": number(end), ":seen": number(len(tenant.sessions))},
        " AND ".join(("size(#sessions) <= :seen", *unchanged)),
    )


def end_session(session_id: str) -> Update:
    return Update("REMOVE #sessions.#id", {"#sessions": "sessions", "#id": session_id})


def end_all_sessions() -> Update:
    return Update("SET #sessions = :none", {"#sessions": "sessions"}, {":none": {"M": {}}})


def milliseconds(instant: datetime) -> int:
    """Epoch milliseconds of an aware instant."""
    return round(instant.timestamp() * 1000)


def instant(epoch_milliseconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_milliseconds / 1000, UTC)


def number(value: int) -> Value:
    return {"N": str(value)}


def number_or_null(value: int | None) -> Value:
    return NULL if value is None else number(value)


def integer(value: Value) -> int:
    return int(value["N"])


def integer_or_none(value: Value) -> int | None:
    return integer(value) if "N" in value else None
