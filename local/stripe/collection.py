"""How an invoice is collected: each attempt at the card leaves a charge, paid or failed.

Simpler than Stripe in two ways: an invoice that is collected at once is announced only when it is
paid or not, and of payments only their refunds and disputes are announced, not each intent and
charge.
"""

from local.stripe import billing_objects, payment_objects
from local.stripe.books import Books
from local.stripe.cards import ATTACHES_ONLY
from local.stripe.cycle import DAY
from local.stripe.wire import Json

_DRAFT_SECONDS = 3_600
_RETRY_AFTER_DAYS = (3, 5, 7)
"""Between one failed attempt at an invoice and the next; after the last the subscription ends."""


def invoice(books: Books, subscription: Json, reason: str, lines: list[Json]) -> Json:
    """Open, the subscription's latest, and not saved before it is collected."""
    made = billing_objects.invoice(books.now, subscription, reason, lines)
    subscription["latest_invoice"] = made["id"]
    return made


def collect(books: Books, subscription: Json, invoice: Json) -> bool:
    """One attempt at the card; the invoice is saved either way."""
    invoice |= {"attempted": True, "attempt_count": invoice["attempt_count"] + 1}
    card = subscription["default_payment_method"]
    method = books.get("payment_method", card) if card else None
    paid = not _is_refused(invoice, method)
    if invoice["amount_due"] and method:
        charge(books, invoice, method, paid=paid)
    if not paid:
        failures = invoice["attempt_count"]
        again = failures <= len(_RETRY_AFTER_DAYS)
        delay = _RETRY_AFTER_DAYS[failures - 1] * DAY if again else 0
        invoice["next_payment_attempt"] = books.now + delay if again else None
        books.save(invoice, "invoice.payment_failed")
        return False
    mark_paid(books, invoice)
    return True


def draft(books: Books, invoice: Json) -> None:
    """For an hour, in which a merchant may still add to it; saved."""
    _draft(books, invoice, books.now + _DRAFT_SECONDS)


def finalize(books: Books, invoice: Json) -> None:
    invoice |= {
        "automatically_finalizes_at": None,
        "effective_at": books.now,
        "number": billing_objects.invoice_number(),
        "status": "open",
    }
    invoice["status_transitions"]["finalized_at"] = books.now
    books.save(invoice, "invoice.finalized")


def keep_draft(books: Books, invoice: Json) -> None:
    """What it was for has ended meanwhile: nothing finalises it any more."""
    books.save(invoice | {"auto_advance": False, "automatically_finalizes_at": None})


def _draft(books: Books, invoice: Json, finalizes_at: int | None) -> None:
    invoice |= {
        "auto_advance": finalizes_at is not None,
        "automatically_finalizes_at": finalizes_at,
        "effective_at": None,
        "number": None,
        "status": "draft",
    }
    invoice["status_transitions"]["finalized_at"] = None
    books.save(invoice, "invoice.created")


def begin_debit(books: Books, invoice: Json, method: Json) -> None:
    """The bank is asked, and answers in days; the invoice is saved, open."""
    await_payment(books, invoice, method, "processing")
    books.save(invoice | {"attempted": True, "attempt_count": 1})


def await_payment(books: Books, invoice: Json, method: Json, status: str) -> None:
    """Its intent has this status, which is neither paid nor refused."""
    payment, intent = _payment_of(books, invoice, method)
    books.save(payment)
    books.save(intent | {"payment_method": method["id"], "status": status})


def mark_paid(books: Books, invoice: Json) -> Json:
    invoice |= {
        "amount_paid": invoice["amount_due"],
        "amount_remaining": 0,
        "next_payment_attempt": None,
        "status": "paid",
    }
    invoice["status_transitions"]["paid_at"] = books.now
    return books.save(invoice, "invoice.paid")


def void(books: Books, invoice: Json) -> Json:
    """As if it had never been sent."""
    invoice |= {"next_payment_attempt": None, "status": "void"}
    invoice["status_transitions"]["voided_at"] = books.now
    return books.save(invoice, "invoice.voided")


def lay_aside(books: Books, invoice: Json, behavior: str) -> None:
    """What a pause does with an invoice instead of collecting it; saved."""
    if behavior == "void":
        void(books, invoice)
    elif behavior == "keep_as_draft":
        _draft(books, invoice, None)
    else:
        give_up(books, invoice)


def give_up(books: Books, invoice: Json) -> None:
    invoice |= {"next_payment_attempt": None, "status": "uncollectible"}
    invoice["status_transitions"]["marked_uncollectible_at"] = books.now
    books.save(invoice, "invoice.marked_uncollectible")


def _is_refused(invoice: Json, method: Json | None) -> bool:
    """The card that only attaches lets the first invoice through, so that a renewal can fail."""
    if invoice["amount_due"] == 0:
        return False
    if method is None:
        return True
    first = invoice["billing_reason"] == "subscription_create"
    return bool(not first and method[method["type"]]["last4"] == ATTACHES_ONLY[-4:])


def charge(books: Books, invoice: Json, method: Json, *, paid: bool) -> None:
    """One attempt, on record."""
    payment, intent = _payment_of(books, invoice, method)
    made = books.save(payment_objects.charge(books.now, intent, method, paid=paid))
    intent |= {"latest_charge": made["id"], "payment_method": method["id"]}
    if paid:
        intent |= {"amount_received": intent["amount"], "status": "succeeded"}
        payment |= {"amount_paid": intent["amount"], "status": "paid"}
        payment["status_transitions"]["paid_at"] = books.now
    else:
        intent["status"] = "requires_payment_method"
    books.save(intent)
    books.save(payment)


def _payment_of(books: Books, invoice: Json, method: Json) -> tuple[Json, Json]:
    """The invoice's one payment and its intent, saved or new."""
    for payment in books.all("invoice_payment", invoice=invoice["id"]):
        return payment, books.get("payment_intent", payment["payment"]["payment_intent"])
    intent = payment_objects.payment_intent(books.now, invoice, method)
    return payment_objects.invoice_payment(books.now, invoice, intent), intent
