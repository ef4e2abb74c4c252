"""A Stripe whose state each test writes by hand, so that no order of events is out of reach."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]
PERIOD = 30 * 86_400
_NOT_KEPT = 409, 429
_OTHER_REQUEST = 400, {"error": {"type": "idempotency_error", "message": "another request"}}


@dataclass
class ScriptedStripe:
    """`before_answer` runs when the answer is made but not yet sent: its changes come too late.

    `faults` are of a path, or of a method and a path.
    """

    url: str = ""
    customers: dict[str, Json] = field(default_factory=dict)
    subscriptions: dict[str, list[Json]] = field(default_factory=dict)
    invoices: dict[str, list[Json]] = field(default_factory=dict)
    charges: dict[str, list[Json]] = field(default_factory=dict)
    refunds: dict[str, list[Json]] = field(default_factory=dict)
    disputes: dict[str, list[Json]] = field(default_factory=dict)
    sessions: dict[str, Json] = field(default_factory=dict)
    prices: dict[str, str] = field(default_factory=dict)
    faults: dict[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[tuple[str, str, Json]] = field(default_factory=list)
    before_answer: Callable[[str], None] = lambda path: None
    page: int = 100
    hangs: bool = False
    _answers: dict[str, tuple[tuple[str, Json], int, Json]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: Iterator[int] = field(default_factory=lambda: count(1))

    def subscribe(self, customer: str, price: str = "pro_monthly", **changes: Any) -> Json:
        now = int(time.time())
        item = {
            "id": f"si_{next(self._ids)}",
            "price": {"id": f"price_{price}", "lookup_key": price},
            "current_period_start": now,
            "current_period_end": now + PERIOD,
        }
        subscription = {
            "id": f"sub_{next(self._ids)}",
            "object": "subscription",
            "status": "active",
            "customer": customer,
            "created": now,
            "billing_cycle_anchor": now,
            "cancel_at_period_end": False,
            "items": {"object": "list", "data": [item]},
            "latest_invoice": {"object": "invoice", "status": "paid", "created": now},
            **changes,
        }
        self.subscriptions.setdefault(customer, []).insert(0, subscription)
        return subscription

    def charge(self, customer: str, amount: int = 1_900) -> Json:
        charge = {
            "id": f"ch_{next(self._ids)}",
            "object": "charge",
            "customer": customer,
            "amount": amount,
            "amount_refunded": 0,
            "created": int(time.time()),
            "disputed": False,
            "paid": True,
        }
        self.charges.setdefault(customer, []).insert(0, charge)
        return charge

    def dispute(self, charge: Json, status: str) -> Json:
        dispute = {"id": f"dp_{next(self._ids)}", "charge": charge["id"], "status": status}
        dispute["created"] = charge["created"] + 60
        charge["disputed"] = True
        self.disputes.setdefault(charge["id"], []).insert(0, dispute)
        return dispute

    def refund(self, charge: Json, amount: int, status: str = "succeeded") -> Json:
        refund = {"id": f"re_{next(self._ids)}", "charge": charge["id"], "status": status}
        refund["amount"] = amount
        charge["amount_refunded"] += amount
        self.refunds.setdefault(charge["id"], []).insert(0, refund)
        return refund

    def posted(self, path: str) -> list[Json]:
        return [form for method, at, form in self.requests if (method, at) == ("POST", path)]

    def answer(self, method: str, path: str, form: Json, key: str | None) -> tuple[int, Json]:
        with self._lock:
            self.requests.append((method, path, form))
            if key in self._answers:
                asked, status, answered = self._answers[key]
                return (status, answered) if asked == (path, form) else _OTHER_REQUEST
            if (at := path) in self.faults or (at := f"{method} {path}") in self.faults:
                status, code = self.faults[at]
                quoted = f"{code}: {form}"
                fault = {"error": {"type": "api_error", "code": code, "message": quoted}}
                if key and status not in _NOT_KEPT:
                    self._answers[key] = ((path, form), status, fault)
                return status, fault
            answer = {"GET": self._read, "POST": self._made, "DELETE": self._cancelled}[method]
            found = answer(path.removeprefix("/v1/").split("/"), form)
            if found == {}:
                return 400, {"error": {"type": "invalid_request_error", "message": "not open"}}
            if found is None:
                return 404, {"error": {"type": "invalid_request_error", "code": "resource_missing"}}
            answered = json.loads(json.dumps(found))
            if answered.get("object") == "list":
                answered["url"] = path
            if key and method == "POST":
                self._answers[key] = ((path, form), 200, answered)
            return 200, answered

    def forget_keys(self) -> None:
        """As Stripe does, no earlier than a day after their first use."""
        self._answers.clear()

    def _read(self, path: list[str], form: Json) -> Json | None:
        match path:
            case "customers", customer_id:
                return self.customers.get(customer_id)
            case "checkout", "sessions", session_id:
                return self.sessions.get(session_id)
            case "checkout", "sessions":
                mine = [each for each in self.sessions.values() if _is_asked_for(each, form)]
                return self._page_of(mine[::-1], form)
            case ["prices"]:
                price = form["lookup_keys[0]"]
                sold = self.prices.get(price, f"price_{price}")
                return _list([{"id": sold, "object": "price", "lookup_key": price}])
            case "charges", charge_id:
                charges = (each for held in self.charges.values() for each in held)
                return next((each for each in charges if each["id"] == charge_id), None)
            case "prices", price_id:
                return {"id": price_id, "lookup_key": price_id.removeprefix("price_")}
            case [kind]:
                return self._listed(kind, form)
        return None

    def _listed(self, kind: str, form: Json) -> Json | None:
        match kind:
            case "subscriptions" if "customer" in form:
                return self._page_of(self.subscriptions.get(form["customer"], []), form)
            case "subscriptions":
                return self._page_of(list(self._everybodys()), form)
            case "invoices":
                return _list(self.invoices.get(form["subscription"], []))
            case "charges":
                since = int(form["created[gte]"])
                held = self.charges.get(form["customer"], [])
                young = [self._with_refunds(each) for each in held if each["created"] >= since]
                return self._page_of(young, form)
            case "refunds" if "charge" in form:
                return _list(self.refunds.get(form["charge"], []))
            case "disputes" if "charge" in form:
                return _list(self.disputes.get(form["charge"], []))
            case "refunds" | "disputes":
                taken = self.refunds if kind == "refunds" else self.disputes
                return self._page_of(list(self._of_everybody(taken)), form)
        return None

    def _everybodys(self) -> Iterator[Json]:
        """The newest first, each with its customer."""
        found = [each for held in self.subscriptions.values() for each in held]
        for each in sorted(found, key=lambda each: -int(each["id"].removeprefix("sub_"))):
            customer_id = each["customer"]
            yield {**each, "customer": self.customers.get(customer_id, {"id": customer_id})}

    def _of_everybody(self, held: dict[str, list[Json]]) -> Iterator[Json]:
        """Each with its charge."""
        charges = {each["id"]: each for mine in self.charges.values() for each in mine}
        for each in (each for mine in held.values() for each in mine):
            yield {**each, "charge": charges[each["charge"]]}

    def _with_refunds(self, charge: Json) -> Json:
        """The newest ten, as Stripe expands them."""
        refunds = self.refunds.get(charge["id"], [])
        return {**charge, "refunds": _list(refunds[:10], has_more=len(refunds) > 10)}

    def _made(self, path: list[str], form: Json) -> Json | None:
        match path:
            case ["customers"]:
                return self._create("cus", self.customers, email=form["email"], **_metadata(form))
            case "checkout", "sessions":
                return self._create(
                    "cs_test",
                    self.sessions,
                    status="open",
                    customer=form["customer"],
                    url=f"{self.url}/pay",
                    client_reference_id=form["client_reference_id"],
                    **_metadata(form),
                )
            case "checkout", "sessions", session_id, "expire":
                return self._expired(self.sessions[session_id])
            case "subscriptions", subscription_id if "trial_end" in form:
                return self._trial_ended(subscription_id)
            case "subscriptions", subscription_id:
                return self._items_changed(subscription_id, form)
            case "billing_portal", "sessions":
                return {"id": "bps_1", "url": f"{self.url}/portal/{form['customer']}"}
        return None

    def _trial_ended(self, subscription_id: str) -> Json | None:
        found = self._subscription(subscription_id)
        if found is not None:
            found |= {"status": "active", "trial_end": found["created"]}
        return found

    def _items_changed(self, subscription_id: str, form: Json) -> Json | None:
        """Prices come and items go; a price that is there already comes to nothing."""
        found = self._subscription(subscription_id)
        if found is None:
            return None
        items: list[Json] = found["items"]["data"]
        for name, value in form.items():
            if name.endswith("[id]"):
                items[:] = [each for each in items if each["id"] != value]
            elif name.endswith("[price]"):
                if any(each["price"]["id"] == value for each in items):
                    return {}
                price = {"id": value, "lookup_key": value.removeprefix("price_")}
                items.append({**items[0], "id": f"si_{next(self._ids)}", "price": price})
        return found

    def _subscription(self, subscription_id: str) -> Json | None:
        every = (each for held in self.subscriptions.values() for each in held)
        return next((each for each in every if each["id"] == subscription_id), None)

    def _cancelled(self, path: list[str], _: Json) -> Json | None:
        match path:
            case "subscriptions", subscription_id:
                for each in (each for held in self.subscriptions.values() for each in held):
                    if each["id"] == subscription_id and each["status"] != "canceled":
                        each["status"] = "canceled"
                        return each
        return None

    def _expired(self, session: Json) -> Json:
        """Nothing where it has ended already, which Stripe refuses."""
        if session["status"] != "open":
            return {}
        session["status"] = "expired"
        return session

    def _create(self, prefix: str, kept: dict[str, Json], **fields: Any) -> Json:
        made = {"id": f"{prefix}_{next(self._ids)}", **fields}
        kept[made["id"]] = made
        return made

    def _page_of(self, found: list[Json], form: Json) -> Json:
        ids = [each["id"] for each in found]
        start = ids.index(form["starting_after"]) + 1 if "starting_after" in form else 0
        page = found[start : start + self.page]
        return _list(page, has_more=start + self.page < len(found))


def _list(data: list[Json], *, has_more: bool = False) -> Json:
    return {"object": "list", "data": data, "has_more": has_more}


def _is_asked_for(session: Json, form: Json) -> bool:
    return bool((session["customer"], session["status"]) == (form["customer"], form["status"]))


def _metadata(form: Json) -> Json:
    start, end = "metadata[", "]"
    names = [name for name in form if name.startswith(start)]
    return {"metadata": {name.removeprefix(start).removesuffix(end): form[name] for name in names}}


@contextmanager
def running_stripe() -> Iterator[ScriptedStripe]:
    stripe = ScriptedStripe()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            if stripe.hangs:
                released.wait(30)
                self.close_connection = True
                return
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(parts.query + "&" + body).items()}
            key = self.headers.get("idempotency-key")
            status, answer = stripe.answer(self.command, parts.path, form, key)
            stripe.before_answer(parts.path)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("request-id", "req_scripted")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: object) -> None:
            """The requests are in `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stripe.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stripe
    finally:
        released.set()
        server.shutdown()
        server.server_close()
        thread.join()
