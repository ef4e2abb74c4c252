"""The function: what a run answers and tells, and when it starts the next one itself."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from functions.monthly_reset.app import LONGEST_CHAIN, build
from tests.integration.quota.house import House, finished
from tollgate.quota import reset_progress
from tollgate.quota.close_due_periods import MARGIN

Answer = dict[str, Any]
END = datetime(2026, 12, 1, tzinfo=UTC)
ACCOUNTS = 40
IN_NO_HURRY, OUT_OF_TIME = 60_000, 0


class Deadline:
    """A Lambda context whose time is over after so many looks at it."""

    function_name = "tollgate-reset"

    def __init__(self, looks: int) -> None:
        self._looks = iter(range(looks))

    def get_remaining_time_in_millis(self) -> int:
        return OUT_OF_TIME if next(self._looks, None) is None else IN_NO_HURRY


@pytest.fixture
def due(house: House) -> House:
    for each in range(ACCOUNTS):
        account = house.open_account(f"acc_{each}")
        house.settle("gen_1", house.admit("gen_1", account).hold, finished(30, 20), account)
    house.clock.now = END + MARGIN
    return house


def built(house: House, chained: Callable[[int], None]) -> Callable[[Answer, Any], Answer]:
    return build(
        table=house.table,
        catalogue=house.catalogue,
        clock=house.clock,
        continue_later=chained,
    )


def test_a_run_that_meets_its_deadline_starts_the_next_until_all_is_closed(due: House) -> None:
    waiting = [0]
    reset = built(due, waiting.append)
    answers = []
    while waiting:
        answers.append(reset({"chain": waiting.pop()}, Deadline(15)))
    assert [each["finished"] for each in answers] == [False, False, True]
    assert sum(each["closed"] for each in answers) == ACCOUNTS
    assert (answers[-1]["left"], answers[-1]["oldest"]) == (0, "2026-12-01T00:00:00Z")


def test_a_run_without_progress_starts_no_other(due: House) -> None:
    chained: list[int] = []
    assert not built(due, chained.append)({}, Deadline(0))["finished"]
    assert chained == []


def test_a_chain_has_an_end_and_the_schedule_goes_on(due: House) -> None:
    chained: list[int] = []
    reset = built(due, chained.append)
    assert reset({"chain": LONGEST_CHAIN}, Deadline(5))["due"] == 5
    assert chained == []
    assert reset({"chain": LONGEST_CHAIN - 1}, Deadline(5))["due"] == 5
    assert chained == [LONGEST_CHAIN]


@pytest.fixture
def left(house: House) -> House:
    """Notes on three pages, of accounts that are gone: a retry forgets them."""
    house.close()
    for each in range(210):
        reset_progress.leave(house.direct, f"acc_{each}", house.clock.now - timedelta(days=1))
    return house


def test_a_run_without_time_tries_nothing_again_and_tells_what_it_knows(left: House) -> None:
    """However many are left, Lambda must not end the run before it has told of them."""
    answers: list[Answer] = []
    reset = built(left, lambda _: None)
    requests = left.wire.made_by(lambda: answers.append(reset({}, Deadline(0))))
    assert sorted(requests) == ["get_item", "query"]
    assert (answers[0]["left"], answers[0]["oldest"]) == (100, "2026-11-20T12:00:00Z")


def test_a_retry_that_meets_the_deadline_asks_for_no_other_page(left: House) -> None:
    answers: list[Answer] = []
    reset = built(left, lambda _: None)
    requests = left.wire.made_by(lambda: answers.append(reset({}, Deadline(150))))
    assert (requests.count("query"), requests.count("batch_get_item")) == (2, 2)
    tried = requests.count("transact_write_items")
    assert 100 < tried < 150
    assert answers[0]["left"] == 200 - tried
    assert reset({}, Deadline(1_000))["left"] == 0


def test_a_run_writes_one_line_that_is_its_metrics_too(
    due: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    answer = built(due, lambda _: None)({}, Deadline(1_000))
    [line] = [each.__dict__ for each in caplog.records if each.message == "reset"]
    assert answer.items() <= line.items()
    [directive] = line["_aws"]["CloudWatchMetrics"]
    named = [each["Name"] for each in directive["Metrics"]]
    assert {each: line[each] for each in named} == {
        "due": ACCOUNTS,
        "closed": ACCOUNTS,
        "reclaimed": 0,
        "left": 0,
        "behind_seconds": MARGIN.total_seconds(),
    }
    assert [line[each] for [each] in directive["Dimensions"]] == [Deadline.function_name]
