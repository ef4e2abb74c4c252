"""Stripe's and the models' connections with the faults of `wire.Wire`, in the same words.

A process has one life: what kills it on one wire leaves it dead on all of them, and the table's
wire keeps the plan, the trace and the count for all three. The SDKs' own retries run above these
transports, so that each of their tries can meet a fault.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any, NoReturn

import httpx2
import requests
from requests.structures import CaseInsensitiveDict

from tests.faults.wire import Fault, Killed, Plan, Wire, at_random
from tollgate.billing.stripe_gateway import PatientClient

_AFTER = {Fault.KILLED_AFTER, Fault.FAILED_AFTER, Fault.TIMED_OUT_AFTER}
_OF_ANY_CALL = [
    Fault.KILLED,
    Fault.KILLED_AFTER,
    Fault.THROTTLED,
    Fault.FAILED,
    Fault.FAILED_AFTER,
    Fault.TIMED_OUT,
    Fault.TIMED_OUT_AFTER,
]
READS, WRITES, MODELS = "stripe_get", "stripe_post", "model"
_FAULTS = {
    READS: _OF_ANY_CALL,
    WRITES: [*_OF_ANY_CALL, Fault.CONFLICT, Fault.REPEATED],
    MODELS: _OF_ANY_CALL,
}


def planned(random: Random, rates: dict[str, float]) -> Plan:
    """`at_random` for the table's calls and for those of both transports."""
    of_the_table = at_random(random, rates)

    def plan(call: str) -> Fault | None:
        if call not in _FAULTS:
            return of_the_table(call)
        return random.choice(_FAULTS[call]) if random.random() < rates.get(call, 0) else None

    return plan


def _begun(wire: Wire, call: str, name: str) -> Fault | None:
    """The fault of a call that is about to be sent, counted and in the trace."""
    if wire.dead:
        raise Killed
    wire.meet(call)
    fault = wire.plan(call)
    wire.trace.append(f"{name}: {fault}" if fault else name)
    if fault is not None:
        wire.injected[fault] += 1
    return fault


def _kill(wire: Wire) -> NoReturn:
    wire.dead = True
    raise Killed


StripeAnswer = tuple[Any, int, Any]


class StripeWire(PatientClient):
    """What Stripe's SDK sends its tries through; `wire` is the table's, of the same process.

    `session` is another way to Stripe than its address.
    """

    def __init__(self, wire: Wire, session: requests.Session | None = None) -> None:
        super().__init__(timeout=5, session=session)
        self._wire = wire
        self.requests_sent = 0

    def request(self, *args: Any, **kwargs: Any) -> StripeAnswer:
        method, url = args[0], args[1]
        call = READS if method.lower() == "get" else WRITES
        fault = _begun(self._wire, call, f"{call} {url.partition('/v1/')[2].partition('?')[0]}")

        def send() -> StripeAnswer:
            self.requests_sent += 1
            answer: StripeAnswer = super(StripeWire, self).request(*args, **kwargs)
            return answer

        return send() if fault is None else self._faulty(fault, send)

    def _sleep_time_seconds(self, num_retries: int) -> float:
        """The SDK's pauses would be most of a history's time."""
        return 0.0

    def _faulty(self, fault: Fault, send: Callable[[], StripeAnswer]) -> StripeAnswer:
        if fault is Fault.REPEATED:
            send()
            return send()
        if fault in _AFTER:
            send()
        match fault:
            case Fault.KILLED | Fault.KILLED_AFTER:
                _kill(self._wire)
            case Fault.THROTTLED:
                return _stripe_error(429, "rate_limit")
            case Fault.CONFLICT:
                return _stripe_error(409, "idempotency_key_in_use")
            case Fault.TIMED_OUT:
                self._broken_off(requests.ConnectTimeout(), requests.ConnectionError("refused"))
            case Fault.TIMED_OUT_AFTER:
                self._broken_off(requests.ReadTimeout(), requests.ConnectionError("reset by peer"))
        return _stripe_error(500, "api_error")

    def _broken_off(self, *errors: Exception) -> NoReturn:
        self._handle_request_error(self._wire.random.choice(errors))  # as the SDK translates them
        raise AssertionError


def _stripe_error(status: int, code: str) -> StripeAnswer:
    body = json.dumps({"error": {"type": "api_error", "code": code, "message": "injected"}})
    return body.encode(), status, CaseInsensitiveDict({"request-id": "req_injected"})


class Break(StrEnum):
    """How an answer ends that had begun."""

    CUT = "cut in mid-answer"
    RESET = "reset in mid-answer"
    STALLED = "stalled in mid-answer"
    ENDED = "ended early in good order"
    MALFORMED = "malformed in mid-answer"
    KILLED = "killed in mid-answer"


