r"""The AI SDK's UI message stream, version 1, as bytes: one function or constant for each part.

https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol. Every part is one line of JSON, in which CR, LF
and NUL are escaped, so that no text of a model's or a client's can end an event or begin another.
"""

from types import MappingProxyType
from typing import Any

import msgspec

from tollgate.generation.events import Reason

HEADERS = MappingProxyType(
    {
        "content-type": "text/event-stream",
        "x-vercel-ai-ui-message-stream": "v1",
        "cache-control": "no-cache",
        "x-accel-buffering": "no",
    }
)

_encode = msgspec.json.Encoder().encode

# Line ends for Python's str.splitlines and with it for some readers of event streams.
_LINE_ENDS = (
    (b"\xc2\x85", rb"\u0085"),
    (b"\xe2\x80\xa8", rb"\u2028"),
    (b"\xe2\x80\xa9", rb"\u2029"),
)


def _json(value: object) -> bytes:
    encoded = _encode(value)
    if not encoded.isascii():
        for character, escape in _LINE_ENDS:
            encoded = encoded.replace(character, escape)
    return encoded


def _part(**members: Any) -> bytes:
    return b"data: " + _json(members) + b"\n\n"


START_STEP = _part(type="start-step")
TEXT_START = _part(type="text-start", id="text")
TEXT_END = _part(type="text-end", id="text")
FINISH_STEP = _part(type="finish-step")
DONE = b"data: [DONE]\n\n"
KEEP_ALIVE = b": keep-alive\n\n"


def start(
    message_id: str, *, generation_id: str, conversation_id: str, model: str, cached: bool
) -> bytes:
    """`model` is the id of the one that answers, which a fallback may have changed."""
    return _part(
        type="start",
        messageId=message_id,
        messageMetadata={
            "generation_id": generation_id,
            "conversation_id": conversation_id,
            "model": model,
            "cached": cached,
        },
    )


def text_delta(text: str) -> bytes:
    """The part that is sent for every token, put together by hand."""
    return b'data: {"type":"text-delta","id":"text","delta":' + _json(text) + b"}\n\n"


def finish(
    reason: Reason,
    *,
    input_tokens: int,
    output_tokens: int,
    estimated: bool,
    day_left: int | None,
    month_left: int | None,
) -> bytes:
    """What was charged, and what is left of the day's generations and the month's tokens.

    `estimated` says that the provider's own count never came; None is unlimited.
    """
    return _part(
        type="finish",
        finishReason=reason,
        messageMetadata={
            "usage": {
                "inputTokens": input_tokens,
                "outputTokens": output_tokens,
                "totalTokens": input_tokens + output_tokens,
                "estimated": estimated,
            },
            "remaining": {"day": day_left, "month": month_left},
        },
    )


def error(sentence: str) -> bytes:
    """A failure after the first byte; the sentence is shown as it stands."""
    return _part(type="error", errorText=sentence)
