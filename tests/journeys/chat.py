"""A conversation as the AI SDK's `useChat` holds it: all of it is posted, every time."""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from local.stack import Stack
from tests.journeys.person import Answer, Person

BLUEPRINT = "summary"

Json = Any
Message = dict[str, Any]


@dataclass
class Chat:
    """`messages` are what the client believes was said, and may be forged."""

    person: Person
    blueprint: str = BLUEPRINT
    id: str = field(default_factory=lambda: f"c-{secrets.token_hex(8)}")
    messages: list[Message] = field(default_factory=list)

    def ask(self, text: str) -> Answer:
        self.messages.append(message("user", text))
        return self._post({"trigger": "submit-message"})

    def again(self) -> Answer:
        """The last answer once more."""
        old = self.messages.pop()
        return self._post({"trigger": "regenerate-message", "messageId": old["id"]})

    def change(self, place: int, text: str) -> Answer:
        """The question at `place` in other words; what followed it is forgotten."""
        changed = self.messages[place] | {"parts": [{"type": "text", "text": text}]}
        self.messages[place:] = [changed]
        return self._post({"trigger": "submit-message", "messageId": changed["id"]})

    def stored(self, **query: int | str) -> dict[str, Any]:
        answer = self.person.http.get(f"/conversations/{self.id}/messages", params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def stored_texts(self) -> list[str]:
        """The oldest first."""
        return [each["text"] for each in reversed(self.stored(limit=50)["items"])]

    @contextmanager
    def open(self, text: str) -> Iterator[httpx2.Response]:
        """The raw stream; leaving early hangs up."""
        self.messages.append(message("user", text))
        body = self._body({"trigger": "submit-message"})
        with self.person.http.stream("POST", "/generate", json=body) as response:
            yield response

    def _post(self, extra: Message) -> Answer:
        started = time.monotonic()
        with self.person.http.stream("POST", "/generate", json=self._body(extra)) as response:
            answer = read(response, started)
        if answer.parts:
            self.messages.append(message("assistant", answer.text))
        return answer

    def _body(self, extra: Message) -> Message:
        return {
            "id": self.id,
            "messages": self.messages,
            "blueprint": self.blueprint,
            **extra,
        }


def message(role: str, text: str) -> Message:
    parts = [{"type": "text", "text": text}]
    return {"id": f"m-{secrets.token_hex(8)}", "role": role, "parts": parts}


def read(response: httpx2.Response, started: float) -> Answer:
    answer = Answer(response)
    if response.status_code != 200:
        response.read()
        return answer
    for line in response.iter_lines():
        if line == "data: [DONE]":
            answer.done = True
        elif line.startswith("data: "):
            answer.parts.append(json.loads(line.removeprefix("data: ")))
            if answer.parts[-1]["type"] == "text-delta":
                answer.deltas_at.append(time.monotonic() - started)
    return answer


@dataclass(frozen=True)
class ModelStandIn:
    """What the models were asked, by a word that only one test uses, and how they shall fail."""

    stack: Stack

    def calls(self, word: str) -> list[dict[str, Any]]:
        found = httpx2.get(f"{self._address}/calls").json()["calls"]
        return [each for each in found if word in each["prompt"]]

    def fail(self, *faults: dict[str, Any]) -> None:
        """Each of them serves one call."""
        answer = httpx2.post(f"{self._address}/faults", json=faults)
        assert answer.status_code == 200, answer.text

    @property
    def _address(self) -> str:
        return self.stack.environ["LOCAL_MODELS"]


def items(stack: Stack) -> list[dict[str, Any]]:
    """The whole table, but for the day's spend, which is counted in a time of its own."""
    found: list[dict[str, Any]] = httpx2.get(f"{stack.url}/local/table").json()["items"]
    return [each for each in found if not each["pk"]["S"].startswith("SPEND#")]


def receipt(stack: Stack, answer: Answer) -> dict[str, Any]:
    """How the generation was decided: plain values by name."""
    generation = answer.part("start")["messageMetadata"]["generation_id"]
    [found] = [each for each in items(stack) if each["sk"]["S"] == f"RECEIPT#{generation}"]
    return _plain(found)


def receipts(stack: Stack, person: Person) -> list[dict[str, Any]]:
    partition = f"ACCOUNT#{person.me()['account']['id']}"
    return [
        _plain(each)
        for each in items(stack)
        if each["pk"]["S"] == partition and each["sk"]["S"].startswith("RECEIPT#")
    ]


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    """DynamoDB's typed values as plain ones."""
    return {
        name: int(inner) if kind == "N" else inner
        for name, value in item.items()
        for kind, inner in value.items()
    }
