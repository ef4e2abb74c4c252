"""Stripe's test cards and accounts that the stand-in knows; no other number pays anything."""

from local.stripe.wire import StripeError

PAYS, ATTACHES_ONLY, DECLINED = "4242424242424242", "4000000000000341", "4000000000000002"
ALSO_PAYS = "5555555555554444"
CARDS = (
    (PAYS, "Pays, now and at every renewal"),
    (ALSO_PAYS, "Pays too, for somebody else: a card has one trial"),
    (ATTACHES_ONLY, "Pays now, fails at the first renewal"),
    (DECLINED, "Is declined"),
)
CHALLENGED = "4000002500003155"
CHALLENGES = ((CHALLENGED, "Asks its owner first (3-D Secure), then pays as the first"),)
MORE_THAT_PAY = (
    "4000056655665556",
    "2223003122003222",
    "5200828282828210",
    "5105105105105100",
    "378282246310005",
    "371449635398431",
    "6011111111111117",
    "6011000990139424",
    "36227206271667",
    "3566002020360505",
)
"""Not shown: as many cards as there are people to try a trial with."""
DEBIT_SUCCEEDS, DEBIT_FAILS = "000123456789", "000111111116"
DEBITS = (
    (DEBIT_SUCCEEDS, "A bank debit, paid after three days"),
    (DEBIT_FAILS, "A bank debit that fails after three days"),
)
_KNOWN = frozenset({*dict(CARDS + CHALLENGES + DEBITS), *MORE_THAT_PAY})
_BRANDS = {"2": "mastercard", "4": "visa", "5": "mastercard", "6": "discover"}
_LONGER = {"34": "amex", "35": "jcb", "36": "diners", "37": "amex"}


def brand(number: str) -> str:
    """By its first digits, as everywhere."""
    return _LONGER.get(number[:2]) or _BRANDS[number[0]]


def declined() -> StripeError:
    message = "Your card was declined."
    return StripeError(message, code="card_declined", status=402, kind="card_error")


def accepted(typed: str) -> str:
    """The number alone; StripeError where it is declined at once, or is no test card."""
    number = "".join(filter(str.isdecimal, typed))
    if number == DECLINED:
        raise declined()
    if number not in _KNOWN:
        message = "Your card number is not one of the test cards below."
        raise StripeError(message, code="incorrect_number", status=402, kind="card_error")
    return number