@dataclass
class Call:
    """One request that a provider answered, and what of it went through this end of the wire."""

    provider: str
    model: str
    texts: list[str] = field(default_factory=list)
    input_tokens: int = 0
    usage: tuple[int, int] | None = None
    broken: Break | None = None
    open: bool = True


@dataclass
class ModelWire(httpx2.AsyncBaseTransport):
    """`breaks` chooses how the next answer breaks off, and after how many of its events."""

    wire: Wire
    breaks: Callable[[], tuple[Break, int] | None] = lambda: None
    calls: list[Call] = field(default_factory=list)
    tried: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        provider = "anthropic" if "/anthropic/" in request.url.path else "openai"
        self.tried.append(body["model"])
        fault = _begun(self.wire, MODELS, f"{MODELS} {provider}")
        if fault is not None:
            return await self._faulty(fault, request)
        answer = await self._inner.handle_async_request(request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        call = Call(provider, body["model"])
        self.calls.append(call)
        stream = _Broken(self.wire, answer.stream, call, self.breaks())
        return httpx2.Response(answer.status_code, headers=answer.headers, stream=stream)

    async def _faulty(self, fault: Fault, request: httpx2.Request) -> httpx2.Response:
        if fault in _AFTER:
            await (await self._inner.handle_async_request(request)).aclose()
        match fault:
            case Fault.KILLED | Fault.KILLED_AFTER:
                _kill(self.wire)
            case Fault.THROTTLED:
                return httpx2.Response(429, json={"error": {"message": "injected"}})
            case Fault.TIMED_OUT:
                raise self.wire.random.choice(_NEVER_ARRIVED)("injected")
            case Fault.TIMED_OUT_AFTER:
                raise self.wire.random.choice(_BROKEN_OFF)("injected")
        status = self.wire.random.choice([500, 503, 529])
        return httpx2.Response(status, json={"error": {"message": "injected"}})

    async def aclose(self) -> None:
        await self._inner.aclose()


_NEVER_ARRIVED: tuple[type[httpx2.TransportError], ...] = (
    httpx2.ConnectTimeout,
    httpx2.ConnectError,
)
_BROKEN_OFF: tuple[type[httpx2.TransportError], ...] = (
    httpx2.ReadTimeout,
    httpx2.ReadError,
    httpx2.RemoteProtocolError,
)
_STALL_SECONDS = 0.02
_END_OF_EVENT = b"\n\n"


class _Broken(httpx2.AsyncByteStream):
    """An answer's bytes, event by event, up to where it breaks."""

    def __init__(
        self,
        wire: Wire,
        inner: httpx2.AsyncByteStream,
        call: Call,
        chosen: tuple[Break, int] | None,
    ) -> None:
        self._wire, self._inner, self._call, self._chosen = wire, inner, call, chosen

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """A break may fall inside an event, whose first half then arrives."""
        passed = 0
        async for event in _events(self._inner):
            if self._chosen is not None and passed == self._chosen[1]:
                yield event[: self._wire.random.randrange(len(event))]
                rest = await self._break(self._chosen[0])
                if rest is not None:
                    yield rest
                return
            passed += 1
            _note(self._call, event)
            yield event

    async def _break(self, chosen: Break) -> bytes | None:
        self._call.broken = chosen
        self._wire.trace.append(str(chosen))
        match chosen:
            case Break.CUT:
                raise httpx2.ReadError("injected")
            case Break.RESET:
                raise httpx2.RemoteProtocolError("injected")
            case Break.STALLED:
                await asyncio.sleep(_STALL_SECONDS)
                raise httpx2.ReadTimeout("injected")
            case Break.MALFORMED:
                return b'\n\ndata: {"type": "resp\n\n'
            case Break.KILLED:
                _kill(self._wire)
        return None

    async def aclose(self) -> None:
        self._call.open = False
        await self._inner.aclose()


async def _events(stream: httpx2.AsyncByteStream) -> AsyncIterator[bytes]:
    kept = b""
    async for chunk in stream:
        *whole, kept = (kept + chunk).split(_END_OF_EVENT)
        for each in whole:
            yield each + _END_OF_EVENT


def _note(call: Call, event: bytes) -> None:
    """What the event says, read as the providers document it."""
    data = json.loads(event.partition(b"data: ")[2])
    match data["type"]:
        case "response.output_text.delta":
            call.texts.append(data["delta"])
        case "content_block_delta":
            call.texts.append(data["delta"]["text"])
        case "response.completed" | "response.incomplete":
            usage = data["response"]["usage"]
            call.usage = usage["input_tokens"], usage["output_tokens"]
        case "message_start":
            call.input_tokens = data["message"]["usage"]["input_tokens"]
        case "message_delta":
            call.usage = call.input_tokens, data["usage"]["output_tokens"]
