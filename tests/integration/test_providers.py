"""Both SDKs against a model server that speaks their protocols and can be told to misbehave."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tollgate.catalogue import Model
from tollgate.generation.events import (
    Delta,
    Finished,
    ProviderFailed,
    ProvidersUnavailable,
    Started,
    Usage,
)
from tollgate.generation.prompt import Prompt, Turn
from tollgate.generation.providers import Providers

ROOT = Path(__file__).parents[2]
GPT = Model(id="gpt-6-luna", provider="openai", input_price=10, output_price=50)
CLAUDE = Model(id="claude-haiku-5-5", provider="anthropic", input_price=10, output_price=50)
PROMPT = Prompt(
    "Be brief.",
    (Turn("user", "one"), Turn("assistant", "two"), Turn("user", "three words here")),
)
IDLE_SECONDS = 0.5

each_provider = pytest.mark.parametrize("model", [GPT, CLAUDE], ids=lambda model: model.provider)
Answer = list[Started | Delta | Finished]
Result = TypeVar("Result")


class ModelServer:
    """The stand-in in a process of its own, and what it says about its calls."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def expect(self, *faults: dict[str, Any]) -> None:
        self._ask("POST", "/faults", list(faults))

    def calls(self) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = self._ask("GET", "/calls")["calls"]
        return calls

    def reset(self) -> None:
        self._ask("POST", "/faults", [])
        self._ask("DELETE", "/calls")

    def _ask(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, method=method)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            return json.load(answer)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "local.models", "--port", str(port)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'layers/common'}{os.pathsep}{ROOT}",
            "LOCAL_MODELS_DELAY_MS": "5",
        },
    )
    server = ModelServer(port)
    try:
        wait_until(lambda: answers(port), 20)
        yield server
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def models(server: ModelServer) -> ModelServer:
    server.reset()
    return server


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def run(
    url: str, use: Callable[[Providers], Coroutine[Any, Any, Result]], **changes: Any
) -> Result:
    async def main() -> Result:
        settings: dict[str, Any] = {
            "openai_key": "sk-test",
            "anthropic_key": "sk-ant-test",
            "openai_base_url": f"{url}/v1",
            "anthropic_base_url": f"{url}/anthropic",
            "idle_seconds": IDLE_SECONDS,
        }
        providers = Providers(**settings | changes)
        try:
            return await use(providers)
        finally:
            await providers.aclose()

    return asyncio.run(main())


def generate(
    url: str, *route: Model, limit: int = 500, **settings: Any
) -> tuple[Answer, ProviderFailed | None]:
    """What was streamed, and the failure that ended it, if one did."""

    async def use(providers: Providers) -> tuple[Answer, ProviderFailed | None]:
        answer: Answer = []
        try:
            async with aclosing(providers.stream(route, PROMPT, limit)) as events:
                async for event in events:
                    answer.append(event)
        except ProviderFailed as failure:
            return answer, failure
        return answer, None

    return run(url, use, **settings)


def text(answer: Answer) -> str:
    return "".join(event.text for event in answer if isinstance(event, Delta))


@each_provider
def test_answer_starts_with_its_model_and_ends_with_the_providers_count(
    models: ModelServer, model: Model
) -> None:
    answer, failure = generate(models.url, model)
    (call,) = models.calls()
    assert failure is None
    assert isinstance(answer[0], Started)
    assert answer[0].model == model
    assert answer[-1] == Finished("stop", Usage(call["input_tokens"], len(call["chunks"])))
    assert len(answer) - 2 == len(call["chunks"]) > 1
    assert call["outcome"] == "completed"


@each_provider
def test_request_carries_model_system_text_and_limit(models: ModelServer, model: Model) -> None:
    answer, _ = generate(models.url, model, limit=3)
    (call,) = models.calls()
    assert (call["model"], call["system"], call["limit"]) == (model.id, "Be brief.", 3)
    assert call["prompt"] == "three words here"
    assert answer[-1] == Finished("length", Usage(call["input_tokens"], 3))


