"""What billing keeps beside the account's projection."""

from datetime import datetime, timedelta
from zlib import crc32

from pynamodb.attributes import BooleanAttribute, UnicodeAttribute

from tollgate.quota.due import SHARDS
from tollgate.table import keys
from tollgate.table.record import Record

MARKER_LIFETIME = timedelta(days=35)
"""Longer than Stripe retries an event (3 days) or lists it for sending again (30)."""


class Customer(Record):
    """Which account a Stripe customer pays for; a deleted one stays, so that what Stripe still
    tells of it reaches nobody.

    `due` and `boundary` put it into the sparse index, where a reconciliation finds all customers,
    for as long as it is not deleted.
    """

    account_id = UnicodeAttribute()
    deleted = BooleanAttribute(null=True)
    due = UnicodeAttribute(null=True)
    boundary = UnicodeAttribute(null=True)


class EventMarker(Record):
    """Proof that an event was applied, written in the same transaction as what it changed."""

    account_id = UnicodeAttribute()
    type = UnicodeAttribute()


class Quarantined(Record):
    """A signed event that could not be read, kept whole for a person to look at."""

    body = UnicodeAttribute()


class TrialClaim(Record):
    """Which subscription had the one trial of an account, an e-mail address or a payment method."""

    account_id = UnicodeAttribute()
    subscription_id = UnicodeAttribute()


def customer(customer_id: str, account_id: str) -> Customer:
    return Customer.new(
        keys.customer(customer_id),
        account_id=account_id,
        due=customer_shard(crc32(customer_id.encode()) % SHARDS),
        boundary=customer_id,
    )


def customer_shard(number: int) -> str:
    """Its partition of the index."""
    return f"customer#{number}"


def trial_claim(key: keys.Key, account_id: str, subscription_id: str) -> TrialClaim:
    return TrialClaim.new(key, account_id=account_id, subscription_id=subscription_id)


def deleted_customer(customer_id: str, account_id: str) -> Customer:
    return Customer.new(keys.customer(customer_id), account_id=account_id, deleted=True)


def event_marker(event_id: str, event_type: str, account_id: str, now: datetime) -> EventMarker:
    return EventMarker.new(
        keys.stripe_event(event_id),
        account_id=account_id,
        type=event_type,
        expires_at=_marker_end(now),
    )


def quarantined(digest: str, body: str, now: datetime) -> Quarantined:
    """`digest` stands for the id that cannot be read, so that a redelivery finds its own item."""
    key = keys.stripe_event(f"malformed-{digest}")
    return Quarantined.new(key, body=body, expires_at=_marker_end(now))


def _marker_end(now: datetime) -> int:
    return int((now + MARKER_LIFETIME).timestamp())
