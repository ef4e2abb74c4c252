"""Whatever is sent, the answer is a problem that names the fault, and nothing is written."""

import base64
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx2
import pytest

from local.stack import Stack
from tests.journeys import bad_requests
from tests.journeys.bad_requests import HELLO, KIB, Bad, asked
from tests.journeys.chat import ModelStandIn, items
from tests.journeys.person import Person


@pytest.fixture(scope="module")
def anybody(roomy: Stack) -> Iterator[Person]:
    """One signed-in person for all: a refused request leaves no trace on them."""
    with Person(roomy.url) as new:
        new.sign_in()
        yield new


@pytest.fixture(scope="module")
def nobody(roomy: Stack) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=roomy.url) as client:
        yield client


def refused(case: Bad, answer: httpx2.Response) -> None:
    assert answer.status_code == case.status, f"{case}: {answer.status_code} {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == case.code
    assert problem["status"] == case.status
    assert problem["type"] == f"/problems/{case.code.replace('_', '-')}"
    assert problem["title"]
    assert problem["detail"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert "Traceback" not in answer.text
    assert len(answer.content) < 2_000
    if case.pointer is not None:
        assert [each["pointer"] for each in problem["errors"]] == [case.pointer]
        assert problem["errors"][0]["detail"]
    if case.status == 405:
        assert case.headers["x-right"] in answer.headers["allow"].split(", ")
    if case.status == 401:
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "cases",
    [
        bad_requests.GENERATE,
        bad_requests.BILLING,
        bad_requests.READING,
        bad_requests.WRONG_METHODS,
        bad_requests.CROSS_SITE,
        bad_requests.STRANGERS,
    ],
    ids=["generate", "billing", "reading", "methods", "cross-site", "strangers"],
)
def test_bad_input_is_refused_and_writes_nothing(
    roomy: Stack, anybody: Person, nobody: httpx2.Client, cases: list[Bad]
) -> None:
    calls = len(ModelStandIn(roomy).calls(""))
    before = items(roomy)
    faults = []
    for case in cases:
        answer = case.send(anybody.http if case.signed_in else nobody)
        try:
            refused(case, answer)
        except (AssertionError, KeyError, ValueError) as fault:
            faults.append(f"{case}\n    {fault!s:.500}")

    assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults)
    assert items(roomy) == before
    assert len(ModelStandIn(roomy).calls("")) == calls


def test_a_tampered_session_is_no_session(roomy: Stack, anybody: Person) -> None:
    """One bit of each byte; the last may be padding that no decoder looks at."""
    good = anybody.http.cookies["tollgate_session"]
    raw = bytearray(base64.urlsafe_b64decode(good + "=="))
    with httpx2.Client(base_url=roomy.url) as client:
        for place in range(0, len(raw), 7):
            bad = bytes([*raw[:place], raw[place] ^ 1, *raw[place + 1 :]])
            value = base64.urlsafe_b64encode(bad).decode()
            answer = client.get("/me", headers={"cookie": f"tollgate_session={value}"})

            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert client.get("/me", headers={"cookie": f"tollgate_session={good}"}).status_code == 200


def test_a_body_without_an_end_is_cut_off_at_its_limit(anybody: Person) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(80):
            yield b" " * 64 * KIB

    answer = anybody.http.post("/generate", content=endless())

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    "text",
    [
        "a\x00b",
        "\U0001f600 \u202e \ufeff \u2028",
        "data: [DONE]\n\ndata: x",
        "</script><script>alert(1)</script>",
    ],
)
def test_strange_text_is_only_text(roomy: Stack, text: str) -> None:
    with Person(roomy.url) as person:
        person.sign_in()
        chat = {"id": "c-strange", "messages": asked(HELLO | {"text": text})["messages"]}

        answer = person.http.post("/generate", json=chat | {"blueprint": "summary"})

        assert answer.status_code == 200
        assert answer.text.count("data: [DONE]\n\n") == 1
        kept = person.http.get("/conversations/c-strange/messages").json()["items"]
        assert kept[1]["text"] == text


def test_bytes_that_are_no_http_do_not_stop_the_server(roomy: Stack) -> None:
    place = urlsplit(roomy.url)
    for sent in (b"\x00" * 200, b"GET / HTTP/9.9\r\n\r\n", b"POST /generate HTTP/1.1\r\n" * 3):
        with socket.create_connection(("127.0.0.1", place.port or 80), timeout=5) as raw:
            raw.sendall(sent)

    assert httpx2.get(f"{roomy.url}/healthz").status_code == 200
