"""`python -m tests.storm.run`: storms, the crash matrix and lost events, on the real engine.

Prints a line for each; or what broke, with its seed, and exits 1.
"""

import argparse
import logging
import os
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from itertools import groupby
from typing import Any

from tests.faults.players import connect
from tests.stack import running_engine
from tests.storm.crashes import Points, examine
from tests.storm.lives import Violation
from tests.storm.losses import DAMAGED, LOST, Repaired, lose_and_repair
from tests.storm.planted import without_the_fence
from tests.storm.scripts import SCRIPTS
from tests.storm.storm import Result, Size, Storm

_PLANTED_SEEDS = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    workers = os.cpu_count() or 1
    with running_engine() as url, ProcessPoolExecutor(workers, initializer=_silence) as pool:
        try:
            matrix = [pool.submit(_examined, url, number) for number in range(len(SCRIPTS))]
            repaired = pool.submit(_repaired, url)
            planted = pool.submit(_planted, url)
            _tell_storms(list(pool.map(partial(_raged, url), seeds)))
            _tell_points([each.result() for each in matrix])
            _tell_repaired(repaired.result())
            print("planted: reported" if planted.result() else "planted: not reported")
        except Violation as violation:
            print(violation)
            print("storm: a violation")
            pool.shutdown(cancel_futures=True)
            return 1
        return 0 if planted.result() else 1


def _silence() -> None:
    """What faults bring into the logs is not read."""
    logging.disable(logging.CRITICAL)


@cache
def _client(url: str) -> Any:
    return connect(url)


def _raged(url: str, seed: int) -> Result:
    return Storm(seed, _client(url)).rage()


def _examined(url: str, number: int) -> Points:
    points = Points(set())
    examine(_client(url), SCRIPTS[number], points)
    return points


def _repaired(url: str) -> Repaired:
    return lose_and_repair(_client(url))


def _planted(url: str) -> bool:
    """Whether a storm tells of a projection that is written without its fence."""
    for seed in range(_PLANTED_SEEDS):
        try:
            Storm(seed, _client(url), without_the_fence).rage()
        except Violation:
            return True
    return False


def _tell_storms(results: list[Result]) -> None:
    injected = sum((each.injected for each in results), Counter[str]())
    outcomes = sum((each.outcomes for each in results), Counter[str]())
    for fault, count in injected.most_common():
        print(f"  {count:6} {fault}")
    print("  deliveries:", ", ".join(f"{count} {each}" for each, count in outcomes.most_common()))
    size = Size()
    assert {Size(each.events, each.deliveries) for each in results} == {size}
    told = f"{size.events} events, {size.deliveries} deliveries, {len(results)} seeds"
    print(f"storm: {told}, 0 lost, 0 doubled", flush=True)


def _tell_points(found: list[Points]) -> None:
    """A kind of event that two scripts have met was examined in both."""
    kinds = sorted({kind for each in found for kind in each.events})
    for event, calls in groupby(kinds, lambda kind: kind[0]):
        numbers = ", ".join(str(len(kind) - 1) for kind in calls)
        print(f"  {event}: calls {numbers}")
    tried, recovered = sum(each.tried for each in found), sum(each.recovered for each in found)
    print(f"crash points: {recovered} of {tried} recovered", flush=True)


def _tell_repaired(found: Repaired) -> None:
    print(f"  {found.lost} of {found.told} events, {found.damaged} of {found.rows} rows")
    what = f"{LOST:.0%} of events never delivered, {DAMAGED:.0%} of rows corrupted"
    print(
        f"reconcile: {what}: {found.repaired} repaired, second run wrote {found.written_again}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
