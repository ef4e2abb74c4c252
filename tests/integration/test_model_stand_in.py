"""The providers' own SDKs judge whether the stand-in speaks their protocols."""

import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.stand_ins import stand_in


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with stand_in("local.models", tmp_path_factory.mktemp("models")) as address:
        yield address


@pytest.fixture(autouse=True)
def _afresh(url: str) -> None:
    httpx2.delete(f"{url}/calls")
    httpx2.post(f"{url}/faults", json=[])


def _responses(url: str, limit: int = 500, prompt: str = "in 30 words: tulips") -> list[Any]:
    with openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:
        stream = client.responses.create(
            model="gpt-6-luna", input=prompt, max_output_tokens=limit, stream=True
        )
        with stream:
            return list(stream)


def _message(url: str, limit: int = 500) -> anthropic.types.Message:
    asked: Any = [{"role": "user", "content": "in 30 words: tulips"}]
    base = f"{url}/anthropic"
    with (
        anthropic.Anthropic(api_key="k", base_url=base, max_retries=0) as client,
        client.messages.stream(
            model="claude-haiku-5-5", max_tokens=limit, messages=asked
        ) as stream,
    ):
        return stream.get_final_message()


def _calls(url: str) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = httpx2.get(f"{url}/calls").json()["calls"]
    return calls


def test_openai_streams_one_word_a_delta_and_counts_them(url: str) -> None:
    events = _responses(url)
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert len(deltas) == 30
    assert events[-1].type == "response.completed"
    assert events[-1].response.usage.output_tokens == 30
    assert events[-1].response.output_text == "".join(deltas)


def test_openai_stops_at_the_limit_and_says_so(url: str) -> None:
    last = _responses(url, limit=7)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"
    assert last.response.usage.output_tokens == 7


def test_anthropic_streams_and_stops_at_the_limit(url: str) -> None:
    whole, cut = _message(url), _message(url, limit=7)
    assert (whole.stop_reason, whole.usage.output_tokens) == ("end_turn", 30)
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 7)


def test_one_prompt_has_one_answer(url: str) -> None:
    first, second = (_responses(url, prompt="harbour lights")[-1] for _ in range(2))
    assert first.response.output_text == second.response.output_text
    assert len(first.response.output_text.split()) > 40


def test_faults_are_served_in_order_and_once(url: str) -> None:
    httpx2.post(f"{url}/faults", json=[{"status": 429, "retry_after": 3}, {}, {"status": 529}])
    with pytest.raises(anthropic.RateLimitError) as limited:
        _message(url)
    assert limited.value.response.headers["retry-after"] == "3"
    assert _message(url).stop_reason == "end_turn"
    with pytest.raises(anthropic.APIStatusError):
        _message(url)
    assert [call["outcome"] for call in _calls(url)] == ["refused 429", "completed", "refused 529"]


def test_a_fault_for_one_provider_spares_the_other(url: str) -> None:
    httpx2.post(f"{url}/faults", json=[{"provider": "openai", "status": 500}])
    assert _message(url).stop_reason == "end_turn"
    with pytest.raises(openai.InternalServerError):
        _responses(url)


def test_a_cut_connection_is_an_error_to_the_client(url: str) -> None:
    httpx2.post(f"{url}/faults", json=[{"cut_after": 3}])
    with pytest.raises(openai.APIConnectionError):
        _responses(url)
    assert len(_calls(url)[0]["chunks"]) == 3


def test_an_end_in_silence_has_no_finish_reason(url: str) -> None:
    httpx2.post(f"{url}/faults", json=[{"end_after": 3}])
    assert _message(url).stop_reason is None


def test_an_error_inside_the_stream_comes_after_a_200(url: str) -> None:
    httpx2.post(f"{url}/faults", json=[{"error_after": 2}])
    with pytest.raises(anthropic.APIStatusError) as failed:
        _message(url)
    assert failed.value.status_code == 200


def test_a_client_that_leaves_is_noticed(url: str) -> None:
    body = {"model": "gpt-6-luna", "input": "in 2000 words: the sea", "stream": True}
    headers = {"authorization": "Bearer k"}
    with httpx2.stream("POST", f"{url}/v1/responses", json=body, headers=headers) as response:
        next(line for line in response.iter_lines() if "delta" in line)
    time.sleep(0.3)
    before = len(_calls(url)[0]["chunks"])
    time.sleep(0.2)
    assert len(_calls(url)[0]["chunks"]) == before < 2000
    assert _calls(url)[0]["outcome"] == "left"


def test_an_unknown_fault_is_refused(url: str) -> None:
    assert httpx2.post(f"{url}/faults", json=[{"nonsense": 1}]).status_code == 422
