"""What becomes of a signed delivery: applied, repeated, none of our business, or unreadable."""

import hashlib
from typing import Annotated, Any

import msgspec

from tollgate.billing import records
from tollgate.billing.apply_subscription import IGNORED, Billing, Event, apply_event
from tollgate.logs import raise_alarm
from tollgate.table.client import ConditionFailed

QUARANTINED = "quarantined"

RELEVANT = frozenset(
    {
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.refund.updated",
        "charge.refunded",
        "checkout.session.async_payment_failed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.completed",
        "checkout.session.expired",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.paused",
        "customer.subscription.pending_update_applied",
        "customer.subscription.pending_update_expired",
        "customer.subscription.resumed",
        "customer.subscription.trial_will_end",
        "customer.subscription.updated",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.overdue",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "invoice.voided",
        "refund.failed",
        "refund.updated",
    }
)


_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]


class _Data(msgspec.Struct):
    object: dict[str, Any]


class _Event(msgspec.Struct):
    id: _Id
    type: str
    livemode: bool
    data: _Data


def receive_event(billing: Billing, body: bytes, *, livemode: bool) -> str:
    """The outcome in the contract's words.

    Errors, after which it must be sent again: `BillingUnavailable`, `Unavailable`.
    """
    try:
        event = msgspec.json.decode(body, type=_Event)
        customer_id = _customer_id(event)
        charge_id = None if customer_id else _charge_id(event)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _quarantine(billing, body)
    if event.livemode != livemode:
        raise_alarm("livemode_mismatch", event=event.id)
        return IGNORED
    if customer_id is None and charge_id is not None:
        customer_id = billing.stripe.customer_of_charge(charge_id)
    if customer_id is None:
        return IGNORED
    return apply_event(billing, Event(event.id, event.type, customer_id))


def _customer_id(event: _Event) -> str | None:
    """None for a type that is none of our business, and where the object has no customer.

    Errors: ValidationError for a customer that is no id.
    """
    if event.type not in RELEVANT:
        return None
    found = event.data.object.get("id" if event.type == "customer.deleted" else "customer")
    if isinstance(found, dict):
        found = found.get("id")
    return msgspec.convert(found, _Id | None)


def _charge_id(event: _Event) -> str | None:
    """Of what names no customer, as a dispute. Errors: ValidationError where it is no id."""
    if event.type not in RELEVANT:
        return None
    return msgspec.convert(event.data.object.get("charge"), _Id | None)


def _quarantine(billing: Billing, body: bytes) -> str:
    """A redelivery cannot make it readable, so it is accepted, kept, and shown to a person."""
    digest = hashlib.sha256(body).hexdigest()
    item = records.quarantined(digest, body.decode(errors="replace"), billing.clock())
    try:
        billing.table.put(item.serialize(), if_absent=True)
    except ConditionFailed:
        return QUARANTINED  # kept and told already
    raise_alarm("malformed_event", item=item.pk)
    return QUARANTINED
