"""One merchant's objects at one moment; whatever is announced there becomes an event."""

import time
from typing import Any

from local.stripe import billing_objects, objects
from local.stripe.store import Store
from local.stripe.wire import Json, missing

_RUNNING = ("trialing", "active", "past_due", "unpaid")
ENDED = ("canceled", "incomplete_expired")
TIMED = ("subscription", "reminder", "invoice", "checkout.session", "order", "payment_intent")
_DEBIT_SECONDS = 3 * 86_400
_KINDS = {
    "ch": "charge",
    "cus": "customer",
    "du": "dispute",
    "evt": "event",
    "in": "invoice",
    "inpay": "invoice_payment",
    "pi": "payment_intent",
    "pm": "payment_method",
    "price": "price",
    "prod": "product",
    "re": "refund",
    "sub": "subscription",
}


class Books:
    """`request` is what caused it all: each event names it, as Stripe's do."""

    def __init__(self, store: Store, now: int, request: Json | None = None) -> None:
        self.store = store
        self.now = now
        self._request = request or {"id": None, "idempotency_key": None}

    def get(self, kind: str, object_id: str, param: str | None = None) -> Json:
        """StripeError where there is none: 400 if a parameter named it, else 404.

        What was deleted can be looked at by its id, but no parameter may name it any more.
        """
        found = self.store.get(kind, object_id)
        what = kind.replace("_", " ")
        if param is not None and (found is None or found.get("deleted")):
            raise missing(what, object_id, param=param, status=400)
        if found is None:
            raise missing(what, object_id)
        return found

    def find(self, object_id: str) -> Json | None:
        """By the id alone, whose prefix tells the kind."""
        kind = _KINDS.get(object_id.partition("_")[0])
        return self.store.get(kind, object_id) if kind else None

    def all(self, kind: str, **wanted: Any) -> list[Json]:
        """Newest first."""
        found = self.store.all(kind)
        return [each for each in found if all(each.get(name) == wanted[name] for name in wanted)]

    def save(self, thing: Json, event: str | None = None) -> Json:
        """Kept, and announced where `event` names a type."""
        kind, object_id = thing["object"], thing["id"]
        before = self.store.get(kind, object_id)
        self.store.put(kind, object_id, thing, _due(thing))
        if event:
            changed_from = before if event.endswith(".updated") else None
            self._announce(objects.event(self.now, event, thing, changed_from, self._request))
        return thing

    def delete(self, thing: Json, event: str) -> Json:
        """Only its id is left; the event still carries all that it was."""
        gone = {"id": thing["id"], "object": thing["object"], "deleted": True}
        self.store.put(thing["object"], thing["id"], gone)
        self._announce(objects.event(self.now, event, thing, None, self._request))
        return gone

    def _announce(self, event: Json) -> None:
        """Deliveries happen in real time, whatever the stack's clock says."""
        self.store.put("event", event["id"], event)
        now = time.time()
        delivery = {"event": event["id"], "announced": now, "attempts": []}
        self.store.put("delivery", event["id"], delivery, now)


def _due(thing: Json) -> int | None:
    """When time alone will change it next."""
    due: int | None = None
    if thing["object"] == "subscription" and thing["status"] in _RUNNING:
        item = billing_objects.plan_item(thing)
        due = item["current_period_end"]
        ends = [item["current_period_end"], thing["cancel_at"]]
        ends += [thing["pending_update"] and thing["pending_update"]["expires_at"]]
        due = min(end for end in ends if end is not None)
    elif thing["object"] == "invoice" and thing["status"] == "draft":
        due = thing["automatically_finalizes_at"]
    elif thing["object"] == "invoice" and thing["status"] == "open":
        due = thing["next_payment_attempt"]
    elif thing["object"] == "checkout.session" and thing["status"] == "open":
        due = thing["expires_at"]
    elif thing["object"] == "payment_intent" and thing["status"] == "processing":
        due = thing["created"] + _DEBIT_SECONDS
    return due
