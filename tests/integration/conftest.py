"""A table of its own for each test, on the one engine that all share."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import botocore.session
import pytest
from botocore.config import Config

from tollgate.table.client import Table

Dump = Callable[[], list[Any]]


@pytest.fixture(scope="session")
def dynamodb(engine_url: str) -> Any:
    session = botocore.session.get_session()
    session.set_credentials("local", "local")
    return session.create_client(
        "dynamodb",
        region_name="us-east-1",
        endpoint_url=engine_url,
        config=Config(max_pool_connections=50, proxies={}),
    )


@pytest.fixture
def table_name(dynamodb: Any) -> str:
    name = f"test-{uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": attribute, "AttributeType": "S"}
            for attribute in ("pk", "sk", "due", "boundary")
        ],
        KeySchema=[_hash("pk"), _range("sk")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [_hash("due"), _range("boundary")],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    return name


@pytest.fixture
def table(dynamodb: Any, table_name: str) -> Table:
    return Table(dynamodb, table_name)


@pytest.fixture
def dump(dynamodb: Any, table_name: str) -> Dump:
    """Every item, in the order of their keys."""

    def dumped() -> list[Any]:
        pages = dynamodb.get_paginator("scan").paginate(TableName=table_name, ConsistentRead=True)
        items = [item for page in pages for item in page["Items"]]
        return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    return dumped


def _hash(name: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": "HASH"}


def _range(name: str) -> dict[str, str]:
    return {"AttributeName": name, "KeyType": "RANGE"}
