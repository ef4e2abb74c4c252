"""A subscription, its item and its invoices as Stripe's API sends them."""

import secrets
from typing import Any

import stripe

from local.stripe.objects import NO_TAX, blank, listing, new_id
from local.stripe.wire import Json


def subscription(now: int, customer_id: str, currency: str, **given: Any) -> Json:
    """Without items and without a status: whoever starts it knows both."""
    subscription_id = new_id("sub")
    return {
        **blank(stripe.Subscription, "subscription", subscription_id, now),
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": now,
        "billing_mode": {"flexible": None, "type": "classic", "updated_at": None},
        "billing_schedules": [],
        "cancel_at_period_end": False,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "currency": currency,
        "customer": customer_id,
        "default_tax_rates": [],
        "discounts": [],
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listing(f"/v1/subscription_items?subscription={subscription_id}", []),
        "metadata": {},
        "start_date": now,
        **given,
    }


def subscription_item(
    now: int, subscription_id: str, price: Json, quantity: int | None, span: tuple[int, int]
) -> Json:
    """`span` is the period that runs. What is metered has no quantity."""
    counted = {} if quantity is None else {"quantity": quantity}
    start, end = span
    return {
        **blank(stripe.SubscriptionItem, "subscription_item", new_id("si"), now),
        "current_period_end": end,
        "current_period_start": start,
        "discounts": [],
        "metadata": {},
        "plan": plan_of(price),
        "price": price,
        **counted,
        "subscription": subscription_id,
        "tax_rates": [],
    }


def is_metered(price: Json) -> bool:
    return bool(price["recurring"]["usage_type"] == "metered")


def plan_item(subscription: Json) -> Json:
    """The one that is paid ahead: whatever is metered beside it follows its periods."""
    found: list[Json] = subscription["items"]["data"]
    [item] = [each for each in found if not is_metered(each["price"])]
    return item


def begin_period(subscription: Json, start: int, end: int) -> None:
    for item in subscription["items"]["data"]:
        item |= {"current_period_start": start, "current_period_end": end}


def plan_of(price: Json) -> Json:
    """Stripe still repeats each price in the shape of its predecessor, the plan object."""
    return {
        **blank(stripe.Plan, "plan", price["id"], price["created"]),
        "active": True,
        "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"],
        "billing_scheme": "per_unit",
        "currency": price["currency"],
        "interval": price["recurring"]["interval"],
        "interval_count": 1,
        "metadata": {},
        "product": price["product"],
        "usage_type": price["recurring"]["usage_type"],
    }


def invoice(now: int, subscription: Json, reason: str, lines: list[Json]) -> Json:
    """Finalised and open; what is less than nothing is forgotten, and not kept as a balance."""
    item = plan_item(subscription)
    invoice_id = new_id("in")
    made = {
        **blank(stripe.Invoice, "invoice", invoice_id, now),
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatic_tax": dict(NO_TAX),
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "currency": subscription["currency"],
        "customer": subscription["customer"],
        "default_tax_rates": [],
        "discounts": [],
        "effective_at": now,
        "issuer": {"type": "self"},
        "lines": listing(
            f"/v1/invoices/{invoice_id}/lines", [line | {"invoice": invoice_id} for line in lines]
        ),
        "metadata": {},
        "number": invoice_number(),
        "parent": {
            "quote_details": None,
            "subscription_details": {
                "metadata": subscription["metadata"],
                "subscription": subscription["id"],
            },
            "type": "subscription_details",
        },
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "period_end": now,
        "period_start": item["current_period_start"],
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "open",
        "status_transitions": {
            "finalized_at": now,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
    }
    add_up(made)
    return made


def add_up(invoice: Json) -> None:
    amount = max(0, sum(line["amount"] for line in invoice["lines"]["data"]))
    invoice |= dict.fromkeys(("amount_due", "amount_remaining", "subtotal", "total"), amount)


def invoice_number() -> str:
    return secrets.token_hex(4).upper()


def period_line(item: Json, amount: int) -> Json:
    """The item's running period."""
    period = {"start": item["current_period_start"], "end": item["current_period_end"]}
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
        "subscription_item": item["id"],
    }
    parent = {
        "invoice_item_details": None,
        "subscription_item_details": details,
        "type": "subscription_item_details",
    }
    price = item["price"]
    return _line(price, item["quantity"], amount, period, parent) | {
        "description": price["lookup_key"]
    }


def proration_line(item: Json, amount: int, start: int, end: int) -> Json:
    """The rest of a period: taken back where `amount` is negative, else owed."""
    details = {
        "invoice_item": new_id("ii"),
        "proration": True,
        "proration_details": {"credited_items": None},
        "subscription": item["subscription"],
    }
    parent = {
        "invoice_item_details": details,
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
    price = item["price"]
    what = "Unused time on" if amount < 0 else "Remaining time on"
    line = _line(price, item["quantity"], amount, {"start": start, "end": end}, parent)
    return line | {"description": f"{what} {price['lookup_key']}", "discountable": False}


def _line(price: Json, quantity: int, amount: int, period: Json, parent: Json) -> Json:
    """A line has no time of its own."""
    details = {"price": price["id"], "product": price["product"]}
    empty = blank(stripe.InvoiceLineItem, "line_item", new_id("il"), created=0)
    del empty["created"]
    return {
        **empty,
        "amount": amount,
        "currency": price["currency"],
        "discountable": True,
        "discounts": [],
        "metadata": {},
        "parent": parent,
        "period": period,
        "pricing": {
            "price_details": details,
            "type": "price_details",
            "unit_amount_decimal": price["unit_amount_decimal"],
        },
        "quantity": quantity,
        "subtotal": amount,
    }
