"""`python -m tests.faults.run --seeds N`: random histories under faults, on the real engine.

Prints `faults: N injected, 0 violations`; or the seed and the history of the first violation, and
exits 1. `--plant` breaks settlement on purpose, which must be found.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import botocore.session
from botocore.config import Config

from local import template
from tests.faults.history import History, Violation
from tests.faults.wire import Arguments, Fault, untouched
from tests.stack import running_engine

Tamper = Callable[[str, Arguments], Arguments]
STEPS = 50
_WORKERS = 2


def settled_without_its_condition(call: str, arguments: Arguments) -> Arguments:
    """The planted bug: a settlement that follows its receipt as often as it is sent."""
    follows = "REMOVE #open.#generation" in arguments.get("UpdateExpression", "")
    if call != "update_item" or not follows:
        return arguments
    return {name: value for name, value in arguments.items() if name != "ConditionExpression"}


def connect(url: str) -> Any:
    """botocore's own retries are off, since the wire plays them."""
    session = botocore.session.get_session()
    session.set_credentials("local", "local")
    config = Config(
        retries={"total_max_attempts": 1}, proxies={}, read_timeout=20, parameter_validation=False
    )
    return session.create_client(
        "dynamodb", region_name="us-east-1", endpoint_url=url, config=config
    )


def play(url: str, tamper: Tamper, seeds: range) -> Counter[Fault]:
    """Faults injected, on a table of its own. Errors: Violation."""
    client, name = connect(url), f"faults-{seeds.start}-{seeds.step}"
    client.create_table(**template.load().table(name))
    injected: Counter[Fault] = Counter()
    for seed in seeds:
        history = History(seed, client, name, tamper)
        history.play(STEPS)
        injected += history.wire.injected
    return injected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--plant", action="store_true", help="break settlement on purpose")
    chosen = parser.parse_args()
    tamper = settled_without_its_condition if chosen.plant else untouched
    shares = [
        range(chosen.first + place, chosen.first + chosen.seeds, _WORKERS)
        for place in range(_WORKERS)
    ]
    with running_engine() as url, ProcessPoolExecutor(_WORKERS) as pool:
        try:
            injected = sum(pool.map(partial(play, url, tamper), shares), Counter[Fault]())
        except Violation as violation:
            print(violation)
            print("faults: a violation")
            return 1
    for fault in Fault:
        print(f"  {injected[fault]:6} {fault}")
    print(f"faults: {injected.total()} injected, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
