"""How far the reset has come, kept in the table: whoever runs next takes up what was left.

Everything noted here is true whoever notes it and however late, so that runs need no lock: a place
in a shard means that the gates before it were seen to, and `done` that all of a sweep's were.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Self

from tollgate.quota.periods import instant, rfc3339
from tollgate.table import keys
from tollgate.table.client import Cancelled, ConditionFailed, Item, Table, Update, Value

_LEFT = "LEFT#"


class Place(NamedTuple):
    """The entry of the index that was seen to last, in one shard."""

    boundary: str
    account_id: str

    @classmethod
    def of(cls, entry: Item) -> Self:
        return cls(entry["boundary"]["S"], keys.account_of(entry))

    def start(self, shard: str) -> Item:
        """Where the index is read on."""
        key = keys.gate(self.account_id)
        return {
            "due": {"S": shard},
            "boundary": {"S": self.boundary},
            "pk": {"S": key.pk},
            "sk": {"S": key.sk},
        }


class Overtaken(Exception):
    """The sweep was finished by another run."""


@dataclass(frozen=True, slots=True)
class Progress:
    """All periods that ended up to `done` are closed, but for the accounts that were left.

    A sweep that is under way covers what ended from then to `until`, and has come to `places`.
    """

    done: datetime | None = None
    until: datetime | None = None
    places: Mapping[str, Place] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Item | None) -> Self:
        if item is None:
            return cls()
        places = item["places"]["M"] if "places" in item else {}
        return cls(
            _instant_or_none(item.get("done")),
            _instant_or_none(item.get("until")),
            {shard: Place(*value["S"].split(" ")) for shard, value in places.items()},
        )


def read(table: Table) -> Progress:
    return Progress.of(table.get(keys.reset_progress()))


def begin(table: Table, seen: Progress, until: datetime) -> Progress:
    """A sweep to `until`, or what another run has begun or finished meanwhile."""
    condition = "attribute_not_exists(#until) AND "
    values: dict[str, Value] = {":until": {"S": rfc3339(until)}, ":none": {"M": {}}}
    if seen.done is None:
        condition += "attribute_not_exists(#done)"
    else:
        condition += "#done = :done"
        values[":done"] = {"S": rfc3339(seen.done)}
    names = {"#until": "until", "#places": "places", "#done": "done"}
    change = Update("SET #until = :until, #places = :none", names, values, condition)
    try:
        return Progress.of(table.update(keys.reset_progress(), change))
    except ConditionFailed as failed:
        return Progress.of(failed.item)


def advance(table: Table, until: datetime, shard: str, place: Place) -> None:
    """Errors: `Overtaken`."""
    change = Update(
        "SET #places.#shard = :place",
        {"#places": "places", "#shard": shard, "#until": "until"},
        {":place": {"S": " ".join(place)}, ":until": {"S": rfc3339(until)}},
        "#until = :until",
    )
    try:
        table.update(keys.reset_progress(), change)
    except ConditionFailed as failed:
        raise Overtaken from failed


def finish(table: Table, until: datetime) -> Progress:
    """What stands then, also where another run has finished first."""
    change = Update(
        "SET #done = :until REMOVE #until, #places",
        {"#done": "done", "#until": "until", "#places": "places"},
        {":until": {"S": rfc3339(until)}},
        "#until = :until",
    )
    try:
        return Progress.of(table.update(keys.reset_progress(), change))
    except ConditionFailed as failed:
        return Progress.of(failed.item)


class Left(NamedTuple):
    """The ends of the first and of the last sweep that could not close an account."""

    since: datetime
    until: datetime


def leave(table: Table, account_id: str, until: datetime) -> bool:
    """Notes an account for the next runs; whether it was not noted yet."""
    change = Update(
        "SET #until = :until, #since = if_not_exists(#since, :until)",
        {"#until": "until", "#since": "since"},
        {":until": {"S": rfc3339(until)}},
        "attribute_not_exists(#until) OR #until < :until",
    )
    try:
        note = table.update(keys.reset_left(account_id), change)
    except ConditionFailed:
        return False
    return note["since"] == note["until"]


def forget(table: Table, account_id: str, seen: Left) -> None:
    """Unless another sweep has left the account again since the note was `seen`."""
    key = keys.reset_left(account_id)
    delete = {
        "Key": {"pk": {"S": key.pk}, "sk": {"S": key.sk}},
        "ConditionExpression": "#until = :seen",
        "ExpressionAttributeNames": {"#until": "until"},
        "ExpressionAttributeValues": {":seen": {"S": rfc3339(seen.until)}},
    }
    with suppress(Cancelled):
        table.transact(lambda name: {"Delete": {"TableName": name, **delete}})


def left(table: Table, size: int) -> Iterator[Mapping[str, Left]]:
    """Pages of the accounts that could not be closed."""
    start: Item | None = None
    while True:
        page = table.query(keys.reset_progress().pk, _LEFT, limit=size, start=start)
        yield {
            item["sk"]["S"].removeprefix(_LEFT): Left(
                instant(item["since"]["S"]), instant(item["until"]["S"])
            )
            for item in page.items
        }
        if (start := page.next_key) is None:
            return


def _instant_or_none(value: Value | None) -> datetime | None:
    return None if value is None else instant(value["S"])
