"""One generation from the first byte to the charge, whole and broken off."""

import json
import time
from typing import Any

import pytest

from local.stack import Stack
from tests.journeys.chat import Chat, ModelStandIn, receipt, receipts
from tests.journeys.checks import check_stream, eventually
from tests.journeys.person import Answer, Person
from tollgate.catalogue import load

_SYSTEM = load(None).blueprints["summary"].system


def usage(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = person.me()["usage"]
    return found


def size(*texts: str) -> int:
    """In the stand-in's tokens, which are words."""
    return len(" ".join(texts).split())


def metadata(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = answer.part("finish")["messageMetadata"]
    return found


def test_a_stream_is_whole_and_charged_as_it_says(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    answer = Chat(person).ask(f"{word} in 12 words")

    assert answer.response.status_code == 200
    assert answer.response.headers["cache-control"] == "no-cache"
    assert answer.response.headers["x-accel-buffering"] == "no"
    assert answer.response.headers["x-request-id"]
    charged = metadata(answer)["usage"]
    question = size(_SYSTEM, f"{word} in 12 words")
    assert charged == {
        "inputTokens": question,
        "outputTokens": 12,
        "totalTokens": question + 12,
        "estimated": False,
    }
    after = usage(person)
    assert metadata(answer)["remaining"] == {
        "day": after["day"]["remaining"],
        "month": after["month"]["remaining"],
    }
    assert (after["day"]["used"], after["month"]["used"]) == (1, charged["totalTokens"])
    assert (after["month"]["reserved"], after["concurrent"]["open"]) == (0, 0)
    decided = receipt(roomy, answer)
    assert (decided["input_tokens"], decided["output_tokens"]) == (question, 12)
    assert (decided["outcome"], decided["estimated"]) == ("finished", False)
    [call] = models.calls(word)
    assert call["outcome"] == "completed"
    assert len(answer.deltas_at) == len(call["chunks"]) == 12


def test_a_plans_limits_are_told_in_the_headers(stack: Stack) -> None:
    with Person(stack.url) as person:
        person.sign_in()

        check_stream(person.generate("summary", "hello in 3 words"))


def test_an_answer_ends_at_the_plans_output_limit(
    person: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"delay_ms": 0})

    answer = Chat(person).ask(f"{word} in 600 words")

    assert answer.part("finish")["finishReason"] == "length"
    assert metadata(answer)["usage"]["outputTokens"] == 500


def test_text_arrives_before_the_model_has_sent_its_third_chunk(
    person: Person, models: ModelStandIn, word: str
) -> None:
    Chat(person).ask("so that the model's client is loaded, in 1 words")
    models.fail({"delay_ms": 200})
    first = 0.0

    with Chat(person).open(f"{word} in 4 words") as response:
        for line in response.iter_lines():
            if '"text-delta"' in line and not first:
                first = time.time()

    [call] = models.calls(word)
    assert len(call["chunks"]) == 4
    assert call["chunks"][0] <= first < call["chunks"][2]


def test_a_script_needs_no_more_than_an_input(person: Person) -> None:
    answer = person.http.post("/generate", json={"blueprint": "summary", "input": "in 3 words"})

    assert answer.status_code == 200
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(person.http.get("/conversations").json()["items"]) == 1


def test_line_ends_in_an_answer_make_no_events(
    person: Person, models: ModelStandIn, word: str
) -> None:
    told = "one\r\n\r\ndata: [DONE]\n\ntwo\u2028three\u0085four\x00five"
    models.fail({"text": told})

    answer = Chat(person).ask(word)

    assert answer.text == told
    assert [part["type"] for part in answer.parts].count("text-delta") == 1


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_a_refusal_before_the_first_token_is_answered_by_the_other_provider(
    roomy: Stack, person: Person, models: ModelStandIn, word: str, status: int
) -> None:
    models.fail({"provider": "openai", "status": status, "retry_after": 30})

    answer = Chat(person).ask(f"{word} in 6 words")

    outcomes = [(each["provider"], each["outcome"]) for each in models.calls(word)]
    assert outcomes == [("openai", f"refused {status}"), ("anthropic", "completed")]
    assert answer.part("start")["messageMetadata"]["model"] == "claude-haiku-5-5"
    assert answer.done
    after = usage(person)
    assert after["day"]["used"] == 1
    assert after["month"]["used"] == metadata(answer)["usage"]["totalTokens"]
    assert receipt(roomy, answer)["model"] == "claude-haiku-5-5"


def test_nothing_is_charged_where_no_provider_answers(
    person: Person, models: ModelStandIn, word: str
) -> None:
    before = usage(person)
    models.fail({"status": 500}, {"status": 529})
    chat = Chat(person)

    answer = chat.ask(word).response

    assert answer.status_code == 503
    assert answer.json()["code"] == "provider_unavailable"
    assert answer.headers["x-usage-remaining"] == "10"
    assert '"day";r=10;' in answer.headers["ratelimit"]
    assert len(models.calls(word)) == 2
    assert usage(person) == before
    assert person.http.get("/conversations").json()["items"] == []
    assert chat.ask(f"{word} in 2 words").response.status_code == 200


def test_models_that_accept_and_then_say_nothing_are_given_up_within_ten_seconds(
    person: Person, models: ModelStandIn, word: str
) -> None:
    before = usage(person)
    models.fail({"stall_after": 0}, {"stall_after": 0})
    began = time.monotonic()

    answer = Chat(person).ask(word).response

    assert time.monotonic() - began < 10
    assert answer.json()["code"] == "provider_unavailable"
    assert usage(person) == before


def test_a_failed_generation_keeps_its_place_in_the_minute(stack: Stack) -> None:
    """Or a client could hammer at a broken provider without end."""
    with Person(stack.url) as person:
        person.sign_in()
        ModelStandIn(stack).fail(*[{"status": 500}] * 20)
        answers = [Chat(person).ask("one").response for _ in range(11)]
        ModelStandIn(stack).fail()
        left = usage(person)["day"]["remaining"]

    assert [each.status_code for each in answers] == [503] * 10 + [429]
    assert answers[-1].json()["code"] == "rate_limited"
    assert answers[-1].headers["retry-after"] == str(answers[-1].json()["retry_after"])
    assert left == 10


@pytest.mark.parametrize("kind", ["cut_after", "end_after", "malformed_after", "error_after"])
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stream_that_breaks_off_costs_what_was_delivered(
    roomy: Stack, person: Person, models: ModelStandIn, word: str, kind: str, provider: str
) -> None:
    if provider == "anthropic":
        models.fail({"provider": "openai", "status": 500})
    models.fail({"provider": provider, kind: 5})
    chat = Chat(person)

    answer = chat.ask(f"{word} in 9 words")

    assert [part["type"] for part in answer.parts[-2:]] == ["text-delta", "error"]
    assert "answer" in answer.part("error")["errorText"]
    assert answer.done
    assert size(answer.text) == len(answer.deltas_at) == 5
    decided = receipt(roomy, answer)
    assert decided["estimated"] is True
    assert 5 <= decided["output_tokens"] < 3 * 5
    after = usage(person)
    assert after["month"]["used"] == decided["input_tokens"] + decided["output_tokens"]
    assert (after["month"]["reserved"], after["day"]["used"]) == (0, 1)
    assert chat.stored_texts() == [f"{word} in 9 words", answer.text]


def test_hanging_up_stops_the_model_and_costs_what_was_delivered(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"delay_ms": 100})
    chat = Chat(person)
    received: list[dict[str, Any]] = []
    with chat.open(f"{word} in 300 words") as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                received.append(json.loads(line.removeprefix("data: ")))
            if len(received) == 8:
                break
    left_at = time.time()

    ended = eventually(lambda: usage(person), lambda each: each["concurrent"]["open"] == 0)

    time.sleep(0.3)
    [call] = models.calls(word)
    assert call["outcome"] == "left"
    assert call["chunks"][-1] - left_at < 2
    assert ended["month"]["reserved"] == 0
    decided = receipt(roomy, Answer(response, received))
    assert (decided["outcome"], decided["estimated"]) == ("stopped", True)
    delivered = len(call["chunks"])
    assert delivered - 1 <= size(chat.stored_texts()[1]) <= delivered
    assert 5 <= decided["output_tokens"] < 3 * delivered
    assert ended["month"]["used"] == decided["input_tokens"] + decided["output_tokens"]


def test_hanging_up_on_a_silent_model_stops_it_too(
    person: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"stall_after": 2})
    with Chat(person).open(f"{word} in 9 words") as response:
        lines = response.iter_lines()
        for _ in range(2):
            while '"text-delta"' not in next(lines):
                continue
    left_at = time.monotonic()

    eventually(lambda: usage(person)["concurrent"]["open"], lambda number: number == 0)

    assert time.monotonic() - left_at < 3


def test_every_admission_has_one_receipt_and_the_month_is_their_sum(
    roomy: Stack, person: Person, models: ModelStandIn
) -> None:
    models.fail({"cut_after": 3}, {}, {"status": 500}, {"status": 500}, {"end_after": 1})
    chat = Chat(person)
    for number in range(4):
        chat.ask(f"number {number} in 5 words")

    kept = receipts(roomy, person)

    outcomes = sorted(each["outcome"] for each in kept)
    assert outcomes == ["failed", "finished", "stopped", "stopped"]
    spent = sum(each["input_tokens"] + each["output_tokens"] for each in kept)
    assert usage(person)["month"]["used"] == spent
