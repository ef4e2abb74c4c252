"""What a model's answer is made of, in our words: no provider's shapes pass this line."""

from dataclasses import dataclass
from typing import Literal

from tollgate.catalogue import Model

Reason = Literal["stop", "length", "content-filter", "other"]
Failure = Literal["refused", "busy", "unavailable", "unreachable", "timeout", "cut", "broken"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, which is what it will charge us for."""

    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Opened:
    """The provider took the request; its input count, where it tells that first.

    Only the first event of one provider's stream. `Providers` turns it into `Started`.
    """

    input_tokens: int | None


@dataclass(frozen=True, slots=True)
class Started:
    """This model answers, and no other will: from here on a failure is a failed generation.

    `input_tokens` is the provider's count where it is known already, which is all that is ever
    known of an answer that is stopped halfway.
    """

    model: Model
    input_tokens: int | None


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of text, never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The provider said that this is the whole answer; without it, an answer is a torso."""

    reason: Reason
    usage: Usage | None


Event = Opened | Delta | Finished


class ProviderFailed(Exception):
    """One provider gave no answer or broke off; the text is safe to show to anybody.

    `failure` is for logs: "refused" is our key or our request, "busy" a rate limit, "broken" a
    stream that could not be read or that ended without saying why. `usage` is the provider's own
    final count, which a failed answer rarely has.
    """

    def __init__(self, provider: str, failure: Failure, usage: Usage | None = None) -> None:
        super().__init__("The model stopped before its answer was complete.")
        self.provider = provider
        self.failure = failure
        self.usage = usage


class ProvidersUnavailable(Exception):
    """No model on the route gave a first token, so nothing is owed; `failures` in their order."""

    def __init__(self, failures: tuple[ProviderFailed, ...]) -> None:
        super().__init__("No model can answer at the moment.")
        self.failures = failures
