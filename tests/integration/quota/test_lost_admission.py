"""P4: an admission whose answer never came is given back, and costs nobody anything."""

import asyncio
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError

from tests.integration.quota.house import MODEL, SESSION, TODAY, House
from tollgate.catalogue import Blueprint
from tollgate.generation.generate import Generate
from tollgate.generation.order import Order
from tollgate.generation.providers import Providers
from tollgate.generation.relay import Ledger
from tollgate.quota.admission import Visitor
from tollgate.table.client import Table, Unavailable

VISITOR = Visitor("acc_1", "usr_1", SESSION, "gen_1")
BLUEPRINT = Blueprint("summary", "Summary", "Shorter.", "free", "gpt", "Be brief.")


class Deaf:
    """botocore's client, of which every written admission's answer is lost."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.deaf = True

    def update_item(self, **arguments: Any) -> Any:
        answer = self._client.update_item(**arguments)
        if self.deaf:
            self.deaf = False
            raise ReadTimeoutError(endpoint_url="the engine")
        return answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


def test_an_admission_whose_answer_was_lost_is_given_back(
    house: House, dynamodb: Any, table_name: str
) -> None:
    house.open_account()
    before = house.gate()
    routes = {"gpt": {"free": (MODEL,)}}
    house.catalogue = msgspec.structs.replace(house.catalogue, routes=routes)
    table = Table(Deaf(dynamodb), table_name)
    house.table = table
    ledger = Ledger(table, house.catalogue, house.clock)
    generate = Generate(ledger, house.admission, Providers())

    asyncio.run(_refused(generate, house))

    after = house.gate()
    assert (after.open, after.days[TODAY]) == ({}, 0)
    assert sum(after.used.values()) == sum(before.used.values())
    assert house.receipts()["gen_1"].outcome == "failed"


async def _refused(generate: Generate, house: House) -> None:
    order = Order(BLUEPRINT, "gpt", "c1", "m1", "one two three", (), continued=False)
    with pytest.raises(Unavailable):
        await generate.start(VISITOR, house.hint(), order, seconds=60)
    await asyncio.gather(*generate.running)
