"""Changing what a gate allows, inside the caller's own transaction."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tollgate.catalogue import Plan
from tollgate.quota.periods import Anchor, change_anchor
from tollgate.table.client import Update, Value
from tollgate.tenancy.gate import Limits, Tenant, milliseconds, number


def changed(
    tenant: Tenant,
    plan: Plan,
    anchor_at: datetime | None,
    until: datetime | None,
    now: datetime,
    *,
    metered: bool = False,
) -> Limits:
    """The limits of `plan` from `now` on.

    A running period keeps its name and what was used in it. `metered`: what goes beyond the month
    is paid for.
    """
    anchor = change_anchor(Anchor.parse(tenant.limits.anchor), anchor_at, now)
    end = None if until is None else milliseconds(until)
    return Limits.of(plan, str(anchor), end, metered=metered)


def in_force(tenant: Tenant, plan: Plan) -> Limits:
    """What the catalogue says today for this tenant's plan; a gate written under an older catalogue
    differs. That somebody pays for what goes beyond the month only billing can say.
    """
    known = tenant.limits
    return Limits.of(plan, known.anchor, known.until, metered=known.metered)


@dataclass(frozen=True, slots=True)
class Change:
    """More that one write of the limits does to the same gate."""

    sets: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)
    conditions: tuple[str, ...] = ()


_SUSPENDED = {"#suspended": "suspended"}
SUSPEND = Change(("#suspended = :suspended",), (), _SUSPENDED, {":suspended": {"BOOL": True}})
RELEASE = Change((), ("#suspended",), _SUSPENDED)


def write_limits(tenant: Tenant, limits: Limits, *changes: Change) -> Update:
    """Sets every limit and a new version, if the gate is still at the version that `tenant` was
    read at.
    """
    attributes = limits.attributes()
    sets = [f"#{name} = :{name}" for name in attributes]
    names = {f"#{name}": name for name in attributes} | {"#version": "version"}
    values = {f":{name}": value for name, value in attributes.items()}
    removes = [] if limits.metered else ["#metered"]
    conditions = ["#version = :seen"]
    for change in changes:
        sets += change.sets
        removes += change.removes
        names |= change.names
        values |= change.values
        conditions += change.conditions
    return Update(
        f"SET #version = :next, {', '.join(sets)}"
        + (f" REMOVE {', '.join(removes)}" if removes else ""),
        names | {"#metered": "metered"},
        values | {":next": number(tenant.version + 1), ":seen": number(tenant.version)},
        " AND ".join(conditions),
    )
