"""F1, in part: what loses to a concurrent transaction is repeated, since botocore does not."""

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from tests.integration.quota.house import House
from tollgate.table.client import Cancelled, Item, Table, Unavailable, Update, put
from tollgate.table.keys import Key

KEY = Key("A", "B")
ITEM: Item = {"pk": {"S": "A"}, "sk": {"S": "B"}}
NOTE = Update("SET #n = :n", {"#n": "n"}, {":n": {"N": "1"}})
WRITES: dict[str, Callable[[Table], object]] = {
    "put_item": lambda table: table.put(ITEM),
    "update_item": lambda table: table.update(KEY, NOTE),
    "delete_item": lambda table: table.delete(KEY),
    "transact_write_items": lambda table: table.transact(put(ITEM)),
}


def conflict(name: str) -> ClientError:
    if name == "transact_write_items":
        reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
        answer = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
    else:
        answer = {"Error": {"Code": "TransactionConflictException"}}
    return ClientError(answer, name)


@pytest.mark.parametrize("name", WRITES)
def test_a_conflict_is_tried_again(house: House, name: str) -> None:
    def lose() -> None:
        raise conflict(name)

    house.wire.before[name] = lose
    assert house.wire.made_by(lambda: WRITES[name](house.table)) == [name] * 2


@pytest.mark.parametrize("name", WRITES)
def test_conflicts_that_do_not_cease_are_an_unknown_outcome(
    house: House, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)

    def lose() -> None:
        house.wire.before[name] = lose
        raise conflict(name)

    house.wire.before[name] = lose
    with pytest.raises(Unavailable):
        WRITES[name](house.table)
    assert 2 < len(house.wire.requests) < 10


def test_a_condition_that_failed_beside_a_conflict_is_a_condition_that_failed(
    house: House,
) -> None:
    house.table.put(ITEM)

    def lose() -> None:
        reasons = [
            {"Code": "ConditionalCheckFailed", "Item": ITEM},
            {"Code": "TransactionConflict"},
        ]
        answer = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
        raise ClientError(answer, "TransactWriteItems")

    house.wire.before["transact_write_items"] = lose
    with pytest.raises(Cancelled) as cancelled:
        house.table.transact(put(ITEM, if_absent=True), put(ITEM))
    assert cancelled.value.failed == {0: ITEM}
