"""OpenAI's Responses API. Importing this imports the SDK: only `providers` does, when it must.

https://platform.openai.com/docs/api-reference/responses-streaming: a failure in mid-stream is an
event like any other, and reaching the output limit is `response.incomplete`.
"""

from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from openai import AsyncOpenAI, OpenAIError, omit

from tollgate.generation import upstream
from tollgate.generation.events import Delta, Event, Finished, Opened, Reason, Usage
from tollgate.generation.prompt import Prompt

_TEXT = ("response.output_text.delta", "response.refusal.delta")
_REASONS: dict[str | None, Reason] = {
    "max_output_tokens": "length",
    "content_filter": "content-filter",
}


class OpenAIProvider:
    def __init__(self, key: str, base_url: str | None, idle_seconds: float) -> None:
        self._client = AsyncOpenAI(
            api_key=key,
            base_url=base_url,
            max_retries=0,  # the route's next model is the retry
            timeout=upstream.timeouts(idle_seconds),
        )

    def stream(
        self, model_id: str, prompt: Prompt, max_output_tokens: int
    ) -> AsyncGenerator[Event, None]:
        """Nothing is stored at the provider; the first event is `Opened`."""
        return upstream.events(
            "openai",
            OpenAIError,
            lambda: self._client.responses.with_streaming_response.create(
                model=model_id,
                instructions=prompt.system or omit,
                input=[{"role": turn.role, "content": turn.text} for turn in prompt.turns],
                max_output_tokens=max_output_tokens,
                store=False,
                stream=True,
            ),
            _Reader(),
        )

    async def aclose(self) -> None:
        await self._client.close()


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None


class _Event(msgspec.Struct):
    type: str
    delta: Any = None  # text in the events that we read; other events are free to differ
    response: _Response | None = None


class _Reader:
    usage: Usage | None = None

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Event).decode

    def read(self, data: bytes) -> Event | None:
        event = self._decode(data)
        if event.type in _TEXT:
            return Delta(event.delta) if event.delta else None
        response = event.response or _Response()
        if response.usage:
            self.usage = Usage(response.usage.input_tokens, response.usage.output_tokens)
        match event.type:
            case "response.created":
                return Opened(None)
            case "response.completed":
                return Finished("stop", self.usage)
            case "response.incomplete":
                details = response.incomplete_details or _Incomplete()
                return Finished(_REASONS.get(details.reason, "other"), self.usage)
            case "response.failed" | "error":
                raise upstream.Failed
        return None