@each_provider
def test_text_arrives_unchanged(models: ModelServer, model: Model) -> None:
    said = "a\r\n\r\ndata: [DONE]\n\n\0\u2028 \N{GRINNING FACE} {x}"
    models.expect({"text": said})
    answer, _ = generate(models.url, model)
    assert text(answer) == said


def test_input_count_is_known_from_the_start_where_the_provider_tells_it(
    models: ModelServer,
) -> None:
    answer, _ = generate(models.url, CLAUDE)
    assert answer[0] == Started(CLAUDE, models.calls()[0]["input_tokens"])


@each_provider
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ({"status": 429, "retry_after": 60}, "busy"),
        ({"status": 500}, "unavailable"),
        ({"status": 503}, "unavailable"),
        ({"status": 529}, "unavailable"),
        ({"status": 401}, "refused"),
        ({"cut_after": 0}, "cut"),
        ({"stall_after": 0}, "timeout"),
        ({"end_after": 0}, "broken"),
        ({"malformed_after": 0}, "broken"),
        ({"error_after": 0}, "unavailable"),
    ],
    ids=str,
)
def test_failure_before_the_first_token_is_answered_by_the_other_provider(
    models: ModelServer, model: Model, fault: dict[str, Any], failure: str
) -> None:
    other = CLAUDE if model is GPT else GPT
    models.expect({"provider": model.provider, **fault})
    begun = time.monotonic()
    answer, broken_off = generate(models.url, model, other)
    assert broken_off is None
    assert isinstance(answer[0], Started)
    assert answer[0].model == other
    assert isinstance(answer[-1], Finished)
    assert [call["provider"] for call in models.calls()] == [model.provider, other.provider]
    assert time.monotonic() - begun < 5

    models.expect({"provider": model.provider, **fault})
    with pytest.raises(ProvidersUnavailable) as refused:
        generate(models.url, model)
    assert [(each.provider, each.failure) for each in refused.value.failures] == [
        (model.provider, failure)
    ]


@each_provider
@pytest.mark.parametrize("fault", [{}, {"retry_after": 1}], ids=["spend cap", "rate limit"])
def test_a_provider_that_is_over_its_limit_is_not_asked_again(
    models: ModelServer, model: Model, fault: dict[str, Any]
) -> None:
    """L6: without a retry-after it is the provider's own spend cap, which no retry can lift."""
    models.expect({"provider": model.provider, "status": 429, **fault})
    with pytest.raises(ProvidersUnavailable) as refused:
        generate(models.url, model)
    assert [each.failure for each in refused.value.failures] == ["busy"]
    assert [call["outcome"] for call in models.calls()] == ["refused 429"]


@each_provider
@pytest.mark.parametrize(
    ("fault", "failure"),
    [
        ("cut_after", "cut"),
        ("stall_after", "timeout"),
        ("end_after", "broken"),
        ("malformed_after", "broken"),
        ("error_after", "unavailable"),
    ],
)
def test_failure_after_the_first_token_keeps_the_text_and_asks_nobody_else(
    models: ModelServer, model: Model, fault: str, failure: str
) -> None:
    other = CLAUDE if model is GPT else GPT
    models.expect({fault: 2})
    answer, broken_off = generate(models.url, model, other)
    assert broken_off is not None
    assert (broken_off.provider, broken_off.failure) == (model.provider, failure)
    assert sum(isinstance(event, Delta) for event in answer) == 2
    assert not isinstance(answer[-1], Finished)
    assert len(models.calls()) == 1


@each_provider
def test_failure_never_repeats_the_providers_words(models: ModelServer, model: Model) -> None:
    models.expect({"status": 500})
    with pytest.raises(ProvidersUnavailable) as refused:
        generate(models.url, model)
    models.expect({"error_after": 1})
    _, broken_off = generate(models.url, model)
    for told in (refused.value, *refused.value.failures, broken_off):
        assert "500" not in str(told)
        assert "overloaded" not in str(told)


