"""The one write of an admission: its text, which only the catalogue shapes, and what is filled in.

Every right-hand side sees the item as it was before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from tollgate.catalogue import Plan
from tollgate.quota.due import shard
from tollgate.quota.gate import DECIDED, TERMS, USED, WINDOW, Hold, Terms
from tollgate.table.client import Update, Value
from tollgate.tenancy.gate import milliseconds, number

if TYPE_CHECKING:
    from tollgate.quota.admission import Hint, Visitor


def admission_write(
    visitor: "Visitor",
    hint: "Hint",
    plan: Plan,
    hold: Hold,
    per_minute: int | None,
    now: datetime,
) -> Update:
    text = _text(per_minute, sells=plan.overage is not None)
    names = {
        **text.names,
        "#sid": visitor.session_id,
        "#today": hold.day,
        "#generation": visitor.generation_id,
        "#decided": DECIDED + visitor.generation_id,
        "#used": USED + hold.period,
        "#terms": TERMS + hold.period,
    }
    values: dict[str, Value] = {
        ":now": number(milliseconds(now)),
        ":version": number(hint.version),
        ":period": {"S": hold.period},
        ":hold": number(hold.tokens),
        ":open": hold.value(),
        ":terms": Terms(plan.id, plan.month).value(),
        ":zero": number(0),
        ":one": number(1),
        ":limit": number(plan.month),
        ":room": number(plan.month - hold.tokens),
        ":null": {"S": "NULL"},
        ":shard": {"S": shard(visitor.account_id)},
    }
    if per_minute is not None:
        values[":window"] = number(milliseconds(now - WINDOW))
    return Update(text.expression, names, values, text.condition)


@dataclass(frozen=True, slots=True)
class _Text:
    expression: str
    condition: str
    names: Mapping[str, str]


@cache
def _text(per_minute: int | None, *, sells: bool) -> _Text:
    """`sells`: the plan goes on beyond its month, where the gate says that this is paid for."""
    terms, sets, names = [*_TERMS], [*_SETS], {f"#{name}": name for name in _ALIASED}
    if sells:
        terms.append(f"(attribute_exists(#metered) OR ({_MONTH}))")
        names["#metered"] = "metered"
    else:
        terms.append(_MONTH)
    if per_minute is not None:
        places = range(per_minute)
        terms.append("(attribute_not_exists(#last) OR #last <= :window)")
        sets += ["#r0 = :now", *(f"#r{n} = if_not_exists(#r{n - 1}, :zero)" for n in places[1:])]
        names |= {f"#r{n}": f"r{n}" for n in places} | {"#last": f"r{per_minute - 1}"}
    return _Text("SET " + ", ".join(sets), " AND ".join(terms), names)


_TERMS = (
    "#sessions.#sid > :now",
    "#version = :version",
    "attribute_not_exists(#suspended)",
    "(attribute_type(#until, :null) OR #until > :now)",
    "(attribute_not_exists(#closed) OR #closed < :period)",
    "((attribute_not_exists(#days.#today) AND #day_limit >= :one)"
    " OR #days.#today < #day_limit OR attribute_type(#day_limit, :null))",
    "size(#open) < #concurrent_limit",
    "attribute_not_exists(#open.#generation)",
    "attribute_not_exists(#decided)",
)
_MONTH = (
    "#month_limit = :limit AND ((attribute_not_exists(#used) AND #month_limit >= :hold)"
    " OR #used <= :room)"
)
_SETS = (
    "#used = if_not_exists(#used, :zero) + :hold",
    "#days.#today = if_not_exists(#days.#today, :zero) + :one",
    "#open.#generation = :open",
    "#terms = :terms",
    "#due = if_not_exists(#due, :shard)",
)
_ALIASED = (
    "sessions",
    "version",
    "suspended",
    "until",
    "closed",
    "days",
    "day_limit",
    "open",
    "concurrent_limit",
    "month_limit",
    "due",
)
