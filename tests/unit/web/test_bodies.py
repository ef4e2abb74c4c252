"""H6 and the conventions: a body is checked whole, and a refusal points at the member."""

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from tollgate.web.application import application
from tollgate.web.bodies import BODY_LIMIT, invalid, read_body, read_json
from tollgate.web.site import Site

LIMIT = 1_000


class Part(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    size: Annotated[int, msgspec.Meta(ge=0)] = 0


class Lenient(msgspec.Struct):
    name: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    parts: list[Part] = []
    slashed: int = msgspec.field(name="a/b~c", default=0)


async def echo(request: Request) -> Response:
    body = await read_json(request, Body, LIMIT)
    return JSONResponse(msgspec.to_builtins(body))


async def lenient(request: Request) -> Response:
    return JSONResponse(msgspec.to_builtins(await read_json(request, Lenient)))


async def measure(request: Request) -> Response:
    return JSONResponse(len(await read_body(request)))


@pytest.fixture(scope="module")
def client() -> TestClient:
    endpoints = {"/echo": echo, "/lenient": lenient, "/raw": measure}
    routes = [Route(path, endpoint, methods=["POST"]) for path, endpoint in endpoints.items()]
    return TestClient(application(routes, Site()))


def post(client: TestClient, content: str | bytes) -> tuple[int, dict[str, Any]]:
    answer = client.post("/echo", content=content)
    return answer.status_code, answer.json()


def test_a_whole_body_is_read(client: TestClient) -> None:
    assert post(client, b'{"name": "Ada", "parts": [{"text": "x"}]}') == (
        200,
        {"name": "Ada", "parts": [{"text": "x", "size": 0}], "a/b~c": 0},
    )


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("[]", ""),
        ("{}", "/name"),
        ('{"name": 1}', "/name"),
        ('{"name": null}', "/name"),
        ('{"name": "a", "plan": "pro"}', "/plan"),
        ('{"name": "a", "": 1}', "/"),
        ('{"name": "a", "x/y~z": 1}', "/x~1y~0z"),
        ('{"name": "a", "a/b~c": "no"}', "/a~1b~0c"),
        ('{"name": "a", "parts": {}}', "/parts"),
        ('{"name": "a", "parts": [1]}', "/parts/0"),
        ('{"name": "a", "parts": [{"text": "x"}, {}]}', "/parts/1/text"),
        ('{"name": "a", "parts": [{"text": "x", "size": "1"}]}', "/parts/0/size"),
        ('{"name": "a", "parts": [{"text": "x", "size": -1}]}', "/parts/0/size"),
        ('{"name": "a", "parts": [{"text": "x", "admin": true}]}', "/parts/0/admin"),
    ],
)
def test_what_is_wrong_is_named_by_its_pointer(client: TestClient, body: str, pointer: str) -> None:
    status, document = post(client, body)
    assert (status, document["code"]) == (422, "invalid_request")
    [error] = document["errors"]
    assert error["pointer"] == pointer
    assert error["detail"]
    assert "$" not in error["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"name=Ada", b'{"name": "Ada"} and more', b'{"name": "\xff"}', b'{"name": NaN}'],
)
def test_what_is_no_json_is_malformed(client: TestClient, body: bytes) -> None:
    status, document = post(client, body)
    assert (status, document["code"]) == (400, "malformed_json")


def test_a_bottomless_member_is_a_refusal_and_no_failure(client: TestClient) -> None:
    answer = client.post("/lenient", content=b'{"name": "a", "extra": ' + b"[" * 200_000)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
def test_a_body_may_fill_its_limit_and_no_more(client: TestClient, size: int, status: int) -> None:
    body = b'{"name": ""}'.replace(b'""', b'"' + b"a" * (size - 12) + b'"')
    assert len(body) == size
    answer = client.post("/echo", content=body)
    assert answer.status_code == status
    if status == 413:
        assert answer.json().items() >= {"code": "body_too_large", "limit": LIMIT}.items()


def test_a_body_that_does_not_tell_its_length_is_measured_as_it_comes(client: TestClient) -> None:
    def unmeasured() -> Iterator[bytes]:
        yield from [b"x" * 65_536] * 5

    answer = client.post("/raw", content=unmeasured())
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413
    assert answer.json().items() >= {"code": "body_too_large", "limit": BODY_LIMIT}.items()


def test_an_own_rule_names_its_member_in_the_same_way() -> None:
    document = msgspec.json.decode(
        invalid("/model", "Unknown.").response(Request({"type": "http", "headers": []})).body
    )
    assert document["errors"] == [{"pointer": "/model", "detail": "Unknown."}]
