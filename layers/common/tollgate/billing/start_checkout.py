"""From a price to Stripe's hosted page: one customer per account, one subscription, one trial."""

import hashlib
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from tollgate.billing import projection, records
from tollgate.billing.apply_subscription import Billing, sync_account
from tollgate.billing.checkout import Checkout, InProgress
from tollgate.table import keys
from tollgate.table.client import Cancelled, Unavailable, Update, put, update
from tollgate.table.idempotency import Idempotency

if TYPE_CHECKING:
    from tollgate.tenancy.records import Account


class UnknownPrice(Exception):
    """No plan of the catalogue has this price."""


class AlreadySubscribed(Exception):
    """There is a subscription, which is changed in the portal and never bought a second time."""


class Opened(msgspec.Struct, frozen=True):
    """Where the person pays."""

    url: str
    checkout_session_id: str


def start_checkout(
    billing: Billing, account_id: str, price_key: str, base: str, client_key: str | None
) -> Opened:
    """`base` is the service's address, `client_key` the Idempotency-Key: one key, one answer.

    Errors: `UnknownPrice`, `AlreadySubscribed`, `Mismatch`, `BillingUnavailable`, `Unavailable`.
    """
    if billing.catalogue.plan_of_price(price_key) is None:
        raise UnknownPrice
    work = partial(_open, billing, account_id, price_key, base, client_key)
    if client_key is None:
        return work()
    key = keys.idempotency(account_id, "checkout", client_key)
    once = Idempotency(billing.table, key, price_key.encode())
    answer = once.answer(lambda: msgspec.json.encode(work()).decode(), billing.clock())
    return msgspec.json.decode(answer, type=Opened)


def _open(
    billing: Billing, account_id: str, price_key: str, base: str, client_key: str | None
) -> Opened:
    account = projection.read(billing.table, account_id, billing.clock())
    if account is None:
        raise Unavailable("the session's account is not there")
    customer_id = account.customer_id or _become_customer(billing, account)
    subscriptions = billing.stripe.subscriptions(customer_id)
    if any(each.is_live for each in subscriptions):
        sync_account(billing, account_id)
        raise AlreadySubscribed
    trialled = account.had_trial or any(each.trial_end is not None for each in subscriptions)
    checkout = Checkout(
        account_id=account_id,
        customer_id=customer_id,
        price_id=billing.stripe.price_id(price_key),
        trial_days=0 if trialled else billing.catalogue.trial_days,
        success_url=f"{base}/?checkout={{CHECKOUT_SESSION_ID}}",
        cancel_url=f"{base}/",
    )
    stripe_key = _stripe_key(checkout, client_key) if client_key else None
    session = billing.stripe.open_checkout(checkout, stripe_key)
    return Opened(session.url or "", session.id)


def _become_customer(billing: Billing, account: "Account") -> str:
    """Stripe answers every asking with one customer; should it not, the first record decides."""
    try:
        customer_id = billing.stripe.create_customer(account.id, account.email, account.name)
    except InProgress:
        return _recorded_customer(billing, account.id)
    record = Update(
        # Counted, so that no event that was read before it puts another customer in its place.
        "SET #customer_id = :customer, #applied_seq = #applied_seq + :one",
        {"#customer_id": "customer_id", "#applied_seq": "applied_seq"},
        {":customer": {"S": customer_id}, ":one": {"N": "1"}},
        "attribute_not_exists(#customer_id)",
    )
    try:
        billing.table.transact(
            update(keys.account(account.id), record),
            put(records.customer(customer_id, account.id).serialize(), if_absent=True),
        )
    except Cancelled:
        return _recorded_customer(billing, account.id)
    return customer_id


def _recorded_customer(billing: Billing, account_id: str) -> str:
    account = projection.read(billing.table, account_id, billing.clock())
    if account is None or account.customer_id is None:
        raise Unavailable("the customer is not recorded yet")
    return account.customer_id


def _stripe_key(checkout: Checkout, client_key: str) -> str:
    """With all that is asked for, because Stripe refuses a key that comes with another request."""
    parts = "\n".join(str(part) for part in (client_key, *astuple(checkout)))
    return f"checkout-{hashlib.sha256(parts.encode()).hexdigest()}"
