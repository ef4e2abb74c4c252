"""What is written about one paying account, and which promise a step of its history breaks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.faults.billing_truth import Truth
from tests.integration.sign_in_service import CATALOGUE
from tollgate.billing.records import Customer
from tollgate.table import keys
from tollgate.table.client import Table
from tollgate.tenancy.gate import Limits, Tenant
from tollgate.tenancy.records import Account


@dataclass(frozen=True)
class State:
    """What is written about the account; `marked` are the events that have a marker."""

    account: Account
    tenant: Tenant
    marked: frozenset[str]
    payer: str | None

    @property
    def seen(self) -> Truth:
        """The gate and the projection in the words of `Truth`."""
        limits, account = self.tenant.limits, self.account
        until = None if limits.until is None else limits.until // 1000
        if account.plan == CATALOGUE.lowest.id:
            return Truth(limits.plan, until)
        status = account.subscription_status
        return Truth(limits.plan, until, account.subscription_id, status, limits.metered)

    @classmethod
    def read(
        cls,
        table: Table,
        account_id: str,
        told: Sequence[str],
        marked: frozenset[str],
        now: datetime,
    ) -> "State":
        """`told` are the events that there have been; of `marked` it is known already."""
        account = Account.read(table.get(keys.account(account_id)), now)
        gate = table.get(keys.gate(account_id))
        assert account is not None
        assert gate is not None
        unmarked = set(told) - marked
        new = {each for each in unmarked if table.get(keys.stripe_event(each)) is not None}
        customer = None
        if account.customer_id is not None:
            customer = Customer.read(table.get(keys.customer(account.customer_id)), now)
        payer = customer.account_id if customer else None
        return cls(account, Tenant.of(gate), marked | new, payer)


def broken_between(before: State, after: State) -> Iterator[str]:
    """Marker, projection and limits are one write; a customer is for ever."""
    markers = len(after.marked - before.marked)
    written = after.account.applied_seq - before.account.applied_seq
    if markers > written:
        yield f"P6: {markers} markers with {written} projections"
    if after.account.plan != after.tenant.limits.plan:
        yield f"P6: {after.account.plan} projected, the gate has {after.tenant.limits.plan}"
    limits = after.tenant.limits
    plan, metered = CATALOGUE.plans[limits.plan], limits.metered
    if Limits.of(plan, limits.anchor, limits.until, metered=metered) != limits:
        yield f"P6: {limits} are not the plan's"
    owner, was = after.account.customer_id, before.account.customer_id
    if was not in {None, owner}:
        yield f"S30: the customer was {was} and became {owner}"
    if owner is not None and after.payer != after.account.id:
        yield f"S30: {owner} pays for {after.payer}"
