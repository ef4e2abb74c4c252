"""Where an account is not what Stripe's objects make of it: what a reconciliation looks for.

It is told by the very functions that write an account, so that what they have written is right.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tollgate.billing import projection
from tollgate.billing.reading import reduced, unmetered
from tollgate.billing.subscription import Subscription
from tollgate.quota.limits import changed
from tollgate.table import keys
from tollgate.table.client import Item, Table
from tollgate.tenancy.gate import Tenant, milliseconds
from tollgate.tenancy.records import Account

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing

_BATCH = 100


@dataclass(frozen=True, slots=True)
class Rows:
    """Both items of each account, as they stand."""

    accounts: Mapping[str, Item]
    gates: Mapping[str, Item]

    @classmethod
    def read(cls, table: Table, account_ids: Iterable[str]) -> "Rows":
        """Of any number, a hundred at a time."""
        ids = sorted(set(account_ids))
        accounts, gates = {}, {}
        for start in range(0, len(ids), _BATCH):
            batch = ids[start : start + _BATCH]
            for item in table.get_many([keys.account(each) for each in batch]):
                accounts[keys.account_of(item)] = item
            for item in table.get_many([keys.gate(each) for each in batch]):
                gates[keys.account_of(item)] = item
        return cls(accounts, gates)

    def of(self, account_id: str) -> tuple[Account, Tenant]:
        """Errors: those of `UNREADABLE`."""
        account = Account.from_raw_data(dict(self.accounts[account_id]))
        if int(account.applied_seq) < 0 or account.id != account_id:
            raise ValueError("the account is not one")
        return account, Tenant.of(self.gates[account_id])

    def link(self, account_id: str) -> str | None:
        """The customer that the account names."""
        named = self.accounts.get(account_id, {}).get("customer_id", {})
        return named.get("S")


def is_free(billing: "Billing", account: Account, tenant: Tenant) -> bool:
    """It has what everybody has, whatever it says of a subscription that once was."""
    lowest = billing.catalogue.lowest
    limits = changed(tenant, lowest, None, None, billing.clock())
    held = account.on_hold or tenant.suspended
    return account.plan == lowest.id and limits == tenant.limits and not held


def has_lapsed(
    billing: "Billing", account: Account, tenant: Tenant, subscriptions: list[Subscription]
) -> bool:
    """A deadline has passed and nobody has asked since: that needs no lost event."""
    until = tenant.limits.until
    if until is None or until > milliseconds(billing.clock()):
        return False
    return reduced(billing, account, subscriptions).plan_id == billing.catalogue.lowest.id


def differs(
    billing: "Billing",
    account: Account,
    tenant: Tenant,
    customer_id: str | None,
    subscriptions: list[Subscription],
) -> bool:
    """Whether it must be read afresh; `account` is changed by this, and of no use after it.

    `subscriptions` may be a part of the customer's: where all of them make something else of the
    account, so does that part in which the deciding one is. An account on hold is always doubted.
    """
    now, found = billing.clock(), reduced(billing, account, subscriptions)
    plan = billing.catalogue.plans[found.plan_id]
    limits = changed(tenant, plan, found.anchor_at, found.until, now, metered=found.metered)
    doubted = account.on_hold or tenant.suspended != account.on_hold
    trialled = any(each.trial_end is not None for each in subscriptions)
    unsold = unmetered(billing, account, subscriptions) is not None
    projected = projection.project(account, found, customer_id, trialled=trialled)
    wrong_at_stripe = unsold or bool(found.duplicates)
    return projected or doubted or limits != tenant.limits or wrong_at_stripe
