"""The usual starter kit: read the session, read the user, compare, count.

The session's item says who asks; the user's holds the plan's limit and the day's count; where the
count is below the limit, an unconditional `ADD` raises it and the request goes on. Whoever read
before another's `ADD` arrived is let in as well. (The other usual form, which writes back the count
it read with a `put`, admits everybody who reads at once.) Settling adds the tokens that were used.
"""

import time
from typing import Any

import botocore.session
from botocore.config import Config

from bench.admission_peers import SPENT, Settle

_DAY = "2026-11-21"
_SESSION = {"pk": {"S": "SESSION#ses_1"}, "sk": {"S": "SESSION"}}
_USER = {"pk": {"S": "USER#usr_1"}, "sk": {"S": "PROFILE"}}
_OUT_OF_THE_WAY = 10**12


class ReadThenWrite:
    def __init__(self, name: str, limit: int | None) -> None:
        self._name = name
        self._limit = limit or _OUT_OF_THE_WAY
        self._client: Any = botocore.session.get_session().create_client(
            "dynamodb", config=Config(max_pool_connections=64)
        )

    def prepare(self) -> None:
        keys = {"pk": "HASH", "sk": "RANGE"}
        self._client.create_table(
            TableName=self._name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys.items()],
        )
        ends = {"N": str(int(time.time()) + 86_400)}
        session = {**_SESSION, "user": {"S": "usr_1"}, "ends": ends}
        user = {**_USER, "plan": {"S": "pro"}, "day_limit": {"N": str(self._limit)}}
        for item in (session, user):
            self._client.put_item(TableName=self._name, Item=item)

    def admit(self) -> Settle | None:
        session = self._read(_SESSION)
        if int(session["ends"]["N"]) <= time.time():
            return None
        user = self._read(_USER)
        if int(user.get(_DAY, {"N": "0"})["N"]) >= int(user["day_limit"]["N"]):
            return None
        self._add(_DAY, 1)
        return lambda: self._add("tokens", SPENT)

    def _read(self, key: dict[str, Any]) -> dict[str, Any]:
        answer = self._client.get_item(TableName=self._name, Key=key, ConsistentRead=True)
        item: dict[str, Any] = answer["Item"]
        return item

    def _add(self, counter: str, amount: int) -> None:
        self._client.update_item(
            TableName=self._name,
            Key=_USER,
            UpdateExpression="ADD #counter :amount",
            ExpressionAttributeNames={"#counter": counter},
            ExpressionAttributeValues={":amount": {"N": str(amount)}},
        )


def open_peer(name: str, limit: int | None) -> ReadThenWrite:
    return ReadThenWrite(name, limit)
