"""A model that costs nothing: OpenAI's Responses and Anthropic's Messages, streamed word by word.

One word is one token and one chunk, and the output limit is honoured, so that what was delivered,
what was counted and what is charged can be compared exactly. `GET /calls` tells what was asked and
when each chunk left; `POST /faults` queues how the next calls shall go wrong.
"""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from local import model_events, model_text

_STALL_SECONDS = 900.0

Chunks = Annotated[int, msgspec.Meta(ge=0)]


class Fault(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """How one call goes wrong; without any member it goes well, to leave a gap in the queue.

    `status` refuses before the stream. The others count chunks: the connection is cut, hangs, ends
    in silence with no finish reason, carries broken JSON or an error event after so many.
    """

    provider: Literal["openai", "anthropic"] | None = None
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    retry_after: int | None = None
    delay_ms: Annotated[int, msgspec.Meta(ge=0)] | None = None
    text: str | None = None
    cut_after: Chunks | None = None
    stall_after: Chunks | None = None
    end_after: Chunks | None = None
    malformed_after: Chunks | None = None
    error_after: Chunks | None = None


class Call(msgspec.Struct):
    """One request as this server saw it; `chunks` are the moments, in Unix seconds."""

    provider: Literal["openai", "anthropic"]
    model: str
    system: str
    prompt: str
    limit: int | None
    input_tokens: int
    at: float = msgspec.field(default_factory=time.time)
    chunks: list[float] = msgspec.field(default_factory=list)
    outcome: str = "left"


class Cut(Exception):
    """Leaving the response this way makes the server drop the connection in mid-air."""


class Models:
    """The calls so far and the faults to come."""

    def __init__(self, delay_ms: int) -> None:
        self._delay_ms = delay_ms
        self._calls: list[Call] = []
        self._faults: list[Fault] = []

    async def openai(self, request: Request) -> Response:
        body = await request.json()
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return JSONResponse(model_events.openai_error("missing API key"), 401)
        if "max_tokens" in body or not body.get("stream"):
            detail = "unknown parameter: 'max_tokens'" if "max_tokens" in body else "stream only"
            return JSONResponse(model_events.openai_error(detail), 400)
        system, prompt, size = model_text.read(body.get("instructions"), body["input"])
        limit = body.get("max_output_tokens")
        return self._answer(Call("openai", body["model"], system, prompt, limit, size))

    async def anthropic(self, request: Request) -> Response:
        body = await request.json()
        if not {"x-api-key", "authorization"} & set(request.headers):
            return JSONResponse(model_events.anthropic_error("authentication_error"), 401)
        if "max_tokens" not in body or not body.get("stream"):
            return JSONResponse(model_events.anthropic_error("invalid_request_error"), 400)
        system, prompt, size = model_text.read(body.get("system"), body["messages"])
        return self._answer(
            Call("anthropic", body["model"], system, prompt, body["max_tokens"], size)
        )

    def _answer(self, call: Call) -> Response:
        self._calls.append(call)
        fault = self._next_fault(call.provider)
        if fault.status is not None:
            call.outcome = f"refused {fault.status}"
            wait = {"retry-after": str(fault.retry_after)} if fault.retry_after is not None else {}
            return JSONResponse(
                model_events.refusal(call.provider, fault.status), fault.status, wait
            )
        return StreamingResponse(self._stream(call, fault), media_type="text/event-stream")

    async def _stream(self, call: Call, fault: Fault) -> AsyncIterator[bytes]:
        """A client that leaves cancels it here, which is how `left` comes about."""
        words = model_text.words(call.prompt) if fault.text is None else [fault.text]
        kept = words if call.limit is None else words[: call.limit]
        delay_ms = self._delay_ms if fault.delay_ms is None else fault.delay_ms
        events = model_events.of(call.provider, call.model, call.input_tokens)
        yield events.opening()
        for sent, word in enumerate(kept):
            for event in _broken(call, fault, sent, events):
                yield event
            if call.outcome == "stalled":
                await asyncio.sleep(_STALL_SECONDS)
            if call.outcome != "left":
                return
            await asyncio.sleep(delay_ms / 1000)
            call.chunks.append(time.time())
            yield events.delta(word)
        call.outcome = "completed" if len(kept) == len(words) else "limit"
        yield events.closing("".join(kept), len(kept), limited=call.outcome == "limit")

    def _next_fault(self, provider: str) -> Fault:
        for place, fault in enumerate(self._faults):
            if fault.provider in (None, provider):
                return self._faults.pop(place)
        return Fault()

    async def calls(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._calls.clear()
        return _json({"count": len(self._calls), "calls": self._calls})

    async def faults(self, request: Request) -> Response:
        """Each one serves one call, the first that its provider gets; an empty list clears all."""
        if request.method == "POST":
            try:
                wanted = msgspec.json.decode(await request.body(), type=list[Fault])
            except msgspec.DecodeError as error:
                return JSONResponse({"error": str(error)}, 422)
            self._faults = [*self._faults, *wanted] if wanted else []
        return _json(self._faults)


def _broken(call: Call, fault: Fault, sent: int, events: model_events.Events) -> list[bytes]:
    """What the fault puts on the wire at this place, with the outcome noted on the call."""
    if sent == fault.cut_after:
        call.outcome = "cut"
        raise Cut
    if sent == fault.stall_after:
        call.outcome = "stalled"
    elif sent == fault.end_after:
        call.outcome = "ended in silence"
    elif sent == fault.malformed_after:
        return [b'event: message\ndata: {"type": "resp\n\n']
    elif sent == fault.error_after:
        call.outcome = "error event"
        return [events.error()]
    return []


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def build(delay_ms: int) -> Starlette:
    models = Models(delay_ms)
    return Starlette(
        routes=[
            Route("/v1/responses", models.openai, methods=["POST"]),
            Route("/anthropic/v1/messages", models.anthropic, methods=["POST"]),
            Route("/calls", models.calls, methods=["GET", "DELETE"]),
            Route("/faults", models.faults, methods=["GET", "POST"]),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.models", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    port: int = parser.parse_args().port
    delay_ms = int(os.environ.get("LOCAL_MODELS_DELAY_MS") or 40)
    uvicorn.run(build(delay_ms), host="127.0.0.1", port=port, log_level="critical")


if __name__ == "__main__":
    main()
