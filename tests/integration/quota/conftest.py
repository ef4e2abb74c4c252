"""A table as the template declares it, and a house on it."""

from typing import Any
from uuid import uuid4

import pytest

from local import template
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
