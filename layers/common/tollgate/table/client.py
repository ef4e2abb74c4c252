"""The one way to DynamoDB: botocore's client with its faults translated into three facts.

A condition did not hold (`ConditionFailed`, `Cancelled`), or nobody knows (`Unavailable`).
Expressions stay with their use cases, in sight; this module adds the table's name, deadlines and
the retries that botocore leaves out (transactions that met another writer).
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from tollgate.table.faults import (
    Cancelled,
    ConditionFailed,
    Conflicting,
    Unavailable,
    repeated,
    translated,
)

if TYPE_CHECKING:
    from tollgate.clock import StoreClock
    from tollgate.table.keys import Key

__all__ = [
    "Action",
    "Cancelled",
    "ConditionFailed",
    "Item",
    "Page",
    "Table",
    "Unavailable",
    "Update",
    "Value",
    "Written",
    "connect",
    "put",
    "update",
]

Value = Mapping[str, Any]
Item = Mapping[str, Value]

_CONFLICT_TRIES = 6
_BATCH_TRIES = 6
_FIRST_PAUSE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Update:
    """An UpdateItem by its three expressions, with every attribute name aliased."""

    expression: str
    names: Mapping[str, str]
    values: Mapping[str, Value] = field(default_factory=dict)
    condition: str | None = None

    def arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "UpdateExpression": self.expression,
            "ExpressionAttributeNames": dict(self.names),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if self.values:
            arguments["ExpressionAttributeValues"] = dict(self.values)
        if self.condition:
            arguments["ConditionExpression"] = self.condition
        return arguments


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[Item]
    next_key: Item | None


@dataclass(frozen=True, slots=True)
class Written:
    """`item` as it is after a change that botocore had to send more than once where it is
    `repeated`: an earlier sending may still be under way, and arrive after everything that follows.
    """

    item: Item
    repeated: bool


T = TypeVar("T")

Action = Callable[[str], dict[str, Any]]
"""One part of a transaction; it is given the table's name."""


def put(item: Item, *, if_absent: bool = False, or_same: str | None = None) -> Action:
    """`or_same`: what stands there is replaced where it has the item's own value of this."""

    def action(table: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"TableName": table, "Item": dict(item)}
        if if_absent:
            arguments |= _IF_ABSENT
        if if_absent and or_same is not None:
            arguments |= {
                "ConditionExpression": f"{_IF_ABSENT['ConditionExpression']} OR #same = :same",
                "ExpressionAttributeNames": {"#pk": "pk", "#same": or_same},
                "ExpressionAttributeValues": {":same": item[or_same]},
            }
        return {"Put": arguments}

    return action


def update(key: "Key", change: Update) -> Action:
    return lambda table: {"Update": {"TableName": table, "Key": _key(key), **change.arguments()}}


