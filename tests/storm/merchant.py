"""Stripe in this process: the stand-in's model behind the SDK's own client, without a socket."""

import re
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import stripe
from requests.adapters import BaseAdapter
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Message

from local.clock import Clock
from local.stripe import lifecycle
from local.stripe.actions import Actions
from local.stripe.api import OPERATIONS
from local.stripe.books import Books
from local.stripe.gateway import Gateway
from local.stripe.stand_in import StandIn
from local.stripe.store import Store
from local.stripe.webhooks import Sender
from local.stripe.wire import Json
from tests.integration.sign_in_service import CATALOGUE
from tollgate.billing.receive_event import RELEVANT

_OBJECTS = """
SELECT kind, body FROM record WHERE kind NOT IN ('delivery', 'idempotency') ORDER BY seq
"""
_INVOICE_NUMBER = re.compile(r'"number": "[0-9A-F]{8}"')
URL = "http://stripe.test"
_KEY = "sk_test_local"


class Merchant:
    """`actions` is what people, banks and time do; `told` collects what the endpoint is sent."""

    def __init__(self, now: datetime) -> None:
        self.store = Store(Path(":memory:"))
        self.actions = Actions(self.store, CATALOGUE, int(now.timestamp()))
        sender = Sender(self.store, "http://nobody.test", "whsec_unused")
        gateway = Gateway(StandIn(self.store, _Now(self.actions), sender, CATALOGUE), _KEY, 0)
        self.app = Starlette(
            routes=[
                Route(each.path, _endpoint(gateway, each), methods=[each.method])
                for each in OPERATIONS
            ]
        )
        self.told: list[Json] = []
        self.client = stripe.StripeClient(
            _KEY,
            base_addresses={"api": URL},
            http_client=stripe.RequestsClient(session=self.session()),
        )

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.actions.now, UTC)

    def session(self) -> requests.Session:
        """A way here for one process of ours."""
        session = requests.Session()
        session.trust_env = False
        session.mount(URL, _InProcess(self.app))
        return session

    def tell(self) -> list[Json]:
        """What is new of all that the endpoint has subscribed to."""
        new = [event for event in self.actions.events() if event["type"] in RELEVANT]
        self.told += new
        return new

    def put(self, thing: Json, event: str | None = None) -> None:
        """As if somebody had made it so; without an event where none is named."""
        with self.store.transaction():
            Books(self.store, self.actions.now).save(thing, event)

    def picture(self) -> bytes:
        """All that Stripe knows at this moment, to come back to: the file behind the store."""
        return bytes(self.store._file.serialize())

    def restore(self, picture: bytes) -> None:
        self.store._file.deserialize(picture)

    def objects(self) -> str:
        """Everything that was made, from the first on, in the words of whoever asks Stripe."""
        rows = self.store._file.execute(_OBJECTS)
        return "\n".join(f"{kind} {_INVOICE_NUMBER.sub('', body)}" for kind, body in rows)

    def pay(self, session_id: str, card: str) -> None:
        """The hosted page of a checkout."""
        with self.store.transaction():
            books = Books(self.store, self.actions.now)
            lifecycle.complete(books, books.get("checkout.session", session_id), card)


class _Now(Clock):
    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self._actions.now, UTC)


def _endpoint(gateway: Gateway, operation: Any) -> Callable[..., Any]:
    async def call(request: Any) -> Any:
        return await gateway.call(operation, request)

    return call


class _InProcess(BaseAdapter):
    def __init__(self, app: Starlette) -> None:
        super().__init__()
        self._app = app

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]  # none of the options matters here
        sent: list[Message] = []
        _run(self._app(_scope(request), _receiving(request), _keeping(sent)))
        start, *bodies = sent
        answer = requests.Response()
        answer.status_code = start["status"]
        answer.headers.update({key.decode(): value.decode() for key, value in start["headers"]})
        answer.raw = BytesIO(b"".join(each.get("body", b"") for each in bodies))
        answer.url, answer.request = request.url or "", request
        return answer

    def close(self) -> None:
        """Nothing is open."""


def _scope(request: requests.PreparedRequest) -> dict[str, Any]:
    url = urlsplit(request.url or "")
    headers = request.headers.items()
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "server": ("stripe.test", 80),
        "path": url.path,
        "raw_path": url.path.encode(),
        "root_path": "",
        "query_string": url.query.encode(),
        "headers": [(key.lower().encode(), _bytes(value)) for key, value in headers],
    }


def _receiving(request: requests.PreparedRequest) -> Callable[[], Coroutine[Any, Any, Message]]:
    async def receive() -> Message:
        return {"type": "http.request", "body": _bytes(request.body or b""), "more_body": False}

    return receive


def _keeping(sent: list[Message]) -> Callable[[Message], Coroutine[Any, Any, None]]:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


def _bytes(text: Any) -> bytes:
    return text if isinstance(text, bytes) else str(text).encode()


def _run(coroutine: Any) -> None:
    """To its end, without an event loop: nothing in it ever waits."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration:
        return
