"""`python -m tests.faults.run`: histories under faults on the real engine, and mutants of all that
they send.

Prints `faults: N injected, 0 violations` and `mutants: n of n caught`; or what broke, with its seed
and history, and exits 1. `--plant` breaks settlement on purpose in the histories themselves.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import partial

from tests.faults.history import Violation
from tests.faults.mutants import Mutant, Recorder
from tests.faults.players import (
    BILLING,
    GENERATIONS,
    QUOTA,
    SCENARIOS,
    catcher,
    play,
    recorded,
    settled_without_its_condition,
    table,
)
from tests.faults.races import race
from tests.faults.wire import Fault
from tests.stack import running_engine

_WORKERS = 2
_SHARE = 10
_PLANTED_SEEDS = 20

Reached = Mapping[Mutant, list[str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--races", type=int, default=10_000)
    parser.add_argument("--plant", action="store_true", help="break settlement on purpose")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with running_engine() as url, ProcessPoolExecutor(_WORKERS) as pool:
        try:
            if chosen.plant:
                play(url, settled_without_its_condition, seeds)
            reached = _faults(pool, url, seeds)
            _races(pool, url, chosen.races)
        except Violation as violation:
            print(violation)
            print("faults: a violation")
            return 1
        return max(_planted(url), _mutants(pool, url, reached))


def _faults(pool: Executor, url: str, seeds: range) -> Reached:
    """Which players reach which mutants, the cheap ones first. Errors: Violation."""
    reached: dict[Mutant, list[str]] = defaultdict(list)
    injected: Counter[str] = Counter()
    shares = [seeds[first : first + _SHARE] for first in range(0, len(seeds), _SHARE)]
    at_random = pool.map(partial(_recorded_share, url), shares)
    players = [*SCENARIOS, BILLING, GENERATIONS]
    played = zip(players, pool.map(partial(recorded, url), players), strict=True)
    for player, (faults, mutants) in [*played, *((QUOTA, each) for each in at_random)]:
        injected += faults
        for mutant in mutants:
            if player not in reached[mutant]:
                reached[mutant].append(player)
    for fault in sorted(injected, key=lambda each: -injected[each]):
        print(f"  {injected[fault]:6} {fault}")
    assert injected.keys() >= set(Fault), "a fault that no history met"
    print(f"faults: {injected.total()} injected, 0 violations", flush=True)
    return reached


def _recorded_share(url: str, seeds: range) -> tuple[Counter[str], frozenset[Mutant]]:
    recorder = Recorder()
    return play(url, recorder, seeds), frozenset(recorder.met)


def _races(pool: Executor, url: str, races: int) -> None:
    """Errors: Violation."""
    shares = [races // _WORKERS] * _WORKERS
    won = sum(pool.map(partial(_race, url), shares), Counter[str]())
    print(f"races: {won.total()}, each decided once: {dict(won)}", flush=True)


def _race(url: str, races: int) -> Counter[str]:
    return race(*table(url), races)


def _planted(url: str) -> int:
    try:
        play(url, settled_without_its_condition, range(_PLANTED_SEEDS))
    except Violation:
        print("planted: reported")
        return 0
    print("planted: not reported")
    return 1


def _mutants(pool: Executor, url: str, reached: Reached) -> int:
    """Each is played until something fails."""
    mutants = sorted(reached)
    players = [reached[each] for each in mutants]
    catchers = pool.map(partial(catcher, url), mutants, players)
    missed = _told(zip(mutants, catchers, strict=True))
    print(f"mutants: {len(mutants) - missed} of {len(mutants)} caught")
    return min(missed, 1)


def _told(found: Iterable[tuple[Mutant, str | None]]) -> int:
    missed = 0
    for mutant, player in found:
        if player is None:
            missed += 1
            print(f"  not caught: {mutant}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
