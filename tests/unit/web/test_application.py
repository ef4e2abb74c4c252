"""What every route shares: problems, ids, CORS, and a last resort that tells nothing."""

import logging
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from tollgate.table.client import Unavailable
from tollgate.web.application import application
from tollgate.web.problems import Problem
from tollgate.web.site import Site

FRONT = "https://app.example.com"
SECRET = "sk_live_planted"
FOREIGN = (
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com.evil.example",
    "https://app.example.com/",
    "null",
)


async def read(_: Request) -> Response:
    return PlainTextResponse("read")


async def refuse(_: Request) -> Response:
    raise Problem(409, "already_subscribed", "There is one.", portal="/billing/portal")


async def fail(_: Request) -> Response:
    raise RuntimeError(SECRET)


async def lose_the_table(_: Request) -> Response:
    raise Unavailable(SECRET)


async def break_off(_: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"first"
        raise RuntimeError(SECRET)

    return StreamingResponse(parts())


@pytest.fixture(scope="module")
def client() -> TestClient:
    routes = [
        Route("/read", read),
        Route("/things/{id}", read, methods=["DELETE"]),
        Route("/refuse", refuse),
        Route("/fail", fail),
        Route("/lose", lose_the_table),
        Route("/break", break_off),
    ]
    return TestClient(application(routes, Site("https://api.example.com", (FRONT,))))


@pytest.mark.parametrize("path", ["/nothing", "/read/", "/things", "/READ", "//read"])
def test_a_path_that_does_not_exist_is_a_404_problem(client: TestClient, path: str) -> None:
    answer = client.get(f"http://testserver{path}", follow_redirects=False)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/read", {"GET", "HEAD"}), ("GET", "/things/1", {"DELETE"})],
)
def test_a_wrong_method_is_a_405_problem_that_names_the_right_ones(
    client: TestClient, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(answer.headers["allow"].split(", ")) == allowed


def test_a_problem_has_the_members_of_the_contract(client: TestClient) -> None:
    answer = client.get("/refuse")
    assert answer.status_code == 409
    assert answer.json() == {
        "type": "/problems/already-subscribed",
        "title": "There is a subscription already",
        "status": 409,
        "detail": "There is one.",
        "code": "already_subscribed",
        "request_id": answer.headers["x-request-id"],
        "portal": "/billing/portal",
    }


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/read", {}),
        ("GET", "/nothing", {}),
        ("PUT", "/read", {}),
        ("GET", "/refuse", {}),
        ("GET", "/fail", {}),
        ("GET", "/lose", {}),
        ("DELETE", "/things/1", {"origin": "https://evil.example"}),
        ("OPTIONS", "/read", {"origin": FRONT, "access-control-request-method": "GET"}),
        ("OPTIONS", "/read", {"origin": "null", "access-control-request-method": "GET"}),
    ],
)
def test_every_response_carries_an_id_of_its_own(
    client: TestClient, method: str, path: str, headers: dict[str, str]
) -> None:
    chosen = {"x-request-id": "mine", **headers}
    answers = [client.request(method, path, headers=chosen) for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert "mine" not in ids


def test_the_gateways_own_id_is_used_behind_the_adapter_and_believed_nowhere_else() -> None:
    header = {"x-amzn-request-context": '{"requestId": "gateway-1"}'}
    routes = [Route("/read", read)]
    behind = TestClient(application(routes, Site(behind_adapter=True)))
    assert behind.get("/read", headers=header).headers["x-request-id"] == "gateway-1"
    assert behind.get("/read", headers={"x-amzn-request-context": "[]"}).status_code == 200
    alone = TestClient(application(routes, Site()))
    assert alone.get("/read", headers=header).headers["x-request-id"] != "gateway-1"


def test_an_unexpected_failure_is_a_500_that_keeps_its_message_to_itself(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """H7: neither the answer nor the log may quote what an exception quotes."""
    with caplog.at_level(logging.DEBUG):
        answer = client.get("/fail")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert SECRET not in answer.text
    assert SECRET not in caplog.text
    assert answer.headers["x-request-id"] in caplog.text
    assert "RuntimeError" in caplog.text


def test_a_table_out_of_reach_is_a_503_that_says_when_to_return(client: TestClient) -> None:
    answer = client.get("/lose")
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert SECRET not in answer.text


def test_a_failure_inside_a_running_answer_breaks_it_off(client: TestClient) -> None:
    with pytest.raises(RuntimeError):
        client.get("/break")


def test_cors_answers_an_origin_of_the_list_with_credentials(client: TestClient) -> None:
    answer = client.get("/read", headers={"origin": FRONT})
    assert answer.headers["access-control-allow-origin"] == FRONT
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "origin" in answer.headers["vary"].lower()
    assert "ratelimit" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("path", ["/fail", "/lose", "/refuse", "/nothing"])
def test_cors_lets_the_front_end_read_refusals_and_failures_too(
    client: TestClient, path: str
) -> None:
    answer = client.get(path, headers={"origin": FRONT})
    assert answer.headers["access-control-allow-origin"] == FRONT


@pytest.mark.parametrize("origin", FOREIGN)
def test_cors_is_silent_to_every_other_origin(client: TestClient, origin: str) -> None:
    """H4."""
    preflight = {"origin": origin, "access-control-request-method": "POST"}
    for answer in (
        client.get("/read", headers={"origin": origin}),
        client.options("/read", headers=preflight),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_cors_lets_the_list_preflight_what_the_contract_needs(client: TestClient) -> None:
    answer = client.options(
        "/things/1",
        headers={
            "origin": FRONT,
            "access-control-request-method": "DELETE",
            "access-control-request-headers": "content-type, idempotency-key",
        },
    )
    assert answer.status_code == 200
    assert "DELETE" in answer.headers["access-control-allow-methods"]
