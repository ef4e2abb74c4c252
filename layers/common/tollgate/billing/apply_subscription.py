"""Makes the projection and the gate what Stripe says, and never what it said before.

The order is the point. The projection is read first and Stripe after it, so whoever finds the
projection unchanged at the end has read Stripe later than whoever wrote it. Marker, projection and
limits are one transaction: a crash leaves all of an event or nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tollgate.billing import projection, records
from tollgate.billing.charges import is_on_hold
from tollgate.billing.reading import Reading, read_stripe
from tollgate.billing.take_back import take_back
from tollgate.logs import raise_alarm
from tollgate.quota.limits import RELEASE, SUSPEND, Change, changed, write_limits
from tollgate.table import keys
from tollgate.table.client import Action, Cancelled, Table, Unavailable, put, update
from tollgate.tenancy import gate

if TYPE_CHECKING:
    from tollgate.billing.stripe_gateway import StripeGateway
    from tollgate.catalogue import Catalogue
    from tollgate.tenancy.records import Account

APPLIED, DUPLICATE, IGNORED = "applied", "duplicate", "ignored"
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Event:
    """A hint that something of this customer changed; nothing else in it is believed."""

    id: str
    type: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class Billing:
    """What every step of a subscription's life works with."""

    table: Table
    catalogue: "Catalogue"
    stripe: "StripeGateway"
    clock: Callable[[], datetime]


def apply_event(billing: Billing, event: Event) -> str:
    """The outcome in the contract's words.

    Errors, with nothing written: `BillingUnavailable`, `Unavailable`.
    """
    if billing.table.get(keys.stripe_event(event.id)) is not None:
        return DUPLICATE
    account_id = _payer(billing, event)
    return IGNORED if account_id is None else _synchronise(billing, account_id, event)


def sync_account(billing: Billing, account_id: str) -> None:
    """The same path without an event: for a browser that returns, for a passed deadline."""
    _synchronise(billing, account_id, None)


def _payer(billing: Billing, event: Event) -> str | None:
    """None where nobody is known, with an alarm, and for a customer that was deleted."""
    item = billing.table.get(keys.customer(event.customer_id))
    known = records.Customer.read(item, billing.clock())
    if known is not None:
        return None if known.deleted else known.account_id
    customer = billing.stripe.customer(event.customer_id)
    if customer is None or customer.account_id is None:
        raise_alarm("unknown_customer", event=event.id, customer=event.customer_id)
        return None
    return customer.account_id


def _synchronise(billing: Billing, account_id: str, event: Event | None) -> str:
    for _ in range(_TRIES):
        account = projection.read(billing.table, account_id, billing.clock())
        tenant = gate.read(billing.table, account_id)
        customer_id = _customer_of(account, event)
        if account is None or tenant is None or customer_id is None:
            if event is not None:
                raise_alarm("unknown_account", event=event.id, account=account_id)
            return IGNORED
        reading = read_stripe(billing, account, customer_id, wholly=event is not None)
        actions = _changes(billing, account, tenant, customer_id, reading, event)
        try:
            if actions:
                billing.table.transact(*actions)
        except Cancelled as lost:
            if event is not None and _MARKER in lost.failed:
                return DUPLICATE
            continue
        found = reading.entitlement
        for alarm in found.alarms:
            raise_alarm(alarm, account=account_id, subscription=found.subscription_id)
        return APPLIED
    raise Unavailable("the projection changed under every try")


def _customer_of(account: "Account | None", event: Event | None) -> str | None:
    """An account has one customer: another one that names it is not believed."""
    if account is None or event is None:
        return account.customer_id if account else None
    return event.customer_id if account.customer_id in {None, event.customer_id} else None


_MARKER = 0


def _changes(
    billing: Billing,
    account: "Account",
    tenant: gate.Tenant,
    customer_id: str,
    reading: Reading,
    event: Event | None,
) -> list[Action]:
    """One transaction: the marker comes first, so that its refusal is known by its place."""
    now = billing.clock()
    actions: list[Action] = []
    if event is not None:
        marker = records.event_marker(event.id, event.type, account.id, now)
        actions.append(put(marker.serialize(), if_absent=True))
    if reading.customer_deleted:
        actions.append(put(records.deleted_customer(customer_id, account.id).serialize()))
    elif account.customer_id is None:
        actions.append(put(records.customer(customer_id, account.id).serialize(), if_absent=True))
    found = reading.entitlement
    plan = billing.catalogue.plans[found.plan_id]
    limits = changed(tenant, plan, found.anchor_at, found.until, now)
    for key, subscription_id in reading.claims.items():
        claim = records.trial_claim(key, account.id, subscription_id)
        actions.append(put(claim.serialize(), if_absent=True))
    taken = take_back(billing, account.id, limits, reading.charges or (), now)
    actions += taken.receipts
    more = (*_hold(account, reading), *taken.changes)
    payer = None if reading.customer_deleted else customer_id
    differs = projection.project(account, found, payer, trialled=reading.trialled)
    if more or limits != tenant.limits:
        actions.append(update(keys.gate(account.id), write_limits(tenant, limits, *more)))
    if actions or differs:
        actions.append(update(keys.account(account.id), projection.write(account)))
    return actions


def _hold(account: "Account", reading: Reading) -> tuple[Change, ...]:
    """Only what billing has put on hold is released by it."""
    if reading.charges is None or is_on_hold(reading.charges) == account.on_hold:
        return ()
    account.on_hold = not account.on_hold
    return (SUSPEND if account.on_hold else RELEASE,)
