"""Whoever plays what is sent, as it is or tampered with, until a promise breaks."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import uuid4
from zlib import crc32

import botocore.session
from botocore.config import Config

from local import template
from tests.faults import steps
from tests.faults.billing_history import play_billing
from tests.faults.expressions import conditioned
from tests.faults.generation_history import play_generations
from tests.faults.history import History, Violation
from tests.faults.mutants import Mutant, Recorder
from tests.faults.scenarios import OF_ADMISSION, Scenario
from tests.faults.scenarios_of_billing import OF_BILLING, play_with_stripe
from tests.faults.scenarios_of_ends import OF_ENDS
from tests.faults.wire import Arguments

Tamper = Callable[[str, Arguments], Arguments]
STEPS = 50
_MANY = 1_000_000


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


@cache
def table(url: str) -> tuple[Any, str]:
    """One a process: every history has an account of its own."""
    client, name = connect(url), f"faults-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    return client, name


def play(url: str, tamper: Tamper, seeds: range) -> Counter[str]:
    """Random histories of quota; the faults injected. Errors: Violation."""
    injected: Counter[str] = Counter()
    for seed in seeds:
        history = History(seed, *table(url), tamper, strangers=steps.STRANGERS)
        steps.play(history, STEPS)
        injected.update(history.wire.injected)
    return injected


def _play_scenario(scenario: Scenario, url: str, tamper: Tamper) -> None:
    """Errors: Violation, whatever went wrong."""
    history = History(0, *table(url), tamper, rates={})
    try:
        scenario(history)
    except Violation as violation:
        raise Violation(f"{scenario.__name__}, {violation}") from violation
    except Exception as error:
        raise history.violation(f"{scenario.__name__} raised {error!r}") from error


_OF_QUOTA: Mapping[str, Scenario] = {each.__name__: each for each in (*OF_ADMISSION, *OF_ENDS)}
SCENARIOS = (*_OF_QUOTA, *OF_BILLING)
QUOTA, BILLING, GENERATIONS = "quota at random", "billing at random", "generations at random"
_SEEDS = {QUOTA: 40, BILLING: 25, GENERATIONS: 8}


def play_as(player: str, url: str, tamper: Tamper, seed: int) -> Counter[str]:
    """A scenario by its name, or random histories from `seed` on. Errors: Violation."""
    if player in SCENARIOS:
        if player in OF_BILLING:
            play_with_stripe(OF_BILLING[player], table(url)[0], tamper)
        else:
            _play_scenario(_OF_QUOTA[player], url, tamper)
        return Counter()
    seeds = range(seed, seed + _SEEDS[player])
    if player == QUOTA:
        return play(url, tamper, seeds)
    return (play_billing if player == BILLING else play_generations)(table(url)[0], tamper, seeds)


def recorded(url: str, player: str, seed: int = 0) -> tuple[Counter[str], frozenset[Mutant]]:
    """Faults that were injected while nothing was tampered with, and the mutants that it reaches.

    Errors: Violation.
    """
    recorder = Recorder()
    injected = play_as(player, url, recorder, seed)
    if player in SCENARIOS:
        play_as(player, url, recorder, seed)  # whoever cannot be played again catches anybody
    return injected, frozenset(recorder.met)


def catcher(url: str, mutant: Mutant, players: Sequence[str]) -> str | None:
    """The first of the players who finds the mutant out, each from seeds of the mutant's own."""
    seed = _MANY + crc32(str(mutant).encode()) % _MANY * max(_SEEDS.values())
    for player in players:
        try:
            play_as(player, url, mutant, seed)
        except Violation:
            return player
    return None


def settled_without_its_condition(call: str, arguments: Arguments) -> Arguments:
    """The planted bug: a settlement that follows its receipt as often as it is sent."""
    follows = "REMOVE #open.#generation" in arguments.get("UpdateExpression", "")
    if call != "update_item" or not follows:
        return arguments
    return conditioned(arguments, None)
