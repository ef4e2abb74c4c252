"""Charges, refunds and disputes: through the API, and by the hands of banks and card holders."""

from local.stripe import payment_objects
from local.stripe.books import Books
from local.stripe.call import Call, merged, only
from local.stripe.listing import page
from local.stripe.wire import Json, StripeError

CLOSED = ("warning_closed", "won", "lost")
_NEXT = {
    "warning_needs_response": ("warning_under_review", "warning_closed", "needs_response"),
    "warning_under_review": ("warning_closed", "needs_response"),
    "needs_response": ("under_review", "won", "lost"),
    "under_review": ("won", "lost"),
}
"""A dispute's ways; an inquiry (`warning_…`) may become a chargeback, never the reverse."""


def create_refund(call: Call) -> Json:
    """Of a charge or of a payment intent's, whole or in part; what is refunded stays refunded."""
    books, params = call.books, call.params
    charge = _charge_of(call)
    left = charge["amount"] - charge["amount_refunded"]
    if not left:
        message = f"Charge {charge['id']} has already been refunded."
        raise StripeError(message, code="charge_already_refunded")
    amount = params.get("amount", left)
    if amount < 1:
        raise StripeError("This value must be greater than or equal to 1.", param="amount")
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise StripeError(message, param="amount")
    metadata = merged({}, params.get("metadata", {}))
    given = {**only(params, "reason"), "metadata": metadata}
    refund = payment_objects.refund(books.now, charge, amount, **given)
    books.save(refund, "refund.created")
    _count_refund(books, charge, amount)
    books.save(charge, "charge.refunded")
    return refund


def fail_refund(books: Books, refund_id: str) -> Json:
    """The card's bank sent the money back: the charge counts it as not refunded."""
    refund = books.get("refund", refund_id)
    if refund["status"] == "failed":
        raise StripeError(f"Refund {refund_id} has failed already.")
    charge = books.get("charge", refund["charge"])
    _count_refund(books, charge, -refund["amount"])
    books.save(charge)
    refund |= {"status": "failed", "failure_reason": "unknown"}
    books.save(refund, "charge.refund.updated")
    return books.save(refund, "refund.failed")


def open_dispute(books: Books, charge_id: str, status: str) -> Json:
    """`warning_needs_response` is an inquiry, `needs_response` a chargeback."""
    charge = books.get("charge", charge_id, "charge")
    if status not in ("warning_needs_response", "needs_response"):
        raise StripeError("A dispute opens as warning_needs_response or as needs_response.")
    if charge["disputed"]:
        raise StripeError(f"Charge {charge_id} is disputed already.")
    if not charge["paid"]:
        raise StripeError(f"Charge {charge_id} was never paid.")
    books.save(charge | {"disputed": True})
    dispute = payment_objects.dispute(books.now, charge, status)
    books.save(dispute, "charge.dispute.created")
    if status == "needs_response":
        books.save(dispute, "charge.dispute.funds_withdrawn")
    return dispute


def move_dispute(books: Books, dispute_id: str, status: str) -> Json:
    """As the bank decides; StripeError where a dispute does not go there from where it is."""
    dispute = books.get("dispute", dispute_id)
    before = dispute["status"]
    ways = _NEXT.get(before, ())
    if status not in ways:
        raise StripeError(f"A dispute that is {before} becomes {' or '.join(ways) or 'nothing'}.")
    dispute["status"] = status
    if status == "needs_response":
        dispute["is_charge_refundable"] = False
    closed = status in CLOSED
    books.save(dispute, "charge.dispute.closed" if closed else "charge.dispute.updated")
    if status == "needs_response":
        books.save(dispute, "charge.dispute.funds_withdrawn")
    if status == "won":
        books.save(dispute, "charge.dispute.funds_reinstated")
    return dispute


def list_invoice_payments(call: Call) -> Json:
    params = call.params
    wanted = only(params, "invoice", "status")
    if "payment" in params:
        wanted["payment"] = params["payment"]
    return page(call.path, call.books.all("invoice_payment", **wanted), params)


def _charge_of(call: Call) -> Json:
    books, params = call.books, call.params
    if "charge" in params:
        charge = books.get("charge", params["charge"], "charge")
    elif "payment_intent" in params:
        intent = books.get("payment_intent", params["payment_intent"], "payment_intent")
        charge = books.get("charge", intent["latest_charge"])
    else:
        message = "One of the following params should be provided for this request: "
        raise StripeError(f"{message}payment_intent or charge.")
    disputes = books.all("dispute", charge=charge["id"])
    if not charge["paid"]:
        raise StripeError(f"Charge {charge['id']} was never paid.")
    if any(not each["is_charge_refundable"] for each in disputes):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise StripeError(message, code="charge_disputed")
    return charge


def _count_refund(books: Books, charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