class Table:
    """Reads of items are consistent, those of the index cannot be.

    A request ends within ten seconds with its retries; a write that meets a transaction, and a
    batch, may take a few of them.
    """

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: "Key") -> Item | None:
        with translated():
            answer = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def get_many(self, keys: "Sequence[Key]") -> list[Item]:
        """Those of the items that stand, in no order; at most a hundred keys, none of them twice.

        DynamoDB may answer for a part of them only: the others are asked for again.
        """
        items: list[Item] = []
        asked: Sequence[Mapping[str, Value]] = [_key(key) for key in keys]
        for attempt in range(_BATCH_TRIES):
            if not asked:
                return items
            if attempt:
                _pause(attempt)
            request = {self._name: {"Keys": asked, "ConsistentRead": True}}
            with translated():
                answer = self._client.batch_get_item(RequestItems=request)
            items += answer["Responses"].get(self._name, ())
            asked = answer.get("UnprocessedKeys", {}).get(self._name, {}).get("Keys", ())
        if asked:
            raise Unavailable("a batch was not read to its end")
        return items

    def put(self, item: Item, *, if_absent: bool = False) -> None:
        extra = _IF_ABSENT if if_absent else {}
        _past_conflicts(
            lambda: self._client.put_item(TableName=self._name, Item=dict(item), **extra)
        )

    def update(self, key: "Key", change: Update) -> Item:
        """The item as it is after the change."""
        return self.write(key, change).item

    def write(self, key: "Key", change: Update) -> Written:
        """An `update` that tells whether it was sent more than once."""
        arguments = change.arguments()
        tries = 0

        def send() -> Any:
            nonlocal tries
            tries += 1
            return self._client.update_item(
                TableName=self._name, Key=_key(key), ReturnValues="ALL_NEW", **arguments
            )

        try:
            answer = _past_conflicts(send)
        except ConditionFailed as failed:
            failed.repeated |= tries > 1
            raise
        return Written(answer["Attributes"], tries > 1 or repeated(answer))

    def delete(self, key: "Key") -> Item | None:
        """The item that stood there."""
        answer = _past_conflicts(
            lambda: self._client.delete_item(
                TableName=self._name, Key=_key(key), ReturnValues="ALL_OLD"
            )
        )
        item: Item | None = answer.get("Attributes") or None
        return item

    def transact(self, *actions: Action) -> None:
        """All of the actions or none."""
        items = [action(self._name) for action in actions]
        _past_conflicts(lambda: self._client.transact_write_items(TransactItems=items))

    def query(
        self,
        pk: str,
        prefix: str,
        *,
        newest_first: bool = False,
        limit: int | None = None,
        start: Item | None = None,
    ) -> Page:
        arguments: dict[str, Any] = {
            "KeyConditionExpression": "#pk = :pk AND begins_with(#sk, :prefix)",
            "ExpressionAttributeNames": {"#pk": "pk", "#sk": "sk"},
            "ExpressionAttributeValues": {":pk": {"S": pk}, ":prefix": {"S": prefix}},
            "ScanIndexForward": not newest_first,
            "ConsistentRead": True,
        }
        return self._page(arguments, limit, start)

    def query_due(
        self, shard: str, first: str, last: str, *, limit: int, start: Item | None = None
    ) -> Page:
        """Keys of the gates in use whose periods end between two boundaries, both included."""
        arguments: dict[str, Any] = {
            "IndexName": "due",
            "KeyConditionExpression": "#due = :shard AND #boundary BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#due": "due", "#boundary": "boundary"},
            "ExpressionAttributeValues": {
                ":shard": {"S": shard},
                ":first": {"S": first},
                ":last": {"S": last},
            },
        }
        return self._page(arguments, limit, start)

    def _page(self, arguments: dict[str, Any], limit: int | None, start: Item | None) -> Page:
        if limit is not None:
            arguments["Limit"] = limit
        if start is not None:
            arguments["ExclusiveStartKey"] = dict(start)
        with translated():
            answer = self._client.query(TableName=self._name, **arguments)
        return Page(answer["Items"], answer.get("LastEvaluatedKey"))


def connect(name: str, clock: "StoreClock | None" = None) -> Table:
    """The table over a client of its own, whose answers correct `clock`.

    Region, endpoint and credentials come from the AWS_* environment.
    """
    import botocore.session
    from botocore.config import Config

    from tollgate.table.dated_answers import correct_by_answers
    from tollgate.table.descriptions import OneService
    from tollgate.table.plain_json import PlainParsers, PlainSerializer

    config = Config(
        user_agent="tollgate",  # botocore's own is made anew, twice, for every request
        connect_timeout=1,
        read_timeout=2,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=50,
        parameter_validation=False,
    )
    session = botocore.session.get_session()
    session.register_component("data_loader", OneService(_SERVICE))
    session.register_component("response_parser_factory", PlainParsers())
    client = session.create_client(_SERVICE, config=config)
    if client.meta.service_model.resolved_protocol == "json":
        client._serializer = PlainSerializer()
    if clock is not None:
        correct_by_answers(clock, client, _SERVICE)
    return Table(client, name)


_SERVICE = "dynamodb"
_IF_ABSENT = {
    "ConditionExpression": "attribute_not_exists(#pk)",
    "ExpressionAttributeNames": {"#pk": "pk"},
    "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
}


def _key(key: "Key") -> dict[str, Value]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, _FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter is no secret


def _past_conflicts(write: Callable[[], T]) -> T:
    """botocore does not repeat what lost to a concurrent transaction: repeat it with jitter."""
    for attempt in range(_CONFLICT_TRIES):
        try:
            with translated():
                return write()
        except Conflicting:
            _pause(attempt)
    raise Unavailable("conflicting writes did not cease")
