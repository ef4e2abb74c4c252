"""Usage and receipts as the contract shows them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tollgate.catalogue import Catalogue
from tollgate.quota.periods import rfc3339
from tollgate.quota.records import ClosedPeriod, Receipt
from tollgate.quota.usage import Counters, MonthOfUse, OpenPeriod

_BILLION = 10**9


def month_document(
    use: MonthOfUse, periods: Iterable[OpenPeriod | ClosedPeriod], catalogue: Catalogue
) -> dict[str, Any]:
    return {
        "period": use.month,
        "totals": _counters(use.totals),
        "days": [{"day": day, **_counters(each)} for day, each in use.days.items()],
        "models": [
            {"model": model, "provider": _provider(model, catalogue), **_counters(each)}
            for model, each in use.models.items()
        ],
        "periods": [
            _open_period(each) if isinstance(each, OpenPeriod) else _closed_period(each)
            for each in periods
        ],
    }


def receipt_document(receipt: Receipt) -> dict[str, Any]:
    """`used` is what the hold's own decision charged; what came after it is in `late`."""
    return {
        "generation_id": receipt.generation_id,
        "outcome": receipt.outcome,
        "model": receipt.model,
        "provider": receipt.provider or None,
        "reserved": int(receipt.reserved),
        "input_tokens": int(receipt.input_tokens),
        "output_tokens": int(receipt.output_tokens),
        "used": int(receipt.input_tokens + receipt.output_tokens),
        "unused": receipt.unused,
        "estimated": receipt.estimated,
        "cost": dollars(int(receipt.cost)),
        "price_version": receipt.price_version,
        "admitted_at": _time(receipt.admitted_at),
        "decided_at": _time(receipt.decided_at),
        "period": receipt.period,
        "day": receipt.day,
        "late": None if receipt.late_at is None else _late(receipt),
    }


def dollars(billionths: int) -> dict[str, str]:
    """Exact: no float ever holds it."""
    whole, rest = divmod(billionths, _BILLION)
    return {"amount": f"{whole}.{rest:09d}", "currency": "usd"}


def _late(receipt: Receipt) -> dict[str, Any]:
    """What a settlement that came after its reclaim recorded; it replaces the first figures."""
    return {
        "outcome": receipt.late_outcome,
        "model": receipt.late_model,
        "provider": receipt.late_provider or None,
        "input_tokens": int(receipt.late_input_tokens),
        "output_tokens": int(receipt.late_output_tokens),
        "used": int(receipt.late_input_tokens + receipt.late_output_tokens),
        "debt": receipt.debt,
        "estimated": receipt.late_estimated,
        "cost": dollars(int(receipt.late_cost)),
        "at": _time(receipt.late_at),
    }


def _counters(counted: Counters) -> dict[str, Any]:
    return {
        "generations": counted.generations,
        "input_tokens": counted.input_tokens,
        "output_tokens": counted.output_tokens,
        "cost": dollars(counted.cost),
    }


def _provider(model: str, catalogue: Catalogue) -> str | None:
    known = catalogue.models.get(model)
    return known.provider if known else None


def _open_period(period: OpenPeriod) -> dict[str, Any]:
    return {
        "open": True,
        "start": period.start,
        "end": rfc3339(period.end),
        "plan": period.plan,
        "granted": period.granted,
        "used": period.used,
        "reserved": period.reserved,
    }


def _closed_period(period: ClosedPeriod) -> dict[str, Any]:
    return {
        "open": False,
        "start": period.start,
        "plan": period.plan,
        "granted": int(period.granted),
        "used": int(period.used),
        "debt": int(period.debt or 0),
        "closed_at": _time(period.closed_at),
    }


def _time(milliseconds: float) -> str:
    return rfc3339(datetime.fromtimestamp(milliseconds / 1000, UTC))
