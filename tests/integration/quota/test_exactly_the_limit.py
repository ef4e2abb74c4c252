"""P1: exactly as many as the limit says, from two hosts and 64 workers.

`make bench-admission` runs it at full size: ten thousand requests for a limit of a thousand.
"""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.config import Config

from local.engine import base_environ
from tests.integration.quota.house import (
    DEMAND,
    HOLD,
    INPUT,
    NOON,
    OUTPUT,
    PERIOD,
    SESSION,
    TODAY,
    House,
    catalogue,
    finished,
    race,
)
from tollgate.quota.admission import Admission, Admitted, Hint, Visitor
from tollgate.quota.refusal import Refused
from tollgate.quota.settlement import settle
from tollgate.table.client import Table

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier

HOSTS, WORKERS = 2, 64
PLANS = {
    "day": catalogue(day=200, month=400 * HOLD),
    "month": catalogue(day=None, month=100 * HOLD),
}


@pytest.mark.parametrize(
    ("scope", "limit", "attempts"), [("day", 200, 2_000), ("month", 100, 1_000)]
)
def test_exactly_the_limit_is_admitted_from_two_hosts(
    house: House,
    table_name: str,
    engine_url: str,
    monkeypatch: pytest.MonkeyPatch,
    scope: str,
    limit: int,
    attempts: int,
) -> None:
    """Q1; answers are settled while others are still let in."""
    house.catalogue = PLANS[scope]
    house.open_account()
    for name, value in {**base_environ(), "AWS_ENDPOINT_URL": engine_url}.items():
        monkeypatch.setenv(name, value)
    start = _SPAWN.Barrier(HOSTS)
    host = partial(_host, table_name, scope, house.hint(), attempts // HOSTS)
    with ProcessPoolExecutor(HOSTS, _SPAWN, _meet_at, (start,)) as hosts:
        outcomes = sum(hosts.map(host, range(HOSTS)), Counter[str]())
    assert outcomes == {"admitted": limit, scope: attempts - limit}
    gate = house.gate()
    assert (gate.days, gate.used, gate.open) == ({TODAY: limit}, {PERIOD: limit * HOLD}, {})
    assert len(house.receipts()) == limit


def test_the_last_unit_of_every_limit_goes_to_one_of_a_hundred(house: House) -> None:
    """Q2: the answer is still running while the others ask."""
    house.catalogue = catalogue(day=3, month=3 * HOLD, concurrent=3)
    house.open_account()
    for n in range(2):
        house.admit(f"gen_before_{n}")
    hint = house.hint()
    outcomes = race([partial(house.admit, f"gen_{n}", hint=hint) for n in range(100)], at_once=100)
    assert Counter(type(each) for each in outcomes) == {Admitted: 1, Refused: 99}
    gate = house.gate()
    assert (gate.days, gate.used, len(gate.open)) == ({TODAY: 3}, {PERIOD: 3 * HOLD}, 3)


# --- One host: a process of its own ----------------------------------------------------------

_SPAWN = multiprocessing.get_context("spawn")
_start: "Barrier"


def _meet_at(barrier: "Barrier") -> None:
    global _start
    _start = barrier


def _host(table_name: str, scope: str, hint: Hint, attempts: int, number: int) -> Counter[str]:
    """How often it was let in, and how often refused by which limit."""
    table, plans = Table(_patient_client(), table_name), PLANS[scope]
    admission = Admission(table, plans, lambda: NOON, lambda _: None)

    def attempt(n: int) -> str:
        visitor = Visitor("acc_1", "usr_1", SESSION, f"gen_{number}_{n}")
        try:
            admitted = admission.admit(visitor, hint, lambda _: DEMAND)
        except Refused as refused:
            return refused.refusal.scope
        used, generation = finished(INPUT, OUTPUT), visitor.generation_id
        settle(table, plans, "acc_1", generation, admitted.hold, used, NOON)
        return "admitted"

    with ThreadPoolExecutor(WORKERS // HOSTS) as workers:
        _start.wait(timeout=30)
        return Counter(workers.map(attempt, range(attempts)))


def _patient_client() -> Any:
    """One engine serves 64 workers here: short deadlines would only add repeats to its queue."""
    config = Config(read_timeout=60, max_pool_connections=WORKERS, parameter_validation=False)
    return botocore.session.get_session().create_client("dynamodb", config=config)
