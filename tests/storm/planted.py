"""A bug on purpose: a storm that sees nothing must not pass for one that has nothing to tell."""

from typing import Any

from tests.faults.wire import Arguments


def without_the_fence(call: str, arguments: Arguments) -> Arguments:
    """The projection is written whatever was projected since it was read."""
    if call != "transact_write_items":
        return arguments
    return {**arguments, "TransactItems": [_bare(each) for each in arguments["TransactItems"]]}


def _bare(part: Any) -> Any:
    update = part.get("Update", {})
    if update.get("Key", {}).get("sk") != {"S": "ACCOUNT"}:
        return part
    values = {
        name: value
        for name, value in update["ExpressionAttributeValues"].items()
        if name != ":seen"
    }
    bare = {name: value for name, value in update.items() if name != "ConditionExpression"}
    return {"Update": {**bare, "ExpressionAttributeValues": values}}
