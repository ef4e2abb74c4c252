"""What may befall webhooks on their way; Stripe promises neither order, nor once, nor at once."""

from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["orderly", "shuffle", "repeat", "delay", "drop"]

_SHUFFLE_SECONDS = 0.3
"""Events of one moment wait as long as chance has it, and so overtake each other."""
_DELAY_SECONDS = 2.0
_MOST_REPEATS = 3
_LOST = 0.3


@dataclass(frozen=True)
class Fate:
    """Of one event: held up so long, taken so often again, or never delivered by itself."""

    pause: float = 0.0
    repeats: int = 0
    is_lost: bool = False


class Disorder:
    """The same fates in the same order for the same seed."""

    def __init__(self, mode: Mode = "orderly", seed: int = 0) -> None:
        self.mode = mode
        self.seed = seed
        self._chance = Random(seed)  # noqa: S311 - it shall be repeatable

    def fate(self) -> Fate:
        if self.mode == "shuffle":
            return Fate(pause=self._chance.uniform(0, _SHUFFLE_SECONDS))
        if self.mode == "repeat":
            return Fate(repeats=self._chance.randint(1, _MOST_REPEATS))
        if self.mode == "delay":
            return Fate(pause=self._chance.uniform(0, _DELAY_SECONDS))
        if self.mode == "drop":
            return Fate(is_lost=self._chance.random() < _LOST)
        return Fate()
