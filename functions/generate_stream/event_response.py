"""Server-sent events as they are made; a reader that leaves is told to the maker at once."""

from collections.abc import Mapping

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class EventResponse(Response):
    """Closes `parts` when the last one is sent or the reader is gone, whichever comes first."""

    def __init__(self, parts: MemoryObjectReceiveStream[bytes], headers: Mapping[str, str]) -> None:
        self.status_code = 200
        self.background = None
        self.body = b""
        self._parts = parts
        self.raw_headers = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._parts, anyio.create_task_group() as tasks:
            tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
            await send(
                {
                    "type": "http.response.start",
                    "status": self.status_code,
                    "headers": self.raw_headers,
                }
            )
            async for part in self._parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
            tasks.cancel_scope.cancel()


async def until_gone(receive: Receive) -> None:
    """Returns when the client has hung up; its body was read before."""
    while (await receive())["type"] != "http.disconnect":
        continue


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    await until_gone(receive)
    scope.cancel()
