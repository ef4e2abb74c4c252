"""The way of a reconciliation: Stripe's side first, then ours, then what was taken back.

Ours comes second because an account that Stripe's subscriptions led to needs no second look. It is
enumerated by the sparse index, customers in partitions of their own beside the gates in use.
"""

import json
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from tollgate.billing import records
from tollgate.billing.reconcile_progress import Progress
from tollgate.billing.stripe_listing import SubscribedPage, TakenBackPage
from tollgate.billing.suspects import SUBSCRIPTIONS, Check, Finder
from tollgate.quota.due import SHARDS
from tollgate.table import keys

if TYPE_CHECKING:
    from tollgate.billing.apply_subscription import Billing

_CUSTOMERS = tuple(records.customer_shard(each) for each in range(SHARDS))
_IN_USE = tuple(str(each) for each in range(SHARDS))
_DISPUTES, _REFUNDS = "disputes", "refunds"
PHASES = (SUBSCRIPTIONS, *_CUSTOMERS, *_IN_USE, _DISPUTES, _REFUNDS)

_BANKS_DECIDE, _REFUNDS_FAIL = timedelta(days=180), timedelta(days=35)
"""For how long after its beginning something may become of a dispute, and of a refund."""
_PAGE = 100
_ALL = "!", "~"
"""Before and after every boundary of a month and every customer's id."""
_NOBODY, _NOTHING = SubscribedPage([], None), TakenBackPage([], None)

Checks = Iterator[tuple[str, Check]]
Page = tuple[Checks, str | None]


def begin(now: datetime) -> Progress:
    return Progress(now, SUBSCRIPTIONS)


def pages(
    billing: "Billing", progress: Progress, seen: Collection[str]
) -> Iterator[tuple[Checks, Progress]]:
    """Each with the place where it is read again. Of ours, who is in `seen` by then is left out."""
    for phase in PHASES[PHASES.index(progress.phase) :]:
        place = progress.place if phase == progress.phase else None
        while True:
            at = Progress(progress.began, phase, place)
            if phase == SUBSCRIPTIONS:
                checks, place = _at_stripe(billing, place)
            elif phase in {_DISPUTES, _REFUNDS}:
                checks, place = _taken_back(billing, at)
            else:
                checks, place = _ours(billing, phase, place, seen)
            yield checks, at
            if place is None:
                break


def _at_stripe(billing: "Billing", place: str | None) -> Page:
    """From the top again where that of `place` is gone."""
    page = billing.stripe.everybody(place) or billing.stripe.everybody(None) or _NOBODY
    finder = Finder(billing)
    return chain(finder.at_stripe(page.found), finder.of_unknown(page.unknown)), page.last


def _taken_back(billing: "Billing", at: Progress) -> Page:
    ask: Callable[[datetime, str | None], TakenBackPage | None]
    ask, since = billing.stripe.refunded, at.began - _REFUNDS_FAIL
    if at.phase == _DISPUTES:
        ask, since = billing.stripe.disputed, at.began - _BANKS_DECIDE
    page = ask(since, at.place) or ask(since, None) or _NOTHING
    finder = Finder(billing)
    return chain(finder.of_charges(page.found), finder.of_unknown(page.unknown)), page.last


def _ours(billing: "Billing", phase: str, place: str | None, seen: Collection[str]) -> Page:
    start = None if place is None else json.loads(place)
    page = billing.table.query_due(phase, *_ALL, limit=_PAGE, start=start)
    last = None if page.next_key is None else json.dumps(page.next_key)
    if phase in _CUSTOMERS:
        customer_ids = [keys.customer_of(each) for each in page.items]
        return Finder(billing).of_customers(customer_ids, seen), last
    ids = [keys.account_of(each) for each in page.items]
    return Finder(billing).of_accounts([each for each in ids if each not in seen]), last
