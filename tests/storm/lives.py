"""What the people of one storm do at Stripe, each at any moment: buy, fail to pay, cancel, dispute.

Every act is tried; what Stripe refuses has not happened.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import stripe

from local.stripe import cards
from local.stripe.changes import PaymentBehavior
from local.stripe.cycle import DAY
from local.stripe.wire import Json, StripeError
from tests.storm.merchant import Merchant
from tollgate.billing.apply_subscription import Billing
from tollgate.billing.checkout import BillingUnavailable
from tollgate.billing.start_checkout import AlreadySubscribed, start_checkout

PRICES = ("pro_monthly", "pro_yearly", "team_monthly", "team_yearly")
_PAYERS = (cards.PAYS, cards.PAYS, cards.ATTACHES_ONLY)
_TYPED = (*_PAYERS, cards.DEBIT_SUCCEEDS, cards.DEBIT_FAILS)
_FAILURES: tuple[PaymentBehavior, ...] = (
    "allow_incomplete",
    "error_if_incomplete",
    "pending_if_incomplete",
)
_ENDED = ("canceled", "incomplete_expired")
_SECONDS = (3_600, DAY, 4 * DAY, 9 * DAY)


class Violation(Exception):
    """Something was lost or doubled; its seed plays it again."""


@dataclass
class Lives:
    """`billing` is ours, without a fault, for the checkouts that begin there."""

    merchant: Merchant
    billing: Billing
    accounts: list[str]
    random: Random
    customers: dict[str, str] = field(default_factory=dict)

    def act(self) -> None:
        act = self.random.choices(_ACTS, _WEIGHTS)[0]
        with suppress(StripeError, stripe.StripeError, LookupError):  # nothing to choose from
            act(self)

    def touch(self) -> None:
        """One event that changes nothing: somebody types in the card that pays already.

        IndexError where nobody has one subscription only.
        """
        alone = []
        for customer in self.customers.values():
            mine = [each for each in self._subscriptions() if each["customer"] == customer]
            if len([each for each in mine if each["status"] not in _ENDED]) == 1:
                alone.append(customer)
        self.merchant.actions.take_card(self.random.choice(alone), cards.PAYS)

    def buy(self) -> None:
        """Through our own checkout."""
        account = self.random.choice(self.accounts)
        with suppress(AlreadySubscribed, BillingUnavailable):  # refused, or the customer is gone
            page = start_checkout(
                self.billing, account, self.random.choice(PRICES), "http://x", None
            )
            self._learn(account)
            self.merchant.pay(page.checkout_session_id, self.random.choice(_TYPED))

    def subscribe(self) -> None:
        """In the dashboard, beside whatever there is (S7, S23)."""
        customer = self.random.choice(list(self.customers.values()))
        price, card = self.random.choice(PRICES), self.random.choice(_PAYERS)
        days = self.random.choice((0, 0, 7))
        self.merchant.actions.subscribe(customer, price, card=card, trial_days=days)

    def change_price(self) -> None:
        """Of what is paid: as in the portal, to another price."""
        paid = [each for each in self._subscriptions() if each["status"] in ("active", "trialing")]
        chosen = self.random.choice(paid)
        now = chosen["items"]["data"][0]["price"]["metadata"]["price_key"]
        price = self.random.choice([each for each in PRICES if each != now])
        self.merchant.actions.change_price(chosen["id"], price, self.random.choice(_FAILURES))

    def cancel_at_period_end(self) -> None:
        self.merchant.actions.cancel_at_period_end(self._alive(), self.random.random() < 0.6)

    def cancel_on_a_day(self) -> None:
        at = self.merchant.actions.now + 2 * DAY
        self.merchant.client.v1.subscriptions.update(self._alive(), {"cancel_at": at})

    def cancel(self) -> None:
        self.merchant.actions.cancel(self._alive())

    def pause(self) -> None:
        pauses: list[Any] = [
            *({"behavior": each} for each in ("void", "keep_as_draft", "mark_uncollectible")),
            "",
        ]
        pause = self.random.choice(pauses)
        self.merchant.client.v1.subscriptions.update(self._alive(), {"pause_collection": pause})

    def resume(self) -> None:
        paused = [each for each in self._subscriptions() if each["status"] == "paused"]
        self.merchant.client.v1.subscriptions.resume(self.random.choice(paused)["id"])

    def take_card(self) -> None:
        customer = self.random.choice(list(self.customers.values()))
        self.merchant.actions.take_card(customer, self.random.choice(_PAYERS))

    def pay(self) -> None:
        self.merchant.actions.pay(self._open_invoice())

    def void(self) -> None:
        self.merchant.client.v1.invoices.void_invoice(self._open_invoice())

    def give_up(self) -> None:
        self.merchant.client.v1.invoices.mark_uncollectible(self._open_invoice())

    def refund(self) -> None:
        charge = self._charge()
        part = self.random.choice((None, charge["amount"] // 3))
        self.merchant.actions.refund(charge["id"], part)

    def fail_refund(self) -> None:
        self.merchant.actions.fail_refund(self.random.choice(self._all("refund"))["id"])

    def dispute(self) -> None:
        status = self.random.choice(("warning_needs_response", "needs_response"))
        self.merchant.actions.dispute(self._charge()["id"], status)

    def decide(self) -> None:
        dispute = self.random.choice(self._all("dispute"))
        ways = ("under_review", "won", "lost", "needs_response", "warning_closed")
        self.merchant.actions.move_dispute(dispute["id"], self.random.choice(ways))

    def delete(self) -> None:
        """Whoever is deleted stays known here until our own books have let go of them."""
        self.merchant.actions.delete_customer(self.random.choice(list(self.customers.values())))

    def wait(self) -> None:
        """Up to the next thing that falls due, or less."""
        seconds = self.random.choice(_SECONDS)
        due = self.merchant.store.first_due("subscription", "invoice", "payment_intent")
        if due is not None:
            seconds = min(seconds, max(1, int(due[0]) - self.merchant.actions.now))
        self.merchant.actions.advance(seconds)

    def skip(self) -> None:
        """Straight to the next thing that falls due."""
        due = self.merchant.store.first_due("subscription", "invoice", "payment_intent")
        if due is not None:
            self.merchant.actions.advance(max(1, int(due[0]) - self.merchant.actions.now))

    def change_dunning(self) -> None:
        becomes: Any = self.random.choice(("canceled", "unpaid", "past_due"))
        self.merchant.actions.exhausted_becomes(becomes)

    def _learn(self, account: str) -> None:
        for customer in self._all("customer"):
            if customer.get("metadata", {}).get("account_id") == account:
                self.customers[account] = customer["id"]

    def _alive(self) -> str:
        alive = [each for each in self._subscriptions() if each["status"] not in _ENDED]
        chosen: str = self.random.choice(alive)["id"]
        return chosen

    def _open_invoice(self) -> str:
        owed = [each for each in self._all("invoice") if each["status"] == "open"]
        chosen: str = self.random.choice(owed)["id"]
        return chosen

    def _charge(self) -> Json:
        return self.random.choice([each for each in self._all("charge") if each["paid"]])

    def _subscriptions(self) -> list[Json]:
        return self._all("subscription")

    def _all(self, kind: str) -> list[Json]:
        return self.merchant.store.all(kind)


_CHANCES: dict[Callable[[Lives], None], int] = {
    Lives.buy: 14,
    Lives.subscribe: 5,
    Lives.change_price: 6,
    Lives.cancel_at_period_end: 6,
    Lives.cancel_on_a_day: 2,
    Lives.cancel: 2,
    Lives.pause: 3,
    Lives.resume: 2,
    Lives.take_card: 4,
    Lives.pay: 4,
    Lives.void: 1,
    Lives.give_up: 1,
    Lives.refund: 5,
    Lives.fail_refund: 2,
    Lives.dispute: 3,
    Lives.decide: 4,
    Lives.delete: 1,
    Lives.wait: 6,
    Lives.skip: 8,
    Lives.change_dunning: 1,
}
_ACTS, _WEIGHTS = list(_CHANCES), list(_CHANCES.values())
