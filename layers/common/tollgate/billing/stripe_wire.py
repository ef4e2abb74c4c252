"""The shapes of what Stripe answers, as far as we read it, and our words for them."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from tollgate.billing.charges import Charge, Dispute, Refund
from tollgate.billing.subscription import Invoice, Item, Method, Subscription

_AT_ONCE_SECONDS = 60


class PriceWire(msgspec.Struct):
    lookup_key: str | None = None
    metadata: dict[str, str] | None = None

    @property
    def key(self) -> str | None:
        """Ours from the metadata: the lookup key may have moved on to the price's successor."""
        return (self.metadata or {}).get("price_key") or self.lookup_key


class _Item(msgspec.Struct):
    id: str
    price: PriceWire
    current_period_start: int
    current_period_end: int


class _Items(msgspec.Struct):
    data: list[_Item]


class _PriceDetails(msgspec.Struct):
    price: str


class _Pricing(msgspec.Struct):
    price_details: _PriceDetails | None = None


class _Span(msgspec.Struct):
    start: int
    end: int


class LineWire(msgspec.Struct):
    amount: int
    period: _Span
    pricing: _Pricing | None = None

    @property
    def price_id(self) -> str | None:
        details = self.pricing.price_details if self.pricing else None
        return details.price if details else None


class _Lines(msgspec.Struct):
    data: list[LineWire]


class _Transitions(msgspec.Struct, frozen=True):
    finalized_at: int | None = None
    marked_uncollectible_at: int | None = None


class InvoiceWire(msgspec.Struct):
    created: int
    status: str | None = None
    billing_reason: str | None = None
    due_date: int | None = None
    amount_due: int = 0
    amount_paid: int = 0
    status_transitions: _Transitions = _Transitions()
    lines: _Lines | None = None

    @property
    def credit(self) -> LineWire | None:
        """The unused time of the price that a change replaced: Stripe lists it first."""
        if self.billing_reason != "subscription_update" or self.lines is None:
            return None
        unused = (line for line in self.lines.data if line.amount < 0 and line.price_id)
        return next(unused, None)

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def is_written_off(self) -> bool:
        """Not what a pause lays aside as it is made, and nobody was asked to pay."""
        made = self.status_transitions.finalized_at or 0
        given_up = self.status_transitions.marked_uncollectible_at
        is_gift = given_up is not None and given_up - made <= _AT_ONCE_SECONDS
        return self.status == "uncollectible" and not is_gift

    @property
    def settles(self) -> bool:
        """Paid for a period, and not for a change within one."""
        return self.status == "paid" and self.billing_reason != "subscription_update"

    def neutral(self) -> Invoice:
        return Invoice(
            status=self.status or "",
            reason=self.billing_reason or "",
            created_at=_instant(self.created),
            due_at=_instant_or_none(self.due_date),
            is_change=self.credit is not None,
        )


class _PauseCollection(msgspec.Struct):
    behavior: str


class _Fingerprinted(msgspec.Struct):
    fingerprint: str | None = None


class _PaymentMethod(msgspec.Struct):
    """The kinds that Stripe recognises; a wallet's is the card in it."""

    acss_debit: _Fingerprinted | None = None
    au_becs_debit: _Fingerprinted | None = None
    bacs_debit: _Fingerprinted | None = None
    card: _Fingerprinted | None = None
    sepa_debit: _Fingerprinted | None = None
    us_bank_account: _Fingerprinted | None = None

    def neutral(self) -> Method | None:
        kinds = ((kind, getattr(self, kind)) for kind in self.__struct_fields__)
        known = (Method(kind, of.fingerprint) for kind, of in kinds if of and of.fingerprint)
        return next(known, None)


class CustomerWire(msgspec.Struct):
    id: str
    deleted: bool = False
    metadata: dict[str, str] | None = None

    @property
    def account_id(self) -> str | None:
        """Of one that was deleted none, which Stripe forgets."""
        return (self.metadata or {}).get("account_id")


class SubscriptionWire(msgspec.Struct):
    id: str
    status: str
    items: _Items
    created: int
    billing_cycle_anchor: int
    cancel_at_period_end: bool
    cancel_at: int | None = None
    trial_end: int | None = None
    pause_collection: _PauseCollection | None = None
    latest_invoice: InvoiceWire | None = None
    default_payment_method: _PaymentMethod | None = None
    customer: CustomerWire | str = ""

    @property
    def payer(self) -> CustomerWire:
        """Whose it is; no more than the id where the customer was not expanded."""
        return CustomerWire(self.customer) if isinstance(self.customer, str) else self.customer

    @property
    def may_owe(self) -> bool:
        """Active, and no later payment tells that nothing of before was written off."""
        invoice = self.latest_invoice
        collects = self.status == "active" and self.pause_collection is None
        return collects and invoice is not None and not invoice.settles

    def neutral(
        self, owed: InvoiceWire | None = None, replaced: Item | None = None
    ) -> Subscription:
        method = self.default_payment_method
        return Subscription(
            id=self.id,
            status=self.status,
            items=tuple(
                Item(
                    each.price.key,
                    _instant(each.current_period_start),
                    _instant(each.current_period_end),
                    each.id,
                )
                for each in self.items.data
            ),
            created_at=_instant(self.created),
            anchor_at=_instant(self.billing_cycle_anchor),
            cancel_at_period_end=self.cancel_at_period_end,
            cancel_at=_instant_or_none(self.cancel_at),
            trial_end=_instant_or_none(self.trial_end),
            paused_collection=self.pause_collection.behavior if self.pause_collection else None,
            invoice=self.latest_invoice.neutral() if self.latest_invoice else None,
            owed=owed.neutral() if owed else None,
            replaced=replaced,
            method=method.neutral() if method else None,
        )


class _Paid(msgspec.Struct):
    customer: str | None = None


class _OfCharge(msgspec.Struct, kw_only=True):
    charge: _Paid | str | None = None

    @property
    def customer_id(self) -> str | None:
        """Whose charge it is, where that was expanded."""
        return self.charge.customer if isinstance(self.charge, _Paid) else None


class RefundWire(_OfCharge):
    id: str
    amount: int
    status: str | None = None

    def neutral(self) -> Refund:
        return Refund(self.id, self.amount, self.status or "")


class DisputeWire(_OfCharge):
    id: str
    status: str
    created: int

    def neutral(self) -> Dispute:
        return Dispute(self.status, _instant(self.created))


class _Refunds(msgspec.Struct):
    data: list[RefundWire]
    has_more: bool


class ChargeWire(msgspec.Struct):
    id: str
    amount: int
    created: int
    disputed: bool
    paid: bool
    refunds: _Refunds

    @property
    def is_contested(self) -> bool:
        """By its refunds and not by the amount refunded, which those that failed are no part of."""
        return self.paid and (self.disputed or bool(self.refunds.data))

    def neutral(self, refunds: Iterable[Refund], disputes: Iterable[Dispute]) -> Charge:
        return Charge(self.amount, _instant(self.created), tuple(refunds), tuple(disputes))


def item_before(credit: LineWire, price: PriceWire) -> Item:
    """What a change replaced, for the time that it had been paid for."""
    return Item(price.key, _instant(credit.period.start), _instant(credit.period.end))


def _instant(epoch_seconds: int) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)


def _instant_or_none(epoch_seconds: int | None) -> datetime | None:
    return None if epoch_seconds is None else _instant(epoch_seconds)
