"""Amounts and days as a person reads them, in English."""

from datetime import UTC, datetime

_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£"}
_WITHOUT_MINOR_UNITS = {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"} | {
    *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf")
}
"""https://docs.stripe.com/currencies#zero-decimal"""


def money(amount: int, currency: str) -> str:
    """`amount` in minor units, as Stripe counts them."""
    if currency in _WITHOUT_MINOR_UNITS:
        figure = f"{amount:,}"
    else:
        figure = f"{amount // 100:,}.{amount % 100:02}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{figure}" if symbol else f"{figure} {currency.upper()}"


def day(when: datetime) -> str:
    """The day in UTC, by which all deadlines go."""
    utc = when.astimezone(UTC)
    return f"{utc.day} {utc:%B %Y}"
