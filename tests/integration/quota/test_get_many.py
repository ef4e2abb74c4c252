"""F3: of a batch only what was not answered is asked for again."""

from typing import Any

import pytest

from tests.integration.quota.house import House
from tollgate.table import keys
from tollgate.table.client import Table, Unavailable


class Busy:
    """botocore's client, which answers for `share` keys of a batch at a time."""

    def __init__(self, client: Any, share: int) -> None:
        self.client = client
        self.share = share
        self.asked: list[int] = []

    def batch_get_item(self, RequestItems: Any) -> Any:
        [(name, request)] = RequestItems.items()
        self.asked.append(len(request["Keys"]))
        now, later = request["Keys"][: self.share], request["Keys"][self.share :]
        answer: Any = {"Responses": {}, "UnprocessedKeys": {}}
        if now:
            answer = self.client.batch_get_item(RequestItems={name: {**request, "Keys": now}})
        if later:
            answer["UnprocessedKeys"] = {name: {**request, "Keys": later}}
        return answer


def test_many_items_are_one_request_and_what_is_missing_is_left_out(house: House) -> None:
    wanted = [keys.gate(house.open_account(f"acc_{n}")) for n in range(99)]
    found: list[Any] = []
    asked = [*wanted, keys.gate("acc_none")]
    assert house.wire.made_by(lambda: found.extend(house.table.get_many(asked))) == [
        "batch_get_item"
    ]
    assert {item["pk"]["S"] for item in found} == {key.pk for key in wanted}
    assert house.wire.made_by(lambda: house.table.get_many([])) == []


def test_what_was_not_answered_is_asked_for_again(
    house: House, dynamodb: Any, table_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    wanted = [keys.gate(house.open_account(f"acc_{n}")) for n in range(10)]
    busy = Busy(dynamodb, 4)
    found = Table(busy, table_name).get_many(wanted)
    assert sorted(item["pk"]["S"] for item in found) == sorted(key.pk for key in wanted)
    assert busy.asked == [10, 6, 2]
    assert len(pauses) == 2


def test_a_batch_that_is_never_answered_is_unavailable(
    house: House, dynamodb: Any, table_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    busy = Busy(dynamodb, 0)
    with pytest.raises(Unavailable):
        Table(busy, table_name).get_many([keys.gate(house.open_account())])
    assert 2 < len(busy.asked) < 10
