"""All that people, banks and time can do to one merchant, in this process and without HTTP.

Each method is one transaction and returns the id of what it made; what happened lies in `events`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from local.stripe import cards, changes, charges, customers, invoices, lifecycle, renewals
from local.stripe.books import Books
from local.stripe.call import Call
from local.stripe.checkouts import create_checkout_session
from local.stripe.seed import seed
from local.stripe.store import Store
from local.stripe.subscriptions import cancel_subscription
from local.stripe.wire import Json
from tollgate.catalogue import Catalogue

_ORIGIN = "http://127.0.0.1"


class Actions:
    """A refusal is a StripeError, and then nothing has happened."""

    def __init__(self, store: Store, catalogue: Catalogue, now: int) -> None:
        self.store = store
        self.now = now
        self._seen = 0
        with store.transaction():
            seed(Books(store, now), catalogue)

    def events(self) -> Iterator[Json]:
        """Those that were not taken yet, oldest first."""
        for seq, event in self.store.since("event", self._seen):
            self._seen = seq
            yield event

    def advance(self, seconds: int) -> None:
        """Whatever falls due on the way happens at its own moment."""
        self.now += seconds
        with self.store.transaction():
            renewals.catch_up(self.store, self.now)

    def customer(self, email: str, account_id: str) -> str:
        params = {"email": email, "metadata": {"account_id": account_id}}
        return self._ask(customers.create_customer, params)

    def subscribe(
        self, customer: str, price_key: str, *, card: str = cards.PAYS, trial_days: int = 0
    ) -> str:
        """Through a checkout that is paid at once."""
        with self._books() as books:
            [price] = books.all("price", lookup_key=price_key)
            params = {
                "mode": "subscription",
                "customer": customer,
                "line_items": [{"price": price["id"], "quantity": 1}],
                "subscription_data": {"trial_period_days": trial_days} if trial_days else {},
                "success_url": _ORIGIN,
            }
            session = create_checkout_session(_call(books, params))
            bought: str = lifecycle.complete(books, session, cards.accepted(card))["subscription"]
        return bought

    def take_card(self, customer: str, card: str) -> None:
        with self._books() as books:
            lifecycle.take_card(books, books.get("customer", customer), cards.accepted(card))

    def pay(self, invoice: str) -> None:
        """By hand."""
        with self._books() as books:
            invoices.pay(books, books.get("invoice", invoice))

    def change_price(
        self, subscription: str, price_key: str, on_failure: changes.PaymentBehavior
    ) -> None:
        with self._books() as books:
            thing = books.get("subscription", subscription)
            [price] = books.all("price", lookup_key=price_key)
            changes.change_price(books, thing, price, 1, prorate=True, on_failure=on_failure)
            books.save(thing, "customer.subscription.updated")

    def cancel_at_period_end(self, subscription: str, wanted: bool = True) -> None:
        """Or undo that."""
        with self._books() as books:
            thing = books.get("subscription", subscription)
            lifecycle.cancel_at_period_end(books, thing, wanted)
            books.save(thing, "customer.subscription.updated")

    def cancel(self, subscription: str) -> str:
        return self._ask(cancel_subscription, {}, subscription)

    def refund(self, charge: str, amount: int | None = None) -> str:
        part = {} if amount is None else {"amount": amount}
        return self._ask(charges.create_refund, {"charge": charge, **part})

    def fail_refund(self, refund: str) -> None:
        with self._books() as books:
            charges.fail_refund(books, refund)

    def dispute(self, charge: str, status: str) -> str:
        with self._books() as books:
            opened: str = charges.open_dispute(books, charge, status)["id"]
        return opened

    def move_dispute(self, dispute: str, status: str) -> None:
        with self._books() as books:
            charges.move_dispute(books, dispute, status)

    def delete_customer(self, customer: str) -> None:
        self._ask(customers.delete_customer, {}, customer)

    def exhausted_becomes(self, status: renewals.Exhausted) -> None:
        renewals.set_exhausted(self.store, status)

    def _ask(self, run: Callable[[Call], Json], params: Json, of: str = "") -> str:
        with self._books() as books:
            made: str = run(_call(books, params, of))["id"]
        return made

    @contextmanager
    def _books(self) -> Iterator[Books]:
        with self.store.transaction():
            yield Books(self.store, self.now)


def _call(books: Books, params: Json, of: str = "") -> Call:
    return Call(books, params, of, "/v1", _ORIGIN)
