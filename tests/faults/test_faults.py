"""F1, Q4, Q5: whatever happens to any call, the promises hold; and what breaks one is found out."""

from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from local import template
from tests.faults.history import Violation
from tests.faults.mutants import Mutant
from tests.faults.players import (
    SCENARIOS,
    catcher,
    connect,
    play,
    recorded,
    settled_without_its_condition,
)
from tests.faults.races import kill, race
from tests.faults.wire import Fault, Killed, Wire, untouched

KEY = {"pk": {"S": "A"}, "sk": {"S": "B"}}


@pytest.fixture
def client(engine_url: str) -> Any:
    return connect(engine_url)


@pytest.fixture
def table_name(client: Any) -> str:
    name = f"wire-{uuid4().hex}"
    client.create_table(**template.load().table(name))
    return name


def test_promises_hold_under_every_fault(engine_url: str) -> None:
    injected = play(engine_url, untouched, range(10_000, 10_006))
    assert injected.keys() == set(Fault)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_promises_hold_where_chance_seldom_comes(engine_url: str, scenario: str) -> None:
    _, mutants = recorded(engine_url, scenario)
    assert mutants


@pytest.mark.parametrize(
    ("term", "scenario"),
    [
        ("#sessions.#sid > :now", "the_session_has_ended"),
        ("attribute_not_exists(#suspended)", "an_account_is_suspended"),
        ("attribute_type(#until, :null) OR #until > :now", "an_entitlement_ends"),
        ("#open.#generation = :seen", "a_hold_moves_before_it_is_pinned"),
        ("attribute_not_exists(#late_at)", "two_settlements_come_late"),
        ("#version = :seen", "limits_change_under_a_release"),
    ],
)
def test_a_condition_without_one_of_its_terms_is_found_out(
    engine_url: str, term: str, scenario: str
) -> None:
    _, mutants = recorded(engine_url, scenario)
    [mutant] = [each for each in mutants if each.term == term]
    assert catcher(engine_url, mutant, [scenario]) == scenario


def test_what_changes_nothing_is_not_found_out(engine_url: str) -> None:
    mutant = Mutant("update_item GATE SET #nothing", "#nothing = :nothing")
    assert catcher(engine_url, mutant, ["the_session_has_ended"]) is None


def test_a_thousand_killed_processes_leave_nothing_undecided(client: Any, table_name: str) -> None:
    assert kill(client, table_name, 1_000) == Counter(finished=750, reclaimed=250)


def test_of_a_settlement_and_a_reclaim_exactly_one_decides(client: Any, table_name: str) -> None:
    won = race(client, table_name, 500)
    assert won.total() == 500
    assert len(won) == 2, "one of them was never in time"


def test_a_settlement_without_its_condition_is_a_violation(engine_url: str) -> None:
    with pytest.raises(Violation, match=r"^seed 2\d{4}: P2"):
        play(engine_url, settled_without_its_condition, range(20_000, 20_020))


@pytest.mark.parametrize(
    ("fault", "error", "written"),
    [
        (Fault.KILLED, Killed, False),
        (Fault.KILLED_AFTER, Killed, True),
        (Fault.THROTTLED, ClientError, False),
        (Fault.CONFLICT, ClientError, False),
        (Fault.FAILED, ClientError, False),
        (Fault.FAILED_AFTER, ClientError, True),
        (Fault.TIMED_OUT, ConnectTimeoutError, False),
        (Fault.TIMED_OUT_AFTER, ReadTimeoutError, True),
        (Fault.DELAYED, ReadTimeoutError, False),
        (Fault.KILLED_DELAYED, Killed, False),
    ],
)
def test_a_fault_comes_before_or_after_the_write(
    client: Any, table_name: str, fault: Fault, error: type[BaseException], written: bool
) -> None:
    wire = Wire(client, plan=lambda _: fault)
    with pytest.raises(error):
        wire.put_item(TableName=table_name, Item=KEY)
    assert ("Item" in client.get_item(TableName=table_name, Key=KEY)) == written


def test_a_killed_process_sends_nothing_more(client: Any, table_name: str) -> None:
    faults = iter([Fault.KILLED])
    wire = Wire(client, plan=lambda _: next(faults, None))
    for _ in range(2):
        with pytest.raises(Killed):
            wire.put_item(TableName=table_name, Item=KEY)
    assert "Item" not in client.get_item(TableName=table_name, Key=KEY)


@pytest.mark.parametrize("fault", [Fault.DELAYED, Fault.KILLED_DELAYED])
def test_a_late_write_lands_once(client: Any, table_name: str, fault: Fault) -> None:
    wire = Wire(client, plan=lambda _: fault)
    with pytest.raises((ReadTimeoutError, Killed)):
        add_one(wire, table_name)
    for _ in range(2):
        wire.land()
    assert counted(client, table_name) == 1


def test_an_overtaken_write_is_answered_as_repeated_and_lands_again(
    client: Any, table_name: str
) -> None:
    wire = Wire(client, plan=lambda _: Fault.OVERTAKEN)
    answer = add_one(wire, table_name)
    assert (answer["ResponseMetadata"]["RetryAttempts"], counted(client, table_name)) == (1, 1)
    wire.land()
    assert counted(client, table_name) == 2


def test_a_repeated_write_is_sent_twice(client: Any, table_name: str) -> None:
    wire = Wire(client, plan=lambda _: Fault.REPEATED)
    add_one(wire, table_name)
    assert counted(client, table_name) == 2


def add_one(wire: Wire, table_name: str) -> Any:
    return wire.update_item(
        TableName=table_name,
        Key=KEY,
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )


def counted(client: Any, table_name: str) -> int:
    return int(client.get_item(TableName=table_name, Key=KEY)["Item"]["n"]["N"])
