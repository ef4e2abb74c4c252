"""What one running stand-in holds: store, clock, sender, and the catalogue's prices."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.clock import Clock
from local.stripe import lifecycle, objects
from local.stripe.books import Books
from local.stripe.store import Store
from local.stripe.webhooks import Sender
from local.stripe.wire import Json
from tollgate.catalogue import Catalogue


class StandIn:
    """The clock may jump at any time: no books are opened before what fell due has happened."""

    def __init__(self, store: Store, clock: Clock, sender: Sender, catalogue: Catalogue) -> None:
        self.store = store
        self.sender = sender
        self._clock = clock
        self._catalogue = catalogue

    def now(self) -> int:
        return int(self._clock().timestamp())

    @contextmanager
    def books(self, request: Json | None = None) -> Iterator[Books]:
        """One transaction; an exception undoes it, but never what time had done."""
        self.catch_up()
        with self.store.transaction():
            yield Books(self.store, self.now(), request)
        self.sender.wake()

    def catch_up(self) -> None:
        with self.store.transaction():
            lifecycle.catch_up(self.store, self.now())
        self.sender.wake()

    def seed(self) -> None:
        """Products and prices as the catalogue has them now; a changed price is a new one.

        Old subscriptions keep the old price, which loses its lookup key, as in Stripe.
        """
        with self.store.transaction():
            books = Books(self.store, self.now())
            for plan in self._catalogue.plans.values():
                for entry in plan.prices:
                    if self.store.get("product", f"prod_{plan.id}") is None:
                        books.save(objects.product(plan, books.now))
                    wanted = objects.price(entry, plan, books.now)
                    _offer(books, wanted)

    def reset(self) -> None:
        with self.store.transaction():
            self.store.clear()
        self.seed()

    def deliveries(self) -> list[Json]:
        """Every event, oldest first, whole and with its deliveries."""
        return [
            event | {"deliveries": self._attempts(event["id"])}
            for event in reversed(self.store.all("event"))
        ]

    def _attempts(self, event_id: str) -> list[Json]:
        delivery = self.store.get("delivery", event_id)
        attempts: list[Json] = delivery["attempts"] if delivery else []
        return attempts


def _offer(books: Books, wanted: Json) -> None:
    same = ("currency", "product", "recurring", "unit_amount")
    for old in books.all("price", lookup_key=wanted["lookup_key"]):
        if all(old[name] == wanted[name] for name in same):
            return
        books.save(old | {"active": False, "lookup_key": None})
    books.save(wanted)
