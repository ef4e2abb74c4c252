"""A reconciliation that is cut short, killed, or not alone ends as one that is left in peace."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any

import pytest

from functions.reconcile.app import LONGEST_CHAIN, build
from tests.faults.wire import Fault, Killed, Wire, quiet
from tests.integration.billing_stripe import running_stripe
from tests.integration.reconcile_service import Everybody, set_in
from tollgate.billing.reconcile import Reconciliation, reconcile
from tollgate.table import keys


@pytest.fixture
def service(dynamodb: Any, table_name: str) -> Iterator[Everybody]:
    with running_stripe() as stripe:
        yield Everybody(Wire(dynamodb), table_name, stripe)


@pytest.mark.case("F5")
def test_three_runs_at_once_are_as_one(service: Everybody) -> None:
    payers = [service.payer(told=each % 2 == 0) for each in range(12)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(reconcile, [service.billing] * 3))
    assert sum(each.repaired for each in found) == 6
    assert all(service.right(each) for each in payers)
    assert [len(service.audits(person)) for person, _ in payers] == [0, 1] * 6
    assert service.reconcile()[1] == []


def test_a_run_that_is_killed_before_or_after_any_call_is_finished_by_the_next(
    service: Everybody,
) -> None:
    payers = [service.payer() for _ in range(2)]
    place = repaired = killed = 0
    while place == killed:
        for fault in (Fault.KILLED, Fault.KILLED_AFTER):
            for payer in payers:
                set_in(keys.account, plan={"S": "team"})(service, payer)
            service.wire.plan = dying_at(place, fault)
            try:
                service.reconcile()
            except Killed:
                killed = place + 1
            service.wire.restart()
            service.wire.plan = quiet
            repaired += service.reconcile()[0].repaired
            assert all(service.right(each) for each in payers)
        place += 1
    assert killed > 10
    assert repaired > 2 * len(payers)
    assert [len(service.audits(person)) for person, _ in payers] == [2 * place] * len(payers)
    assert service.reconcile()[1] == []


def dying_at(place: int, fault: Fault) -> Callable[[str], Fault | None]:
    """Of the calls that may change something, and of reads other than the index's many."""
    calls = count()
    return lambda call: fault if call != "query" and next(calls) == place else None


def test_a_run_out_of_time_hands_its_place_to_the_next(service: Everybody) -> None:
    payers = [service.payer(told=False) for _ in range(9)]
    service.stripe.page = 3
    runs: list[Reconciliation] = []
    while len(runs) < 20 and not (runs and runs[-1].finished):
        looks = iter([True] * 4)
        runs.append(reconcile(service.billing, partial(next, looks, False)))
    assert 3 <= len(runs) < 20
    assert sum(each.repaired for each in runs) == 9
    assert all(service.right(each) for each in payers)
    assert service.table.get(keys.reconcile_progress()) is None
    assert service.reconcile()[1] == []


class Deadline:
    """A Lambda context whose time is over after so many looks at it."""

    function_name = "tollgate-reconcile"

    def __init__(self, looks: int) -> None:
        self._looks = iter([900_000] * looks)

    def get_remaining_time_in_millis(self) -> int:
        return next(self._looks, 0)


def test_the_function_goes_on_by_itself_and_tells_of_drift_as_a_metric(
    service: Everybody, caplog: pytest.LogCaptureFixture
) -> None:
    payers = [service.payer(told=False) for _ in range(3)]
    caplog.set_level("INFO")
    waiting = [0]
    compare = build(billing=service.billing, continue_later=waiting.append)
    answers = []
    while waiting:
        answers.append(compare({"chain": waiting.pop()}, Deadline(25)))
    assert [each["finished"] for each in answers] == [*[False] * (len(answers) - 1), True]
    assert len(answers) == 2
    assert all(service.right(each) for each in payers)
    lines = [each.__dict__ for each in caplog.records if each.message == "reconciled"]
    assert sum(line["drift"] for line in lines) == len(payers)
    [directive] = lines[0]["_aws"]["CloudWatchMetrics"]
    assert [each["Name"] for each in directive["Metrics"]] == [
        "drift",
        "lapsed",
        "left",
        "unfinished",
    ]
    assert [line["unfinished"] for line in lines] == [1, 0]
    assert not compare({"chain": LONGEST_CHAIN}, Deadline(2))["finished"]
    assert not compare({}, Deadline(0))["finished"]
    assert waiting == []
