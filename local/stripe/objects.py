"""Stripe's objects as its API sends them, complete enough for the SDK's classes.

A field that Stripe may leave empty is null; the list of those comes from the SDK itself.
"""

import hashlib
import secrets
import string
from decimal import Decimal
from typing import Any, get_args

import stripe
import stripe.billing_portal
import stripe.checkout

from local.stripe.cards import DEBITS, brand
from local.stripe.wire import Json
from tollgate.catalogue import Overage, Plan, Price

API_VERSION = stripe.api_version

_ALPHABET = string.ascii_letters + string.digits
# Stripe sends these only where the request expands them, or for what is deleted.
_ON_REQUEST = frozenset(
    {"deleted", "line_items", "payments", "refunds", "sources", "subscriptions", "tax_ids"}
    | {"currency_options", "tiers"}
)
TRIAL_SETTINGS = {"end_behavior": {"missing_payment_method": "create_invoice"}}
_MILLION = 1_000_000
NO_TAX = {"enabled": False, "liability": None, "status": None}


def new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"


def listing(url: str, data: list[Json], *, has_more: bool = False) -> Json:
    return {"object": "list", "url": url, "has_more": has_more, "data": data}


def blank(kind: type, name: str, object_id: str, created: int) -> Json:
    empty = {
        field: None
        for field, annotation in kind.__annotations__.items()
        if type(None) in get_args(annotation) and field not in _ON_REQUEST
    }
    return {"id": object_id, "object": name, **empty, "created": created, "livemode": False}


def customer(now: int, **given: Any) -> Json:
    return {
        **blank(stripe.Customer, "customer", new_id("cus"), now),
        "balance": 0,
        "delinquent": False,
        "invoice_prefix": secrets.token_hex(4).upper(),
        "invoice_settings": {"default_payment_method": None},
        "metadata": {},
        "next_invoice_sequence": 1,
        "preferred_locales": [],
        "tax_exempt": "none",
        **given,
    }


def payment_method(now: int, customer_id: str, number: str) -> Json:
    """The fingerprint is the same for the same number, whoever pays with it."""
    if number in dict(DEBITS):
        return _method(now, customer_id, "us_bank_account", _bank_account(number))
    card = {
        "brand": brand(number),
        "country": "US",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "funding": "credit",
        "last4": number[-4:],
    }
    return _method(now, customer_id, "card", card)


def _bank_account(number: str) -> Json:
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "fingerprint": hashlib.sha256(number.encode()).hexdigest()[:16],
        "last4": number[-4:],
        "routing_number": "110000000",
    }


def _method(now: int, customer_id: str, kind: str, details: Json) -> Json:
    nobody = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "billing_details": nobody,
        kind: details,
        "created": now,
        "customer": customer_id,
        "livemode": False,
        "metadata": {},
        "type": kind,
    }


def product(plan: Plan, now: int) -> Json:
    return {
        **blank(stripe.Product, "product", f"prod_{plan.id}", now),
        "active": True,
        "images": [],
        "marketing_features": [{"name": feature} for feature in plan.features],
        "metadata": {"plan": plan.id},
        "name": plan.name,
        "type": "service",
        "updated": now,
    }


def price(entry: Price, plan: Plan, now: int) -> Json:
    return _price(entry.key, entry, plan, now) | {
        "unit_amount": entry.amount,
        "unit_amount_decimal": str(entry.amount),
    }


def metered_price(entry: Price, plan: Plan, overage: Overage, meter_id: str, now: int) -> Json:
    """What stands beside `entry`, and sells what goes beyond the month."""
    made = _price(plan.metered_keys[entry.key], entry, plan, now)
    made["recurring"] |= {"meter": meter_id, "usage_type": "metered"}
    return made | {"unit_amount_decimal": f"{Decimal(overage.amount) / _MILLION:f}"}


def _price(key: str, entry: Price, plan: Plan, now: int) -> Json:
    return {
        **blank(stripe.Price, "price", new_id("price"), now),
        "active": True,
        "billing_scheme": "per_unit",
        "currency": entry.currency,
        "lookup_key": key,
        "metadata": {"price_key": key},
        "product": f"prod_{plan.id}",
        "recurring": {
            "interval": entry.interval,
            "interval_count": 1,
            "meter": None,
            "trial_period_days": None,
            "usage_type": "licensed",
        },
        "tax_behavior": "unspecified",
        "type": "recurring",
    }


def months_of(price: Json) -> int:
    return 12 if price["recurring"]["interval"] == "year" else 1


def checkout_session(now: int, origin: str, price: Json, quantity: int, **given: Any) -> Json:
    session_id = new_id("cs_test")
    total = 0 if given.pop("trial", False) else price["unit_amount"] * quantity
    return {
        **blank(stripe.checkout.Session, "checkout.session", session_id, now),
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": dict(NO_TAX),
        "currency": price["currency"],
        "custom_fields": [],
        "custom_text": {},
        "expires_at": now + 86_400,
        "metadata": {},
        "mode": "subscription",
        "payment_method_collection": "always",
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "ui_mode": "hosted",
        "url": f"{origin}/pay/{session_id}",
        **given,
    }


def line_item(price: Json, quantity: int | None, total: int) -> Json:
    """What is metered has no quantity, and is due later."""
    return {
        "id": new_id("li"),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": price["lookup_key"],
        "metadata": {},
        "price": price,
        "quantity": quantity,
    }


def portal_session(now: int, origin: str, customer_id: str, **given: Any) -> Json:
    session_id = new_id("bps")
    return {
        **blank(stripe.billing_portal.Session, "billing_portal.session", session_id, now),
        "configuration": "bpc_local",
        "customer": customer_id,
        "url": f"{origin}/portal/{session_id}",
        **given,
    }


def event(now: int, kind: str, snapshot: Json, before: Json | None, request: Json) -> Json:
    """`previous_attributes` holds what an update changed, as it was."""
    data: Json = {"object": snapshot}
    if before is not None:
        data["previous_attributes"] = {
            name: before[name] for name in before if before[name] != snapshot.get(name)
        }
    return {
        **blank(stripe.Event, "event", new_id("evt"), now),
        "api_version": API_VERSION,
        "data": data,
        "pending_webhooks": 1,
        "request": request,
        "type": kind,
    }
