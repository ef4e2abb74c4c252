"""Which accounts must be read afresh, from a page of Stripe's subscriptions or of our own keys."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from tollgate.billing import records
from tollgate.billing.charges import Dispute, Refund, is_open
from tollgate.billing.drift import Rows, differs, has_lapsed, is_free
from tollgate.billing.suspicion import Suspicion
from tollgate.quota.claw_back import decided
from tollgate.table import keys
from tollgate.table.record import UNREADABLE

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing
    from tollgate.billing.stripe_listing import Customer, Subscribed
    from tollgate.quota.records import Receipt

SUBSCRIPTIONS, CHARGES, ACCOUNTS = "subscriptions", "charges", "accounts"


class Orphaned(Exception):
    """Somebody pays, and there is no account that is known to be theirs."""


class UnknownShape(Exception):
    """Stripe lists something that we cannot read."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """`lapsed`: a deadline has passed, which needs no lost event."""

    account_id: str
    doubt: Suspicion
    lapsed: bool


Check = Callable[[], Suspect | None]
"""None where all is right.

Errors: `Orphaned`, `UnknownShape`, `BillingUnavailable`, and those of `UNREADABLE`.
"""


@dataclass(frozen=True, slots=True)
class Finder:
    """Each check comes with the account that it weighs, or else with what Stripe calls it."""

    billing: "Billing"

    def at_stripe(self, page: Sequence["Subscribed"]) -> Iterator[tuple[str, Check]]:
        known = self._known([each.customer.id for each in page])
        named = [each.customer.account_id for each in page]
        ids = {*named, *(each.account_id for each in known.values())} - {None}
        rows = Rows.read(self.billing.table, (each for each in ids if each is not None))
        for each in page:
            item = known.get(each.customer.id)
            owner = _owner(each.customer, item, rows)
            if owner is not None:
                mapped = item is not None and item.account_id == owner and not item.deleted
                name = owner if _weighs(each.customer, rows.link(owner)) else each.customer.id
                yield name, partial(self._subscribed, each, owner, rows, mapped=mapped)
            elif _is_live(each):
                yield each.customer.id, _orphaned

    def of_unknown(self, ids: Iterable[str]) -> Iterator[tuple[str, Check]]:
        return ((each, _unknown) for each in ids)

    def of_charges(
        self, page: Sequence[tuple[str, Refund | Dispute]]
    ) -> Iterator[tuple[str, Check]]:
        """What was taken back, of customers that we know."""
        known = self._known(list({customer_id for customer_id, _ in page}))
        rows = Rows.read(self.billing.table, (each.account_id for each in known.values()))
        for customer_id, taken in page:
            if customer_id in known:
                owner = known[customer_id].account_id
                yield owner, partial(self._taken_back, owner, customer_id, taken, rows)

    def of_customers(
        self, customer_ids: Sequence[str], seen: Collection[str]
    ) -> Iterator[tuple[str, Check]]:
        """Those that we know, which may be gone from Stripe; without the accounts in `seen`."""
        known = self._known(customer_ids).items()
        owners = {each.account_id: name for name, each in known if each.account_id not in seen}
        rows = Rows.read(self.billing.table, owners)
        for owner, customer_id in owners.items():
            yield owner, partial(self._standing, owner, customer_id, rows)

    def of_accounts(self, account_ids: Sequence[str]) -> Iterator[tuple[str, Check]]:
        rows = Rows.read(self.billing.table, account_ids)
        for each in account_ids:
            yield each, partial(self._standing, each, None, rows)

    def _subscribed(
        self, each: "Subscribed", owner: str, rows: Rows, *, mapped: bool
    ) -> Suspect | None:
        account, tenant = rows.of(owner)
        customer, believed = each.customer, account.customer_id
        if customer.is_deleted and believed != customer.id:
            return None  # its account is looked at among ours
        if believed not in {None, customer.id} and self._stands(believed, owner):
            if _is_live(each):
                raise Orphaned
            return None
        payer = None if customer.is_deleted else customer.id
        lapsed = has_lapsed(self.billing, account, tenant, each.subscriptions)
        if mapped and not differs(self.billing, account, tenant, payer, each.subscriptions):
            return None
        return Suspect(owner, Suspicion(customer.id, believed, mapped, SUBSCRIPTIONS), lapsed)

    def _taken_back(
        self, owner: str, customer_id: str, taken: Refund | Dispute, rows: Rows
    ) -> Suspect | None:
        account, _ = rows.of(owner)
        if account.customer_id != customer_id:
            return None
        if isinstance(taken, Dispute):
            right = is_open(taken) == account.on_hold and taken.status != "lost"
        else:
            receipts = decided(self.billing.table, owner, [taken.id], self.billing.clock())
            right = _is_settled(taken, receipts.get(taken.id))
        if right:
            return None
        return Suspect(owner, Suspicion(customer_id, customer_id, True, CHARGES), lapsed=False)

    def _standing(self, owner: str, customer_id: str | None, rows: Rows) -> Suspect | None:
        """Of an account that Stripe's subscriptions did not lead to: it may have lost everything.

        `customer_id` is who names it here; the one that it names itself comes first.
        """
        account, tenant = rows.of(owner)
        believed, lapsed = account.customer_id, has_lapsed(self.billing, account, tenant, [])
        named = [each for each in (believed, customer_id) if each is not None]
        payer = next((each for each in named if self._stands(each, owner)), None)
        if payer is not None:
            right = not differs(self.billing, account, tenant, payer, [])
        else:
            right = believed is None and is_free(self.billing, account, tenant)
        if right:
            return None
        # A deleted one is read once more, which notes that it is gone.
        deleted = payer is None and believed is not None and self._is_deleted(believed)
        doubt = Suspicion(believed if deleted else payer, believed, True, ACCOUNTS)
        return Suspect(owner, doubt, lapsed)

    def _stands(self, customer_id: str, account_id: str) -> bool:
        """Stripe has this customer, and for nobody else."""
        customer = self.billing.stripe.customer(customer_id)
        if customer is None or customer.is_deleted:
            return False
        if customer.account_id is not None:
            return customer.account_id == account_id
        item = self._known([customer_id]).get(customer_id)
        return item is not None and item.account_id == account_id

    def _is_deleted(self, customer_id: str) -> bool:
        customer = self.billing.stripe.customer(customer_id)
        return customer is not None and customer.is_deleted

    def _known(self, customer_ids: Sequence[str]) -> Mapping[str, records.Customer]:
        """What our items say of them; one that cannot be read says nothing, and is written anew."""
        found = {}
        for item in self.billing.table.get_many([keys.customer(each) for each in customer_ids]):
            try:
                record = records.Customer.read(item, self.billing.clock())
            except UNREADABLE:
                continue
            if record is not None and record.account_id is not None:
                found[keys.customer_of(item)] = record
        return found


def _weighs(customer: "Customer", believed: str | None) -> bool:
    """Whether what this customer has is all that there is to say of an account that believes so.

    Else the account is looked at among ours, too.
    """
    return believed == customer.id or (believed is None and not customer.is_deleted)


def _owner(customer: "Customer", item: "records.Customer | None", rows: Rows) -> str | None:
    """Whom our item names, unless Stripe and that other account agree on something else."""
    told = customer.account_id
    if item is None:
        return told
    if told is not None and told != item.account_id and rows.link(told) == customer.id:
        return told
    return item.account_id


def _is_settled(refund: Refund, receipt: "Receipt | None") -> bool:
    if refund.is_paid_out:
        return receipt is not None
    return not refund.has_failed or receipt is None or receipt.charged_tokens == 0


def _is_live(each: "Subscribed") -> bool:
    return any(subscription.is_live for subscription in each.subscriptions)


def _orphaned() -> Suspect | None:
    raise Orphaned


def _unknown() -> Suspect | None:
    raise UnknownShape
