"""A table as the template declares it, and a house on it."""

from typing import Any
from uuid import uuid4

import pytest

from functions.count_spend.app import build
from local import template
from local.stream import Stream
from tests.integration.quota.house import House, Wire
from tollgate.table.client import Table


@pytest.fixture(scope="session")
def declared() -> template.Template:
    return template.load()


@pytest.fixture
def table_name(dynamodb: Any, declared: template.Template) -> str:
    name = f"quota-{uuid4().hex}"
    dynamodb.create_table(**declared.table(name))
    return name


@pytest.fixture
def house(dynamodb: Any, table: Table, table_name: str) -> House:
    wire = Wire(dynamodb)
    return House(wire, Table(wire, table_name), table)


@pytest.fixture
def stream(
    house: House,
    dynamodb: Any,
    table_name: str,
    declared: template.Template,
    engine_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Stream:
    """The laptop's feed of the spend's count, to be polled by hand."""
    dynamodb.update_table(TableName=table_name, **declared.stream())
    environ = {
        "AWS_ENDPOINT_URL_DYNAMODB": engine_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)

    def count(event: dict[str, Any], context: object) -> dict[str, Any]:
        """By the catalogue that the house has by then."""
        return build(table=house.table, catalogue=house.catalogue, clock=house.clock)(
            event, context
        )

    return Stream(table_name, declared.pattern("count_spend"), count)
