"""What a payment leaves behind, as Stripe's API sends it: intent, charge, refund, dispute."""

from typing import Any

import stripe

from local.stripe.cycle import DAY
from local.stripe.objects import blank, new_id
from local.stripe.wire import Json

_NOBODY = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
_EVIDENCE_DAYS = 9


def payment_intent(now: int, invoice: Json, method: Json) -> Json:
    """Without a charge and unpaid."""
    intent_id = new_id("pi")
    return {
        **blank(stripe.PaymentIntent, "payment_intent", intent_id, now),
        "amount": invoice["amount_due"],
        "amount_capturable": 0,
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_local",
        "confirmation_method": "automatic",
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "metadata": {},
        "payment_method": method["id"],
        "payment_method_types": [method["type"]],
        "status": "requires_payment_method",
    }


def invoice_payment(now: int, invoice: Json, intent: Json) -> Json:
    """The way between an invoice and its payment intent, for neither names the other."""
    return {
        **blank(stripe.InvoicePayment, "invoice_payment", new_id("inpay"), now),
        "amount_requested": invoice["amount_due"],
        "currency": invoice["currency"],
        "invoice": invoice["id"],
        "is_default": True,
        "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def charge(now: int, intent: Json, method: Json, *, paid: bool) -> Json:
    kind = method["type"]
    failure = {} if paid else {"failure_code": "card_declined"}
    return {
        **blank(stripe.Charge, "charge", new_id("ch"), now),
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0,
        "billing_details": dict(_NOBODY),
        "captured": paid,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "disputed": False,
        "metadata": {},
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {kind: dict(method[kind]), "type": kind},
        "refunded": False,
        "status": "succeeded" if paid else "failed",
        **failure,
    }


def refund(now: int, charge: Json, amount: int, **given: Any) -> Json:
    return {
        **blank(stripe.Refund, "refund", new_id("re"), now),
        "amount": amount,
        "charge": charge["id"],
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "status": "succeeded",
        **given,
    }


def dispute(now: int, charge: Json, status: str) -> Json:
    """An inquiry where the status says warning_…, else a chargeback."""
    inquiry = status.startswith("warning_")
    return {
        **blank(stripe.Dispute, "dispute", new_id("du"), now),
        "amount": charge["amount"] - charge["amount_refunded"],
        "balance_transactions": [],
        "charge": charge["id"],
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": now + _EVIDENCE_DAYS * DAY,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "fraudulent",
        "status": status,
    }
