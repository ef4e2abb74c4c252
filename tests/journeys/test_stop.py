"""L4: a stop that another process takes ends the stream; what was delivered is its price."""

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from local.processes import accepts, free_ports
from local.stack import Stack
from tests.journeys.chat import Chat, ModelStandIn, items, receipt, receipts
from tests.journeys.checks import eventually
from tests.journeys.person import Answer, Person
from tollgate.generation.prompt import tokens_about

_LONG = "in 300 words"
_BEGINNING = ("start", "start-step", "text-start")
_END = ("text-end", "finish-step", "finish")
_UNKNOWN = "gen_0123456789abcdef0123"


@pytest.fixture(scope="module")
def elsewhere(roomy: Stack) -> str:
    """A second server process over the same table: functions share nothing else."""
    [port] = free_ports(1)
    environ = {**roomy.environ, "PORT": str(port)}
    roomy.processes.start("second server", [sys.executable, "-m", "local.server"], environ)
    roomy.processes.wait_until("second server", lambda: accepts(port))
    return f"http://localhost:{port}"


@dataclass
class Running:
    """A stream that is read by the part; `took` is what ending it took after the last `stop`."""

    lines: Iterator[str]
    answer: Answer
    texts: list[str] = field(default_factory=list)

    @property
    def generation(self) -> str:
        found: str = self.answer.part("start")["messageMetadata"]["generation_id"]
        return found

    def read(self, deltas: int | None = None) -> None:
        """So many more pieces of text, or all that comes."""
        for line in self.lines:
            if line == "data: [DONE]":
                self.answer.done = True
            elif line.startswith("data: "):
                part = json.loads(line.removeprefix("data: "))
                self.answer.parts.append(part)
                if part["type"] == "text-delta":
                    self.texts.append(part["delta"])
                    if len(self.texts) == deltas:
                        return


def running(response: httpx2.Response) -> Running:
    return Running(response.iter_lines(), Answer(response))


def stop(client: httpx2.Client, generation: str, **headers: str) -> httpx2.Response:
    return client.post(f"/generate/{generation}/stop", headers=headers)


@pytest.fixture
def second(person: Person, elsewhere: str) -> Iterator[Person]:
    """The same person in another browser: a session of its own, at the other process."""
    with Person(elsewhere) as same:
        same.email = person.email
        same.sign_in()
        yield same


@pytest.fixture
def stranger(elsewhere: str) -> Iterator[Person]:
    with Person(elsewhere) as other:
        other.sign_in()
        yield other


def without_id(answer: httpx2.Response) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    return document | {"request_id": ""}


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_stop_from_another_process_closes_the_model_within_two_seconds(
    roomy: Stack, person: Person, second: Person, models: ModelStandIn, word: str, provider: str
) -> None:
    if provider == "anthropic":
        models.fail({"provider": "openai", "status": 500})
    models.fail({"provider": provider, "delay_ms": 50})
    chat = Chat(person)
    with chat.open(f"{word} {_LONG}") as response:
        stream = running(response)
        stream.read(deltas=5)
        assert stop(second.http, stream.generation).status_code == 202
        stopped_at = time.time()
        stream.read()
        took = time.time() - stopped_at

    time.sleep(0.3)  # a model that is still read would go on
    call = models.calls(word)[-1]
    assert (call["provider"], call["outcome"]) == (provider, "left")
    assert call["chunks"][-1] - stopped_at < 2
    assert took < 2
    kinds = [part["type"] for part in stream.answer.parts if part["type"] != "text-delta"]
    assert (kinds, stream.answer.done) == ([*_BEGINNING, *_END], True)
    finish = stream.answer.part("finish")
    assert finish["finishReason"] == "other"
    decided = receipt(roomy, stream.answer)
    assert (decided["outcome"], decided["estimated"]) == ("stopped", True)
    assert decided["output_tokens"] == sum(tokens_about(text) for text in stream.texts)
    assert finish["messageMetadata"]["usage"]["outputTokens"] == decided["output_tokens"]
    assert chat.stored_texts()[1] == "".join(stream.texts)
    usage = person.me()["usage"]
    assert usage["month"]["used"] == decided["input_tokens"] + decided["output_tokens"]
    assert (usage["month"]["reserved"], usage["concurrent"]["open"]) == (0, 0)


