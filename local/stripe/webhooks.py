"""Events leave one after the other, signed as Stripe signs them, until the endpoint takes them.

While nobody listens the queue waits in its order; an endpoint that answers but refuses an event
gets the next ones meanwhile, and that one again after a growing pause. Pauses are real time.
On request their order, number and time are left to chance: `disorder`.
"""

import asyncio
import json
import time
from contextlib import suppress

import httpx2
from stripe import WebhookSignature

from local.stripe.disorder import Disorder
from local.stripe.store import Store
from local.stripe.wire import Json

_LONGEST_PAUSE = 60.0
_LONGEST_OUTAGE_PAUSE = 2.0
_MOST_ATTEMPTS = 50
_TIMEOUT_SECONDS = 20.0
_KEPT_BODY = 500


class Sender:
    """What is undelivered lies in the store, so a restart forgets nothing."""

    def __init__(self, store: Store, url: str, secret: str) -> None:
        self.disorder = Disorder()
        self._store = store
        self._url = url
        self._secret = secret
        self._news = asyncio.Event()
        self._quiet = asyncio.Event()
        self._held: set[str] = set()
        self._client = httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def run(self) -> None:
        """For ever; cancel it to stop."""
        pause = 0.0
        async with self._client:
            while True:
                self._news.clear()
                waiting = self._store.first_due("delivery")
                if waiting is None or waiting[0] > time.time():
                    if not self._held:
                        self._quiet.set()
                    await self._rest(waiting and waiting[0] - time.time())
                    continue
                if self._is_kept_back(waiting[2]):
                    continue
                attempt = await self.attempt(waiting[2]["event"])
                outage = attempt["status"] is None
                pause = min(_LONGEST_OUTAGE_PAUSE, pause * 2 or 0.1) if outage else 0.0
                await asyncio.sleep(pause)

    def _is_kept_back(self, delivery: Json) -> bool:
        """Asks once for each event what chance has in mind for it."""
        if "repeats" in delivery or self.disorder.mode == "orderly":
            return False
        event_id, fate = delivery["event"], self.disorder.fate()
        due = None if fate.is_lost else time.time() + fate.pause
        self._store.put("delivery", event_id, delivery | {"repeats": fate.repeats}, due)
        if not fate.is_lost:
            self._held.add(event_id)
        return True

    async def _rest(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    def wake(self) -> None:
        """Call after something was announced."""
        self._quiet.clear()
        self._news.set()

    async def settle(self, seconds: float) -> None:
        """Back when everything announced was tried, or when the time is up."""
        self.wake()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), seconds)

    async def attempt(self, event_id: str) -> Json:
        """Sends it now, delivered before or not: the endpoint's status and body."""
        event = self._store.get("event", event_id)
        if event is None:
            raise LookupError(event_id)
        outcome = await self._post(event)
        delivery = self._store.get("delivery", event_id)
        if delivery is not None:  # else everything was reset meanwhile
            attempts = delivery["attempts"]
            if attempts and attempts[-1]["status"] is None:
                attempts.pop()  # an outage is one line, however long it lasts
            attempts.append(outcome)
            due = _next_try(delivery)
            if not delivery.get("repeats"):
                self._held.discard(event_id)
            self._store.put("delivery", event_id, delivery, due)
        return outcome

    async def _post(self, event: Json) -> Json:
        payload = json.dumps(event, indent=2)
        signature = WebhookSignature.generate_signature_header(payload, self._secret)
        headers = {"content-type": "application/json; charset=utf-8", "stripe-signature": signature}
        outcome: Json = {"at": int(time.time()), "status": None, "body": ""}
        try:
            answer = await self._client.post(self._url, content=payload, headers=headers)
        except httpx2.TransportError as error:
            return outcome | {"body": str(error) or type(error).__name__}
        return outcome | {"status": answer.status_code, "body": answer.text[:_KEPT_BODY]}


def is_accepted(attempt: Json) -> bool:
    status: int | None = attempt["status"]
    return status is not None and 200 <= status < 300


def _next_try(delivery: Json) -> float | None:
    """None where it was ever accepted, or refused too often; an outage costs it no place.

    Counts down the repeats that an event still has before it after it was accepted.
    """
    attempts: list[Json] = delivery["attempts"]
    if delivery.get("repeats") and is_accepted(attempts[-1]):
        delivery["repeats"] -= 1
        return time.time()
    announced: float = delivery["announced"]
    refusals = sum(1 for each in attempts if each["status"] is not None)
    if any(map(is_accepted, attempts)) or refusals >= _MOST_ATTEMPTS:
        return None
    if attempts[-1]["status"] is None:
        return announced
    return time.time() + min(_LONGEST_PAUSE, 0.5 * 2.0**refusals)
