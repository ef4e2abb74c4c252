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
from tollgate.billing.outbox import notices
from tollgate.billing.reading import Reading, read_nobody, read_stripe
from tollgate.billing.suspicion import Suspicion, audit, state
from tollgate.billing.take_back import take_back
from tollgate.billing.tellings import tellings
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
_UNCHANGED = "unchanged"
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

    Errors, with the event not marked: `BillingUnavailable`, `Unavailable`.
    """
    if billing.table.get(keys.stripe_event(event.id)) is not None:
        return DUPLICATE
    account_id = _payer(billing, event)
    return IGNORED if account_id is None else _synchronise(billing, account_id, event)


def sync_account(billing: Billing, account_id: str) -> None:
    """The same path without an event: for a browser that returns, for a passed deadline."""
    _synchronise(billing, account_id, None)


def repair_account(billing: Billing, account_id: str, doubt: Suspicion) -> bool:
    """The same path for a reconciliation, as wholly as for an event; False where all was right.

    What was wrong is kept in the same transaction.
    """
    return _synchronise(billing, account_id, None, doubt) == APPLIED


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


def _synchronise(
    billing: Billing, account_id: str, event: Event | None, doubt: Suspicion | None = None
) -> str:
    for _ in range(_TRIES):
        account = projection.read(billing.table, account_id, billing.clock())
        tenant = gate.read(billing.table, account_id)
        if account is None or tenant is None or not _is_about(account, event, doubt):
            if event is not None:
                raise_alarm("unknown_account", event=event.id, account=account_id)
            return IGNORED
        cause = event or doubt
        customer_id = cause.customer_id if cause else account.customer_id
        reading = _read(billing, account, customer_id, wholly=cause is not None)
        marked = None if reading.contested.fault else event
        actions = _changes(billing, account, tenant, customer_id, reading, marked, doubt)
        try:
            if actions:
                billing.table.transact(*actions)
        except Cancelled as lost:
            if marked is not None and _MARKER in lost.failed:
                return DUPLICATE
            continue
        _tell(account_id, reading)
        return APPLIED if actions else _UNCHANGED
    raise Unavailable("the projection changed under every try")


def _tell(account_id: str, reading: Reading) -> None:
    """Errors: why the charges are not known. What is known stands, and the event comes again."""
    found = reading.entitlement
    for alarm in found.alarms:
        raise_alarm(alarm, account=account_id, subscription=found.subscription_id)
    if reading.contested.fault is not None:
        raise reading.contested.fault


def _is_about(account: "Account", event: Event | None, doubt: Suspicion | None) -> bool:
    """An account has one customer: another one that names it is not believed."""
    if doubt is not None:
        return doubt.believed == account.customer_id
    if event is not None:
        return account.customer_id in {None, event.customer_id}
    return account.customer_id is not None


def _read(
    billing: Billing, account: "Account", customer_id: str | None, *, wholly: bool
) -> Reading:
    if customer_id is None:
        return read_nobody(billing, account)
    return read_stripe(billing, account, customer_id, wholly=wholly)


_MARKER = 0


def _changes(
    billing: Billing,
    account: "Account",
    tenant: gate.Tenant,
    customer_id: str | None,
    reading: Reading,
    event: Event | None,
    doubt: Suspicion | None,
) -> list[Action]:
    """One transaction: the marker comes first, so that its refusal is known by its place."""
    now = billing.clock()
    was = state(account, tenant.limits)
    actions: list[Action] = []
    if event is not None:
        marker = records.event_marker(event.id, event.type, account.id, now)
        actions.append(put(marker.serialize(), if_absent=True))
    payer = None if reading.customer_deleted else customer_id
    actions += _mapping(account, customer_id, payer, doubt)
    found = reading.entitlement
    plan = billing.catalogue.plans[found.plan_id]
    limits = changed(tenant, plan, found.anchor_at, found.until, now, metered=found.metered)
    for key, subscription_id in reading.claims.items():
        claim = records.trial_claim(key, account.id, subscription_id)
        actions.append(put(claim.serialize(), if_absent=True))
    taken = take_back(billing, account.id, limits, reading, now)
    actions += taken.actions
    told = tellings(account, reading, billing.catalogue, now)
    actions += notices(billing.table, account, told, now)
    more = (*_hold(account, tenant, reading), *taken.changes)
    differs = projection.project(account, found, payer, trialled=reading.trialled)
    if more or limits != tenant.limits:
        actions.append(update(keys.gate(account.id), write_limits(tenant, limits, *more)))
    if actions or differs:
        actions.append(update(keys.account(account.id), projection.write(account)))
        if doubt is not None:
            actions.append(audit(account.id, was, state(account, limits), doubt.found_by, now))
    return actions


def _mapping(
    account: "Account", customer_id: str | None, payer: str | None, doubt: Suspicion | None
) -> list[Action]:
    """From the customer to its account. An event's customer is new where the account has none, or
    where the account has lost its link to it; another account's is never taken.
    """
    if customer_id is None:
        return []
    if payer is None:
        return [put(records.deleted_customer(customer_id, account.id).serialize())]
    if account.customer_id is not None if doubt is None else doubt.mapped:
        return []
    mapping = records.customer(customer_id, account.id)
    return [put(mapping.serialize(), if_absent=doubt is None, or_same="account_id")]


def _hold(account: "Account", tenant: gate.Tenant, reading: Reading) -> tuple[Change, ...]:
    """Only what billing has put on hold is released by it."""
    if reading.charges is None:
        return ()
    held = is_on_hold(reading.charges) or (account.on_hold and not reading.contested.is_all)
    if held == account.on_hold and (tenant.suspended or not held):
        return ()
    account.on_hold = held
    return (SUSPEND if held else RELEASE,)
