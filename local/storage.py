"""The table on the laptop's engine, made as template.yaml declares it."""

from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from local.template import Template
from tollgate.table.client import Table, connect

Items = list[dict[str, Any]]


def open_table(template: Template, name: str) -> Table:
    """Makes the table at the first start."""
    try:
        _client().create_table(**template.table(name), **template.stream())
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceInUseException":
            raise
        _give_stream(template, name)
    return connect(name)


def _give_stream(template: Template, name: str) -> None:
    """To a table that an earlier version has made."""
    if "LatestStreamArn" not in _client().describe_table(TableName=name)["Table"]:
        _client().update_table(TableName=name, **template.stream())


def dump(name: str) -> Items:
    """Every item, in the order of its keys."""
    pages = _client().get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
    items = [item for page in pages for item in page["Items"]]
    return sorted(items, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


def _client() -> Any:
    return botocore.session.get_session().create_client("dynamodb")
