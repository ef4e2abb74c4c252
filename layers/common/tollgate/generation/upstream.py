"""A provider's SDK without its event models: it connects, signs and checks; we read the bytes.

Validating a pydantic model for every token costs more than all the rest of a relay, so the SDK's
raw response is read here and msgspec decodes only the members that we use.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import httpx2
import msgspec

from tollgate.generation.event_stream import EventStream
from tollgate.generation.events import Event, Failure, Finished, ProviderFailed, Usage

_CONNECT_SECONDS = 3.0
_DRAIN_SECONDS = 0.1


class Response(Protocol):
    """The part of the SDKs' `AsyncAPIResponse` that is used."""

    def iter_bytes(self) -> AsyncIterator[bytes]: ...


class Reader(Protocol):
    """One answer's state: what each event's JSON means, and the usage known so far.

    `read` returns None for what is no concern of ours, raises msgspec.DecodeError for what is not
    JSON and `Failed` for a failure that the provider reports in a 200 stream.
    """

    usage: Usage | None

    def read(self, data: bytes) -> Event | None: ...


class Failed(Exception):
    """The provider reported, inside the stream, that the answer has failed."""


def timeouts(idle_seconds: float) -> httpx2.Timeout:
    """A dead address is given up after seconds; a silent stream after `idle_seconds`."""
    return httpx2.Timeout(idle_seconds, connect=_CONNECT_SECONDS)


async def events(
    provider: str,
    sdk_error: type[Exception],
    connect: Callable[[], AbstractAsyncContextManager[Response]],
    reader: Reader,
) -> AsyncGenerator[Event, None]:
    """An answer up to and with its `Finished`, or ProviderFailed; closing it hangs up.

    `sdk_error` is the base of the SDK's exceptions. Mid-stream the transport's own come bare, and
    a connection that is closed in good order in mid-answer raises nothing at all.
    """
    stream = EventStream()
    try:
        async with connect() as response:
            chunks = response.iter_bytes()
            async for chunk in chunks:
                for data in stream.feed(chunk):
                    event = reader.read(data)
                    if isinstance(event, Finished):
                        await _drain(chunks)
                        yield event
                        return
                    if event is not None:
                        yield event
    except (sdk_error, httpx2.HTTPError) as error:
        raise ProviderFailed(provider, _failure(error), reader.usage) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderFailed(provider, "broken", reader.usage) from error
    except Failed as error:
        raise ProviderFailed(provider, "unavailable", reader.usage) from error
    raise ProviderFailed(provider, "broken", reader.usage)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read to the end, so that the connection serves the next request, but never wait for it."""
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            async for _ in chunks:
                pass


def _failure(error: Exception) -> Failure:
    """Both SDKs give the answer's status as `status_code` and the transport's error as cause."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        if status == 429:
            return "busy"
        return "unavailable" if status >= 500 else "refused"
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
    if isinstance(cause, httpx2.TimeoutException):
        return "timeout"
    return "cut" if isinstance(cause, httpx2.ReadError | httpx2.ProtocolError) else "unreachable"
