"""Several players of whom one plays at a time, so that chance alone, and a seed, decides who comes
between two calls of another.
"""

from collections.abc import Callable, Sequence
from random import Random
from threading import Event, Thread

_STUCK_SECONDS = 300.0


class Baton:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._turns: dict[int, Event] = {}
        self._held_until: dict[int, int] = {}
        self._passes = 0
        self._failed: BaseException | None = None

    def play(self, players: Sequence[Callable[[int], None]]) -> None:
        """Back when all of them are; raises what the first of them raised."""
        self._turns = {number: Event() for number, _ in enumerate(players)}
        self._held_until = dict.fromkeys(self._turns, 0)
        threads = [
            Thread(target=self._turn, args=(number, player), daemon=True)
            for number, player in enumerate(players)
        ]
        for thread in threads:
            thread.start()
        self._next().set()
        for thread in threads:
            thread.join()
        if self._failed is not None:
            raise self._failed

    def hand_on(self, player: int, for_passes: int = 0) -> None:
        """Somebody goes on, perhaps the same one; `for_passes` holds this one up for so long."""
        if self._failed is not None:
            raise Abandoned
        self._passes += 1
        self._held_until[player] = self._passes + for_passes
        chosen = self._next()
        if chosen is not self._turns[player]:
            chosen.set()
            self._wait(player)

    def _turn(self, number: int, player: Callable[[int], None]) -> None:
        try:
            self._wait(number)
            player(number)
        except Abandoned:
            pass
        except BaseException as error:
            self._failed = self._failed or error
        finally:
            del self._turns[number]
            if self._turns:
                self._next().set()

    def _wait(self, number: int) -> None:
        turn = self._turns[number]
        if not turn.wait(_STUCK_SECONDS):
            raise TimeoutError("whoever plays does not hand on")
        turn.clear()
        if self._failed is not None:
            raise Abandoned

    def _next(self) -> Event:
        free = [each for each in self._turns if self._held_until[each] <= self._passes]
        return self._turns[self._random.choice(free or list(self._turns))]


class Abandoned(BaseException):
    """Another player has failed, and the whole play with it."""
