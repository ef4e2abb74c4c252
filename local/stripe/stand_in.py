"""What one running stand-in holds: store, clock, sender, and the catalogue's prices."""

from collections.abc import Iterator
from contextlib import contextmanager

from local.clock import Clock
from local.stripe import renewals
from local.stripe.books import Books
from local.stripe.seed import seed
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
            renewals.catch_up(self.store, self.now())
        self.sender.wake()

    def seed(self) -> None:
        with self.store.transaction():
            seed(Books(self.store, self.now()), self._catalogue)

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
