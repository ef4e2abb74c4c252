"""Usage events and their sums.

Simpler than Stripe in two ways: what an event lacks is refused at once, where Stripe tells it later
by an event of its own, and the sums are right at once, where Stripe's lag behind.
"""

import re
from typing import Any

import stripe.billing

from local.stripe import objects
from local.stripe.books import Books
from local.stripe.call import Call
from local.stripe.cycle import DAY
from local.stripe.wire import Json, StripeError, missing

_OLDEST, _EARLIEST = 35 * DAY, 300
_MINUTE = 60
_WHOLE = re.compile(r"-?\d{1,15}")


def meter(now: int, event_name: str, **given: Any) -> Json:
    """Sums the values of each customer, unless told otherwise."""
    return {
        **objects.blank(stripe.billing.Meter, "billing.meter", objects.new_id("mtr"), now),
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": "sum"},
        "display_name": event_name,
        "event_name": event_name,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": {"event_payload_key": "value"},
        **given,
    }


def create_meter_event(call: Call) -> Json:
    """An identifier is refused for a day after its first event, and then counts again."""
    books, params = call.books, call.params
    identifier = params.get("identifier") or objects.new_id("mev")
    timestamp = params.get("timestamp", books.now)
    earlier = books.store.get("meter_identifier", identifier)
    if earlier and earlier["created"] > books.now - DAY:
        raise StripeError(f"An event already exists with identifier {identifier}.")
    meter = _meter_of(books, params["event_name"])
    if timestamp < books.now - _OLDEST:
        raise StripeError("The timestamp is too far in the past.", param="timestamp")
    if timestamp > books.now + _EARLIEST:
        raise StripeError("The timestamp is in the future.", param="timestamp")
    event = {
        "object": "billing.meter_event",
        "created": books.now,
        "event_name": meter["event_name"],
        "identifier": identifier,
        "livemode": False,
        "payload": params["payload"],
        "timestamp": timestamp,
    }
    counted = {
        "meter": meter["id"],
        "customer": _field(params["payload"], meter["customer_mapping"]),
        "value": _value(meter, params["payload"]),
        "timestamp": timestamp,
    }
    books.store.put("meter_identifier", identifier, {"created": books.now})
    books.store.put("meter_value", objects.new_id("mev"), counted)
    return event


def list_summaries(call: Call) -> Json:
    """One sum for the whole of the time that is asked for."""
    params, meter = call.params, call.of_path("billing.meter")
    start, end = params["start_time"], params["end_time"]
    if start % _MINUTE or end % _MINUTE:
        raise StripeError("start_time and end_time must be aligned with minute boundaries.")
    total = counted(call.books, meter["id"], params["customer"], start, end)
    summary = {
        **objects.blank(
            stripe.billing.MeterEventSummary,
            "billing.meter_event_summary",
            objects.new_id("mtrusg"),
            call.books.now,
        ),
        "aggregated_value": total,
        "end_time": end,
        "meter": meter["id"],
        "start_time": start,
    }
    return objects.listing(call.path, [] if total is None else [summary])


def counted(books: Books, meter_id: str, customer_id: str, start: int, end: int) -> int | None:
    """None where nothing was."""
    values = [
        int(each["value"])
        for each in books.all("meter_value", meter=meter_id, customer=customer_id)
        if start <= each["timestamp"] < end
    ]
    return sum(values) if values else None


def _meter_of(books: Books, event_name: str) -> Json:
    for meter in books.all("billing.meter", event_name=event_name, status="active"):
        return meter
    raise missing("billing meter", event_name, param="event_name", status=400)


def _field(payload: dict[str, str], mapping: Json) -> str:
    name = mapping["event_payload_key"]
    if name not in payload:
        raise StripeError(f"The payload has no {name}.", param=f"payload[{name}]")
    return payload[name]


def _value(meter: Json, payload: dict[str, str]) -> int:
    """What one event adds to the sum."""
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return 1
    if formula != "sum":
        raise StripeError(f"The stand-in's meters sum and count; this one is {formula}.")
    value = _field(payload, meter["value_settings"])
    if not _WHOLE.fullmatch(value):
        raise StripeError(f"Invalid value: {value}", param="payload")
    return int(value)
