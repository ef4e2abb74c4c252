"""A request's body, checked whole before anything is done with it."""

import re
from typing import TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from tollgate.web.problems import Problem

BODY_LIMIT = 256 * 1024

_PATH = re.compile(r"^(?P<detail>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<field>[^`]*)`$")

T = TypeVar("T", bound=msgspec.Struct)


async def read_body(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The raw bytes. Errors: 413 `body_too_large`, found before they are all in memory."""
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise Problem(413, "body_too_large", f"A body may hold {limit} bytes.", limit=limit)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "malformed_json", "The body ended early.") from None
    return b"".join(chunks)


async def read_json(request: Request, kind: type[T], limit: int = BODY_LIMIT) -> T:
    """Errors: 413 `body_too_large`, 400 `malformed_json`, 422 `invalid_request` with a JSON
    pointer.
    """
    return _decoded(await read_body(request, limit), kind)


async def read_nothing(request: Request) -> None:
    """Where nothing is to be said, an empty body and `{}` say it. Errors: those of `read_json`."""
    body = await read_body(request)
    if body:
        _decoded(body, _Nothing)


def invalid(pointer: str, detail: str) -> Problem:
    """A 422 that names one member of the body by its JSON pointer (RFC 6901)."""
    return Problem(
        422,
        "invalid_request",
        "Some members of the request are not valid.",
        errors=[{"pointer": pointer, "detail": detail}],
    )


class _Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid(*_pointer(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem(400, "malformed_json", "The body is not valid JSON.") from None


def _pointer(message: str) -> tuple[str, str]:
    """msgspec's `… - at `$.a[0].b`` as a pointer and a sentence; a missing or unknown member is
    named itself.
    """
    match = _PATH.match(message)
    detail, path = (match["detail"], match["path"] or "") if match else (message, "")
    parts = [part.strip("[].") for part in re.findall(r"\.[^.\[]+|\[[^\]]*\]", path)]
    field = _FIELD.match(detail)
    if field:
        parts.append(field["field"])
    return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in parts), detail