@each_provider
def test_closing_the_stream_hangs_up_on_the_provider(models: ModelServer, model: Model) -> None:
    async def use(providers: Providers) -> None:
        async with aclosing(providers.stream([model], PROMPT, 50)) as events:
            async for event in events:
                if isinstance(event, Delta):
                    break
        await asyncio.to_thread(wait_until, lambda: models.calls()[0]["outcome"] == "left", 2)

    models.expect({"delay_ms": 300})
    run(models.url, use)
    assert len(models.calls()[0]["chunks"]) <= 2


@each_provider
def test_provider_without_a_key_is_never_called(models: ModelServer, model: Model) -> None:
    other = CLAUDE if model is GPT else GPT
    answer, _ = generate(models.url, model, other, **without_key(model, ""))
    assert isinstance(answer[0], Started)
    assert answer[0].model == other
    assert [call["provider"] for call in models.calls()] == [other.provider]
    with pytest.raises(ProvidersUnavailable):
        generate(models.url, model, **without_key(model, None))


def without_key(model: Model, nothing: str | None) -> dict[str, Any]:
    return {f"{model.provider}_key": nothing}


def test_address_where_nobody_listens_is_given_up_at_once() -> None:
    begun = time.monotonic()
    with pytest.raises(ProvidersUnavailable) as refused:
        generate(f"http://127.0.0.1:{free_port()}", GPT, CLAUDE)
    assert [each.failure for each in refused.value.failures] == ["unreachable", "unreachable"]
    assert time.monotonic() - begun < 5


def test_providers_that_accept_and_say_nothing_share_one_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        run(url, preload_both)  # importing the SDKs is no part of the wait
        begun = time.monotonic()
        with pytest.raises(ProvidersUnavailable) as refused:
            generate(url, GPT, CLAUDE, opening_seconds=0.6, idle_seconds=30)
        assert time.monotonic() - begun < 3
    assert [each.failure for each in refused.value.failures] == ["timeout", "timeout"]


async def preload_both(providers: Providers) -> None:
    providers.preload("openai")
    providers.preload("anthropic")


@each_provider
def test_next_answer_uses_the_same_connection(models: ModelServer, model: Model) -> None:
    """Read to its end, an answer gives its connection back."""
    connections: list[asyncio.Task[Any] | None] = []

    async def proxied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.current_task())
        port = int(models.url.rsplit(":", 1)[1])
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, up_writer), pump(up_reader, writer))

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while chunk := await source.read(65536):
            target.write(chunk)
            await target.drain()
        target.close()
        await target.wait_closed()

    async def main() -> None:
        proxy = await asyncio.start_server(proxied, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{proxy.sockets[0].getsockname()[1]}"
        providers = Providers(
            openai_key="k",
            anthropic_key="k",
            openai_base_url=f"{url}/v1",
            anthropic_base_url=f"{url}/anthropic",
        )
        for _ in range(3):
            async for _event in providers.stream([model], PROMPT, 5):
                pass
        await providers.aclose()
        proxy.close()
        await asyncio.gather(*(task for task in connections if task))

    asyncio.run(main())
    assert len(connections) == 1


@pytest.mark.parametrize(("model", "other"), [(GPT, "anthropic"), (CLAUDE, "openai")])
def test_only_the_sdk_of_the_routed_provider_is_imported(
    models: ModelServer, model: Model, other: str
) -> None:
    program = f"""
import asyncio, sys
from tollgate.catalogue import Model
from tollgate.generation.prompt import Prompt, Turn
from tollgate.generation.providers import Providers
assert not {{"openai", "anthropic", "httpx2", "pydantic"}} & set(sys.modules), "too early"
providers = Providers(openai_key="k", anthropic_key="k", openai_base_url="{models.url}/v1",
                      anthropic_base_url="{models.url}/anthropic")
model = Model(id="{model.id}", provider="{model.provider}", input_price=1, output_price=1)
async def main():
    async for _ in providers.stream([model], Prompt("", (Turn("user", "hello"),)), 5):
        pass
    await providers.aclose()
asyncio.run(main())
assert "{model.provider}" in sys.modules and "{other}" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "layers/common")},
    )
    assert (done.returncode, done.stderr) == (0, "")
