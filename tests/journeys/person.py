"""One person with a browser's habits: keeps cookies, follows redirects, reads event streams."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Self

import httpx2

_TIMEOUT = httpx2.Timeout(30.0)


@dataclass
class Answer:
    """A streamed generation: every part in order, and when the first and last delta arrived."""

    response: httpx2.Response
    parts: list[dict[str, Any]] = field(default_factory=list)
    done: bool = False
    deltas_at: list[float] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part["delta"] for part in self.parts if part["type"] == "text-delta")

    def part(self, kind: str) -> dict[str, Any]:
        return next(part for part in self.parts if part["type"] == kind)


class Person:
    """A new one each time, so that a stack may be used by others too."""

    def __init__(self, base_url: str) -> None:
        self.email = f"journey-{secrets.token_hex(6)}@example.com"
        self.http = httpx2.Client(base_url=base_url, timeout=_TIMEOUT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.http.close()

    def sign_in(self) -> httpx2.Response:
        asked = {"login_hint": self.email}
        return self.http.get("/auth/local/login", params=asked, follow_redirects=True)

    def me(self) -> dict[str, Any]:
        answer = self.http.get("/me")
        if answer.status_code != 200:
            raise AssertionError(f"/me answered {answer.status_code}: {answer.text}")
        found: dict[str, Any] = answer.json()
        return found

    def generate(self, blueprint: str, text: str) -> Answer:
        """Posts what the AI SDK's `useChat` posts, into a new conversation."""
        message = {
            "id": f"m-{secrets.token_hex(8)}",
            "role": "user",
            "parts": [{"type": "text", "text": text}],
        }
        body = {
            "id": f"c-{secrets.token_hex(8)}",
            "messages": [message],
            "trigger": "submit-message",
            "blueprint": blueprint,
        }
        started = time.monotonic()
        with self.http.stream("POST", "/generate", json=body) as response:
            answer = Answer(response)
            if response.status_code != 200:
                response.read()
                return answer
            for line in response.iter_lines():
                if line == "data: [DONE]":
                    answer.done = True
                elif line.startswith("data: "):
                    part = json.loads(line.removeprefix("data: "))
                    answer.parts.append(part)
                    if part["type"] == "text-delta":
                        answer.deltas_at.append(time.monotonic() - started)
        return answer

    def copy_of_cookies(self) -> httpx2.Client:
        """Somebody else's client with the same cookies: a stolen session."""
        return httpx2.Client(
            base_url=self.http.base_url, cookies=dict(self.http.cookies), timeout=_TIMEOUT
        )
