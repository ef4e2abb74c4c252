"""Requests that must be refused, each with the refusal that the contract has for it."""

import json
from dataclasses import dataclass, field

import httpx2

from tests.journeys.chat import Json

KIB, MIB = 1024, 1024 * 1024


@dataclass(frozen=True)
class Bad:
    """One request that must be refused; `body` is sent as it stands where it is bytes."""

    method: str
    path: str
    status: int
    code: str
    body: Json = None
    pointer: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    signed_in: bool = True

    def __str__(self) -> str:
        return f"{self.method} {self.path[:30]} {self.code} {self.pointer or ''} {self.body!r:.60}"

    def send(self, http: httpx2.Client) -> httpx2.Response:
        content = self.body if isinstance(self.body, bytes) else json.dumps(self.body)
        sent = content if self.body is not None else b""
        return http.request(self.method, self.path, content=sent, headers=self.headers)


def generate(status: int, code: str, body: Json, pointer: str | None = None) -> Bad:
    return Bad("POST", "/generate", status, code, body, pointer)


def asked(*parts: Json, **message: Json) -> Json:
    return {"messages": [{"id": "m1", "role": "user", "parts": list(parts)} | message]}


HELLO = {"type": "text", "text": "hello"}
GOOD = {"blueprint": "summary", "input": "hello"}
DEEP = 100_000

