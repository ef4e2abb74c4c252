"""Stripe's test cards and accounts that the stand-in knows; no other number pays anything."""

from local.stripe.wire import StripeError

PAYS, ATTACHES_ONLY, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
CARDS = (
    (PAYS, "Pays, now and at every renewal"),
    (ATTACHES_ONLY, "Pays now, fails at the first renewal"),
    (DECLINED, "Is declined"),
)
DEBIT_SUCCEEDS, DEBIT_FAILS = "000123456789", "000111111116"
DEBITS = (
    (DEBIT_SUCCEEDS, "A bank debit, paid after three days"),
    (DEBIT_FAILS, "A bank debit that fails after three days"),
)


def declined() -> StripeError:
    message = "Your card was declined."
    return StripeError(message, code="card_declined", status=402, kind="card_error")


def accepted(typed: str) -> str:
    """The number alone; StripeError where it is declined at once, or is no test card."""
    number = "".join(filter(str.isdecimal, typed))
    if number == DECLINED:
        raise declined()
    if number not in dict(CARDS + DEBITS):
        message = "Your card number is not one of the test cards below."
        raise StripeError(message, code="incorrect_number", status=402, kind="card_error")
    return number
