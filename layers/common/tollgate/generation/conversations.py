"""What was said: a member's newest conversations and their messages, by the page.

They are kept apart from receipts: deleting a conversation never cancels a charge.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pynamodb.attributes import UnicodeAttribute, UTCDateTimeAttribute
from ulid import ULID

from tollgate.generation.prompt import Turn
from tollgate.table import keys
from tollgate.table.client import Item, Table, Update
from tollgate.table.record import Record

KEPT = 20
_HISTORY = 40
_TITLE_LENGTH = 80
_FROM_THE_FIRST = frozenset({"title", "created_at"})
_BETWEEN_QUESTION_AND_ANSWER = timedelta(milliseconds=1)


class Conversation(Record):
    id = UnicodeAttribute()
    title = UnicodeAttribute()
    blueprint = UnicodeAttribute()
    model = UnicodeAttribute()
    created_at = UTCDateTimeAttribute()
    updated_at = UTCDateTimeAttribute()


class Message(Record):
    id = UnicodeAttribute()
    role = UnicodeAttribute()
    text = UnicodeAttribute()
    created_at = UTCDateTimeAttribute()

    @property
    def cursor(self) -> str:
        return self.sk.removeprefix("MESSAGE#")

    @property
    def turn(self) -> Turn:
        return Turn("user" if self.role == "user" else "assistant", self.text)


@dataclass(frozen=True, slots=True)
class Before:
    """What stood before a question: `turns`, the oldest first.

    `replaced` are the messages that its answer takes the place of, where it was asked before.
    """

    turns: tuple[Turn, ...] = ()
    replaced: tuple[keys.Key, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer; `model` is the alias that was asked for."""

    conversation_id: str
    blueprint: str
    model: str
    question_id: str
    question: str
    answer_id: str
    answer: str
    replaced: tuple[keys.Key, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """Whose conversations: ids are the client's own, so the member is part of every key."""

    account_id: str
    user_id: str


class Conversations:
    def __init__(self, table: Table) -> None:
        self._table = table

    def newest_first(self, member: Member, now: datetime) -> list[Conversation]:
        page = self._table.query(
            f"ACCOUNT#{member.account_id}#USER#{member.user_id}", "CONVERSATION#"
        )
        found = [Conversation.read(item, now) for item in page.items]
        return sorted(
            (each for each in found if each is not None),
            key=lambda each: each.updated_at,
            reverse=True,
        )

    def exists(self, member: Member, conversation_id: str) -> bool:
        return self._table.get(_key(member, conversation_id)) is not None

    def messages(
        self, member: Member, conversation_id: str, now: datetime, *, before: str | None, limit: int
    ) -> tuple[list[Message], str | None]:
        """The newest first, and where the next page begins (None: there is none)."""
        start = keys.message(member.account_id, member.user_id, conversation_id, before or "")
        last: Item | None = {"pk": {"S": start.pk}, "sk": {"S": start.sk}} if before else None
        page = self._table.query(start.pk, "MESSAGE#", newest_first=True, limit=limit, start=last)
        found = [Message.read(item, now) for item in page.items]
        messages = [each for each in found if each is not None]
        return messages, messages[-1].cursor if page.next_key and messages else None

    def before(
        self, member: Member, conversation_id: str, question_id: str, now: datetime
    ) -> Before:
        messages, _ = self.messages(member, conversation_id, now, before=None, limit=_HISTORY)
        messages.reverse()
        ids = [each.id for each in messages]
        place = ids.index(question_id) if question_id in ids else len(ids)
        return Before(
            tuple(each.turn for each in messages[:place]),
            tuple(keys.Key(each.pk, each.sk) for each in messages[place:]),
        )

    def keep(self, member: Member, exchange: Exchange, now: datetime) -> None:
        """Writes question and answer, and retires the oldest conversation beyond those kept."""
        self._remove(exchange.replaced)
        conversation_id = exchange.conversation_id
        self._put(member, conversation_id, exchange.question_id, "user", exchange.question, now)
        answered = now + _BETWEEN_QUESTION_AND_ANSWER
        self._put(
            member, conversation_id, exchange.answer_id, "assistant", exchange.answer, answered
        )
        self._touch(member, exchange, now)
        for old in self.newest_first(member, now)[KEPT:]:
            self.delete(member, old.id)

    def delete(self, member: Member, conversation_id: str) -> bool:
        """False where there was none.

        The conversation goes first, so that nobody reads half of it; messages that an earlier try
        left behind go in any case.
        """
        existed = self._table.delete(_key(member, conversation_id)) is not None
        partition = keys.message(member.account_id, member.user_id, conversation_id, "").pk
        while items := self._table.query(partition, "MESSAGE#").items:
            self._remove(keys.Key(item["pk"]["S"], item["sk"]["S"]) for item in items)
        return existed

    def _remove(self, messages: Iterable[keys.Key]) -> None:
        for each in messages:
            self._table.delete(each)

    def _put(
        self,
        member: Member,
        conversation_id: str,
        message_id: str,
        role: str,
        text: str,
        at: datetime,
    ) -> None:
        key = keys.message(
            member.account_id, member.user_id, conversation_id, str(ULID.from_datetime(at))
        )
        message = Message.new(key, id=message_id, role=role, text=text, created_at=at)
        self._table.put(message.serialize())

    def _touch(self, member: Member, exchange: Exchange, now: datetime) -> None:
        """Title and beginning stay what the first question made them."""
        key = _key(member, exchange.conversation_id)
        fresh = Conversation.new(
            key,
            id=exchange.conversation_id,
            title=title_of(exchange.question),
            blueprint=exchange.blueprint,
            model=exchange.model,
            created_at=now,
            updated_at=now,
        )
        values = {
            name: value for name, value in fresh.serialize().items() if name not in ("pk", "sk")
        }
        sets = [
            f"#{name} = if_not_exists(#{name}, :{name})"
            if name in _FROM_THE_FIRST
            else f"#{name} = :{name}"
            for name in values
        ]
        change = Update(
            "SET " + ", ".join(sets),
            {f"#{name}": name for name in values},
            {f":{name}": value for name, value in values.items()},
        )
        self._table.update(key, change)


def title_of(question: str) -> str:
    """The question's first words, on one line."""
    line = " ".join(question.split())
    return line if len(line) <= _TITLE_LENGTH else f"{line[: _TITLE_LENGTH - 1]}…"


def _key(member: Member, conversation_id: str) -> keys.Key:
    return keys.conversation(member.account_id, member.user_id, conversation_id)
