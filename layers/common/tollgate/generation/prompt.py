"""What is sent to a model, and how large it is, decided before a token is paid for.

A person's text is only ever a turn: it is never formatted into the system prompt, so braces, role
markers and template syntax in it are plain characters (OWASP LLM01).
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

_LIGHT = (string.ascii_letters + " \n").encode()
_LIGHT_BYTES_A_TOKEN, _DENSE_BYTES_A_TOKEN = 4, 2
_TOKENS_A_MESSAGE = 8  # roles and separators that the providers wrap around each message


class PromptTooLarge(Exception):
    """The text alone is over the plan's `limit`, in estimated tokens."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The text is longer than about {limit} tokens.")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A blueprint's system prompt (or none) and turns that end with the person's new text."""

    system: str
    turns: tuple[Turn, ...]

    @property
    def input_bound(self) -> int:
        """Tokens that no tokenizer exceeds: what a hold must cover."""
        return self._framing + sum(tokens_at_most(text) for text in self._texts)

    @property
    def input_about(self) -> int:
        """Tokens to charge for where the provider's own count never came."""
        return self._framing + sum(tokens_about(text) for text in self._texts)

    @property
    def _texts(self) -> tuple[str, ...]:
        return (self.system, *(turn.text for turn in self.turns))

    @property
    def _framing(self) -> int:
        return _TOKENS_A_MESSAGE * (1 + len(self.turns))


def tokens_at_most(text: str) -> int:
    """An upper bound: byte-level tokenizers never make more tokens than UTF-8 bytes."""
    return len(text.encode())


def tokens_about(text: str) -> int:
    """An estimate from above for text of any script: letters and spaces of English are four bytes a
    token; digits, signs and all other scripts are two.
    """
    data = text.encode()
    dense = len(data.translate(None, _LIGHT))
    quarters = len(data) - dense + dense * (_LIGHT_BYTES_A_TOKEN // _DENSE_BYTES_A_TOKEN)
    return -(-quarters // _LIGHT_BYTES_A_TOKEN)


def compose(system: str, history: Sequence[Turn], text: str, input_tokens: int) -> Prompt:
    """The text with as many of the newest exchanges before it as the plan's limit allows.

    `history` runs from the oldest to the newest. A question is kept with its answer or not at
    all, so what a model sees always begins with a user's turn and alternates. The limit counts
    what the person wrote and was told; the blueprint's prompt is ours and comes on top.
    Raises PromptTooLarge where the text alone is over it.
    """
    room = input_tokens - tokens_about(text)
    if room < 0:
        raise PromptTooLarge(input_tokens)
    kept: list[Turn] = [Turn("user", text)]
    for question, answer in reversed(_exchanges(history)):
        room -= tokens_about(question.text) + tokens_about(answer.text)
        if room < 0:
            break
        kept[:0] = question, answer
    return Prompt(system, tuple(kept))


def _exchanges(history: Sequence[Turn]) -> list[tuple[Turn, Turn]]:
    """Questions with answers: one whose generation failed has none, and providers refuse empty."""
    return [
        (first, second)
        for first, second in pairwise(history)
        if (first.role, second.role) == ("user", "assistant") and first.text and second.text
    ]
