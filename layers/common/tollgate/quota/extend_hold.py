"""Makes an admitted generation's hold cover more input than its client announced."""

from dataclasses import replace

from tollgate.quota.admission import Admitted, Visitor
from tollgate.quota.gate import USED, Gate
from tollgate.table import keys
from tollgate.table.client import ConditionFailed, Table, Update, Value
from tollgate.tenancy.gate import number


def extend_hold(table: Table, visitor: Visitor, admitted: Admitted, tokens: int) -> Admitted:
    """`admitted` with `tokens` more of input, or as it was where the month has no room for them."""
    try:
        item = table.update(keys.gate(visitor.account_id), _extension(visitor, admitted, tokens))
    except ConditionFailed as failed:
        if failed.item is None:
            return admitted
        item = failed.item  # a write that was repeated after its time-out finds its own work done
    gate = Gate.of(item)
    hold = gate.open.get(visitor.generation_id, admitted.hold)
    return replace(admitted, gate=gate, hold=replace(hold, repeated=admitted.hold.repeated))


def _extension(visitor: Visitor, admitted: Admitted, tokens: int) -> Update:
    hold = "#open.#generation"
    condition = f"{hold}.#tokens = :seen AND attribute_not_exists({hold}.#pinned)"
    names = {
        "#open": "open",
        "#generation": visitor.generation_id,
        "#tokens": "t",
        "#input": "i",
        "#pinned": "x",
        "#used": USED + admitted.hold.period,
    }
    values: dict[str, Value] = {":more": number(tokens), ":seen": number(admitted.hold.tokens)}
    limits = admitted.gate.tenant.limits
    if limits.metered:
        condition += " AND attribute_exists(#metered)"  # the plan may have changed since
        names["#metered"] = "metered"
    elif limits.month is not None:
        condition += " AND #month_limit = :limit AND #used <= :room"
        names["#month_limit"] = "month_limit"
        values |= {":limit": number(limits.month), ":room": number(limits.month - tokens)}
    return Update(
        f"SET #used = #used + :more, {hold}.#tokens = {hold}.#tokens + :more,"
        f" {hold}.#input = {hold}.#input + :more",
        names,
        values,
        condition,
    )
