"""A part that is down is a refusal within ten seconds (Q10): nothing is admitted, nobody waits."""

import json
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import httpx2
import pytest

from local import engine
from local.processes import accepts
from local.stack import Stack
from tests.journeys.chat import Chat, Json, ModelStandIn, items, receipts
from tests.journeys.checks import stripe_signature
from tests.journeys.person import Person
from tests.stack import running_stack

_PATIENCE_SECONDS = 10.0
_LONGER_THAN_ANY_RUN_SECONDS = 600
_DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    body: Json = None
    signed: bool = False

    def send(self, http: httpx2.Client) -> tuple[httpx2.Response, float]:
        """The answer, and the seconds until it came."""
        content = b"" if self.body is None else json.dumps(self.body).encode()
        now = int(time.time())
        signature = stripe_signature(content, "whsec_local", now) if self.signed else ""
        headers = {"stripe-signature": signature} if self.signed else {}
        started = time.monotonic()
        answer = http.request(self.method, self.path, content=content, headers=headers)
        return answer, time.monotonic() - started


PRO = {"price_key": "pro_monthly"}
EVENT = {
    "id": "evt_outage",
    "object": "event",
    "type": "customer.subscription.updated",
    "livemode": False,
    "data": {"object": {"object": "subscription", "id": "sub_1", "customer": "cus_unheard_of"}},
}
ORDER = {"blueprint": "summary", "input": "in 3 words"}
READS = [
    Request("GET", "/healthz"),
    Request("GET", "/me"),
    Request("GET", "/blueprints"),
    Request("GET", "/billing/checkout/cs_test_1"),
    Request("GET", "/conversations"),
    Request("GET", "/conversations/c-1/messages"),
]
WRITES = [
    Request("POST", "/generate", ORDER),
    Request("POST", "/billing/checkout", PRO),
    Request("POST", "/billing/portal"),
    Request("DELETE", "/conversations/c-1"),
    Request("POST", "/auth/logout"),
    Request("POST", "/auth/logout-all"),
]


@pytest.fixture(scope="module")
def fragile() -> Iterator[Stack]:
    """Each test stops a part of it and sets it going again."""
    with running_stack() as started:
        yield started


@pytest.fixture
def guest(fragile: Stack) -> Iterator[Person]:
    with Person(fragile.url) as new:
        assert new.sign_in().status_code == 200
        yield new


@contextmanager
def frozen(stack: Stack, name: str) -> Iterator[None]:
    """It accepts connections and says nothing, which is worse than being gone."""
    process = stack.processes._running[name]  # stopping a part is a test's own affair
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@contextmanager
def killed_engine(stack: Stack) -> Iterator[None]:
    process = stack.processes._running["engine"]  # as above
    process.kill()
    process.wait()
    try:
        yield
    finally:
        port = urlsplit(stack.environ["AWS_ENDPOINT_URL_DYNAMODB"]).port or 0
        chosen = engine.prepare()
        environ = {**stack.environ, **chosen.environ(port, stack.data)}
        stack.processes.start("engine", chosen.command(port, stack.data), environ)
        stack.processes.wait_until("engine", partial(accepts, port))


def at_once(person: Person, requests: Sequence[Request]) -> list[tuple[httpx2.Response, float]]:
    with ThreadPoolExecutor(len(requests)) as crowd:
        return list(crowd.map(lambda request: request.send(person.http), requests))


def unavailable(answer: httpx2.Response, code: str, seconds: float) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    assert "set-cookie" not in answer.headers
    assert seconds < _PATIENCE_SECONDS


def code_of(request: Request) -> str:
    return "admission_unavailable" if request.path == "/generate" else "service_unavailable"


def advance(stack: Stack, seconds: int) -> None:
    answer = httpx2.post(f"{stack.url}/local/clock", json={"advance_seconds": seconds})
    assert answer.status_code == 200


def test_without_the_store_nothing_is_admitted_and_nothing_changes(
    fragile: Stack, guest: Person
) -> None:
    before, calls = items(fragile), len(ModelStandIn(fragile).calls(""))
    requests = [*READS, *WRITES]

    with killed_engine(fragile):
        answers = at_once(guest, requests)
        assert guest.http.get("/billing/plans").status_code == 200

    for request, (answer, seconds) in zip(requests, answers, strict=True):
        unavailable(answer, code_of(request), seconds)
    assert len(ModelStandIn(fragile).calls("")) == calls
    assert items(fragile) == before
    assert Chat(guest).ask("in 2 words").done


def test_a_store_that_hangs_is_given_up_within_ten_seconds(fragile: Stack, guest: Person) -> None:
    calls = len(ModelStandIn(fragile).calls(""))
    requests = [*READS, WRITES[0], WRITES[1]]

    with frozen(fragile, "engine"):
        answers = at_once(guest, requests)

    for request, (answer, seconds) in zip(requests, answers, strict=True):
        unavailable(answer, code_of(request), seconds)
    assert len(ModelStandIn(fragile).calls("")) == calls
    assert guest.me()["plan"]["id"] == "free"


