"""The two providers' event streams, as their SDKs parse them."""

import json
import secrets
import time
from typing import Any, Protocol

Body = dict[str, Any]


class Events(Protocol):
    """One answer's events as bytes for the wire."""

    def opening(self) -> bytes: ...
    def delta(self, text: str) -> bytes: ...
    def closing(self, text: str, tokens: int, *, limited: bool) -> bytes: ...
    def error(self) -> bytes: ...


def of(provider: str, model: str, input_tokens: int) -> Events:
    kind = OpenAI if provider == "openai" else Anthropic
    return kind(model, input_tokens)


class OpenAI:
    """The Responses API: a failure is an event, and so is reaching the limit."""

    def __init__(self, model: str, input_tokens: int) -> None:
        self._model = model
        self._input_tokens = input_tokens
        self._sequence = 0
        self._id = f"resp_{secrets.token_hex(12)}"
        self._item = f"msg_{secrets.token_hex(12)}"
        self._created = int(time.time())

    def opening(self) -> bytes:
        item = {"id": self._item, "type": "message", "role": "assistant", "content": []}
        return b"".join(
            (
                self._event("response.created", response=self._response("in_progress")),
                self._event("response.in_progress", response=self._response("in_progress")),
                self._event(
                    "response.output_item.added",
                    output_index=0,
                    item=item | {"status": "in_progress"},
                ),
                self._event("response.content_part.added", **self._place(), part=_part("")),
            )
        )

    def delta(self, text: str) -> bytes:
        return self._event("response.output_text.delta", **self._place(), delta=text, logprobs=[])

    def closing(self, text: str, tokens: int, *, limited: bool) -> bytes:
        status = "incomplete" if limited else "completed"
        item = {
            "id": self._item,
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [_part(text)],
        }
        response = self._response(status) | {
            "output": [item],
            "usage": self._usage(tokens),
            "incomplete_details": {"reason": "max_output_tokens"} if limited else None,
        }
        return b"".join(
            (
                self._event("response.output_text.done", **self._place(), text=text, logprobs=[]),
                self._event("response.content_part.done", **self._place(), part=_part(text)),
                self._event("response.output_item.done", output_index=0, item=item),
                self._event(f"response.{status}", response=response),
            )
        )

    def error(self) -> bytes:
        return self._event("error", code="server_error", message="overloaded", param=None)

    def _usage(self, tokens: int) -> Body:
        return {
            "input_tokens": self._input_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self._input_tokens + tokens,
        }

    def _response(self, status: str) -> Body:
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "model": self._model,
            "status": status,
            "output": [],
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
        }

    def _place(self) -> Body:
        return {"item_id": self._item, "output_index": 0, "content_index": 0}

    def _event(self, kind: str, **body: Any) -> bytes:
        event = _event(kind, {"type": kind, "sequence_number": self._sequence} | body)
        self._sequence += 1
        return event


class Anthropic:
    """The Messages API: input is counted at the start, output at the end."""

    def __init__(self, model: str, input_tokens: int) -> None:
        self._model = model
        self._input_tokens = input_tokens

    def opening(self) -> bytes:
        message: Body = {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": self._input_tokens, "output_tokens": 1},
        }
        block = {"type": "text", "text": ""}
        return b"".join(
            (
                _typed("message_start", message=message),
                _typed("content_block_start", index=0, content_block=block),
                _typed("ping"),
            )
        )

    def delta(self, text: str) -> bytes:
        return _typed("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def closing(self, text: str, tokens: int, *, limited: bool) -> bytes:
        reason = "max_tokens" if limited else "end_turn"
        end = {"stop_reason": reason, "stop_sequence": None}
        usage = {"output_tokens": tokens}
        return b"".join(
            (
                _typed("content_block_stop", index=0),
                _typed("message_delta", delta=end, usage=usage),
                _typed("message_stop"),
            )
        )

    def error(self) -> bytes:
        return _event("error", anthropic_error("overloaded_error"))


def refusal(provider: str, status: int) -> Body:
    """The body of an answer with this status, in the provider's own form."""
    if provider == "openai":
        return openai_error(f"refused with {status}")
    kinds = {429: "rate_limit_error", 503: "api_error", 529: "overloaded_error"}
    return anthropic_error(kinds.get(status, "api_error"))


def openai_error(message: str) -> Body:
    return {"error": {"message": message, "type": "error", "param": None, "code": None}}


def anthropic_error(kind: str) -> Body:
    return {"type": "error", "error": {"type": kind, "message": kind.replace("_", " ")}}


def _part(text: str) -> Body:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _typed(kind: str, **body: Any) -> bytes:
    return _event(kind, {"type": kind} | body)


def _event(name: str, body: Body) -> bytes:
    return f"event: {name}\ndata: {json.dumps(body, separators=(',', ':'))}\n\n".encode()
