"""F1: whatever happens to any call, the promises hold; and a broken settlement does not pass."""

from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from local import template
from tests.faults.history import Violation
from tests.faults.run import connect, play, settled_without_its_condition
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
    injected = play(engine_url, untouched, range(10_000, 10_008))
    assert injected.keys() == set(Fault)


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


def test_a_repeated_write_is_sent_twice(client: Any, table_name: str) -> None:
    wire = Wire(client, plan=lambda _: Fault.REPEATED)
    wire.update_item(
        TableName=table_name,
        Key=KEY,
        UpdateExpression="ADD #n :one",
        ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    assert client.get_item(TableName=table_name, Key=KEY)["Item"]["n"] == {"N": "2"}
