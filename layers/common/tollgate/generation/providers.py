"""The first model on a route that starts to answer is the one that answers.

Before its first token a failure costs nothing and the next model is tried; after it there is no
way back, because the client has read the beginning.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol, Self

from tollgate.catalogue import Model
from tollgate.generation.events import (
    Delta,
    Event,
    Finished,
    Opened,
    ProviderFailed,
    ProvidersUnavailable,
    Started,
)
from tollgate.generation.prompt import Prompt
from tollgate.settings import Settings

_OPENING_SECONDS = 8.5
_SHARE_BEFORE_A_FALLBACK = 2 / 3
_IDLE_SECONDS = 30.0


class Provider(Protocol):
    """One provider's edge; closing a stream hangs up on the provider."""

    def stream(
        self, model_id: str, prompt: Prompt, max_output_tokens: int
    ) -> AsyncGenerator[Event, None]: ...

    async def aclose(self) -> None: ...


class Providers:
    """The providers that there is a key for; an SDK is imported when a request first needs it.

    `opening_seconds` is what all models of a route may take together until one of them gives its
    first token; `idle_seconds` is how long that one may then be silent.
    """

    def __init__(
        self,
        *,
        openai_key: str | None = None,
        anthropic_key: str | None = None,
        openai_base_url: str | None = None,
        anthropic_base_url: str | None = None,
        opening_seconds: float = _OPENING_SECONDS,
        idle_seconds: float = _IDLE_SECONDS,
    ) -> None:
        self._access = {
            provider: (key, base_url or None)
            for provider, key, base_url in (
                ("openai", openai_key, openai_base_url),
                ("anthropic", anthropic_key, anthropic_base_url),
            )
            if key
        }
        self._made: dict[str, Provider] = {}
        self._opening_seconds = opening_seconds
        self._idle_seconds = idle_seconds

    @classmethod
    def configured(cls, settings: Settings) -> Self:
        return cls(
            openai_key=settings.secret("OPENAI_API_KEY"),
            anthropic_key=settings.secret("ANTHROPIC_API_KEY"),
            openai_base_url=settings.optional("OPENAI_BASE_URL"),
            anthropic_base_url=settings.optional("ANTHROPIC_BASE_URL"),
        )

    async def stream(
        self, route: Sequence[Model], prompt: Prompt, max_output_tokens: int
    ) -> AsyncGenerator[Started | Delta | Finished, None]:
        """`Started` first, `Finished` last, and the text between them.

        Raises ProvidersUnavailable before the first event, ProviderFailed after it. Close the
        generator to hang up on the provider (`contextlib.aclosing`).
        """
        usable = [model for model in route if model.provider in self._access]
        failures: list[ProviderFailed] = []
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._opening_seconds
        for place, model in enumerate(usable):
            # A first import takes a second or more: beside the loop, and while nobody was asked.
            began = loop.time()
            provider = await asyncio.to_thread(self._provider, model.provider)
            deadline += loop.time() - began
            async with aclosing(provider.stream(model.id, prompt, max_output_tokens)) as events:
                try:
                    left = deadline - loop.time()
                    last = place == len(usable) - 1
                    seconds = left if last else left * _SHARE_BEFORE_A_FALLBACK
                    started, first = await _begin(model, events, seconds)
                except ProviderFailed as failure:
                    failures.append(failure)
                    continue
                yield started
                yield first
                async for event in events:
                    if not isinstance(event, Opened):
                        yield event
                return
        raise ProvidersUnavailable(tuple(failures))

    def preload(self, provider: str) -> None:
        """Import the provider's SDK now, if there is a key for it, rather than in a request."""
        if provider in self._access:
            self._provider(provider)

    def _provider(self, provider: str) -> Provider:
        if provider not in self._made:
            self._made.setdefault(provider, self._make(provider))
        return self._made[provider]

    def _make(self, provider: str) -> Provider:
        key, base_url = self._access[provider]
        if provider == "openai":
            from tollgate.generation.openai_provider import OpenAIProvider

            return OpenAIProvider(key, base_url, self._idle_seconds)
        from tollgate.generation.anthropic_provider import AnthropicProvider

        return AnthropicProvider(key, base_url, self._idle_seconds)

    async def aclose(self) -> None:
        """Close all connections, at the end of the process."""
        for provider in self._made.values():
            await provider.aclose()


async def _begin(
    model: Model, events: AsyncGenerator[Event, None], seconds: float
) -> tuple[Started, Delta | Finished]:
    """Wait for the first token: only then is it certain that this model answers."""
    input_tokens = None
    try:
        async with asyncio.timeout(seconds):
            event = await anext(events)
            while isinstance(event, Opened):
                input_tokens = event.input_tokens
                event = await anext(events)
    except TimeoutError as error:
        raise ProviderFailed(model.provider, "timeout") from error
    return Started(model, input_tokens), event
