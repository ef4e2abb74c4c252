"""The steps of a person's way through Tollgate, over HTTP only, from the contract alone."""

import json
import re
import time
from collections.abc import Callable
from typing import Any

from tests.journeys.checks import (
    check_limits,
    check_stream,
    eventually,
    holds,
    same,
    stripe_signature,
)
from tests.journeys.person import Person

_MONTH_SECONDS = 32 * 86_400
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Journey:
    """The steps in the order of `STEPS`; each returns what is worth printing."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.http = person.http
        self.blueprint = ""
        self.checkout: dict[str, str] = {}

    def service_is_there(self) -> str:
        answer = self.http.get("/healthz")
        same("status", answer.status_code, 200)
        same("health", answer.json()["status"], "ok")
        holds("every answer has an x-request-id", answer.headers.get("x-request-id"))
        same("/me without a session", self.http.get("/me").status_code, 401)
        return f"version {answer.json()['version']}"

    def signs_in(self) -> str:
        answer = self.person.sign_in()
        same("the page after sign-in", answer.status_code, 200)
        me = self.person.me()
        same("e-mail", me["user"]["email"], self.person.email)
        same("role", me["account"]["role"], "owner")
        return self.person.email

    def is_on_the_free_plan(self) -> str:
        me = self.person.me()
        same("plan", me["plan"]["id"], "free")
        same("subscription", me["subscription"]["status"], "none")
        day, month = me["usage"]["day"], me["usage"]["month"]
        same("day", (day["limit"], day["used"], day["remaining"]), (10, 0, 10))
        same("month", (month["limit"], month["used"], month["reserved"]), (50_000, 0, 0))
        same("burst", me["usage"]["minute"], {"limit": 10})
        same("streams", me["usage"]["concurrent"], {"limit": 2, "open": 0})
        offered = self.http.get("/blueprints").json()["blueprints"]
        self.blueprint = next(each["slug"] for each in offered if not each["locked"])
        return f"10 a day, 50,000 tokens, {self.blueprint} and others"

    def generates_word_by_word(self) -> str:
        answer = self.person.generate(self.blueprint, "Sailing lessons for beginners in 40 words.")
        check_stream(answer)
        first, last = answer.deltas_at[0], answer.deltas_at[-1]
        holds("text arrives over time, not at once", last - first > 0.2)
        holds("the answer has words", len(answer.text.split()) > 10)
        same("left of the day", answer.part("finish")["messageMetadata"]["remaining"]["day"], 9)
        return f"first delta after {first:.3f} s, last after {last:.3f} s"

    def generates_ten_in_all(self) -> str:
        for left in range(8, -1, -1):
            answer = self.person.generate(self.blueprint, f"Number {left} in 5 words.")
            check_stream(answer)
            same(
                "left of the day",
                answer.part("finish")["messageMetadata"]["remaining"]["day"],
                left,
            )
        usage = self.person.me()["usage"]
        same("used today", usage["day"]["used"], 10)
        same("held", usage["month"]["reserved"], 0)
        return f"{usage['month']['used']} tokens spent"

    def is_refused_the_eleventh(self) -> str:
        answer = self.person.generate(self.blueprint, "One more, please.").response
        same("status", answer.status_code, 429)
        same("content type", answer.headers["content-type"], "application/problem+json")
        problem = answer.json()
        same("type", problem["type"], "/problems/quota-exceeded")
        same("code", problem["code"], "quota_exceeded")
        same("status in the body", problem["status"], 429)
        holds("title and detail are sentences", problem["title"] and problem["detail"])
        same("request id", problem["request_id"], answer.headers["x-request-id"])
        same("scope", problem["scope"], "day")
        same("limit and remaining", (problem["limit"], problem["remaining"]), (10, 0))
        same("resets_at", problem["resets_at"], self.person.me()["usage"]["day"]["resets_at"])
        holds("resets_at is a time in UTC", _TIME.fullmatch(problem["resets_at"]))
        holds("upgrade_url leads on", problem["upgrade_url"])
        wait = int(answer.headers["retry-after"])
        holds("retry-after is within the day", 0 < wait <= 86_400)
        check_limits(answer, day_left=0)
        return f"quota_exceeded, day, opens {problem['resets_at']}"

    def sees_the_plans(self) -> str:
        plans = {each["id"]: each for each in self.http.get("/billing/plans").json()["plans"]}
        same("plans", list(plans), ["free", "pro", "team"])
        prices = {price["key"]: price["amount"] for price in plans["pro"]["prices"]}
        same("pro's prices", prices, {"pro_monthly": 1900, "pro_yearly": 18240})
        return "free, pro and team"

    def starts_a_checkout(self) -> str:
        headers = {"idempotency-key": f"journey-{self.person.email}"}
        body = {"price_key": "pro_monthly"}
        first = self.http.post("/billing/checkout", json=body, headers=headers)
        same("status", first.status_code, 200)
        again = self.http.post("/billing/checkout", json=body, headers=headers)
        same("the repeated request's answer", again.json(), first.json())
        self.checkout = first.json()
        return self.checkout["checkout_session_id"]

    def pays_on_the_hosted_page(self) -> str:
        url = self.checkout["url"]
        page = self.http.get(url)
        holds("the hosted page has a form", page.status_code == 200 and "<form" in page.text)
        paid = self.http.post(url, data={"card": "4242424242424242"})
        same("payment", paid.status_code, 303)
        holds(
            "the success address names the checkout",
            self.checkout["checkout_session_id"] in paid.headers["location"],
        )
        return "4242 4242 4242 4242"

    def is_pro_on_the_next_request(self) -> str:
        me = self.person.me()
        same("plan", me["plan"]["id"], "pro")
        same("price", me["subscription"]["price_key"], "pro_monthly")
        day = me["usage"]["day"]
        same("day", (day["limit"], day["used"], day["remaining"]), (100, 10, 90))
        same("month", me["usage"]["month"]["limit"], 2_000_000)
        checkout = self.http.get(f"/billing/checkout/{self.checkout['checkout_session_id']}")
        same("the return page's plan", checkout.json()["plan"], "pro")
        return f"{me['subscription']['status']}, 90 of 100 left today"

    def generates_on(self) -> str:
        answer = self.person.generate(self.blueprint, "And on it goes, in 8 words.")
        waited = 0
        if answer.response.status_code == 429:
            problem = answer.response.json()
            same("code", problem["code"], "rate_limited")
            same("scope", problem["scope"], "minute")
            waited = int(answer.response.headers["retry-after"])
            same("retry_after", problem["retry_after"], waited)
            holds("retry-after is within the minute", 0 < waited <= 60)
            time.sleep(waited)
            answer = self.person.generate(self.blueprint, "And on it goes, in 8 words.")
        check_stream(answer)
        same("left of the day", answer.part("finish")["messageMetadata"]["remaining"]["day"], 89)
        return f"after {waited} s of the burst limit" if waited else "at once"

    def cancels_in_the_portal(self) -> str:
        answer = self.http.post("/billing/portal")
        same("status", answer.status_code, 200)
        url = answer.json()["url"]
        holds("the portal has a form", "<form" in self.http.get(url).text)
        cancelled = self.http.post(url, data={"action": "cancel"})
        holds("the portal accepts it", cancelled.status_code in (200, 303))
        subscription = eventually(
            lambda: self.person.me()["subscription"], lambda each: each["cancel_at_period_end"]
        )
        same("plan until the period ends", self.person.me()["plan"]["id"], "pro")
        return f"pro until {subscription['current_period_end']}"

    def survives_redelivered_webhooks(self) -> str:
        before = self._quiet_table()
        mine = self._my_events()
        holds("there were webhooks about this person", mine)
        for event in mine:
            again = self.http.post(f"/local/stripe/events/{event['id']}/redeliver")
            same(f"redelivery of {event['type']}", again.status_code, 200)
        same("the table", self._difference(before, self._quiet_table()), [])
        return f"{len(mine)} events sent again, {len(before)} items unchanged"

    def refuses_forged_webhooks(self) -> str:
        before = self._quiet_table()
        event = json.dumps(self._my_events()[-1] | {"id": "evt_forged"}).encode()
        now = int(time.time())
        for signature in (
            None,
            "",
            stripe_signature(event, "whsec_of_somebody_else", now),
            stripe_signature(event + b" ", "whsec_local", now),
            stripe_signature(event, "whsec_local", now - 301),
        ):
            headers = {} if signature is None else {"stripe-signature": signature}
            answer = self.http.post("/webhooks/stripe", content=event, headers=headers)
            same("status", answer.status_code, 400)
            same("code", answer.json()["code"], "invalid_signature")
        same("the table", self._difference(before, self._quiet_table()), [])
        return "missing, empty, another secret's, another body's, too old"

    def starts_a_new_period(self) -> str:
        ended = self.person.me()["usage"]["month"]
        holds("something was used before", ended["used"] > 0)
        account = self.person.me()["account"]["id"]
        moved = self.http.post("/local/clock", json={"advance_seconds": _MONTH_SECONDS})
        same("the clock", moved.status_code, 200)
        same("the session a month later", self.http.get("/me").status_code, 401)
        self.person.sign_in()
        same("the schedule", self.http.post("/local/schedules/monthly_reset").status_code, 200)
        closed = [
            item["sk"]["S"]
            for item in self._quiet_table()
            if account in item["pk"]["S"] and item["sk"]["S"].startswith("PERIOD#")
        ]
        holds("the ended period is closed", closed)
        eventually(self.person.me, lambda me: me["plan"]["id"] == "free")
        usage = self.person.me()["usage"]
        same("used in the new period", (usage["month"]["used"], usage["day"]["used"]), (0, 0))
        holds("the new period ends later", usage["month"]["resets_at"] > ended["resets_at"])
        answer = self.person.generate(self.blueprint, "A fresh start in 6 words.")
        check_stream(answer)
        return f"{ended['used']} tokens closed, next reset {usage['month']['resets_at']}"

    def logs_out(self) -> str:
        with self.person.copy_of_cookies() as copy:
            same("the copied session", copy.get("/me").status_code, 200)
            same("status", self.http.post("/auth/logout").status_code, 204)
            same("the copied session", copy.get("/me").status_code, 401)
            body = {"blueprint": self.blueprint, "input": "Still there?"}
            same("/generate", copy.post("/generate", json=body).status_code, 401)
        return "this session, and every copy of it"

    def is_nobody_now(self) -> str:
        answer = self.http.get("/me")
        same("status", answer.status_code, 401)
        same("code", answer.json()["code"], "unauthenticated")
        return "401 unauthenticated"

    def _my_events(self) -> list[dict[str, Any]]:
        """Oldest first: the webhooks that name this person's Stripe customer."""
        answer = self.http.get("/local/stripe/events")
        same("the list of events", answer.status_code, 200)
        events: list[dict[str, Any]] = answer.json()["data"]
        checkout = self.checkout["checkout_session_id"]
        [customer] = {
            event["data"]["object"]["customer"]
            for event in events
            if event["data"]["object"]["id"] == checkout
        }
        mine = [event for event in events if customer in json.dumps(event["data"])]
        return sorted(mine, key=lambda event: int(event["created"]))

    def _quiet_table(self) -> list[Any]:
        """The whole table once it has stopped changing: what was under way has been written."""
        return eventually(self._table, lambda seen: seen == self._table())

    def _table(self) -> list[Any]:
        answer = self.http.get("/local/table")
        same("the table's dump", answer.status_code, 200)
        return sorted(answer.json()["items"], key=lambda item: json.dumps(item, sort_keys=True))

    @staticmethod
    def _difference(before: list[Any], after: list[Any]) -> list[Any]:
        return [item for item in (*before, *after) if (item in before) != (item in after)]


Step = Callable[[Journey], str]
STEPS: tuple[Step, ...] = (
    Journey.service_is_there,
    Journey.signs_in,
    Journey.is_on_the_free_plan,
    Journey.generates_word_by_word,
    Journey.generates_ten_in_all,
    Journey.is_refused_the_eleventh,
    Journey.sees_the_plans,
    Journey.starts_a_checkout,
    Journey.pays_on_the_hosted_page,
    Journey.is_pro_on_the_next_request,
    Journey.generates_on,
    Journey.cancels_in_the_portal,
    Journey.survives_redelivered_webhooks,
    Journey.refuses_forged_webhooks,
    Journey.starts_a_new_period,
    Journey.logs_out,
    Journey.is_nobody_now,
)


def name_of(step: Step) -> str:
    return step.__name__.replace("_", " ")