def test_an_answer_outlives_the_store_and_is_charged_when_it_is_back(
    fragile: Stack, guest: Person
) -> None:
    chat = Chat(guest)
    lines: list[str] = []
    with chat.open("in 60 words") as response:
        stream = response.iter_lines()
        lines.append(next(stream))
        with killed_engine(fragile):
            lines += stream
    assert lines[-2] == "data: [DONE]"
    assert sum('"text-delta"' in line for line in lines) == 60
    waiting = guest.me()["usage"]
    assert (waiting["concurrent"]["open"], waiting["day"]["used"]) == (1, 1)

    advance(fragile, _LONGER_THAN_ANY_RUN_SECONDS)
    assert httpx2.post(f"{fragile.url}/local/schedules/monthly_reset").status_code == 200

    usage = guest.me()["usage"]
    assert (usage["month"]["reserved"], usage["concurrent"]["open"]) == (0, 0)
    [decided] = receipts(fragile, guest)
    assert decided["outcome"] == "reclaimed"
    assert usage["month"]["used"] == decided["input_tokens"] + decided["output_tokens"] > 0


@dataclass(frozen=True)
class Silence:
    """What came of the requests that met three silent services, all at the same time."""

    answers: dict[str, tuple[httpx2.Response, float]]
    changed: bool
    usage_before: Json
    usage_after: Json


@pytest.fixture(scope="module")
def silence(fragile: Stack) -> Iterator[Silence]:
    """One wait for all the tests that follow."""
    with Person(fragile.url) as payer, Person(fragile.url) as writer, Person(fragile.url) as late:
        payer.sign_in()
        assert payer.http.post("/billing/checkout", json=PRO).is_success
        writer.sign_in()
        ModelStandIn(fragile).fail({"provider": "openai", "status": 500})
        assert Chat(writer).ask("so that both models' clients are loaded, in 1 words").done
        advance(fragile, _DAY_SECONDS)  # what was learnt about the provider is out of date
        asked = {
            "checkout": (payer, Request("POST", "/billing/checkout", PRO)),
            "return": (payer, Request("GET", "/billing/checkout/cs_test_1")),
            "portal": (payer, Request("POST", "/billing/portal")),
            "me": (payer, Request("GET", "/me")),
            "health": (payer, Request("GET", "/healthz")),
            "webhook": (payer, Request("POST", "/webhooks/stripe", EVENT, signed=True)),
            "login": (late, Request("GET", "/auth/local/login")),
            "generate": (writer, Request("POST", "/generate", ORDER)),
        }
        usage_before, before = writer.me()["usage"], _but(writer, items(fragile))
        with (
            frozen(fragile, "Stripe stand-in"),
            frozen(fragile, "identity provider"),
            frozen(fragile, "models"),
            ThreadPoolExecutor(len(asked)) as crowd,
        ):
            sent = {name: crowd.submit(what.send, who.http) for name, (who, what) in asked.items()}
            answers = {name: each.result() for name, each in sent.items()}
        changed = _but(writer, items(fragile)) != before
        yield Silence(answers, changed, usage_before, writer.me()["usage"])


def _but(person: Person, table: list[Json]) -> list[Json]:
    """A generation that failed leaves a receipt."""
    account = person.me()["account"]["id"]
    return [each for each in table if account not in each["pk"]["S"]]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ("checkout", "billing_unavailable"),
        ("return", "billing_unavailable"),
        ("portal", "billing_unavailable"),
        ("webhook", "billing_unavailable"),
        ("login", "service_unavailable"),
        ("generate", "provider_unavailable"),
    ],
)
def test_a_service_that_says_nothing_is_given_up_within_ten_seconds(
    silence: Silence, request_: str, code: str
) -> None:
    answer, seconds = silence.answers[request_]

    unavailable(answer, code, seconds)


def test_a_provider_that_goes_silent_halfway_gives_no_session(fragile: Stack) -> None:
    with Person(fragile.url) as late:
        away = late.http.get("/auth/local/login", params={"login_hint": late.email})
        back = late.http.get(away.headers["location"]).headers["location"]
        before = items(fragile)

        with frozen(fragile, "identity provider"):
            answer, seconds = Request("GET", back).send(late.http)

        unavailable(answer, "service_unavailable", seconds)
        assert "tollgate_session" not in late.http.cookies
        assert items(fragile) == before
        assert late.sign_in().status_code == 200


@pytest.mark.parametrize("request_", ["me", "health"])
def test_what_needs_only_the_store_goes_on_without_the_others(
    silence: Silence, request_: str
) -> None:
    answer, seconds = silence.answers[request_]

    assert answer.status_code == 200
    assert seconds < _PATIENCE_SECONDS / 2


def test_a_service_that_says_nothing_changes_nothing(silence: Silence) -> None:
    assert not silence.changed
    assert silence.usage_after == silence.usage_before


def test_everything_works_again_when_the_services_are_back(
    fragile: Stack, silence: Silence, guest: Person
) -> None:
    assert silence.answers
    assert guest.me()["plan"]["id"] == "free"
    assert Chat(guest).ask("in 2 words").done
    assert guest.http.post("/billing/checkout", json=PRO).is_success
