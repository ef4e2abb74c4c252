"""A new person with a personal account, as parts of the caller's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from tollgate.table import keys
from tollgate.table.client import Action, put
from tollgate.tenancy import gate
from tollgate.tenancy.ids import new_id
from tollgate.tenancy.records import Account, Membership, User


@dataclass(frozen=True, slots=True)
class Opened:
    """`actions` write items under fresh ids, so they need no condition of their own."""

    user_id: str
    account_id: str
    tenant: gate.Tenant
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Person:
    email: str
    email_verified: bool
    name: str
    picture_url: str | None


def open_account(
    person: Person, limits: gate.Limits, sessions: Mapping[str, int], now: datetime
) -> Opened:
    """`sessions`: session id → end in epoch milliseconds; the gate is born with them."""
    user_id, account_id = new_id("usr"), new_id("acc")
    user = User.new(
        keys.user(user_id),
        id=user_id,
        account_id=account_id,
        email=person.email,
        email_verified=person.email_verified,
        name=person.name,
        picture_url=person.picture_url,
        created_at=now,
    )
    account = Account.new(
        keys.account(account_id),
        id=account_id,
        name=person.name,
        kind="personal",
        owner_id=user_id,
        email=person.email,
        email_verified=person.email_verified,
        created_at=now,
        plan=limits.plan,
    )
    memberships = [
        Membership.new(key, account_id=account_id, user_id=user_id, role="owner", name=person.name)
        for key in (keys.member(account_id, user_id), keys.user_membership(user_id, account_id))
    ]
    item = gate.born(account_id, limits, sessions)
    records = (user, account, *memberships)
    return Opened(
        user_id,
        account_id,
        gate.Tenant.of(item),
        (*(put(each.serialize()) for each in records), put(item)),
    )