def test_a_stop_reaches_a_model_that_has_fallen_silent(
    roomy: Stack, person: Person, second: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"stall_after": 2})
    with Chat(person).open(f"{word} {_LONG}") as response:
        stream = running(response)
        stream.read(deltas=2)
        stopped_at = time.monotonic()
        assert stop(second.http, stream.generation).status_code == 202
        stream.read()

    assert time.monotonic() - stopped_at < 2
    assert stream.answer.done
    assert receipt(roomy, stream.answer)["outcome"] == "stopped"


def test_a_stop_before_the_first_word_costs_its_input_and_is_an_empty_answer(
    roomy: Stack, person: Person, second: Person, models: ModelStandIn, word: str
) -> None:
    account = person.me()["account"]["id"]
    models.fail({"stall_after": 0}, {"stall_after": 0})
    chat = Chat(person)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(chat.ask, f"{word} {_LONG}")
        [generation] = eventually(lambda: open_generations(roomy, account), len)
        eventually(lambda: models.calls(word), len)
        stopped_at = time.monotonic()
        assert stop(second.http, generation).status_code == 202
        answer = asked.result()

    assert time.monotonic() - stopped_at < 2
    kinds = [part["type"] for part in answer.parts]
    assert (kinds, answer.done) == ([*_BEGINNING, *_END], True)
    usage = answer.part("finish")["messageMetadata"]["usage"]
    assert (usage["outputTokens"], usage["estimated"]) == (0, True)
    assert usage["inputTokens"] > 0, "who stops early could ask for ever"
    assert len(models.calls(word)) == 1, "another model was asked after the stop"
    assert person.me()["usage"]["day"]["used"] == 1
    assert [each["outcome"] for each in receipts(roomy, person)] == ["stopped"]
    assert person.http.get("/conversations").json()["items"] == []


def open_generations(stack: Stack, account: str) -> list[str]:
    [gate] = [
        each
        for each in items(stack)
        if each["pk"]["S"] == f"ACCOUNT#{account}" and each["sk"]["S"] == "GATE"
    ]
    return list(gate["open"]["M"])


def test_a_second_stop_and_one_after_the_end_change_nothing(
    roomy: Stack, person: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"delay_ms": 50})
    with Chat(person).open(f"{word} {_LONG}") as response:
        stream = running(response)
        stream.read(deltas=2)
        answers = [stop(person.http, stream.generation) for _ in range(2)]
        stream.read()
    finished = Chat(person).ask("in 2 words")
    ended = finished.part("start")["messageMetadata"]["generation_id"]
    before = items(roomy)

    answers += [stop(person.http, each) for each in (stream.generation, ended)]

    assert [each.status_code for each in answers] == [202] * 4
    assert {each.content for each in answers} == {b""}
    assert items(roomy) == before
    assert receipt(roomy, finished)["outcome"] == "finished"


def test_another_persons_generation_is_as_unknown_as_none_and_goes_on(
    roomy: Stack, person: Person, stranger: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"delay_ms": 100})
    with Chat(person).open(f"{word} in 30 words") as response:
        stream = running(response)
        stream.read(deltas=1)
        names = (_UNKNOWN, stream.generation, "gen_1", "x" * 2_000, "GATE", f"{_UNKNOWN}%0a")
        refused = [stop(stranger.http, name) for name in names]
        stream.read()

    assert {each.status_code for each in refused} == {404}
    assert all(without_id(each) == without_id(refused[0]) for each in refused)
    assert stop(stranger.http, stream.generation).status_code == 404, "decided is unknown too"
    assert receipt(roomy, stream.answer)["outcome"] == "finished"
    assert len(stream.texts) == 30


def test_only_a_standing_session_on_our_own_pages_stops_a_generation(
    roomy: Stack, person: Person, second: Person, models: ModelStandIn, word: str
) -> None:
    models.fail({"delay_ms": 100})
    with Chat(person).open(f"{word} in 30 words") as response, second.copy_of_cookies() as stolen:
        stream = running(response)
        stream.read(deltas=1)
        assert second.http.post("/auth/logout").status_code == 204
        foreign = stop(person.http, stream.generation, **{"sec-fetch-site": "cross-site"})
        gone, gone_too = (stop(stolen, each) for each in (stream.generation, "gen_1"))
        with httpx2.Client(base_url=roomy.url) as nobody:
            unknown = stop(nobody, stream.generation)
        wrong_method = person.http.get(f"/generate/{stream.generation}/stop")
        stream.read()

    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site_request")
    assert {(each.status_code, each.json()["code"]) for each in (gone, gone_too, unknown)} == {
        (401, "unauthenticated")
    }
    assert (wrong_method.status_code, wrong_method.headers["allow"]) == (405, "POST")
    assert receipt(roomy, stream.answer)["outcome"] == "finished"