UNREADABLE = [
    b"",
    b"{",
    b"not json",
    b"\xff\xfe{}",
    b'{"input":"\xed\xa0\x80"}',
    b'{"input":"a\x00b"}',
    b'{"input":"hello"} trailing',
    b"{'input': 'hello'}",
    b'{"input":NaN}',
    rb'{"input":"\ud800"}',
    b'{"messages":[{"role":"user","extra":' + b"[" * DEEP + b"]" * DEEP + b"}]}",
]
GENERATE = [
    *[generate(400, "malformed_json", body) for body in UNREADABLE],
    *[generate(422, "invalid_request", body, "") for body in (b"[]", b"null", b"1", b"[" * DEEP)],
    generate(422, "invalid_request", {}, ""),
    generate(422, "invalid_request", GOOD | asked(HELLO), ""),
    generate(422, "invalid_request", {"input": 5}, "/input"),
    generate(422, "invalid_request", b'{"input":1e999}', "/input"),
    generate(422, "invalid_request", b'{"input":' + b"9" * 5_000 + b"}", "/input"),
    generate(422, "invalid_request", b'{"input":"hello","input":5}', "/input"),
    generate(422, "invalid_request", {"input": ""}, "/input"),
    generate(422, "invalid_request", {"input": " \n\t\u3000"}, "/input"),
    generate(422, "invalid_request", GOOD | {"plan": "team"}, "/plan"),
    generate(422, "invalid_request", GOOD | {"account": "acc_1"}, "/account"),
    generate(422, "invalid_request", GOOD | {"a/b~c": 1}, "/a~1b~0c"),
    generate(422, "invalid_request", GOOD | {"model": "gpt-6-sol"}, "/model"),
    generate(422, "invalid_request", GOOD | {"model": ["gpt"]}, "/model"),
    generate(422, "invalid_request", GOOD | {"model": ""}, "/model"),
    generate(422, "invalid_request", GOOD | {"trigger": "resume"}, "/trigger"),
    *[
        generate(422, "invalid_request", GOOD | {"id": each}, "/id")
        for each in ("", "a b", "a/b", "a#b", "é", "a" * 65, "a\n", "a\u0000", 5, {"x": 1})
    ],
    generate(422, "invalid_request", GOOD | {"messageId": "../x"}, "/messageId"),
    generate(422, "invalid_request", {"messages": []}, "/messages"),
    generate(422, "invalid_request", {"messages": {}}, "/messages"),
    generate(422, "invalid_request", {"messages": [5]}, "/messages/0"),
    generate(422, "invalid_request", {"messages": [{"parts": []}]}, "/messages/0/role"),
    generate(422, "invalid_request", asked(HELLO, role="assistant"), "/messages"),
    generate(422, "invalid_request", asked(), "/messages"),
    generate(422, "invalid_request", asked({"type": "text", "text": ""}), "/messages"),
    generate(422, "invalid_request", asked({"type": "file", "url": "x"}), "/messages"),
    generate(422, "invalid_request", asked({"text": "x"}), "/messages/0/parts/0/type"),
    generate(422, "invalid_request", asked(HELLO | {"text": 5}), "/messages/0/parts/0/text"),
    generate(422, "invalid_request", asked(HELLO, id="a#b"), "/messages/0/id"),
    generate(404, "unknown_blueprint", GOOD | {"blueprint": "no-such"}),
    generate(404, "unknown_blueprint", GOOD | {"blueprint": ""}),
    generate(404, "unknown_blueprint", GOOD | {"blueprint": "{x.__class__}"}),
    generate(422, "invalid_request", GOOD | {"blueprint": 5}, "/blueprint"),
    generate(403, "plan_required", GOOD | {"blueprint": "job-ad"}),
    generate(413, "prompt_too_large", GOOD | {"input": "abcd" * 4_001}),
    generate(413, "body_too_large", GOOD | {"input": "a" * 4 * MIB}),
]
BILLING = [
    *[Bad("POST", "/billing/checkout", 400, "malformed_json", body) for body in UNREADABLE[:4]],
    Bad("POST", "/billing/checkout", 422, "invalid_request", {}, "/price_key"),
    Bad("POST", "/billing/checkout", 422, "invalid_request", {"price_key": 5}, "/price_key"),
    Bad(
        "POST",
        "/billing/checkout",
        422,
        "invalid_request",
        {"price_key": "pro_monthly", "customer": "cus_1"},
        "/customer",
    ),
    Bad("POST", "/billing/checkout", 422, "unknown_price", {"price_key": ""}),
    Bad("POST", "/billing/checkout", 422, "unknown_price", {"price_key": "price_1"}),
    Bad("POST", "/billing/checkout", 422, "unknown_price", {"price_key": "a" * 200_000}),
    Bad("POST", "/billing/checkout", 413, "body_too_large", b" " * (256 * KIB + 1)),
    Bad("POST", "/billing/portal", 409, "no_billing_account"),
    *[
        Bad("GET", f"/billing/checkout/{each}", 404, "not_found")
        for each in ("nothing", "cs_../x", "%00", "cs_" + "a" * 5_000, "cs_%ff")
    ],
    *[
        Bad("POST", "/webhooks/stripe", 400, "invalid_signature", body, headers=headers)
        for body in (b"", b"{}", b"\xff")
        for headers in ({}, {"stripe-signature": ""}, {"stripe-signature": "t=1,v1=00"})
    ],
    Bad("POST", "/webhooks/stripe", 413, "body_too_large", b" " * (256 * KIB + 1)),
]
READING = [
    *[
        Bad(method, f"/conversations/{each}{rest}", 404, "not_found")
        for method, rest in (("GET", "/messages"), ("DELETE", ""))
        for each in ("nobody", "a%20b", "a%23b", "%00", "%ff", "%c3%a9", "a" * 65, "a%0a", "..;")
    ],
    *[
        Bad("GET", f"/conversations/c/messages?{query}", 422, "invalid_request", None, pointer)
        for query, pointer in (
            ("limit=0", "/limit"),
            ("limit=51", "/limit"),
            ("limit=-1", "/limit"),
            ("limit=x", "/limit"),
            ("limit=", "/limit"),
            ("limit=%D9%A3", "/limit"),
            ("limit=" + "9" * 5_000, "/limit"),
            ("before=x", "/before"),
            ("before=%00", "/before"),
            ("before=" + "Z" * 27, "/before"),
        )
    ],
    *[
        Bad("GET", f"/usage?period={each}", 422, "invalid_request", None, "/period")
        for each in (
            *("", "2026", "2026-13", "2026-00", "0000-01", "2026-1", "02026-01", "2026-11-01"),
            *("-026-11", "2026-11%0a", "%00", "%ff", "%D9%A2026-11", "2026-11" * 700),
        )
    ],
    *[
        Bad("GET", f"/usage/receipts/{each}", 404, "not_found")
        for each in (
            "gen_1",
            "%00",
            "%ff",
            "gen_" + "G" * 20,
            "gen_" + "a" * 20,
            "gen_" + "a" * 5_000,
        )
    ],
    Bad("GET", "/auth/nobody/login", 404, "unknown_provider"),
    Bad("GET", "/auth/nobody/callback", 404, "unknown_provider"),
    Bad("GET", "/auth/local/login?return_to=//evil.example", 400, "invalid_return_to"),
    Bad("GET", "/auth/local/login?return_to=%00", 400, "invalid_return_to"),
    Bad("GET", "/auth/local/callback", 400, "login_failed"),
    Bad("GET", "/auth/local/callback?code=%00&state=%ff", 400, "login_failed"),
    *[
        Bad(method, path, 404, "not_found")
        for method in ("GET", "POST")
        for path in ("/nothing", "/me/too", "/generate/x", "/usage/x", "/%00", "/..%2f..%2fetc")
    ],
]
ROUTES = [
    ("GET", "/healthz", False),
    ("GET", "/auth/providers", False),
    ("GET", "/auth/local/login", False),
    ("GET", "/auth/local/callback", False),
    ("POST", "/auth/logout", True),
    ("POST", "/auth/logout-all", True),
    ("GET", "/me", True),
    ("GET", "/billing/plans", False),
    ("POST", "/billing/checkout", True),
    ("GET", "/billing/checkout/cs_1", True),
    ("POST", "/billing/portal", True),
    ("POST", "/webhooks/stripe", False),
    ("GET", "/blueprints", True),
    ("POST", "/generate", True),
    ("GET", "/conversations", True),
    ("GET", "/conversations/c-1/messages", True),
    ("DELETE", "/conversations/c-1", True),
    ("GET", "/usage", True),
    ("GET", "/usage/receipts/gen_1", True),
]
VALID = {"/generate": GOOD, "/billing/checkout": {"price_key": "pro_monthly"}}
WRONG_METHODS = [
    Bad(wrong, path, 405, "method_not_allowed", headers={"x-right": right})
    for right, path, _ in ROUTES
    for wrong in ("GET", "POST", "PUT", "DELETE", "PATCH")
    if wrong != right
]
CROSS_SITE = [
    Bad(method, path, 403, "cross_site_request", VALID.get(path), headers=headers)
    for method, path, _ in ROUTES
    if method != "GET" and path != "/webhooks/stripe"
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "origin": "https://app.example.com"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
    )
]
SESSIONS = ["", "x", "a" * 5_000, "gAAAAA" + "A" * 200]
STRANGERS = [
    Bad(method, path, 401, "unauthenticated", VALID.get(path), headers=headers, signed_in=False)
    for method, path, guarded in ROUTES
    if guarded
    for headers in ({}, *({"cookie": f"tollgate_session={each}"} for each in SESSIONS))
]
