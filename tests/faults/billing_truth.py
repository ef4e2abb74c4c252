"""What people do at Stripe, and what a reader of Stripe's objects would say that they may do.

A second, small reading of the rules: it knows only the subscriptions that are made here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from tests.integration.billing_stripe import PERIOD, Json, ScriptedStripe
from tollgate.billing.apply_subscription import Event

PLANS = ("free", "pro", "team")
PRICES = ("pro_monthly", "team_monthly")
METERED = "team_model_tokens_month"
_LIVE = {"active", "trialing", "past_due"}
_DAY = 86_400
_GRACE = 7 * _DAY
_TRIAL = 7 * _DAY
_event_numbers = count(1)


@dataclass(frozen=True)
class Truth:
    """`until` in epoch seconds; `subscription` where one grants the plan; `metered` where what goes
    beyond the month is paid for.
    """

    plan: str = "free"
    until: int | None = None
    subscription: str | None = None
    status: str | None = None
    metered: bool = False


def truth(subscriptions: Sequence[Json], now: datetime) -> Truth:
    """The best of what is granted now: the higher plan, then the later end, then the newer."""
    granted = [found for each in subscriptions if (found := _granted(each, now)) is not None]
    return max(granted, key=_rank, default=(0, Truth()))[1]


def unsold(subscriptions: Sequence[Json], said: Truth) -> bool:
    """A team's subscription on which nothing beyond the month is sold, or another that sells it."""
    chosen = [each for each in subscriptions if each["id"] == said.subscription]
    return any(_is_metered(each) != (said.plan == "team") for each in chosen)


def is_live(subscription: Json) -> bool:
    return subscription["status"] in _LIVE


def _granted(subscription: Json, now: datetime) -> tuple[int, Truth] | None:
    ends = [subscription["cancel_at"]] if subscription.get("cancel_at") else []
    item = _plan_item(subscription)
    if subscription["cancel_at_period_end"]:
        ends.append(item["current_period_end"])
    status = subscription["status"]
    if status == "past_due":
        owed, trial_end = subscription["latest_invoice"]["created"], subscription["trial_end"]
        if trial_end is not None and owed <= trial_end + _DAY:
            return None
        ends.append(owed + _GRACE)
    until = min(ends, default=None)
    if status not in _LIVE or (until is not None and until <= now.timestamp()):
        return None
    plan = item["price"]["lookup_key"].removesuffix("_monthly")
    metered = (plan, status) == ("team", "active") and _is_metered(subscription)
    return subscription["created"], Truth(plan, until, subscription["id"], status, metered)


def _plan_item(subscription: Json) -> Json:
    items: list[Json] = subscription["items"]["data"]
    [item] = [each for each in items if _key(each) in PRICES]
    return item


def _is_metered(subscription: Json) -> bool:
    return METERED in map(_key, subscription["items"]["data"])


def _key(item: Json) -> str:
    return str(item["price"]["lookup_key"])


def _rank(claim: tuple[int, Truth]) -> tuple[int, bool, int, int, str]:
    created, found = claim
    return (
        PLANS.index(found.plan),
        found.until is None,
        found.until or 0,
        created,
        found.subscription or "",
    )


@dataclass
class Payers:
    """Everybody who pays for one account; each thing that they do is told in events, which wait
    in `pending` until somebody delivers them.
    """

    stripe: ScriptedStripe
    account_id: str
    random: Random
    pending: list[Event] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)

    @property
    def customers(self) -> list[str]:
        """Usually one: the customers that were made for the account."""
        return [
            customer_id
            for customer_id, customer in self.stripe.customers.items()
            if customer["metadata"].get("account_id") == self.account_id
        ]

    def subscriptions(self, customer_id: str | None) -> list[Json]:
        return self.stripe.subscriptions.get(customer_id or "", [])

    def pay(self, session_id: str, now: datetime) -> str:
        """The page that a checkout led to, with the card or the bank's page left open."""
        session = self.stripe.sessions[session_id]
        if session["status"] != "open":
            return f"{session_id} is paid already"
        session["status"] = "complete"
        self._tell("checkout.session.completed", session["customer"])
        return self.subscribe(session["customer"], now)

    def subscribe(self, customer_id: str, now: datetime) -> str:
        """As an operator does it in the dashboard too, for any customer."""
        begin = int(now.timestamp())
        status = self.random.choice(["active", "active", "trialing", "incomplete"])
        price = self.random.choice(PRICES)
        item = {
            "id": f"si_{begin}_{price}",
            "price": {"id": f"price_{price}", "lookup_key": price},
            "current_period_start": begin,
            "current_period_end": begin + PERIOD,
        }
        made = self.stripe.subscribe(
            customer_id,
            status=status,
            created=begin,
            billing_cycle_anchor=begin,
            items={"object": "list", "data": [item]},
            latest_invoice=_invoice("paid", begin),
            trial_end=begin + _TRIAL if status == "trialing" else None,
        )
        self._tell("customer.subscription.created", customer_id)
        return f"{made['id']} {status} {price}"

    def change(self, now: datetime) -> str:
        """Somebody cancels, pays late, upgrades, at any moment."""
        every = [each for customer in self.customers for each in self.subscriptions(customer)]
        standing = [each for each in every if each["status"] != "canceled"]
        if not standing:
            return "nothing to change"
        chosen = self.random.choice(standing)
        kind, changes = self.random.choice(_changes(chosen, now))
        chosen.update(changes)
        self._tell(kind, chosen["customer"])
        return f"{chosen['id']} {changes}"

    def _tell(self, kind: str, customer_id: str) -> None:
        event = Event(f"evt_{next(_event_numbers)}", kind, customer_id)
        self.pending.append(event)
        self.told.append(event)


def _changes(subscription: Json, now: datetime) -> list[tuple[str, Mapping[str, Any]]]:
    at = int(now.timestamp())
    item = _plan_item(subscription)
    other = PRICES[_key(item) == PRICES[0]]
    moved = {**item, "price": {"id": f"price_{other}", "lookup_key": other}}
    beside = [each for each in subscription["items"]["data"] if each is not item]
    at_end = not subscription["cancel_at_period_end"]
    cancel_at = None if subscription.get("cancel_at") else at + 3 * _DAY
    return [
        ("customer.subscription.updated", {"items": {"object": "list", "data": [moved, *beside]}}),
        ("customer.subscription.updated", {"cancel_at_period_end": at_end}),
        ("customer.subscription.updated", {"cancel_at": cancel_at}),
        ("invoice.paid", {"status": "active", "latest_invoice": _invoice("paid", at)}),
        (
            "invoice.payment_failed",
            {"status": "past_due", "latest_invoice": _invoice("open", at)},
        ),
        ("customer.subscription.deleted", {"status": "canceled"}),
    ]


def _invoice(status: str, created: int) -> Json:
    return {
        "object": "invoice",
        "status": status,
        "created": created,
        "billing_reason": "subscription_cycle",
    }


WAITS = (
    timedelta(minutes=7),
    timedelta(hours=25),
    timedelta(days=3, minutes=1),
    timedelta(days=8),
)
