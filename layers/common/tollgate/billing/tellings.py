"""What a person is told of: the difference between what we believed and what Stripe says now.

Each telling names its fact, a subscription and the date that it is about, so that whoever finds
the same difference again, by a repetition or a race, tells nothing new.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tollgate.billing.charges import is_on_hold
from tollgate.billing.subscription import OVERDUE
from tollgate.notices import texts, words
from tollgate.quota.periods import rfc3339

if TYPE_CHECKING:
    from tollgate.billing.entitlement import Entitlement
    from tollgate.billing.reading import Reading
    from tollgate.catalogue import Catalogue, Price
    from tollgate.tenancy.records import Account

_AHEAD = timedelta(days=3, hours=1)
"""`trial_will_end` wakes us at three days, by Stripe's clock: ours may be behind it."""


@dataclass(frozen=True, slots=True)
class Telling:
    kind: str
    dedupe: str
    data: Mapping[str, str]


def tellings(
    before: "Account", reading: "Reading", catalogue: "Catalogue", now: datetime
) -> Iterator[Telling]:
    """`before` is the projection as it was read, not yet changed."""
    found = reading.entitlement
    lowest = catalogue.lowest.id
    if before.plan != lowest and found.plan_id == lowest:
        yield access_ended(before, catalogue)
    elif found.plan_id != lowest:
        yield from _of_a_plan(before, found, catalogue, now)
        yield from _of_a_second_trial(reading, catalogue)
    if reading.charges is not None and is_on_hold(reading.charges) and not before.on_hold:
        newest = max(each.created_at for charge in reading.charges for each in charge.disputes)
        yield Telling(texts.DISPUTE_OPENED, rfc3339(newest), {})


def access_ended(before: "Account", catalogue: "Catalogue") -> Telling:
    """The same fact whether Stripe has said so or a deadline has passed."""
    known = catalogue.plans.get(before.plan)
    name = known.name if known else before.plan
    return Telling(texts.ACCESS_ENDED, _fact(before, before.current_period_end), {"plan": name})


def _of_a_plan(
    before: "Account", found: "Entitlement", catalogue: "Catalogue", now: datetime
) -> Iterator[Telling]:
    plan = {"plan": catalogue.plans[found.plan_id].name}
    if found.grace_until is not None and found.until is not None:
        if found.grace_until != before.grace_until:
            data = plan | {"grace_until": words.day(found.until)}
            yield Telling(texts.PAYMENT_FAILED, _fact(found, found.grace_until), data)
    elif found.status == "active" and before.subscription_status in OVERDUE:
        if found.subscription_id == before.subscription_id:
            owed = before.grace_until or before.current_period_end
            yield Telling(texts.RECOVERED, _fact(before, owed), plan)
    elif found.status == "trialing" and not found.cancel_at_period_end:
        price, end = catalogue.price(found.price_key), found.current_period_end
        if price is not None and end is not None and end - now <= _AHEAD:
            data = plan | {"ends_at": words.day(end), "amount": _cost(price)}
            yield Telling(texts.TRIAL_ENDING, _fact(found, end), data)


def _of_a_second_trial(reading: "Reading", catalogue: "Catalogue") -> Iterator[Telling]:
    """From what Stripe says and not from what we did there, which a crash forgets."""
    found = reading.entitlement
    price = catalogue.price(found.price_key)
    if found.subscription_id in reading.second_trials and price is not None:
        data = {"plan": catalogue.plans[found.plan_id].name, "amount": _cost(price)}
        yield Telling(texts.TRIAL_REFUSED, found.subscription_id, data)


def _fact(of: "Account | Entitlement", about: datetime | None) -> str:
    return f"{of.subscription_id}#{rfc3339(about) if about else ''}"


def _cost(price: "Price") -> str:
    return f"{words.money(price.amount, price.currency)} a {price.interval}"
