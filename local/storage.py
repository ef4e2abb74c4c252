"""The table on the laptop's engine, made as template.yaml declares it."""

from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from local.template import Template
from tollgate.table.client import Table, connect

Items = list[dict[str, Any]]


def open_table(template: Template, name: str) -> Table:
    """Makes the table at the first start.

    Errors: `Outdated` where an earlier version has made another one.
    """
    wanted = template.table(name) | template.stream()
    try:
        _client().create_table(**wanted)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        if _shape(_client().describe_table(TableName=name)["Table"]) != _shape(wanted):
            raise Outdated from None
    return connect(name)


class Outdated(Exception):
    """What the laptop has kept is of an earlier version of the table."""

    def __init__(self) -> None:
        super().__init__(
            "An earlier version has made .local: `make clean` forgets it, data and all."
        )


def _shape(table: dict[str, Any]) -> tuple[Any, ...]:
    indexes = {each["IndexName"]: each["KeySchema"] for each in table["GlobalSecondaryIndexes"]}
    return table["KeySchema"], indexes, table.get("StreamSpecification")


def dump(name: str) -> Items:
    """Every item, in the order of its keys."""
    pages = _client().get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def _client() -> Any:
    return botocore.session.get_session().create_client("dynamodb")
