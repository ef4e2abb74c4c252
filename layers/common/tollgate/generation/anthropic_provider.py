"""Anthropic's Messages API. Importing this imports the SDK: only `providers` does, when it must.

https://docs.anthropic.com/en/docs/build-with-claude/streaming: input is counted in the first
event, output in the last but one, and an overload can be an event in a 200 stream.
"""

from collections.abc import AsyncGenerator

import msgspec
from anthropic import AnthropicError, AsyncAnthropic, omit
from anthropic.types import MessageParam

from tollgate.generation import upstream
from tollgate.generation.events import Delta, Event, Finished, Opened, Reason, Usage
from tollgate.generation.prompt import Prompt, Turn

_REASONS: dict[str, Reason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content-filter",
}


class AnthropicProvider:
    def __init__(self, key: str, base_url: str | None, idle_seconds: float) -> None:
        self._client = AsyncAnthropic(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # the route's next model is the retry
            timeout=upstream.timeouts(idle_seconds),
        )

    def stream(
        self, model_id: str, prompt: Prompt, max_output_tokens: int
    ) -> AsyncGenerator[Event, None]:
        """The first event is `Opened`, with the input's count."""
        return upstream.events(
            "anthropic",
            AnthropicError,
            lambda: self._client.messages.with_streaming_response.create(
                model=model_id,
                system=prompt.system or omit,
                messages=[_message(turn) for turn in prompt.turns],
                max_tokens=max_output_tokens,
                stream=True,
            ),
            _Reader(),
        )

    async def aclose(self) -> None:
        await self._client.close()


def _message(turn: Turn) -> MessageParam:
    if turn.role == "user":
        return {"role": "user", "content": turn.text}
    return {"role": "assistant", "content": turn.text}


class _Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None


class _Message(msgspec.Struct):
    usage: _Usage


class _Delta(msgspec.Struct):
    text: str | None = None
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    message: _Message | None = None
    delta: _Delta | None = None
    usage: _Usage | None = None


class _Reader:
    usage: Usage | None = None

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Event).decode
        self._input_tokens = 0
        self._reason: Reason | None = None

    def read(self, data: bytes) -> Event | None:
        event = self._decode(data)
        delta = event.delta or _Delta()
        match event.type:
            case "content_block_delta":
                return Delta(delta.text) if delta.text else None
            case "message_start" if event.message:
                self._input_tokens = _whole_input(event.message.usage)
                return Opened(self._input_tokens)
            case "message_delta":
                self._note_end(delta.stop_reason, event.usage or _Usage())
            case "message_stop" if self._reason:
                return Finished(self._reason, self.usage)
            case "error":
                raise upstream.Failed
        return None

    def _note_end(self, reason: str | None, usage: _Usage) -> None:
        if reason:
            self._reason = _REASONS.get(reason, "other")
        if usage.output_tokens is not None:
            # the counts here are cumulative, and the input's is repeated only by some models
            tokens = _whole_input(usage) or self._input_tokens
            self.usage = Usage(tokens, usage.output_tokens)


def _whole_input(usage: _Usage) -> int:
    """`input_tokens` leaves out what was written to or read from the prompt cache."""
    return (
        (usage.input_tokens or 0)
        + (usage.cache_creation_input_tokens or 0)
        + (usage.cache_read_input_tokens or 0)
    )
